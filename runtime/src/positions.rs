//! Sources and targets of which any part can be read or written at any time.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use sans3_platform::positioned;

/// What can be read at any offset, by several threads at once, and again. All calls may block.
///
/// Implemented for files, and through [`Seeking`] for all that is [`Read`] and [`Seek`]. A file that
/// must stay at hand is shared as `Arc<File>`.
#[expect(
    clippy::len_without_is_empty,
    reason = "a source that fails to say its length can't say that it is empty"
)]
pub trait ReadAt: Send + Sync {
    /// How many bytes there are. Asked for at the beginning, and again with
    /// [`version`](Self::version): another answer ends the upload.
    ///
    /// # Errors
    /// It can't be said, which ends the upload.
    fn len(&self) -> io::Result<u64>;

    /// Fills `buf` from `offset`, in bytes from the beginning.
    ///
    /// # Errors
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) where the bytes end before that; else why
    /// they can't be read. Both end the upload.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;

    /// Whether a read takes no longer than a copy in memory, so that a thread may make it which has
    /// others to serve. Where one turns out to wait for a device, threads for what blocks take over.
    fn is_quick(&self) -> bool {
        false
    }

    /// A number that is another one once the bytes are others, such as the time of the last change.
    /// Asked for at the beginning and after each part is read; another answer ends the upload.
    /// Without one, only a change of the length is noticed, and one between the two times that a
    /// part is read, for its checksum and to be sent.
    ///
    /// # Errors
    /// It can't be said, which ends the upload.
    fn version(&self) -> io::Result<u64> {
        Ok(0)
    }
}

/// What can be written at any offset, by several threads at once, and again. All calls may block.
///
/// Implemented for files, and through [`Seeking`] for all that is [`Write`] and [`Seek`]. A file
/// that must stay at hand is shared as `Arc<File>`.
pub trait WriteAt: Send + Sync {
    /// Writes all of `buf` at `offset`, in bytes from the beginning. The offsets come in any order;
    /// two calls at once never overlap.
    ///
    /// # Errors
    /// Why it can't be written, which ends the download.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;

    /// Whether a write takes no longer than a copy in memory, so that a thread may make it which has
    /// others to serve. Where one turns out to wait for a device, threads for what blocks take over.
    fn is_quick(&self) -> bool {
        false
    }

    /// All bytes of the object are written, and proved: it has `len` of them. What is beyond that,
    /// of an older content or of a longer version that was read first, is to be cut off. Called
    /// once, and only where the download succeeded.
    ///
    /// # Errors
    /// Why that can't be done, which the download then fails with.
    fn finish(&self, len: u64) -> io::Result<()>;
}

/// Reads and writes at offsets by moving a cursor, one caller at a time.
///
/// Offsets count from the beginning, wherever the cursor was. Something that can't seek
/// beyond its end, or can't be written there, is no target. As the standard library's traits have
/// no way to shorten anything, a target that was longer than the object keeps its old end: cut it to
/// [`Downloaded::size`](sans3_core::transfer::Downloaded::size), where the cursor is left.
pub struct Seeking<T>(Mutex<T>);

impl<T> Seeking<T> {
    /// Reads from or writes to `inner`.
    pub const fn new(inner: T) -> Self {
        Self(Mutex::new(inner))
    }

    /// What was read from or written to.
    pub fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each call sets the cursor before it uses it, so that a panic of another one spoils nothing.
    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Read + Seek + Send> ReadAt for Seeking<T> {
    fn len(&self) -> io::Result<u64> {
        self.lock().seek(SeekFrom::End(0))
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut inner = self.lock();
        inner.seek(SeekFrom::Start(offset))?;
        inner.read_exact(buf)
    }
}

impl<T: Write + Seek + Send> WriteAt for Seeking<T> {
    /// Also compares where the cursor is afterwards with where it should be: a file that was opened
    /// to append goes to its end instead.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut inner = self.lock();
        inner.seek(SeekFrom::Start(offset))?;
        inner.write_all(buf)?;
        let end = inner.stream_position()?;
        if end.checked_sub(offset) == u64::try_from(buf.len()).ok() {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "{} bytes written at offset {offset} ended at {end}; open the target without `append`",
            buf.len()
        )))
    }

    /// Leaves the cursor at `len`, and flushes.
    fn finish(&self, len: u64) -> io::Result<()> {
        let mut inner = self.lock();
        inner.seek(SeekFrom::Start(len))?;
        inner.flush()
    }
}

/// On Windows the file's cursor moves.
impl ReadAt for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        positioned::read_exact_at(self, buf, offset)
    }

    /// Most reads come from the system's memory.
    fn is_quick(&self) -> bool {
        true
    }

    /// The time of the last modification, where the file system keeps one.
    fn version(&self) -> io::Result<u64> {
        let Ok(modified) = self.metadata()?.modified() else {
            return Ok(0);
        };
        let nanos = match modified.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_nanos(),
            // Only whether it is the same counts: times before 1970 go to the other end.
            Err(before) => !before.duration().as_nanos(),
        };
        let [.., a, b, c, d, e, f, g, h] = nanos.to_be_bytes();
        Ok(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

/// Must be open for writing, and not to append, which is refused on Unix and can't be seen on
/// Windows. There the file's cursor moves. Nothing is synced: see [`File::sync_all`].
impl WriteAt for File {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        refuse_to_append(self)?;
        positioned::write_all_at(self, buf, offset)
    }

    /// Most writes end in the system's memory.
    fn is_quick(&self) -> bool {
        true
    }

    /// Sets the length of a regular file. A device has the one that it has.
    fn finish(&self, len: u64) -> io::Result<()> {
        let metadata = self.metadata()?;
        if !metadata.is_file() || metadata.len() == len {
            return Ok(());
        }
        self.set_len(len)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn len(&self) -> io::Result<u64> {
        (**self).len()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).read_exact_at(buf, offset)
    }

    fn is_quick(&self) -> bool {
        (**self).is_quick()
    }

    fn version(&self) -> io::Result<u64> {
        (**self).version()
    }
}

impl<T: WriteAt + ?Sized> WriteAt for Arc<T> {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        (**self).write_all_at(buf, offset)
    }

    fn is_quick(&self) -> bool {
        (**self).is_quick()
    }

    fn finish(&self, len: u64) -> io::Result<()> {
        (**self).finish(len)
    }
}

impl<T> fmt::Debug for Seeking<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seeking").finish_non_exhaustive()
    }
}

/// Linux appends whatever offset it is told (pwrite(2), "BUGS"): parts that come out of order would
/// be a file of the right length and in the wrong order.
#[cfg(unix)]
fn refuse_to_append(file: &File) -> io::Result<()> {
    if rustix::fs::fcntl_getfl(file)?.contains(rustix::fs::OFlags::APPEND) {
        let text = "the file is open to append, and can't be written at offsets; open it without";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "fails elsewhere")]
const fn refuse_to_append(_: &File) -> io::Result<()> {
    Ok(())
}
