//! Which runtime carries out the transfers. The rest of the program does not know.

mod crew;
mod feed;
mod outlet;
mod pages;
mod running;

use std::fs::File;
use std::path::Path;

use clap::ValueEnum;
use sans3_core::operation::{ListObjectsV2, Operation};
use sans3_core::pace::PaceChange;
use sans3_core::session::Notice;
use sans3_core::transfer::{Download, Downloaded, Upload, Uploaded};
use sans3_runtime::{ClientConfig, Error, Replace, Stats, WriteAt};

use self::crew::Crew;
use self::feed::Feed;
use self::outlet::{Outlet, PIPE};
pub(crate) use self::pages::Pages;
pub(crate) use self::running::Running;

/// Whose sockets, timers and threads the exchanges run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Runtime {
    /// tokio, with hyper
    #[default]
    Tokio,
    /// smol, with the core's own HTTP/1.1
    Smol,
    /// Plain threads, with ureq
    Blocking,
}

impl Runtime {
    pub(crate) const ALL: [Self; 3] = [Self::Tokio, Self::Smol, Self::Blocking];

    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::Smol => "smol",
            Self::Blocking => "blocking",
        }
    }
}

/// A client of any runtime.
pub(crate) enum Engine {
    Tokio(sans3_tokio::Client),
    Smol {
        client: sans3_smol::Client,
        _crew: Crew,
    },
    Blocking(sans3_blocking::Client),
}

/// The same call of whichever client it is.
macro_rules! begin {
    ($engine:expr, $client:ident => $call:expr) => {
        match $engine {
            Engine::Tokio($client) => Running::from($call),
            Engine::Smol {
                client: $client, ..
            } => Running::from($call),
            Engine::Blocking($client) => Running::apart($client, $call, None),
        }
    };
}

impl Engine {
    /// A client. Must be called inside a tokio runtime, whichever is asked for: the program itself
    /// waits there.
    ///
    /// # Errors
    /// What the client says, and the system's where threads can't be started.
    pub(crate) fn new(runtime: Runtime, config: ClientConfig) -> Result<Self, Error> {
        Ok(match runtime {
            Runtime::Tokio => Self::Tokio(sans3_tokio::Client::new(config)?),
            Runtime::Smol => {
                let crew = Crew::new()?;
                let client = sans3_smol::Client::with_executor(config, crew.executor())?;
                Self::Smol {
                    client,
                    _crew: crew,
                }
            }
            Runtime::Blocking => Self::Blocking(sans3_blocking::Client::new(config)?),
        })
    }

    /// Downloads to a file, which gets its name when it is whole.
    pub(crate) fn download_to_file(
        &self,
        download: Download,
        path: &Path,
        replace: Replace,
    ) -> Running<Downloaded> {
        begin!(self, client => client.download_to_file(download, path, replace))
    }

    /// Downloads to what takes bytes at any offset.
    pub(crate) fn download_at(
        &self,
        download: Download,
        target: impl WriteAt + 'static,
    ) -> Running<Downloaded> {
        begin!(self, client => client.download_at(download, target))
    }

    /// Downloads in order to what is written from its first byte to its last.
    pub(crate) fn download_to_stream(&self, download: Download, to: File) -> Running<Downloaded> {
        match self {
            Self::Tokio(client) => {
                let to = tokio::fs::File::from_std(to);
                client.download_to_writer(download, to).into()
            }
            Self::Smol { client, .. } => {
                let to = Outlet::new(to);
                client.download_to_writer(download, to).into()
            }
            Self::Blocking(client) => {
                Running::apart(client, client.download_to_writer(download, to), None)
            }
        }
    }

    /// Uploads a file that is read wherever a part needs it.
    pub(crate) fn upload_file(&self, upload: Upload, path: &Path) -> Running<Uploaded> {
        begin!(self, client => client.upload_file(upload, path))
    }

    /// Uploads what is read from its first byte to its last. Once it is cancelled, nobody waits for
    /// more of it.
    pub(crate) fn upload_stream(&self, upload: Upload, from: File) -> Running<Uploaded> {
        match self {
            Self::Tokio(client) => {
                let from = tokio::fs::File::from_std(from);
                client.upload_reader(upload, from).into()
            }
            Self::Smol { client, .. } => {
                let from = smol::Unblock::with_capacity(PIPE, from);
                client.upload_reader(upload, from).into()
            }
            Self::Blocking(client) => {
                let (from, brake) = Feed::new(from);
                Running::apart(client, client.upload_reader(upload, from), Some(brake))
            }
        }
    }

    /// Carries out one operation.
    pub(crate) fn call<O: Operation>(&self, operation: O) -> Running<O::Output> {
        begin!(self, client => client.call(operation))
    }

    /// Lists keys, page by page.
    pub(crate) fn list(&self, request: ListObjectsV2) -> Pages {
        match self {
            Self::Tokio(client) => Pages::Tokio(client.list(request)),
            Self::Smol { client, .. } => Pages::Smol(client.list(request)),
            Self::Blocking(client) => Pages::Blocking(Some(client.list(request))),
        }
    }

    /// What was used so far.
    pub(crate) fn stats(&self) -> Stats {
        match self {
            Self::Tokio(client) => client.stats(),
            Self::Smol { client, .. } => client.stats(),
            Self::Blocking(client) => client.stats(),
        }
    }

    /// The changes of pace since the last call, oldest first.
    pub(crate) fn pace_changes(&self) -> Vec<PaceChange> {
        match self {
            Self::Tokio(client) => client.pace_changes(),
            Self::Smol { client, .. } => client.pace_changes(),
            Self::Blocking(client) => client.pace_changes(),
        }
    }

    /// The failed attempts since the last call, oldest first.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        match self {
            Self::Tokio(client) => client.notices(),
            Self::Smol { client, .. } => client.notices(),
            Self::Blocking(client) => client.notices(),
        }
    }
}
