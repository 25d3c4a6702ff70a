//! What must hold during a run, and at its end.

use std::collections::{BTreeMap, BTreeSet};

use sans3_core::attempt::{Attempt, AttemptId, Outcome, TransferId};
use sans3_core::error::{Cause, TransferError};
use sans3_core::session::Session;
use sans3_core::time::Instant;
use sans3_core::transfer::{Downloaded, Length, Order, Uploaded, Verified};

use super::plan::{Job, name};
use super::{Finished, Flight, Soak, Summary};
use crate::drive::{Sink, Source};

/// What is kept of a run to check it by.
#[derive(Default)]
pub(super) struct Watch {
    attempts: BTreeMap<TransferId, u64>,
    /// The most attempts that each transfer may need.
    bounds: BTreeMap<TransferId, u64>,
    bytes: BTreeMap<TransferId, u64>,
    filled: BTreeMap<TransferId, u64>,
    /// Bytes of pull sources that the server has.
    stored: BTreeMap<TransferId, BTreeSet<(u64, u64)>>,
    ended: BTreeSet<TransferId>,
    /// Exchanges under way at the last look.
    flights: usize,
}

impl Watch {
    pub(super) fn inserted(&mut self, id: TransferId, job: &Job) {
        // What comes through a pipe has any length.
        let pieces = match job {
            Job::Upload { spec, bytes, .. }
                if bytes.is_empty() && matches!(spec.length, Length::Unknown { .. }) =>
            {
                60
            }
            Job::Download { spec, object, .. } => {
                let size = object.as_ref().map_or(0, Vec::len) as u64;
                // It may be replaced by one of twice its size.
                spec.part_size
                    .map_or(1, |part| (2 * size + 100).div_ceil(part.get()))
            }
            Job::Upload { spec, bytes, .. } => spec
                .part_size
                .map_or(1, |part| (bytes.len() as u64).div_ceil(part.get())),
            Job::Look => 0,
        };
        self.bounds.insert(id, 31 * (pieces + 4) + 40);
    }

    pub(super) fn started(&mut self, attempt: &Attempt) {
        let transfer = attempt.id().transfer();
        let count = self.attempts.entry(transfer).or_default();
        *count += 1;
        assert!(
            *count <= self.bounds[&transfer],
            "{count} attempts of {transfer:?} and no end"
        );
    }

    pub(super) fn filled(&mut self, transfer: TransferId, up_to: u64) {
        self.filled.insert(transfer, up_to);
    }

    pub(super) fn stored(&mut self, outcome: &Outcome) {
        if let Some((offset, len)) = outcome.stored() {
            let stored = self.stored.entry(outcome.id().transfer()).or_default();
            stored.insert((offset, len));
        }
    }

    pub(super) fn ended(&mut self, id: TransferId, flights: &BTreeMap<AttemptId, Flight>) {
        let flying = flights.keys().any(|flight| flight.transfer() == id);
        assert!(!flying, "{id:?} ended with exchanges under way");
        assert!(self.ended.insert(id), "{id:?} ended twice");
    }

    /// A concurrency that was lowered holds for exchanges that begin after it.
    pub(super) fn after_step(&mut self, session: &Session, flights: usize) {
        let slots = usize::from(session.config().slots());
        assert!(
            flights <= slots.max(self.flights),
            "{flights} exchanges in {slots} slots"
        );
        self.flights = flights;
    }

    /// Bounds on memory, and progress that never falls.
    pub(super) fn memory(
        &mut self,
        session: &Session,
        sinks: &BTreeMap<TransferId, Sink>,
        sources: &BTreeMap<TransferId, Source>,
        now: Instant,
    ) {
        let running = |id: &TransferId| !self.ended.contains(id);
        let waiting: u64 = sinks
            .iter()
            .filter(|(id, _)| running(id))
            .map(|(_, sink)| sink.waiting())
            .sum();
        let mut held = 0;
        for (id, up_to) in self.filled.iter().filter(|(id, _)| running(id)) {
            let stored: u64 = self
                .stored
                .get(id)
                .map_or(0, |s| s.iter().map(|(_, len)| len).sum());
            held += up_to.saturating_sub(stored);
        }
        let config = session.config();
        // One part of each pull source is let in beyond the bound.
        let exempt = config.largest_buffered_part().max(16 << 10) * sources.len() as u64;
        assert!(
            waiting <= config.memory,
            "{waiting} bytes wait for their turn in a memory of {}",
            config.memory
        );
        assert!(
            waiting + held <= config.memory + exempt,
            "{held} bytes of sources and {waiting} of downloads in {} of memory",
            config.memory
        );
        for id in sinks.keys().chain(sources.keys()) {
            let Some(progress) = session.progress(*id, now) else {
                continue;
            };
            let before = self.bytes.insert(*id, progress.bytes).unwrap_or(0);
            assert!(
                progress.bytes >= before,
                "progress falls from {before} to {}",
                progress.bytes
            );
            let total = progress.total.unwrap_or(u64::MAX);
            assert!(
                progress.bytes <= total.max(before),
                "{} of {total} bytes",
                progress.bytes
            );
            let parts = progress.parts_total.unwrap_or(u32::MAX);
            assert!(
                progress.parts <= parts,
                "{} of {parts} parts",
                progress.parts
            );
        }
    }
}

