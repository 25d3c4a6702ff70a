//! How many requests the memory really lets run at once.

use sans3_core::session::SessionConfig;

use crate::exit::Failure;
use crate::output::Output;
use crate::size::Size;

/// Bytes a part or range where the user does not say.
pub(crate) const DEFAULT_PART_SIZE: u64 = 8 << 20;

/// How the payload of a copy passes through memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// By a buffer for each exchange: a file can be read and written anywhere.
    Buffers,
    /// In order, out of whole ranges that wait for their turn: to stdout.
    Reordered,
    /// In whole parts that are kept until the server has them: from stdin.
    Kept,
}

/// The most requests with payload at once.
pub(crate) fn requests_at_once(config: &SessionConfig, passage: Passage, part_size: u64) -> u16 {
    let slots = config.slots();
    if passage == Passage::Buffers {
        return slots;
    }
    let room = room(config, passage, part_size);
    let by_room = u16::try_from(room / part_size.max(1)).unwrap_or(u16::MAX);
    // One is always let through.
    slots.min(by_room.max(1))
}

/// The most payload that a copy of `len` bytes holds at once.
pub(crate) fn peak_memory(
    config: &SessionConfig,
    passage: Passage,
    part_size: u64,
    len: Option<u64>,
) -> u64 {
    let len = len.unwrap_or(u64::MAX);
    let parts = len.div_ceil(part_size.max(1)).max(1);
    let exchanges = u64::from(config.slots())
        .min(parts)
        .saturating_mul(config.exchange_memory);
    let bound = config.memory.max(config.exchange_memory);
    exchanges
        .saturating_add(room(config, passage, part_size).min(len))
        .min(bound)
}

/// Refuses memory that a stream can't be uploaded with: a part has to fit into half of it, so that
/// one can be filled while another is sent.
///
/// # Errors
/// Usage: how much it takes.
pub(crate) fn check(
    config: &SessionConfig,
    passage: Passage,
    part_size: Option<u64>,
) -> Result<(), Failure> {
    let part = part_size.unwrap_or(config.limits.min_part);
    if passage != Passage::Kept || part <= config.largest_buffered_part() {
        return Ok(());
    }
    let (least, seen) = (Size(part.saturating_mul(2)), Size(config.memory));
    let part = Size(part);
    Err(Failure::usage(format!(
        "--memory: expected at least {least} for a stream in parts of {part}, got {seen}"
    )))
}

/// Says so where fewer requests run at once than were asked for.
///
/// # Errors
/// stdout has gone.
pub(crate) fn tell(
    output: &Output,
    config: &SessionConfig,
    passage: Passage,
    part_size: u64,
) -> Result<(), Failure> {
    let (asked, real) = (
        config.concurrency.first(),
        requests_at_once(config, passage, part_size),
    );
    if real >= asked {
        return Ok(());
    }
    let pieces = match passage {
        Passage::Buffers => String::new(),
        Passage::Reordered => format!(" for ranges of {}", Size(part_size)),
        Passage::Kept => format!(" for parts of {}", Size(part_size)),
    };
    output.warn(&format!(
        "{} of memory has room{pieces} in {real} requests at once, not in {asked}: give more \
         --memory for more",
        Size(config.memory)
    ))
}

/// What may be held beside the buffers of exchanges.
fn room(config: &SessionConfig, passage: Passage, part_size: u64) -> u64 {
    let free = config.memory.saturating_sub(buffers(config));
    match passage {
        Passage::Buffers => 0,
        Passage::Reordered => config.window(part_size).min(free),
        Passage::Kept => free,
    }
}

/// What all exchanges need to move bytes at all, before there are more of them than at first.
fn buffers(config: &SessionConfig) -> u64 {
    u64::from(config.first_slots()).saturating_mul(config.exchange_memory)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use sans3_core::endpoint::{Endpoint, Region};
    use sans3_core::session::CredentialSource;

    use super::*;

    fn config(concurrency: u16, memory: u64) -> SessionConfig {
        let endpoint = Endpoint::aws(Region::new("us-east-1").unwrap());
        let mut config = SessionConfig::new(endpoint, CredentialSource::Anonymous);
        config.concurrency = NonZeroU16::new(concurrency).unwrap().into();
        config.memory = memory;
        config
    }

    #[test]
    fn the_defaults_let_all_requests_run() {
        let config = config(16, 256 << 20);
        for passage in [Passage::Buffers, Passage::Reordered, Passage::Kept] {
            assert_eq!(
                requests_at_once(&config, passage, DEFAULT_PART_SIZE),
                16,
                "{passage:?}"
            );
        }
    }

    #[test]
    fn little_memory_lets_fewer_run_and_never_none() {
        let small = config(16, 64 << 20);
        assert_eq!(
            requests_at_once(&small, Passage::Buffers, DEFAULT_PART_SIZE),
            16
        );
        assert!((1..16).contains(&requests_at_once(
            &small,
            Passage::Reordered,
            DEFAULT_PART_SIZE
        )));
        assert!((1..16).contains(&requests_at_once(&small, Passage::Kept, DEFAULT_PART_SIZE)));
        let tiny = config(16, 1 << 20);
        for passage in [Passage::Buffers, Passage::Reordered, Passage::Kept] {
            assert_eq!(
                requests_at_once(&tiny, passage, DEFAULT_PART_SIZE),
                1,
                "{passage:?}"
            );
        }
    }

    #[test]
    fn a_stream_needs_room_for_two_parts() {
        let check = |memory, passage, part| check(&config(16, memory), passage, part);
        assert!(check(10 << 20, Passage::Kept, None).is_ok());
        let failure = check((10 << 20) - 1, Passage::Kept, None).unwrap_err();
        assert!(
            failure.message.contains("at least 10 MiB"),
            "{}",
            failure.message
        );
        assert!(check(64 << 20, Passage::Kept, Some(33 << 20)).is_err());
        assert!(check(1 << 20, Passage::Buffers, Some(33 << 20)).is_ok());
    }

    #[test]
    fn the_peak_stays_within_the_memory() {
        for memory in [1 << 20, 64 << 20, 256 << 20] {
            let config = config(16, memory);
            for passage in [Passage::Buffers, Passage::Reordered, Passage::Kept] {
                for len in [None, Some(0), Some(1 << 40)] {
                    let peak = peak_memory(&config, passage, DEFAULT_PART_SIZE, len);
                    assert!(
                        peak <= memory.max(config.exchange_memory),
                        "{passage:?} {len:?}"
                    );
                }
            }
        }
    }
}
