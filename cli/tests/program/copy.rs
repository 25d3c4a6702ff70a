//! Copies up and down: the bytes, the names, the conditions, the reports.

use std::process::Stdio;

use crate::common::{self, World, bytes, events, json};

const MIB: usize = 1 << 20;

#[test]
fn a_file_goes_up_in_parts_and_comes_back_in_ranges() {
    let world = World::new();
    let content = bytes(12 * MIB + 7);
    let file = world.dir.write("file", &content);
    let up = world.run([
        "cp",
        file.to_str().unwrap(),
        "s3://bucket/key",
        "--part-size",
        "5MiB",
    ]);
    let up = up.ok();
    assert!(up.stdout.is_empty());
    assert!(
        up.stderr
            .contains("3 parts, verified by the whole object's CRC64NVME"),
        "{}",
        up.stderr
    );
    assert!(!up.stderr.contains("warning"), "{}", up.stderr);
    assert!(world.object("key").unwrap() == content);
    let copy = world.dir.path("copy");
    let down = world.run([
        "cp",
        "s3://bucket/key",
        copy.to_str().unwrap(),
        "--part-size",
        "5MiB",
    ]);
    let down = down.ok();
    assert!(down.stderr.contains("3 ranges"), "{}", down.stderr);
    assert!(std::fs::read(copy).unwrap() == content);
    assert_eq!(world.dir.names(), ["copy", "file"]);
    assert_eq!(world.server.stats().uploads_open, 0);
}

#[test]
fn checksums_stand_where_they_are_wanted() {
    let world = World::new();
    let content = bytes(6 * MIB);
    let file = world.dir.write("file", &content);
    let file = file.to_str().unwrap();
    for (place, target) in [("auto", "a"), ("header", "h"), ("trailer", "t")] {
        let uri = format!("s3://bucket/{target}");
        let words = ["cp", file, &uri, "--checksum-placement", place];
        let up = world.run(words).ok();
        assert!(
            up.stderr
                .contains("verified by the whole object's CRC64NVME"),
            "{}",
            up.stderr
        );
        assert!(world.object(target).unwrap() == content, "{place}");
    }
    let copy = world.dir.path("copy");
    let words = ["cp", "s3://bucket/t", copy.to_str().unwrap()];
    let down = world.run(words.iter().chain(&["--checksum-placement", "header"]));
    assert!(
        down.stderr.contains("--checksum-placement is for uploads"),
        "{}",
        down.stderr
    );
}

#[test]
fn streams_of_any_length_go_up_and_down() {
    let world = World::new();
    for len in [0, 1, 5 * MIB, 13 * MIB + 1] {
        let content = bytes(len);
        let words = ["cp", "-", "s3://bucket/stream", "--part-size", "5MiB"];
        world.run_with_stdin(words, &content).ok();
        assert!(world.object("stream").unwrap() == content, "{len}");
        let words = ["cp", "s3://bucket/stream", "-", "--part-size", "5MiB"];
        assert!(world.run(words).ok().stdout == content, "{len}");
    }
}

#[test]
fn an_empty_file_goes_up_and_comes_back() {
    let world = World::new();
    let file = world.dir.write("empty", b"");
    world
        .run(["cp", file.to_str().unwrap(), "s3://bucket/"])
        .ok();
    assert_eq!(world.object("empty").unwrap(), b"");
    let copy = world.dir.path("copy");
    world
        .run(["cp", "s3://bucket/empty", copy.to_str().unwrap()])
        .ok();
    assert_eq!(std::fs::read(copy).unwrap(), b"");
}

#[test]
fn directories_and_prefixes_take_the_name_of_the_source() {
    let world = World::new();
    let file = world.dir.write("name.txt", b"content");
    let file = file.to_str().unwrap();
    for (target, key) in [
        ("s3://bucket", "name.txt"),
        ("s3://bucket/a/b/", "a/b/name.txt"),
        ("s3://bucket/other", "other"),
    ] {
        world.run(["cp", file, target]).ok();
        assert_eq!(world.object(key).unwrap(), b"content", "{target}");
    }
    let directory = world.dir.path("sub");
    std::fs::create_dir(&directory).unwrap();
    world
        .run([
            "cp",
            "s3://bucket/a/b/name.txt",
            directory.to_str().unwrap(),
        ])
        .ok();
    assert_eq!(
        std::fs::read(directory.join("name.txt")).unwrap(),
        b"content"
    );
}

