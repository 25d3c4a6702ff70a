//! A file goes up and comes back, and bytes that are made on the way follow it:
//!
//! `cargo run -p sans3-tokio --example transfers -- http://127.0.0.1:9000 BUCKET FILE COPY`
//!
//! Keys are taken from `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, the region from
//! `AWS_REGION`. COPY must not exist.

use std::env;
use std::error::Error as StdError;
use std::path::Path;

use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::operation::HeadObject;
use sans3_core::session::{CredentialSource, SessionConfig};
use sans3_core::sign::Credentials;
use sans3_core::transfer::{Download, Length, Upload, Uploaded};
use sans3_tokio::{Client, ClientConfig, Error, Replace};

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [url, bucket, file, copy] = arguments.as_slice() else {
        return Err("expected: URL BUCKET FILE COPY".into());
    };
    let region = env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".into());
    let endpoint = Endpoint::custom(url, Region::new(&region)?)?;
    let keys = Credentials::new(
        &env::var("AWS_ACCESS_KEY_ID")?,
        &env::var("AWS_SECRET_ACCESS_KEY")?,
        env::var("AWS_SESSION_TOKEN").ok().as_deref(),
    )?;
    let session = SessionConfig::new(endpoint, CredentialSource::Static(keys.into()));
    run(
        session,
        &BucketName::new(bucket)?,
        Path::new(file),
        Path::new(copy),
    )
    .await?;
    Ok(())
}

/// All of it, by one client: its transfers share connections, memory and the retry budget.
pub(crate) async fn run(
    session: SessionConfig,
    bucket: &BucketName,
    file: &Path,
    copy: &Path,
) -> Result<(), Error> {
    let client = Client::new(ClientConfig::new(session))?;
    there_and_back(&client, bucket, file, copy).await?;

    let key = ObjectKey::new("examples/numbers")?;
    let made = numbers(&client, bucket.clone(), key.clone(), 1_000_000).await?;
    let found = client.call(HeadObject::new(bucket.clone(), key)).await?;
    println!("numbers: {} bytes written, {} there", made.size, found.size);

    for notice in client.notices() {
        println!(
            "attempt {} failed, {:?}: {}",
            notice.attempt, notice.reaction, notice.cause
        );
    }
    println!("{:?}", client.stats());
    client.shutdown().await;
    Ok(())
}

/// By multipart, and by parallel ranges.
async fn there_and_back(
    client: &Client,
    bucket: &BucketName,
    file: &Path,
    copy: &Path,
) -> Result<(), Error> {
    let key = ObjectKey::new("examples/file")?;
    // How long it is the file itself will say.
    let upload = Upload::new(bucket.clone(), key.clone(), Length::Known(0));
    let made = client.upload_file(upload, file).await?;
    println!(
        "up: {} bytes, parts: {}, verified by {}",
        made.size, made.parts, made.verified
    );

    let download = Download::new(bucket.clone(), key);
    let found = client.download_to_file(download, copy, Replace::No).await?;
    println!(
        "back: {} bytes, ranges: {}, verified by {}",
        found.size, found.parts, found.verified
    );
    Ok(())
}

/// Numbers, each written to where it is sent from. Nothing is stored before `finish`: where an
/// error ends this early, the upload is dropped, and removed on the server.
async fn numbers(
    client: &Client,
    bucket: BucketName,
    key: ObjectKey,
    count: u32,
) -> Result<Uploaded, Error> {
    const AT_ONCE: u32 = 8 << 10;
    let length = Length::Unknown { equal_parts: false };
    let mut writer = client.upload_writer(Upload::new(bucket, key, length));
    let mut next = 0;
    while next < count {
        let end = count.min(next + AT_ONCE);
        let place = writer
            .reserve((end - next) as usize * size_of::<u32>())
            .await?;
        let (numbers, _) = place.as_chunks_mut();
        for (number, place) in (next..end).zip(numbers) {
            *place = number.to_le_bytes();
        }
        writer.commit((end - next) as usize * size_of::<u32>());
        next = end;
    }
    writer.finish().await
}
