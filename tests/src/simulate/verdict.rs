//! What must hold at the end of a run.

use std::num::NonZeroU64;
use std::time::Duration;

use sans3_core::error::{Cause, TransferError};
use sans3_core::etag::ETag;
use sans3_core::time::Instant;
use sans3_core::transfer::{Downloaded, Order, Uploaded, Verified};

use super::choices::index;
use super::driver::{Finished, Simulation};
use super::invariant::Invariant;
use super::job::{Job, name};
use super::reference;
use super::scenario::Tags;
use crate::model::{Model, Object};

/// How long a run may take when nothing goes wrong any more: leases and backoffs that are under
/// way end within minutes, and every exchange within seconds.
const PATIENCE: Duration = Duration::from_secs(2 * 3_600);

/// The tag that a fault sets in place of the object's.
const FOREIGN_TAG: &str = "\"00000000000000000000000000000bad\"";

impl Simulation<'_> {
    /// Judges all results; returns how many transfers succeeded and failed.
    pub(super) fn judge(&mut self) -> (u32, u32) {
        let faults_until = self.scenario.faults.until;
        let quiet = if faults_until == Duration::MAX {
            Duration::ZERO
        } else {
            faults_until
        };
        let took = self.now.since(Instant::ZERO);
        let endless = faults_until == Duration::MAX && !self.scenario.is_calm();
        Invariant::Ends.holds(endless || took <= quiet + PATIENCE, || {
            format!("{took:?}, with nothing going wrong after {quiet:?}")
        });
        self.let_ghosts_pass();
        let (mut reported, mut lost) = (Vec::new(), 0);
        let (mut succeeded, mut failed) = (0, 0);
        for at in 0..self.scenario.jobs.len() {
            if !self.results.contains_key(&at) {
                self.take(self.taken[&at].id());
            }
            self.compare_with_reference(at);
            let error = match &self.results[&at] {
                Finished::Download(result) => self.judge_download(at, result),
                Finished::Upload(result) => {
                    let (leftover, creates) = match result {
                        Ok(made) => (&made.leftover, made.lost_creates),
                        Err(error) => (&error.leftover, error.lost_creates),
                    };
                    lost += creates;
                    reported.extend(leftover.clone());
                    self.judge_upload(at, result)
                }
                Finished::Look(result) => result.as_ref().err(),
            };
            match error {
                None => succeeded += 1,
                Some(error) => {
                    failed += 1;
                    self.judge_error(at, error);
                }
            }
        }
        let reserved = self.session.memory_reserved();
        Invariant::Memory.holds(reserved == 0, || {
            format!("{reserved} bytes are not given back")
        });
        let left: Vec<&str> = self
            .world
            .model
            .uploads()
            .map(|upload| upload.id.as_str())
            .filter(|id| reported.iter().all(|told| told.as_str() != *id))
            .collect();
        Invariant::Uploads.holds(left.len() <= index(u64::from(lost)), || {
            format!("{left:?} are left behind untold; {lost} are told to be lost")
        });
        (succeeded, failed)
    }

    fn judge_download<'a>(
        &self,
        at: usize,
        result: &'a Result<Downloaded, TransferError>,
    ) -> Option<&'a TransferError> {
        let Job::Download { spec, .. } = &self.scenario.jobs[at] else {
            unreachable!("a download's result belongs to a download");
        };
        let sink = &self.sinks[&self.taken[&at].id()];
        let in_order = spec.order == Order::InOrder;
        Invariant::Once.holds(!in_order || !sink.wrote_twice(), || {
            "bytes came twice to an in-order sink".into()
        });
        let found = match result {
            Ok(found) => found,
            Err(error) => return Some(error),
        };
        let (key, size) = (name(at as u64), index(found.size));
        // A target for random access is cut to size by the adapter.
        let bytes = sink.bytes.get(..size);
        let whole = bytes.is_some() && (!in_order || sink.bytes.len() == size);
        Invariant::ExactBytes.holds(whole, || {
            format!("{key} is {} bytes instead of {size}", sink.bytes.len())
        });
        Invariant::Tiles.holds(sink.covers(found.size), || {
            format!("{key} has holes at a success")
        });
        let versions = self.world.model.versions("b", &key);
        let same = versions
            .iter()
            .any(|version| is_of(version, bytes.unwrap_or_default(), found));
        let excused = found.verified == Verified::Length && self.world.flipped.contains(&key);
        Invariant::ExactBytes.holds(same || excused, || {
            format!(
                "{key}: success with bytes of no version, {:?}",
                found.verified
            )
        });
        if let Some(wanted) = &spec.if_match {
            Invariant::ExactBytes.holds(found.etag.as_ref() == Some(wanted), || {
                format!("{key}: another version than was asked for")
            });
        }
        None
    }

    fn judge_upload<'a>(
        &self,
        at: usize,
        result: &'a Result<Uploaded, TransferError>,
    ) -> Option<&'a TransferError> {
        let Job::Upload {
            bytes, changing, ..
        } = &self.scenario.jobs[at]
        else {
            unreachable!("an upload's result belongs to an upload");
        };
        let made = match result {
            Ok(made) => made,
            Err(error) => return Some(error),
        };
        let key = name(at as u64);
        let stored = self.world.model.object("b", &key);
        let same = stored.is_some_and(|object| is_same(object, bytes));
        let unproved = matches!(made.verified, Verified::Length | Verified::Acknowledged);
        let excused = *changing || (unproved && self.world.damaged.contains(&key));
        Invariant::ExactBytes.holds(same || excused, || {
            format!(
                "{key}: success, {:?}, and other bytes are stored",
                made.verified
            )
        });
        Invariant::ExactBytes.holds(made.size == bytes.len() as u64 || *changing, || {
            format!("{key}: {} bytes instead of {}", made.size, bytes.len())
        });
        None
    }

    fn judge_error(&self, at: usize, error: &TransferError) {
        let root = error.root();
        Invariant::Blame.holds(!matches!(root, Cause::Bug(_) | Cause::Misuse(_)), || {
            format!("job {at}: {error}")
        });
        let expected = match &self.scenario.jobs[at] {
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
        Invariant::Blame.holds(!self.scenario.is_calm() || expected, || {
            format!("job {at} fails although a client can get over what went wrong: {error}")
        });
    }

    /// Where nothing goes wrong but what a client can get over, results are those of one that is
    /// never disturbed.
    fn compare_with_reference(&mut self, at: usize) {
        // A part of them is enough.
        let skipped = self.scenario.seed % 4 != 1 || self.scenario.piped;
        if skipped || !self.scenario.is_calm() || self.scenario.server.signed {
            return;
        }
        let key = name(at as u64);
        match (&self.scenario.jobs[at], &self.results[&at]) {
            (Job::Download { spec, .. }, Finished::Download(result)) => {
                let strong = self.scenario.server.tags == Tags::Strong;
                if spec.if_match.is_some() && !strong {
                    return;
                }
                let tag = spec.if_match.as_ref().map(ETag::as_str);
                let expected = reference::download(&mut self.world.model, &key, tag);
                let sink = &self.sinks[&self.taken[&at].id()];
                let seen = result.as_ref().map(|_| &sink.bytes);
                Invariant::Blame.holds(seen.ok() == expected.as_ref().ok(), || {
                    format!(
                        "{key}: {:?}, where a plain client has {:?} bytes",
                        result.as_ref().map(|found| found.size),
                        expected.as_ref().map(Vec::len)
                    )
                });
            }
            (
                Job::Upload {
                    spec,
                    bytes,
                    before,
                    ..
                },
                Finished::Upload(Ok(_)),
            ) => {
                let mut model = Model::new(self.scenario.server.model());
                model.create_bucket("b");
                if let Some(before) = before {
                    model.put("b", &key, before.clone());
                }
                let plain = reference::Upload {
                    key: &key,
                    bytes,
                    part_size: spec.part_size.map_or(u64::MAX, NonZeroU64::get),
                    is_new: spec.options.if_none_match,
                };
                let expected = reference::upload(&mut model, &plain);
                let same = expected.as_ref().is_ok_and(|object| {
                    let stored = self.world.model.object("b", &key);
                    stored.is_some_and(|stored| is_same(stored, &object.data.to_vec()))
                });
                Invariant::Blame.holds(same, || {
                    format!("{key}: stored, where a plain client has {expected:?}")
                });
            }
            _ => {}
        }
    }
}

/// Whether these are the bytes and the tag of `version`.
fn is_of(version: &Object, bytes: &[u8], found: &Downloaded) -> bool {
    let tag = |etag: &ETag| {
        !etag.is_strong() || etag.as_str() == version.etag || etag.as_str() == FOREIGN_TAG
    };
    is_same(version, bytes) && found.etag.as_ref().is_none_or(tag)
}

fn is_same(object: &Object, bytes: &[u8]) -> bool {
    let len = object.data.len();
    let mut rest = bytes;
    len == bytes.len() as u64
        && object.data.slices(0..len).iter().all(|slice| {
            let same = rest.starts_with(slice);
            rest = rest.get(slice.len()..).unwrap_or_default();
            same
        })
}
