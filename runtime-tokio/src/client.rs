use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sans3_core::endpoint::Scheme;
use sans3_core::error::TransferError;
use sans3_core::operation::{GetObject, ListObjectsV2, Operation};
use sans3_core::request::Unsigned;
use sans3_core::session::{CredentialSource, Notice, Session, SessionConfig};
use sans3_core::sign::Signer;
use sans3_core::transfer::{Call, Download, Downloaded, Length, Order, Transfer, Upload, Uploaded};
use sans3_platform::place::Options;
use sans3_platform::{Replace, SourceFile};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::task::TaskTracker;

use crate::buffer::BufferPool;
use crate::command::{Command, Ends};
use crate::driver::Driver;
use crate::net::{Connector, Pool, client_config};
use crate::pages::Pages;
use crate::running::{Running, Ticket};
use crate::shared::{Shared, Stats};
use crate::sink::{FileSink, MemorySink, OrderedSink, Sink};
use crate::source::{FileSource, PullSource, Source};
use crate::stream::DownloadStream;
use crate::writer::UploadWriter;
use crate::{ClientConfig, Error, clock};

/// How many transfers may wait for the driver to take them up.
const COMMANDS: usize = 64;

/// Carries out transfers. Clones are cheap and share everything: the bound on exchanges, the
/// memory, the retry budget, the connections.
///
/// Behind a client is one task, which ends with the last clone and the last transfer.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
    config: SessionConfig,
    /// The tasks of transfers, which are waited for at the end.
    tasks: TaskTracker,
}

