//! A server that knows one object and answers at once, so that nothing but the core is counted.

use std::time::Duration;

use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use sans3_core::attempt::{Attempt, Outcome, Ready, Receiving, Sendable, Sent};
use sans3_core::session::{Input, Machine as _, Session, Step};
use sans3_core::time::Instant;
use sans3_core::transfer::Download;

use crate::{WALL, bucket, config, key, part};

/// How much of a body is handed over at once.
pub const CHUNK: usize = 256 * 1024;

/// An object of zeros, without a checksum.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    pub size: u64,
}

impl Object {
    /// The answer's head, and how long its body is.
    ///
    /// # Panics
    /// The core asks for ranges that it has.
    pub fn answer(self, method: &Method, headers: &HeaderMap) -> (Parts, u64) {
        let mut answer = Response::new(());
        let fields = answer.headers_mut();
        fields.insert(header::ETAG, HeaderValue::from_static("\"e\""));
        let range = headers.get(header::RANGE).map(|range| {
            let range = range.to_str().expect("text").strip_prefix("bytes=");
            let (first, last) = range
                .and_then(|range| range.split_once('-'))
                .expect("a range");
            let last = last.parse::<u64>().expect("a number").min(self.size - 1);
            (first.parse::<u64>().expect("a number"), last)
        });
        let len = match range {
            Some((first, last)) => {
                let said = format!("bytes {first}-{last}/{}", self.size);
                fields.insert(header::CONTENT_RANGE, said.parse().expect("a value"));
                last - first + 1
            }
            None => self.size,
        };
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
        if range.is_some() {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        let body = if method == Method::HEAD { 0 } else { len };
        (answer.into_parts().0, body)
    }

    /// The attempt's request, and the answer to it.
    ///
    /// # Panics
    /// Nothing is uploaded, and nothing fails.
    pub fn exchange(self, attempt: Attempt) -> (Receiving, u64) {
        let Ready::Send(sendable) = attempt.prepare() else {
            panic!("nothing is uploaded");
        };
        let (head, len) = self.ask(&sendable);
        let receiving = sendable.on_head(&head, Sent::All, WALL);
        (receiving.expect("a good answer"), len)
    }

    /// # Panics
    /// The request can be signed.
    pub fn ask(self, sendable: &Sendable) -> (Parts, u64) {
        let request = sendable.request(WALL).expect("a request");
        self.answer(request.method(), request.headers())
    }
}

/// Takes a body of zeros in, `CHUNK` by `CHUNK`.
///
/// # Panics
/// All of it is wanted.
pub fn take_in(mut receiving: Receiving, len: u64, zeros: &[u8]) -> Outcome {
    let mut left = len;
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let placement = receiving.admit(&zeros[..now], Duration::ZERO);
        drop(placement.expect("wanted bytes"));
        left -= now as u64;
    }
    receiving.finish()
}

/// Downloads the object, with nothing in flight but what is answered at once. Returns how many
/// exchanges that took.
///
/// # Panics
/// It succeeds.
pub fn download(mut session: Session, object: Object, zeros: &[u8]) -> u32 {
    let now = Instant::ZERO;
    let mut download = Download::new(bucket(), key());
    download.part_size = Some(part());
    let handle = session.insert(download, now);
    let mut exchanges = 0;
    loop {
        match session.poll(now) {
            Step::Start(attempt) => {
                let (receiving, len) = object.exchange(attempt);
                session.input(Input::Outcome(take_in(receiving, len, zeros)), now);
                exchanges += 1;
            }
            Step::Ended(_) => break,
            step => panic!("{step:?}"),
        }
    }
    session.take(handle).expect("the object");
    exchanges
}

/// A session that signs, and the first attempt at a range of an object that is large.
///
/// # Panics
/// There is one.
pub fn first_range(object: Object) -> (Receiving, u64) {
    let mut session = Session::new(config(true), 1);
    let mut download = Download::new(bucket(), key());
    download.part_size = Some(part());
    session.insert(download, Instant::ZERO);
    let Step::Start(attempt) = session.poll(Instant::ZERO) else {
        panic!("nothing is to be done");
    };
    object.exchange(attempt)
}
