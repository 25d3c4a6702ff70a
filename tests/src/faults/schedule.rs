//! Which exchanges go wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::Fault;
use crate::model::Operation;
use crate::model::ids::{mix, split_mix};

/// What a schedule looks at: one request, before it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The operation.
    pub operation: Operation,
    /// The key; empty for operations on a bucket.
    pub key: String,
    /// The `Range` header, or the part number: what tells one piece of a transfer from another.
    pub piece: Option<String>,
    /// Bytes that the answer's body will have if all goes well; 0 for none.
    pub answer_len: u64,
}

/// A fault that was injected, for reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// The number of the request that it hit: 1 is the first that the schedule saw.
    pub request: u64,
    /// The request.
    pub hit: Hit,
    /// The fault.
    pub fault: Fault,
}

/// A fault for requests of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which operation; `None` for any.
    pub operation: Option<Operation>,
    /// Which key; `None` for any.
    pub key: Option<String>,
    /// The first request that is hit among those that the two fields above select: 1 is the first.
    pub from: u64,
    /// How many are hit, one after the other.
    pub times: u64,
    /// What happens.
    pub fault: Fault,
}

impl Rule {
    /// The `nth` request (1 is the first) of an operation.
    pub const fn nth(operation: Operation, nth: u64, fault: Fault) -> Self {
        Self {
            operation: Some(operation),
            key: None,
            from: nth,
            times: 1,
            fault,
        }
    }

    /// Every request of an operation.
    pub const fn every(operation: Operation, fault: Fault) -> Self {
        Self {
            operation: Some(operation),
            key: None,
            from: 1,
            times: u64::MAX,
            fault,
        }
    }

    /// The same rule for requests of one key.
    #[must_use]
    pub fn of_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    fn selects(&self, hit: &Hit) -> bool {
        self.operation
            .is_none_or(|operation| operation == hit.operation)
            && self.key.as_ref().is_none_or(|key| *key == hit.key)
    }
}

/// Faults by rules, by a seed, or both; and a record of those that were injected.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// Each rule with the number of requests that it has selected so far.
    rules: Vec<(Rule, u64)>,
    seeded: Option<Seeded>,
    requests: u64,
    injected: Vec<Injected>,
}

impl Schedule {
    /// No faults.
    pub fn none() -> Self {
        Self::default()
    }

    /// Faults by rules; where several hit the same request, the first wins.
    pub fn rules(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self {
            rules: rules.into_iter().map(|rule| (rule, 0)).collect(),
            ..Self::default()
        }
    }

    /// Faults by a seed.
    pub fn seeded(seeded: Seeded) -> Self {
        Self {
            seeded: Some(seeded),
            ..Self::default()
        }
    }

    /// Adds a rule, which counts requests from now on.
    pub fn push(&mut self, rule: Rule) {
        self.rules.push((rule, 0));
    }

    /// Decides about a request, and records the decision.
    pub fn pick(&mut self, hit: &Hit) -> Option<Fault> {
        self.requests += 1;
        let mut picked = None;
        for (rule, seen) in &mut self.rules {
            if rule.selects(hit) {
                *seen += 1;
                let nth = *seen >= rule.from && *seen - rule.from < rule.times;
                picked = picked.or_else(|| nth.then(|| rule.fault.clone()));
            }
        }
        if picked.is_none()
            && let Some(seeded) = &mut self.seeded
        {
            picked = seeded.pick(hit, self.requests, self.injected.len());
        }
        if let Some(fault) = &picked {
            self.injected.push(Injected {
                request: self.requests,
                hit: hit.clone(),
                fault: fault.clone(),
            });
        }
        picked
    }

    /// The faults so far, in order.
    pub fn injected(&self) -> &[Injected] {
        &self.injected
    }

    /// How many requests there were.
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// Of the kinds that the seeded schedule guarantees, those that have not occurred yet.
    pub fn outstanding(&self) -> Vec<&'static str> {
        let seeded = self.seeded.as_ref();
        seeded.map_or_else(Vec::new, |seeded| {
            seeded.due.iter().map(|(_, kind)| kind.name()).collect()
        })
    }
}

