//! What one run of the soak does, drawn from its seed.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::time::Duration;

use sans3_core::checksum::Algorithm;
use sans3_core::endpoint::{BucketName, ObjectKey};
use sans3_core::etag::ETag;
use sans3_core::part::Limits;
use sans3_core::rng::Rng;
use sans3_core::session::{CredentialSource, SessionConfig};
use sans3_core::transfer::{Download, Length, Order, Upload};

use crate::drive::{Sink, Source, config};
use crate::model::{self, Etags, ModelConfig, Quirks};

/// S3's limits in bytes instead of megabytes, so that an object of some kilobytes has many parts.
const LIMITS: Limits = Limits {
    min_part: 64,
    max_part: 16 << 10,
    max_parts: 60,
    max_object: 400 << 10,
    max_put: 16 << 10,
};

/// One run.
pub(super) struct Plan {
    pub(super) config: SessionConfig,
    pub(super) server: Server,
    pub(super) jobs: Vec<Job>,
    /// Whether the last job uploads what the first one downloads, as it comes in.
    pub(super) piped: bool,
    /// How many of 1,000 requests go wrong.
    pub(super) faults: u64,
    /// At most so many requests go wrong, all in ways that a client must get over.
    pub(super) benign: Option<u64>,
    /// Whether the world changes under the transfers: cancelled, replaced, expired.
    pub(super) unrest: bool,
    /// How far the local wall clock is off, in seconds.
    pub(super) clock_error: i64,
    /// Whether the provider of credentials sometimes has none.
    pub(super) poor: bool,
    /// Whether it answers at once.
    pub(super) prompt: bool,
    pub(super) slowest: Duration,
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
    Weak,
    Absent,
}

/// One transfer, and what feeds or drains it.
pub(super) enum Job {
    Download {
        spec: Download,
        sink: Sink,
        /// The object at first, or none.
        object: Option<Vec<u8>>,
    },
    Upload {
        spec: Box<Upload>,
        source: Source,
        bytes: Vec<u8>,
        /// Whether the source changes while it is read.
        changing: bool,
        /// What stands under the key before.
        before: Option<Vec<u8>>,
    },
    Look,
}

impl Plan {
    pub(super) fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let rng = &mut rng;
        let mood = rng.below(8);
        let (faults, benign) = match mood {
            0 => (0, None),
            1 | 2 => (150, Some(1)),
            _ => (1 + rng.below(400), None),
        };
        let unrest = benign.is_none() && mood != 0 && rng.below(2) == 0;
        let server = Server::draw(rng);
        let mut jobs: Vec<Job> = Vec::new();
        for index in 0..1 + rng.below(4) {
            jobs.push(Job::draw(index, &server, unrest, rng));
        }
        let piped = one_in(5, rng) && matches!(jobs.first(), Some(Job::Download { .. }));
        if piped {
            jobs.push(Job::fed(jobs.len() as u64, rng));
            if let Some(Job::Download { spec, .. }) = jobs.first_mut() {
                spec.order = Order::InOrder;
            }
            if let Some(Job::Download { sink, .. }) = jobs.first_mut() {
                let fails_at = sink.fails_at;
                *sink = Sink::in_order();
                sink.fails_at = fails_at;
            }
        }
        Self {
            config: session(&server, faults == 0 || benign.is_some(), rng),
            server,
            jobs,
            piped,
            faults,
            benign,
            unrest,
            clock_error: if one_in(6, rng) {
                signed(rng.below(2_400)) - 1_200
            } else {
                0
            },
            poor: unrest && one_in(3, rng),
            prompt: one_in(2, rng),
            slowest: Duration::from_millis(1 + rng.below(3_000)),
        }
    }

    pub(super) const fn is_calm(&self) -> bool {
        !self.unrest && (self.faults == 0 || self.benign.is_some())
    }
}

impl Server {
    fn draw(rng: &mut Rng) -> Self {
        let tags = match rng.below(8) {
            0 => Tags::Weak,
            1 => Tags::Absent,
            _ => Tags::Strong,
        };
        Self {
            etags: [Etags::Md5, Etags::Opaque, Etags::LikeMd5][index(rng.below(3))],
            quirks: Quirks {
                ignores_if_match: one_in(4, rng),
                ignores_range: one_in(10, rng),
                ranges_with_200: one_in(6, rng),
                bare_416: one_in(4, rng),
                complete_without_etag: one_in(4, rng),
                ..Quirks::default()
            },
            checksums: !one_in(4, rng),
            signed: one_in(3, rng),
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
            },
            ..ModelConfig::default()
        }
    }
}

fn session(server: &Server, mild: bool, rng: &mut Rng) -> SessionConfig {
    let mut made = config();
    made.limits = LIMITS;
    made.concurrency = NonZeroU16::MIN.saturating_add(u16::try_from(rng.below(8)).unwrap_or(0));
    made.exchange_memory = 1 + rng.below(2_000);
    made.memory = match rng.below(3) {
        0 => rng.below(2_000),
        1 => rng.below(50_000),
        _ => 1 << 20,
    };
    if !mild {
        made.part_attempts = NonZeroU32::MIN.saturating_add(low(rng.below(10)));
        made.retry_budget = low(50 + rng.below(3_000));
    }
    if server.signed {
        made.credentials = CredentialSource::Provided;
    }
    made
}

