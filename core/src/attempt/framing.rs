use http::HeaderMap;

use super::hashing::changed;
use super::{Payload, Slice};
use crate::checksum::chunked::{Frame, Framer, TrailerDigest};
use crate::checksum::{Algorithm, Checksum};
use crate::error::{SourceError, SpecError};

/// A body that is read, hashed and sent at once: aws-chunked, with its checksum in the trailer.
///
/// ```text
/// frame(bytes) -> what goes before them   as often as it takes
/// finish()     -> what goes behind them   once, before the last bytes leave
/// ```
///
/// The body on the wire is [`encoded_len`](Self::encoded_len) bytes long, which is also the request's
/// `Content-Length`.
#[derive(Debug)]
pub struct Framing {
    offset: u64,
    framer: Framer,
    /// The digest of an earlier attempt: another one now means that the source changed.
    first: Option<Checksum>,
    kept: TrailerDigest,
}

impl Framing {
    /// The framing of a payload, whose digest `kept` will have.
    pub(super) fn new(
        payload: &Payload,
        slice: Slice,
        kept: &TrailerDigest,
    ) -> Result<Self, SpecError> {
        Ok(Self {
            offset: payload.offset,
            framer: Framer::with_chunk_size(payload.algorithm, payload.len, slice)?,
            first: payload.first,
            kept: kept.clone(),
        })
    }

    /// Where the payload begins in the source.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// How long the payload is, without what frames it.
    pub const fn len(&self) -> u64 {
        self.framer.decoded_len()
    }

    /// Whether there is no payload.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long the body is on the wire.
    pub const fn encoded_len(&self) -> u64 {
        self.framer.encoded_len()
    }

    /// What is computed.
    pub const fn algorithm(&self) -> Algorithm {
        self.framer.algorithm()
    }

    /// How many bytes of the payload the next call of [`frame`](Self::frame) takes at most: those
    /// that the chunk under way, or else the next one, still needs.
    pub const fn room(&self) -> u64 {
        self.framer.room()
    }

    /// Takes the next bytes of the payload, as many as fit the chunk under way; to be called again
    /// with the rest.
    ///
    /// # Errors
    /// There are more bytes than were announced: the source has grown, and the exchange must be
    /// broken off.
    pub fn frame(&mut self, payload: &[u8]) -> Result<Frame, SourceError> {
        self.framer.frame(payload)
    }

    /// What to send behind the payload. To be asked before the last bytes of it leave: a body that
    /// is cut short is never stored.
    ///
    /// # Errors
    /// The payload ended early, or its bytes are not those of an earlier attempt: the exchange must
    /// be broken off.
    pub fn finish(self) -> Result<bytes::Bytes, SourceError> {
        let computed = self.framer.digest();
        let end = self.framer.finish()?;
        let Some(seen) = computed.get() else {
            return Ok(end);
        };
        match self.first.or_else(|| self.kept.get()) {
            Some(first) if first != seen => Err(changed(self.offset, &first, &seen)),
            _ => {
                self.kept.keep(seen);
                Ok(end)
            }
        }
    }

    /// Adds the headers that announce it.
    pub(super) fn announce(&self, headers: &mut HeaderMap) {
        self.framer.announce(headers);
    }
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU64;
    use std::sync::Arc;

    use http::StatusCode;

    use super::*;
    use crate::attempt::{
        Attempt, AttemptId, BodySource, Context, Ending, Exchange, Failure, Ready, Sendable, Sent,
        TransferId,
    };
    use crate::checksum::of;
    use crate::endpoint::{BucketName, Endpoint, ObjectKey, Region};
    use crate::operation::PutObject;
    use crate::time::UnixTime;

    const WALL: UnixTime = UnixTime::from_seconds(0);

    const BYTES: &[u8] = b"123456789";

    /// An attempt at sending nine bytes, in chunks of four where the endpoint takes trailers.
    fn attempt(trailers: bool, algorithm: Algorithm, first: Option<Checksum>) -> Attempt {
        let endpoint = Endpoint::aws(Region::new("us-east-1").unwrap());
        let context = Context {
            trailers: trailers.then(|| NonZeroU64::MIN.saturating_add(3)),
            ..Context::for_tests(endpoint)
        };
        let (bucket, key) = (BucketName::new("bucket"), ObjectKey::new("key"));
        let put = PutObject::new(bucket.unwrap(), key.unwrap());
        let payload = Payload {
            offset: 5,
            len: BYTES.len() as u64,
            algorithm,
            first,
        };
        Attempt {
            id: AttemptId {
                transfer: TransferId(0),
                serial: 0,
            },
            context,
            exchange: Exchange::Write(Arc::new(put), payload),
        }
    }

    fn sendable(first: Option<Checksum>) -> Sendable {
        let Ready::Send(sendable) = attempt(true, Algorithm::Crc32, first).prepare() else {
            panic!("nothing is hashed ahead")
        };
        sendable
    }

    fn framing(sendable: &Sendable) -> Framing {
        match sendable.request(WALL).unwrap().into_body() {
            BodySource::Framed(framing) => framing,
            other => panic!("{other:?}"),
        }
    }

