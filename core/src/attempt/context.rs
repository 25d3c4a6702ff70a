use core::num::NonZeroU64;
use std::sync::Arc;

use http::HeaderValue;

use super::stall::StallPolicy;
use super::{Deadlines, Payload};
use crate::checksum::Algorithm;
use crate::endpoint::Endpoint;
use crate::retry::ClockSkew;
use crate::sign::Signer;

/// What an attempt takes along from its session, so that it needs nothing of it while it runs.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) signer: Signer,
    /// How far the server's clock is ahead of ours, as far as is known.
    pub(crate) skew: ClockSkew,
    /// Which credentials these are, so that an expiry is blamed on the right ones.
    pub(crate) generation: u32,
    pub(crate) deadlines: Deadlines,
    pub(crate) stall: StallPolicy,
    pub(crate) user_agent: HeaderValue,
    /// Bytes of payload a chunk, where the endpoint takes checksums in trailers.
    pub(crate) trailers: Option<Slice>,
}

/// Bytes of payload that are handed over at once.
pub(crate) type Slice = NonZeroU64;

impl Context {
    /// In which chunks a payload is framed, if it is: one that fits a slice is held whole by whoever
    /// sends it, so that its checksum can as well stand in a header; a SHA-256 is also signed; and MD5
    /// has no trailer.
    pub(super) fn framing(&self, payload: &Payload) -> Option<Slice> {
        let is_signed = matches!(payload.algorithm, Algorithm::Sha256 | Algorithm::Md5);
        self.trailers
            .filter(|slice| payload.len > slice.get() && !is_signed)
    }

    /// One that signs nothing and waits a second for everything.
    #[cfg(test)]
    pub(crate) fn for_tests(endpoint: Endpoint) -> Self {
        let second = core::time::Duration::from_secs(1);
        Self {
            endpoint: Arc::new(endpoint),
            signer: Signer::anonymous(),
            skew: ClockSkew::default(),
            generation: 0,
            deadlines: Deadlines {
                connect: second,
                head: second,
                idle: second,
            },
            stall: StallPolicy {
                idle: second,
                window: second,
                least: 1,
            },
            user_agent: HeaderValue::from_static("test"),
            trailers: None,
        }
    }
}