impl Job {
    fn draw(index: u64, server: &Server, unrest: bool, rng: &mut Rng) -> Self {
        match rng.below(16) {
            0..8 => Self::download(index, server, unrest, rng),
            8..15 => Self::upload(index, unrest, rng),
            _ => Self::Look,
        }
    }

    fn download(index: u64, server: &Server, unrest: bool, rng: &mut Rng) -> Self {
        let size = size(rng);
        let order = if one_in(2, rng) {
            Order::InOrder
        } else {
            Order::Random
        };
        let mut sink = match order {
            Order::InOrder => Sink::in_order(),
            Order::Random => Sink::random(),
        };
        if unrest && one_in(12, rng) {
            sink.fails_at = usize::try_from(1 + rng.below(10)).ok();
        }
        let object = noise(size, rng.next_u64());
        let if_match = match rng.below(10) {
            0 => ETag::new("\"of another version\"").ok(),
            1 | 2 => {
                let mut model = model::Model::new(server.model());
                ETag::new(&model.put("b", "k", object.clone())).ok()
            }
            _ => None,
        };
        let spec = Download {
            order,
            part_size: NonZeroU64::new(part_size(size, rng)),
            size_hint: match rng.below(4) {
                0 => Some(size),
                1 => Some(rng.below(size + 10)),
                _ => None,
            },
            if_match,
            ..Download::new(bucket(), key(index))
        };
        Self::Download {
            spec,
            sink,
            object: (!one_in(20, rng)).then_some(object),
        }
    }

    /// An upload whose bytes are not known yet.
    fn fed(index: u64, rng: &mut Rng) -> Self {
        let spec = Upload {
            part_size: NonZeroU64::new(part_size(size(rng), rng)),
            ..Upload::new(bucket(), key(index), Length::Unknown { equal_parts: false })
        };
        Self::Upload {
            spec: Box::new(spec),
            source: Source::default(),
            bytes: Vec::new(),
            changing: false,
            before: None,
        }
    }

    fn upload(index: u64, unrest: bool, rng: &mut Rng) -> Self {
        let size = size(rng);
        let bytes = noise(size, rng.next_u64());
        let length = match rng.below(5) {
            0 => Length::Unknown { equal_parts: true },
            1 | 2 => Length::Unknown { equal_parts: false },
            _ => Length::Known(size),
        };
        let mut spec = Upload {
            part_size: NonZeroU64::new(part_size(size, rng)),
            checksum: [
                Algorithm::Crc64Nvme,
                Algorithm::Crc64Nvme,
                Algorithm::Crc32,
                Algorithm::Crc32c,
                Algorithm::Sha256,
                Algorithm::Md5,
            ][self::index(rng.below(6))],
            ..Upload::new(bucket(), key(index), length)
        };
        spec.options.if_none_match = one_in(4, rng);
        let changing = unrest && matches!(length, Length::Known(_)) && one_in(8, rng);
        let source = if changing {
            let other = noise(rng.below(size + 100), rng.next_u64());
            Source::changing(bytes.clone(), other, low(rng.below(20)))
        } else {
            Source::new(bytes.clone())
        };
        // The same bytes, other bytes of the same length, or of another one.
        let before = match rng.below(6) {
            0 => Some(bytes.clone()),
            1 => Some(noise(size, rng.next_u64())),
            2 => Some(noise(self::size(rng), rng.next_u64())),
            _ => None,
        };
        Self::Upload {
            spec: Box::new(spec),
            source,
            bytes,
            changing,
            before,
        }
    }
}

/// The name of the object of a job.
pub(super) fn key(index: u64) -> ObjectKey {
    ObjectKey::new(name(index)).unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn name(index: u64) -> String {
    format!("k{index}")
}

pub(super) fn bucket() -> BucketName {
    BucketName::new("b").unwrap_or_else(|error| panic!("{error}"))
}

/// Bytes without a pattern that a shift could hide.
pub(super) fn noise(len: u64, seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let words = (0..len.div_ceil(8)).flat_map(|_| rng.next_u64().to_le_bytes());
    words.take(index(len)).collect()
}

pub(super) fn one_in(count: u64, rng: &mut Rng) -> bool {
    rng.below(count) == 0
}

fn size(rng: &mut Rng) -> u64 {
    match rng.below(10) {
        0 => 0,
        1 => 1 + rng.below(3),
        2 => 1 + rng.below(200_000),
        _ => 1 + rng.below(12_000),
    }
}

/// Some tens of parts at most; often a size that divides the whole.
fn part_size(size: u64, rng: &mut Rng) -> u64 {
    let parts = 1 + rng.below(24);
    let part = if one_in(3, rng) {
        size / parts
    } else {
        size.div_ceil(parts) + rng.below(100)
    };
    part.clamp(LIMITS.min_part, LIMITS.max_part)
}

pub(super) fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn low(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
