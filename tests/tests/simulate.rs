//! The simulator over some thousands of seeds, and all small runs with one fault; what it found is
//! in `virtual_time/regressions.rs`.

use sans3_testkit::simulate::{Choices, Scope, Subject, enumerate, run, tell};

const SEEDS: u64 = 4_000;

#[test]
fn whatever_happens_the_promises_hold() {
    let (mut succeeded, mut failed) = (0, 0);
    for seed in 0..SEEDS {
        match run(Scope::All, &mut Choices::seeded(seed)) {
            Ok(summary) => {
                succeeded += summary.succeeded;
                failed += summary.failed;
            }
            Err(broken) => panic!(
                "seed {seed} breaks {}: {}\nreplay it: cargo run --release -p sans3-testkit --bin \
                 simulate -- --seed {seed}",
                broken.invariant, broken.how
            ),
        }
    }
    println!("{succeeded} transfers succeeded, {failed} failed");
    // Where hardly anything succeeds, nothing is proved.
    assert!(succeeded > failed);
}

#[test]
fn whatever_goes_wrong_once_in_a_small_run_the_promises_hold() {
    for subject in Subject::ALL {
        let scope = Scope::Small { faults: 1, subject };
        match enumerate(scope, u64::MAX) {
            Ok(found) => assert!(found.complete && found.runs > 100, "{subject:?}: {found:?}"),
            Err((broken, values)) => {
                let (_, story) = tell(scope, &mut Choices::listed(values));
                panic!("{subject:?}: {broken:?}\n{}", story.join("\n"));
            }
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_run() {
    let mut told_something = 0;
    for seed in 0..200 {
        let again = || run(Scope::All, &mut Choices::seeded(seed));
        let first = again();
        assert_eq!(first, again(), "seed {seed}");
        let (told, story) = tell(Scope::All, &mut Choices::seeded(seed));
        assert_eq!(first, told, "seed {seed}: it matters who listens");
        told_something += usize::from(!story.is_empty());
    }
    assert!(told_something > 150, "{told_something} of 200");
}
