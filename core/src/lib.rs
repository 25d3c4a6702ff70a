//! S3 transfers as pure state machines.
//!
//! This crate decides *what* to request from S3, *when*, *with which signature*, and *whether the
//! answer is good*. It opens no socket, reads no clock, file or environment variable, starts no
//! thread and hides no randomness: the same specification, seed and inputs give the same requests,
//! byte for byte. An adapter (`sans3-tokio`, or one of your own) sends the requests and feeds the
//! answers back.
//!
//! # A download, driven by hand
//!
//! A [`Session`](session::Session) plans; each [`Attempt`](attempt::Attempt) that it hands out is
//! one HTTP exchange, owned by whoever carries it out. Here that is a loop without a runtime, and
//! the answers come from memory:
//!
//! ```
//! use std::time::Duration;
//!
//! use http::{Request, Response, header::RANGE, response::Parts};
//! use sans3_core::attempt::{BodySource, Placement, Ready, Sent};
//! use sans3_core::checksum::{self, Algorithm};
//! use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
//! use sans3_core::session::{CredentialSource, Input, Machine, Session, SessionConfig, Step};
//! use sans3_core::time::{Instant, UnixTime};
//! use sans3_core::transfer::{Download, Verified};
//!
//! const OBJECT: &[u8] = b"hello, world";
//!
//! /// What a server with this one object says.
//! fn answer(request: Request<BodySource>) -> (Parts, &'static [u8]) {
//!     let checksum = checksum::of(Algorithm::Crc64Nvme, OBJECT).header_value();
//!     let answer = Response::builder().header("etag", "\"e\"");
//!     let (answer, body) = match request.headers().get(RANGE) {
//!         Some(range) => {
//!             let (first, last) = range.to_str().unwrap()["bytes=".len()..].split_once('-').unwrap();
//!             let last = last.parse::<usize>().unwrap().min(OBJECT.len() - 1);
//!             let part = format!("bytes {first}-{last}/{}", OBJECT.len());
//!             let body = &OBJECT[first.parse().unwrap()..=last];
//!             (answer.status(206).header("content-range", part), body)
//!         }
//!         None => {
//!             let answer = answer.header("content-length", OBJECT.len());
//!             (answer.header("x-amz-checksum-crc64nvme", checksum), &b""[..])
//!         }
//!     };
//!     (answer.body(()).unwrap().into_parts().0, body)
//! }
//!
//! let endpoint = Endpoint::custom("http://s3.example", Region::new("us-east-1")?)?;
//! let config = SessionConfig::new(endpoint, CredentialSource::Anonymous);
//! let mut download = Download::new(BucketName::new("data")?, ObjectKey::new("greeting")?);
//! download.part_size = std::num::NonZeroU64::new(5); // three ranges
//!
//! let (now, wall) = (Instant::ZERO, UnixTime::from_seconds(1_767_225_600));
//! let (mut session, mut file) = (Session::new(config, 1), vec![0; OBJECT.len()]);
//! let handle = session.insert(download, now);
//! loop {
//!     match session.poll(now) {
//!         Step::Start(attempt) => {
//!             let Ready::Send(sendable) = attempt.prepare() else { panic!("nothing is uploaded") };
//!             let (head, body) = answer(sendable.request(wall).unwrap());
//!             let mut receiving = sendable.on_head(&head, Sent::All, wall).unwrap();
//!             if let Ok(Placement::Object { at, span }) = receiving.admit(body, Duration::ZERO) {
//!                 file[at as usize..][..span.len()].copy_from_slice(&body[span]);
//!             }
//!             session.input(Input::Outcome(receiving.finish()), now);
//!         }
//!         Step::Ended(_) => break,
//!         step => panic!("exchanges end at once here, so nothing else is asked for: {step:?}"),
//!     }
//! }
//! let found = session.take(handle).unwrap();
//! assert_eq!(file, OBJECT);
//! assert_eq!((found.size, found.parts), (12, 3));
//! assert_eq!(found.verified, Verified::FullObject(Algorithm::Crc64Nvme));
//! # Ok::<_, sans3_core::error::SpecError>(())
//! ```
//!
//! A real adapter has many exchanges under way at once, waits, and reports what broke. Everything
//! that decides stays here.
//!
//! # Where to find what
//!
//! | module | what it is about |
//! |---|---|
//! | [`session`] | what a driver talks to: steps, inputs, and every bound that is kept |
//! | [`transfer`] | what a session carries out: downloads, uploads, calls, listings |
//! | [`attempt`] | one HTTP exchange, from the request to its outcome |
//! | [`operation`] | the requests of S3 and their answers, one file each |
//! | [`sign`] | Signature Version 4, in headers and in URLs |
//! | [`endpoint`] | buckets, keys, regions, `s3://` addresses, and where requests go |
//! | [`range`], [`part`] | how objects are cut for downloads and for uploads |
//! | [`checksum`] | CRCs and hashes, their combination, and what answers declare |
//! | [`pace`] | how fast a session goes, by its caller's limits and by what it learns |
//! | [`retry`] | whether, when and at whose cost a request is sent again |
//! | [`progress`] | how far a transfer is, as numbers |
//! | `trace` (a feature) | what a session did, so that it can be done again |
//! | [`error`] | who is at fault |
//! | [`etag`], [`metadata`], [`request`], [`rng`], [`time`] | the words that all of them use |

#![forbid(unsafe_code)]

pub mod attempt;
pub mod checksum;
pub mod endpoint;
pub mod error;
pub mod etag;
#[cfg(feature = "http1")]
pub mod http1;
pub mod metadata;
pub mod operation;
pub mod pace;
pub mod part;
pub mod progress;
pub mod range;
pub(crate) mod recent;
pub mod request;
pub mod retry;
pub mod rng;
pub mod session;
pub mod sign;
pub mod time;
#[cfg(feature = "trace")]
pub mod trace;
pub mod transfer;
pub(crate) mod xml;
