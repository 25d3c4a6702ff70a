//! `--trace FILE`: written on each runtime, replayed to the same requests, without a secret.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::common::{Ended, KEY_ID, RUNTIMES, SECRET, World, bytes, end_of, signal, wait_until};
use crate::signals::spawn;
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::Operation;
use sans3_testkit::trace::{Replayed, replay};

const MIB: usize = 1 << 20;
const TOKEN: &str = "canary-session-token";
const PAYLOAD: &[u8] = b"canary-payload, ";

/// What a trace leads to, after a look at whether it may be given away.
#[track_caller]
fn replayed(path: &Path) -> Replayed {
    let trace = fs::read(path).unwrap();
    let mode = fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = String::from_utf8_lossy(&trace);
    for canary in [KEY_ID, SECRET, TOKEN, "canary", "Signature="] {
        assert!(!text.contains(canary), "{canary} in {text}");
    }
    replay(&trace[..]).unwrap_or_else(|failure| panic!("{failure}"))
}

/// A server on which one request of each kind goes wrong, and some two.
fn faulty() -> World {
    let rule = Rule::nth;
    World::with_faults([
        rule(Operation::CreateMultipartUpload, 1, Fault::slow_down()),
        rule(Operation::UploadPart, 2, Fault::ResetBeforeHead),
        rule(Operation::UploadPart, 4, Fault::DropAnswer),
        rule(Operation::CompleteMultipartUpload, 1, Fault::DropAnswer),
        rule(Operation::GetObject, 1, Fault::FlipByte { at: 999 }),
        rule(
            Operation::GetObject,
            3,
            Fault::ResetMidBody { after: 70_000 },
        ),
        rule(Operation::GetObject, 5, Fault::WrongRange { shift: 1 }),
        rule(Operation::GetObject, 6, Fault::TruncateBody { after: 9 }),
        rule(Operation::HeadObject, 1, Fault::slow_down()),
    ])
}

fn arrived(world: &World) -> u64 {
    world.server.stats().requests.values().sum()
}

fn run(world: &World, words: &[&str], trace: &Path) -> Ended {
    let mut command = world.command(words);
    command.arg("--trace").arg(trace);
    Ended::of(command.output().unwrap())
}

#[test]
fn copies_under_faults_are_replayed_to_the_same_requests_on_each_runtime() {
    for runtime in RUNTIMES {
        let world = faulty();
        let content = PAYLOAD.repeat((32 * MIB + 16) / PAYLOAD.len());
        let file = world.dir.write("file", &content);
        let copy = world.dir.path("copy");
        let (file, copy) = (file.to_str().unwrap(), copy.to_str().unwrap());
        let options = ["--runtime", runtime, "--part-size", "5MiB"];
        for (number, pair) in [[file, "s3://bucket/key"], ["s3://bucket/key", copy]]
            .iter()
            .enumerate()
        {
            let trace = world.dir.path(&format!("trace{number}"));
            let before = arrived(&world);
            let words = [&["cp"], &pair[..], &options[..]].concat();
            run(&world, &words, &trace).ok();
            let found = replayed(&trace);
            assert!(found.is_complete, "{runtime}");
            assert!(found.requests >= 8, "{runtime}: {}", found.requests);
            assert!(
                arrived(&world) - before <= found.requests,
                "{runtime}: every request that arrived is in the trace"
            );
            let size = fs::metadata(&trace).unwrap().len();
            println!("{runtime}: {} bytes a request", size / found.requests);
        }
        assert!(world.server.injected().len() >= 8, "{runtime}");
        assert!(fs::read(copy).unwrap() == content, "{runtime}");
    }
}

#[test]
fn a_session_token_is_not_told() {
    let world = World::new();
    let trace = world.dir.path("trace");
    let mut command = world.command(["ls", "s3://bucket"]);
    command
        .env("AWS_SESSION_TOKEN", TOKEN)
        .arg("--trace")
        .arg(&trace);
    // The server knows no such token.
    Ended::of(command.output().unwrap()).failed(3, &["InvalidToken"]);
    let found = replayed(&trace);
    assert_eq!((found.requests, found.is_complete), (1, true));
}

