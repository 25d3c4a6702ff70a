//! A server of other people's making (`s3s` with `s3s-fs`) on loopback: a second judge.
//!
//! It has its own ideas of S3, some of them wrong; what works against this server and against the
//! [model](crate::model) is likely to work elsewhere.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The access key id that [`S3sServer`] knows.
pub const ACCESS_KEY_ID: &str = "AKIATESTKIT";
/// Its secret.
pub const SECRET_ACCESS_KEY: &str = "testkit-secret";

/// A running server with a temporary directory of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct S3sServer {
    addr: SocketAddr,
    directory: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl S3sServer {
    /// Starts a server on a free port of 127.0.0.1, with a bucket of each of these names.
    ///
    /// # Errors
    /// The directory, the port or the runtime can't be had.
    pub fn start(buckets: &[&str]) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        for bucket in buckets {
            std::fs::create_dir(directory.path().join(bucket))?;
        }
        let service = service(directory.path())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let (told, addr) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("testkit-s3s".into())
            .spawn(move || {
                runtime.block_on(async {
                    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
                    let listener = match bound.and_then(|l| Ok((l.local_addr()?, l))) {
                        Ok((addr, listener)) => {
                            drop(told.send(Ok(addr)));
                            listener
                        }
                        Err(error) => return drop(told.send(Err(error))),
                    };
                    tokio::select! {
                        () = accept(listener, service) => {}
                        _ = stopped => {}
                    }
                });
                runtime.shutdown_background();
            })?;
        let addr = addr.recv().map_err(io::Error::other)??;
        Ok(Self {
            addr,
            directory,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The address that the server listens at.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:port`.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Where objects lie: `bucket/key` is a file.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for S3sServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn service(directory: &Path) -> io::Result<S3Service> {
    let files = s3s_fs::FileSystem::new(directory)
        .map_err(|error| io::Error::other(format!("s3s-fs: {error:?}")))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
    Ok(builder.build())
}

async fn accept(listener: TcpListener, service: S3Service) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let service = service.clone();
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            // A connection that breaks is the client's to report.
            drop(
                builder
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}
