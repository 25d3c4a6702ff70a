//! What can go wrong with an answer, as data.
//!
//! A [`Fault`] says what happens to one exchange; a [`Schedule`] says which exchanges it happens
//! to. The [server](crate::server) plays faults on real sockets; a simulator without sockets can
//! use the same ones: [`Fault::instead`], [`Fault::rewrite_request`] and
//! [`Fault::rewrite_response`] are pure, and [`Fault::wire`] says what the connection does.

mod schedule;

use std::time::Duration;

use bytes::Bytes;

use crate::model::{Body, Request, Response, error_document};

pub use schedule::{Hit, Injected, Rule, Schedule, Seeded};

/// One thing that goes wrong with one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The request is read and refused; nothing happens to the state.
    Status {
        /// The status.
        status: u16,
        /// S3's code, `SlowDown` for example. Empty: an answer without a body.
        code: &'static str,
        /// The value of `x-amz-retry-after`, in milliseconds where it is well-formed.
        retry_after: Option<String>,
    },
    /// The request is read, and answered with exactly this; nothing happens to the state.
    Answer {
        /// The status.
        status: u16,
        /// Headers as they are sent, beside `content-length`.
        headers: Vec<(String, String)>,
        /// The body.
        body: Bytes,
    },
    /// The request is answered before its body is read; then the connection ends.
    EarlyAnswer {
        /// The status.
        status: u16,
        /// S3's code.
        code: &'static str,
        /// Whether the end is a reset (which can destroy the answer on its way) or a close.
        reset: bool,
    },
    /// The connection is reset when the request has been read; nothing happens to the state.
    ResetBeforeHead,
    /// The connection is reset when so many bytes of the answer's body have been sent.
    ResetMidBody {
        /// Bytes of the body that are sent.
        after: u64,
    },
    /// The connection ends cleanly when so many bytes of the answer's body have been sent, fewer
    /// than `content-length` says.
    TruncateBody {
        /// Bytes of the body that are sent.
        after: u64,
    },
    /// The request is read, and no answer ever comes; nothing happens to the state.
    StallHead,
    /// The answer stops when so many bytes of its body have been sent, and the connection stays.
    StallBody {
        /// Bytes of the body that are sent.
        after: u64,
    },
    /// The answer's head comes late.
    DelayHead {
        /// How late.
        delay: Duration,
    },
    /// The answer's body comes in small pieces.
    Drip {
        /// Bytes in a piece.
        piece: usize,
        /// The pause before each piece.
        pause: Duration,
    },
    /// Another range than the one asked for: headers and bytes agree with each other.
    WrongRange {
        /// By how much both ends move, towards zero where the object ends before.
        shift: u64,
    },
    /// One bit of the body is wrong, and all headers are right: only a checksum of the whole can
    /// tell.
    FlipByte {
        /// Which byte of the body, modulo its length.
        at: u64,
    },
    /// The range is ignored: 200, and the whole object.
    IgnoreRange,
    /// The request takes effect, and the connection closes without an answer.
    DropAnswer,
    /// The request takes no effect, and 200 comes with an error document.
    ErrorIn200 {
        /// S3's code.
        code: &'static str,
    },
    /// More bytes than `content-length` says.
    ExtraBytes {
        /// How many more.
        count: usize,
    },
    /// The answer's `ETag` is another one.
    WrongETag,
    /// A header of the answer is replaced, added, or removed.
    Header {
        /// Its name.
        name: String,
        /// Its value; `None` removes it.
        value: Option<String>,
    },
}

/// What the connection does with an answer, as [`Fault::wire`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Sends it.
    Send,
    /// Sends it after a while.
    Delay(Duration),
    /// Sends so many bytes of the body, then ends.
    Cut {
        /// Bytes of the body that are sent.
        after: u64,
        /// How it ends.
        end: End,
    },
    /// Sends the body in pieces.
    Drip {
        /// Bytes in a piece.
        piece: usize,
        /// The pause before each piece.
        pause: Duration,
    },
    /// Sends so many bytes more than announced, then closes.
    Extra(usize),
    /// Sends nothing, not even a head.
    Nothing(End),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Cleanly, with FIN.
    Close,
    /// With RST.
    Reset,
    /// Not at all: it stays open and silent until the client gives up.
    Stall,
}

