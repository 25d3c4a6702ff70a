//! Transfers against the model, in virtual time.

use crate::common::*;
use sans3_core::checksum::Algorithm;
use sans3_core::operation::ListObjectsV2;
use sans3_core::transfer::{Call, Length, Order, Upload, Verified};
use sans3_testkit::drive::{ModelPeer, Reply, Rig, Sent, Sink, Source};

#[test]
fn a_download_of_any_size_is_exact_and_proved() {
    for size in [0, 1, 100, 1 << 20, (1 << 20) + 1, 5_000_000] {
        for order in [Order::Random, Order::InOrder] {
            let bytes = noise(size, 7);
            let mut rig = Rig::new(small(), honest(model_with(&bytes)));
            let (result, sink) = rig.download(download(order), sink_for(order));
            let found = result.unwrap();
            assert_eq!(found.size, size as u64);
            assert_eq!(found.verified, Verified::FullObject(Algorithm::Crc64Nvme));
            assert!(sink.bytes == bytes, "{size} bytes, {order:?}");
            assert!(!sink.wrote_twice());
            // In order, the HEAD comes first, and tells that nothing is to be fetched.
            let fetched = usize::from(order == Order::Random);
            let ranges = size.div_ceil(1 << 20).max(fetched);
            assert_eq!(rig.log.len(), ranges + 1, "{:?}", rig.log);
        }
    }
}

#[test]
fn a_small_object_of_known_size_takes_one_request() {
    let bytes = noise(1000, 3);
    let mut rig = Rig::new(small(), honest(model_with(&bytes)));
    let wanted = sans3_core::transfer::Download {
        size_hint: Some(1000),
        ..download(Order::Random)
    };
    let (result, sink) = rig.download(wanted, Sink::random());
    assert_eq!(
        result.unwrap().verified,
        Verified::FullObject(Algorithm::Crc64Nvme)
    );
    assert!(sink.bytes == bytes);
    assert_eq!(rig.log, ["GET /b/k"]);
}

#[test]
fn an_upload_of_any_size_is_exact_and_proved() {
    const PART: usize = 5 << 20;
    for size in [0, 1, PART, PART + 1, 3 * PART, 3 * PART + 17] {
        for length in [
            Length::Known(size as u64),
            Length::Unknown { equal_parts: false },
        ] {
            let bytes = noise(size, 11);
            let mut rig = Rig::new(small(), honest(model_with(b"")));
            let made = rig
                .upload(upload(length), Source::new(bytes.clone()))
                .unwrap();
            assert_eq!(made.size, size as u64, "{length:?}");
            assert_eq!(made.verified, Verified::FullObject(Algorithm::Crc64Nvme));
            let object = rig.peer.model.object("b", "up").unwrap();
            assert!(object.data.to_vec() == bytes, "{size} bytes, {length:?}");
            assert_eq!(rig.peer.model.uploads().count(), 0);
            assert_eq!(made.leftover, None);
        }
    }
}

#[test]
fn each_checksum_algorithm_proves_an_upload() {
    const SIZE: usize = (5 << 20) + 5;
    for algorithm in Algorithm::ALL {
        for size in [5, SIZE] {
            let bytes = noise(size, 5);
            let mut rig = Rig::new(small(), honest(model_with(b"")));
            let wanted = Upload {
                checksum: algorithm,
                ..upload(Length::Known(size as u64))
            };
            let made = rig.upload(wanted, Source::new(bytes.clone())).unwrap();
            let expected = match (algorithm, size) {
                (Algorithm::Sha256, SIZE) => Verified::Composite(algorithm),
                (Algorithm::Md5, SIZE) => Verified::Length,
                _ => Verified::FullObject(algorithm),
            };
            assert_eq!(made.verified, expected, "{algorithm:?} {size}");
            assert!(rig.peer.model.object("b", "up").unwrap().data.to_vec() == bytes);
        }
    }
}

#[test]
fn an_error_tells_how_many_requests_were_sent() {
    let failing = |_, _: &Sent, _: &mut dyn FnMut() -> Reply| Reply::new(500, &[], "");
    let mut rig = Rig::new(small(), ModelPeer::new(model_with(b""), failing));
    let call = Call::new(ListObjectsV2::new(bucket()));
    assert_eq!(rig.call(call).unwrap_err().attempts, 3);
    assert_eq!(rig.log.len(), 3);
}
