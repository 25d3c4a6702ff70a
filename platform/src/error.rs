//! What can go wrong with a file, in words that say which one and what to do.

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Something could not be done with a file.
#[derive(Clone, Debug)]
pub struct FileError {
    kind: FileErrorKind,
    doing: &'static str,
    path: PathBuf,
    cause: Option<Arc<io::Error>>,
}

/// What kind of obstacle it was: what a program decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileErrorKind {
    /// The target exists, and replacing it was not asked for.
    Exists,
    /// The path names a directory where a file is needed.
    Directory,
    /// The directory that would hold the file does not exist.
    NoDirectory,
    /// The target is a pipe, a device or the like, which can be written but not replaced.
    Special,
    /// The target is marked as read-only.
    ReadOnly,
    /// Symbolic links that lead nowhere, in a circle.
    LinkLoop,
    /// The file system has no hard links, without which "do not replace" can't be kept.
    NoHardLinks,
    /// The temporary file was replaced by somebody else.
    Hijacked,
    /// A write failed before, so there is nothing whole to commit.
    Incomplete,
    /// The new file is in place and complete, but a crash of the machine may undo it, or its
    /// temporary name could not be removed.
    InPlace,
    /// Any other refusal of the system: see [`FileError::system`].
    Io,
}

impl FileError {
    pub(crate) fn new(kind: FileErrorKind, path: &Path) -> Self {
        Self {
            kind,
            doing: "",
            path: path.to_owned(),
            cause: None,
        }
    }

    /// For `map_err`: the system's refusal of what was being done to `path`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self {
            doing,
            cause: Some(Arc::new(cause)),
            ..Self::new(FileErrorKind::Io, path)
        }
    }

    pub(crate) fn with_kind(self, kind: FileErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// The kind of obstacle.
    pub const fn kind(&self) -> FileErrorKind {
        self.kind
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The system's own error, if it is one.
    pub fn system(&self) -> Option<&Arc<io::Error>> {
        self.cause.as_ref()
    }
}

impl fmt::Display for FileError {
    /// Paths are shown in quotes and escaped, so that a name can't drive a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match self.kind {
            FileErrorKind::Exists => {
                write!(
                    f,
                    "{path:?} exists; allow replacing it, or choose another name"
                )
            }
            FileErrorKind::Directory => {
                write!(
                    f,
                    "{path:?} is a directory; name a file, inside it for example"
                )
            }
            FileErrorKind::NoDirectory => {
                write!(f, "{path:?}: there is no such directory; create it first")
            }
            FileErrorKind::Special => write!(
                f,
                "{path:?} is not a regular file and can't be replaced as a whole; write to it as a \
                 stream"
            ),
            FileErrorKind::ReadOnly => {
                write!(f, "{path:?} is read-only; make it writable, or remove it")
            }
            FileErrorKind::LinkLoop => write!(
                f,
                "{path:?}: its symbolic links lead in a circle; remove one of them"
            ),
            FileErrorKind::NoHardLinks => write!(
                f,
                "{path:?}: this file system has no hard links, so that a file which appears \
                 meanwhile would be replaced; allow replacing, or choose another file system"
            ),
            FileErrorKind::Hijacked => write!(
                f,
                "{path:?} is no longer the file that was written; something else writes to this \
                 directory: choose another"
            ),
            FileErrorKind::Incomplete => {
                write!(
                    f,
                    "{path:?}: a write failed before, so the file is not whole"
                )
            }
            FileErrorKind::InPlace => {
                write!(f, "{path:?} is in place and complete, but ")?;
                self.refusal(f)
            }
            FileErrorKind::Io => {
                write!(f, "{path:?}: ")?;
                self.refusal(f)
            }
        }
    }
}

impl core::error::Error for FileError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl FileError {
    fn refusal(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}", self.doing)?;
        let Some(cause) = &self.cause else {
            return Ok(());
        };
        write!(f, ": {cause}")?;
        match advice(cause.kind()) {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

fn advice(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::StorageFull => "free some space, or choose another place",
        io::ErrorKind::QuotaExceeded => "free some of the quota, or choose another place",
        io::ErrorKind::FileTooLarge => "choose a file system that takes files of this size",
        io::ErrorKind::ReadOnlyFilesystem => "choose a place that can be written",
        io::ErrorKind::PermissionDenied => "check the permissions of the file and of its directory",
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::ResourceBusy => "something holds the file, a mount for example",
        io::ErrorKind::InvalidFilename => "choose a shorter name",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_what_was_done_to_which_file_and_what_to_do() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = FileError::io("write", Path::new("/x/\u{1b}[2J"))(full);
        assert_eq!(
            error.to_string(),
            "\"/x/\\u{1b}[2J\": could not write: no storage space; free some space, or choose \
             another place"
        );
    }
}
