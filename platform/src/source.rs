//! Files to upload, and the proof that they did not change meanwhile.
//!
//! A [`SourceFile`] notes size, time of modification and identity when it is opened, and compares
//! them when asked. It looks at the open file, not at the path: a file that is renamed, removed or
//! replaced under its name (as editors and log rotation do) goes on giving the bytes that it had.
//!
//! What can't be seen this way: a change that keeps the size within one tick of the file system's
//! clock, and one whose author sets the time back. The digests that are sent with the parts are
//! those of the bytes that were read, so the object is never damaged, but it may mix old and new.

use core::fmt;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{FileError, FileErrorKind};
use crate::positioned;

/// Something opened for reading.
#[derive(Debug)]
pub enum Source {
    /// A regular file: any part of it can be read, at any time and again.
    File(SourceFile),
    /// A pipe, a terminal, a device, or a file of the system whose size is not known before its
    /// end: it can be read once, from the beginning.
    Stream(File),
}

/// A regular file whose bytes must stay as they are while it is read.
#[derive(Debug)]
pub struct SourceFile {
    file: File,
    path: PathBuf,
    fingerprint: Fingerprint,
}

/// What identifies the content of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The size in bytes.
    pub len: u64,
    /// When it was last modified: nanoseconds since 1970, on Windows units of 100 ns since 1601.
    /// Times beyond the years 1677 to 2262 are taken for the nearest of them.
    pub modified: i64,
    /// The device of the file system; 0 where the system doesn't tell.
    pub device: u64,
    /// The number of the file on it; 0 where the system doesn't tell.
    pub inode: u64,
}

/// Why a source gives no bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SourceError {
    /// The file is not what it was when it was opened.
    Changed {
        /// The file.
        path: PathBuf,
        /// As it was.
        expected: Fingerprint,
        /// As it is.
        seen: Fingerprint,
    },
    /// It could not be read.
    File(FileError),
}

impl Source {
    /// Opens `path`, following symbolic links. A pipe is waited for until somebody writes to it.
    ///
    /// # Errors
    /// [`FileErrorKind::Directory`], or the system's refusal.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let file = File::open(path).map_err(|error| {
            // Windows refuses to open a directory by "access denied", which helps nobody.
            if path.is_dir() {
                FileError::new(FileErrorKind::Directory, path)
            } else {
                FileError::io("open it", path)(error)
            }
        })?;
        let metadata = file.metadata().map_err(FileError::io("look at it", path))?;
        if metadata.is_dir() {
            return Err(FileError::new(FileErrorKind::Directory, path));
        }
        if !metadata.is_file() || is_longer_than_it_says(&file, &metadata, path)? {
            return Ok(Self::Stream(file));
        }
        Ok(Self::File(SourceFile {
            fingerprint: Fingerprint::of(&metadata),
            file,
            path: path.to_owned(),
        }))
    }
}

impl SourceFile {
    /// Opens `path`, which must be a regular file.
    ///
    /// # Errors
    /// As [`Source::open`]; and [`FileErrorKind::Special`] for what is a [`Source::Stream`].
    pub fn open(path: &Path) -> Result<Self, FileError> {
        match Source::open(path)? {
            Source::File(file) => Ok(file),
            Source::Stream(_) => Err(FileError::new(FileErrorKind::Special, path)),
        }
    }

    /// The size in bytes, as it was when the file was opened.
    pub const fn len(&self) -> u64 {
        self.fingerprint.len
    }

    /// Whether the file was empty when it was opened.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the file was when it was opened.
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The path that it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills `buffer` from `offset`, in bytes from the beginning. Threads may read at the same time.
    ///
    /// # Errors
    /// [`SourceError::Changed`] if the file has become too short; else the system's refusal. That
    /// the bytes are those of the opened file is known only after [`SourceFile::check_unchanged`].
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), SourceError> {
        positioned::read_exact_at(&self.file, buffer, offset).map_err(|error| {
            let failed = FileError::io("read it", &self.path);
            if error.kind() != io::ErrorKind::UnexpectedEof {
                return failed(error).into();
            }
            match self.check_unchanged() {
                Err(changed) => changed,
                Ok(()) => failed(error).into(),
            }
        })
    }

    /// Compares the open file with what it was.
    ///
    /// # Errors
    /// [`SourceError::Changed`], or the system's refusal.
    pub fn check_unchanged(&self) -> Result<(), SourceError> {
        let metadata = self
            .file
            .metadata()
            .map_err(FileError::io("look at it", &self.path))?;
        let seen = Fingerprint::of(&metadata);
        if seen == self.fingerprint {
            return Ok(());
        }
        Err(SourceError::Changed {
            path: self.path.clone(),
            expected: self.fingerprint,
            seen,
        })
    }
}

impl Fingerprint {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            len: metadata.len(),
            modified: metadata
                .mtime()
                .saturating_mul(1_000_000_000)
                .saturating_add(metadata.mtime_nsec()),
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    #[cfg(windows)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::windows::fs::MetadataExt;
        Self {
            len: metadata.len(),
            modified: i64::try_from(metadata.last_write_time()).unwrap_or(i64::MAX),
            device: 0,
            inode: 0,
        }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed {
                path,
                expected,
                seen,
            } => {
                write!(f, "{path:?} changed while it was read: ")?;
                if expected.len != seen.len {
                    write!(f, "it had {} bytes and has {}", expected.len, seen.len)?;
                } else {
                    write!(f, "it was modified")?;
                }
                write!(f, "; start again when nothing writes to it, or use a copy")
            }
            Self::File(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Changed { .. } => None,
            Self::File(error) => Some(error),
        }
    }
}

impl From<FileError> for SourceError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

/// The files of `/proc` say that they are regular and empty, and are neither. Taken at their word
/// they would be uploaded as empty objects.
fn is_longer_than_it_says(
    file: &File,
    metadata: &Metadata,
    path: &Path,
) -> Result<bool, FileError> {
    if metadata.len() > 0 {
        return Ok(false);
    }
    match positioned::read_exact_at(file, &mut [0], 0) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(FileError::io("read it", path)(error)),
    }
}
