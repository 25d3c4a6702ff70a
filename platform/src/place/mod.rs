//! Putting a file under its name, whole or not at all.
//!
//! A [`Placement`] writes a temporary file beside the target and gives it the target's name when
//! everything is there and on the disk. Until then the target is as it was; afterwards it is the
//! new file; nothing between can be seen, not even after a crash of the machine. A crash can leave
//! the temporary file behind: its name begins with a dot and ends in `.sans3-` and sixteen
//! hexadecimal digits.
//!
//! What a new file under an old name means:
//! - **Symbolic links are followed**, as `cp` does: the file they lead to is replaced, and the link
//!   stays. A link to nothing has its target created. The link is read once, at the beginning.
//! - **Hard links part**: the other names keep the old bytes, and so does whoever has it open.
//! - **Permissions are kept**, without the set-user-id, set-group-id and sticky bits. A new file
//!   gets those of any other new file there (umask, default access list). Owner, access lists and
//!   extended attributes are those of a new file.
//! - **A read-only file is refused**: its name could be taken, but somebody meant it to stay.

mod target;
mod temporary;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use target::Target;

use crate::error::{FileError, FileErrorKind};
use crate::positioned;
use temporary::{FinalMode, Identity, Temporary};

/// Whether a file that exists may be replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replace {
    /// Yes, as a whole.
    #[default]
    Yes,
    /// No, not even one that appears while the new one is being written. Needs a file system with
    /// hard links.
    No,
}

/// How a file is put in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether a file that exists may be replaced.
    pub replace: Replace,
    /// Whether file and directory are on the disk before [`Placement::commit`] returns. Without it
    /// a crash of the machine, but not of the program, can leave a damaged file.
    pub sync: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            replace: Replace::Yes,
            sync: true,
        }
    }
}

/// A file on its way to its name. Dropped before [`Placement::commit`], it leaves nothing behind.
///
/// All writes take `&self` and an offset, so that threads share one without a lock.
#[derive(Debug)]
pub struct Placement {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    identity: Identity,
    final_mode: FinalMode,
    options: Options,
    /// Where the last byte that was written ends: what the system takes for the length.
    end: AtomicU64,
    failed: AtomicBool,
    committed: bool,
}

impl Placement {
    /// Makes the temporary file, readable and writable by its owner alone.
    ///
    /// # Errors
    /// [`FileErrorKind::Directory`], [`Special`](FileErrorKind::Special),
    /// [`ReadOnly`](FileErrorKind::ReadOnly), [`Exists`](FileErrorKind::Exists) (where `options`
    /// forbid to replace), [`NoDirectory`](FileErrorKind::NoDirectory),
    /// [`LinkLoop`](FileErrorKind::LinkLoop), [`NoHardLinks`](FileErrorKind::NoHardLinks), or the
    /// system's refusal.
    pub fn create(target: &Path, options: Options) -> Result<Self, FileError> {
        let resolved = target::resolve(target)?;
        let path = resolved.path;
        let refuse = |kind| Err(FileError::new(kind, &path));
        match (resolved.kind, options.replace) {
            (Target::Directory, _) => return refuse(FileErrorKind::Directory),
            (Target::Special, _) => return refuse(FileErrorKind::Special),
            (Target::Regular, Replace::No) => return refuse(FileErrorKind::Exists),
            (Target::Regular, Replace::Yes) | (Target::NewFile, _) => {}
        }
        let existing = resolved.metadata.as_ref().map(fs::Metadata::permissions);
        if existing.as_ref().is_some_and(fs::Permissions::readonly) {
            return refuse(FileErrorKind::ReadOnly);
        }
        let Temporary {
            file,
            path: temporary,
            identity,
            final_mode,
        } = Temporary::create(&path, existing.as_ref())?;
        let placement = Self {
            file,
            temporary,
            target: path,
            identity,
            final_mode,
            options,
            end: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            committed: false,
        };
        if options.replace == Replace::No {
            placement.try_hard_links()?;
        }
        Ok(placement)
    }

