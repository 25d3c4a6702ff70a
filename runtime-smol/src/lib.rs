//! S3 transfers on smol.
//!
//! [`sans3_core`] decides what to request, when, and whether the answer is good; this crate
//! connects (`async-io`, rustls), speaks HTTP/1.1 by the core's own codec, and waits. A [`Client`]
//! is one session of the core, owned by one task; each HTTP exchange is another task, which takes
//! an attempt to its outcome.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
//! use sans3_core::session::{CredentialSource, SessionConfig};
//! use sans3_core::transfer::Download;
//! use sans3_smol::{Client, ClientConfig, Replace};
//!
//! # async fn example() -> Result<(), sans3_smol::Error> {
//! let endpoint = Endpoint::aws(Region::new("eu-central-1")?);
//! let session = SessionConfig::new(endpoint, CredentialSource::Anonymous);
//! let client = Client::new(ClientConfig::new(session))?;
//! let download = Download::new(BucketName::new("data")?, ObjectKey::new("2026/report.parquet")?);
//! let found = client.download_to_file(download, Path::new("report.parquet"), Replace::No).await?;
//! println!("{} bytes, verified by {}", found.size, found.verified);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod client;
mod driver;
mod exchange;
mod executor;
mod net;
mod pages;
mod running;
mod stream;
mod time;
mod writer;

pub use client::Client;
pub use pages::Pages;
pub use running::Running;
#[cfg(feature = "trace")]
pub use sans3_runtime::Trace;
pub use sans3_runtime::{
    ClientConfig, Error, ProvideCredentials, ProxyRules, Replace, Stats, WriteAt,
};
pub use stream::DownloadStream;
pub use writer::UploadWriter;
