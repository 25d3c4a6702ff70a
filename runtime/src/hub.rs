use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use sans3_core::endpoint::Scheme;
use sans3_core::error::{SourceError, TransferError};
use sans3_core::pace::PaceChange;
use sans3_core::request::Unsigned;
use sans3_core::session::{CredentialSource, Notice, Session, SessionConfig};
use sans3_core::sign::Signer;
use sans3_core::transfer::{Download, Downloaded, Length, Order, Transfer, Upload, Uploaded};
use sans3_platform::place::Options;
use sans3_platform::{ProxyRules, Replace, SourceFile};

use crate::buffer::BufferPool;
use crate::command::{Command, Ends};
use crate::deliveries::InOrder;
use crate::errand::{Carrier, Waiting};
use crate::net::{Origin, Resolver, Route, client_config};
use crate::promise::promise;
use crate::shared::{Shared, Stats};
use crate::sink::{FileSink, MemorySink, OrderedSink, Sink};
use crate::source::{FileSource, PushWriter, Source, pushed};
use crate::ticket::Ticket;
use crate::{ClientConfig, Desk, Error, ReadAt, WriteAt, clock};

/// How many buffers an exchange has in use at most: one that is filled, one that is full, one that
/// is written.
const BUFFERS: usize = 3;

/// Giving a larger file its name is never brief: all that was written is brought to the disk first.
const SMALL: u64 = 1 << 20;

/// Where work that blocks is done.
pub trait Offload: Send + Sync + 'static {
    /// Does `work` where it may block: on a thread that is meant for it, or at once where this one
    /// is.
    fn offload(&self, work: Box<dyn FnOnce() + Send>);

    /// Whether work is done at once by the thread that brings it, which then may block as well.
    fn is_here(&self) -> bool {
        false
    }
}

/// A function that does the work, or has it done, will do.
impl<F> Offload for F
where
    F: Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 'static,
{
    fn offload(&self, work: Box<dyn FnOnce() + Send>) {
        self(work);
    }
}

/// What every runtime's client is made of. Clones share everything.
///
/// Each transfer has a [`Ticket`], made by [`ticket`](Self::ticket), and is a future that any
/// executor can run. One that is dropped cancels its transfer.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    config: SessionConfig,
}

/// The parts of a new client.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts {
    /// The client's side.
    pub hub: Hub,
    /// The driver's side.
    pub desk: Desk,
    /// What connections are made with.
    pub network: Network,
}

/// What connections are made with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Network {
    /// TLS, where the endpoint is reached by it.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Which proxies to use.
    pub proxy: ProxyRules,
    /// Finds addresses.
    pub resolver: Resolver,
    /// How many unused connections to keep: as many as there can be exchanges.
    pub kept: usize,
    /// Counts connections.
    pub opened: Opened,
}

/// Counts the connections that a client opens.
#[derive(Clone)]
pub struct Opened(Arc<Shared>);

/// What can be read piece by piece, in any runtime's words.
pub trait PollRead: Send {
    /// Reads into `into`: how many bytes, and none at the end.
    ///
    /// # Errors
    /// Reading failed, which ends the upload.
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>>;
}

impl Hub {
    /// The parts of a client with a session of its own, to be driven by whoever gets the
    /// [`Desk`].
    ///
    /// # Errors
    /// [`Error::Config`] where credentials are to be provided and there is no provider, or TLS
    /// can't be set up; [`Error::Io`] where the CA bundle can't be read.
    pub fn open(config: ClientConfig, offload: impl Offload) -> Result<Parts, Error> {
        let ClientConfig {
            mut session,
            seed,
            ca_bundle,
            credentials: provider,
            proxy,
            resolve,
            #[cfg(feature = "trace")]
            trace,
        } = config;
        if provider.is_some() {
            session.credentials = CredentialSource::Provided;
        } else if matches!(session.credentials, CredentialSource::Provided) {
            let text = "credentials are to be provided, but `ClientConfig::credentials` is not set";
            return Err(Error::Config(text.into()));
        }
        let secure = session.endpoint.scheme() == Scheme::Https;
        let tls = secure
            .then(|| client_config(ca_bundle.as_deref()))
            .transpose()?;
        let kept = usize::from(session.slots());
        let buffers = BufferPool::new(BUFFERS * kept, Arc::default());
        let shared = Arc::new(Shared::new(buffers, Arc::new(offload), provider));
        #[cfg(not(feature = "trace"))]
        let begun = Session::new(session.clone(), seed);
        #[cfg(feature = "trace")]
        let begun = match trace {
            Some(trace) => trace.session(session.clone(), seed),
            None => Session::new(session.clone(), seed),
        };
        Ok(Parts {
            desk: Desk::new(begun, Arc::clone(&shared)),
            network: Network {
                tls,
                proxy,
                resolver: Resolver::new(resolve),
                kept,
                opened: Opened(Arc::clone(&shared)),
            },
            hub: Self(Arc::new(Inner {
                shared,
                config: session,
            })),
        })
    }

