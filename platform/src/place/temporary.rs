//! The temporary file: its name, its permissions, and its directory.

use core::hash::{BuildHasher, Hasher};
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::hash::RandomState;
use std::io;
use std::path::{Path, PathBuf};

use super::target::{check_directory, directory_of};
use crate::error::FileError;

pub(super) struct Temporary {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) final_mode: FinalMode,
}

impl Temporary {
    /// Makes the temporary file for `target`, whose permissions are `existing` if it exists.
    pub(super) fn create(target: &Path, existing: Option<&Permissions>) -> Result<Self, FileError> {
        // A clash of random names means that somebody plays with them: a few tries are plenty.
        let mut tries = 8;
        loop {
            let path = beside(target);
            let mut options = OpenOptions::new();
            // Never follows a link: "create new" refuses any name that is taken, by a link as well.
            options.write(true).create_new(true);
            FinalMode::prepare(&mut options, existing);
            match options.open(&path) {
                Ok(file) => {
                    let shut = Self::shut(&file, existing).map_err(|error| {
                        let _ = fs::remove_file(&path);
                        FileError::io("set the permissions", &path)(error)
                    });
                    let (identity, final_mode) = shut?;
                    return Ok(Self {
                        file,
                        path,
                        identity,
                        final_mode,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries > 1 => {
                    tries -= 1;
                }
                Err(error) => {
                    // The likeliest reason has a kind of its own.
                    check_directory(target)?;
                    return Err(FileError::io("make a temporary file", &path)(error));
                }
            }
        }
    }

    fn shut(file: &File, existing: Option<&Permissions>) -> io::Result<(Identity, FinalMode)> {
        let metadata = file.metadata()?;
        let final_mode = FinalMode::of(file, existing.unwrap_or(&metadata.permissions()))?;
        Ok((Identity::of(&metadata), final_mode))
    }
}

/// The longest name of which a temporary one is made: file systems take 255 bytes.
const MAX_NAME: usize = 200;

fn beside(target: &Path) -> PathBuf {
    // The keys of the standard library's hash maps come from the system's random numbers.
    let random = RandomState::new().build_hasher().finish();
    let name = target.file_name().and_then(|name| name.to_str());
    let stem = name.filter(|name| name.len() <= MAX_NAME).unwrap_or("");
    directory_of(target).join(format!(".{stem}.sans3-{random:016x}"))
}

/// The permissions that the file has once it is in place.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct FinalMode(u32);

#[cfg(unix)]
impl FinalMode {
    /// The umask can't be read without changing it for the whole process. So a new file is made with
    /// the mode that the system gives it, which is noted, and shut before its first byte. One that
    /// replaces another starts shut: the other may be secret.
    fn prepare(options: &mut OpenOptions, existing: Option<&Permissions>) {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(if existing.is_some() { 0o600 } else { 0o666 });
    }

    /// Shuts the file, which is to have `permissions` in the end.
    fn of(file: &File, permissions: &Permissions) -> io::Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        Self(0o600).set(file)?;
        Ok(Self(permissions.mode() & 0o777))
    }

    /// A file system without permissions, as on a memory card, refuses to change them; there the
    /// file has those that the mount gives it.
    pub(super) fn set(&self, file: &File) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let set = file.set_permissions(Permissions::from_mode(self.0));
        match set.map_err(|error| (error.kind(), error)) {
            Ok(()) => Ok(()),
            Err((io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported, _)) => Ok(()),
            Err((_, error)) => Err(error),
        }
    }
}

/// Elsewhere a new file inherits the access list of its directory, and nothing needs doing.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) struct FinalMode;

#[cfg(not(unix))]
#[expect(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "the same signatures on every system"
)]
impl FinalMode {
    fn prepare(_options: &mut OpenOptions, _existing: Option<&Permissions>) {}

    fn of(_file: &File, _permissions: &Permissions) -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) fn set(&self, _file: &File) -> io::Result<()> {
        Ok(())
    }
}

/// Which file an open one is, whatever its name.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

#[cfg(unix)]
impl Identity {
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    /// Whether `path` still names it, rather than what somebody put in its place.
    pub(super) fn is_at(&self, path: &Path) -> io::Result<bool> {
        let named = Self::of(&fs::symlink_metadata(path)?);
        Ok(self.device == named.device && self.inode == named.inode)
    }
}

/// Windows does not let another process replace a file that is open.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) struct Identity;

#[cfg(not(unix))]
#[expect(clippy::unused_self, reason = "the same signatures on every system")]
impl Identity {
    fn of(_metadata: &Metadata) -> Self {
        Self
    }

    pub(super) fn is_at(&self, path: &Path) -> io::Result<bool> {
        fs::symlink_metadata(path).map(|named| named.is_file())
    }
}

/// Brings the new name to the disk. Some file systems can't sync a directory and say so by
/// "invalid"; a directory that may be written but not read can't be opened for it. Neither is a
/// failure of the disk.
#[cfg(unix)]
pub(super) fn sync_directory(target: &Path) -> io::Result<()> {
    let directory = match File::open(directory_of(target)) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        Err(error) => return Err(error),
    };
    match directory.sync_all() {
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// Windows writes its directories through a journal and has nothing to sync.
#[cfg(not(unix))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the same signature on every system"
)]
pub(super) fn sync_directory(_target: &Path) -> io::Result<()> {
    Ok(())
}
