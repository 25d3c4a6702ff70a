//! Reading one shared file: bounded, and as the text that it must be.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::error::SettingsError;
use super::ini::{Document, Problem};

/// More than any such file needs, and little enough to read at every start.
pub(super) const MAX_LEN: usize = 1024 * 1024;

/// A shared file that is there.
pub(super) struct SharedFile {
    pub(super) document: Document,
    /// The permission bits, where others than the owner may read or write the file.
    pub(super) open_to_others: Option<u32>,
}

impl SharedFile {
    /// Reads the file; `None` where there is none.
    ///
    /// Pipes and devices are read like files, since `AWS_CONFIG_FILE=/dev/null` and
    /// `AWS_SHARED_CREDENTIALS_FILE=<(command)` are in use.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, ReadError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(ReadError::Io(error)),
        };
        let open_to_others = permissions_for_others(&file)?;
        // The full size at once: a buffer that grows leaves copies of secrets behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LEN + 2));
        let limit = u64::try_from(MAX_LEN).unwrap_or(u64::MAX).saturating_add(1);
        file.take(limit).read_to_end(&mut bytes)?;
        if bytes.len() > MAX_LEN {
            return Err(ReadError::Settings(SettingsError::TooLarge {
                path: path.into(),
            }));
        }
        let malformed = |problem: Problem| ReadError::Settings(problem.within(path));
        let text = as_text(&bytes).map_err(malformed)?;
        Ok(Some(Self {
            document: Document::parse(text).map_err(malformed)?,
            open_to_others,
        }))
    }
}

/// Why a file could not be used.
pub(super) enum ReadError {
    Io(io::Error),
    Settings(SettingsError),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Problem {
    pub(super) fn within(self, path: &Path) -> SettingsError {
        SettingsError::Malformed {
            path: path.into(),
            line: self.line,
            problem: self.what,
        }
    }
}

/// A path beneath something that is no directory, `HOME=/dev/null` for example, has no file either.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn as_text(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Problem {
            line: 1,
            what: "UTF-16 text; save the file as UTF-8",
        });
    }
    core::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        Problem {
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            what: "bytes that are not UTF-8; save the file as UTF-8",
        }
    })
}

#[cfg(unix)]
fn permissions_for_others(file: &File) -> io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode() & 0o777;
    Ok((metadata.is_file() && mode & 0o077 != 0).then_some(mode))
}

#[cfg(not(unix))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the same signature on every system; access lists can't be read with std"
)]
fn permissions_for_others(_file: &File) -> io::Result<Option<u32>> {
    Ok(None)
}