    /// A client like this one with no driver behind it: every transfer of it fails at once with
    /// [`Error::Closed`]. It shares no lock with this one, and so stands in for it in a process
    /// that was forked off while one was held.
    #[must_use]
    pub fn closed(&self) -> Self {
        let kept = usize::from(self.0.config.slots());
        let buffers = BufferPool::new(BUFFERS * kept, Arc::default());
        let shared = Arc::new(self.0.shared.closed(buffers));
        let config = self.0.config.clone();
        Self(Arc::new(Inner { shared, config }))
    }

    /// A ticket for a transfer that is about to begin.
    pub fn ticket(&self) -> Arc<Ticket> {
        Ticket::new(&self.0.shared.inbox)
    }

    /// Downloads to a file, by parallel ranges. The file gets its name when it is whole and proved,
    /// and is on the disk then.
    pub fn download_to_file(
        &self,
        download: Download,
        path: &Path,
        replace: Replace,
        ticket: &Arc<Ticket>,
    ) -> impl Future<Output = Result<Downloaded, Error>> + Send + use<> {
        let download = Download {
            order: Order::Random,
            ..download
        };
        let (path, ticket) = (path.to_owned(), Arc::clone(ticket));
        self.job(async move |hub| {
            let buffers = Arc::clone(&hub.0.shared.buffers);
            let options = Options {
                replace,
                ..Options::default()
            };
            let create = move || FileSink::create(&path, options, buffers);
            let sink = Arc::new(hub.briefly(create).await??);
            let ends = Sink::file(Arc::clone(&sink)).into();
            let result = hub.run(download, ends, &ticket).await;
            let size = result.as_ref().map_or(0, |downloaded| downloaded.size);
            let finish = move || match result {
                // Nobody expects a file to appear after they have turned away from it.
                Ok(_) if ticket.is_cancelled() => {
                    sink.discard();
                    Err(Error::cancelled())
                }
                Ok(downloaded) => sink.commit(downloaded.size).map(|()| downloaded),
                Err(error) => {
                    sink.discard();
                    Err(error)
                }
            };
            if size <= SMALL {
                hub.briefly(finish).await?
            } else {
                hub.offload(finish).await?
            }
        })
    }

