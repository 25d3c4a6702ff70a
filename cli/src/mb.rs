//! `sans3 mb`: makes a bucket.

use sans3_core::operation::CreateBucket;
use sans3_platform::Environment;

use crate::args::{ConnectionArgs, MbArgs};
use crate::calls::finish;
use crate::config::Connection;
use crate::exit::Failure;
use crate::operand::{parse_uri, s3_uri};
use crate::output::{Event, Output};
use crate::signals::Interrupt;

pub(crate) async fn run(
    args: &MbArgs,
    connection: &ConnectionArgs,
    output: &Output,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let uri = parse_uri(&args.uri)?;
    if !uri.key.is_empty() {
        let seen = s3_uri(&uri.bucket, &uri.key);
        return Err(Failure::usage(format!(
            "expected a bucket, s3://BUCKET, got {seen}"
        )));
    }
    let resolved = Connection::resolve(connection, &Environment::from_process(), output)?;
    let client = resolved.small_client(connection)?;
    let create = CreateBucket::new(uri.bucket.clone(), &resolved.endpoint);
    finish(
        client.call(create),
        interrupt,
        &resolved.site(&uri.bucket, b""),
    )
    .await?;
    output.news(
        || format!("made s3://{}", uri.bucket),
        || {
            Event::new("bucket_made")
                .text("bucket", uri.bucket.as_str())
                .text("region", resolved.endpoint.region().as_str())
        },
    )
}
