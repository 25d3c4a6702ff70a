use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sans3_core::session::{Session, SessionConfig};
use sans3_core::trace::{Asked, Record};

/// So much is kept before it is written.
const BUFFER: usize = 64 << 10;

/// Where a client's session is [recorded](sans3_core::trace): a line of JSON for each thing that it
/// is told and that it asks for. Clones write to the same place.
///
/// It is written in pieces of 64 KiB, when no transfer is under way, at the [end](Self::close) and
/// when the last clone goes. An error of writing ends the recording, and no transfer: it is told by
/// [`close`](Self::close). A process that was forked off writes nothing.
///
/// A trace is of one client; a second one that gets it is an error of writing.
#[derive(Clone)]
pub struct Trace(Arc<Inner>);

struct Inner {
    /// The process that may write: another one has a copy of what is kept.
    process: u32,
    state: Mutex<State>,
}

struct State {
    out: Box<dyn Write + Send>,
    kept: Vec<u8>,
    begun: bool,
    /// Nothing more is recorded.
    over: bool,
    error: Option<io::Error>,
}

impl Trace {
    /// A trace that is written to `out`. Writing is done wherever the session is driven, so it
    /// should not block for long.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Inner {
            process: process::id(),
            state: Mutex::new(State {
                out: Box::new(out),
                kept: Vec::new(),
                begun: false,
                over: false,
                error: None,
            }),
        }))
    }

    /// Ends the recording, says so in the trace, and writes what is kept. Later calls do nothing.
    ///
    /// # Errors
    /// The first of writing, ever since the beginning.
    pub fn close(&self) -> io::Result<()> {
        let Some(mut state) = self.0.state() else {
            return Ok(());
        };
        state.take(&Record::End);
        state.over = true;
        state.flush();
        state.error.take().map_or(Ok(()), Err)
    }

    /// A session that is recorded here.
    pub(crate) fn session(&self, config: SessionConfig, seed: u64) -> Session {
        let fresh = self
            .0
            .state()
            .is_some_and(|mut state| !mem::replace(&mut state.begun, true));
        if !fresh {
            if let Some(mut state) = self.0.state() {
                state.fail(io::Error::other("a second client was given the same trace"));
            }
            return Session::new(config, seed);
        }
        let inner = Arc::clone(&self.0);
        Session::recorded(config, seed, move |record| {
            let Some(mut state) = inner.state() else {
                return;
            };
            state.take(&record);
            // Whoever has all results may end the program at once.
            if matches!(record, Record::Poll(_, Asked::Done)) {
                state.flush();
            }
        })
    }
}

impl Inner {
    /// `None` in another process, where the lock may be held for ever.
    fn state(&self) -> Option<MutexGuard<'_, State>> {
        let ours = process::id() == self.process;
        ours.then(|| self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn take(&mut self, record: &Record) {
        if self.over {
            return;
        }
        match serde_json::to_vec(record) {
            Ok(line) => {
                self.kept.extend_from_slice(&line);
                self.kept.push(b'\n');
            }
            Err(error) => self.fail(io::Error::other(error)),
        }
        if self.kept.len() >= BUFFER {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let kept = mem::take(&mut self.kept);
        if self.error.is_some() {
            return;
        }
        let written = self.out.write_all(&kept).and_then(|()| self.out.flush());
        if let Err(error) = written {
            self.fail(error);
        }
    }

    /// The first error stays.
    fn fail(&mut self, error: io::Error) {
        self.over = true;
        self.error.get_or_insert(error);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(mut state) = self.state() {
            state.flush();
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use sans3_core::endpoint::{Endpoint, Region};
    use sans3_core::session::{CredentialSource, Machine as _};
    use sans3_core::time::Instant;

    use super::*;

    /// Takes so many bytes, and no more.
    struct Disk(Arc<Mutex<Vec<u8>>>, usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut all = self.0.lock().unwrap();
            let room = self.1.saturating_sub(all.len()).min(bytes.len());
            if room == 0 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            all.extend_from_slice(&bytes[..room]);
            Ok(room)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn config() -> SessionConfig {
        let endpoint = Endpoint::custom("http://h", Region::new("r").unwrap()).unwrap();
        SessionConfig::new(endpoint, CredentialSource::Anonymous)
    }

    fn lines(written: &Arc<Mutex<Vec<u8>>>) -> usize {
        let written = written.lock().unwrap();
        written.iter().filter(|&&byte| byte == b'\n').count()
    }

    #[test]
    fn what_is_told_is_written_when_nothing_is_under_way_and_at_the_end() {
        let written = Arc::default();
        let trace = Trace::new(Disk(Arc::clone(&written), usize::MAX));
        let mut session = trace.session(config(), 1);
        assert_eq!(lines(&written), 0);
        let _ = session.poll(Instant::ZERO);
        assert_eq!(lines(&written), 2);
        trace.close().unwrap();
        assert!(written.lock().unwrap().ends_with(b"\"end\"\n"));
        let _ = session.poll(Instant::ZERO);
        trace.close().unwrap();
        assert_eq!(lines(&written), 3, "nothing follows the end");
    }

    #[test]
    fn what_was_told_before_the_last_clone_goes_is_written() {
        let written = Arc::default();
        let trace = Trace::new(Disk(Arc::clone(&written), usize::MAX));
        drop((trace.session(config(), 1), trace));
        assert_eq!(lines(&written), 1);
    }

    #[test]
    fn a_full_disk_ends_the_recording_and_is_told_at_the_end() {
        let trace = Trace::new(Disk(Arc::default(), 100));
        let mut session = trace.session(config(), 1);
        let _ = session.poll(Instant::ZERO);
        let _ = session.poll(Instant::ZERO);
        let error = trace.close().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_trace_is_of_one_client() {
        let written = Arc::default();
        let trace = Trace::new(Disk(Arc::clone(&written), usize::MAX));
        let _first = trace.session(config(), 1);
        let _second = trace.session(config(), 2);
        let error = trace.close().unwrap_err();
        assert!(error.to_string().contains("second client"), "{error}");
    }
}
