use core::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::opaque;
use super::replay::stand_in;
use crate::endpoint::Endpoint;
use crate::pace::Concurrency;
use crate::part::Limits;
use crate::retry::RetryPolicy;
use crate::session::{ChecksumPlacement, CredentialSource, SessionConfig, Timeouts};

/// A [`SessionConfig`] without credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    endpoint: Endpoint,
    signing: Signing,
    concurrency: Concurrency,
    memory: u64,
    exchange_memory: u64,
    retry: RetryPolicy,
    part_attempts: NonZeroU32,
    retry_budget: u32,
    timeouts: Timeouts,
    /// Absent where all checksums stood in headers.
    #[serde(default = "in_headers")]
    checksums: ChecksumPlacement,
    #[serde(default)]
    slice: Option<NonZeroU64>,
    limits: Limits,
    #[serde(default)]
    max_bandwidth: Option<NonZeroU64>,
    #[serde(default)]
    max_requests: Option<NonZeroU32>,
    #[serde(with = "opaque")]
    user_agent: Option<HeaderValue>,
}

/// Where credentials came from: a [`CredentialSource`] without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signing {
    /// There were none.
    Anonymous,
    /// They came with the configuration.
    Static,
    /// They were asked for.
    Provided,
}

const fn in_headers() -> ChecksumPlacement {
    ChecksumPlacement::Header
}

impl From<&SessionConfig> for Config {
    fn from(config: &SessionConfig) -> Self {
        Self {
            endpoint: Endpoint::clone(&config.endpoint),
            signing: match config.credentials {
                CredentialSource::Anonymous => Signing::Anonymous,
                CredentialSource::Static(_) => Signing::Static,
                CredentialSource::Provided => Signing::Provided,
            },
            concurrency: config.concurrency,
            memory: config.memory,
            exchange_memory: config.exchange_memory,
            retry: config.retry,
            part_attempts: config.part_attempts,
            retry_budget: config.retry_budget,
            timeouts: config.timeouts,
            checksums: config.checksums,
            slice: Some(config.slice),
            limits: config.limits,
            max_bandwidth: config.max_bandwidth,
            max_requests: config.max_requests,
            user_agent: Some(config.user_agent.clone()),
        }
    }
}

impl From<Config> for SessionConfig {
    /// With credentials that stand in for those that are not told.
    fn from(config: Config) -> Self {
        let credentials = match config.signing {
            Signing::Anonymous => CredentialSource::Anonymous,
            Signing::Static => CredentialSource::Static(Arc::new(stand_in())),
            Signing::Provided => CredentialSource::Provided,
        };
        let mut session = Self::new(config.endpoint, credentials);
        session.concurrency = config.concurrency;
        session.memory = config.memory;
        session.exchange_memory = config.exchange_memory;
        session.retry = config.retry;
        session.part_attempts = config.part_attempts;
        session.retry_budget = config.retry_budget;
        session.timeouts = config.timeouts;
        session.checksums = config.checksums;
        session.slice = config.slice.unwrap_or(session.slice);
        session.limits = config.limits;
        session.max_bandwidth = config.max_bandwidth;
        session.max_requests = config.max_requests;
        if let Some(user_agent) = config.user_agent {
            session.user_agent = user_agent;
        }
        session
    }
}
