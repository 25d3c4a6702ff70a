//! The second judge answers, and keeps its files where we can see them.
#![cfg(feature = "s3s")]

use std::io::{Read, Write};
use std::net::TcpStream;

use sans3_testkit::s3s::S3sServer;

#[test]
fn the_second_judge_refuses_the_unsigned() {
    let server = S3sServer::start(&["bucket"]).unwrap();
    assert!(server.directory().join("bucket").is_dir());
    let mut socket = TcpStream::connect(server.addr()).unwrap();
    let get = "GET /bucket/key HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write_all(get.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let url = server.endpoint_url();
    drop(server);
    assert!(TcpStream::connect(url.trim_start_matches("http://")).is_err());
}
