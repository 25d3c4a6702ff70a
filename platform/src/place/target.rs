//! What a path that is to be written names.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{FileError, FileErrorKind};

/// What is at a path, with symbolic links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nothing yet, in a directory that exists.
    NewFile,
    /// A regular file, which can be replaced as a whole.
    Regular,
    /// A directory.
    Directory,
    /// A pipe, a device, a socket, or a file that is open already and is named by its descriptor
    /// (`/dev/stdout`, `/proc/self/fd/1`): it has to be written as a stream.
    Special,
}

impl Target {
    /// Looks at `path`.
    ///
    /// # Errors
    /// [`FileErrorKind::NoDirectory`] where the directory that would hold it does not exist, or the
    /// path ends in `/` and there is none; [`FileErrorKind::LinkLoop`]; the system's refusal.
    pub fn classify(path: &Path) -> Result<Self, FileError> {
        let Resolved { path, kind, .. } = resolve(path)?;
        if kind == Self::NewFile {
            check_directory(&path)?;
        }
        Ok(kind)
    }
}

/// A path at the end of its symbolic links.
pub(super) struct Resolved {
    pub(super) path: PathBuf,
    pub(super) kind: Target,
    /// Of what is there; none for a new file, nor for a descriptor.
    pub(super) metadata: Option<Metadata>,
}

/// As many links as Linux follows.
const MAX_LINKS: usize = 40;

/// Follows the links of the last component by hand: the system's own functions need a file at
/// their end, and the links to a new file have none. Those of the directories before it are left to
/// the system. Whether a new file has a directory is left to [`check_directory`].
pub(super) fn resolve(path: &Path) -> Result<Resolved, FileError> {
    let mut current = path.to_owned();
    for _ in 0..=MAX_LINKS {
        let (kind, metadata) = if names_a_descriptor(&current) {
            (Target::Special, None)
        } else {
            match fs::symlink_metadata(&current) {
                Ok(metadata) if metadata.is_symlink() => {
                    let link = fs::read_link(&current)
                        .map_err(FileError::io("read the symbolic link", &current))?;
                    current = directory_of(&current).join(link);
                    continue;
                }
                Ok(metadata) => (kind_of(&metadata), Some(metadata)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    check_name(&current)?;
                    (Target::NewFile, None)
                }
                Err(error) => return Err(FileError::io("look at it", &current)(error)),
            }
        };
        return Ok(Resolved {
            path: current,
            kind,
            metadata,
        });
    }
    Err(FileError::new(FileErrorKind::LinkLoop, path))
}

/// The directory that holds `path`, in a form that can be opened.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) | None => Path::new("."),
    }
}

fn kind_of(metadata: &Metadata) -> Target {
    if metadata.is_file() {
        Target::Regular
    } else if metadata.is_dir() {
        Target::Directory
    } else {
        Target::Special
    }
}

/// `/dev/stdout` of a program whose output goes to a file leads to that file's name. It must not be
/// replaced under the shell that has it open, and may have been removed long ago.
fn names_a_descriptor(path: &Path) -> bool {
    let is_special = |path: &Path| path.starts_with("/proc") || path.starts_with("/dev/fd");
    if path.is_absolute() {
        return cfg!(unix) && is_special(path);
    }
    let absolute = std::path::absolute(path);
    cfg!(unix) && is_special(absolute.as_deref().unwrap_or(path))
}

fn check_name(path: &Path) -> Result<(), FileError> {
    // `Path` drops a slash or dot at the end, and "new/" would become a file named "new".
    let bytes = path.as_os_str().as_encoded_bytes();
    let separator = |byte: &u8| std::path::is_separator(char::from(*byte));
    let ends_as_directory = match bytes {
        [.., before, b'.'] => separator(before),
        [.., last] => separator(last),
        [] => false,
    };
    if ends_as_directory || path.file_name().is_none() {
        return Err(FileError::new(FileErrorKind::NoDirectory, path));
    }
    Ok(())
}

/// Fails where there is no directory for a new file at `path`.
pub(super) fn check_directory(path: &Path) -> Result<(), FileError> {
    let directory = directory_of(path);
    match fs::metadata(directory) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(FileError::new(FileErrorKind::NoDirectory, directory)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(FileError::new(FileErrorKind::NoDirectory, directory))
        }
        Err(error) => Err(FileError::io("look at it", directory)(error)),
    }
}