    /// Downloads to `target`, by parallel ranges, and gives it the object's length at the end.
    ///
    /// Bytes that were written before an error, or before the future was dropped, stay written:
    /// that they are the object is said by the result alone. Nothing is written to `target` after
    /// the result is here.
    pub fn download_at<W: WriteAt + 'static>(
        &self,
        download: Download,
        target: W,
        ticket: &Arc<Ticket>,
    ) -> impl Future<Output = Result<Downloaded, Error>> + Send + use<W> {
        let download = Download {
            order: Order::Random,
            ..download
        };
        let ticket = Arc::clone(ticket);
        self.job(async move |hub| {
            let buffers = Arc::clone(&hub.0.shared.buffers);
            let sink = Arc::new(FileSink::given(Box::new(target), buffers));
            let mut guard = DiscardOnDrop {
                sink: Some(Arc::clone(&sink)),
                offload: Arc::clone(&hub.0.shared.offload),
            };
            let ends = Sink::file(Arc::clone(&sink)).into();
            let result = hub.run(download, ends, &ticket).await;
            guard.sink = None;
            hub.offload(move || {
                let finished = result.and_then(|downloaded| {
                    sink.commit(downloaded.size)?;
                    Ok(downloaded)
                });
                sink.discard();
                finished
            })
            .await?
        })
    }

    /// Downloads an object of at most `limit` bytes to memory.
    pub fn download_to_memory(
        &self,
        download: Download,
        limit: u64,
        ticket: &Arc<Ticket>,
    ) -> impl Future<Output = Result<(Downloaded, Bytes), Error>> + Send + use<> {
        let download = Download {
            order: Order::Random,
            ..download
        };
        let ticket = Arc::clone(ticket);
        self.job(async move |hub| {
            let sink = Arc::new(MemorySink::new(limit, hub.0.shared.buffers.gauge()));
            let ends = Sink::memory(Arc::clone(&sink)).into();
            let downloaded = hub.run(download, ends, &ticket).await?;
            let bytes = sink.take(downloaded.size).map_err(TransferError::new)?;
            Ok((downloaded, bytes))
        })
    }

    /// Downloads in order. Both results belong into a [`Deliveries`](crate::Deliveries).
    pub fn download_in_order(
        &self,
        download: Download,
        ticket: &Arc<Ticket>,
    ) -> (
        impl Future<Output = Result<Downloaded, Error>> + Send + use<>,
        InOrder,
    ) {
        let download = Download {
            order: Order::InOrder,
            ..download
        };
        let sink = Arc::new(OrderedSink::new(Arc::clone(&self.0.shared.buffers)));
        let bytes = InOrder::new(Arc::clone(&sink), ticket, download.part_size);
        let ticket = Arc::clone(ticket);
        let job = self.job(async move |hub| {
            hub.run_beside(download, Sink::ordered(sink).into(), &ticket)
                .await
        });
        (job, bytes)
    }

    /// Uploads a file, whose length takes the place of the one in `upload`. A file that changes
    /// meanwhile is an error, and leaves nothing on the server.
    pub fn upload_file(
        &self,
        upload: Upload,
        path: &Path,
        ticket: &Arc<Ticket>,
    ) -> impl Future<Output = Result<Uploaded, Error>> + Send + use<> {
        let (path, ticket) = (path.to_owned(), Arc::clone(ticket));
        self.job(async move |hub| {
            let file = hub.briefly(move || SourceFile::open(&path)).await??;
            let upload = Upload {
                length: Length::Known(file.len()),
                ..upload
            };
            let source = FileSource::new(file, Arc::clone(&hub.0.shared.buffers));
            hub.run(upload, Source::file(source).into(), &ticket).await
        })
    }

    /// Uploads what `source` holds, whose length takes the place of the one in `upload`. Its parts
    /// are read when they are sent, and again where that fails. A source that
    /// [changes](ReadAt::version) meanwhile is an error, and leaves nothing on the server.
    pub fn upload_at<R: ReadAt + 'static>(
        &self,
        upload: Upload,
        source: R,
        ticket: &Arc<Ticket>,
    ) -> impl Future<Output = Result<Uploaded, Error>> + Send + use<R> {
        let ticket = Arc::clone(ticket);
        self.job(async move |hub| {
            let buffers = Arc::clone(&hub.0.shared.buffers);
            let open = move || FileSource::given(Box::new(source), buffers);
            let source = hub.offload(open).await?.map_err(TransferError::new)?;
            let upload = Upload {
                length: Length::Known(source.len()),
                ..upload
            };
            hub.run(upload, Source::file(source).into(), &ticket).await
        })
    }

    /// Uploads bytes, whose length takes the place of the one in `upload`.
    pub fn upload_bytes(
        &self,
        upload: Upload,
        bytes: Bytes,
        ticket: &Arc<Ticket>,
    ) -> impl Future<Output = Result<Uploaded, Error>> + Send + use<> {
        let upload = Upload {
            length: Length::Known(bytes.len() as u64),
            ..upload
        };
        let ticket = Arc::clone(ticket);
        self.job(async move |hub| hub.run(upload, Source::memory(bytes).into(), &ticket).await)
    }

    /// Uploads what `reader` gives until its end. It is read once, part by part; parts are kept in
    /// memory until the server has them.
    pub fn upload_reader<R: PollRead + 'static>(
        &self,
        upload: Upload,
        mut reader: R,
        ticket: &Arc<Ticket>,
    ) -> impl Future<Output = Result<Uploaded, Error>> + Send + use<R> {
        let (upload, mut writer) = self.upload_written(upload, ticket);
        async move {
            let pump = async move {
                loop {
                    writer.room().await?;
                    let place = writer.spare();
                    match poll_fn(|cx| reader.poll_read(cx, place)).await {
                        Ok(0) => return writer.finish().await,
                        Ok(len) => writer.commit(len),
                        Err(error) => {
                            writer.fail(SourceError::Read(error.to_string()));
                            return Ok(());
                        }
                    }
                }
            };
            let (mut upload, mut pump) = (pin!(upload), pin!(pump));
            let mut pumping = true;
            poll_fn(|cx| {
                // How reading ends is told to the upload, whose result says it.
                pumping = pumping && pump.as_mut().poll(cx).is_pending();
                upload.as_mut().poll(cx)
            })
            .await
        }
    }

    /// Uploads what is written to the writer, until it is [finished](PushWriter::finish).
    pub fn upload_written(
        &self,
        upload: Upload,
        ticket: &Arc<Ticket>,
    ) -> (
        impl Future<Output = Result<Uploaded, Error>> + Send + use<>,
        PushWriter,
    ) {
        let length = match upload.length {
            Length::Known(_) => Length::Unknown { equal_parts: false },
            unknown @ Length::Unknown { .. } => unknown,
        };
        let upload = Upload { length, ..upload };
        let (writer, source) = pushed(&self.0.shared.buffers);
        let ticket = Arc::clone(ticket);
        let job = self.job(async move |hub| {
            let result = hub.run_beside(upload, Source::push(Arc::clone(&source)).into(), &ticket);
            let result = result.await;
            // Also where the transfer never began.
            source.close();
            result
        });
        (job, writer)
    }

    /// Carries out a transfer that neither sends nor brings bytes.
    pub fn transfer<T: Transfer>(
        &self,
        transfer: T,
        ticket: &Arc<Ticket>,
    ) -> impl Future<Output = Result<T::Output, Error>> + Send + use<T> {
        let ticket = Arc::clone(ticket);
        self.job(async move |hub| hub.run(transfer, Ends::default(), &ticket).await)
    }

    /// A URL that lets whoever has it make the request within `expires`, at most seven days and at
    /// most as long as the credentials last.
    ///
    /// # Errors
    /// [`Error::Config`] without credentials; what the provider of credentials says; a duration or
    /// header that can't be signed.
    pub async fn presign(&self, request: Unsigned, expires: Duration) -> Result<String, Error> {
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

    /// What the session was made with.
    pub fn config(&self) -> &SessionConfig {
        &self.0.config
    }

    /// The failed attempts since the last call, oldest first, and what was done about each. At most
    /// 1,024 are kept.
    pub fn notices(&self) -> Vec<Notice> {
        self.0.shared.notices.take()
    }

    /// What the session has changed of its pace since the last call, oldest first, and why. Times
    /// count from when the client was made. At most 1,024 are kept.
    pub fn pace_changes(&self) -> Vec<PaceChange> {
        self.0.shared.pace_changes.take()
    }

    /// What was used so far.
    pub fn stats(&self) -> Stats {
        self.0.shared.stats()
    }

    /// Cancels all transfers and waits until they have cleaned up behind them. Later ones fail
    /// with [`Error::Closed`].
    pub async fn close(&self) {
        self.0.shared.close();
        self.0.shared.idle().await;
    }

    /// Counts `work` until its end or its drop.
    fn job<T, W, F>(&self, work: W) -> impl Future<Output = Result<T, Error>> + Send + use<T, W, F>
    where
        W: FnOnce(Self) -> F,
        F: Future<Output = Result<T, Error>> + Send,
    {
        let counted = self.0.shared.job();
        let work = work(self.clone());
        async move {
            let result = work.await;
            drop(counted);
            result
        }
    }

    /// Carries out a transfer beside what its caller does meanwhile.
    async fn run_beside<T: Transfer>(
        &self,
        transfer: T,
        ends: Ends,
        ticket: &Arc<Ticket>,
    ) -> Result<T::Output, Error> {
        self.carry(transfer, ends, ticket, false).await
    }

    /// Carries out a transfer whose caller does nothing else meanwhile.
    async fn run<T: Transfer>(
        &self,
        transfer: T,
        ends: Ends,
        ticket: &Arc<Ticket>,
    ) -> Result<T::Output, Error> {
        self.carry(transfer, ends, ticket, true).await
    }

    async fn carry<T: Transfer>(
        &self,
        transfer: T,
        ends: Ends,
        ticket: &Arc<Ticket>,
        carries: bool,
    ) -> Result<T::Output, Error> {
        if self.0.shared.is_closing() {
            return Err(Error::Closed);
        }
        let carrier = carries.then(Arc::<Carrier>::default);
        let (command, result) = Command::new(transfer, ends, Arc::clone(ticket), carrier.clone());
        let inbox = &self.0.shared.inbox;
        inbox.command(command).map_err(|_| Error::Closed)?;
        let result = Waiting::new(result, carrier, ticket).await;
        Ok(result.ok_or(Error::Closed)??)
    }

    /// Runs what takes no time unless a device has to be waited for.
    async fn briefly<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let shared = &self.0.shared;
        shared.brief.run(&*shared.offload, work).await
    }

    /// Runs what blocks where it may.
    async fn offload<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        if self.0.shared.offload.is_here() {
            return Ok(work());
        }
        let (promise, done) = promise();
        let work = Box::new(move || promise.keep(work()));
        self.0.shared.offload.offload(work);
        done.await.ok_or(Error::Closed)
    }
}

/// Writes nothing more to a target whose caller turns away.
struct DiscardOnDrop {
    sink: Option<Arc<FileSink>>,
    offload: Arc<dyn Offload>,
}

impl Drop for DiscardOnDrop {
    fn drop(&mut self) {
        if let Some(sink) = self.sink.take() {
            // A write that is under way is waited for.
            self.offload.offload(Box::new(move || sink.discard()));
        }
    }
}

impl Drop for Inner {
    /// No client is left; the driver goes on until what is under way has ended.
    fn drop(&mut self) {
        self.shared.inbox.desert();
    }
}

impl Network {
    /// Which way requests to `uri` go.
    pub fn route(&self, uri: &http::Uri) -> Route {
        Route::new(Origin::of(uri), &self.proxy)
    }
}

impl Opened {
    /// One more.
    pub fn count(&self) {
        self.0.count_connection();
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").finish_non_exhaustive()
    }
}
