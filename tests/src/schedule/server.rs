//! The server: the model, which counts the requests it takes while it is overloaded.

use bytes::Bytes;
use sans3_core::time::Instant;

use crate::drive::{EPOCH, Reply, Sent, ask};
use crate::model::digest::Algorithm;
use crate::model::{Limits, Model, ModelConfig, synthetic};

use super::{Scenario, Storm};

/// How finely the server counts: so many requests a second are a tenth of that in each slot.
const SLOTS_PER_SECOND: u64 = 10;

pub(super) const BUCKET: &str = "b";

pub(super) struct Server {
    model: Model,
    storm: Option<Storm>,
    slot: u64,
    taken: u64,
}

impl Server {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let real = Limits::default();
        let limits = Limits {
            min_part: scenario.scaled(real.min_part),
            max_part: scenario.scaled(real.max_part),
            max_put: scenario.scaled(real.max_put),
            max_object: scenario.scaled(real.max_object),
            ..real
        };
        let mut model = Model::new(ModelConfig {
            limits,
            ..ModelConfig::fast()
        });
        model.create_bucket(BUCKET);
        Self {
            model,
            storm: scenario.storm,
            slot: 0,
            taken: 0,
        }
    }

    /// Has an object of so many simulated bytes.
    pub(super) fn store(&mut self, key: &str, len: u64) {
        self.model.put_synthetic(BUCKET, key, len);
    }

    /// Whether a request that comes now is answered, rather than refused.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        let Some(storm) = self.storm.filter(|storm| storm.is_on(now)) else {
            return true;
        };
        let slot = now.as_nanos() / (1_000_000_000 / SLOTS_PER_SECOND);
        if slot != self.slot {
            (self.slot, self.taken) = (slot, 0);
        }
        let admitted = self.taken < u64::from(storm.requests_a_second) / SLOTS_PER_SECOND;
        self.taken += u64::from(admitted);
        admitted
    }

    pub(super) fn answer(&mut self, request: &Sent, now: Instant) -> Reply {
        let seconds = i64::try_from(now.as_nanos() / 1_000_000_000).unwrap_or(i64::MAX);
        self.model.set_time(EPOCH.offset(seconds).as_seconds());
        ask(&mut self.model, request)
    }

    /// Whether the object under `key` is the pattern of this length, and no upload of it was left
    /// behind but for those whose answer was lost.
    pub(super) fn has(&self, key: &str, len: u64, lost_creates: u32) -> bool {
        let expected = synthetic::checksum(Algorithm::Crc64Nvme, len).base64();
        let open = self.model.uploads().filter(|upload| upload.key == key);
        let open = u32::try_from(open.count());
        open.is_ok_and(|open| open <= lost_creates)
            && self.model.object(BUCKET, key).is_some_and(|object| {
                let checksum = object.checksum.as_ref().map(|sum| sum.text());
                object.data.len() == len && checksum.as_deref() == Some(expected.as_str())
            })
    }
}

/// The refusal of an overloaded server.
pub(super) fn slow_down(early: bool) -> Reply {
    const BODY: &str = "<Error><Code>SlowDown</Code>\
        <Message>Please reduce your request rate.</Message></Error>";
    let headers = [("content-type", "application/xml")];
    let mut reply = Reply::new(503, &headers, Bytes::from_static(BODY.as_bytes()));
    reply.early = early;
    reply
}
