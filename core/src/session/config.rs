use core::num::{NonZeroU32, NonZeroU64};
use core::time::Duration;
use std::sync::Arc;

use http::HeaderValue;

use super::CredentialSource;
use crate::attempt::{Deadlines, StallPolicy};
use crate::endpoint::Endpoint;
use crate::operation::OperationKind;
use crate::pace::Concurrency;
use crate::part::Limits;
use crate::retry::RetryPolicy;

/// What a session is made with: every bound that it keeps.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionConfig {
    /// Where requests go.
    pub endpoint: Arc<Endpoint>,
    /// How they are signed.
    pub credentials: CredentialSource,
    /// How many exchanges run at once.
    pub concurrency: Concurrency,
    /// The most bytes of payload in memory at once, over all transfers: read and write buffers,
    /// bytes that wait for their turn in an in-order download, parts of a pull source. Where it is
    /// too small for the concurrency, concurrency falls; see [`SessionConfig::slots`].
    ///
    /// One part of each pull source is let in beyond it, so that transfers which feed each other
    /// can't wait for one another for ever.
    pub memory: u64,
    /// What one exchange needs of it to move bytes at all: the adapter's buffer.
    pub exchange_memory: u64,
    /// How failures are retried.
    pub retry: RetryPolicy,
    /// The most attempts at one range or part. Higher than for calls, because each attempt at a
    /// range keeps what came before it; all share the retry budget.
    pub part_attempts: NonZeroU32,
    /// Tokens of the retry budget that all transfers share.
    pub retry_budget: u32,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// Where the checksum of a payload stands.
    pub checksums: ChecksumPlacement,
    /// Bytes of payload that an adapter holds at once: it reads, hashes and sends a source in slices
    /// of this size. 256 KiB. A payload that fits one has its checksum in a header always; a longer
    /// one with its checksum in a trailer is framed in chunks of it, of which S3 takes none below
    /// 8 KiB.
    pub slice: NonZeroU64,
    /// S3's limits on parts and sizes.
    pub limits: Limits,
    /// The most bytes of payload a second, over all transfers and both directions; `None` for as
    /// many as there are. Holds on average: an exchange that has begun is not held up, so that one
    /// range or part may be under way beyond it.
    pub max_bandwidth: Option<NonZeroU64>,
    /// The most requests a second, of any kind; `None` for as many as there are. Holds on average:
    /// after a pause as many as make up 50 ms may begin at once.
    pub max_requests: Option<NonZeroU32>,
    /// The `User-Agent`.
    pub user_agent: HeaderValue,
}

/// Where the checksum of a payload stands, which decides how often a source is read.
///
/// A payload whose checksum is in a header is read twice: once to be hashed and once to be sent. One
/// whose checksum follows in a trailer is read, hashed and sent at once; it has to be framed for that
/// ("Trailing checksums", S3 user guide), and a server that does not know the framing refuses it, or
/// stores it as if it were the object: then the transfer fails. There is no way back to headers within
/// a session.
///
/// SHA-256, which also signs the payload, and MD5 stand in a header always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum ChecksumPlacement {
    /// In a trailer on AWS over TLS, in a header on custom endpoints: many other servers refuse the
    /// framing.
    #[default]
    Auto,
    /// In a header, the one form that every S3 server stores right.
    Header,
    /// In a trailer, wherever requests go.
    Trailer,
}

/// How long to wait, at most, before an exchange is given up and retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the head of an answer after the request is sent. CompleteMultipartUpload has its own.
    pub head: Duration,
    /// For the head of the answer to CompleteMultipartUpload, which the server may need minutes
    /// for; and once more for its body, which may begin with minutes of white space.
    pub complete: Duration,
    /// For the next byte of a body.
    pub idle: Duration,
    /// The time within which at least [`least_bytes`](Self::least_bytes) of a body must come. The
    /// answer to CompleteMultipartUpload may take [`complete`](Self::complete) where that is longer.
    pub stall_window: Duration,
    /// Bytes that must come within [`stall_window`](Self::stall_window).
    pub least_bytes: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            head: Duration::from_secs(75),
            complete: Duration::from_secs(300),
            idle: Duration::from_secs(20),
            stall_window: Duration::from_secs(30),
            least_bytes: 4096,
        }
    }
}

