//! S3 transfers on tokio.
//!
//! [`sans3_core`] decides what to request, when, and whether the answer is good; this crate
//! connects (hyper, rustls), reads and writes files and streams, and waits. A [`Client`] is one
//! session of the core, owned by one task; each HTTP exchange is another task, which takes an
//! attempt to its outcome.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
//! use sans3_core::session::{CredentialSource, SessionConfig};
//! use sans3_core::transfer::Download;
//! use sans3_tokio::{Client, ClientConfig, Replace};
//!
//! # async fn example() -> Result<(), sans3_tokio::Error> {
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

mod body;
mod client;
mod clock;
mod driver;
mod exchange;
mod net;
mod pages;
mod running;
mod stream;
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

/// The code in the project's README is compiled with the examples of this crate.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
