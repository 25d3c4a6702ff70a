use std::num::NonZeroU64;

use bytes::Bytes;
use http::HeaderMap;
use sans3_core::checksum::chunked::{Decoder, Framer};
use sans3_core::checksum::{Algorithm, of};
use sans3_core::error::Violation;

use super::Draw;
use crate::model::chunked::decode as model_decode;
use crate::model::digest;

/// The chunks that S3 takes: all but the last have at least so many bytes.
const LEAST_CHUNK: u64 = 8 << 10;

const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::Crc64Nvme,
    Algorithm::Crc32,
    Algorithm::Crc32c,
    Algorithm::Sha256,
];

/// The aws-chunked coding. The first byte says whether the rest is a body, or the choices by which
/// one is made.
///
/// Holds: a payload is framed to the announced length however it comes in, and both decoders get it
/// back with its checksum; a framed body with a bit flipped is not the same payload with the same
/// checksum; a decoder that takes a body has the length that it was told, and its result does not
/// depend on how the body was cut.
///
/// # Panics
/// Where one of these is broken.
pub fn chunked(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    if draw.flag() {
        encoded(&mut draw);
    } else {
        body(&mut draw);
    }
}

fn encoded(draw: &mut Draw<'_>) {
    let algorithm = *draw.pick(&ALGORITHMS);
    let size = match draw.byte() % 3 {
        0 => LEAST_CHUNK + draw.below(5_000) as u64,
        1 => 1 + u64::from(draw.byte()),
        _ => 16,
    };
    let size = NonZeroU64::new(size).unwrap_or(NonZeroU64::MIN);
    let times = if size.get() >= LEAST_CHUNK {
        1 + draw.below(600)
    } else {
        1
    };
    let flip = (draw.below(60_000), draw.byte() % 8);
    let slices = draw.bytes(6);
    let payload = draw.rest().repeat(times);
    let payload = &payload[..payload.len().min(40_000)];
    let len = payload.len() as u64;

    let framed = frame(algorithm, size, payload, slices);
    let trailer = of(algorithm, payload).digest.base64();
    let slices = slices.to_vec();
    let (decoded, fields) = decode(&framed, Some(len), &slices)
        .unwrap_or_else(|error| panic!("{error}: {}", framed.escape_ascii()));
    assert_eq!(decoded, payload);
    assert_eq!(fields[algorithm.header()], trailer);
    assert_eq!(fields.len(), 1);
    for wrong in [len + 1, len.saturating_sub(1)] {
        let seen = decode(&framed, Some(wrong), &slices);
        assert_eq!(seen.is_ok(), wrong == len, "{wrong} bytes instead of {len}");
    }
    if size.get() >= LEAST_CHUNK {
        checked_by_model(&framed, payload, algorithm);
    }

    let mut flipped = framed.clone();
    let at = flip.0 % flipped.len();
    flipped[at] ^= 1 << flip.1;
    if flipped[at].eq_ignore_ascii_case(&framed[at]) {
        return;
    }
    if let Ok((decoded, fields)) = decode(&flipped, Some(len), &slices) {
        let told = fields
            .get(algorithm.header())
            .map(|value| value.as_bytes().to_vec());
        let seen = of(algorithm, &decoded).digest.base64().into_bytes();
        assert_ne!(
            told,
            Some(seen),
            "bit {} of byte {at} does not matter",
            flip.1
        );
    }
}