impl SessionConfig {
    /// The defaults: as many exchanges at once as serve, 16 at first and at most 64; 256 MiB of memory, AWS's 2026 retry numbers.
    pub fn new(endpoint: Endpoint, credentials: CredentialSource) -> Self {
        const USER_AGENT: &str = concat!("sans3/", env!("CARGO_PKG_VERSION"));
        Self {
            endpoint: Arc::new(endpoint),
            credentials,
            concurrency: Concurrency::AUTO,
            memory: 256 << 20,
            exchange_memory: 1 << 20,
            retry: RetryPolicy::default(),
            part_attempts: NonZeroU32::MIN.saturating_add(9),
            retry_budget: 500,
            timeouts: Timeouts::default(),
            checksums: ChecksumPlacement::default(),
            slice: NonZeroU64::MIN.saturating_add((256 << 10) - 1),
            limits: Limits::default(),
            max_bandwidth: None,
            max_requests: None,
            user_agent: HeaderValue::from_static(USER_AGENT),
        }
    }

    /// How many exchanges run at once at most: the concurrency, or less where memory is short.
    pub fn slots(&self) -> u16 {
        self.concurrency
            .most()
            .get()
            .min(self.slots_in(self.memory))
    }

    /// How many exchanges run at once before anything is measured.
    pub fn first_slots(&self) -> u16 {
        self.concurrency.first().min(self.slots())
    }

    /// How many exchanges' buffers fit into so much memory; one is always let in.
    pub(crate) fn slots_in(&self, memory: u64) -> u16 {
        let slots = memory / self.exchange_memory.max(1);
        u16::try_from(slots).unwrap_or(u16::MAX).max(1)
    }

    /// What the buffers of so many exchanges leave of the memory.
    pub(crate) fn payload_memory(&self, slots: u16) -> u64 {
        let buffers = u64::from(slots).saturating_mul(self.exchange_memory);
        self.memory.saturating_sub(buffers)
    }

    /// The most bytes that an in-order download may hold: four times what is in flight, so that
    /// one slow range does not stop the others, within three quarters of the memory, so that an
    /// upload which is fed by it still finds room. Measured by the exchanges that there are at first.
    pub fn window(&self, part_size: u64) -> u64 {
        let slots = u64::from(self.first_slots());
        let wanted = slots.saturating_mul(4).saturating_mul(part_size);
        let buffers = slots.saturating_mul(self.exchange_memory);
        wanted.min((self.memory / 4 * 3).saturating_sub(buffers.min(self.memory / 4)))
    }

    /// The largest part of a pull source: half of the memory, so that one part can be filled
    /// while another is sent.
    pub const fn largest_buffered_part(&self) -> u64 {
        self.memory / 2
    }

    /// In which chunks payloads are framed that have their checksum in a trailer, if any have.
    pub(crate) fn trailers(&self) -> Option<NonZeroU64> {
        let takes = match self.checksums {
            // Those of AWS that are not given as a URL are reached by TLS.
            ChecksumPlacement::Auto => !self.endpoint.is_custom(),
            ChecksumPlacement::Header => false,
            ChecksumPlacement::Trailer => true,
        };
        takes.then_some(self.slice)
    }

    pub(crate) const fn deadlines(&self, head: Duration) -> Deadlines {
        Deadlines {
            connect: self.timeouts.connect,
            head,
            idle: self.timeouts.idle,
        }
    }

    /// While S3 puts an object together it keeps the connection alive by white space, a little at
    /// a time (API_CompleteMultipartUpload): that is slow, but no stall.
    pub(crate) fn stall_policy(&self, kind: OperationKind) -> StallPolicy {
        let window = self.timeouts.stall_window;
        StallPolicy {
            idle: self.timeouts.idle,
            window: match kind {
                OperationKind::CompleteMultipartUpload => window.max(self.timeouts.complete),
                _ => window,
            },
            least: self.timeouts.least_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Region;

    #[test]
    fn trailers_are_for_aws_over_tls_unless_the_caller_says_otherwise() {
        let region = || Region::new("eu-west-1").unwrap();
        let custom = |url| Endpoint::custom(url, region()).unwrap();
        for (endpoint, auto) in [
            (Endpoint::aws(region()), true),
            (custom("https://s3.example.com"), false),
            (custom("http://localhost:9000"), false),
        ] {
            let mut config = SessionConfig::new(endpoint, CredentialSource::Anonymous);
            for (checksums, takes) in [
                (ChecksumPlacement::Auto, auto),
                (ChecksumPlacement::Header, false),
                (ChecksumPlacement::Trailer, true),
            ] {
                config.checksums = checksums;
                let slice = takes.then_some(config.slice);
                assert_eq!(config.trailers(), slice, "{checksums:?}");
            }
        }
    }
}
