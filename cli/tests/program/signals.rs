//! Ctrl-C, SIGTERM, SIGHUP, `ulimit -f`, and what they leave behind: nothing.

use std::process::{Child, Stdio};

use crate::common::{World, bytes, end_of, signal, wait_until};
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::Operation;

/// Starts the program with all of its streams piped.
pub(crate) fn spawn(world: &World, words: &[&str]) -> Child {
    let mut command = world.command(words);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn stalled(operation: Operation) -> World {
    World::with_faults([Rule::every(operation, Fault::StallHead)])
}

#[test]
fn adversary_97_an_interrupted_upload_is_aborted_on_the_server() {
    for (name, from_stdin) in [
        ("-INT", false),
        ("-TERM", false),
        ("-HUP", false),
        ("-INT", true),
    ] {
        if name == "-HUP" && ignores_hang_ups() {
            println!("-HUP is not tried: these tests run under nohup, and so would the program");
            continue;
        }
        let world = stalled(Operation::UploadPart);
        let content = bytes(12 << 20);
        let file = world.dir.write("file", &content);
        let source = if from_stdin {
            "-"
        } else {
            file.to_str().unwrap()
        };
        let mut child = spawn(
            &world,
            &["cp", source, "s3://bucket/key", "--part-size", "5MiB"],
        );
        let mut stdin = child.stdin.take().unwrap();
        if from_stdin {
            // The pipe stays open: the program still waits for more when it is interrupted.
            std::io::Write::write_all(&mut stdin, &content).unwrap();
        }
        wait_until("an upload is open", || {
            world.server.stats().uploads_open == 1
        });
        signal(&child, name);
        end_of(child).failed(130, &["cancelled"]);
        assert_eq!(world.server.stats().uploads_open, 0, "{name}");
        assert_eq!(world.object("key"), None);
        drop(stdin);
    }
}

#[test]
fn adversary_97_an_interrupted_download_leaves_no_file() {
    let world = World::with_faults([Rule::every(
        Operation::GetObject,
        Fault::StallBody { after: 100 },
    )]);
    world.put("key", &bytes(3 << 20));
    let copy = world.dir.path("copy");
    let child = spawn(&world, &["cp", "s3://bucket/key", copy.to_str().unwrap()]);
    wait_until("the download has begun", || {
        !world.server.injected().is_empty()
    });
    signal(&child, "-INT");
    end_of(child).failed(130, &["cancelled"]);
    assert_eq!(world.dir.names(), Vec::<String>::new());
}

#[test]
fn a_second_signal_is_obeyed_at_once() {
    let world = World::with_faults([
        Rule::every(Operation::UploadPart, Fault::StallHead),
        Rule::every(Operation::AbortMultipartUpload, Fault::StallHead),
    ]);
    let file = world.dir.write("file", &bytes(12 << 20));
    let words = [
        "cp",
        file.to_str().unwrap(),
        "s3://bucket/key",
        "--part-size",
        "5MiB",
    ];
    let child = spawn(&world, &words);
    wait_until("an upload is open", || {
        world.server.stats().uploads_open == 1
    });
    signal(&child, "-INT");
    let aborting = || {
        let injected = world.server.injected();
        injected
            .iter()
            .any(|hit| hit.hit.operation == Operation::AbortMultipartUpload)
    };
    wait_until("the abort was sent", aborting);
    signal(&child, "-INT");
    end_of(child).failed(130, &["cut short", "`sans3 rm --uploads s3://bucket/key`"]);
}

/// Whether these tests were told to ignore hang-ups: what they start inherits that.
fn ignores_hang_ups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 == 1)
}

#[test]
fn a_hang_up_ends_a_download_unless_nohup_asks_otherwise() {
    for with_nohup in [false, true] {
        if !with_nohup && ignores_hang_ups() {
            println!("half of this is not tried: these tests run under nohup");
            continue;
        }
        let world = World::with_faults([Rule::every(
            Operation::GetObject,
            Fault::StallBody { after: 100 },
        )]);
        world.put("key", &bytes(3 << 20));
        let copy = world.dir.path("copy");
        let words = ["cp", "s3://bucket/key", copy.to_str().unwrap()];
        let mut child = if with_nohup {
            let mut command = world.shell("exec nohup \"$@\"", &words);
            command.spawn().unwrap()
        } else {
            spawn(&world, &words)
        };
        wait_until("the download has begun", || {
            !world.server.injected().is_empty()
        });
        signal(&child, "-HUP");
        if with_nohup {
            std::thread::sleep(std::time::Duration::from_millis(300));
            assert_eq!(child.try_wait().unwrap(), None, "it was asked to go on");
            signal(&child, "-INT");
        }
        end_of(child).failed(130, &["cancelled"]);
        assert_eq!(world.dir.names(), Vec::<String>::new());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_size_limit_is_an_error_like_others() {
    let world = World::new();
    world.put("key", &bytes(3 << 20));
    let copy = world.dir.path("copy");
    let words = ["cp", "s3://bucket/key", copy.to_str().unwrap()];
    let mut command = world.shell("ulimit -f 100; exec \"$@\"", &words);
    end_of(command.spawn().unwrap()).failed(1, &["ulimit -f"]);
    assert_eq!(world.dir.names(), Vec::<String>::new());
}

#[test]
fn an_upload_that_can_not_be_aborted_is_named() {
    let refused = Fault::access_denied();
    let world = World::with_faults([
        Rule::every(Operation::UploadPart, Fault::StallHead),
        Rule::every(Operation::AbortMultipartUpload, refused),
    ]);
    let file = world.dir.write("file", &bytes(12 << 20));
    let words = [
        "cp",
        file.to_str().unwrap(),
        "s3://bucket/key",
        "--part-size",
        "5MiB",
    ];
    let child = spawn(&world, &words);
    wait_until("an upload is open", || {
        world.server.stats().uploads_open == 1
    });
    signal(&child, "-INT");
    end_of(child).failed(130, &["left behind", "sans3 rm --uploads s3://bucket/key"]);
}