#[test]
fn all_commands_that_send_requests_are_traced() {
    for runtime in RUNTIMES {
        let world = World::new();
        for (number, words) in [
            &["mb", "s3://another"][..],
            &["cp", "-", "s3://bucket/k%20 \u{e4}"],
            &["cp", "s3://bucket/k%20 \u{e4}", "-"],
            &["ls", "s3://bucket"],
            &["rm", "s3://bucket/k%20 \u{e4}"],
            &["rm", "--uploads", "s3://bucket"],
        ]
        .iter()
        .enumerate()
        {
            let trace = world.dir.path(&format!("trace{number}"));
            let words = [words, &["--runtime", runtime][..]].concat();
            run(&world, &words, &trace).ok();
            let found = replayed(&trace);
            assert!(found.requests >= 1 && found.is_complete, "{words:?}");
        }
    }
}

#[test]
fn a_failed_command_is_traced_to_its_end() {
    for runtime in RUNTIMES {
        let world = World::new();
        let trace = world.dir.path("trace");
        let words = ["cp", "s3://bucket/none", "-", "--runtime", runtime];
        run(&world, &words, &trace).failed(4, &[]);
        assert!(replayed(&trace).is_complete, "{runtime}");
    }
}

#[test]
fn an_interrupted_command_is_traced_to_its_end() {
    for twice in [false, true] {
        let fault = |operation| Rule::every(operation, Fault::StallHead);
        let world = World::with_faults(if twice {
            vec![
                fault(Operation::UploadPart),
                fault(Operation::AbortMultipartUpload),
            ]
        } else {
            vec![fault(Operation::UploadPart)]
        });
        let file = world.dir.write("file", &bytes(12 * MIB));
        let trace = world.dir.path("trace");
        let (file, path) = (file.to_str().unwrap(), trace.to_str().unwrap());
        let words = [
            "cp",
            file,
            "s3://bucket/key",
            "--part-size",
            "5MiB",
            "--trace",
            path,
        ];
        let child = spawn(&world, &words);
        let stalled = || world.server.injected().len();
        wait_until("the parts stall", || stalled() == 3);
        signal(&child, "-INT");
        if twice {
            wait_until("the clean-up stalls", || stalled() == 4);
            signal(&child, "-INT");
        }
        end_of(child).failed(130, &[]);
        assert!(replayed(&trace).is_complete);
    }
}

#[test]
fn a_file_that_exists_is_not_replaced_and_nothing_is_sent() {
    let world = World::new();
    let trace = world.dir.write("trace", b"precious");
    let words = ["mb", "s3://another"];
    run(&world, &words, &trace).failed(1, &["creating the trace", "does not exist yet"]);
    assert_eq!(fs::read(&trace).unwrap(), b"precious");
    assert_eq!(arrived(&world), 0);
}

#[test]
fn commands_that_send_nothing_have_no_trace() {
    let world = World::new();
    let trace = world.dir.path("trace");
    for words in [&["presign", "s3://bucket/k"][..], &["demo"]] {
        run(&world, words, &trace).failed(2, &["--trace"]);
    }
    assert_eq!(world.dir.names(), Vec::<String>::new());
}

#[test]
fn a_trace_that_cannot_be_written_is_told_after_the_command_is_done() {
    let world = World::new();
    for number in 0..1_000 {
        world.put(&format!("k{number:05}"), b"");
    }
    let trace = world.dir.path("trace");
    let path = trace.to_str().unwrap();
    // Blocks of 512 bytes; the answer has more than 100 KB.
    let limited = "ulimit -f 100; exec \"$@\"";
    let mut shell = world.shell(limited, &["ls", "s3://bucket", "--trace", path]);
    let ended = Ended::of(shell.output().unwrap());
    assert_eq!(ended.out().lines().count(), 1_000);
    ended.failed(1, &["the trace", "could not be written"]);
}
