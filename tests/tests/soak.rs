//! Runs the soak over many seeds; `SANS3_SOAK_SEED=17` replays one of them and tells its story,
//! `SANS3_SOAK_RUNS=1000000` takes more of them, `SANS3_SOAK_FIRST=5000` others.

use std::any::Any;
use std::panic::catch_unwind;

use sans3_testkit::soak;

const RUNS: u64 = 2_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words")
}

#[test]
fn whatever_happens_the_promises_hold() {
    if let Some(seed) = number("SANS3_SOAK_SEED") {
        println!("{:#?}", soak::run(seed));
        return;
    }
    let first = number("SANS3_SOAK_FIRST").unwrap_or(0);
    let runs = number("SANS3_SOAK_RUNS").unwrap_or(RUNS);
    let (mut succeeded, mut failed) = (0, 0);
    let mut broken = Vec::new();
    for seed in first..first + runs {
        match catch_unwind(|| soak::run(seed)) {
            Ok(summary) => {
                succeeded += summary.succeeded;
                failed += summary.failed;
            }
            Err(panic) => broken.push((seed, text(&*panic).to_owned())),
        }
    }
    println!("{runs} runs: {succeeded} transfers succeeded, {failed} failed");
    for (seed, why) in broken.iter().take(40) {
        println!("seed {seed}: {why}");
    }
    if let Some((seed, why)) = broken.first() {
        panic!(
            "{} of {runs} runs break a promise, the first one so: {why}\nreplay it: \
             SANS3_SOAK_SEED={seed} cargo test -p sans3-testkit --test soak -- whatever --nocapture",
            broken.len()
        );
    }
    // A soak in which hardly anything succeeds would prove nothing.
    assert!(succeeded > failed / 2);
}

#[test]
fn the_same_seed_sends_the_same_requests() {
    for seed in 0..40 {
        assert_eq!(soak::run(seed), soak::run(seed), "seed {seed}");
    }
}
