//! Whatever carries out the requests: the same bytes, the same words, the same exit codes.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use crate::common::{self, RUNTIMES, World, bytes, end_of, events, json, signal, wait_until};
use crate::signals::spawn;
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::Operation;

const MIB: usize = 1 << 20;

#[test]
fn a_file_goes_up_and_comes_back_on_each_runtime() {
    for runtime in RUNTIMES {
        let world = World::new();
        let content = bytes(12 * MIB + 7);
        let file = world.dir.write("file", &content);
        let copy = world.dir.path("copy");
        let (file, copy) = (file.to_str().unwrap(), copy.to_str().unwrap());
        let options = ["--runtime", runtime, "--part-size", "5MiB", "--json"];
        for (source, target, event) in [
            (file, "s3://bucket/key", "uploaded"),
            ("s3://bucket/key", copy, "downloaded"),
        ] {
            let words = [&["cp", source, target], &options[..]].concat();
            let all = json(&world.run(words).ok().stdout);
            let event = events(&all, event)[0];
            assert_eq!(event["parts"], 3, "{runtime}");
            assert_eq!(event["verified"], "full_object", "{runtime}");
            assert_eq!(
                (&event["retries"], &event["size"]),
                (&0.into(), &content.len().into())
            );
            assert!(
                event["requests"].as_u64().unwrap() >= 4,
                "{runtime}: {event}"
            );
            // What is downloaded may be written from where the socket put it.
            let kept = event["peak_payload_bytes"].as_u64().unwrap();
            assert!(kept > 0 || event["event"] == "downloaded", "{runtime}");
        }
        assert!(std::fs::read(copy).unwrap() == content, "{runtime}");
        assert_eq!(world.dir.names(), ["copy", "file"]);
        assert_eq!(world.server.stats().uploads_open, 0);
    }
}

#[test]
fn streams_go_up_and_down_on_each_runtime() {
    for runtime in RUNTIMES {
        let world = World::new();
        for len in [0, 1, 13 * MIB + 1] {
            let content = bytes(len);
            let options = ["--runtime", runtime, "--part-size", "5MiB"];
            let words = [&["cp", "-", "s3://bucket/stream"], &options[..]].concat();
            world.run_with_stdin(words, &content).ok();
            assert!(
                world.object("stream").unwrap() == content,
                "{runtime} {len}"
            );
            let words = [&["cp", "s3://bucket/stream", "-"], &options[..]].concat();
            assert!(world.run(words).ok().stdout == content, "{runtime} {len}");
        }
    }
}

#[test]
fn small_commands_work_on_each_runtime() {
    for runtime in RUNTIMES {
        let world = World::new();
        for number in 0..1_500 {
            world.put(&format!("k{number:05}"), b"");
        }
        let run = |words: &[&str]| world.run([words, &["--runtime", runtime]].concat()).ok();
        let listing = run(&["ls", "s3://bucket"]).out();
        assert_eq!(listing.lines().count(), 1_500, "{runtime}");
        assert!(listing.ends_with("k01499\n"), "{runtime}");
        run(&["rm", "s3://bucket/k00000"]);
        assert_eq!(world.object("k00000"), None);
        run(&["mb", "s3://fresh"]);
        run(&["rm", "--uploads", "s3://fresh"]);
    }
}

#[test]
fn adversary_97_an_interrupted_upload_is_aborted_on_each_runtime() {
    for (runtime, from_stdin) in RUNTIMES
        .iter()
        .flat_map(|name| [(name, false), (name, true)])
    {
        let world = World::with_faults([Rule::every(Operation::UploadPart, Fault::StallHead)]);
        let content = bytes(12 * MIB);
        let file = world.dir.write("file", &content);
        let source = if from_stdin {
            "-"
        } else {
            file.to_str().unwrap()
        };
        let words = [
            "cp",
            source,
            "s3://bucket/key",
            "--part-size",
            "5MiB",
            "--runtime",
            runtime,
        ];
        let mut child = spawn(&world, &words);
        let mut stdin = child.stdin.take().unwrap();
        if from_stdin {
            // The pipe stays open: the program still waits for more when it is interrupted.
            stdin.write_all(&content).unwrap();
        }
        wait_until("parts are on their way", || {
            !world.server.injected().is_empty()
        });
        signal(&child, "-INT");
        end_of(child).failed(130, &["cancelled"]);
        assert_eq!(world.server.stats().uploads_open, 0, "{runtime}");
        assert_eq!(world.object("key"), None, "{runtime}");
        drop(stdin);
    }
}