impl Soak {
    pub(super) fn finale(&mut self) -> Summary {
        let mut reported = Vec::new();
        let mut lost = 0;
        let (mut succeeded, mut failed) = (0, 0);
        for at in 0..self.plan.jobs.len() {
            if !self.results.contains_key(&at) {
                self.take(self.taken[&at].id());
            }
            let result = &self.results[&at];
            let error = match result {
                Finished::Download(result) => self.check_download(at, result),
                Finished::Upload(result) => {
                    lost += result
                        .as_ref()
                        .map_or_else(|error| error.lost_creates, |made| made.lost_creates);
                    let leftover = match result {
                        Ok(made) => &made.leftover,
                        Err(error) => &error.leftover,
                    };
                    reported.extend(leftover.clone());
                    self.check_upload(at, result)
                }
                Finished::Look(result) => result.as_ref().err(),
            };
            match error {
                None => succeeded += 1,
                Some(error) => {
                    failed += 1;
                    self.check_error(at, error);
                }
            }
        }
        let account = format!("{:?}", self.session);
        assert!(account.contains("used: 0 }"), "memory is not given back");
        let left: Vec<&str> = self
            .world
            .model
            .uploads()
            .map(|upload| upload.id.as_str())
            .filter(|id| reported.iter().all(|told| told.as_str() != *id))
            .collect();
        assert!(
            left.len() <= lost as usize,
            "uploads are left behind untold: {left:?}; {lost} are told to be lost"
        );
        Summary {
            requests: std::mem::take(&mut self.requests),
            succeeded,
            failed,
        }
    }

    fn check_download<'a>(
        &self,
        at: usize,
        result: &'a Result<Downloaded, TransferError>,
    ) -> Option<&'a TransferError> {
        let Job::Download { spec, .. } = &self.plan.jobs[at] else {
            panic!("the result of another job");
        };
        let sink = &self.sinks[&self.taken[&at].id()];
        if spec.order == Order::InOrder {
            assert!(!sink.wrote_twice(), "bytes came twice to an in-order sink");
        }
        let found = match result {
            Ok(found) => found,
            Err(error) => return Some(error),
        };
        let key = name(at as u64);
        let size = usize::try_from(found.size).unwrap_or(usize::MAX);
        if spec.order == Order::InOrder {
            assert_eq!(sink.bytes.len(), size, "{key} has another size");
        }
        // A target for random access is cut to size by the adapter.
        let bytes = sink.bytes.get(..size).unwrap_or_else(|| {
            panic!("{key} is {} bytes instead of {size}", sink.bytes.len());
        });
        let versions = self.world.model.versions("b", &key);
        let same = versions.iter().any(|version| {
            version.data.to_vec() == bytes
                && found.etag.as_ref().is_none_or(|etag| {
                    !etag.is_strong()
                        || etag.as_str() == version.etag
                        || etag.as_str() == "\"00000000000000000000000000000bad\""
                })
        });
        let excused = found.verified == Verified::Length && self.world.flipped.contains(&key);
        assert!(same || excused, "{key}: success with bytes of no version");
        if let Some(wanted) = &spec.if_match {
            let right = found.etag.as_ref() == Some(wanted);
            assert!(right, "{key}: success with another version than asked for");
        }
        None
    }

    fn check_upload<'a>(
        &self,
        at: usize,
        result: &'a Result<Uploaded, TransferError>,
    ) -> Option<&'a TransferError> {
        let Job::Upload {
            bytes, changing, ..
        } = &self.plan.jobs[at]
        else {
            panic!("the result of another job");
        };
        let made = match result {
            Ok(made) => made,
            Err(error) => return Some(error),
        };
        let key = name(at as u64);
        let stored = self.world.model.object("b", &key);
        let stored = stored.map(|object| object.data.to_vec());
        let excused = *changing
            || (self.world.damaged.contains(&key)
                && matches!(made.verified, Verified::Length | Verified::Acknowledged));
        assert!(
            stored.as_ref() == Some(bytes) || excused,
            "{key}: success, {:?}, and other bytes are stored",
            made.verified
        );
        assert!(
            made.size == bytes.len() as u64 || *changing,
            "{key}: a wrong size"
        );
        None
    }

    fn check_error(&self, at: usize, error: &TransferError) {
        let root = error.root();
        assert!(
            !matches!(root, Cause::Bug(_) | Cause::Misuse(_)),
            "job {at}: {error}"
        );
        let expected = match &self.plan.jobs[at] {
            Job::Download { spec, object, .. } => object.is_none() || spec.if_match.is_some(),
            // Without checksums and tags there may be no telling whose object it is.
            // A download that fails cancels the upload that it feeds.
            Job::Upload { spec, before, .. } => {
                matches!(
                    root,
                    Cause::Spec(_) | Cause::Ambiguous { .. } | Cause::Cancelled
                ) || spec.options.if_none_match && before.is_some()
            }
            Job::Look => true,
        };
        assert!(
            !self.plan.is_calm() || expected,
            "job {at} fails although nothing went wrong that a client can't get over: {error}"
        );
    }
}

impl Drop for Soak {
    /// Tells what led to a failure, where somebody replays it.
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("SANS3_SOAK_SEED").is_some() {
            eprintln!("seed {}:\n{}", self.seed, self.world.story.join("\n"));
        }
    }
}
