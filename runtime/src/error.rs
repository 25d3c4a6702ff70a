use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use sans3_core::error::{Cause, SpecError, TransferError};
use sans3_platform::FileError;

use crate::net::TlsSetupError;

/// Why a transfer, or the client itself, failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The transfer failed; says what was at fault and what was left behind.
    Transfer(TransferError),
    /// A local file could not be opened, made or put in place.
    File(FileError),
    /// A local stream, or a file of the client's configuration, could not be used.
    Io {
        /// What was to be done, as in "write the output".
        what: String,
        /// The file; empty where it is a stream.
        path: PathBuf,
        /// The system's error.
        source: Arc<io::Error>,
    },
    /// The client can't be set up or used like this.
    Config(String),
    /// The client was shut down, or its runtime was.
    Closed,
}

impl Error {
    /// A local stream or file could not be used; `what` was to be done, as in "write the output".
    pub fn io(what: &str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io {
            what: what.into(),
            path: path.into(),
            source: Arc::new(source),
        }
    }

    pub(crate) fn cancelled() -> Self {
        Self::Transfer(TransferError::new(Cause::Cancelled))
    }
}

impl fmt::Display for Error {
    /// Paths are shown in quotes and escaped, so that a name can't drive a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transfer(error) => error.fmt(f),
            Self::File(error) => error.fmt(f),
            Self::Io { what, path, source } if path.as_os_str().is_empty() => {
                write!(f, "could not {what}: {source}")
            }
            Self::Io { what, path, source } => write!(f, "could not {what} {path:?}: {source}"),
            Self::Config(text) => f.write_str(text),
            Self::Closed => f.write_str("the client was shut down"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Transfer(error) => Some(error),
            Self::File(error) => Some(error),
            Self::Io { source, .. } => Some(source),
            Self::Config(_) | Self::Closed => None,
        }
    }
}

impl From<TransferError> for Error {
    fn from(error: TransferError) -> Self {
        Self::Transfer(error)
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl From<SpecError> for Error {
    fn from(error: SpecError) -> Self {
        Self::Transfer(TransferError::new(error))
    }
}

impl From<TlsSetupError> for Error {
    fn from(error: TlsSetupError) -> Self {
        match error {
            TlsSetupError::Io { path, source } => Self::Io {
                what: "read the CA bundle".into(),
                path,
                source,
            },
            TlsSetupError::Config(text) => Self::Config(text),
        }
    }
}
