//! Ctrl-C, SIGTERM and SIGHUP: the first asks for an orderly end, the second is obeyed at once.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use tokio::sync::watch;

use crate::exit::INTERRUPTED;
use crate::trace::Recording;

/// How long the last words may take: whoever reads stderr may have stopped doing so.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Whether the user wants the program to end. Clones see the same signal.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    told: watch::Receiver<bool>,
    remains: Arc<OnceLock<String>>,
}

impl Interrupt {
    /// Listens from now on. Must be called inside a runtime. Where the program is left at once,
    /// `recording` is ended.
    ///
    /// # Errors
    /// The system's, where handlers can't be installed.
    pub(crate) fn listen(recording: Recording) -> io::Result<Self> {
        let mut signals = Signals::new()?;
        let (tell, told) = watch::channel(false);
        let remains = Arc::new(OnceLock::<String>::new());
        let at_the_end = Arc::clone(&remains);
        tokio::spawn(async move {
            signals.next().await;
            // Nobody listens any more: the program is about to end by itself.
            let _ = tell.send(true);
            signals.next().await;
            leave(at_the_end.get().map(String::as_str), recording);
        });
        Ok(Self { told, remains })
    }

    /// Waits for the first signal; returns at once if it has come before.
    pub(crate) async fn wait(&mut self) {
        if self.told.wait_for(|set| *set).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Notes what a clean-up that is cut short may leave behind, and how to find it. The first note
    /// stays.
    pub(crate) fn note_remains(&self, text: String) {
        let _ = self.remains.set(text);
    }
}

/// Ends the program without waiting for anything, but not without a word.
fn leave(remains: Option<&str>, recording: Recording) -> ! {
    let mut text = "sans3: interrupted again, so the clean-up was cut short".to_owned();
    if let Some(remains) = remains {
        text = format!("{text}: {remains}");
    }
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || {
        // Whether it is whole is of no interest any more.
        let _ = recording.end();
        let mut stderr = io::stderr().lock();
        // A progress bar may stand on the line.
        let before = if stderr.is_terminal() { "\n" } else { "" };
        drop(writeln!(stderr, "{before}{text}"));
        let _ = done.send(());
    });
    let _ = wait.recv_timeout(LAST_WORDS);
    std::process::exit(i32::from(INTERRUPTED));
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// `None` where hang-ups are to be ignored.
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        outlive_file_size_limit()?;
        let heeds_hangup = heeds_hangup();
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: heeds_hangup
                .then(|| signal(SignalKind::hangup()))
                .transpose()?,
        })
    }

    async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Whether a hang-up is to end the program: not under nohup(1), which has it ignored, and a handler
/// would undo that. Where the system doesn't tell, hang-ups are left as they are.
#[cfg(unix)]
fn heeds_hangup() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return false;
    };
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Signal n is bit n - 1 (proc(5)), and SIGHUP is 1.
    ignored.is_some_and(|mask| mask & 1 == 0)
}

/// A write beyond `ulimit -f` raises SIGXFSZ, which kills the program with its clean-up undone. With
/// a handler, the write fails as any other does.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn outlive_file_size_limit() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    /// On all that Linux and macOS run on but MIPS (signal(7)).
    const SIGXFSZ: i32 = 25;
    // The handler outlives the listener.
    signal(SignalKind::from_raw(SIGXFSZ)).map(drop)
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "macos"))))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
fn outlive_file_size_limit() -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
