//! The transfers of a run, and what feeds or drains them.

use std::num::NonZeroU64;

use bytes::Bytes;
use sans3_core::checksum::Algorithm;
use sans3_core::endpoint::{BucketName, ObjectKey};
use sans3_core::etag::ETag;
use sans3_core::transfer::{Confirm, Download, Length, Order, Upload};

use super::choices::{Choices, index, noise};
use super::scenario::{LIMITS, Server, Subject};
use crate::drive::{Sink, Source};
use crate::model;

/// One transfer.
pub(super) enum Job {
    Download {
        spec: Download,
        sink: Sink,
        /// The object at first, or none.
        object: Option<Bytes>,
        /// What the server has its checksum by.
        checksum: model::Algorithm,
    },
    Upload {
        spec: Box<Upload>,
        source: Source,
        bytes: Bytes,
        /// Whether the source changes while it is read.
        changing: bool,
        /// What stands under the key before.
        before: Option<Bytes>,
    },
    Look,
}

impl Job {
    pub(super) fn draw(at: u64, server: &Server, unrest: bool, choices: &mut Choices) -> Self {
        match choices.below(16) {
            15 => Self::Look,
            0..8 => Self::download(at, server, unrest, choices),
            _ => Self::upload(at, unrest, choices),
        }
    }

    fn download(at: u64, server: &Server, unrest: bool, choices: &mut Choices) -> Self {
        let size = size(choices);
        let order = choices.pick(&[Order::Random, Order::InOrder]);
        let mut sink = sink(order);
        if unrest && choices.one_in(12) {
            sink.fails_at = Some(1 + index(choices.below(10)));
        }
        let object = noise(size, choices.below(1 << 32));
        let if_match = match choices.below(10) {
            9 => ETag::new("\"of-another-version\"").ok(),
            7 | 8 => {
                let mut model = model::Model::new(server.model());
                ETag::new(&model.put("b", "k", object.clone())).ok()
            }
            _ => None,
        };
        let spec = Download {
            order,
            part_size: NonZeroU64::new(part_size(size, choices)),
            size_hint: match choices.below(4) {
                3 => Some(size),
                2 => Some(choices.below(size + 10)),
                _ => None,
            },
            if_match,
            ..Download::new(bucket(), key(at))
        };
        let object = (!choices.one_in(20)).then_some(object);
        let checksum = choices.pick(&[
            model::Algorithm::Crc64Nvme,
            model::Algorithm::Crc64Nvme,
            model::Algorithm::Crc64Nvme,
            model::Algorithm::Crc32c,
            model::Algorithm::Crc32,
            model::Algorithm::Sha256,
        ]);
        Self::Download {
            spec,
            sink,
            object,
            checksum,
        }
    }