impl Fault {
    /// 503 `SlowDown`, S3's way of throttling.
    pub const fn slow_down() -> Self {
        Self::Status {
            status: 503,
            code: "SlowDown",
            retry_after: None,
        }
    }

    /// 403 `AccessDenied`.
    pub const fn access_denied() -> Self {
        Self::Status {
            status: 403,
            code: "AccessDenied",
            retry_after: None,
        }
    }

    /// A short name for lists: `503`, `reset`, `truncated`, `stalled`, `wrong range`, `wrong bytes`
    /// and so on.
    pub fn name(&self) -> String {
        match self {
            Self::Status { status, .. } | Self::Answer { status, .. } => status.to_string(),
            Self::EarlyAnswer { status, .. } => format!("early {status}"),
            Self::ResetBeforeHead | Self::ResetMidBody { .. } => "reset".into(),
            Self::TruncateBody { .. } => "truncated".into(),
            Self::StallHead | Self::StallBody { .. } => "stalled".into(),
            Self::DelayHead { .. } => "delayed".into(),
            Self::Drip { .. } => "drip".into(),
            Self::WrongRange { .. } => "wrong range".into(),
            Self::FlipByte { .. } => "wrong bytes".into(),
            Self::IgnoreRange => "range ignored".into(),
            Self::DropAnswer => "answer dropped".into(),
            Self::ErrorIn200 { .. } => "error in 200".into(),
            Self::ExtraBytes { .. } => "extra bytes".into(),
            Self::WrongETag => "wrong ETag".into(),
            Self::Header { .. } => "header changed".into(),
        }
    }

    /// The answer that is given in place of the model's; the request then has no effect.
    pub fn instead(&self) -> Option<Response> {
        match self {
            Self::Status {
                status,
                code,
                retry_after,
            } => {
                let mut response = refusal(*status, code);
                if let Some(after) = retry_after {
                    response.set("x-amz-retry-after", after);
                }
                Some(response)
            }
            Self::EarlyAnswer { status, code, .. } => Some(refusal(*status, code)),
            Self::ErrorIn200 { code } => Some(refusal(200, code)),
            Self::Answer {
                status,
                headers,
                body,
            } => {
                let mut response = Response::new(*status);
                for (name, value) in headers {
                    response.set(name, value);
                }
                response.body = Body::from(body.clone());
                response.set("content-length", &body.len().to_string());
                Some(response)
            }
            _ => None,
        }
    }

    /// Whether the request has an effect on the state.
    pub fn takes_effect(&self) -> bool {
        !matches!(self, Self::ResetBeforeHead | Self::StallHead) && self.instead().is_none()
    }

    /// Changes the request before the model sees it. `size` is that of the object, where there is
    /// one. Meant for requests that have been let in: the signature may no longer hold.
    pub fn rewrite_request(&self, request: &mut Request, size: Option<u64>) {
        match self {
            Self::IgnoreRange => {
                request.headers.remove(http::header::RANGE);
            }
            Self::WrongRange { shift } => {
                let asked = request
                    .text("range")
                    .and_then(|text| crate::model::parse_range(text, size?)?);
                if let (Some(range), Some(size)) = (asked, size) {
                    let len = range.end - range.start;
                    let latest = size - len;
                    let start = match range.start.checked_add(*shift) {
                        Some(start) if start <= latest => start,
                        _ => range.start.saturating_sub(*shift),
                    };
                    let text = format!("bytes={start}-{}", start + len - 1);
                    if let Ok(value) = text.parse() {
                        request.headers.insert(http::header::RANGE, value);
                    }
                }
            }
            _ => {}
        }
    }

