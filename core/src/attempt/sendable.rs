use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderValue, Method, header};

use super::outcome::{Failure, Outcome, Sent};
use super::receiving::Receiving;
use super::{AttemptId, BodyCheck, Context, Exchange, Framing};
use crate::checksum::chunked::TrailerDigest;
use crate::checksum::{Algorithm, Checksum};
use crate::error::{SourceError, SpecError, TransportErrorKind};
use crate::operation::OperationKind;
use crate::request::Unsigned;
use crate::sign::PayloadHash;
use crate::time::UnixTime;

/// What `x-amz-content-sha256` says of a body that is framed.
const FRAMED: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// An attempt that can be sent.
#[derive(Debug)]
#[must_use = "an attempt must end in an outcome"]
pub struct Sendable {
    pub(super) id: AttemptId,
    pub(super) context: Context,
    pub(super) exchange: Exchange,
    /// What proves the payload, where the body comes from the source.
    pub(super) proof: Proof,
    /// For which wall time the request was signed first.
    pub(super) signed_at: OnceLock<UnixTime>,
}

/// Where the checksum of a payload is.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    /// The request carries no payload.
    None,
    /// In a header, and known.
    Header(Checksum),
    /// In a trailer, and known once the payload was sent.
    Trailer(TrailerDigest),
}

/// Where the body of a request comes from.
#[derive(Debug)]
pub enum BodySource {
    /// There is none.
    Empty,
    /// It is here.
    Inline(Bytes),
    /// It is in the transfer's source.
    Source {
        /// Where it begins.
        offset: u64,
        /// How long it is: also the request's `Content-Length`.
        len: u64,
        /// For an adapter that reads the source a second time: checks that it is unchanged.
        check: BodyCheck,
    },
    /// It is in the transfer's source, and framed as it is sent: its checksum follows in a trailer.
    Framed(Framing),
}

impl Proof {
    /// In a trailer, before anything of the payload was read.
    pub(crate) fn trailer() -> Self {
        Self::Trailer(TrailerDigest::default())
    }

    /// The checksum, once it is known.
    fn checksum(&self) -> Option<Checksum> {
        match self {
            Self::None => None,
            Self::Header(checksum) => Some(*checksum),
            Self::Trailer(digest) => digest.get(),
        }
    }
}

impl Sendable {
    pub(crate) const fn new(
        id: AttemptId,
        context: Context,
        exchange: Exchange,
        proof: Proof,
    ) -> Self {
        Self {
            id,
            context,
            exchange,
            proof,
            signed_at: OnceLock::new(),
        }
    }

    /// Its name.
    pub const fn id(&self) -> AttemptId {
        self.id
    }

    /// The request, signed for the wall time `wall`. An adapter calls this when it is about to
    /// send: S3 refuses a signature that is older than 15 minutes.
    ///
    /// The target is the URI's path and query exactly as they stand: parsing and joining it again
    /// would change keys such as `a/../b`.
    ///
    /// # Errors
    /// The outcome, where the request can't be signed, for example because of a header that
    /// callers may not set.
    pub fn request(&self, wall: UnixTime) -> Result<http::Request<BodySource>, Outcome> {
        let (mut unsigned, body) = self
            .describe()
            .map_err(|error| self.fail(Failure::Spec(error)))?;
        let headers = &mut unsigned.headers;
        headers.insert(header::USER_AGENT, self.context.user_agent.clone());
        let len = match &body {
            BodySource::Empty => 0,
            BodySource::Inline(bytes) => bytes.len() as u64,
            BodySource::Source { len, .. } => *len,
            BodySource::Framed(framing) => framing.encoded_len(),
        };
        // A length of zero upsets some servers on GET and is asked for by all on PUT and POST
        // (https://github.com/awslabs/mountpoint-s3/issues/1381).
        if len > 0 || unsigned.method == Method::PUT || unsigned.method == Method::POST {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
        }
        let now = self.context.skew.correct(wall);
        let hash = || self.payload_hash(&body);
        match self.context.signer.seal(unsigned, hash, now) {
            Ok(mut request) => {
                if let BodySource::Framed(_) = body {
                    // Servers know the framing by it, also where nothing is signed.
                    let fields = request.headers_mut();
                    fields.insert("x-amz-content-sha256", HeaderValue::from_static(FRAMED));
                }
                self.signed_at.get_or_init(|| wall);
                Ok(request.map(|()| body))
            }
            Err(error) => Err(self.fail(Failure::Spec(error))),
        }
    }

