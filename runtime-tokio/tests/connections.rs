//! Which connections serve another request, and which do not.

mod common;

use std::time::Duration;

use common::{
    PART, bucket, bytes, client, download, key, owned, server, server_with, session, upload,
};
use sans3_core::operation::{DeleteObject, HeadObject, ListObjectsV2};
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::Operation;
use sans3_testkit::script::{ScriptServer, Step};
use sans3_tokio::{Client, ClientConfig};

const EMPTY_LIST: &str = "<ListBucketResult><Name>bucket</Name><KeyCount>0</KeyCount>\
    <MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>";

fn list() -> ListObjectsV2 {
    ListObjectsV2::new(bucket())
}

#[tokio::test]
async fn one_connection_serves_calls_one_after_the_other() {
    let server = server_with(b"x");
    let client = client(&server);
    for _ in 0..20 {
        client.call(HeadObject::new(bucket(), key())).await.unwrap();
        client.download_to_memory(download(), 1).await.unwrap();
        client.upload_bytes(upload(), owned(b"y")).await.unwrap();
    }
    // A download asks for the object and its head at once.
    assert_eq!(client.stats().connections, 2);
    assert_eq!(server.stats().connections, 2);
}

#[tokio::test]
async fn a_large_transfer_has_no_more_connections_than_exchanges() {
    let server = server_with(&bytes(40 * PART));
    let client = client(&server);
    client
        .download_to_memory(download(), 1 << 24)
        .await
        .unwrap();
    client
        .upload_bytes(upload(), owned(&bytes(40 * PART)))
        .await
        .unwrap();
    assert!(server.stats().connections <= 4, "{:?}", server.stats());
}

#[tokio::test]
async fn a_missing_key_does_not_cost_a_connection() {
    let server = server();
    let client = client(&server);
    for _ in 0..3 {
        client
            .call(HeadObject::new(bucket(), key()))
            .await
            .unwrap_err();
    }
    assert_eq!(server.stats().connections, 1);
}

#[tokio::test]
async fn adversary_26_a_refusal_or_overload_ends_its_connection() {
    for status in [403, 503] {
        let server = server();
        let fault = Fault::Status {
            status,
            code: "Some",
            retry_after: None,
        };
        common::inject(&server, Operation::DeleteObject, 1, fault);
        let client = client(&server);
        let _ = client.call(DeleteObject::new(bucket(), key())).await;
        client.call(list()).await.unwrap();
        assert_eq!(server.stats().connections, 2, "after {status}");
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_is_not_used() {
    let server = server();
    let client = client(&server);
    client.call(list()).await.unwrap();
    server.disconnect_all();
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.call(list()).await.unwrap();
    assert!(client.notices().is_empty(), "{:?}", client.notices());
    assert_eq!(server.stats().connections, 2);
}

#[tokio::test]
async fn adversary_61_servers_that_close_or_speak_http_1_0_are_served() {
    let heads = ["HTTP/1.1 200 OK\r\nconnection: close", "HTTP/1.0 200 OK"];
    for head in heads {
        let answer = format!(
            "{head}\r\ncontent-length: {}\r\n\r\n{EMPTY_LIST}",
            EMPTY_LIST.len()
        );
        let until_close = format!("{head}\r\n\r\n{EMPTY_LIST}");
        let steps = |text: &String| vec![Step::Head, Step::send(text.clone()), Step::Close];
        let server = ScriptServer::start(vec![steps(&answer), steps(&until_close)]).unwrap();
        let client = Client::new(ClientConfig::new(session(&server.endpoint_url()))).unwrap();
        client.call(list()).await.unwrap();
        client.call(list()).await.unwrap();
        assert_eq!(server.connections(), 2);
        assert!(client.notices().is_empty(), "{:?}", client.notices());
    }
}

#[tokio::test]
async fn adversary_61_bytes_that_nobody_asked_for_end_a_connection() {
    let len = EMPTY_LIST.len();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {len}\r\n\r\n{EMPTY_LIST}");
    let smuggled = format!("{answer}HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    let server = ScriptServer::start(vec![
        vec![Step::Head, Step::send(smuggled), Step::Head, Step::Close],
        vec![Step::Head, Step::send(answer), Step::Close],
    ])
    .unwrap();
    let client = Client::new(ClientConfig::new(session(&server.endpoint_url()))).unwrap();
    client.call(list()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.call(list()).await.unwrap();
    assert_eq!(server.connections(), 2);
    assert!(client.notices().is_empty(), "{:?}", client.notices());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = server();
    let headers = vec![(
        "location".into(),
        format!("{}/other", server.endpoint_url()),
    )];
    let fault = Fault::Answer {
        status: 307,
        headers,
        body: owned(b""),
    };
    server.with_faults(|faults| faults.push(Rule::every(Operation::ListObjectsV2, fault)));
    client(&server).call(list()).await.unwrap_err();
    common::eventually("the request is counted", || server.stats().total() > 0).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.stats().total(), 1);
}

#[tokio::test]
async fn adversary_70_targets_are_sent_as_they_were_signed() {
    let empty = "HTTP/1.1 204 No Content\r\n\r\n";
    let keys = ["a/../b", "//x", "/x", ".", "a b?c#d", "%2f", "é+"];
    let targets = [
        "a/../b",
        "//x",
        "/x",
        ".",
        "a%20b%3Fc%23d",
        "%252f",
        "%C3%A9%2B",
    ];
    let script = keys
        .iter()
        .flat_map(|_| [Step::Head, Step::send(empty)])
        .collect();
    let server = ScriptServer::start(vec![script]).unwrap();
    let client = Client::new(ClientConfig::new(session(&server.endpoint_url()))).unwrap();
    for key in keys {
        let key = sans3_core::endpoint::ObjectKey::new(key).unwrap();
        client.call(DeleteObject::new(bucket(), key)).await.unwrap();
    }
    let seen: Vec<String> = server
        .seen()
        .iter()
        .map(|seen| seen.target.clone())
        .collect();
    assert_eq!(seen, targets.map(|target| format!("/bucket/{target}")));
    let first = &server.seen()[0];
    assert_eq!(first.header("host"), Some(server.addr().to_string()));
    assert_eq!(first.header("accept-encoding"), None);
    assert_eq!(first.header("expect"), None);
}

#[tokio::test]
async fn adversary_59_the_second_address_of_a_name_is_tried() {
    // "localhost" also has an IPv6 address where there is IPv6, and nobody listens there.
    let server = server();
    let url = format!("http://localhost:{}", server.addr().port());
    let client = Client::new(ClientConfig::new(session(&url))).unwrap();
    client.call(list()).await.unwrap();
}
