//! An adapter of `sans3-core` around reqwest, which uploads a file by multipart and downloads it
//! again by ranges:
//!
//! `cargo run -p sans3-testkit --example reqwest -- http://127.0.0.1:9000 BUCKET KEY FILE COPY`
//!
//! It signs with the usual environment variables. `driver.rs` has the loop, `exchange.rs` all that
//! has to do with HTTP. For `https`, add the feature `rustls` to reqwest.

pub(crate) mod driver;
pub(crate) mod exchange;
mod fault;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::num::NonZeroU64;
use std::sync::Arc;

use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::error::CredentialsError;
use sans3_core::session::{CredentialSource, Session, SessionConfig};
use sans3_core::sign::Credentials;
use sans3_core::time::Instant;
use sans3_core::transfer::{Download, Downloaded, Length, Upload, Uploaded};

use driver::Adapter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, bucket, key, file, copy] = arguments.as_slice() else {
        return Err("expected: URL BUCKET KEY FILE COPY".into());
    };
    let (file, copy) = (File::open(file)?, File::create_new(copy)?);
    let endpoint = Endpoint::custom(url, Region::new("us-east-1")?)?;
    let (bucket, key) = (BucketName::new(bucket)?, ObjectKey::new(key.as_str())?);
    let (made, found) = there_and_back(endpoint, bucket, key, file, copy, from_environment).await?;
    println!(
        "{} bytes in {} parts, verified by {}",
        made.size, made.parts, made.verified
    );
    println!(
        "{} bytes in {} ranges, verified by {}",
        found.size, found.parts, found.verified
    );
    Ok(())
}

/// Uploads `file` in parts of 5 MiB, and downloads it to `copy` by ranges as large.
pub(crate) async fn there_and_back(
    endpoint: Endpoint,
    bucket: BucketName,
    key: ObjectKey,
    file: File,
    copy: File,
    credentials: fn() -> Result<Credentials, CredentialsError>,
) -> Result<(Uploaded, Downloaded), Box<dyn Error>> {
    const PART: u64 = 5 << 20;
    let mut config = SessionConfig::new(endpoint, CredentialSource::Provided);
    config.exchange_memory = PART; // an exchange holds one part
    let (_tell, inputs) = tokio::sync::mpsc::unbounded_channel();
    let http = exchange::client(&config)?;
    let start = std::time::Instant::now();
    let now = || Instant::ZERO + start.elapsed();
    let mut adapter = Adapter {
        start,
        http,
        files: BTreeMap::new(),
        credentials,
        inputs,
    };
    let mut session = Session::new(config, std::process::id().into());

    let length = Length::Known(file.metadata()?.len());
    let upload = Upload {
        part_size: NonZeroU64::new(PART),
        ..Upload::new(bucket.clone(), key.clone(), length)
    };
    let upload = session.insert(upload, now());
    adapter.files.insert(upload.id(), Arc::new(file));
    adapter.drive(&mut session).await;
    let made = session.take(upload)?;

    let download = Download {
        part_size: NonZeroU64::new(PART),
        ..Download::new(bucket, key)
    };
    let copy = Arc::new(copy);
    let download = session.insert(download, now());
    adapter.files.insert(download.id(), Arc::clone(&copy));
    adapter.drive(&mut session).await;
    let found = session.take(download)?;
    copy.set_len(found.size)?;
    Ok((made, found))
}

fn from_environment() -> Result<Credentials, CredentialsError> {
    let variable = |name| std::env::var(name).map_err(|e| CredentialsError(format!("{name}: {e}")));
    let (id, secret) = (
        variable("AWS_ACCESS_KEY_ID")?,
        variable("AWS_SECRET_ACCESS_KEY")?,
    );
    Credentials::new(&id, &secret, None).map_err(|e| CredentialsError(e.to_string()))
}
