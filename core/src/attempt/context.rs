use std::sync::Arc;

use http::HeaderValue;

use super::Deadlines;
use super::stall::StallPolicy;
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
}
