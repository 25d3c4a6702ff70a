//! The examples do what they say.

use sans3_testkit::fixture as common;

#[expect(dead_code, reason = "the command line is for people")]
#[path = "../examples/copy.rs"]
mod copy;

#[test]
fn copy_brings_back_what_it_sent() {
    let directory = tempfile::tempdir().unwrap();
    let [source, target] = ["source", "target"].map(|name| directory.path().join(name));
    let content = common::bytes(9 << 20);
    std::fs::write(&source, &content).unwrap();
    let server = common::server();
    let session = common::session(&server.endpoint_url());
    let place = (common::bucket(), common::key());
    copy::run(session, place, &source, &target).unwrap();
    assert!(std::fs::read(target).unwrap() == content);
}
