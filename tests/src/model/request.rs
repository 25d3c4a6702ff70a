//! Requests, and the work on them that needs no state: taking apart, decoding, hashing.

use bytes::Bytes;
use http::header::{self, AsHeaderName};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sha2::Digest as _;

use super::chunked;
use super::digest::{Algorithm, Value, md5};
use super::names;
use super::refusal::Refusal;

/// A request exactly as it came over the wire.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The target as sent: path, and query after `?`.
    pub target: Bytes,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, after the transfer coding and before `aws-chunked` is undone, in any pieces.
    pub body: Vec<Bytes>,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: Method, target: impl Into<Bytes>) -> Self {
        Self {
            method,
            target: target.into(),
            ..Self::default()
        }
    }

    /// Adds a header. A name or value that HTTP does not allow is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            self.headers.append(name, value);
        }
        self
    }

    /// Sets the body and `content-length`.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        self.headers
            .insert(header::CONTENT_LENGTH, body.len().into());
        self.body = vec![body];
        self
    }

    /// Does everything that needs no state, above all hashing, so that a server can do it
    /// outside its lock.
    pub fn prepare(self, hashes: Hashes) -> Prepared {
        let payload = match self.method {
            Method::PUT | Method::POST => Payload::read(&self, hashes),
            _ => Ok(Payload::none()),
        };
        Prepared {
            request: self,
            payload,
            disturbed: None,
        }
    }

    pub(crate) fn text(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Which digests of a body a model needs beyond those that its headers name, and how it may be framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashes {
    /// MD5, for entity tags. It costs about 2 s per GiB.
    pub md5: bool,
    /// The least length of a chunk of a framed body that another one follows.
    pub min_chunk: u64,
}

/// A request with its body decoded and hashed.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) request: Request,
    pub(crate) payload: Result<Payload, Refusal>,
    /// What the model is to see where it differs from what was signed.
    pub(crate) disturbed: Option<Request>,
}

impl Prepared {
    /// Changes the head of the request behind its signature's back, as a fault does.
    ///
    /// The signature was made for what the client sent: it is verified on that, and the rest of
    /// the model sees what `change` makes of it.
    pub fn disturb(&mut self, change: impl FnOnce(&mut Request)) {
        let mut changed = self.request.clone();
        change(&mut changed);
        self.disturbed = Some(changed);
    }
}

/// The bytes of an object or part, with the digests that were asked for.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    pub(crate) segments: Vec<Bytes>,
    pub(crate) len: u64,
    pub(crate) crc64: Value,
    /// The checksum that the sender declared and that was found right.
    pub(crate) declared: Option<Value>,
    pub(crate) md5: Option<[u8; 16]>,
}

impl Payload {
    /// What comes with a method whose bodies have no meaning.
    fn none() -> Self {
        Self {
            segments: Vec::new(),
            len: 0,
            crc64: Algorithm::Crc64Nvme.empty(),
            declared: None,
            md5: None,
        }
    }

    /// Decodes the body and compares it with everything that the headers say about it.
    fn read(request: &Request, hashes: Hashes) -> Result<Self, Refusal> {
        check_length(request)?;
        check_sha256(request)?;
        let (segments, len, trailer) = decode(request, hashes.min_chunk)?;
        // On a POST, the checksum header of a Complete is about the object, not about the body.
        let claim = match request.method {
            Method::PUT => claimed(request, &trailer)?,
            _ => None,
        };
        let crc64 = Algorithm::Crc64Nvme.digest(&segments);
        let declared = match claim {
            None => None,
            Some(claim) => {
                let seen = match claim.algorithm() {
                    Algorithm::Crc64Nvme => crc64,
                    other => other.digest(&segments),
                };
                if seen != claim {
                    let name = claim.algorithm().name();
                    return Err(bad_digest(name, &claim.base64(), &seen.base64()));
                }
                Some(seen)
            }
        };
        let md5 = check_md5(request, &segments, hashes)?;
        Ok(Self {
            segments,
            len,
            crc64,
            declared,
            md5,
        })
    }

    /// The checksum of this algorithm, which is computed unless it is known.
    pub(crate) fn checksum(&self, algorithm: Algorithm) -> Value {
        match &self.declared {
            Some(value) if value.algorithm() == algorithm => *value,
            _ if algorithm == Algorithm::Crc64Nvme => self.crc64,
            _ => algorithm.digest(&self.segments),
        }
    }
}

fn check_length(request: &Request) -> Result<(), Refusal> {
    let Some(declared) = request.text(header::CONTENT_LENGTH) else {
        return Ok(());
    };
    let seen: u64 = request.body.iter().map(|piece| piece.len() as u64).sum();
    if declared.parse() == Ok(seen) {
        return Ok(());
    }
    Err(Refusal::new(
        400,
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    ))
}

