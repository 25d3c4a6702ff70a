//! Every class of failure: its exit code, and words that say what to do.

use crate::common::{self, SECRET, World, bare, bytes};
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::{ModelConfig, Operation};
use sans3_testkit::server::Config;

#[test]
fn wrong_addresses_are_2_and_send_nothing() {
    let world = World::new();
    let directory = world.dir.path("");
    let directory = directory.to_str().unwrap();
    for (words, wanted) in [
        (
            vec!["cp", "s3://bucket/a", "s3://bucket/b"],
            "not supported yet",
        ),
        (vec!["cp", "a", "b"], "s3://BUCKET/KEY"),
        (vec!["cp", "a"], "<TARGET>"),
        (vec!["cp", directory, "s3://bucket/"], "directory"),
        (vec!["cp", "s3://bucket/", "x"], "expected an object"),
        (vec!["cp", "s3://bu cket/x", "x"], "bucket name"),
        (vec!["cp", "-", "s3://bucket/x/"], "whole key"),
        (vec!["mb", "s3://bucket/key"], "expected a bucket"),
        (vec!["rm", "s3://bucket"], "expected an object"),
        (vec!["ls", "bucket"], "s3://"),
        (vec!["frobnicate"], "frobnicate"),
    ] {
        let ended = world.run(&words).failed(2, &[wanted]);
        assert!(ended.stdout.is_empty(), "{words:?}");
    }
    assert_eq!(world.server.stats().total(), 0);
}

#[test]
fn wrong_options_are_2_and_send_nothing() {
    let world = World::new();
    for (words, wanted) in [
        (
            vec!["cp", "-", "s3://bucket/x", "--part-size", "8M"],
            "8MiB",
        ),
        (
            vec!["cp", "-", "s3://bucket/x", "--part-size", "0"],
            "at least 1",
        ),
        (
            vec!["cp", "-", "s3://bucket/x", "--concurrency", "0"],
            "from 1 to 65535",
        ),
        (
            vec!["cp", "-", "s3://bucket/x", "--read-timeout", "0s"],
            "longer than 0",
        ),
        (
            vec!["ls", "s3://bucket", "--connect-timeout", "0"],
            "longer than 0",
        ),
        (
            vec!["cp", "-", "s3://bucket/x", "--memory", "1KiB"],
            "--memory",
        ),
        (
            vec!["cp", "-", "s3://bucket/x", "--memory", "4MiB"],
            "at least 10 MiB",
        ),
        (
            vec!["cp", "-", "s3://bucket/x", "--metadata", "novalue"],
            "NAME=VALUE",
        ),
        (
            vec![
                "cp",
                "-",
                "s3://bucket/x",
                "--metadata",
                "a=b\r\nx-amz-acl: public",
            ],
            "metadata",
        ),
        (
            vec!["cp", "-", "s3://bucket/x", "--content-type", "a\nb"],
            "content type",
        ),
        (
            vec!["cp", "-", "s3://bucket/x", "--if-none-match", "abc"],
            "expected *",
        ),
        (
            vec!["cp", "s3://bucket/x", "-", "--if-none-match", "*"],
            "--no-clobber",
        ),
        (
            vec!["cp", "s3://bucket/x", "-", "--metadata", "a=b"],
            "uploads",
        ),
        (
            vec!["cp", "-", "s3://bucket/x", "--no-clobber"],
            "--if-none-match",
        ),
        (
            vec!["rm", "s3://bucket/x", "--older-than", "1h"],
            "--uploads",
        ),
        (
            vec!["presign", "s3://bucket/x", "--expires", "8d"],
            "7 days",
        ),
    ] {
        let ended = world.run(&words).failed(2, &[wanted]);
        assert!(ended.stdout.is_empty(), "{words:?}");
    }
    assert_eq!(world.server.stats().total(), 0);
}

#[test]
fn missing_configuration_is_3_and_says_what_to_set() {
    let run = |env: &[(&str, &str)], words: &[&str]| {
        common::Ended::of(bare(words).envs(env.iter().copied()).output().unwrap())
    };
    let cp = ["cp", "s3://bucket/key", "-"];
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ];
    run(&[("AWS_REGION", "us-east-1")], &cp).failed(3, &["AWS_ACCESS_KEY_ID", "--no-sign-request"]);
    run(&keys, &cp).failed(3, &["AWS_REGION"]);
    run(&[keys[1], ("AWS_REGION", "r")], &cp).failed(3, &["AWS_ACCESS_KEY_ID"]);
    run(&[keys[0], keys[1], ("AWS_REGION", "evil.com/#")], &cp).failed(3, &["region"]);
    run(&[keys[0], keys[1], ("AWS_PROFILE", "none")], &cp).failed(3, &["none"]);
    for url in [
        "127.0.0.1:9",
        "ftp://host",
        "https://u:canary@host",
        "https://host?x=canary",
    ] {
        let env = [keys[0], keys[1], ("AWS_ENDPOINT_URL_S3", url)];
        let ended = run(&env, &cp).failed(3, &[]);
        assert!(!ended.stderr.contains("u:canary"));
    }
    let ended = run(
        &keys,
        &[
            "--endpoint-url",
            "https://host",
            "--ca-bundle",
            "/none",
            "ls",
            "s3://b",
        ],
    );
    ended.failed(3, &["/none"]);
}

