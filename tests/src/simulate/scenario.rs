//! What one run is about: the server, the session, and how much goes wrong.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::time::Duration;

use sans3_core::pace::Concurrency;
use sans3_core::part::Limits;
use sans3_core::session::{ChecksumPlacement, CredentialSource, SessionConfig};

use super::choices::Choices;
use super::job::Job;
use crate::drive::config;
use crate::model::{self, Etags, ModelConfig, Quirks};

/// S3's limits in bytes instead of megabytes, so that an object of some hundred has many parts.
pub(super) const LIMITS: Limits = Limits {
    min_part: 16,
    max_part: 4 << 10,
    max_parts: 60,
    max_object: 100 << 10,
    max_put: 4 << 10,
};

/// Which runs are of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything that the simulator knows.
    All,
    /// The same without signatures, which cost more than everything else together.
    Anonymous,
    /// One transfer of at most three parts, and so many faults of those that a client must get
    /// over; events in every order. Small enough to be enumerated.
    Small {
        /// The most faults.
        faults: u64,
        /// What is transferred.
        subject: Subject,
    },
}

/// The transfer of a small run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A download to random access.
    Download,
    /// A download in order.
    InOrder,
    /// An upload of known length.
    Upload,
    /// An upload from a pull source.
    Pull,
}

impl Subject {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Download, Self::InOrder, Self::Upload, Self::Pull];
}

/// One run.
pub(super) struct Scenario {
    pub(super) config: SessionConfig,
    pub(super) seed: u64,
    pub(super) server: Server,
    pub(super) jobs: Vec<Job>,
    /// Whether the last job uploads what the first one downloads, as it comes in.
    pub(super) piped: bool,
    pub(super) faults: Faults,
    /// Whether the world changes under the transfers: cancelled, replaced, expired, clocks set.
    pub(super) unrest: bool,
    /// How far the local wall clock is off, in seconds.
    pub(super) clock_error: i64,
    /// Whether the provider of credentials sometimes has none.
    pub(super) poor: bool,
    /// Whether it answers at once.
    pub(super) prompt: bool,
    pub(super) slowest: Duration,
    /// How much slower a consumer may be.
    pub(super) sloth: u32,
    /// Whether requests take effect at another time than their answers come.
    pub(super) phased: bool,
    /// Whether events come in any order, instead of by their delays.
    pub(super) any_order: bool,
}

/// How much goes wrong with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Faults {
    /// How many of 1,000 requests.
    pub(super) rate: u64,
    /// At most so many, all in ways that a client must get over; `None`: any, and without limit.
    pub(super) benign: Option<u64>,
    /// After so long nothing goes wrong any more.
    pub(super) until: Duration,
}

/// What the server is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    pub(super) etags: Etags,
    pub(super) quirks: Quirks,
    pub(super) checksums: bool,
    pub(super) signed: bool,
    pub(super) tags: Tags,
}

/// What the entity tags of GET and HEAD look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tags {
    Strong,
    /// Weak ones, another for each version.
    Weak,
    /// One weak tag for all versions, as RFC 9110, section 8.8.1, allows: it stands for versions
    /// that mean the same, not for the same bytes.
    Vague,
    Absent,
}

impl Scenario {
    pub(super) fn draw(scope: Scope, choices: &mut Choices) -> Self {
        match scope {
            Scope::Small { faults, subject } => Self::small(faults, subject, choices),
            Scope::All => Self::any(true, choices),
            Scope::Anonymous => Self::any(false, choices),
        }
    }

    fn any(signed: bool, choices: &mut Choices) -> Self {
        let faults = Faults::draw(choices);
        let unrest = faults.benign.is_none() && faults.rate > 0 && choices.one_in(2);
        let server = Server::draw(signed, choices);
        let count = 1 + choices.pick(&[0, 1, 1, 1, 0, 2, 2, 3]);
        let mut jobs: Vec<Job> = (0..count)
            .map(|at| Job::draw(at, &server, unrest, choices))
            .collect();
        let piped = choices.one_in(8) && jobs.first_mut().is_some_and(Job::becomes_in_order);
        if piped {
            jobs.push(Job::fed(count, choices));
        }
        let mild = faults.rate == 0 || faults.benign.is_some();
        let clock_error = if choices.one_in(6) {
            i64::try_from(choices.below(2_400)).unwrap_or(0) - 1_200
        } else {
            0
        };
        Self {
            config: session(server.signed, mild, choices),
            seed: choices.below(1 << 32),
            server,
            jobs,
            piped,
            faults,
            unrest,
            clock_error,
            poor: unrest && choices.one_in(3),
            prompt: !choices.one_in(2),
            slowest: Duration::from_millis(1 + choices.below(3_000)),
            sloth: choices.pick(&[1, 1, 1, 20]),
            phased: choices.one_in(2),
            any_order: false,
        }
    }

