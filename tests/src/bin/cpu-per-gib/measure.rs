//! What a process took.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::Failure;

/// What one process took, from its start to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// Seconds, of the processor on its behalf and on the system's.
    pub(crate) cpu: f64,
    /// The most memory that it had.
    pub(crate) peak_mib: f64,
}

/// Runs a command and says what it took. It is the only child of a process in between, so that
/// nobody else's time is in what that one is told about its children.
pub(crate) fn measured(command: &Command) -> Result<Taken, Failure> {
    let mut between = Command::new(std::env::current_exe()?);
    between
        .arg("--measured")
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        between.env(name, value.unwrap_or_default());
    }
    let output = between.stderr(Stdio::inherit()).output()?;
    let program = command.get_program().display();
    if !output.status.success() {
        return Err(format!("{program} failed: {}", output.status).into());
    }
    let said = String::from_utf8(output.stdout)?;
    let mut numbers = said.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(cpu)), Some(Ok(peak_mib))) => Ok(Taken { cpu, peak_mib }),
        _ => Err(format!("expected two numbers about {program}, got {said:?}").into()),
    }
}

/// The process in between.
pub(crate) fn inside(command: &[OsString]) -> Result<(), Failure> {
    let (program, arguments) = command.split_first().ok_or("--measured needs a command")?;
    let status = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(format!("{} ended with {status}", program.display()).into());
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = seconds(usage.user_time()) + seconds(usage.system_time());
    // Linux counts in KiB, macOS in bytes.
    let unit = if cfg!(target_os = "macos") {
        1048576.0
    } else {
        1024.0
    };
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let peak = usage.max_rss() as f64 / unit;
    println!("{cpu:.6} {peak:.1}");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}
