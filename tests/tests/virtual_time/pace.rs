//! How fast sessions go: by their caller's limits, and by what they learn.

use core::num::{NonZeroU32, NonZeroU64};
use core::time::Duration;

use crate::common::*;
use sans3_core::session::{Blocked, Machine as _, Session, Step};
use sans3_core::time::Instant;
use sans3_core::transfer::{Length, Order};
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