    /// One transfer of one to three parts, every choice of which can be enumerated.
    fn small(faults: u64, subject: Subject, choices: &mut Choices) -> Self {
        let mut made = config();
        made.limits = LIMITS;
        made.concurrency = NonZeroU16::MIN.saturating_add(2).into();
        made.exchange_memory = 16;
        made.memory = 1 << 10;
        Self {
            config: made,
            seed: 1,
            server: Server::plain(),
            jobs: vec![Job::small(subject, choices)],
            piped: false,
            faults: Faults {
                rate: 500,
                benign: Some(faults),
                until: Duration::MAX,
            },
            unrest: false,
            clock_error: 0,
            poor: false,
            prompt: true,
            slowest: Duration::from_millis(1),
            sloth: 1,
            phased: false,
            any_order: true,
        }
    }

    /// Whether every transfer must succeed that has what it needs.
    pub(super) const fn is_calm(&self) -> bool {
        !self.unrest && (self.faults.rate == 0 || self.faults.benign.is_some())
    }
}

impl Faults {
    fn draw(choices: &mut Choices) -> Self {
        let mut faults = Self {
            rate: 0,
            benign: None,
            until: Duration::MAX,
        };
        match choices.below(8) {
            0 => {}
            1 | 2 => {
                faults.rate = 150;
                faults.benign = Some(1);
            }
            _ => faults.rate = 1 + choices.below(400),
        }
        if faults.benign.is_none() && choices.one_in(3) {
            faults.until = Duration::from_millis(choices.below(60_000));
        }
        faults
    }
}

impl Server {
    fn plain() -> Self {
        Self {
            etags: Etags::Opaque,
            quirks: Quirks::default(),
            checksums: true,
            signed: false,
            tags: Tags::Strong,
        }
    }

    fn draw(signed: bool, choices: &mut Choices) -> Self {
        let tags = match choices.below(8) {
            7 => Tags::Weak,
            6 => Tags::Absent,
            4 | 5 => Tags::Vague,
            _ => Tags::Strong,
        };
        // Where tags tell little, it is of most interest that nothing else does either.
        let (rarity, checksums) = match tags {
            Tags::Strong => (4, !choices.one_in(4)),
            Tags::Weak | Tags::Absent => (2, !choices.one_in(2)),
            Tags::Vague => (2, choices.one_in(4)),
        };
        Self {
            etags: choices.pick(&[
                Etags::Opaque,
                Etags::Opaque,
                Etags::Opaque,
                Etags::LikeMd5,
                Etags::Md5,
            ]),
            quirks: Quirks {
                ignores_if_match: choices.one_in(rarity),
                ignores_range: choices.one_in(10),
                ranges_with_200: choices.one_in(6),
                bare_416: choices.one_in(4),
                complete_without_etag: choices.one_in(4),
                // They are of no interest here, and cost time.
                no_request_ids: true,
                ..Quirks::default()
            },
            checksums,
            signed: signed && choices.one_in(4),
            tags,
        }
    }

    pub(super) fn model(&self) -> ModelConfig {
        ModelConfig {
            etags: self.etags,
            quirks: self.quirks,
            checksums: self.checksums,
            limits: model::Limits {
                min_part: LIMITS.min_part,
                max_part: LIMITS.max_part,
                max_parts: u64::from(LIMITS.max_parts),
                max_put: LIMITS.max_put,
                max_object: LIMITS.max_object,
                page: 1_000,
                min_chunk: 1,
            },
            ..ModelConfig::default()
        }
    }
}

fn session(signed: bool, mild: bool, choices: &mut Choices) -> SessionConfig {
    let mut made = config();
    made.limits = LIMITS;
    let more = u16::try_from(choices.below(8)).unwrap_or(0);
    made.concurrency = NonZeroU16::MIN.saturating_add(more).into();
    made.exchange_memory = 1 + choices.below(500);
    made.memory = match choices.below(3) {
        0 => 1 << 20,
        1 => choices.below(12_500),
        _ => choices.below(500),
    };
    if !mild {
        let low = |value| u32::try_from(value).unwrap_or(u32::MAX);
        made.part_attempts = NonZeroU32::MIN.saturating_add(low(choices.below(10)));
        made.retry_budget = match choices.below(3) {
            0 => low(choices.below(100)),
            _ => low(50 + choices.below(3_000)),
        };
        made.retry.max_backoff = Duration::from_millis(choices.pick(&[20_000, 20_000, 2_000, 100]));
    }
    if choices.one_in(3) {
        // Of at most eight, since there are not more parts than that to send at once.
        made.concurrency = Concurrency::Auto {
            most: made.concurrency.most(),
        };
    }
    if choices.one_in(8) {
        made.max_bandwidth = NonZeroU64::new(1 + choices.below(20_000));
    }
    if choices.one_in(8) {
        made.max_requests = NonZeroU32::new(1 + u32::try_from(choices.below(100)).unwrap_or(0));
    }
    if signed {
        made.credentials = CredentialSource::Provided;
    }
    if choices.one_in(3) {
        made.checksums = ChecksumPlacement::Trailer;
        made.slice = NonZeroU64::MIN.saturating_add(choices.below(400));
    }
    made
}
