//! `sans3 presign`: a URL that lets its holder read an object for a while. Sends nothing.

use sans3_core::operation::GetObject;
use sans3_core::session::CredentialSource;
use sans3_core::sign::Signer;
use sans3_platform::Environment;

use crate::args::{ConnectionArgs, PresignArgs};
use crate::clock;
use crate::config::Connection;
use crate::exit::Failure;
use crate::operand::{parse_uri, whole_object};
use crate::output::{Event, Output};

pub(crate) fn run(
    args: &PresignArgs,
    connection: &ConnectionArgs,
    output: &Output,
) -> Result<(), Failure> {
    let object = whole_object(&parse_uri(&args.uri)?, "what to sign for")?;
    let resolved = Connection::resolve(connection, &Environment::from_process(), output)?;
    let CredentialSource::Static(credentials) = &resolved.credentials else {
        return Err(Failure::usage(
            "a URL can't be signed with --no-sign-request",
        ));
    };
    let signer = Signer::new(credentials.clone(), resolved.endpoint.region().clone());
    let get = GetObject::new(object.bucket, object.key);
    let url = signer
        .presign(
            &get.request(&resolved.endpoint),
            args.expires.0,
            clock::now(),
        )
        .map_err(|error| Failure::usage(error.to_string()))?;
    output.data(
        || url.clone(),
        || {
            Event::new("presigned")
                .text("url", &url)
                .number("expires_seconds", args.expires.0.as_secs())
        },
    )
}
