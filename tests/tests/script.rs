//! The scripted server over raw sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use sans3_testkit::script::{ScriptServer, Step};

const PATIENCE: Duration = Duration::from_secs(5);

fn ask(server: &ScriptServer, request: &str) -> (Vec<u8>, Option<ErrorKind>) {
    let mut socket = TcpStream::connect(server.addr()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let end = socket.read_to_end(&mut bytes).err().map(|e| e.kind());
    (bytes, end)
}

#[test]
fn each_connection_plays_its_own_steps() {
    let server = ScriptServer::start(vec![
        vec![
            Step::Head,
            Step::Body,
            Step::send_in(3, "HTTP/1.1 2"),
            Step::Sleep(Duration::from_millis(5)),
            Step::send("00 nonsense"),
        ],
        vec![Step::Head, Step::Reset],
    ])
    .unwrap();
    let put = "PUT /b/k?x HTTP/1.1\r\nhost: h\r\nContent-Length: 3\r\nA: 1\r\nA: 2\r\n\r\nabc";
    assert_eq!(ask(&server, put), (b"HTTP/1.1 200 nonsense".to_vec(), None));
    let get = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
    assert_eq!(ask(&server, get).1, Some(ErrorKind::ConnectionReset));
    assert!(server.wait_played(2, PATIENCE));
    // Beyond the script: closed at once, and counted.
    assert_eq!(ask(&server, "").0, b"");

    let seen = server.seen();
    assert_eq!((seen.len(), server.connections()), (2, 3));
    assert_eq!((seen[0].method.as_str(), seen[0].connection), ("PUT", 0));
    assert_eq!(seen[0].target, "/b/k?x");
    assert_eq!(seen[0].body, b"abc");
    assert_eq!(seen[0].head, put.as_bytes()[..put.len() - 3]);
    assert_eq!(seen[0].header("content-length").as_deref(), Some("3"));
    assert_eq!(seen[0].header("a"), None);
    assert_eq!(seen[1].connection, 1);
}

#[test]
fn a_stall_lasts_until_the_client_goes() {
    let server = ScriptServer::start(vec![vec![Step::Head, Step::Stall]]).unwrap();
    let mut socket = TcpStream::connect(server.addr()).unwrap();
    socket
        .write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        .unwrap();
    assert!(!server.wait_played(1, Duration::from_millis(100)));
    drop(socket);
    assert!(server.wait_played(1, PATIENCE));
}