/// The hash that the signature covers is over the body as sent.
fn check_sha256(request: &Request) -> Result<(), Refusal> {
    let Some(declared) = request.text(names::CONTENT_SHA256) else {
        return Ok(());
    };
    match declared {
        "UNSIGNED-PAYLOAD" | "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => return Ok(()),
        _ if declared.starts_with("STREAMING-") => {
            return Err(Refusal::new(
                501,
                "NotImplemented",
                "Signed chunks are not implemented here; send an unsigned trailer",
            ));
        }
        _ if declared.len() != 64 => {
            return Err(Refusal::invalid_argument(
                "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, \
                 STREAMING-UNSIGNED-PAYLOAD-TRAILER or a valid sha256 value.",
            ));
        }
        _ => {}
    }
    let mut hash = sha2::Sha256::new();
    request.body.iter().for_each(|piece| hash.update(piece));
    let seen = super::digest::hex(&hash.finalize());
    if seen == declared {
        return Ok(());
    }
    Err(Refusal::new(
        400,
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    )
    .detail("ClientComputedContentSHA256", declared)
    .detail("S3ComputedContentSHA256", seen))
}

type DecodedBody = (Vec<Bytes>, u64, Vec<(String, String)>);

fn decode(request: &Request, min_chunk: u64) -> Result<DecodedBody, Refusal> {
    let streaming =
        request.text(names::CONTENT_SHA256) == Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let coded = request
        .text(header::CONTENT_ENCODING)
        .is_some_and(|coding| coding.split(',').any(|name| name.trim() == "aws-chunked"));
    if !streaming && !coded {
        let len = request.body.iter().map(|piece| piece.len() as u64).sum();
        return Ok((request.body.clone(), len, Vec::new()));
    }
    let declared = request
        .text(names::DECODED_LENGTH)
        .and_then(|text| text.parse::<u64>().ok())
        .ok_or_else(|| {
            Refusal::new(
                411,
                "MissingContentLength",
                "You must provide the x-amz-decoded-content-length HTTP header.",
            )
        })?;
    let decoded = chunked::decode(&request.body, min_chunk)?;
    if decoded.len != declared {
        return Err(Refusal::new(
            400,
            "IncompleteBody",
            "The decoded body does not have x-amz-decoded-content-length bytes",
        ));
    }
    check_trailer(request, &decoded.trailer)?;
    Ok((decoded.segments, decoded.len, decoded.trailer))
}

fn check_trailer(request: &Request, trailer: &[(String, String)]) -> Result<(), Refusal> {
    let announced: Vec<String> = request
        .text(names::TRAILER)
        .unwrap_or_default()
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    let sent: Vec<&String> = trailer.iter().map(|(name, _)| name).collect();
    if announced.iter().eq(sent) {
        return Ok(());
    }
    Err(Refusal::new(
        400,
        "MalformedTrailerError",
        "The trailer does not have exactly the fields that x-amz-trailer names",
    ))
}

/// What a request claims its checksum to be.
fn claimed(request: &Request, trailer: &[(String, String)]) -> Result<Option<Value>, Refusal> {
    let mut claims = Vec::new();
    for algorithm in Algorithm::ALL {
        let name = algorithm.header();
        let in_trailer = trailer
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str());
        let in_head = request.text(algorithm.header_name());
        for text in in_head.into_iter().chain(in_trailer) {
            let value = Value::from_base64(algorithm, text).ok_or_else(|| {
                Refusal::invalid_request(format!("Value for {name} header is invalid."))
            })?;
            claims.push(value);
        }
    }
    if claims.len() > 1 {
        return Err(Refusal::invalid_request(
            "Expecting a single x-amz-checksum- header. \
             Multiple checksum Types are not allowed.",
        ));
    }
    let claim = claims.pop();
    if let Some(named) = request.text(names::SDK_CHECKSUM_ALGORITHM) {
        let named = Algorithm::parse(named);
        if named.is_none() || claim.as_ref().map(Value::algorithm) != named {
            return Err(Refusal::invalid_request(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding \
                 x-amz-checksum-* or x-amz-trailer headers were found.",
            ));
        }
    }
    Ok(claim)
}

fn check_md5(
    request: &Request,
    segments: &[Bytes],
    hashes: Hashes,
) -> Result<Option<[u8; 16]>, Refusal> {
    use base64::Engine as _;
    let declared = request.text(names::CONTENT_MD5);
    if declared.is_none() && !hashes.md5 {
        return Ok(None);
    }
    let seen = md5(segments);
    if let Some(text) = declared {
        let engine = base64::engine::general_purpose::STANDARD;
        let Some(claim) = engine.decode(text).ok().filter(|bytes| bytes.len() == 16) else {
            return Err(Refusal::new(
                400,
                "InvalidDigest",
                "The Content-MD5 you specified was invalid.",
            ));
        };
        if claim != seen {
            return Err(bad_digest("Content-MD5", text, &engine.encode(seen)));
        }
    }
    Ok(Some(seen))
}

fn bad_digest(name: &str, expected: &str, seen: &str) -> Refusal {
    Refusal::new(
        400,
        "BadDigest",
        format!("The {name} you specified did not match the calculated checksum."),
    )
    .detail("ExpectedDigest", expected)
    .detail("CalculatedDigest", seen)
}
