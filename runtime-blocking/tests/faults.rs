//! Random faults on real sockets: whatever comes, it is the object or an error, and it ends.

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{BUCKET, KEY, PART, bytes, client, download, server, stored, upload};
use sans3_testkit::faults::{Schedule, Seeded};

#[test]
fn what_comes_through_a_storm_is_right() {
    let content = bytes(6 * PART + 5);
    let (mut whole, began) = (0, Instant::now());
    std::thread::scope(|scope| {
        let storms: Vec<_> = (0..24)
            .map(|seed| {
                let content = &content;
                scope.spawn(move || through_a_storm(seed, content))
            })
            .collect();
        for storm in storms {
            whole += storm.join().unwrap();
        }
    });
    assert!(whole >= 24, "only {whole} of 48 transfers came through");
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
}

/// An upload and a download under faults; returns how many of them succeeded.
fn through_a_storm(seed: u64, content: &[u8]) -> usize {
    let server = server();
    server.with_faults(|faults| *faults = Schedule::seeded(Seeded::new(seed, 150, 12)));
    let client = client(&server);
    let made = client
        .upload_bytes(upload(), Bytes::copy_from_slice(content))
        .wait();
    if made.is_ok() {
        assert!(
            stored(&server).unwrap() == content,
            "seed {seed}: another object was stored"
        );
    } else {
        server.with_model(|model| model.put(BUCKET, KEY, content.to_vec()));
    }
    let found = client.download_to_memory(download(), 1 << 20).wait();
    if let Ok((_, memory)) = &found {
        assert!(memory == content, "seed {seed}: other bytes came");
    }
    let met = server.with_faults(|faults| faults.injected().len());
    assert!(met > 2, "seed {seed}: hardly a storm");
    usize::from(made.is_ok()) + usize::from(found.is_ok())
}