#[test]
fn adversary_97_an_interrupted_download_leaves_no_file_on_each_runtime() {
    for runtime in RUNTIMES {
        let stalled = Fault::StallBody { after: 100 };
        let world = World::with_faults([Rule::every(Operation::GetObject, stalled)]);
        world.put("key", &bytes(3 * MIB));
        let copy = world.dir.path("copy");
        let words = [
            "cp",
            "s3://bucket/key",
            copy.to_str().unwrap(),
            "--runtime",
            runtime,
        ];
        let child = spawn(&world, &words);
        wait_until("the download has begun", || {
            !world.server.injected().is_empty()
        });
        signal(&child, "-INT");
        end_of(child).failed(130, &["cancelled"]);
        assert_eq!(world.dir.names(), Vec::<String>::new(), "{runtime}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_download_on_each_runtime() {
    for runtime in RUNTIMES {
        let world = World::new();
        world
            .server
            .with_model(|model| drop(model.put_synthetic("bucket", "big", 1 << 30)));
        let mut command = world.command(["cp", "s3://bucket/big", "-", "--runtime", runtime]);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 1024]).unwrap();
        drop(stdout);
        end_of(child).failed(1, &["Broken pipe"]);
        assert!(world.server.stats().bytes_out < 1 << 30, "{runtime}");
    }
}

#[test]
fn failures_have_the_same_code_and_words_on_each_runtime() {
    let slow = Rule::every(Operation::GetObject, Fault::slow_down()).of_key("slow");
    let world = World::with_faults([slow]);
    world.put("key", &bytes(MIB));
    world.put("slow", b"content");
    let copy = world.dir.path("copy");
    let copy = copy.to_str().unwrap();
    // A port that was free a moment ago: nobody listens there.
    let dead = common::dead_end();
    let secure = world.server.endpoint_url().replace("http:", "https:");
    for (code, words) in [
        (4, vec!["cp", "s3://bucket/none", copy]),
        (4, vec!["cp", "s3://none-such/key", "-"]),
        (4, vec!["ls", "s3://none-such"]),
        (
            5,
            vec!["cp", "s3://bucket/slow", "-", "--max-attempts", "1"],
        ),
        (
            5,
            vec![
                "ls",
                "s3://bucket",
                "--endpoint-url",
                &dead,
                "--max-attempts",
                "1",
            ],
        ),
        (1, vec!["ls", "s3://bucket", "--endpoint-url", &secure]),
        (1, vec!["cp", "s3://bucket/key", "/dev/full"]),
        (1, vec!["cp", "s3://bucket/key", "/no/such/directory/file"]),
        (
            3,
            vec![
                "ls",
                "s3://bucket",
                "--endpoint-url",
                &secure,
                "--ca-bundle",
                "/none",
            ],
        ),
    ] {
        let said = RUNTIMES.map(|runtime| {
            let words = [&words[..], &["--runtime", runtime]].concat();
            without_request_ids(&world.run(words).failed(code, &[]).stderr)
        });
        assert!(!said[0].is_empty(), "{words:?}");
        assert_eq!(said[1], said[0], "{words:?}");
        assert_eq!(said[2], said[0], "{words:?}");
    }
}

#[test]
fn a_runtime_that_there_is_none_of_is_2() {
    let world = World::new();
    let ended = world.run(["ls", "s3://bucket", "--runtime", "nonsense"]);
    ended.failed(2, &["nonsense", "tokio, smol, blocking"]);
    assert_eq!(world.server.stats().total(), 0);
    let help = common::Ended::of(common::bare(["cp", "--help"]).output().unwrap()).ok();
    assert!(help.out().contains("--runtime <RUNTIME>"), "{}", help.out());
}

/// Each request has another id.
fn without_request_ids(text: &str) -> String {
    let mut pieces = text.split("(request id ");
    let mut kept = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        kept.push_str(piece.split_once(')').map_or(piece, |(_, rest)| rest));
    }
    kept
}
