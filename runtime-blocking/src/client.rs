use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use sans3_core::operation::{GetObject, ListObjectsV2, Operation};
use sans3_core::pace::PaceChange;
use sans3_core::session::Notice;
use sans3_core::transfer::{Call, Download, Downloaded, Transfer, Upload, Uploaded};
use sans3_runtime::{Deliveries, Hub, Offload, PollRead, ReadAt, Seeking, Stats, Ticket, WriteAt};

use crate::driver::{Engine, Wanted};
use crate::home::Ours;
use crate::net::Pool;
use crate::pages::Pages;
use crate::park::block_on;
use crate::running::{Control, Job, Running};
use crate::stream::DownloadStream;
use crate::writer::UploadWriter;
use crate::{ClientConfig, Error, Replace};

/// Carries out transfers. Clones are cheap and share everything: the bound on exchanges, the
/// memory, the retry budget, the connections.
///
/// After a fork the child may go on with a client of which no transfer was under way, and all of
/// whose results were fetched: [what works and what does not](crate#after-a-fork).
#[derive(Clone)]
pub struct Client {
    hub: Ours<Hub>,
    engine: Arc<Engine>,
}

/// Every thread of ours is one that may block.
struct AtOnce;

/// A reader whose every call waits for what it reads.
struct Reader<R>(R);