/// Frames a payload that comes in pieces of these lengths.
fn frame(algorithm: Algorithm, size: NonZeroU64, payload: &[u8], slices: &[u8]) -> Vec<u8> {
    let len = payload.len() as u64;
    let new =
        || Framer::with_chunk_size(algorithm, len, size).unwrap_or_else(|error| panic!("{error}"));
    let mut framer = new();
    let announced = framer.encoded_len();
    let digest = framer.digest();
    let mut sent = Vec::new();
    let mut rest = payload;
    let mut lengths = slices.iter().cycle();
    while !rest.is_empty() {
        let most = lengths
            .next()
            .map_or(usize::MAX, |len| 1 + usize::from(*len) * 40);
        let piece = &rest[..most.min(rest.len())];
        let frame = framer
            .frame(piece)
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(0 < frame.payload && frame.payload <= piece.len());
        sent.extend_from_slice(&frame.before);
        sent.extend_from_slice(&piece[..frame.payload]);
        rest = &rest[frame.payload..];
    }
    assert!(framer.frame(b"x").is_err(), "more than was announced");
    assert_eq!(digest.get(), None, "known too early");
    sent.extend_from_slice(&framer.finish().unwrap_or_else(|error| panic!("{error}")));
    assert_eq!(sent.len() as u64, announced);
    assert_eq!(digest.get(), Some(of(algorithm, payload)));
    if len > 0 {
        assert!(new().finish().is_err(), "less than was announced");
    }
    sent
}

fn checked_by_model(framed: &[u8], payload: &[u8], algorithm: Algorithm) {
    let segments = [Bytes::copy_from_slice(framed)];
    let decoded = model_decode(&segments, 8_192).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(decoded.segments.concat(), payload);
    let known = digest::Algorithm::parse(algorithm.name()).unwrap_or(digest::Algorithm::Sha256);
    let value = known.digest(&decoded.segments).base64();
    assert_eq!(decoded.trailer, [(known.header().to_owned(), value)]);
}

fn body(draw: &mut Draw<'_>) {
    let expected = draw.flag().then(|| draw.number());
    let slices = draw.bytes(6).to_vec();
    let body = draw.rest();
    let whole = decode(body, expected, &[255, 255]);
    let each = decode(body, expected, &[0]);
    assert_eq!(whole, each, "{}", body.escape_ascii());
    assert_eq!(
        whole,
        decode(body, expected, &slices),
        "{}",
        body.escape_ascii()
    );
    let Ok((payload, fields)) = whole else {
        return;
    };
    let seen = payload.len() as u64;
    assert!(
        expected.is_none_or(|expected| expected == seen),
        "{seen} bytes"
    );
    let Some((slow, trailers)) = slow(body) else {
        panic!("taken: {}", body.escape_ascii());
    };
    assert_eq!(payload, slow, "{}", body.escape_ascii());
    assert_eq!(fields.len(), trailers, "{}", body.escape_ascii());
}

/// Decodes a body that comes in pieces of these lengths. Behind its end nothing may be looked at.
fn decode(
    body: &[u8],
    expected: Option<u64>,
    slices: &[u8],
) -> Result<(Vec<u8>, HeaderMap), Violation> {
    let mut decoder = Decoder::new(expected);
    let mut payload = Vec::new();
    let mut lengths = slices.iter().cycle();
    let (mut from, mut to) = (0, 0_usize);
    while !decoder.is_done() {
        if from == to {
            let grown = lengths
                .next()
                .map_or(usize::MAX, |len| 1 + usize::from(*len) * 199);
            to = to.saturating_add(grown).min(body.len());
            if from == to {
                break;
            }
        }
        let step = decoder.decode(&body[from..to])?;
        assert!(step.consumed > 0 && step.payload.end <= step.consumed);
        payload.extend_from_slice(&body[from..to][step.payload]);
        from += step.consumed;
        assert!(from <= to && decoder.decoded_len() == payload.len() as u64);
    }
    decoder.finish().map(|fields| (payload, fields))
}

/// The payload of a whole body, and the number of its trailers.
fn slow(body: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut rest = body;
    let mut payload = Vec::new();
    loop {
        let line = line(&mut rest)?;
        let end = line.find(';').unwrap_or(line.len());
        let len = usize::from_str_radix(&line[..end], 16).ok()?;
        if len == 0 {
            break;
        }
        payload.extend_from_slice(rest.get(..len)?);
        rest = rest.get(len..)?.strip_prefix(b"\r\n")?;
    }
    let mut trailers = 0;
    while !line(&mut rest)?.is_empty() {
        trailers += 1;
    }
    Some((payload, trailers))
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<std::borrow::Cow<'a, str>> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    Some(String::from_utf8_lossy(line))
}