#[test]
fn what_is_stored_with_an_object_is_what_was_asked_for() {
    let world = World::new();
    let file = world.dir.write("f", b"content");
    for checksum in ["crc64nvme", "crc32", "crc32c", "sha256", "md5"] {
        let words = [
            "cp",
            file.to_str().unwrap(),
            "s3://bucket/key",
            "--checksum",
            checksum,
            "--content-type",
            "text/plain",
            "--metadata",
            "colour=blue",
            "--metadata",
            "n=a=b",
        ];
        world.run(words).ok();
    }
    world.server.with_model(|model| {
        let object = model.object("bucket", "key").unwrap();
        let header = |name: &str| object.headers.get(name).unwrap().to_str().unwrap();
        assert_eq!(header("content-type"), "text/plain");
        assert_eq!(header("x-amz-meta-colour"), "blue");
        assert_eq!(header("x-amz-meta-n"), "a=b");
    });
}

#[test]
fn conditions_are_kept() {
    let world = World::new();
    let file = world.dir.write("f", b"new");
    let file = file.to_str().unwrap();
    world.put("key", b"old");
    let kept = world.run(["cp", file, "s3://bucket/key", "--if-none-match", "*"]);
    kept.failed(1, &["412", "--if-none-match"]);
    world
        .run(["cp", file, "s3://bucket/fresh", "--if-none-match", "*"])
        .ok();
    world
        .run(["cp", file, "s3://bucket/key", "--if-match", "nonsense"])
        .failed(1, &["412"]);
    assert_eq!(world.object("key").unwrap(), b"old");
    let etag = world
        .server
        .with_model(|model| model.object("bucket", "key").unwrap().etag.clone());
    let copy = world.dir.path("copy");
    let copy = copy.to_str().unwrap();
    world
        .run([
            "cp",
            "s3://bucket/key",
            copy,
            "--if-match",
            etag.trim_matches('"'),
        ])
        .ok();
    world
        .run(["cp", "s3://bucket/key", copy, "--if-match", "nonsense"])
        .failed(1, &[]);
    world
        .run(["cp", file, "s3://bucket/key", "--if-match", &etag])
        .ok();
    world
        .run(["cp", "s3://bucket/key", copy, "--no-clobber"])
        .failed(1, &["copy", "--no-clobber"]);
    assert_eq!(std::fs::read(copy).unwrap(), b"old");
    world.run(["cp", "s3://bucket/key", copy]).ok();
    assert_eq!(std::fs::read(copy).unwrap(), b"new");
}

#[test]
fn a_device_is_written_to_and_not_replaced() {
    use std::os::unix::fs::FileTypeExt as _;
    let world = World::new();
    world.put("key", &bytes(MIB));
    world.run(["cp", "s3://bucket/key", "/dev/null"]).ok();
    assert!(
        std::fs::metadata("/dev/null")
            .unwrap()
            .file_type()
            .is_char_device()
    );
}

