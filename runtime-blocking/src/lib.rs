//! S3 transfers on plain threads.
//!
//! [`sans3_core`] decides what to request, when, and whether the answer is good; this crate
//! connects (ureq, rustls), reads and writes files and streams, and waits. No async runtime is
//! anywhere in it.
//!
//! A [`Client`] has no thread of its own before its first transfer and none after its last one:
//! while transfers are under way one thread drives them all, and as many as there are exchanges
//! carry those out. What belongs to a single transfer, such as reading an `impl Read` or giving a
//! file its name, is done by the thread that [waits](Running::wait) for it. The one exception is
//! the system's resolver, which can't be interrupted: it is asked on a thread of its own, and where
//! the connect timeout or a cancel comes first, that thread ends when the system has answered.
//!
//! # After a fork
//!
//! A process may fork between transfers, while no other thread of it is in a call to the client:
//! the child then goes on with its copy of the client, fresh or used. It leaves the connections
//! that were kept to its parent, opens its own, and draws jitter and upload tokens from a random
//! seed of its own, whatever [`ClientConfig::seed`] says. Until its first transfer or its end it
//! holds copies of the kept connections open.
//!
//! A transfer belongs to the process that began it, until its result is fetched. Where one was
//! under way at the fork, the child's copy of the client is closed for good: all about that
//! transfer, and every new one, fails at once with [`Error::Closed`], and dropping any of it
//! touches nothing of the parent's. The child can make another client. The [`Progress`] that it
//! sees of that transfer is zero.
//!
//! [`Progress`]: sans3_core::progress::Progress
//!
//! # Logs
//!
//! Bytes go over connections of this crate's own, which check each answer before ureq parses it.
//! ureq and its parts log what they send and receive by the crate `log`, at the level `trace` and
//! with signatures and session tokens in it: do not have `ureq_proto` logged in that detail.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use sans3_blocking::{Client, ClientConfig, Replace};
//! use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
//! use sans3_core::session::{CredentialSource, SessionConfig};
//! use sans3_core::transfer::Download;
//!
//! # fn example() -> Result<(), sans3_blocking::Error> {
//! let endpoint = Endpoint::aws(Region::new("eu-central-1")?);
//! let session = SessionConfig::new(endpoint, CredentialSource::Anonymous);
//! let client = Client::new(ClientConfig::new(session))?;
//! let download = Download::new(BucketName::new("data")?, ObjectKey::new("2026/report.parquet")?);
//! let running = client.download_to_file(download, Path::new("report.parquet"), Replace::No);
//! let found = running.wait()?;
//! println!("{} bytes, verified by {}", found.size, found.verified);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod body;
mod client;
mod course;
mod crew;
mod driver;
mod exchange;
mod home;
mod net;
mod pages;
mod park;
mod running;
mod stream;
mod writer;

pub use client::Client;
pub use pages::Pages;
pub use running::{Control, Running};
#[cfg(feature = "trace")]
pub use sans3_runtime::Trace;
pub use sans3_runtime::{
    ClientConfig, Error, ProvideCredentials, ProxyRules, ReadAt, Replace, Seeking, Stats, WriteAt,
};
pub use stream::DownloadStream;
pub use writer::UploadWriter;