    /// The temporary file: what a handler of signals has to remove where it ends the process
    /// without dropping this.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// The file that will be written, with symbolic links followed.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Writes all of `bytes` at `offset`, in bytes from the beginning. Different ranges may be
    /// written at the same time; what is between them reads as zeros.
    ///
    /// # Errors
    /// The system's refusal. After it the placement can only be dropped.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<(), FileError> {
        let written = positioned::write_all_at(&self.file, bytes, offset);
        if !bytes.is_empty() {
            let end = offset.saturating_add(bytes.len() as u64);
            self.end.fetch_max(end, Ordering::AcqRel);
        }
        self.remember(written.map_err(FileError::io("write", &self.target)))
    }

    /// Makes the file this long, in bytes: cut, or filled with zeros that take no space. Not to be
    /// called while something is written.
    ///
    /// # Errors
    /// As [`Placement::write_all_at`].
    pub fn set_len(&self, len: u64) -> Result<(), FileError> {
        if self.end.load(Ordering::Acquire) == len {
            return Ok(());
        }
        let set = self.file.set_len(len);
        self.end.store(len, Ordering::Release);
        self.remember(set.map_err(FileError::io("set the length", &self.target)))
    }

    /// Puts the file in place: mode, sync of the file, name, sync of the directory.
    ///
    /// # Errors
    /// [`FileErrorKind::Incomplete`] after a failed write; [`Exists`](FileErrorKind::Exists) if the
    /// target has appeared and may not be replaced; [`Hijacked`](FileErrorKind::Hijacked); the
    /// system's refusal. After all of these the target is as it was and the temporary file is gone.
    /// Only [`InPlace`](FileErrorKind::InPlace) means that the new file is there. A failed sync is
    /// never tried again: the system may have dropped the very bytes that it could not write.
    pub fn commit(mut self) -> Result<(), FileError> {
        if self.failed.load(Ordering::Acquire) {
            return Err(FileError::new(FileErrorKind::Incomplete, &self.target));
        }
        self.final_mode
            .set(&self.file)
            .map_err(FileError::io("set the permissions", &self.target))?;
        if self.options.sync {
            self.file
                .sync_all()
                .map_err(FileError::io("bring it to the disk", &self.target))?;
        }
        if !self
            .identity
            .is_at(&self.temporary)
            .map_err(FileError::io("find its temporary file", &self.target))?
        {
            return Err(FileError::new(FileErrorKind::Hijacked, &self.temporary));
        }
        match self.options.replace {
            Replace::Yes => fs::rename(&self.temporary, &self.target)
                .map_err(FileError::io("replace it", &self.target))?,
            Replace::No => self.link()?,
        }
        self.committed = true;
        if self.options.sync {
            temporary::sync_directory(&self.target).map_err(|error| {
                FileError::io("bring its directory to the disk", &self.target)(error)
                    .with_kind(FileErrorKind::InPlace)
            })?;
        }
        Ok(())
    }

    /// Gives the file its name if nobody has it. Unlike a rename, a link never replaces.
    fn link(&mut self) -> Result<(), FileError> {
        fs::hard_link(&self.temporary, &self.target).map_err(|error| {
            let exists = error.kind() == io::ErrorKind::AlreadyExists;
            let failed = FileError::io("give it its name", &self.target)(error);
            if exists {
                failed.with_kind(FileErrorKind::Exists)
            } else {
                failed
            }
        })?;
        self.committed = true;
        fs::remove_file(&self.temporary).map_err(|error| {
            FileError::io("remove its temporary name", &self.target)(error)
                .with_kind(FileErrorKind::InPlace)
        })
    }

    /// Better to know before the first byte than after the last that a file system has no links.
    fn try_hard_links(&self) -> Result<(), FileError> {
        let mut name = self.temporary.clone().into_os_string();
        name.push("-link");
        let probe = PathBuf::from(name);
        fs::hard_link(&self.temporary, &probe).map_err(|error| {
            let unsupported = matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported
            );
            let failed = FileError::io("make a hard link beside it", &self.target)(error);
            if unsupported {
                failed.with_kind(FileErrorKind::NoHardLinks)
            } else {
                failed
            }
        })?;
        fs::remove_file(&probe).map_err(FileError::io("remove a hard link", &probe))
    }

    fn remember(&self, result: Result<(), FileError>) -> Result<(), FileError> {
        if result.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        result
    }
}

impl Drop for Placement {
    fn drop(&mut self) {
        if !self.committed {
            // Nothing useful can be done if this fails, and there is nobody to tell.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn line_76_a_failed_sync_leaves_the_old_file_and_no_temporary() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("f");
        fs::write(&target, "old").unwrap();
        let mut placement = Placement::create(&target, Options::default()).unwrap();
        placement.write_all_at(b"new", 0).unwrap();
        // A pipe can't be synced, and so stands in for a disk that fails to.
        let (_reader, writer) = io::pipe().unwrap();
        placement.file = File::from(std::os::fd::OwnedFd::from(writer));
        let error = placement.commit().unwrap_err();
        assert_eq!(error.kind(), FileErrorKind::Io);
        assert!(
            error.to_string().contains("bring it to the disk"),
            "{error}"
        );
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
