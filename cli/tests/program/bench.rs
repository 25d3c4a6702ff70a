//! `sans3 bench`: what it measures, and that nothing of it stays.

use std::process::{Command, Stdio};

use quick_xml::Reader;
use quick_xml::events::Event;
use sans3_testkit::faults::{Fault, Rule, Schedule};
use sans3_testkit::model::{ModelConfig, Operation};
use sans3_testkit::server::Config;
use serde_json::Value;

use crate::common::{Ended, RUNTIMES, SECRET, World, dead_end, end_of, json, signal, wait_until};

/// Objects of one part and of several.
const SIZES: &str = "1KiB,6MiB";

/// A matrix that is small enough for a test.
fn bench<'a>(sizes: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words =
        "bench s3://bucket/mine/ --part-sizes 5MiB --small 3 --repeat 2 --concurrency 1,2 --sizes";
    words
        .split(' ')
        .chain([sizes])
        .chain(more.iter().copied())
        .collect()
}

const REFUSED: Fault = Fault::access_denied();

/// A server that forgets older versions, as most do.
fn world(rules: impl IntoIterator<Item = Rule>) -> World {
    World::with(Config {
        model: ModelConfig {
            versioning: false,
            ..ModelConfig::default()
        },
        faults: Schedule::rules(rules),
        ..Config::default()
    })
}

/// The keys that are on the server.
fn keys(world: &World) -> Vec<String> {
    world.server.with_model(|model| {
        let keys = model.keys("bucket").into_iter();
        keys.map(str::to_owned).collect()
    })
}

