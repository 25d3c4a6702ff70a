//! The examples do what they say.

use sans3_testkit::fixture as common;

#[expect(dead_code, reason = "the command line is for people")]
#[path = "../examples/put_get.rs"]
mod put_get;

use common::{BUCKET, KEY, bytes, server, stored};

#[test]
fn a_file_is_put_and_got() {
    let server = server();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (source, target) = (path("source"), path("target"));
    let content = bytes(9_000_000);
    std::fs::write(&source, &content).unwrap();
    let url = server.endpoint_url();
    put_get::run(&[url, BUCKET.into(), KEY.into(), source, target.clone()]).unwrap();
    assert!(stored(&server).unwrap() == content);
    assert!(std::fs::read(target).unwrap() == content);
    let error = put_get::run(&[]).unwrap_err();
    assert!(error.to_string().starts_with("usage"), "{error}");
}
