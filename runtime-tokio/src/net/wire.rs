use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sans3_core::error::TransportErrorKind;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Fault;
use super::tolerant::Meter;
use crate::body::Payload;

/// The largest response head, and also the most that is read at once.
const MAX_HEAD: usize = 64 * 1024;

/// The most fields of a response head.
const MAX_FIELDS: usize = 128;

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
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_FIELDS)
            .handshake(TokioIo::new(stream))
            .await?;
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

    /// Sends a request whose target is in origin form, and waits for the head of its answer. One
    /// that declares its body's length in two ways may mean to smuggle another answer (RFC 9112,
    /// section 6.3).
    pub(crate) async fn send(
        &mut self,
        request: Request<Payload>,
    ) -> Result<Response<Incoming>, Fault> {
        self.meter.expect_head();
        let answer = self.sender.send_request(request);
        let answer = self.drive(answer).await?;
        self.meter.head_came();
        let fields = answer.headers();
        if fields.contains_key(TRANSFER_ENCODING) && fields.contains_key(CONTENT_LENGTH) {
            let detail = "both a Content-Length and a Transfer-Encoding";
            return Err(Fault::new(TransportErrorKind::BadHttp, detail));
        }
        // Hyper's own limit is that of its buffer, which may take up to twice as much.
        if head_len(&answer) > MAX_HEAD {
            let detail = format!("more than {MAX_HEAD} bytes");
            return Err(Fault::new(TransportErrorKind::HeadTooLarge, detail));
        }
        Ok(answer)
    }

    /// The next piece of the answer's body; `None` at its end. Trailers are passed over.
    pub(crate) async fn chunk(&mut self, body: &mut Incoming) -> Result<Option<Bytes>, Fault> {
        loop {
            let frame = self
                .drive(poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)))
                .await;
            match frame.transpose()?.map(hyper::body::Frame::into_data) {
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

/// The length of the fields of a head, about as they were sent.
fn head_len<B>(answer: &Response<B>) -> usize {
    const SEPARATORS: usize = ": \r\n".len();
    let fields = answer.headers().iter();
    fields
        .map(|(name, value)| name.as_str().len() + value.len() + SEPARATORS)
        .sum()
}