#[test]
fn adversary_41_a_fifo_is_read_as_a_stream() {
    let world = World::new();
    let fifo = world.dir.path("fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let content = bytes(6 * MIB);
    let (path, sent) = (fifo.clone(), content.clone());
    let writer = std::thread::spawn(move || std::fs::write(path, sent).unwrap());
    world
        .run(["cp", fifo.to_str().unwrap(), "s3://bucket/key"])
        .ok();
    writer.join().unwrap();
    assert!(world.object("key").unwrap() == content);
}

#[test]
fn results_are_json_lines_on_stdout() {
    let world = World::new();
    let file = world.dir.write("f", &bytes(11 * MIB));
    let words = [
        "cp",
        file.to_str().unwrap(),
        "s3://bucket/key",
        "--part-size",
        "5MiB",
        "--json",
    ];
    let up = world.run(words).ok();
    assert_eq!(up.stderr, "");
    let all = json(&up.stdout);
    let uploaded = events(&all, "uploaded")[0];
    assert_eq!(uploaded["key"], "key");
    assert_eq!(uploaded["size"], 11 * MIB);
    assert_eq!(uploaded["parts"], 3);
    assert_eq!(uploaded["verified"], "full_object");
    assert_eq!(uploaded["checksum"], "CRC64NVME");
    assert_eq!(uploaded["retries"], 0);
    assert!(uploaded["etag"].is_string() && uploaded["milliseconds"].is_u64());
    let missing = world.run(["cp", "s3://bucket/none", "x", "--json"]);
    let all = json(&missing.stdout);
    let error = events(&all, "error")[0];
    assert_eq!((missing.code, &error["exit_code"]), (Some(4), &4.into()));
    assert_eq!(error["kind"], "not_found");
    assert!(missing.stderr.starts_with("sans3: "), "{}", missing.stderr);
}

#[test]
fn json_makes_way_for_an_object_on_stdout() {
    let world = World::new();
    world.put("key", b"content");
    let down = world.run(["cp", "s3://bucket/key", "-", "--json"]).ok();
    assert_eq!(down.stdout, b"content");
    let all = json(down.stderr.as_bytes());
    assert_eq!(events(&all, "downloaded")[0]["size"], 7);
    let missing = world.run(["cp", "s3://bucket/none", "-", "--json"]);
    assert_eq!((missing.code, missing.stdout.len()), (Some(4), 0));
    assert_eq!(events(&json(missing.stderr.as_bytes()), "error").len(), 1);
}

#[test]
fn quiet_says_nothing_but_errors() {
    let world = World::new();
    world.put("key", b"content");
    let down = world
        .run(["cp", "s3://bucket/key", "-", "--quiet", "--memory", "2MiB"])
        .ok();
    assert_eq!(
        (down.stdout.as_slice(), down.stderr.as_str()),
        (&b"content"[..], "")
    );
    world
        .run(["cp", "s3://bucket/none", "-", "--quiet"])
        .failed(4, &["NoSuchKey"]);
}

#[test]
fn little_memory_is_told_and_kept() {
    let world = World::new();
    world
        .server
        .with_model(|model| drop(model.put_synthetic("bucket", "big", 100 << 20)));
    let words = ["cp", "s3://bucket/big", "-", "--memory", "32MiB", "--json"];
    let down = world.run(words).ok();
    assert!(sans3_testkit::model::synthetic::matches(0, &down.stdout));
    assert_eq!(down.stdout.len(), 100 << 20);
    let all = json(down.stderr.as_bytes());
    let warning = events(&all, "warning")[0]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(warning.contains("not in 16"), "{warning}");
    let peak = events(&all, "downloaded")[0]["peak_payload_bytes"]
        .as_u64()
        .unwrap();
    assert!(peak <= 32 << 20, "{peak}");
    let plenty = world.run(["cp", "s3://bucket/big", "/dev/null"]).ok();
    assert!(!plenty.stderr.contains("warning"), "{}", plenty.stderr);
}

#[test]
fn a_reader_that_goes_away_ends_the_download() {
    use std::io::Read as _;
    let world = World::new();
    world
        .server
        .with_model(|model| drop(model.put_synthetic("bucket", "big", 1 << 30)));
    let mut command = world.command(["cp", "s3://bucket/big", "-"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 1024]).unwrap();
    drop(stdout);
    common::end_of(child).failed(1, &["Broken pipe"]);
    assert!(world.server.stats().bytes_out < 1 << 30);
}

#[test]
#[cfg(target_os = "linux")]
fn files_that_say_they_are_empty_are_copied_all_the_same() {
    let world = World::new();
    let up = world.run(["cp", "/proc/version", "s3://bucket/key"]).ok();
    assert!(up.stderr.contains("one request"), "{}", up.stderr);
    let version = std::fs::read("/proc/version").unwrap();
    assert_eq!(world.object("key"), Some(version));
    let down = world.run(["cp", "s3://bucket/key", "-"]).ok();
    assert!(down.stderr.contains(", 1 range,"), "{}", down.stderr);
}