    /// Changes the answer before it is sent.
    pub fn rewrite_response(&self, response: &mut Response) {
        match self {
            Self::FlipByte { at } if !response.body.is_empty() => {
                flip(response, at % response.body.len());
            }
            Self::WrongETag => response.set("etag", "\"00000000000000000000000000000bad\""),
            Self::Header {
                name,
                value: Some(value),
            } => response.set(name, value),
            Self::Header { name, value: None } => {
                response.headers.remove(name.as_str());
            }
            _ => {}
        }
    }

    /// What the connection does with the answer.
    pub const fn wire(&self) -> Wire {
        match *self {
            Self::ResetBeforeHead => Wire::Nothing(End::Reset),
            Self::StallHead => Wire::Nothing(End::Stall),
            Self::DropAnswer => Wire::Nothing(End::Close),
            Self::EarlyAnswer { reset, .. } => Wire::Cut {
                after: u64::MAX,
                end: if reset { End::Reset } else { End::Close },
            },
            Self::ResetMidBody { after } => Wire::Cut {
                after,
                end: End::Reset,
            },
            Self::TruncateBody { after } => Wire::Cut {
                after,
                end: End::Close,
            },
            Self::StallBody { after } => Wire::Cut {
                after,
                end: End::Stall,
            },
            Self::DelayHead { delay } => Wire::Delay(delay),
            Self::Drip { piece, pause } => Wire::Drip { piece, pause },
            Self::ExtraBytes { count } => Wire::Extra(count),
            _ => Wire::Send,
        }
    }
}

fn refusal(status: u16, code: &str) -> Response {
    let mut response = Response::new(status);
    response.set("x-amz-request-id", "FAULT00000000000");
    if !code.is_empty() {
        let document = error_document(code, "This answer was made to go wrong");
        response.set("content-type", "application/xml");
        response.body = Body::from(document.into_bytes());
    }
    let len = response.body.len().to_string();
    response.set("content-length", &len);
    response
}

/// Flips the lowest bit of one byte, in a copy of its slice alone.
fn flip(response: &mut Response, at: u64) {
    let mut segments = std::mem::take(&mut response.body).into_segments();
    let mut before = 0;
    for segment in &mut segments {
        let len = segment.len() as u64;
        if at < before + len {
            let mut copy = segment.to_vec();
            if let Some(byte) = usize::try_from(at - before)
                .ok()
                .and_then(|index| copy.get_mut(index))
            {
                *byte ^= 1;
            }
            *segment = Bytes::from(copy);
            break;
        }
        before += len;
    }
    response.body = Body::from(segments);
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::model::{Model, ModelConfig};

    fn ranged(range: &str) -> Request {
        Request::new(Method::GET, "/b/k").header("range", range)
    }

    #[test]
    fn a_wrong_range_is_consistent_and_another_one() {
        let mut model = Model::new(ModelConfig::default());
        model.put("b", "k", "0123456789");
        for (range, seen) in [("bytes=2-4", "bytes 5-7/10"), ("bytes=6-9", "bytes 3-6/10")] {
            let mut request = ranged(range);
            Fault::WrongRange { shift: 3 }.rewrite_request(&mut request, Some(10));
            let answer = model.handle(request);
            assert_eq!(answer.header("content-range"), Some(seen));
        }
    }

    #[test]
    fn one_byte_is_flipped_and_the_object_stays_whole() {
        let mut model = Model::new(ModelConfig::default());
        model.put("b", "k", "0123456789");
        let mut answer = model.handle(ranged("bytes=2-4"));
        let headers = answer.headers.clone();
        Fault::FlipByte { at: 4 }.rewrite_response(&mut answer);
        assert_eq!(answer.body.to_vec(), b"224");
        assert_eq!(answer.headers, headers);
        assert_eq!(model.object("b", "k").unwrap().data.to_vec(), b"0123456789");
    }
}
