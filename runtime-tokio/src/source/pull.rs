use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sans3_core::error::SourceError;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::buffer::{Gauge, Held};

/// How far a part's memory grows at once: a stream of three bytes must not take a whole part.
const STEP: usize = 1024 * 1024;

/// A stream that can be read once. Its bytes are kept, part by part, until the server has them.
pub(crate) struct PullSource {
    reader: tokio::sync::Mutex<Box<dyn AsyncRead + Send + Unpin>>,
    parts: Mutex<Parts>,
    gauge: Arc<Gauge>,
}

#[derive(Default)]
struct Parts {
    ready: BTreeMap<u64, Bytes>,
    /// Reading failed: whoever asks for the bytes that are missing is told.
    failed: Option<SourceError>,
}

/// How far a source has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) up_to: u64,
    pub(crate) end: bool,
}

impl PullSource {
    pub(crate) fn new(reader: Box<dyn AsyncRead + Send + Unpin>, gauge: &Arc<Gauge>) -> Self {
        Self {
            reader: tokio::sync::Mutex::new(reader),
            parts: Mutex::default(),
            gauge: Arc::clone(gauge),
        }
    }

    /// Reads the next part: the `len` bytes at `offset`, or fewer at the end.
    ///
    /// Where reading fails the part is reported as if it were there. Whoever wants to send it then
    /// learns the reason, which ends the transfer the way that any broken source does.
    pub(crate) async fn fill(&self, offset: u64, len: u64) -> Filled {
        let mut reader = self.reader.lock().await;
        match read_up_to(&mut **reader, len).await {
            Ok(bytes) => {
                let read = bytes.len() as u64;
                if read > 0 {
                    let held = self.gauge.hold(bytes.capacity());
                    let part = Bytes::from_owner(Part { bytes, _held: held });
                    self.parts().ready.insert(offset, part);
                }
                Filled {
                    up_to: offset.saturating_add(read),
                    end: read < len,
                }
            }
            Err(error) => {
                self.parts().failed = Some(SourceError::Read(error.to_string()));
                Filled {
                    up_to: offset.saturating_add(len),
                    end: false,
                }
            }
        }
    }

    pub(super) fn bytes(&self, offset: u64, len: u64) -> Result<Bytes, SourceError> {
        let parts = self.parts();
        match (parts.ready.get(&offset), &parts.failed) {
            (Some(part), _) => super::slice(part, 0, len),
            (None, _) if len == 0 => Ok(Bytes::new()),
            (None, Some(error)) => Err(error.clone()),
            (None, None) => Err(SourceError::NotReplayable),
        }
    }

    pub(super) fn release(&self, offset: u64) {
        self.parts().ready.remove(&offset);
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read_up_to(reader: &mut (dyn AsyncRead + Send + Unpin), len: u64) -> io::Result<Vec<u8>> {
    let too_large = || io::Error::other(format!("a part of {len} bytes does not fit into memory"));
    let len = usize::try_from(len).map_err(|_| too_large())?;
    let mut bytes = Vec::new();
    while bytes.len() < len {
        // Doubling, but never beyond the part.
        let room = bytes.len().max(STEP).min(len - bytes.len());
        bytes.try_reserve_exact(room).map_err(|_| too_large())?;
        let before = bytes.len();
        let mut limited = (&mut *reader).take(room as u64);
        if limited.read_to_end(&mut bytes).await? == 0 {
            break;
        }
        if bytes.len() - before < room {
            break;
        }
    }
    Ok(bytes)
}

struct Part {
    bytes: Vec<u8>,
    _held: Held,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(reader: impl AsyncRead + Send + Unpin + 'static) -> PullSource {
        PullSource::new(Box::new(reader), &Arc::default())
    }

    #[tokio::test]
    async fn parts_are_kept_until_they_are_released() {
        let content: Vec<u8> = (0..=255).cycle().take(3 * STEP + 5).collect();
        let source = source(io::Cursor::new(content.clone()));
        let part = 2 * STEP as u64;
        assert_eq!(
            source.fill(0, part).await,
            Filled {
                up_to: part,
                end: false
            }
        );
        let all = content.len() as u64;
        assert_eq!(
            source.fill(part, part).await,
            Filled {
                up_to: all,
                end: true
            }
        );
        assert_eq!(source.bytes(0, part).unwrap(), content[..2 * STEP]);
        assert_eq!(source.bytes(part, all - part).unwrap(), content[2 * STEP..]);
        source.release(0);
        assert_eq!(source.bytes(0, part), Err(SourceError::NotReplayable));
    }

    #[tokio::test]
    async fn an_end_on_a_boundary_is_found_by_the_next_part() {
        let source = source(&[1_u8, 2, 3][..]);
        assert_eq!(
            source.fill(0, 3).await,
            Filled {
                up_to: 3,
                end: false
            }
        );
        assert_eq!(
            source.fill(3, 3).await,
            Filled {
                up_to: 3,
                end: true
            }
        );
        assert_eq!(source.bytes(3, 0).unwrap(), "");
    }

    #[tokio::test]
    async fn adversary_41_a_read_error_is_told_to_whoever_sends_the_part() {
        struct Broken;
        impl AsyncRead for Broken {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                _: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                std::task::Poll::Ready(Err(io::Error::other("EIO")))
            }
        }
        let source = source(Broken);
        assert_eq!(
            source.fill(0, 8).await,
            Filled {
                up_to: 8,
                end: false
            }
        );
        assert_eq!(source.bytes(0, 8), Err(SourceError::Read("EIO".into())));
    }
}
