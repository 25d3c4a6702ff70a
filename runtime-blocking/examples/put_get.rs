//! Uploads a file, and downloads it again as a stream.
//!
//! `put_get ENDPOINT BUCKET KEY SOURCE TARGET`, where ENDPOINT is a URL such as
//! `http://127.0.0.1:9000`. Requests are signed with `AWS_ACCESS_KEY_ID` and
//! `AWS_SECRET_ACCESS_KEY` for `AWS_REGION`, if they are there.

use std::env;
use std::error::Error;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sans3_blocking::{Client, ClientConfig, Running};
use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::session::{CredentialSource, SessionConfig};
use sans3_core::sign::Credentials;
use sans3_core::transfer::{Download, Length, Upload};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    run(&env::args().skip(1).collect::<Vec<_>>())
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [endpoint, bucket, key, source, target] = arguments else {
        return Err("usage: put_get ENDPOINT BUCKET KEY SOURCE TARGET".into());
    };
    let region = env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".into());
    let endpoint = Endpoint::custom(endpoint, Region::new(&region)?)?;
    let session = SessionConfig::new(endpoint, credentials()?);
    let client = Client::new(ClientConfig::new(session))?;
    let (bucket, key) = (BucketName::new(bucket)?, ObjectKey::new(key.as_str())?);

    let length = Length::Unknown { equal_parts: false };
    let upload = Upload::new(bucket.clone(), key.clone(), length);
    let made = watched(client.upload_file(upload, Path::new(source)))?;
    println!("uploaded {} bytes in {} parts", made.size, made.parts);

    // For a file, `download_to_file` does this in parallel, and more safely. A stream is for code
    // that takes any `Read`; its last read fails where the bytes were not the object's.
    let mut stream = client.download_stream(Download::new(bucket, key));
    io::copy(&mut stream, &mut File::create(target)?)?;
    let found = stream.summary().ok_or("the stream has not ended")?;
    println!(
        "downloaded {} bytes, verified by {}",
        found.size, found.verified
    );
    Ok(())
}

/// Tells once a second how far a transfer is.
fn watched<T>(mut running: Running<T>) -> Result<T> {
    loop {
        running = match running.wait_for(Duration::from_secs(1)) {
            Ok(result) => return Ok(result?),
            Err(running) => running,
        };
        eprintln!("{} bytes", running.progress().bytes);
    }
}

fn credentials() -> Result<CredentialSource> {
    let [id, secret] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(env::var);
    let (Ok(id), Ok(secret)) = (id, secret) else {
        return Ok(CredentialSource::Anonymous);
    };
    let credentials = Credentials::new(&id, &secret, None)?;
    Ok(CredentialSource::Static(Arc::new(credentials)))
}
