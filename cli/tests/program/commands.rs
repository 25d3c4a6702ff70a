//! The other commands: ls, rm, mb, presign, plan, demo.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::common::{self, World, bare, bytes, events, json};
use http::Method;
use sans3_testkit::model::{Access, Request};

#[test]
fn ls_shows_a_level_or_all() {
    let world = World::new();
    for key in ["a", "dir/b", "dir/sub/c"] {
        world.put(key, b"content");
    }
    let names = |words: &[&str]| -> Vec<String> {
        let listing = world.run(words).ok().out();
        let last = |line: &str| line.split(' ').next_back().unwrap().to_owned();
        listing.lines().map(last).collect()
    };
    assert_eq!(names(&["ls", "s3://bucket"]), ["dir/", "a"]);
    assert_eq!(names(&["ls", "s3://bucket/dir/"]), ["dir/sub/", "dir/b"]);
    assert_eq!(
        names(&["ls", "s3://bucket", "--recursive"]),
        ["a", "dir/b", "dir/sub/c"]
    );
    let all = json(&world.run(["ls", "s3://bucket/", "--json"]).ok().stdout);
    assert_eq!(events(&all, "prefix")[0]["prefix"], "dir/");
    let object = events(&all, "object")[0];
    assert_eq!((&object["key"], &object["size"]), (&"a".into(), &7.into()));
    assert!(object["last_modified"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn ls_goes_through_all_pages() {
    let world = World::new();
    for number in 0..2_500 {
        world.put(&format!("k{number:05}"), b"");
    }
    let listing = world.run(["ls", "s3://bucket", "-r"]).ok().out();
    assert_eq!(listing.lines().count(), 2_500);
    assert!(listing.ends_with("k02499\n"));
}

#[test]
fn adversary_93_hostile_keys_are_escaped() {
    let world = World::new();
    world.put("\u{1b}[2J\r\n\u{202e}x", b"");
    let listing = world.run(["ls", "s3://bucket"]).ok().out();
    assert!(
        listing.ends_with("\\u{1b}[2J\\r\\n\\u{202e}x\n"),
        "{listing:?}"
    );
    let all = json(&world.run(["ls", "s3://bucket", "--json"]).ok().stdout);
    assert_eq!(all[0]["key"], "\u{1b}[2J\r\n\u{202e}x");
}

#[test]
fn ls_ends_when_its_reader_does() {
    let world = World::new();
    for number in 0..3_000 {
        world.put(&format!("{number:0>100}"), b"");
    }
    let mut command = world.command(["ls", "s3://bucket", "-r"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    common::end_of(child).failed(1, &["stdout"]);
}

#[test]
fn rm_removes_one_object() {
    let world = World::new();
    world.put("key", b"content");
    world.put("other", b"content");
    world.run(["rm", "s3://bucket/key"]).ok();
    assert_eq!(
        (world.object("key"), world.object("other").is_some()),
        (None, true)
    );
    world
        .run(["rm", "s3://none-such/key"])
        .failed(4, &["NoSuchBucket"]);
}

#[test]
fn rm_uploads_aborts_what_is_old_enough() {
    let world = World::new();
    let open = |key: &str| {
        let target = format!("/bucket/{key}?uploads");
        world.server.with_model(|model| {
            let access = std::mem::replace(&mut model.config_mut().access, Access::Unchecked);
            assert_eq!(model.handle(Request::new(Method::POST, target)).status, 200);
            model.config_mut().access = access;
        });
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    world
        .server
        .with_model(|model| model.set_time(now.try_into().unwrap()));
    for number in 0..1_200 {
        open(&format!("a/{number:04}"));
    }
    open("b");
    let uploads = || world.server.stats().uploads_open;
    let young = world
        .run(["rm", "--uploads", "s3://bucket", "--older-than", "24h"])
        .ok();
    assert!(young.stderr.contains("no unfinished uploads") && uploads() == 1_201);
    let dry = world
        .run(["rm", "--uploads", "s3://bucket/a/", "--dry-run"])
        .ok();
    assert_eq!((dry.out().lines().count(), uploads()), (1_200, 1_201));
    let done = world
        .run(["rm", "--uploads", "s3://bucket/a/", "--json"])
        .ok();
    let all = json(&done.stdout);
    assert_eq!(events(&all, "upload_aborted").len(), 1_200);
    assert_eq!(events(&all, "uploads")[0]["aborted"], 1_200);
    assert_eq!(uploads(), 1);
}

#[test]
fn mb_makes_a_bucket() {
    let world = World::new();
    world.run(["mb", "s3://fresh"]).ok();
    world.run(["ls", "s3://fresh"]).ok();
}

#[test]
fn a_presigned_url_can_be_read_by_anybody() {
    let world = World::new();
    world.put("a key+?#", b"content");
    let output = world
        .run(["presign", "s3://bucket/a key+?#", "--expires", "5m"])
        .ok();
    assert_eq!(output.stderr, "");
    let url = output.out();
    assert_eq!(world.server.stats().total(), 0);
    let host = world.server.addr().to_string();
    let target = url
        .trim_end()
        .strip_prefix(&format!("http://{host}"))
        .unwrap();
    let mut socket = TcpStream::connect(world.server.addr()).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("content"),
        "{answer}"
    );
}

#[test]
fn a_plan_needs_no_server_and_no_credentials() {
    let world = World::new();
    let file = world.dir.write("file", &bytes(20 << 20));
    let run = |words: &[&str]| common::Ended::of(bare(words).output().unwrap());
    let plan = run(&["plan", file.to_str().unwrap(), "s3://bucket/key", "--json"]).ok();
    let all = json(&plan.stdout);
    assert_eq!(events(&all, "part").len(), 3);
    assert_eq!(events(&all, "part")[2]["size"], 4 << 20);
    assert_eq!(events(&all, "plan")[0]["requests"], 5);
    let plan = run(&[
        "plan",
        "s3://bucket/key",
        "-",
        "--size",
        "1GiB",
        "--memory",
        "64MiB",
    ])
    .ok();
    assert!(plan.out().contains("128 of 8 MiB"), "{}", plan.out());
    run(&["plan", "s3://bucket/key", "-"]).failed(2, &["--size"]);
    let huge = run(&["plan", "-", "s3://bucket/key", "--size", "4TB"]);
    huge.failed(2, &["--memory"]);
    let planned = world
        .run(["plan", file.to_str().unwrap(), "s3://bucket/key"])
        .ok();
    assert!(
        planned.out().contains("2 of 8 MiB, then 1 of 4 MiB"),
        "{}",
        planned.out()
    );
    assert_eq!(world.server.stats().total(), 0);
}

#[test]
fn a_plan_holds() {
    let world = World::new();
    let file = world.dir.write("file", &bytes(20 << 20));
    let words = ["cp", file.to_str().unwrap(), "s3://bucket/key", "--json"];
    let uploaded = json(&world.run(words).ok().stdout);
    let words = ["plan", file.to_str().unwrap(), "s3://bucket/key", "--json"];
    let planned = json(&world.run(words).ok().stdout);
    assert_eq!(
        events(&uploaded, "uploaded")[0]["requests"],
        events(&planned, "plan")[0]["requests"]
    );
    let words = ["cp", "s3://bucket/key", "/dev/null", "--json"];
    let downloaded = json(&world.run(words).ok().stdout);
    let words = [
        "plan",
        "s3://bucket/key",
        "/dev/null",
        "--size",
        "20MiB",
        "--json",
    ];
    let planned = json(&world.run(words).ok().stdout);
    assert_eq!(
        events(&downloaded, "downloaded")[0]["requests"],
        events(&planned, "plan")[0]["requests"]
    );
}

#[test]
fn the_demo_shows_a_file_there_and_back_on_each_runtime() {
    let dir = common::Scratch::new();
    let file = dir.write("mine", &bytes(20 << 20));
    let words = ["demo", file.to_str().unwrap()];
    let output = bare(words).env("TMPDIR", dir.path("")).output().unwrap();
    let demo = common::Ended::of(output).ok();
    for word in [
        "3 parts of 8 MiB up, 3 ranges of 8 MiB down",
        "identical  byte for byte; SHA-256 ",
    ] {
        assert!(demo.out().contains(word), "{}", demo.out());
    }
    let out = demo.out();
    let row = |label: &str| -> Vec<String> {
        let line = out.lines().find_map(|line| line.strip_prefix(label));
        let line = line.unwrap_or_else(|| panic!("no {label:?} in {out}"));
        line.split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(row("             "), common::RUNTIMES);
    // 5 for the upload, 4 for the download, on each.
    assert_eq!(row("requests "), ["9"; 3]);
    assert_eq!(row("retries "), ["0"; 3]);
    assert_eq!(row("verified by"), ["whole CRC64NVME"; 3]);
    assert_eq!(row("identical   "), ["yes"; 3]);
    for label in ["upload", "download"] {
        assert_eq!(
            row(label)
                .iter()
                .filter(|cell| cell.ends_with("/s"))
                .count(),
            3
        );
    }
    assert_eq!(dir.names(), ["mine"]);
}

#[test]
fn the_demo_shows_one_runtime_if_asked() {
    let dir = common::Scratch::new();
    let file = dir.write("mine", &bytes(1 << 20));
    for runtime in common::RUNTIMES {
        let words = [
            "demo",
            file.to_str().unwrap(),
            "--runtime",
            runtime,
            "--json",
        ];
        let output = bare(words).env("TMPDIR", dir.path("")).output().unwrap();
        let demo = common::Ended::of(output).ok();
        let all = json(&demo.stdout);
        for name in [
            "server",
            "uploaded",
            "downloaded",
            "requests",
            "resources",
            "identical",
        ] {
            let events = events(&all, name);
            assert_eq!(events.len(), 1, "{name}");
            assert_eq!(events[0]["runtime"], runtime);
        }
    }
}

#[test]
fn the_demo_survives_every_kind_of_fault() {
    let dir = common::Scratch::new();
    let words = ["demo", "--faults", "--seed", "7", "--json"];
    let output = bare(words).env("TMPDIR", dir.path("")).output().unwrap();
    let demo = common::Ended::of(output).ok();
    let all = json(&demo.stdout);
    for (runtime, faults) in common::RUNTIMES.iter().zip(events(&all, "faults")) {
        for kind in [
            "503",
            "reset",
            "truncated",
            "stalled",
            "wrong_range",
            "wrong_bytes",
        ] {
            assert!(faults[kind].as_u64().unwrap_or(0) > 0, "{kind}: {faults}");
        }
        assert_eq!(faults["runtime"], *runtime);
        assert_eq!(faults["replay"], "sans3 demo --faults --seed 7");
    }
    for fault in events(&all, "fault") {
        assert!(!fault["done"].as_str().unwrap().is_empty(), "{fault}");
    }
    let identical = events(&all, "identical");
    assert_eq!(identical.len(), 3);
    assert!(identical.iter().all(|event| event["identical"] == true));
    assert_eq!(dir.names(), Vec::<String>::new());
}

#[test]
fn the_demo_serves_other_programs() {
    let mut child = bare(["demo", "--serve"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut cp = bare(["cp", "-", "s3://demo/key"]);
    for _ in 0..4 {
        let line = lines.next().unwrap().unwrap();
        let (name, value) = line
            .strip_prefix("export ")
            .unwrap()
            .split_once('=')
            .unwrap();
        cp.env(name, value);
    }
    common::Ended::of(cp.output().unwrap()).ok();
    common::signal(&child, "-INT");
    assert_eq!(common::end_of(child).code, Some(0));
}
