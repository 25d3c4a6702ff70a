use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sans3_core::error::SinkError;

use crate::buffer::{Gauge, Held};

/// Memory up to a limit.
pub(crate) struct MemorySink {
    content: Mutex<Content>,
    limit: u64,
    gauge: Arc<Gauge>,
}

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    held: Vec<Held>,
    /// Once something did not fit, the rest is not whole.
    failed: Option<SinkError>,
}

impl MemorySink {
    pub(crate) fn new(limit: u64, gauge: &Arc<Gauge>) -> Self {
        Self {
            content: Mutex::default(),
            limit,
            gauge: Arc::clone(gauge),
        }
    }

    /// The `len` bytes of the object: a longer version that was read before another took its place
    /// may have left bytes beyond it.
    pub(crate) fn take(&self, len: u64) -> Result<Bytes, SinkError> {
        let mut content = std::mem::take(&mut *self.content());
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        content.bytes.truncate(len);
        match content.failed {
            Some(error) => Err(error),
            None if content.bytes.len() < len => {
                Err(SinkError("bytes of the object are missing".into()))
            }
            None => Ok(Bytes::from(content.bytes)),
        }
    }

    pub(super) fn put(&self, at: u64, bytes: &[u8]) -> Result<(), SinkError> {
        let mut content = self.content();
        let put = self.try_put(&mut content, at, bytes);
        if let Err(error) = &put {
            content.failed = Some(error.clone());
        }
        put
    }

    fn try_put(&self, content: &mut Content, at: u64, bytes: &[u8]) -> Result<(), SinkError> {
        let end = at.saturating_add(bytes.len() as u64);
        let span = usize::try_from(at).ok().zip(usize::try_from(end).ok());
        let Some((start, end)) = span.filter(|_| end <= self.limit) else {
            let limit = self.limit;
            let text = format!("expected an object of at most {limit} bytes; raise the limit");
            return Err(SinkError(text));
        };
        let more = end.saturating_sub(content.bytes.len());
        if more > 0 {
            content
                .bytes
                .try_reserve(more)
                .map_err(|error| SinkError(error.to_string()))?;
            content.bytes.resize(end, 0);
            content.held.push(self.gauge.hold(more));
        }
        content.bytes[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_in_any_order() {
        let sink = MemorySink::new(6, &Arc::default());
        sink.put(3, b"def").unwrap();
        sink.put(0, b"abc").unwrap();
        assert_eq!(sink.take(6).unwrap(), "abcdef");
    }

    #[test]
    fn bytes_beyond_the_object_are_cut_and_missing_ones_are_noticed() {
        let sink = MemorySink::new(6, &Arc::default());
        sink.put(0, b"abcdef").unwrap();
        assert_eq!(sink.take(2).unwrap(), "ab");
        sink.put(0, b"ab").unwrap();
        assert!(sink.take(3).is_err());
    }

    #[test]
    fn what_does_not_fit_is_never_cut_off_in_silence() {
        let sink = MemorySink::new(6, &Arc::default());
        sink.put(0, b"abcdef").unwrap();
        let error = sink.put(6, b"g").unwrap_err();
        assert!(error.to_string().contains("at most 6 bytes"), "{error}");
        assert_eq!(sink.take(6), Err(error));
    }
}
