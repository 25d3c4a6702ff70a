use core::fmt;

use super::ByteRange;
use crate::checksum::Checksum;

/// The most entries that a log keeps: with some 60 bytes each it stays well below 1 MiB.
const MAX_ENTRIES: usize = 8_192;

/// The log of the finished, verified ranges of a download, in any order and without overlap.
///
/// It is bounded: beyond 8,192 entries, neighbours that touch are merged pairwise and their CRCs
/// combined, so that 50 TB in parts of 8 MiB need no more room than 64 GB do. Merging never loses
/// the proof of the whole object, only the finer grain of it.
///
/// The functions that need it take `combine`, the CRC of two pieces laid end to end: those of both,
/// and the length of the second; `None` for an algorithm that has no such thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segments {
    /// Sorted by start, no two overlapping.
    entries: Vec<Segment>,
    /// How many of the first entries cover the object from offset 0 without a gap.
    contiguous: usize,
    /// The bytes in all entries.
    covered: u64,
}

/// A finished range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its place in the object.
    pub range: ByteRange,
    /// The checksum of its bytes, where one was computed.
    pub checksum: Option<Checksum>,
}

/// Why a range was not taken into the log, which is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejected {
    /// Some of its bytes are there already: counting them twice would hide a gap elsewhere.
    Overlap,
    /// The log is full of ranges that don't touch. Whoever asks for the lowest missing ranges
    /// first, with a window of less than 4,096 of them, never gets here.
    Full,
}

impl Segments {
    /// An empty log.
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
            contiguous: 0,
            covered: 0,
        }
    }

    /// Takes a finished range and the checksum of its bytes. All checksums of a log should be of
    /// one algorithm, or nothing can be combined.
    ///
    /// # Errors
    /// See [`Rejected`].
    pub fn insert(
        &mut self,
        range: ByteRange,
        checksum: Option<Checksum>,
        combine: impl Fn(&Checksum, &Checksum, u64) -> Option<Checksum>,
    ) -> Result<(), Rejected> {
        if self.position(range).is_none() {
            return Err(Rejected::Overlap);
        }
        if self.entries.len() >= MAX_ENTRIES {
            self.merge_pairs(combine);
        }
        if self.entries.len() >= MAX_ENTRIES {
            return Err(Rejected::Full);
        }
        let at = self.position(range).ok_or(Rejected::Overlap)?;
        self.entries.insert(at, Segment { range, checksum });
        self.covered += range.len();
        self.extend_contiguous();
        Ok(())
    }

    /// Replaces the checksum of an entry by that of a second reading of the same bytes. Whether
    /// there is an entry of exactly this range; if not, nothing changes.
    pub fn replace(&mut self, range: ByteRange, checksum: Option<Checksum>) -> bool {
        let found = self.entries.iter_mut().find(|entry| entry.range == range);
        found.map(|entry| entry.checksum = checksum).is_some()
    }

    /// The finished ranges, from the lowest offset.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Segment> + ExactSizeIterator {
        self.entries.iter()
    }

    /// The number of bytes finished.
    pub const fn covered(&self) -> u64 {
        self.covered
    }

    /// The offset up to which nothing is missing.
    pub fn contiguous_until(&self) -> u64 {
        let last = self.contiguous.checked_sub(1);
        last.map_or(0, |last| self.entries[last].range.end())
    }

    /// The lowest bytes that are missing at or above `from` in an object of `total` bytes.
    pub fn next_gap(&self, from: u64, total: u64) -> Option<ByteRange> {
        // Everything before this point is there, so the search may begin behind it.
        let mut start = from.max(self.contiguous_until());
        let first = self
            .entries
            .partition_point(|entry| entry.range.end() <= start);
        for entry in &self.entries[first..] {
            if start < entry.range.start() {
                return ByteRange::new(start, entry.range.start().min(total));
            }
            start = entry.range.end();
        }
        ByteRange::new(start, total)
    }

    /// All that is missing of an object of `total` bytes, from the lowest offset.
    pub fn gaps(&self, total: u64) -> impl Iterator<Item = ByteRange> {
        let mut from = 0;
        core::iter::from_fn(move || {
            let gap = self.next_gap(from, total)?;
            from = gap.end();
            Some(gap)
        })
    }

    /// Whether every byte of an object of `total` bytes is there, and none beyond.
    pub fn is_complete(&self, total: u64) -> bool {
        self.contiguous == self.entries.len() && self.contiguous_until() == total
    }

    /// The checksum of a whole object of `total` bytes. `None` while bytes are missing, where an
    /// entry has no checksum or they can't be combined, and for an object of no bytes, whose
    /// checksum is known without reading it.
    pub fn combined(
        &self,
        total: u64,
        combine: impl Fn(&Checksum, &Checksum, u64) -> Option<Checksum>,
    ) -> Option<Checksum> {
        if !self.is_complete(total) {
            return None;
        }
        let (first, rest) = self.entries.split_first()?;
        rest.iter().try_fold(first.checksum?, |sum, entry| {
            combine(&sum, &entry.checksum?, entry.range.len())
        })
    }

    /// Where `range` belongs; `None` where it overlaps an entry.
    fn position(&self, range: ByteRange) -> Option<usize> {
        let at = self
            .entries
            .partition_point(|entry| entry.range.end() <= range.start());
        let next = self.entries.get(at);
        next.is_none_or(|entry| !entry.range.overlaps(range))
            .then_some(at)
    }

    fn extend_contiguous(&mut self) {
        let mut end = self.contiguous_until();
        while let Some(next) = self.entries.get(self.contiguous) {
            if next.range.start() != end {
                break;
            }
            end = next.range.end();
            self.contiguous += 1;
        }
    }

    /// One pass, in which an entry is merged at most once: halving keeps the cost of combining
    /// below one combination for each insertion.
    fn merge_pairs(&mut self, combine: impl Fn(&Checksum, &Checksum, u64) -> Option<Checksum>) {
        let mut merged: Vec<Segment> = Vec::with_capacity(MAX_ENTRIES);
        let mut open = false;
        for &entry in &self.entries {
            match merged.last_mut() {
                Some(last) if open && last.range.end() == entry.range.start() => {
                    last.absorb(entry, &combine);
                    open = false;
                }
                _ => {
                    merged.push(entry);
                    open = true;
                }
            }
        }
        self.entries = merged;
        self.contiguous = 0;
        self.extend_contiguous();
    }
}