impl Client {
    /// A client with a session of its own.
    ///
    /// # Errors
    /// [`Error::Config`] where credentials are to be provided and there is no provider, or TLS
    /// can't be set up; [`Error::Io`] where the CA bundle can't be read; [`Error::Closed`] outside
    /// of a tokio runtime.
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        let ClientConfig {
            mut session,
            seed,
            ca_bundle,
            credentials: provider,
        } = config;
        if provider.is_some() {
            session.credentials = CredentialSource::Provided;
        } else if matches!(session.credentials, CredentialSource::Provided) {
            let text = "credentials are to be provided, but `ClientConfig::credentials` is not set";
            return Err(Error::Config(text.into()));
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| Error::Closed)?;
        let secure = session.endpoint.scheme() == Scheme::Https;
        let tls = secure
            .then(|| client_config(ca_bundle.as_deref()))
            .transpose()?;
        let slots = usize::from(session.slots());
        let pool = Pool::new(Connector::new(tls), slots);
        let buffers = BufferPool::new(3 * slots, Arc::default());
        let shared = Arc::new(Shared::new(pool, buffers, provider));
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let core = Session::new(session.clone(), seed);
        let driver = Driver::new(core, receiver, Arc::clone(&shared));
        runtime.spawn(driver.run());
        let tasks = TaskTracker::new();
        Ok(Self(Arc::new(Inner {
            commands,
            shared,
            config: session,
            tasks,
        })))
    }

    /// Downloads to a file, by parallel ranges. The file gets its name when it is whole and proved,
    /// and is on the disk then.
    pub fn download_to_file(
        &self,
        download: Download,
        path: &Path,
        replace: Replace,
    ) -> Running<Downloaded> {
        let download = Download {
            order: Order::Random,
            ..download
        };
        let path = path.to_owned();
        self.spawn(async move |client, ticket| {
            let buffers = Arc::clone(&client.0.shared.buffers);
            let options = Options {
                replace,
                ..Options::default()
            };
            let sink = blocking(move || FileSink::create(&path, options, buffers)).await??;
            let sink = Arc::new(sink);
            let target = Sink::File(Arc::clone(&sink));
            let result = client.run(download, target.into(), &ticket).await;
            blocking(move || match result {
                // Nobody expects a file to appear after they have turned away from it.
                Ok(_) if ticket.is_cancelled() => {
                    sink.discard();
                    Err(Error::cancelled())
                }
                Ok(downloaded) => Ok(sink.commit(downloaded.size).map(|()| downloaded)?),
                Err(error) => {
                    sink.discard();
                    Err(error)
                }
            })
            .await?
        })
    }

    /// Downloads in order to `writer`, and flushes it at the end. What was written before an error
    /// stays written.
    pub fn download_to_writer(
        &self,
        download: Download,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Running<Downloaded> {
        let mut writer = writer;
        self.spawn(async move |client, ticket| {
            let mut stream = client.stream(download, ticket);
            let failed = |error| Error::io("write the output", "", error);
            while let Some(bytes) = stream.next().await {
                writer.write_all(&bytes?).await.map_err(failed)?;
            }
            writer.flush().await.map_err(failed)?;
            stream.into_summary().ok_or(Error::Closed)
        })
    }

    /// Downloads in order as a stream of bytes. Proof comes at the end: bytes are worth what the
    /// last item says.
    pub fn download_stream(&self, download: Download) -> DownloadStream {
        self.stream(download, Ticket::new(&self.0.shared.signals))
    }

    /// Downloads an object of at most `limit` bytes to memory.
    pub fn download_to_memory(
        &self,
        download: Download,
        limit: u64,
    ) -> Running<(Downloaded, Bytes)> {
        let download = Download {
            order: Order::Random,
            ..download
        };
        self.spawn(async move |client, ticket| {
            let sink = Arc::new(MemorySink::new(limit, client.0.shared.buffers.gauge()));
            let target = Sink::Memory(Arc::clone(&sink));
            let downloaded = client.run(download, target.into(), &ticket).await?;
            let bytes = sink.take().map_err(TransferError::new)?;
            Ok((downloaded, bytes))
        })
    }

    /// Uploads a file, whose length takes the place of the one in `upload`. A file that changes
    /// meanwhile is an error, and leaves nothing on the server.
    pub fn upload_file(&self, upload: Upload, path: &Path) -> Running<Uploaded> {
        let path = path.to_owned();
        self.spawn(async move |client, ticket| {
            let file = blocking(move || SourceFile::open(&path)).await??;
            let upload = Upload {
                length: Length::Known(file.len()),
                ..upload
            };
            let source = FileSource::new(file, Arc::clone(&client.0.shared.buffers));
            client
                .run(upload, Source::File(Arc::new(source)).into(), &ticket)
                .await
        })
    }

    /// Uploads bytes, whose length takes the place of the one in `upload`.
    pub fn upload_bytes(&self, upload: Upload, bytes: Bytes) -> Running<Uploaded> {
        let upload = Upload {
            length: Length::Known(bytes.len() as u64),
            ..upload
        };
        self.spawn(async move |client, ticket| {
            client
                .run(upload, Source::Memory(bytes).into(), &ticket)
                .await
        })
    }

    /// Uploads what `reader` gives until its end. It is read once, part by part; parts are kept in
    /// memory until the server has them.
    pub fn upload_reader(
        &self,
        upload: Upload,
        reader: impl AsyncRead + Send + Unpin + 'static,
    ) -> Running<Uploaded> {
        let length = match upload.length {
            Length::Known(_) => Length::Unknown { equal_parts: false },
            unknown @ Length::Unknown { .. } => unknown,
        };
        let upload = Upload { length, ..upload };
        self.spawn(async move |client, ticket| {
            let source = PullSource::new(Box::new(reader), client.0.shared.buffers.gauge());
            client
                .run(upload, Source::Pull(Arc::new(source)).into(), &ticket)
                .await
        })
    }

    /// Uploads what is written. Nothing is stored before [`UploadWriter::finish`].
    pub fn upload_writer(&self, upload: Upload) -> UploadWriter {
        UploadWriter::begin(self, upload)
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
        self.presign_request(operation.request(&self.0.config.endpoint), expires)
            .await
    }

    /// As [`presign`](Self::presign), for the bytes of an object.
    ///
    /// # Errors
    /// As [`presign`](Self::presign).
    pub async fn presign_get(&self, get: &GetObject, expires: Duration) -> Result<String, Error> {
        self.presign_request(get.request(&self.0.config.endpoint), expires)
            .await
    }

    /// The failed attempts since the last call, oldest first, and what was done about each. At most
    /// 1,024 are kept.
    pub fn notices(&self) -> Vec<Notice> {
        self.0.shared.take_notices()
    }

    /// What was used so far.
    pub fn stats(&self) -> Stats {
        self.0.shared.stats()
    }

    /// Cancels all transfers and waits until they have cleaned up behind them. Later ones fail
    /// with [`Error::Closed`].
    pub async fn shutdown(&self) {
        self.0.shared.closing.cancel();
        self.0.shared.signals.cancel_all();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Carries out a transfer that neither sends nor brings bytes.
    pub(crate) fn transfer<T: Transfer>(&self, transfer: T) -> Running<T::Output> {
        self.spawn(async move |client, ticket| client.run(transfer, Ends::default(), &ticket).await)
    }

    fn stream(&self, download: Download, ticket: Arc<Ticket>) -> DownloadStream {
        let download = Download {
            order: Order::InOrder,
            ..download
        };
        let part_size = download.part_size;
        let sink = Arc::new(OrderedSink::new(Arc::clone(&self.0.shared.buffers)));
        let target = Sink::Ordered(Arc::clone(&sink));
        let running = self.spawn_with(ticket, async move |client, ticket| {
            client.run(download, target.into(), &ticket).await
        });
        DownloadStream::new(running, sink, part_size)
    }

    fn spawn<T: Send + 'static, F: Future<Output = Result<T, Error>> + Send + 'static>(
        &self,
        work: impl FnOnce(Self, Arc<Ticket>) -> F,
    ) -> Running<T> {
        self.spawn_with(Ticket::new(&self.0.shared.signals), work)
    }

    /// A transfer has a task of its own, so that it runs, and cleans up, whether it is polled or
    /// not.
    fn spawn_with<T: Send + 'static, F: Future<Output = Result<T, Error>> + Send + 'static>(
        &self,
        ticket: Arc<Ticket>,
        work: impl FnOnce(Self, Arc<Ticket>) -> F,
    ) -> Running<T> {
        let task = self.0.tasks.spawn(work(self.clone(), Arc::clone(&ticket)));
        Running::new(task, ticket, Arc::clone(&self.0.shared))
    }

    async fn run<T: Transfer>(
        &self,
        transfer: T,
        ends: Ends,
        ticket: &Arc<Ticket>,
    ) -> Result<T::Output, Error> {
        if self.0.shared.closing.is_cancelled() {
            return Err(Error::Closed);
        }
        let (command, result) = Command::new(transfer, ends, Arc::clone(ticket));
        self.0
            .commands
            .send(command)
            .await
            .map_err(|_| Error::Closed)?;
        Ok(result.await.map_err(|_| Error::Closed)??)
    }

    async fn presign_request(&self, request: Unsigned, expires: Duration) -> Result<String, Error> {
        let credentials = match &self.0.config.credentials {
            CredentialSource::Static(credentials) => Arc::clone(credentials),
            CredentialSource::Provided => {
                let provided = self.0.shared.credentials().await;
                Arc::new(provided.map_err(TransferError::new)?)
            }
            CredentialSource::Anonymous => {
                let text = "a URL can't be presigned without credentials";
                return Err(Error::Config(text.into()));
            }
        };
        let signer = Signer::new(credentials, self.0.config.endpoint.region().clone());
        Ok(signer.presign(&request, expires, clock::wall())?)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Runs what blocks on a thread that may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    spawn_blocking(work)
        .await
        .map_err(|lost| match lost.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Error::Closed,
        })
}
