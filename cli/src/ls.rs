//! `sans3 ls`: lists a bucket.

use sans3_core::etag::ETag;
use sans3_core::operation::{ListObjectsV2, ListObjectsV2Output, ListedObject};
use sans3_core::time::UnixTime;
use sans3_platform::Environment;

use crate::args::{ConnectionArgs, LsArgs};
use crate::config::Connection;
use crate::exit::{Failure, Kind};
use crate::operand::{parse_uri, s3_uri};
use crate::output::{Event, Output, plain_bytes};
use crate::signals::Interrupt;

pub(crate) async fn run(
    args: &LsArgs,
    connection: &ConnectionArgs,
    output: &Output,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let uri = parse_uri(&args.uri)?;
    let resolved = Connection::resolve(connection, &Environment::from_process(), output)?;
    let client = resolved.small_client(connection)?;
    let site = resolved.site(&uri.bucket, &uri.key);
    let mut pages = client.list(ListObjectsV2 {
        prefix: uri.key.clone(),
        delimiter: (!args.recursive).then(|| b"/".to_vec()),
        ..ListObjectsV2::new(uri.bucket.clone())
    });
    let mut is_empty = true;
    loop {
        let page = tokio::select! {
            page = pages.next() => page,
            () = interrupt.wait() => return Err(Failure::interrupted()),
        };
        let Some(page) = page else { break };
        let page = page.map_err(|error| Failure::transfer(&error, &site))?;
        is_empty &= page.objects.is_empty() && page.prefixes.is_empty();
        print(&page, output)?;
    }
    if is_empty && !uri.key.is_empty() {
        let seen = s3_uri(&uri.bucket, &uri.key);
        return Err(Failure::new(
            Kind::NotFound,
            format!("no key begins with {seen}"),
        ));
    }
    Ok(())
}

fn print(page: &ListObjectsV2Output, output: &Output) -> Result<(), Failure> {
    for prefix in &page.prefixes {
        let human = || format!("{:20} {:>15} {}", "", "PREFIX", plain_bytes(prefix));
        output.data(human, || Event::new("prefix").key("prefix", prefix))?;
    }
    for object in &page.objects {
        output.data(|| line(object), || event(object))?;
    }
    Ok(())
}

fn line(object: &ListedObject) -> String {
    let modified = object
        .last_modified
        .as_ref()
        .map(UnixTime::to_string)
        .unwrap_or_default();
    format!(
        "{modified:20} {:>15} {}",
        object.size,
        plain_bytes(&object.key)
    )
}

fn event(object: &ListedObject) -> Event {
    let modified = object.last_modified.as_ref().map(UnixTime::to_string);
    Event::new("object")
        .key("key", &object.key)
        .number("size", object.size)
        .maybe_text("last_modified", modified.as_deref())
        .maybe_text("etag", object.etag.as_ref().map(ETag::as_str))
        .maybe_text("storage_class", object.storage_class.as_deref())
}
