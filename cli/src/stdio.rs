//! The standard streams, and whether stdin leads anywhere.
//!
//! The standard library opens /dev/null in the place of a standard stream that is closed when the
//! program starts. An upload would then store an empty object, over whatever was there, and call
//! that success. (A download to a stdout that is closed is lost in the same way, but can't be told
//! from one to a /dev/null that was opened for both directions, as many programs open it.)

use std::fs::File;
use std::io;

use crate::exit::Failure;
use crate::operand::{Copy, Local};

/// Refuses an upload from a stdin that is closed, where the system tells (Linux).
///
/// # Errors
/// Usage.
pub(crate) fn check(copy: &Copy) -> Result<(), Failure> {
    let from_stdin = matches!(
        copy,
        Copy::Up {
            source: Local::Stdio,
            ..
        }
    );
    if !from_stdin || !is_placeholder(0) {
        return Ok(());
    }
    let message = "expected stdin to be open for -, but it is closed";
    let advice = "open stdin, or name a file; if /dev/null is meant, open it for reading alone";
    Err(Failure::usage(message.to_owned()).with_advice(advice.to_owned()))
}

/// stdin without the buffer that the standard library puts behind it.
///
/// # Errors
/// The system's.
pub(crate) fn stdin() -> io::Result<File> {
    #[cfg(unix)]
    let owned = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?;
    #[cfg(windows)]
    let owned = std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned()?;
    Ok(owned.into())
}

/// stdout without the line buffer that the standard library puts before it.
///
/// # Errors
/// The system's.
pub(crate) fn stdout() -> io::Result<File> {
    #[cfg(unix)]
    let owned = std::os::fd::AsFd::as_fd(&io::stdout()).try_clone_to_owned()?;
    #[cfg(windows)]
    let owned = std::os::windows::io::AsHandle::as_handle(&io::stdout()).try_clone_to_owned()?;
    Ok(owned.into())
}

/// Whether a stream is /dev/null, opened for reading and writing: shells, which have `</dev/null`
/// and `>/dev/null`, open it for one of the two.
#[cfg(target_os = "linux")]
fn is_placeholder(number: u32) -> bool {
    /// Of the flags of open(2), and in octal as proc(5) has them.
    const ACCESS_MODE: u32 = 0o3;
    const READ_AND_WRITE: u32 = 0o2;
    let path = std::fs::read_link(format!("/proc/self/fd/{number}"));
    if !path.is_ok_and(|path| path == std::path::Path::new("/dev/null")) {
        return false;
    }
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = info
        .lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & ACCESS_MODE == READ_AND_WRITE)
}

#[cfg(not(target_os = "linux"))]
const fn is_placeholder(_number: u32) -> bool {
    false
}