impl Segment {
    /// Appends the entry that follows without a gap.
    fn absorb(
        &mut self,
        next: Self,
        combine: impl Fn(&Checksum, &Checksum, u64) -> Option<Checksum>,
    ) {
        let sums = self.checksum.zip(next.checksum);
        self.checksum = sums.and_then(|(a, b)| combine(&a, &b, next.range.len()));
        if let Some(joined) = ByteRange::new(self.range.start(), next.range.end()) {
            self.range = joined;
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overlap => "the range overlaps one that is finished already",
            Self::Full => "too many finished ranges with gaps between them",
        })
    }
}

impl core::error::Error for Rejected {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::{Algorithm, combine, of};
    use crate::rng::Rng;

    /// No checksums here: nothing to combine.
    fn none(_: &Checksum, _: &Checksum, _: u64) -> Option<Checksum> {
        None
    }

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange::new(start, end).unwrap()
    }

    /// Against one flag for each byte.
    #[test]
    fn the_log_agrees_with_a_naive_model() {
        const TOTAL: usize = 64;
        let mut rng = Rng::new(11);
        let mut below = |bound| usize::try_from(rng.below(bound)).unwrap();
        for _ in 0..60 {
            let mut log = Segments::new();
            let mut model = [false; TOTAL];
            while model.contains(&false) {
                let start = below(64);
                let end = (start + 1 + below(9)).min(TOTAL);
                let bytes = &mut model[start..end];
                let free = !bytes.contains(&true);
                if free {
                    bytes.fill(true);
                }
                let before = log.clone();
                let inserted = log.insert(range(start as u64, end as u64), None, none);
                if free {
                    assert_eq!(inserted, Ok(()));
                    agree(&log, &model);
                } else {
                    assert_eq!(inserted, Err(Rejected::Overlap));
                    assert_eq!(log, before);
                }
            }
            assert!(log.is_complete(64));
        }
    }

    #[test]
    fn the_log_of_50_tb_stays_below_1_mib() {
        const PART: u64 = 8 << 20;
        let mut log = Segments::new();
        // In groups of 16 whose members finish in a mixed order, as parallel requests do.
        for index in (0..100_000).map(|index: u64| index ^ 11) {
            let part = ByteRange::with_len(index * PART, PART).unwrap();
            log.insert(part, None, none).unwrap();
            assert!(log.entries.capacity() * size_of::<Segment>() < 1 << 20);
        }
        assert!(log.is_complete(100_000 * PART));
        assert_eq!(log.gaps(100_000 * PART).count(), 0);
        assert!(log.iter().len() <= MAX_ENTRIES);
    }

    #[test]
    fn the_checksum_of_the_whole_follows_in_any_order_and_after_merging() {
        let mut rng = Rng::new(16);
        let bytes: Vec<u8> = (0..30_000_u16).map(|n| n.to_le_bytes()[0]).collect();
        let whole = bytes.len() as u64;
        let mut cuts: Vec<ByteRange> = Vec::new();
        while let Some(rest) = range(0, whole).tail(cuts.last().map_or(0, |cut| cut.end())) {
            let end = (rest.start() + 1 + rng.below(5)).min(whole);
            cuts.push(range(rest.start(), end));
        }
        assert!(cuts.len() > MAX_ENTRIES, "or nothing is merged");
        // In every window of 64 the order is a random one.
        for window in cuts.chunks_mut(64) {
            for at in (1..window.len()).rev() {
                let other = usize::try_from(rng.below(at as u64 + 1)).unwrap();
                window.swap(at, other);
            }
        }
        let sum = |algorithm, cut: &ByteRange| {
            let [start, end] = [cut.start(), cut.end()].map(|at| usize::try_from(at).unwrap());
            of(algorithm, &bytes[start..end])
        };
        for algorithm in [Algorithm::Crc64Nvme, Algorithm::Crc32, Algorithm::Crc32c] {
            let mut log = Segments::new();
            for cut in &cuts {
                assert_eq!(log.combined(whole, combine), None);
                log.insert(*cut, Some(sum(algorithm, cut)), combine)
                    .unwrap();
            }
            assert!(log.iter().len() < cuts.len());
            assert_eq!(log.combined(whole, combine), Some(of(algorithm, &bytes)));
            for entry in &log.entries {
                assert_eq!(entry.checksum, Some(sum(algorithm, &entry.range)));
            }
        }
    }

    #[test]
    fn a_second_reading_replaces_the_checksum_of_its_range_alone() {
        let crc = |text: &[u8]| Some(of(Algorithm::Crc64Nvme, text));
        let mut log = Segments::new();
        log.insert(range(5, 9), crc(b"6789"), combine).unwrap();
        log.insert(range(0, 5), crc(b"12e45"), combine).unwrap();
        assert_ne!(log.combined(9, combine), crc(b"123456789"));
        for other in [range(0, 4), range(1, 5), range(0, 9), range(9, 10)] {
            assert!(!log.replace(other, crc(b"?")));
        }
        assert!(log.replace(range(0, 5), crc(b"12345")));
        assert_eq!(log.combined(9, combine), crc(b"123456789"));
        assert!(log.replace(range(0, 5), None));
        assert_eq!(log.combined(9, combine), None, "one range is unproved");
    }

    #[test]
    fn while_there_is_room_every_range_is_kept_by_itself() {
        let mut log = Segments::new();
        for start in 0..9 {
            log.insert(range(start, start + 1), None, none).unwrap();
        }
        assert_eq!(log.iter().len(), 9);
    }

    #[test]
    fn gaps_everywhere_fill_the_log() {
        let mut log = Segments::new();
        for index in 0..MAX_ENTRIES as u64 {
            log.insert(range(index * 2, index * 2 + 1), None, none)
                .unwrap();
        }
        let beyond = range(1 << 20, (1 << 20) + 1);
        assert_eq!(log.insert(beyond, None, none), Err(Rejected::Full));
        assert_eq!(log.covered(), MAX_ENTRIES as u64);
        let again = log.insert(range(0, 1), None, none);
        assert_eq!(again, Err(Rejected::Overlap));
        assert!(Rejected::Full.to_string().contains("too many"));
        assert!(Rejected::Overlap.to_string().contains("overlaps"));
    }

    #[test]
    fn bytes_past_the_end_are_not_completeness() {
        let mut log = Segments::new();
        assert!(log.is_complete(0));
        log.insert(range(0, 10), None, none).unwrap();
        assert!(log.is_complete(10));
        assert!(!log.is_complete(9) && !log.is_complete(11));
        assert_eq!(log.next_gap(0, 9), None);
        assert_eq!(log.combined(10, none), None);
        log.insert(range(12, u64::MAX), None, none).unwrap();
        assert_eq!(log.next_gap(0, 11), Some(range(10, 11)));
        assert_eq!(log.next_gap(0, u64::MAX), Some(range(10, 12)));
        assert_eq!(log.next_gap(20, u64::MAX), None);
    }

    fn agree(log: &Segments, model: &[bool]) {
        let total = model.len() as u64;
        let done = model.iter().filter(|&&done| done).count() as u64;
        let prefix = model.iter().take_while(|&&done| done).count() as u64;
        assert_eq!(log.covered(), done);
        assert_eq!(log.contiguous_until(), prefix);
        assert_eq!(log.is_complete(total), done == total);
        let listed: u64 = log.iter().map(|entry| entry.range.len()).sum();
        assert_eq!(listed, done);
        assert!(log.iter().is_sorted_by_key(|entry| entry.range));
        for from in 0..=model.len() {
            let tail = &model[from..];
            let expected = tail.iter().position(|&done| !done).map(|skip| {
                let missing = tail[skip..].iter().take_while(|&&done| !done).count();
                range((from + skip) as u64, (from + skip + missing) as u64)
            });
            assert_eq!(log.next_gap(from as u64, total), expected, "from {from}");
        }
        let missing: u64 = log.gaps(total).map(ByteRange::len).sum();
        assert_eq!(missing, total - done);
    }
}
