//! Transfers: how they begin, what they hold, and what came of them.

use std::num::NonZeroU64;
use std::time::Duration;

use sans3_core::attempt::TransferId;
use sans3_core::checksum::Algorithm;
use sans3_core::session::{Handle, SessionConfig};
use sans3_core::transfer::{Download, Length, Order, Upload, Verified};

use super::{Local, Timer, World};
use crate::drive::config;
use crate::schedule::choice::names;
use crate::schedule::ends::{Intake, Supply};
use crate::schedule::link::NANO;
use crate::schedule::{Job, Scenario};

/// What the result of a transfer is taken with.
pub(super) enum Receipt {
    Download(Handle<Download>),
    Upload(Handle<Upload>),
}

impl World<'_> {
    /// Inserts the next transfer, if there is one left.
    pub(super) fn insert(&mut self) {
        if self.inserted == self.scenario.objects {
            return;
        }
        let key = format!("k{}", self.inserted);
        self.inserted += 1;
        let (bucket, object) = names(&key);
        let size = self.scenario.scaled(self.scenario.size);
        let part_size = NonZeroU64::new(self.scenario.scaled(self.part_size));
        let upload = |length| Upload {
            part_size,
            ..Upload::new(bucket.clone(), object.clone(), length)
        };
        let (id, receipt) = match self.scenario.job {
            job @ (Job::Get | Job::GetListed | Job::GetInOrder) => {
                self.server.store(&key, size);
                let download = Download {
                    part_size,
                    order: match job {
                        Job::GetInOrder => Order::InOrder,
                        _ => Order::Random,
                    },
                    size_hint: (job == Job::GetListed).then_some(size),
                    ..Download::new(bucket, object)
                };
                let handle = self.session.insert(download, self.now);
                (handle.id(), Receipt::Download(handle))
            }
            Job::Put => {
                let handle = self.session.insert(upload(Length::Known(size)), self.now);
                (handle.id(), Receipt::Upload(handle))
            }
            Job::PutStream => {
                let length = Length::Unknown { equal_parts: false };
                let handle = self.session.insert(upload(length), self.now);
                (handle.id(), Receipt::Upload(handle))
            }
        };
        match self.scenario.job {
            Job::GetInOrder => {
                let intake = Intake::new(self.scenario.local);
                self.locals.insert(id, Local::Intake(intake));
            }
            Job::PutStream => {
                self.locals.insert(id, Local::Supply(Supply::default()));
            }
            Job::Get | Job::GetListed | Job::Put => {}
        }
        self.receipts.insert(id, (key, receipt));
    }

    /// Takes the result of a transfer, and checks what a success claims.
    pub(super) fn take(&mut self, id: TransferId) {
        let Some((key, receipt)) = self.receipts.remove(&id) else {
            panic!("a transfer ended that was not begun, or twice");
        };
        if let Some(Local::Intake(intake)) = self.locals.remove(&id) {
            self.consumed = self.consumed.max(self.now + intake.rest());
        }
        let size = self.scenario.scaled(self.scenario.size);
        let result = match receipt {
            Receipt::Download(handle) => self.session.take(handle).map(|found| {
                assert_eq!(found.size, size);
                assert_eq!(found.verified, Verified::FullObject(Algorithm::Crc64Nvme));
            }),
            Receipt::Upload(handle) => self.session.take(handle).map(|made| {
                assert_eq!((made.size, made.leftover), (size, None));
                assert_eq!(made.verified, Verified::FullObject(Algorithm::Crc64Nvme));
                let stored = self.server.has(&key, size, made.lost_creates);
                assert!(stored, "an upload that is not what was sent");
            }),
        };
        self.tally.ended(result.map_err(|error| error.cause));
        self.insert();
    }

    pub(super) fn fill(&mut self, transfer: TransferId, offset: u64, len: u64) {
        let size = self.scenario.scaled(self.scenario.size);
        let up_to = offset.saturating_add(len).min(size);
        if let Some(Local::Supply(supply)) = self.locals.get_mut(&transfer) {
            supply.fill(offset, len * self.scenario.scale);
        }
        self.note_held();
        let nanos = u128::from((up_to - offset) * self.scenario.scale) * NANO;
        let nanos = self
            .scenario
            .local
            .map_or(0, |speed| nanos.div_ceil(speed.into()));
        let delay = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let end = up_to == size;
        self.after(
            delay,
            Timer::Supplied {
                transfer,
                up_to,
                end,
            },
        );
    }

    /// Counts what local ends hold, and checks it against the memory.
    pub(super) fn note_held(&mut self) {
        let held = self.locals.values().map(|local| match local {
            Local::Intake(intake) => intake.held(),
            Local::Supply(supply) => supply.held(),
        });
        let held = held.sum();
        self.tally.held(held);
        let config = self.session.config();
        let buffers = u64::from(config.slots()) * config.exchange_memory;
        // One part of each transfer is let in beyond the memory.
        let parts = self.largest_part() * self.locals.len() as u64;
        let bound = config.memory.saturating_sub(buffers) * self.scenario.scale + parts;
        assert!(held <= bound, "{held} bytes are held, of {bound} at most");
    }

    /// In real bytes: the parts of a pull source grow to half of the memory.
    fn largest_part(&self) -> u64 {
        match self.scenario.job {
            Job::PutStream => self.part_size.max(self.scenario.memory / 2),
            _ => self.part_size,
        }
    }
}

/// The configuration of a session over simulated bytes.
pub(super) fn scaled_config(scenario: &Scenario) -> SessionConfig {
    let mut config = config();
    config.concurrency = scenario.concurrency;
    config.memory = scenario.scaled(scenario.memory);
    config.exchange_memory = scenario.scaled(config.exchange_memory);
    config.retry_budget = scenario.retry_budget;
    config.timeouts.least_bytes = scenario.scaled(config.timeouts.least_bytes);
    let limits = &mut config.limits;
    limits.min_part = scenario.scaled(limits.min_part);
    limits.max_part = scenario.scaled(limits.max_part);
    limits.max_object = scenario.scaled(limits.max_object);
    limits.max_put = scenario.scaled(limits.max_put);
    config
}
