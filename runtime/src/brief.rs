//! Where work on files is done that takes no time unless a device has to be waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::promise::promise;
use crate::{Error, Offload};

/// What takes longer has waited for a device.
const QUICK: Duration = Duration::from_millis(1);

/// After so many quick pieces of work in a row the next one is believed to be quick too.
const TRUST: u32 = 4;

/// Knows from experience whether opening a file, or giving it its name, is quick enough to be done
/// on the thread that wants it. Two wake-ups of other threads cost more than all its system calls
/// where they touch nothing but the system's memory; a disk that is synced takes milliseconds.
///
/// Clones share their experience.
#[derive(Clone, Default)]
pub(crate) struct Brief(Arc<AtomicU32>);

impl Brief {
    /// Does `work` here where the last pieces were quick; else where it may block.
    ///
    /// # Errors
    /// [`Error::Closed`] where the thread that did it was lost.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        offload: &dyn Offload,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        if offload.is_here() {
            return Ok(work());
        }
        if self.0.load(Ordering::Relaxed) >= TRUST {
            return Ok(self.timed(work));
        }
        let (promise, done) = promise();
        let brief = self.clone();
        offload.offload(Box::new(move || promise.keep(brief.timed(work))));
        done.await.ok_or(Error::Closed)
    }

    fn timed<T>(&self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
        self.took(began.elapsed());
        done
    }

    fn took(&self, time: Duration) {
        if time > QUICK {
            self.0.store(0, Ordering::Relaxed);
        } else if self.0.load(Ordering::Relaxed) < TRUST {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Whether work that comes after others, which took so long, is left to another thread.
    fn is_offloaded(times: &[Duration]) -> bool {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let offload = move |work: Box<dyn FnOnce() + Send>| {
            counted.fetch_add(1, Ordering::Relaxed);
            work();
        };
        let brief = Brief::default();
        times.iter().for_each(|time| brief.took(*time));
        let mut done = pin!(brief.run(&offload, || 7));
        let done = done.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(done, Poll::Ready(Ok(7))));
        count.load(Ordering::Relaxed) == 1
    }

    #[test]
    fn others_do_it_until_it_was_quick_for_a_while_and_again_after_a_wait() {
        let (quick, slow) = (QUICK, QUICK + Duration::from_nanos(1));
        assert!(is_offloaded(&[]));
        assert!(is_offloaded(&[quick; 3]));
        assert!(!is_offloaded(&[quick; 4]));
        assert!(!is_offloaded(&[quick; 9]));
        assert!(is_offloaded(&[quick, quick, quick, quick, slow]));
        assert!(is_offloaded(&[quick, quick, slow, quick, quick]));
    }
}
