use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sans3_runtime::net::{Fault, MAX_FIELDS, MAX_HEAD, check_head};
use tokio::io::{AsyncRead, AsyncWrite};

use super::fault::from_hyper;
use super::tolerant::Meter;
use crate::body::Payload;

/// An HTTP/1.1 connection. It has no task of its own: whoever waits for an answer drives it
/// meanwhile, so that no byte changes threads between the socket and its check.
pub(crate) struct Wire {
    sender: http1::SendRequest<Payload>,
    /// `None` once it has ended.
    connection: Option<Connection>,
    meter: Arc<Meter>,
}

type Connection = Pin<Box<http1::Connection<TokioIo<Box<dyn Stream>>, Payload>>>;

/// A byte stream, plain or encrypted.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Wire {
    pub(super) async fn new(stream: Box<dyn Stream>, meter: Arc<Meter>) -> Result<Self, Fault> {
        let (sender, connection) = http1::Builder::new()
            // Also the most that is read at once.
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_FIELDS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(from_hyper)?;
        Ok(Self {
            sender,
            connection: Some(Box::pin(connection)),
            meter,
        })
    }

    /// What moves over the connection.
    pub(crate) const fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Sends a request as it is addressed, and waits for the head of its answer.
    pub(crate) async fn send(
        &mut self,
        request: Request<Payload>,
    ) -> Result<Response<Incoming>, Fault> {
        self.meter.expect_head();
        let answer = self.sender.send_request(request);
        let answer = self.drive(answer).await.map_err(from_hyper)?;
        self.meter.head_came();
        let (head, body) = answer.into_parts();
        check_head(&head)?;
        Ok(Response::from_parts(head, body))
    }

    /// The next piece of the answer's body; `None` at its end. Trailers are passed over.
    pub(crate) async fn chunk(&mut self, body: &mut Incoming) -> Result<Option<Bytes>, Fault> {
        loop {
            let frame = self
                .drive(poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)))
                .await;
            let frame = frame.transpose().map_err(from_hyper)?;
            match frame.map(hyper::body::Frame::into_data) {
                Some(Ok(data)) => return Ok(Some(data)),
                Some(Err(_trailers)) => {}
                None => return Ok(None),
            }
        }
    }

    /// Whether the connection can take another request: the peer may have closed it meanwhile, or
    /// may have sent what nobody asked for.
    pub(super) async fn is_usable(&mut self) -> bool {
        self.drive(std::future::ready(())).await;
        self.connection.is_some() && self.sender.is_ready()
    }

    async fn drive<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.poll_connection(cx);
            work.as_mut().poll(cx)
        })
        .await
    }

    /// How a connection ends is told to the request that is under way, if any.
    fn poll_connection(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && let Poll::Ready(_end) = connection.as_mut().poll(cx)
        {
            self.connection = None;
        }
    }
}
