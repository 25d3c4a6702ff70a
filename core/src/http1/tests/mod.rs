//! Whole answers, in every cut: what one message means must not depend on how its bytes arrive.

mod answers;

use http::{HeaderMap, Method, Request, StatusCode, Version};

use super::*;
use crate::error::TransportErrorKind;
use crate::rng::Rng;

/// What an adapter would have got from a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    interim: Vec<u16>,
    head: Option<(StatusCode, Version, HeaderMap)>,
    body: Vec<u8>,
    /// How many bytes were received behind the body.
    leftover: usize,
    keep_alive: bool,
    error: Option<Error>,
}

/// Reads an answer that arrives in pieces, and is followed by the end of the connection. Where
/// `direct`, payload goes straight to its place whenever it may.
fn receive<'a>(
    request: &Request<()>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    direct: bool,
) -> Seen {
    let (head, ()) = request.clone().into_parts();
    let mut reading = Reading {
        head: HeadReader::for_request(&head),
        body: None,
        held: Vec::new(),
        seen: Seen::default(),
    };
    for piece in pieces {
        if let Err(error) = reading.piece(piece, direct) {
            reading.seen.error = Some(error);
            return reading.seen;
        }
    }
    reading.end();
    reading.seen
}

struct Reading {
    head: HeadReader,
    body: Option<BodyReader>,
    held: Vec<u8>,
    seen: Seen,
}

