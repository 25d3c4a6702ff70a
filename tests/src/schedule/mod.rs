//! What transfers cost: whole transfers in virtual time over a network that has latency, bandwidth
//! and faults, measured in requests, retries, seconds and bytes held.
//!
//! A [`Scenario`] says what is transferred over which network; [`run`] carries it out with a real
//! session and the model of S3, and gives a [`Report`]. The same scenario gives the same report on
//! every machine: time is counted in whole nanoseconds, bytes in integers, chance by a seed.
//!
//! Payload is **scaled**: one simulated byte stands for [`Scenario::scale`] real ones, in part
//! sizes, in S3's limits, in memory and on the network alike, so that 50 TB move as 50 MB. All
//! numbers of scenarios and reports are real bytes. The sizes that the core chooses by itself are
//! asked of a session that is not scaled.
//!
//! The network is a fluid: bodies share it fairly, and there is no slow start, no queue and no
//! loss of packets. So the numbers are not what a transfer would take in the world; they show what
//! the policies of the core make of a network, and how that changes when a policy does.

mod choice;
mod ends;
mod exchange;
mod link;
mod report;
mod server;
mod table;
mod world;

use std::num::NonZeroU16;
use std::time::Duration;

use sans3_core::pace::Concurrency;
use sans3_core::time::Instant;

pub use choice::part_size;
pub use link::Network;
pub use report::{Report, Trace, amount, bytes, seconds};
pub use table::Table;
pub use world::run;

/// One or more transfers, and the world that they take place in. Sizes are real bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What is transferred.
    pub job: Job,
    /// The size of each object.
    pub size: u64,
    /// How many objects, of which twice the concurrency are in the session at once.
    pub objects: u32,
    /// The size of ranges or parts; `None` leaves it to the core.
    pub part_size: Option<u64>,
    /// How many exchanges run at once.
    pub concurrency: Concurrency,
    /// The memory that the session may use.
    pub memory: u64,
    /// The units of its retry budget.
    pub retry_budget: u32,
    /// What lies between client and server.
    pub network: Network,
    /// The speed of the local end in bytes a second: of the consumer in order, or of the pull
    /// source. `None` is never waited for.
    pub local: Option<u64>,
    /// Of 10,000 exchanges, so many break off: in the middle of the body, or without an answer.
    pub loss: u32,
    /// Of 10,000 exchanges, so many have a body that moves at a tenth of the speed.
    pub slow: u32,
    /// Of 10,000 requests, so many are answered a minute late.
    pub stuck: u32,
    /// An overload of the server.
    pub storm: Option<Storm>,
    /// How many requests the server works on at once: with more of them under way, each waits longer
    /// in proportion.
    pub crowd: Option<u16>,
    /// When all connections break at once.
    pub reset: Option<Duration>,
    /// Real bytes for each simulated one.
    pub scale: u64,
    /// How often bytes on the way reach the local end. Exchanges tell the session that they live
    /// once a second, or once a tick if that is longer.
    pub tick: Duration,
    /// Where loss and jitter come from.
    pub seed: u64,
}

/// What is transferred, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// A download to random access.
    Get,
    /// The same of an object whose size a listing has told.
    GetListed,
    /// A download for a consumer that takes the bytes from first to last.
    GetInOrder,
    /// An upload of known length.
    Put,
    /// An upload of a pull source, whose length is not known.
    PutStream,
}

/// A time in which the server refuses all requests beyond some with 503 SlowDown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storm {
    /// When it begins, from the start.
    pub from: Duration,
    /// When it ends, from the start.
    pub to: Duration,
    /// Requests that are answered, in each second of it.
    pub requests_a_second: u32,
}

const SIXTEEN: Concurrency = Concurrency::Fixed(NonZeroU16::new(16).unwrap());

impl Scenario {
    /// One object over the defaults of a session: 16 exchanges, 256 MiB, 500 units; 30 ms to the
    /// server, 90 MB/s a connection and 10 Gbit/s in all; nothing fails.
    pub fn new(job: Job, size: u64) -> Self {
        Self {
            job,
            size,
            objects: 1,
            part_size: None,
            concurrency: SIXTEEN,
            memory: 256 << 20,
            retry_budget: 500,
            network: Network {
                latency: Duration::from_millis(30),
                per_connection: 90_000_000,
                total: 1_250_000_000,
            },
            local: None,
            loss: 0,
            slow: 0,
            stuck: 0,
            storm: None,
            crowd: None,
            reset: None,
            scale: 64 << 10,
            tick: match job {
                Job::GetInOrder => Duration::from_millis(20),
                _ => Duration::from_secs(1),
            },
            seed: 1,
        }
    }

    /// Real bytes as simulated ones: at least one, unless there are none.
    pub(crate) const fn scaled(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.scale)
    }

    /// The most bytes a second that this could move.
    pub(crate) fn fastest(&self) -> u64 {
        let connections =
            u64::from(self.concurrency.most().get()).saturating_mul(self.network.per_connection);
        self.network.total.min(connections)
    }
}

impl Storm {
    pub(crate) fn is_on(&self, now: Instant) -> bool {
        (self.from..self.to).contains(&now.since(Instant::ZERO))
    }
}
