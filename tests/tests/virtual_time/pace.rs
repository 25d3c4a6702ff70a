//! How fast sessions go: by their caller's limits, and by what they learn.

use core::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use core::time::Duration;

use crate::common::*;
use sans3_core::pace::{Concurrency, Why};
use sans3_core::session::{Blocked, Machine as _, Session, Step};
use sans3_core::time::Instant;
use sans3_core::transfer::{Download, Length, Order};
use sans3_testkit::drive::{Rig, Source};

const MIB: usize = 1 << 20;

#[test]
fn a_limit_of_bytes_holds_for_downloads_and_uploads() {
    let bytes = noise(20 * MIB, 1);
    let mut limited = small();
    limited.max_bandwidth = NonZeroU64::new(10 << 20);
    for order in [Order::Random, Order::InOrder] {
        let mut rig = Rig::new(limited.clone(), honest(model_with(&bytes)));
        let (result, sink) = rig.download(download(order), sink_for(order));
        assert_eq!(result.unwrap().size, 20 << 20);
        assert!(sink.bytes == bytes);
        // The last range need not be paid off.
        let least = Duration::from_millis(1_900);
        let time = rig.elapsed();
        assert!(
            time >= least && time < least * 11 / 10,
            "{order:?}: {time:?}"
        );
    }
    for length in [
        Length::Known(20 << 20),
        Length::Unknown { equal_parts: false },
    ] {
        let mut rig = Rig::new(limited.clone(), honest(model_with(b"")));
        let made = rig.upload(upload(length), Source::new(bytes.clone()));
        assert_eq!(made.unwrap().size, 20 << 20);
        let least = Duration::from_millis(1_500);
        let time = rig.elapsed();
        assert!(
            time >= least && time < least * 11 / 10,
            "{length:?}: {time:?}"
        );
    }
}

#[test]
fn a_limit_of_requests_holds_for_all_of_them() {
    let bytes = noise(39 * MIB, 1);
    let mut limited = small();
    limited.max_requests = NonZeroU32::new(20);
    let mut rig = Rig::new(limited, honest(model_with(&bytes)));
    let (result, _) = rig.download(download(Order::Random), sink_for(Order::Random));
    assert_eq!(result.unwrap().parts, 39);
    assert_eq!(rig.log.len(), 40);
    let (least, time) = (Duration::from_millis(38 * 50), rig.elapsed());
    assert!(time >= least && time < least * 11 / 10, "{time:?}");
}

/// Ranges of 4 KiB, each of which takes 10 ms however many there are at once.
fn unbounded(order: Order, memory: u64) -> (Rig<impl sans3_testkit::drive::Peer>, Vec<Why>) {
    const RANGE: u64 = 4 << 10;
    let bytes = noise(10_000 * 4_096, 1);
    let mut auto = small();
    auto.concurrency = Concurrency::AUTO;
    auto.exchange_memory = 16 << 10;
    auto.memory = memory;
    let mut rig = Rig::new(auto, honest(model_with(&bytes)));
    let wanted = Download {
        part_size: NonZeroU64::new(RANGE),
        ..download(order)
    };
    let (result, sink) = rig.download(wanted, sink_for(order));
    assert!(result.is_ok(), "{result:?}");
    assert!(sink.bytes == bytes);
    let changes = rig.session.take_pace_changes();
    (rig, changes.iter().map(|change| change.why).collect())
}

#[test]
fn exchanges_multiply_while_that_brings_more() {
    let (rig, why) = unbounded(Order::Random, 256 << 20);
    assert_eq!(rig.peak, 64);
    assert_eq!(why, [Why::Probe, Why::Probe]);
}

#[test]
fn exchanges_don_t_take_the_memory_of_payload() {
    // Room for 64 exchanges, a quarter of which the window has taken.
    let (rig, _) = unbounded(Order::InOrder, 64 * (16 << 10));
    assert_eq!(rig.peak, 48);
}

#[test]
fn a_range_that_brings_nothing_is_asked_for_once_more() {
    let bytes = noise(40 * MIB, 1);
    for order in [Order::Random, Order::InOrder] {
        let mut rig = Rig::new(small(), honest(model_with(&bytes)));
        rig.stuck = Some(30);
        let (result, sink) = rig.download(download(order), sink_for(order));
        assert_eq!(result.unwrap().parts, 40);
        assert!(sink.bytes == bytes && !sink.wrote_twice());
        let time = rig.elapsed();
        let expected = Duration::from_millis(1_500)..Duration::from_millis(2_000);
        assert!(expected.contains(&time), "{order:?}: {time:?}");
    }
}

#[test]
fn the_attempt_that_loses_a_race_gives_its_slot_back() {
    let bytes = noise(1_000 * 4_096, 1);
    let mut narrow = small();
    narrow.concurrency = NonZeroU16::MIN.saturating_add(1).into();
    let mut rig = Rig::new(narrow, honest(model_with(&bytes)));
    rig.stuck = Some(5);
    let wanted = Download {
        part_size: NonZeroU64::new(4_096),
        ..download(Order::Random)
    };
    let (result, sink) = rig.download(wanted, sink_for(Order::Random));
    assert_eq!(result.unwrap().parts, 1_000);
    assert!(sink.bytes == bytes);
    // For 1.5 s there is one slot, then there are two, each for a range in 10 ms.
    let (expected, time) = (Duration::from_millis(5_750), rig.elapsed());
    assert!(
        time > expected * 9 / 10 && time < expected * 11 / 10,
        "{time:?}"
    );
}

#[test]
fn what_waits_for_the_limit_says_so_and_until_when() {
    let mut limited = small();
    limited.max_requests = NonZeroU32::new(1);
    let mut session = Session::new(limited, 1);
    let now = Instant::ZERO;
    session.insert(download(Order::Random), now);
    session.insert(download(Order::Random), now);
    assert!(matches!(session.poll(now), Step::Start(_)));
    match session.poll(now) {
        Step::Wait {
            until: Some(until),
            why: Blocked::Pace,
        } => assert_eq!(until, now + Duration::from_secs(1)),
        step => panic!("{step:?}"),
    }
}
