//! S3 transfers as pure state machines.
//!
//! This crate decides *what* to request from S3, *when*, *with which signature*, and *whether the
//! answer is good*. It opens no socket, reads no clock, file or environment variable, starts no
//! thread and hides no randomness: the same specification, seed and inputs give the same requests,
//! byte for byte. An adapter (`sans3-tokio`, or one of your own) sends the requests and feeds the
//! answers back.

#![forbid(unsafe_code)]

pub mod attempt;
pub mod checksum;
pub mod endpoint;
pub mod error;
pub mod etag;
pub mod metadata;
pub mod operation;
pub mod part;
pub mod progress;
pub mod range;
pub mod request;
pub mod retry;
pub mod rng;
pub mod session;
pub mod sign;
pub mod time;
pub mod transfer;
pub(crate) mod xml;