/// Faults by chance, from a seed: each of the six kinds 503, reset, truncated, stalled, wrong
/// range and wrong bytes at least once, and a share of all requests beyond that.
///
/// A kind that can't hit a request (a range that is wrong where none is asked) waits for the next
/// one that it can. Wrong bytes hit each key at most once: a client is right to give up when the
/// repair of a download is corrupted as well.
#[derive(Clone, Debug)]
pub struct Seeded {
    seed: u64,
    per_mille: u64,
    /// Kinds that are still to come, each with the number of the request from which it may.
    due: Vec<(u64, Kind)>,
    occurrences: BTreeMap<(Operation, String, Option<String>), u64>,
    corrupted: BTreeSet<String>,
}

impl Seeded {
    /// `per_mille` of all requests go wrong (20 is 2 %), and the six kinds come once each within
    /// the first `spread` requests that they can hit. Few requests mean a higher share.
    pub fn new(seed: u64, per_mille: u16, spread: u64) -> Self {
        let mut state = seed;
        let mut kinds = Kind::ALL;
        for at in (1..kinds.len()).rev() {
            let other = split_mix(&mut state) % (at as u64 + 1);
            kinds.swap(at, usize::try_from(other).unwrap_or(0));
        }
        let share = spread / kinds.len() as u64;
        let due = kinds
            .into_iter()
            .zip(0..)
            .map(|(kind, turn)| {
                let jitter = split_mix(&mut state) % share.max(1);
                (1 + turn * share + jitter, kind)
            })
            .collect();
        Self {
            seed,
            per_mille: u64::from(per_mille),
            due,
            occurrences: BTreeMap::new(),
            corrupted: BTreeSet::new(),
        }
    }

    fn pick(&mut self, hit: &Hit, request: u64, injected: usize) -> Option<Fault> {
        let identity = (hit.operation, hit.key.clone(), hit.piece.clone());
        let nth = self.occurrences.entry(identity).or_default();
        *nth += 1;
        // By what is asked and not by when, so that the order of arrival changes nothing.
        let dice = mix(self.seed ^ fingerprint(hit, *nth));
        let due = self
            .due
            .iter()
            .position(|(from, kind)| *from <= request && self.may_hit(*kind, hit));
        let kind = match due {
            Some(at) => self.due.remove(at).1,
            None => self.by_chance(hit, dice, request, injected)?,
        };
        if kind == Kind::WrongBytes {
            self.corrupted.insert(hit.key.clone());
        }
        Some(kind.fault(hit, mix(dice)))
    }

    /// The guaranteed faults come first, and count: chance stays silent until the share has room.
    fn by_chance(&self, hit: &Hit, dice: u64, request: u64, injected: usize) -> Option<Kind> {
        let room =
            (injected as u64).saturating_mul(1_000) <= request.saturating_mul(self.per_mille);
        if !self.due.is_empty() || !room || dice % 1_000 >= self.per_mille {
            return None;
        }
        let fitting: Vec<Kind> = Kind::ALL
            .into_iter()
            .filter(|kind| self.may_hit(*kind, hit))
            .collect();
        let choice = (dice / 1_000) % (fitting.len() as u64).max(1);
        fitting.get(usize::try_from(choice).unwrap_or(0)).copied()
    }

    fn may_hit(&self, kind: Kind, hit: &Hit) -> bool {
        let get = hit.operation == Operation::GetObject && hit.answer_len > 0;
        match kind {
            Kind::SlowDown | Kind::Reset | Kind::Stalled => true,
            Kind::Truncated => get || hit.operation == Operation::UploadPart,
            Kind::WrongRange => get && hit.piece.is_some(),
            Kind::WrongBytes => get && !self.corrupted.contains(&hit.key),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    SlowDown,
    Reset,
    Truncated,
    Stalled,
    WrongRange,
    WrongBytes,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::SlowDown,
        Self::Reset,
        Self::Truncated,
        Self::Stalled,
        Self::WrongRange,
        Self::WrongBytes,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::SlowDown => "503",
            Self::Reset => "reset",
            Self::Truncated => "truncated",
            Self::Stalled => "stalled",
            Self::WrongRange => "wrong range",
            Self::WrongBytes => "wrong bytes",
        }
    }

