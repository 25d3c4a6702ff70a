//! When there are threads, and how many. One test, since it counts those of the whole process.

#![cfg(target_os = "linux")]

mod common;

use std::io::{Read as _, Write as _};
use std::thread::sleep;
use std::time::Duration;

use bytes::Bytes;
use common::{PART, bytes, client, download, eventually_blocking, server_with, upload};
use sans3_core::operation::ListObjectsV2;
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::Operation;

/// The flag of a thread that is ending (`PF_EXITING` of Linux): the system lists it for a moment
/// after it was joined.
const ENDING: u64 = 0x4;

/// How many threads of ours there are.
fn ours() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let stats =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
    stats.filter(|stat| is_ours_and_lives(stat)).count()
}

/// What proc_pid_stat(5) says of a thread: its number, its name, its state, five more, its flags.
fn is_ours_and_lives(stat: &str) -> bool {
    let (before, after) = stat.rsplit_once(") ").unwrap();
    let flags: u64 = after.split(' ').nth(6).unwrap().parse().unwrap();
    before.contains("(sans3-") && flags & ENDING == 0
}

#[test]
fn threads_are_there_while_transfers_are_under_way_and_not_otherwise() {
    let content = bytes(20 * PART);
    let server = server_with(&content);
    let client = client(&server);
    assert_eq!(ours(), 0, "a client alone needs none");

    // The bound is of four exchanges; one more thread drives, one might ask for credentials.
    let pause = Fault::DelayHead {
        delay: Duration::from_millis(50),
    };
    server.with_faults(|faults| faults.push(Rule::every(Operation::GetObject, pause)));
    let running = client.download_to_memory(download(), 1 << 30);
    let other = client.download_to_memory(download(), 1 << 30);
    eventually_blocking("all exchanges have a thread", || ours() >= 5);
    for _ in 0..20 {
        assert!(ours() <= 6, "{} threads", ours());
        sleep(Duration::from_millis(5));
    }
    let writer = client.upload_writer(upload());
    running.wait().unwrap();
    other.wait().unwrap();
    assert!(ours() > 0, "another transfer is still wanted");
    writer.abort().unwrap();
    assert_eq!(ours(), 0, "after the last transfer");

    client
        .upload_bytes(upload(), Bytes::from(content.clone()))
        .wait()
        .unwrap();
    assert_eq!(ours(), 0, "after another one");

    let mut stream = client.download_stream(download());
    stream.read_exact(&mut [0; 100]).unwrap();
    assert!(ours() > 0);
    stream.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(ours(), 0, "after a stream was read");

    drop(client.download_stream(download()));
    eventually_blocking("the threads of a dropped stream end", || ours() == 0);

    let mut writer = client.upload_writer(upload());
    writer.write_all(&content).unwrap();
    writer.finish().unwrap();
    assert_eq!(ours(), 0, "after a writer was finished");

    let pages = client.list(ListObjectsV2::new(common::bucket()));
    assert!(pages.map(|page| assert_eq!(ours(), 0, "{page:?}")).count() > 0);

    drop(client.upload_bytes(upload(), Bytes::from(content)));
    client.shutdown();
    assert_eq!(ours(), 0, "after the client was shut down");
}
