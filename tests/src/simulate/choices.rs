//! Where the decisions of a run come from: a seed, a fuzzer's bytes, or a list.

use arbitrary::Unstructured;
use bytes::Bytes;
use sans3_core::rng::Rng;

/// A source of decisions. Everything that a run leaves open is asked of it, in a fixed order, so
/// that the answers alone make up the run.
///
/// 0 is always the plainest answer: no fault, no delay, the smallest number. A run whose answers
/// are all 0 is one plain download, which is what makes shrinking work.
#[derive(Clone, Debug)]
pub struct Choices {
    source: Source,
    /// What was asked and answered, where that is kept.
    taken: Option<Vec<Choice>>,
}

/// One decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What was chosen.
    pub value: u64,
    /// How many possibilities there were.
    pub of: u64,
}

#[derive(Clone, Debug)]
enum Source {
    Seed(Rng),
    Bytes { bytes: Vec<u8>, at: usize },
    List { values: Vec<u64>, at: usize },
}

impl Choices {
    /// All follow from `seed`.
    pub const fn seeded(seed: u64) -> Self {
        Self::of(Source::Seed(Rng::new(seed)))
    }

    /// All are read from a fuzzer's bytes; 0 behind their end.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self::of(Source::Bytes {
            bytes: bytes.to_vec(),
            at: 0,
        })
    }

    /// These; 0 behind their end. One that is out of bounds counts as the last possibility.
    pub const fn listed(values: Vec<u64>) -> Self {
        Self::of(Source::List { values, at: 0 })
    }

    const fn of(source: Source) -> Self {
        let taken = None;
        Self { source, taken }
    }

    /// Keeps what is chosen from now on.
    #[must_use]
    pub fn recorded(mut self) -> Self {
        self.taken = Some(Vec::new());
        self
    }

    /// What was chosen since it is kept.
    pub fn into_taken(self) -> Vec<Choice> {
        self.taken.unwrap_or_default()
    }

    /// A number below `of`; 0 where nothing is.
    pub fn below(&mut self, of: u64) -> u64 {
        if of <= 1 {
            return 0;
        }
        let value = match &mut self.source {
            Source::Seed(rng) => rng.below(of),
            Source::Bytes { bytes, at } => {
                let rest = bytes.get(*at..).unwrap_or_default();
                let mut rest = Unstructured::new(rest);
                let value = rest.int_in_range(0..=of - 1).unwrap_or(0);
                *at = bytes.len() - rest.len();
                value
            }
            Source::List { values, at } => {
                let value = values.get(*at).map_or(0, |value| (*value).min(of - 1));
                *at += 1;
                value
            }
        };
        if let Some(taken) = &mut self.taken {
            taken.push(Choice { value, of });
        }
        value
    }

    /// True once in so many times.
    pub fn one_in(&mut self, of: u64) -> bool {
        self.below(of) + 1 == of
    }

    /// True for so many of 1,000.
    pub fn per_mille(&mut self, share: u64) -> bool {
        share > 0 && self.below(1_000) + share >= 1_000
    }

    /// One of these.
    pub fn pick<T: Copy, const N: usize>(&mut self, from: &[T; N]) -> T {
        from[index(self.below(N as u64))]
    }
}

/// A count as an index.
pub(super) fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Bytes without a pattern that a shift could hide.
pub(super) fn noise(len: u64, seed: u64) -> Bytes {
    let mut rng = Rng::new(seed);
    let mut bytes = vec![0; index(len)];
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = rng.next_u64().to_le_bytes();
    }
    let last = rng.next_u64().to_le_bytes();
    rest.copy_from_slice(&last[..rest.len()]);
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_can_be_listed_again() {
        let ask = |choices: &mut Choices| -> Vec<u64> {
            (1..200).map(|of| choices.below(of * of)).collect()
        };
        let mut first = Choices::seeded(7).recorded();
        let seen = ask(&mut first);
        let taken = first.into_taken();
        assert!(taken.iter().all(|choice| choice.value < choice.of));
        let values = taken.iter().map(|choice| choice.value).collect();
        assert_eq!(ask(&mut Choices::listed(values)), seen);
    }

    #[test]
    fn behind_the_end_all_is_plain() {
        let empty: [Choices; 2] = [Choices::from_bytes(&[]), Choices::listed(Vec::new())];
        for mut choices in empty {
            assert_eq!(choices.below(9), 0);
            assert!(!choices.one_in(2) && !choices.per_mille(999));
            assert_eq!(choices.pick(&["plain", "strange"]), "plain");
        }
    }

    #[test]
    fn bytes_reach_every_value() {
        let seen: std::collections::BTreeSet<u64> = (0..=255)
            .map(|byte| Choices::from_bytes(&[byte]).below(11))
            .collect();
        assert_eq!(seen.len(), 11);
    }
}