    fn fault(self, hit: &Hit, dice: u64) -> Fault {
        let has_body = hit.answer_len > 0;
        let after = dice % hit.answer_len.max(1);
        match self {
            Self::SlowDown => Fault::slow_down(),
            Self::Reset if has_body => Fault::ResetMidBody { after },
            Self::Reset => Fault::ResetBeforeHead,
            Self::Truncated if has_body => Fault::TruncateBody { after },
            Self::Truncated => Fault::DropAnswer,
            Self::Stalled if has_body => Fault::StallBody { after },
            Self::Stalled => Fault::StallHead,
            Self::WrongRange => Fault::WrongRange {
                shift: 1 + dice % 65_536,
            },
            Self::WrongBytes => Fault::FlipByte { at: after },
        }
    }
}

/// FNV-1a over what a request asks for, and which of its kind it is.
fn fingerprint(hit: &Hit, nth: u64) -> u64 {
    let piece = hit.piece.as_deref().unwrap_or_default();
    let texts = [hit.operation.name(), &hit.key, piece];
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325 ^ nth, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(piece: u64) -> Hit {
        Hit {
            operation: Operation::GetObject,
            key: "k".into(),
            piece: Some(format!("bytes={piece}-")),
            answer_len: 1_000,
        }
    }

    #[test]
    fn rules_hit_what_they_name() {
        let mut schedule = Schedule::rules([
            Rule::nth(Operation::GetObject, 2, Fault::DropAnswer).of_key("k"),
            Rule::every(Operation::PutObject, Fault::StallHead),
        ]);
        let other = Hit {
            key: "other".into(),
            ..get(0)
        };
        let picked = [get(0), other, get(0), get(0)].map(|hit| schedule.pick(&hit));
        assert_eq!(picked, [None, None, Some(Fault::DropAnswer), None]);
        assert_eq!(schedule.injected()[0].request, 3);
        assert_eq!(schedule.injected()[0].hit, get(0));
    }

    #[test]
    fn every_kind_comes_and_the_share_is_kept() {
        for seed in 0..50 {
            let mut schedule = Schedule::seeded(Seeded::new(seed, 20, 60));
            for piece in 0..60 {
                schedule.pick(&get(piece));
            }
            assert_eq!(schedule.outstanding(), Vec::<&str>::new(), "seed {seed}");
            for piece in 60..5_000 {
                schedule.pick(&get(piece));
            }
            let count = schedule.injected().len();
            assert!((70..=130).contains(&count), "seed {seed}: {count} of 5,000");
            let names: Vec<String> = schedule.injected().iter().map(|i| i.fault.name()).collect();
            let wrong = names.iter().filter(|name| *name == "wrong bytes").count();
            assert_eq!(wrong, 1, "seed {seed}");
        }
    }

    #[test]
    fn chance_does_not_depend_on_the_order_of_arrival() {
        let run = |pieces: &mut dyn Iterator<Item = u64>| {
            let mut seeded = Seeded::new(9, 20, 0);
            seeded.due.clear();
            let picked = pieces.map(|piece| (piece, seeded.pick(&get(piece), 1_000_000, 0)));
            picked
                .filter(|(_, fault)| fault.as_ref().is_some_and(|f| f.name() != "wrong bytes"))
                .map(|(piece, _)| piece)
                .collect::<BTreeSet<u64>>()
        };
        let forwards = run(&mut (0..2_000));
        let backwards = run(&mut (0..2_000).rev());
        let common = forwards.intersection(&backwards).count();
        assert!(common > 20 && common * 10 > forwards.len() * 8);
    }
}