impl Client {
    /// A client with a session of its own. No thread is started yet.
    ///
    /// # Errors
    /// [`Error::Config`] where credentials are to be provided and there is no provider, or TLS
    /// can't be set up; [`Error::Io`] where the CA bundle can't be read.
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        let parts = Hub::open(config, AtOnce)?;
        let slots = parts.network.kept;
        let engine = Engine::new(parts.desk, Pool::new(parts.network), slots);
        let hub = Ours::new(parts.hub, engine.home());
        Ok(Self { hub, engine })
    }

    /// Downloads to a file, by parallel ranges. The file gets its name when it is whole and proved,
    /// and is on the disk then.
    pub fn download_to_file(
        &self,
        download: Download,
        path: &Path,
        replace: Replace,
    ) -> Running<Downloaded> {
        self.run(|hub, ticket| hub.download_to_file(download, path, replace, ticket))
    }

    /// Downloads to `target`, an open file for example, by parallel ranges, each written at its
    /// offset by the thread that received it. At the end the target gets the object's length.
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
        self.run(|hub, ticket| hub.download_at(download, target, ticket))
    }

    /// As [`download_at`](Self::download_at), for what has a cursor: it is written by one thread at
    /// a time, from its beginning, and flushed at the end.
    ///
    /// [`Write`] and [`Seek`] know no way to shorten anything: where `target` may have been longer
    /// than the object, or the object may have been replaced by a shorter one meanwhile, cut it to
    /// [`Downloaded::size`].
    pub fn download_seek(
        &self,
        download: Download,
        target: impl Write + Seek + Send + 'static,
    ) -> Running<Downloaded> {
        self.download_at(download, Seeking::new(target))
    }

    /// Downloads in order to `writer`, and flushes it at the end. It is written to by the thread
    /// that [waits](Running::wait). What was written before an error stays written.
    pub fn download_to_writer(
        &self,
        download: Download,
        mut writer: impl Write + Send + 'static,
    ) -> Running<Downloaded> {
        self.run(|hub, ticket| {
            let (job, bytes) = hub.download_in_order(download, ticket);
            let mut deliveries = Deliveries::new(Box::pin(job), bytes);
            async move {
                let failed = |error| Error::io("write the output", "", error);
                while let Some(bytes) = poll_fn(|cx| deliveries.poll_next(cx)).await {
                    writer.write_all(&bytes?).map_err(failed)?;
                }
                writer.flush().map_err(failed)?;
                deliveries.summary().cloned().ok_or(Error::Closed)
            }
        })
    }

    /// Downloads in order as a stream of bytes. Proof comes at the end: bytes are worth what the
    /// last read says.
    pub fn download_stream(&self, download: Download) -> DownloadStream {
        let (hub, wanted) = self.enter();
        let ticket = hub.ticket();
        let (job, bytes) = hub.download_in_order(download, &ticket);
        let job = Job::begin(job, &self.engine, wanted);
        DownloadStream::new(job, bytes, Control::new(&ticket, self.engine.home()))
    }

    /// Downloads an object of at most `limit` bytes to memory.
    pub fn download_to_memory(
        &self,
        download: Download,
        limit: u64,
    ) -> Running<(Downloaded, Bytes)> {
        self.run(|hub, ticket| hub.download_to_memory(download, limit, ticket))
    }

    /// Uploads a file, whose length takes the place of the one in `upload`. A file that changes
    /// meanwhile is an error, and leaves nothing on the server.
    pub fn upload_file(&self, upload: Upload, path: &Path) -> Running<Uploaded> {
        self.run(|hub, ticket| hub.upload_file(upload, path, ticket))
    }

    /// Uploads what `source` holds, an open file for example; its length takes the place of the one
    /// in `upload`. Unlike those of a [reader](Self::upload_reader), its parts are not kept in
    /// memory: each is read by the thread that sends it, and read again where that fails. A source
    /// that [changes](ReadAt::version) meanwhile is an error, and leaves nothing on the server.
    pub fn upload_at(&self, upload: Upload, source: impl ReadAt + 'static) -> Running<Uploaded> {
        self.run(|hub, ticket| hub.upload_at(upload, source, ticket))
    }

    /// As [`upload_at`](Self::upload_at), for what has a cursor: it is read by one thread at a time,
    /// from its beginning to its end, wherever the cursor is.
    pub fn upload_seek(
        &self,
        upload: Upload,
        source: impl Read + Seek + Send + 'static,
    ) -> Running<Uploaded> {
        self.upload_at(upload, Seeking::new(source))
    }

    /// Uploads bytes, whose length takes the place of the one in `upload`.
    pub fn upload_bytes(&self, upload: Upload, bytes: Bytes) -> Running<Uploaded> {
        self.run(|hub, ticket| hub.upload_bytes(upload, bytes, ticket))
    }

    /// Uploads what `reader` gives until its end. It is read once, part by part, by the thread that
    /// [waits](Running::wait); parts are kept in memory until the server has them.
    pub fn upload_reader(
        &self,
        upload: Upload,
        reader: impl Read + Send + 'static,
    ) -> Running<Uploaded> {
        self.run(|hub, ticket| hub.upload_reader(upload, Reader(reader), ticket))
    }

    /// Uploads what is written. Nothing is stored before [`UploadWriter::finish`].
    pub fn upload_writer(&self, upload: Upload) -> UploadWriter {
        let (hub, wanted) = self.enter();
        let ticket = hub.ticket();
        let (job, bytes) = hub.upload_written(upload, &ticket);
        let job = Job::begin(job, &self.engine, wanted);
        UploadWriter::new(bytes, Running::new(job, &ticket))
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
    pub fn presign<O: Operation>(&self, operation: &O, expires: Duration) -> Result<String, Error> {
        let request = operation.request(&self.hub.config().endpoint);
        block_on(self.hub().presign(request, expires))
    }

    /// As [`presign`](Self::presign), for the bytes of an object.
    ///
    /// # Errors
    /// As [`presign`](Self::presign).
    pub fn presign_get(&self, get: &GetObject, expires: Duration) -> Result<String, Error> {
        let request = get.request(&self.hub.config().endpoint);
        block_on(self.hub().presign(request, expires))
    }

    /// The failed attempts since the last call, oldest first, and what was done about each. At most
    /// 1,024 are kept.
    pub fn notices(&self) -> Vec<Notice> {
        self.hub().notices()
    }

    /// What the session has changed of its pace since the last call, oldest first, and why. Times
    /// count from when the client was made. At most 1,024 are kept.
    pub fn pace_changes(&self) -> Vec<PaceChange> {
        self.hub().pace_changes()
    }

    /// What was used so far.
    pub fn stats(&self) -> Stats {
        self.hub().stats()
    }

    /// Cancels all transfers and waits until the server holds nothing of them and all threads have
    /// ended. Later transfers fail with [`Error::Closed`].
    pub fn shutdown(&self) {
        // Closes at once. What it would wait for, results that were not fetched yet, may be
        // fetched by this very thread later.
        let mut cx = Context::from_waker(Waker::noop());
        let _ = pin!(self.hub().close()).poll(&mut cx);
        self.engine.stand_still();
    }

    /// Carries out a transfer that neither sends nor brings bytes.
    pub(crate) fn transfer<T: Transfer>(&self, transfer: T) -> Running<T::Output> {
        self.run(|hub, ticket| hub.transfer(transfer, ticket))
    }

    fn run<T: Send + 'static, F>(&self, work: impl FnOnce(&Hub, &Arc<Ticket>) -> F) -> Running<T>
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (hub, wanted) = self.enter();
        let ticket = hub.ticket();
        let job = Job::begin(work(&hub, &ticket), &self.engine, wanted);
        Running::new(job, &ticket)
    }

    /// For a transfer that is about to begin. All else comes after this: no lock is taken before
    /// it is known that this process can have it.
    fn enter(&self) -> (Hub, Option<Wanted>) {
        match self.engine.want() {
            Some(wanted) => (Hub::clone(&self.hub), Some(wanted)),
            None => (self.hub.closed(), None),
        }
    }

    /// What can be asked here whatever was under way at a fork.
    fn hub(&self) -> Hub {
        if self.engine.home().is_lost() {
            return self.hub.closed();
        }
        Hub::clone(&self.hub)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.hub()).finish()
    }
}

impl Offload for AtOnce {
    fn offload(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn is_here(&self) -> bool {
        true
    }
}

impl<R: Read + Send> PollRead for Reader<R> {
    fn poll_read(&mut self, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.0.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return Poll::Ready(read),
            }
        }
    }
}