#[test]
fn refused_credentials_are_3() {
    let world = World::new();
    world.put("key", b"content");
    for (name, value, code) in [
        (
            "AWS_SECRET_ACCESS_KEY",
            "another-one",
            "SignatureDoesNotMatch",
        ),
        ("AWS_ACCESS_KEY_ID", "UNKNOWN", "InvalidAccessKeyId"),
    ] {
        for words in [
            ["cp", "s3://bucket/key", "-"],
            ["cp", "/etc/hostname", "s3://bucket/x"],
        ] {
            let output = world.command(words).env(name, value).output().unwrap();
            common::Ended::of(output).failed(3, &[code, name]);
        }
    }
    world
        .server
        .with_model(|model| model.set_expired(common::KEY_ID, true));
    world
        .run(["ls", "s3://bucket"])
        .failed(3, &["ExpiredToken", "AWS_SESSION_TOKEN"]);
}

#[test]
fn what_is_not_public_needs_credentials() {
    let world = World::new();
    world.put("key", b"content");
    let ended = world.run(["cp", "s3://bucket/key", "-", "--no-sign-request"]);
    ended.failed(1, &["AccessDenied", "leave out --no-sign-request"]);
}

#[test]
fn the_wrong_region_names_the_right_one() {
    let model = ModelConfig {
        region: "eu-west-1".into(),
        ..ModelConfig::default()
    };
    let world = World::with(Config {
        model,
        ..Config::default()
    });
    world.put("key", b"content");
    let ended = world.run(["cp", "s3://bucket/key", "-", "--region", "us-east-1"]);
    ended.failed(3, &["AWS_REGION=eu-west-1", "--region eu-west-1"]);
    assert_eq!(
        world
            .run(["cp", "s3://bucket/key", "-", "--region", "eu-west-1"])
            .ok()
            .out(),
        "content"
    );
}

#[test]
fn what_is_not_there_is_4() {
    let world = World::new();
    let file = world.dir.write("f", b"x");
    let file = file.to_str().unwrap();
    let copy = world.dir.path("copy");
    let copy = copy.to_str().unwrap();
    world
        .run(["cp", "s3://bucket/none", copy])
        .failed(4, &["NoSuchKey", "sans3 ls s3://bucket"]);
    world
        .run(["cp", "s3://none-such/k", copy])
        .failed(4, &["NoSuchBucket", "sans3 mb s3://none-such"]);
    world
        .run(["cp", file, "s3://none-such/k"])
        .failed(4, &["NoSuchBucket", "sans3 mb s3://none-such"]);
    world
        .run(["ls", "s3://none-such"])
        .failed(4, &["sans3 mb s3://none-such"]);
    world
        .run(["ls", "s3://bucket/none"])
        .failed(4, &["s3://bucket/none"]);
    world
        .run(["cp", "/no/such/file", "s3://bucket/k"])
        .failed(4, &["/no/such/file"]);
    assert_eq!(world.dir.names(), ["f"]);
}

#[test]
fn a_dead_endpoint_is_given_up_with_5() {
    let world = World::new();
    let url = common::dead_end();
    for words in [
        ["cp", "s3://bucket/key", "-"],
        ["cp", "/etc/hostname", "s3://bucket/x"],
    ] {
        let mut command = world.command(words);
        command.args(["--endpoint-url", &url, "--max-attempts", "2"]);
        let ended = common::Ended::of(command.output().unwrap());
        ended.failed(5, &["gave up after 2 attempts", &url, "nothing answers"]);
    }
}

#[test]
fn a_server_that_only_fails_is_given_up_with_5() {
    let world = World::with_faults([Rule::every(Operation::GetObject, Fault::slow_down())]);
    world.put("key", b"content");
    let ended = world.run(["cp", "s3://bucket/key", "-", "--max-attempts", "2"]);
    ended.failed(5, &["SlowDown", "overloaded"]);
}

#[test]
fn a_server_without_tls_is_refused_over_https() {
    let world = World::new();
    let url = world.server.endpoint_url().replace("http:", "https:");
    let ended = world.run(["cp", "s3://bucket/key", "-", "--endpoint-url", &url]);
    ended.failed(1, &["TLS", "--ca-bundle", "http://"]);
}