    fn upload(at: u64, unrest: bool, choices: &mut Choices) -> Self {
        let size = size(choices);
        let bytes = noise(size, choices.below(1 << 32));
        let length = match choices.below(5) {
            4 => Length::Unknown { equal_parts: true },
            2 | 3 => Length::Unknown { equal_parts: false },
            _ => Length::Known(size),
        };
        let algorithm = choices.pick(&[
            Algorithm::Crc64Nvme,
            Algorithm::Crc64Nvme,
            Algorithm::Crc64Nvme,
            Algorithm::Crc32,
            Algorithm::Crc32c,
            Algorithm::Crc64Nvme,
            Algorithm::Sha256,
            Algorithm::Md5,
        ]);
        let mut spec = Upload {
            part_size: NonZeroU64::new(part_size(size, choices)),
            checksum: algorithm,
            ..Upload::new(bucket(), key(at), length)
        };
        spec.options.if_none_match = choices.one_in(4);
        if choices.one_in(5) {
            spec.confirm = Confirm::Never;
        }
        let changing = unrest && matches!(length, Length::Known(_)) && choices.one_in(8);
        let source = if changing {
            let other = noise(choices.below(size + 100), choices.below(1 << 32));
            let reads = u32::try_from(choices.below(20)).unwrap_or(0);
            Source::changing(bytes.clone(), other, reads)
        } else {
            Source::new(bytes.clone())
        };
        // The same bytes, other bytes of the same length, or of another one.
        let before = match choices.below(6) {
            5 => Some(bytes.clone()),
            3 | 4 => Some(noise(size, choices.below(1 << 32))),
            2 => Some(noise(self::size(choices), choices.below(1 << 32))),
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

    /// An upload whose bytes are not known yet.
    pub(super) fn fed(at: u64, choices: &mut Choices) -> Self {
        let length = Length::Unknown { equal_parts: false };
        let size = size(choices);
        let spec = Upload {
            part_size: NonZeroU64::new(part_size(size, choices)),
            ..Upload::new(bucket(), key(at), length)
        };
        Self::Upload {
            spec: Box::new(spec),
            source: Source::default(),
            bytes: Bytes::new(),
            changing: false,
            before: None,
        }
    }

    /// One to three parts of 64 bytes, the last one shorter.
    pub(super) fn small(subject: Subject, choices: &mut Choices) -> Self {
        let size = 64 * (3 - choices.below(3)) - 1;
        let bytes = noise(size, 1);
        let part_size = NonZeroU64::new(64);
        let length = match subject {
            Subject::Download | Subject::InOrder => {
                let order = match subject {
                    Subject::InOrder => Order::InOrder,
                    _ => Order::Random,
                };
                return Self::Download {
                    spec: Download {
                        order,
                        part_size,
                        ..Download::new(bucket(), key(0))
                    },
                    sink: sink(order),
                    object: Some(bytes),
                    checksum: model::Algorithm::Crc64Nvme,
                };
            }
            Subject::Upload => Length::Known(size),
            Subject::Pull => Length::Unknown { equal_parts: true },
        };
        Self::Upload {
            spec: Box::new(Upload {
                part_size,
                ..Upload::new(bucket(), key(0), length)
            }),
            source: Source::new(bytes.clone()),
            bytes,
            changing: false,
            before: None,
        }
    }

    /// Makes a download one whose bytes can feed another transfer; false where it is none.
    pub(super) fn becomes_in_order(&mut self) -> bool {
        let Self::Download { spec, sink, .. } = self else {
            return false;
        };
        spec.order = Order::InOrder;
        let fails_at = sink.fails_at;
        *sink = self::sink(Order::InOrder);
        sink.fails_at = fails_at;
        true
    }

    /// Bytes that it is to move.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Download { object, .. } => object.as_ref().map_or(0, Bytes::len) as u64,
            Self::Upload { bytes, .. } => bytes.len() as u64,
            Self::Look => 0,
        }
    }

    /// Whether its source changes while it is read.
    pub(super) const fn is_changing(&self) -> bool {
        matches!(self, Self::Upload { changing: true, .. })
    }

    /// Into how many pieces it is cut at most. What comes through a pipe has any length, and an
    /// object may be replaced by one of twice its size.
    pub(super) fn pieces(&self) -> u64 {
        let parts =
            |size: u64, part: Option<NonZeroU64>| part.map_or(1, |part| size.div_ceil(part.get()));
        match self {
            Self::Upload { spec, bytes, .. }
                if bytes.is_empty() && matches!(spec.length, Length::Unknown { .. }) =>
            {
                u64::from(LIMITS.max_parts)
            }
            Self::Upload { spec, bytes, .. } => parts(bytes.len() as u64, spec.part_size),
            Self::Download { spec, object, .. } => {
                let size = object.as_ref().map_or(0, Bytes::len) as u64;
                parts(2 * size + 100, spec.part_size)
            }
            Self::Look => 0,
        }
    }
}

fn sink(order: Order) -> Sink {
    match order {
        Order::InOrder => Sink::in_order(),
        Order::Random => Sink::random(),
    }
}

/// The name of the object of a job.
pub(super) fn key(at: u64) -> ObjectKey {
    ObjectKey::new(name(at)).unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn name(at: u64) -> String {
    format!("k{at}")
}

pub(super) fn bucket() -> BucketName {
    BucketName::new("b").unwrap_or_else(|error| panic!("{error}"))
}

/// Some hundred bytes, mostly: what goes wrong does not depend on how many bytes there are.
fn size(choices: &mut Choices) -> u64 {
    match choices.below(32) {
        0 => 0,
        1 | 2 => 1 + choices.below(3),
        31 => 1 + choices.below(25_000),
        27..31 => 1 + choices.below(3_000),
        _ => 1 + choices.below(750),
    }
}

/// Some tens of parts at most; often a size that divides the whole.
fn part_size(size: u64, choices: &mut Choices) -> u64 {
    let parts = match choices.below(4) {
        0 => 1,
        3 => 1 + choices.below(24),
        _ => 1 + choices.below(6),
    };
    let part = if choices.one_in(3) {
        size / parts
    } else {
        size.div_ceil(parts) + choices.below(25)
    };
    part.clamp(LIMITS.min_part, LIMITS.max_part)
}