impl Reading {
    fn piece(&mut self, mut piece: &[u8], direct: bool) -> Result<(), Error> {
        if direct && self.held.is_empty() {
            while let Some(body) = &mut self.body
                && let Some(most) = body.direct()
                && !piece.is_empty()
            {
                let len = usize::try_from(most).map_or(piece.len(), |most| most.min(piece.len()));
                self.seen.body.extend_from_slice(&piece[..len]);
                body.advance(len as u64)?;
                piece = &piece[len..];
            }
        }
        self.held.extend_from_slice(piece);
        while self.body.is_none() {
            match self.head.read(&self.held)? {
                HeadRead::Incomplete => return Ok(()),
                HeadRead::Interim { status, consumed } => {
                    self.seen.interim.push(status.as_u16());
                    self.held.drain(..consumed);
                }
                HeadRead::Final {
                    head,
                    consumed,
                    body,
                } => {
                    self.seen.head = Some((head.status, head.version, head.headers));
                    self.held.drain(..consumed);
                    self.body = Some(body);
                }
            }
        }
        while let Some(body) = &mut self.body {
            match body.read(&self.held)? {
                BodyRead::Incomplete { consumed } => {
                    assert_eq!(consumed, self.held.len(), "no byte needs to be shown twice");
                    self.held.clear();
                    return Ok(());
                }
                BodyRead::Data { consumed, span } => {
                    assert!(!span.is_empty() && span.end <= consumed);
                    self.seen.body.extend_from_slice(&self.held[span]);
                    self.held.drain(..consumed);
                }
                BodyRead::Complete { consumed } => {
                    self.held.drain(..consumed);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        let result = match &mut self.body {
            None => Err(self.head.eof(&self.held)),
            Some(body) => body.eof(),
        };
        self.seen.error = result.err();
        self.seen.leftover = self.held.len();
        self.seen.keep_alive = self.body.as_ref().is_some_and(BodyReader::keep_alive);
    }
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    Good {
        status: u16,
        body: &'static str,
        keep_alive: bool,
        /// Bytes behind the body.
        leftover: usize,
    },
    /// The kind of the error, and something that it says.
    Bad(TransportErrorKind, &'static str),
}

fn get() -> Request<()> {
    Request::new(())
}

fn whole(request: &Request<()>, bytes: &[u8]) -> Seen {
    receive(request, [bytes], false)
}

#[test]
fn adversary_11_every_answer_has_one_meaning() {
    for (bytes, expected) in answers::all() {
        let text = bytes.escape_ascii();
        let seen = whole(&get(), &bytes);
        match (expected, &seen.error) {
            (
                Expected::Good {
                    status,
                    body,
                    keep_alive,
                    leftover,
                },
                None,
            ) => {
                let found = seen.head.as_ref().map(|(status, ..)| status.as_u16());
                assert_eq!(found, Some(status), "{text}");
                assert_eq!(seen.body, body.as_bytes(), "{text}");
                let end = (seen.keep_alive, seen.leftover);
                assert_eq!(end, (keep_alive, leftover), "{text}");
            }
            (Expected::Bad(kind, says), Some(error)) => {
                assert_eq!(error.kind(), kind, "{text}: {error}");
                assert!(error.to_string().contains(says), "{text}: {error}");
                assert!(!seen.keep_alive, "{text}");
            }
            _ => panic!("{text} should be {expected:?}, but is {seen:?}"),
        }
    }
}

#[test]
fn every_cut_of_an_answer_gives_the_same() {
    for (bytes, _) in answers::all() {
        let text = bytes.escape_ascii();
        let expected = whole(&get(), &bytes);
        for direct in [false, true] {
            for at in 0..=bytes.len() {
                let (first, second) = bytes.split_at(at);
                let seen = receive(&get(), [first, second], direct);
                assert_eq!(seen, expected, "cut at {at}: {text}");
            }
            let seen = receive(&get(), bytes.chunks(1), direct);
            assert_eq!(seen, expected, "byte by byte: {text}");
        }
    }
}

#[test]
fn random_cuts_of_damaged_answers_give_the_same() {
    const SEED: u64 = 0x68_7474_7031;
    println!("seed {SEED:#x}");
    let mut rng = Rng::new(SEED);
    let answers = answers::all();
    for round in 0..20_000 {
        let bytes = damaged(&mut rng, &answers);
        let request = random_request(&mut rng);
        let expected = whole(&request, &bytes);
        let seen = receive(&request, random_cuts(&mut rng, &bytes), rng.below(2) == 0);
        let text = bytes.escape_ascii();
        assert_eq!(seen, expected, "round {round} of seed {SEED:#x}: {text}");
        let seen = receive(&request, bytes.chunks(1), false);
        assert_eq!(seen, expected, "round {round} of seed {SEED:#x}: {text}");
    }
}

#[test]
fn no_bytes_make_it_panic_or_give_more_than_came() {
    const SEED: u64 = 0x70_616e_6963;
    println!("seed {SEED:#x}");
    let mut rng = Rng::new(SEED);
    for round in 0..20_000 {
        let mut bytes = match rng.below(3) {
            0 => Vec::new(),
            1 => b"HTTP/1.1 200 OK\r\n".to_vec(),
            _ => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        };
        for _ in 0..rng.below(200) {
            bytes.push(random_byte(&mut rng));
        }
        let seen = whole(&random_request(&mut rng), &bytes);
        let found = seen.body.len() + seen.leftover;
        assert!(
            found <= bytes.len(),
            "round {round}: {}",
            bytes.escape_ascii()
        );
    }
}

/// An adapter that forgets bytes between two calls gets nonsense, but no panic.
#[test]
fn a_head_reader_survives_input_that_shrinks() {
    let mut reader = HeadReader::new(&Method::GET);
    let input = b"HTTP/1.1 200 OK\r\nx: 1\r\ny";
    assert!(matches!(reader.read(input), Ok(HeadRead::Incomplete)));
    assert!(matches!(reader.read(&input[..3]), Ok(HeadRead::Incomplete)));
    assert!(matches!(reader.read(b""), Ok(HeadRead::Incomplete)));
}

fn random_request(rng: &mut Rng) -> Request<()> {
    let method = match rng.below(8) {
        0 => Method::HEAD,
        1 => Method::CONNECT,
        2 => Method::PUT,
        _ => Method::GET,
    };
    let request = Request::builder().method(method).uri("h:1");
    let request = match rng.below(8) {
        0 => request.header("connection", "close"),
        _ => request,
    };
    request.body(()).unwrap()
}

/// One of the answers, changed in a few places.
fn damaged(rng: &mut Rng, answers: &[(Vec<u8>, Expected)]) -> Vec<u8> {
    let mut bytes = answers[index(rng, answers.len())].0.clone();
    for _ in 0..rng.below(4) {
        let at = index(rng, bytes.len() + 1);
        match rng.below(4) {
            0 if at < bytes.len() => bytes[at] = random_byte(rng),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => {
                let to = at + index(rng, bytes.len() + 1 - at);
                let again = bytes[at..to].to_vec();
                bytes.splice(at..at, again);
            }
            _ => bytes.insert(at, random_byte(rng)),
        }
    }
    bytes
}

fn random_byte(rng: &mut Rng) -> u8 {
    const TELLING: &[u8] = b"\r\n\r\n\r\n :;,\t\0 0123456789abcdefHTP/.x\x7f\xff";
    match rng.below(4) {
        0 => u8::try_from(rng.below(256)).unwrap(),
        _ => TELLING[index(rng, TELLING.len())],
    }
}

fn random_cuts<'a>(rng: &mut Rng, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let longest = if rng.below(2) == 0 { 4 } else { 60 };
        let (piece, rest) = bytes.split_at(index(rng, longest.min(bytes.len())) + 1);
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

fn index(rng: &mut Rng, below: usize) -> usize {
    usize::try_from(rng.below(below as u64)).unwrap()
}
