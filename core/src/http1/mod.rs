//! HTTP/1.1 as a client speaks it, without sockets: for adapters that have no HTTP library.
//!
//! One exchange is a request head written by [`write_head`], a body that the adapter sends as it
//! is, and an answer that a [`HeadReader`] and then a [`BodyReader`] take apart. Neither keeps
//! bytes: they are shown what the adapter has received, say how much of it they are done with, and
//! where in it the payload is. [`BodyReader::direct`] goes further: it tells how many bytes of pure
//! payload come next, so that they may be read from the socket straight into their place.
//!
//! ```
//! use http::{Method, Request};
//! use sans3_core::http1::{self, BodyRead, HeadRead, HeadReader, RequestBody, Target};
//!
//! let request = Request::get("http://data.example/greeting").body(()).unwrap().into_parts().0;
//! let mut sent = Vec::new();
//! http1::write_head(&request, Target::Origin, RequestBody::None, false, &mut sent)?;
//! assert_eq!(sent, b"GET /greeting HTTP/1.1\r\nhost: data.example\r\n\r\n");
//!
//! let received = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
//! let HeadRead::Final { head, consumed, mut body } =
//!     HeadReader::for_request(&request).read(received)?
//! else {
//!     panic!("the head is whole, and no interim answer");
//! };
//! assert_eq!(head.status, 200);
//!
//! let (mut rest, mut payload) = (&received[consumed..], Vec::new());
//! loop {
//!     match body.read(rest)? {
//!         BodyRead::Data { consumed, span } => {
//!             payload.extend_from_slice(&rest[span]);
//!             rest = &rest[consumed..];
//!         }
//!         BodyRead::Complete { consumed } => {
//!             rest = &rest[consumed..];
//!             break;
//!         }
//!         BodyRead::Incomplete { .. } => panic!("a socket would be read here"),
//!     }
//! }
//! assert_eq!(payload, b"hello");
//! assert!(body.may_reuse(rest.len()));
//! # Ok::<_, http1::Error>(())
//! ```
//!
//! # How strict it is
//!
//! Where two parties read the same bytes differently, one of them can be made to take the payload
//! of one answer for the head of the next (RFC 9112, section 11.2). So an answer has one reading
//! here, or is an error:
//!
//! - lines end with CRLF; a bare CR or LF is an error, though RFC 9112, section 2.2, would let a
//!   recipient take a bare LF; so are folded lines, and empty lines before the status line;
//! - field names are tokens that the colon follows at once; values have no control characters but
//!   the tab;
//! - `Content-Length` occurs once, as digits alone, up to 2^63-1; a repetition is an error, be the
//!   values equal or not;
//! - `Transfer-Encoding` occurs once, is `chunked`, stands in an answer of HTTP/1.1, and never
//!   beside a `Content-Length`;
//! - a chunk's size is 1 to 16 hexadecimal digits; its extension is in the same line; its data end
//!   with CRLF; trailers obey the rules of fields, and are passed over.
//!
//! The same bytes give the same result however they are cut into pieces, errors included.

mod body;
mod chunked;
mod error;
mod framing;
mod head;
mod request;

pub use body::{BodyRead, BodyReader};
pub use error::Error;
pub use head::{HeadRead, HeadReader};
pub use request::{RequestBody, Target, connect_head, write_head};

/// The largest response head, in bytes, from its status line to its empty line.
pub const MAX_HEAD: usize = 64 * 1024;

/// The most fields of a response head.
pub const MAX_FIELDS: usize = 128;

/// The most bytes that all interim (1xx) answers of one exchange may have together.
pub const MAX_INTERIM: usize = 512 * 1024;

/// The most bytes that the chunk extensions of one body may have together.
pub const MAX_EXTENSIONS: usize = 16 * 1024;

/// The most bytes of a trailer section.
pub const MAX_TRAILERS: usize = 16 * 1024;

/// The largest length of a body or of a chunk, in bytes: what every file offset can hold.
pub const MAX_LENGTH: u64 = u64::MAX >> 1;

#[cfg(test)]
mod tests;
