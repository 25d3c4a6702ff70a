//! The example, against the model.

use sans3_testkit::fixture as common;

use sans3_core::endpoint::BucketName;

#[expect(dead_code, reason = "a program's main function")]
#[path = "../examples/transfers.rs"]
mod example;

#[tokio::test]
async fn the_example_goes_there_and_back() {
    let server = common::server();
    let folder = tempfile::tempdir().unwrap();
    let (file, back) = (folder.path().join("file"), folder.path().join("copy"));
    let bytes = common::bytes((9 << 20) + 77);
    std::fs::write(&file, &bytes).unwrap();

    let bucket = BucketName::new(common::BUCKET).unwrap();
    let session = common::session(&server.endpoint_url());
    example::run(session, &bucket, &file, &back).await.unwrap();

    assert!(
        std::fs::read(&back).unwrap() == bytes,
        "other bytes came back"
    );
    let numbers = server.with_model(|model| {
        let object = model.object(common::BUCKET, "examples/numbers").unwrap();
        object.data.to_vec()
    });
    let expected: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    assert!(numbers == expected, "other numbers were written");
}