    fn send(mut framing: Framing, bytes: &[u8]) -> Result<Vec<u8>, SourceError> {
        let (mut sent, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let frame = framing.frame(rest)?;
            sent.extend_from_slice(&frame.before);
            sent.extend_from_slice(&rest[..frame.payload]);
            rest = &rest[frame.payload..];
        }
        sent.extend_from_slice(&framing.finish()?);
        Ok(sent)
    }

    fn answer(sendable: Sendable, status: StatusCode, sent: Sent) -> crate::attempt::Outcome {
        let head = http::Response::builder()
            .status(status)
            .header("etag", "\"t\"");
        let (head, ()) = head.body(()).unwrap().into_parts();
        match sendable.on_head(&head, sent, WALL) {
            Ok(receiving) => receiving.finish(),
            Err(outcome) => outcome,
        }
    }

    #[test]
    fn a_body_is_hashed_as_it_is_sent() {
        let sendable = sendable(None);
        let request = sendable.request(WALL).unwrap();
        let fields = request.headers().clone();
        let BodySource::Framed(framing) = request.into_body() else {
            panic!("a body without a frame")
        };
        assert_eq!((framing.offset(), framing.len()), (5, 9));
        let len = framing.encoded_len();
        let sent = send(framing, BYTES).unwrap();
        let trailer = "0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
        let expected = format!("4\r\n1234\r\n4\r\n5678\r\n1\r\n9\r\n{trailer}");
        assert_eq!(sent, expected.as_bytes());
        assert_eq!(sent.len() as u64, len);
        for (name, value) in [
            ("content-length", len.to_string().as_str()),
            ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            ("x-amz-decoded-content-length", "9"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
            ("content-encoding", "aws-chunked"),
        ] {
            assert_eq!(fields[name], value);
        }
        assert!(!fields.contains_key("x-amz-checksum-crc32"));
        let outcome = answer(sendable, StatusCode::OK, Sent::All);
        let checksum = of(Algorithm::Crc32, BYTES);
        assert_eq!(outcome.payload, Some((5, 9, checksum)));
        assert_eq!(outcome.stored(), Some((5, 9)));
        assert!(outcome.framed);
    }

    #[test]
    fn what_is_signed_or_small_or_not_taken_is_hashed_first() {
        for (trailers, algorithm) in [
            (true, Algorithm::Sha256),
            (true, Algorithm::Md5),
            (false, Algorithm::Crc32),
        ] {
            let ready = attempt(trailers, algorithm, None).prepare();
            assert!(matches!(ready, Ready::Hash(_)), "{algorithm:?}");
        }
        let mut small = attempt(true, Algorithm::Crc32, None);
        for (len, is_hashed) in [(4, true), (5, false)] {
            if let Exchange::Write(_, payload) = &mut small.exchange {
                payload.len = len;
            }
            let again = Attempt {
                id: small.id,
                context: small.context.clone(),
                exchange: small.exchange.clone(),
            };
            assert_eq!(
                matches!(again.prepare(), Ready::Hash(_)),
                is_hashed,
                "{len}"
            );
        }
    }

    #[test]
    fn a_body_that_was_not_finished_has_no_digest_and_no_success() {
        for status in [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE] {
            let sendable = sendable(None);
            let mut framing = framing(&sendable);
            framing.frame(BYTES).unwrap();
            drop(framing);
            let outcome = answer(sendable, status, Sent::All);
            assert_eq!((outcome.payload, outcome.stored()), (None, None));
            assert!(!outcome.is_success() && !outcome.may_reuse_connection());
        }
        let sendable = sendable(None);
        let short = send(framing(&sendable), b"1234");
        assert!(matches!(
            short,
            Err(SourceError::Length {
                expected: 9,
                seen: 4
            })
        ));
        let long = send(framing(&sendable), b"1234567890");
        assert!(matches!(
            long,
            Err(SourceError::Length {
                expected: 9,
                seen: 10
            })
        ));
    }

    #[test]
    fn other_bytes_than_before_are_no_body() {
        let checksum = of(Algorithm::Crc32, BYTES);
        let retry = sendable(Some(checksum));
        assert!(send(framing(&retry), BYTES).is_ok());
        let changed = sendable(Some(of(Algorithm::Crc32, b"987654321")));
        let error = send(framing(&changed), BYTES).unwrap_err();
        assert!(matches!(error, SourceError::Changed(_)), "{error}");
        let outcome = changed.on_source_error(error);
        assert_eq!(outcome.payload, None, "what was first stays first");
        // Also where one attempt asks for its request twice.
        let twice = sendable(None);
        assert!(send(framing(&twice), BYTES).is_ok());
        assert!(send(framing(&twice), BYTES).is_ok());
        assert!(send(framing(&twice), b"987654321").is_err());
    }

    #[test]
    fn a_refusal_says_where_the_checksum_was() {
        for (status, said) in [(501, true), (400, true), (403, false)] {
            let sendable = sendable(None);
            send(framing(&sendable), BYTES).unwrap();
            let outcome = answer(sendable, StatusCode::from_u16(status).unwrap(), Sent::All);
            let Ending::Failed(Failure::Refused(error)) = outcome.ending else {
                panic!("{outcome:?}")
            };
            assert!(error.in_trailer);
            assert_eq!(error.is_of_trailer(), said);
            assert_eq!(error.to_string().contains("`header`"), said, "{error}");
        }
    }
}