#[test]
fn targets_that_can_not_be_written_are_named() {
    let world = World::new();
    world.put("key", &bytes(1 << 20));
    let file = world.dir.write("file", b"kept");
    let beneath_file = file.join("x");
    let missing = world.dir.path("none").join("x");
    let cases = [
        (&beneath_file, "check the path"),
        (&missing, "no such directory"),
    ];
    for (target, wanted) in cases {
        let ended = world.run(["cp", "s3://bucket/key", target.to_str().unwrap()]);
        let directory = target.parent().unwrap().to_str().unwrap();
        ended.failed(1, &[directory, wanted]);
    }
    let directory = world.dir.path("key");
    std::fs::create_dir(&directory).unwrap();
    // The directory takes the name of the key, and there is a directory by that name.
    let root = world.dir.path("");
    world
        .run(["cp", "s3://bucket/key", root.to_str().unwrap()])
        .failed(1, &["key"]);
    assert_eq!(world.dir.names(), ["file", "key"]);
    assert_eq!(std::fs::read(file).unwrap(), b"kept");
}

#[test]
fn a_full_device_is_named_as_full() {
    let world = World::new();
    world.put("key", &bytes(1 << 20));
    let ended = world.run(["cp", "s3://bucket/key", "/dev/full"]);
    ended.failed(1, &["No space left", "free some space"]);
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = world
        .command(["cp", "s3://bucket/key", "-"])
        .stdout(full)
        .output()
        .unwrap();
    let ended = common::Ended::of(output).failed(1, &["No space left", "not the whole object"]);
    assert!(
        !ended.stderr.contains("nothing was kept"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_report_that_can_not_be_written_is_told_from_the_transfer() {
    let world = World::new();
    let content = bytes(1 << 20);
    let file = world.dir.write("file", &content);
    let copy = world.dir.path("copy");
    let (file, copy) = (file.to_str().unwrap(), copy.to_str().unwrap());
    for (source, target) in [(file, "s3://bucket/key"), ("s3://bucket/key", copy)] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let mut command = world.command(["cp", source, target, "--json"]);
        let output = command.stdout(full.unwrap()).output().unwrap();
        let ended = common::Ended::of(output).failed(
            1,
            &[
                "the transfer is done",
                "report could not be written",
                target,
            ],
        );
        assert!(
            !ended.stderr.contains("nothing was kept"),
            "{}",
            ended.stderr
        );
    }
    assert!(world.object("key").unwrap() == content);
    assert!(std::fs::read(copy).unwrap() == content);
}

#[test]
#[cfg(target_os = "linux")]
fn a_closed_stdin_is_2_and_null_devices_are_fine() {
    let world = World::new();
    world.put("key", b"content");
    let down = ["cp", "s3://bucket/key", "-"];
    let up = ["cp", "-", "s3://bucket/new"];
    let run = |redirection: &str, words: &[&str]| {
        let script = format!("exec \"$@\" {redirection}");
        common::end_of(world.shell(&script, words).spawn().unwrap())
    };
    run("1<>/dev/null", &down).ok();
    run("<&-", &up).failed(2, &["stdin", "closed"]);
    assert_eq!(world.object("new"), None);
    run(">/dev/null", &down).ok();
    run("</dev/null", &up).ok();
    assert_eq!(world.object("new"), Some(Vec::new()));
}

#[test]
fn an_unreadable_answer_is_no_success() {
    let world = World::with_faults([Rule::every(Operation::GetObject, Fault::FlipByte { at: 3 })]);
    world.put("key", b"content");
    let copy = world.dir.path("copy");
    let ended = world.run(["cp", "s3://bucket/key", copy.to_str().unwrap()]);
    assert!(matches!(ended.code, Some(1 | 5)), "{}", ended.stderr);
    assert_eq!(world.dir.names(), Vec::<String>::new());
}

#[test]
fn adversary_93_hostile_words_of_a_server_are_escaped() {
    let answer = Fault::Answer {
        status: 403,
        headers: vec![("content-type".into(), "application/xml".into())],
        body: "<Error><Code>Evil</Code><Message>\u{9b}2J\u{202e}hidden&#10;line</Message></Error>"
            .into(),
    };
    let world = World::with_faults([Rule::every(Operation::GetObject, answer)]);
    world.put("key", b"content");
    let ended = world
        .run(["cp", "s3://bucket/key", "-"])
        .failed(1, &["Evil", "\\u{9b}2J\\u{202e}"]);
    assert!(!ended.stderr.contains(['\u{9b}', '\u{202e}']));
}

#[test]
fn changes_of_pace_are_told_of_a_copy_that_fails_too() {
    let refused = Fault::access_denied();
    let world = World::with_faults([
        Rule::nth(Operation::UploadPart, 2, Fault::slow_down()),
        Rule::nth(Operation::UploadPart, 3, Fault::slow_down()),
        Rule::every(Operation::CompleteMultipartUpload, refused),
    ]);
    let file = world.dir.write("file", &bytes(16 << 20));
    let words = ["cp", file.to_str().unwrap(), "s3://bucket/key"];
    let explained = ["--part-size", "5MiB", "--explain"];
    let ended = world.run([&words[..], &explained[..]].concat());
    let wanted = ["sans3: at ", "the server asks for fewer", "AccessDenied"];
    ended.failed(1, &wanted);
}