fn spawn(mut command: Command) -> std::process::Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn a_matrix_is_measured_on_each_runtime_and_nothing_stays() {
    for runtime in RUNTIMES {
        let world = world([]);
        world.put("mine/other", b"not to be touched");
        let words = bench(SIZES, &["--json", "--runtime", runtime]);
        let ended = world.run(words).ok();
        let [document] = &json(&ended.stdout)[..] else {
            panic!("expected one document, got {}", ended.out());
        };
        assert_eq!(document["schema"], 1);
        assert_eq!(
            (&document["ended"], &document["runs"]),
            (&"complete".into(), &16.into())
        );
        let environment = &document["environment"];
        assert_eq!(environment["runtime"], runtime);
        assert_eq!(environment["endpoint"], world.server.endpoint_url());
        let rows = document["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 8);
        for row in rows {
            check_row(row);
        }
        let advice = document["recommendations"].as_array().unwrap();
        assert_eq!(advice.len(), 4);
        let flags = |at: usize| advice[at]["flags"].as_str().unwrap();
        assert!(flags(0).starts_with("--concurrency "), "{}", flags(0));
        assert!(flags(1).starts_with("--part-size 5MiB "), "{}", flags(1));
        assert_eq!(keys(&world), ["mine/other"]);
        assert_eq!(world.server.stats().uploads_open, 0);
    }
}

#[track_caller]
fn check_row(row: &Value) {
    assert_eq!(
        (&row["runs"], &row["failure"]),
        (&2.into(), &Value::Null),
        "{row}"
    );
    let is_small = row["object_bytes"] == 1024;
    assert_eq!(row["objects"], 3);
    assert_eq!(row["part_bytes"].is_null(), is_small);
    let figures = &row["figures"];
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{row}"));
    let rates = &figures["bytes_per_second"];
    assert!(number(&rates["slowest"]) > 0.0);
    assert!(number(&rates["slowest"]) <= number(&rates["median"]));
    assert!(number(&rates["median"]) <= number(&rates["fastest"]));
    let times = &figures["request_seconds"];
    // Two runs of three objects, each of one request or of two parts.
    assert_eq!(times["count"], if is_small { 6 } else { 12 }, "{row}");
    assert!(number(&times["p50"]) > 0.0 && number(&times["p50"]) <= number(&times["p99"]));
    assert!(number(&figures["requests"]) >= number(&times["count"]));
    assert_eq!(figures["retries"], 0);
    assert!(number(&figures["cpu_seconds_per_gib"]) > 0.0);
    assert_eq!(
        (&figures["verified"], &figures["checksum"]),
        (&"full_object".into(), &"CRC64NVME".into())
    );
}

#[test]
fn people_get_a_table_and_a_page() {
    let world = world([]);
    let page = world.dir.path("report.html");
    let words = bench(SIZES, &["--html", page.to_str().unwrap()]);
    let ended = world.run(words).ok();
    let text = ended.out();
    for part in [
        "upload of 3 objects of 1 KiB",
        "download of 3 objects of 6 MiB",
        "recommended",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    for part in [
        "8 settings, 2 runs each",
        "cost money",
        "s3://bucket/mine/sans3-bench-",
    ] {
        assert!(
            ended.stderr.contains(part),
            "{part:?} is not in: {}",
            ended.stderr
        );
    }
    let html = std::fs::read_to_string(page).unwrap();
    assert!(!html.contains(SECRET) && !html.contains("canary"));
    let mut reader = Reader::from_str(&html);
    let mut plots = 0;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) if tag.name().as_ref() == "svg" => plots += 1,
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(plots, 12);
    assert_eq!(world.dir.names(), ["report.html"]);
}

#[test]
fn downloads_alone_have_their_objects_uploaded_first() {
    let world = world([]);
    let words = bench(SIZES, &["--direction", "down", "--json"]);
    let documents = json(&world.run(words).ok().stdout);
    let rows = documents[0]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    assert!(
        rows.iter()
            .all(|row| row["direction"] == "down" && row["runs"] == 2)
    );
    assert_eq!(keys(&world), Vec::<String>::new());
}

#[test]
fn adversary_97_an_interrupted_bench_leaves_nothing() {
    for operation in [Operation::UploadPart, Operation::GetObject] {
        let world = world([Rule::every(operation, Fault::StallHead)]);
        let child = spawn(world.command(bench(SIZES, &[])));
        wait_until("a request hangs", || !world.server.injected().is_empty());
        signal(&child, "-INT");
        end_of(child).failed(130, &["interrupted"]);
        assert_eq!(keys(&world), Vec::<String>::new(), "{operation:?}");
        assert_eq!(world.server.stats().uploads_open, 0, "{operation:?}");
    }
}

#[test]
fn a_second_signal_leaves_at_once_and_says_where_to_look() {
    let world = world([
        Rule::every(Operation::GetObject, Fault::StallHead),
        Rule::every(Operation::ListObjectsV2, Fault::StallHead),
    ]);
    let child = spawn(world.command(bench(SIZES, &[])));
    wait_until("a request hangs", || !world.server.injected().is_empty());
    signal(&child, "-INT");
    let listing = || {
        let injected = world.server.injected();
        injected
            .iter()
            .any(|hit| hit.hit.operation == Operation::ListObjectsV2)
    };
    wait_until("the cleaning up hangs", listing);
    signal(&child, "-INT");
    end_of(child).failed(
        130,
        &["cut short", "left beneath s3://bucket/mine/sans3-bench-"],
    );
}

#[test]
fn a_server_that_refuses_removals_is_given_no_more_than_one_object() {
    let world = world([Rule::every(Operation::DeleteObject, REFUSED)]);
    let ended = world.run(bench(SIZES, &[]));
    ended.failed(
        1,
        &[
            "what is uploaded can't be removed",
            "AccessDenied",
            "1 of the objects may be left beneath s3://bucket/mine/sans3-bench-",
            "/probe",
            "sans3 rm",
        ],
    );
    let left = keys(&world);
    assert!(left.len() == 1 && left[0].ends_with("/probe"), "{left:?}");
}

#[test]
fn removals_that_are_refused_later_are_named() {
    // The first is of the object by which the right to remove is tried.
    let world = world([Rule {
        from: 2,
        ..Rule::every(Operation::DeleteObject, REFUSED)
    }]);
    let words = bench("1KiB", &["--json"]);
    let ended = world.run(words);
    let ended = ended.failed(1, &["may be left beneath", "000002"]);
    // What was measured is told all the same.
    assert_eq!(json(&ended.stdout)[0]["ended"], "complete");
    assert_eq!(keys(&world).len(), 3);
}

#[test]
fn an_upload_that_can_not_be_aborted_is_named() {
    let world = world([
        Rule::every(Operation::UploadPart, Fault::StallHead),
        Rule::every(Operation::AbortMultipartUpload, REFUSED),
    ]);
    let child = spawn(world.command(bench("6MiB", &[])));
    wait_until("a part hangs", || !world.server.injected().is_empty());
    signal(&child, "-INT");
    let words = [
        "interrupted; ",
        " unfinished uploads may be left beneath ",
        "(upload ",
    ];
    end_of(child).failed(130, &words);
    assert_eq!(keys(&world), Vec::<String>::new());
}

#[test]
fn what_can_not_be_seen_is_said_and_no_failure() {
    let world = world([Rule::every(Operation::ListObjectsV2, REFUSED)]);
    let ended = world.run(bench("1KiB", &["--direction", "up"])).ok();
    let warning = "whether other objects are left";
    assert!(ended.stderr.contains(warning), "{}", ended.stderr);
    assert_eq!(keys(&world), Vec::<String>::new());
}

#[test]
fn a_bucket_that_keeps_versions_is_refused() {
    let world = World::new();
    world
        .run(bench(SIZES, &[]))
        .failed(1, &["keeps older versions", "1 B"]);
}

#[test]
fn other_bytes_than_were_uploaded_fail_the_setting() {
    let world = world([Rule::every(
        Operation::GetObject,
        Fault::FlipByte { at: 10 },
    )]);
    let words = bench("1KiB", &["--json", "--max-attempts", "2"]);
    let ended = world
        .run(words)
        .failed(5, &["2 of 4 settings failed", "CRC64NVME"]);
    let documents = json(&ended.stdout);
    let rows = documents[0]["rows"].as_array().unwrap();
    for row in rows {
        assert_eq!(
            row["failure"].is_string(),
            row["direction"] == "down",
            "{row}"
        );
    }
    assert_eq!(keys(&world), Vec::<String>::new());
}

#[test]
fn time_that_is_up_ends_the_runs() {
    let world = world([Rule::every(Operation::UploadPart, Fault::StallHead)]);
    let words = bench(SIZES, &["--time", "1s", "--json"]);
    let documents = json(&world.run(words).ok().stdout);
    // The small objects had their first runs before the large ones hung.
    assert_eq!(
        (&documents[0]["ended"], &documents[0]["runs"]),
        (&"time".into(), &2.into())
    );
    assert_eq!(keys(&world), Vec::<String>::new());
    assert_eq!(world.server.stats().uploads_open, 0);
    let words = bench("6MiB", &["--time", "100ms"]);
    let ended = world
        .run(words)
        .failed(1, &["no run was over within 100 ms"]);
    assert_eq!(ended.out(), "");
}

#[test]
fn what_can_not_be_measured_has_the_usual_exit_code() {
    let world = world([]);
    let run = |words: &[&str]| -> Ended { world.run([&["bench"], words].concat()) };
    let nowhere = run(&["s3://none-such"]).failed(4, &["NoSuchBucket", "sans3 mb"]);
    assert!(!nowhere.stderr.contains("left"), "{}", nowhere.stderr);
    run(&["bucket"]).failed(2, &["s3://"]);
    run(&["s3://bucket", "--max-total", "1MiB"]).failed(2, &["--max-total"]);
    run(&["s3://bucket", "--memory", "8MiB"]).failed(2, &["--memory", "16"]);
    run(&["s3://bucket", "--trace", "file"]).failed(2, &["--trace"]);
    run(&["s3://bucket", "--html", "/no/such/directory/file"]).failed(1, &["--html"]);
    assert_eq!(world.server.stats().uploads_open, 0);
    let nobody = dead_end();
    let words = [
        "s3://bucket",
        "--endpoint-url",
        &nobody,
        "--max-attempts",
        "1",
    ];
    run(&words).failed(5, &[]);
}
