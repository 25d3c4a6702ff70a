use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use sans3_core::operation::{GetObject, ListObjectsV2, Operation};
use sans3_core::pace::PaceChange;
use sans3_core::session::Notice;
use sans3_core::transfer::{Call, Download, Downloaded, Transfer, Upload, Uploaded};
use sans3_runtime::{Hub, Offload, PollRead, Stats, Ticket};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::runtime::Handle;

use crate::driver;
use crate::net::Pool;
use crate::pages::Pages;
use crate::running::Running;
use crate::stream::DownloadStream;
use crate::writer::UploadWriter;
use crate::{ClientConfig, Error, Replace, WriteAt};

/// Carries out transfers. Clones are cheap and share everything: the bound on exchanges, the
/// memory, the retry budget, the connections.
///
/// Behind a client is one task, which ends with the last clone and the last transfer.
#[derive(Clone)]
pub struct Client {
    hub: Hub,
    runtime: Handle,
}

/// What blocks goes to the runtime's threads for that.
struct Blocking(Handle);

/// A reader in tokio's words.
struct Reader<R>(R);

impl Client {
    /// A client with a session of its own.
    ///
    /// # Errors
    /// [`Error::Config`] where credentials are to be provided and there is no provider, or TLS
    /// can't be set up; [`Error::Io`] where the CA bundle can't be read; [`Error::Closed`] outside
    /// of a tokio runtime.
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        let runtime = Handle::try_current().map_err(|_| Error::Closed)?;
        let parts = Hub::open(config, Blocking(runtime.clone()))?;
        driver::start(parts.desk, Pool::new(parts.network), &runtime);
        Ok(Self {
            hub: parts.hub,
            runtime,
        })
    }

    /// Downloads to a file, by parallel ranges. The file gets its name when it is whole and proved,
    /// and is on the disk then.
    pub fn download_to_file(
        &self,
        download: Download,
        path: &Path,
        replace: Replace,
    ) -> Running<Downloaded> {
        self.spawn(|ticket| self.hub.download_to_file(download, path, replace, ticket))
    }

    /// Downloads to `target`, an open file for example, by parallel ranges, each written at its
    /// offset, on the threads for what blocks. At the end the target gets the object's length.
    ///
    /// Nothing can be taken back: bytes that were written before an error, or before the transfer
    /// was dropped, stay written. Whether they are the object is said by the result alone. After
    /// that nothing more is written. To have the target afterwards, share it, as an `Arc<File>` for
    /// example.
    pub fn download_at(
        &self,
        download: Download,
        target: impl WriteAt + 'static,
    ) -> Running<Downloaded> {
        self.spawn(|ticket| self.hub.download_at(download, target, ticket))
    }

    /// Downloads in order to `writer`, and flushes it at the end. What was written before an error
    /// stays written.
    pub fn download_to_writer(
        &self,
        download: Download,
        mut writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Running<Downloaded> {
        self.spawn(|ticket| {
            let mut stream = self.stream(download, ticket);
            async move {
                let failed = |error| Error::io("write the output", "", error);
                while let Some(bytes) = stream.next().await {
                    writer.write_all(&bytes?).await.map_err(failed)?;
                }
                writer.flush().await.map_err(failed)?;
                stream.summary().cloned().ok_or(Error::Closed)
            }
        })
    }

    /// Downloads in order as a stream of bytes. Proof comes at the end: bytes are worth what the
    /// last item says.
    pub fn download_stream(&self, download: Download) -> DownloadStream {
        self.stream(download, &self.hub.ticket())
    }

    /// Downloads an object of at most `limit` bytes to memory.
    pub fn download_to_memory(
        &self,
        download: Download,
        limit: u64,
    ) -> Running<(Downloaded, Bytes)> {
        self.spawn(|ticket| self.hub.download_to_memory(download, limit, ticket))
    }

    /// Uploads a file, whose length takes the place of the one in `upload`. A file that changes
    /// meanwhile is an error, and leaves nothing on the server.
    pub fn upload_file(&self, upload: Upload, path: &Path) -> Running<Uploaded> {
        self.spawn(|ticket| self.hub.upload_file(upload, path, ticket))
    }

    /// Uploads bytes, whose length takes the place of the one in `upload`.
    pub fn upload_bytes(&self, upload: Upload, bytes: Bytes) -> Running<Uploaded> {
        self.spawn(|ticket| self.hub.upload_bytes(upload, bytes, ticket))
    }

    /// Uploads what `reader` gives until its end. It is read once, part by part; parts are kept in
    /// memory until the server has them.
    pub fn upload_reader(
        &self,
        upload: Upload,
        reader: impl AsyncRead + Send + Unpin + 'static,
    ) -> Running<Uploaded> {
        self.spawn(|ticket| self.hub.upload_reader(upload, Reader(reader), ticket))
    }

    /// Uploads what is written. Nothing is stored before [`UploadWriter::finish`].
    pub fn upload_writer(&self, upload: Upload) -> UploadWriter {
        let ticket = self.hub.ticket();
        let (job, bytes) = self.hub.upload_written(upload, &ticket);
        UploadWriter::new(bytes, self.run(job, ticket))
    }

    /// Carries out one operation.
    pub fn call<O: Operation>(&self, operation: O) -> Running<O::Output> {
        self.transfer(Call::new(operation))
    }

    /// Lists keys, page by page, beginning with `request`.
    pub fn list(&self, request: ListObjectsV2) -> Pages {
        Pages::new(self.clone(), request)
    }

    /// A URL that lets whoever has it carry out `operation` within `expires`, at most seven days
    /// and at most as long as the credentials last.
    ///
    /// # Errors
    /// [`Error::Config`] without credentials; what the provider of credentials says; a duration or
    /// header that can't be signed.
    pub async fn presign<O: Operation>(
        &self,
        operation: &O,
        expires: Duration,
    ) -> Result<String, Error> {
        let request = operation.request(&self.hub.config().endpoint);
        self.hub.presign(request, expires).await
    }

    /// As [`presign`](Self::presign), for the bytes of an object.
    ///
    /// # Errors
    /// As [`presign`](Self::presign).
    pub async fn presign_get(&self, get: &GetObject, expires: Duration) -> Result<String, Error> {
        let request = get.request(&self.hub.config().endpoint);
        self.hub.presign(request, expires).await
    }

    /// The failed attempts since the last call, oldest first, and what was done about each. At most
    /// 1,024 are kept.
    pub fn notices(&self) -> Vec<Notice> {
        self.hub.notices()
    }

    /// What the session has changed of its pace since the last call, oldest first, and why. Times
    /// count from when the client was made. At most 1,024 are kept.
    pub fn pace_changes(&self) -> Vec<PaceChange> {
        self.hub.pace_changes()
    }

    /// What was used so far.
    pub fn stats(&self) -> Stats {
        self.hub.stats()
    }

    /// Cancels all transfers and waits until they have cleaned up behind them. Later ones fail
    /// with [`Error::Closed`].
    pub async fn shutdown(&self) {
        self.hub.close().await;
    }

    /// Carries out a transfer that neither sends nor brings bytes.
    pub(crate) fn transfer<T: Transfer>(&self, transfer: T) -> Running<T::Output> {
        self.spawn(|ticket| self.hub.transfer(transfer, ticket))
    }

    fn stream(&self, download: Download, ticket: &Arc<Ticket>) -> DownloadStream {
        let (job, bytes) = self.hub.download_in_order(download, ticket);
        DownloadStream::new(self.run(job, Arc::clone(ticket)), bytes)
    }

    fn spawn<T: Send + 'static, F>(&self, job: impl FnOnce(&Arc<Ticket>) -> F) -> Running<T>
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let ticket = self.hub.ticket();
        self.run(job(&ticket), ticket)
    }

    /// A transfer has a task of its own, so that it runs, and cleans up, whether it is polled or
    /// not.
    fn run<T: Send + 'static>(
        &self,
        job: impl Future<Output = Result<T, Error>> + Send + 'static,
        ticket: Arc<Ticket>,
    ) -> Running<T> {
        Running::new(self.runtime.spawn(job), ticket, self.hub.clone())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.hub).finish()
    }
}

impl Offload for Blocking {
    fn offload(&self, work: Box<dyn FnOnce() + Send>) {
        // Ends by itself, and says so to whoever waits for it.
        drop(self.0.spawn_blocking(work));
    }
}

impl<R: AsyncRead + Send + Unpin> PollRead for Reader<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(into);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}