    /// The answer's head has come, interim (1xx) ones left out, at the wall time `wall`; `sent`
    /// tells how much of the request had left by then. A success before all of it had is none: the
    /// server can't have done what it had not read.
    ///
    /// # Errors
    /// The outcome, where the head alone decides: the body must not be read, and the connection
    /// must be closed.
    pub fn on_head(
        self,
        head: &http::response::Parts,
        sent: Sent,
        wall: UnixTime,
    ) -> Result<Receiving, Outcome> {
        Receiving::new(self, head, sent, wall)
    }

    /// The exchange broke before the answer's head was complete. `detail` is for people.
    pub fn on_transport_error(
        self,
        kind: TransportErrorKind,
        sent: Sent,
        detail: impl Into<String>,
    ) -> Outcome {
        self.fail(Failure::Transport {
            kind,
            detail: detail.into(),
            sent,
        })
    }

    /// The source could not be read while the body was sent, or had changed.
    pub fn on_source_error(self, error: SourceError) -> Outcome {
        self.fail(Failure::Source(error))
    }

    pub(super) fn kind(&self) -> OperationKind {
        match &self.exchange {
            Exchange::Call(operation) | Exchange::Write(operation, _) => operation.kind(),
            Exchange::Read(_) => OperationKind::GetObject,
        }
    }

    /// The part of the source that the request carries, and its digest; `None` as long as that is not
    /// known.
    pub(super) fn payload(&self) -> Option<(u64, u64, Checksum)> {
        match (&self.exchange, self.proof.checksum()) {
            (Exchange::Write(_, payload), Some(checksum)) => {
                Some((payload.offset, payload.len, checksum))
            }
            _ => None,
        }
    }

    /// Whether the checksum goes into a trailer.
    pub(super) const fn is_framed(&self) -> bool {
        matches!(self.proof, Proof::Trailer(_))
    }

    /// Whether a body was to be sent, and has not been read to its end.
    pub(super) fn is_unfinished(&self) -> bool {
        self.is_framed() && self.payload().is_none()
    }

    fn fail(&self, failure: Failure) -> Outcome {
        let payload = self.payload();
        Outcome {
            payload,
            framed: self.is_framed(),
            signed_at: self.signed_at.get().copied(),
            ..Outcome::failed(self.id, &self.context, failure)
        }
    }

    fn describe(&self) -> Result<(Unsigned, BodySource), SpecError> {
        let endpoint = &self.context.endpoint;
        let (operation, payload) = match &self.exchange {
            Exchange::Call(operation) => {
                let payload = operation.payload();
                let body = if payload.is_empty() {
                    BodySource::Empty
                } else {
                    BodySource::Inline(payload)
                };
                return Ok((operation.request(endpoint), body));
            }
            Exchange::Read(read) => return Ok((read.get.request(endpoint), BodySource::Empty)),
            Exchange::Write(operation, payload) => (operation, payload),
        };
        let mut unsigned = operation.request(endpoint);
        let body = match (&self.proof, self.context.framing(payload)) {
            (Proof::Header(checksum), _) => {
                let header = checksum.algorithm.header();
                unsigned.headers.insert(header, checksum.header_value());
                BodySource::Source {
                    offset: payload.offset,
                    len: payload.len,
                    check: BodyCheck::new(payload, *checksum),
                }
            }
            (Proof::Trailer(digest), Some(slice)) => {
                let framing = Framing::new(payload, slice, digest)?;
                framing.announce(&mut unsigned.headers);
                BodySource::Framed(framing)
            }
            // An unhashed payload is sent without its bytes, not without its proof.
            (Proof::Trailer(_) | Proof::None, _) => BodySource::Empty,
        };
        Ok((unsigned, body))
    }

    /// What is signed of the body. A SHA-256 that the caller asked for also signs the payload of a
    /// write; otherwise the checksum header, which is signed, stands for the bytes.
    fn payload_hash(&self, body: &BodySource) -> PayloadHash {
        match (&self.exchange, body) {
            (_, BodySource::Framed(_)) => PayloadHash::StreamingUnsignedTrailer,
            (Exchange::Write(..), _) => self
                .proof
                .checksum()
                .filter(|checksum| checksum.algorithm == Algorithm::Sha256)
                .and_then(|checksum| checksum.digest.as_bytes().try_into().ok())
                .map_or(PayloadHash::Unsigned, PayloadHash::Sha256),
            (_, BodySource::Inline(bytes)) => PayloadHash::of(bytes),
            _ => PayloadHash::EMPTY,
        }
    }
}

/// Turns the error of a specification into what an attempt reports.
impl From<SpecError> for Failure {
    fn from(error: SpecError) -> Self {
        Self::Spec(error)
    }
}
