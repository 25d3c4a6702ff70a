use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use sans3_core::progress::Progress;
use sans3_core::transfer::Downloaded;
use sans3_runtime::{Deliveries, InOrder};

use crate::{Error, Running};

/// The bytes of an object from first to last.
///
/// The last item is an error where the download failed or the bytes could not be proved to be the
/// object's. Dropping the stream cancels the download.
pub struct DownloadStream(Deliveries<Running<Downloaded>>);

impl DownloadStream {
    pub(crate) const fn new(running: Running<Downloaded>, bytes: InOrder) -> Self {
        Self(Deliveries::new(running, bytes))
    }

    /// How far the download is.
    pub fn progress(&self) -> Progress {
        self.0.download().progress()
    }

    /// What was downloaded: present once the stream has ended without an error.
    pub fn summary(&self) -> Option<&Downloaded> {
        self.0.summary()
    }

    /// The next bytes; `None` at the end and after an error.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        poll_fn(|cx| self.0.poll_next(cx)).await
    }
}

impl fmt::Debug for DownloadStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DownloadStream").field(&self.0).finish()
    }
}

impl Stream for DownloadStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(cx)
    }
}
