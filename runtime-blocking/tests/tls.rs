//! Large bodies over TLS, both ways, and what ends a handshake.

use sans3_testkit::fixture as common;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{
    bucket, bytes, download, eventually_blocking, kind, root, server_with, session, single, upload,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sans3_blocking::{Client, ClientConfig};
use sans3_core::error::{Cause, TransportErrorKind};
use sans3_core::operation::HeadBucket;

/// How often a front looks at its other side.
const TICK: Duration = Duration::from_millis(2);

/// An authority, and a directory that has its certificate.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    fn bundle(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Encrypts what goes to and comes from `behind`.
    fn front(&self, behind: SocketAddr) -> SocketAddr {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        let config = Arc::new(config.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            while let Ok((socket, _)) = listener.accept() {
                let session = ServerConnection::new(Arc::clone(&config)).unwrap();
                let secure = StreamOwned::new(session, socket);
                // A client that goes away is no reason to panic.
                std::thread::spawn(move || drop(between(secure, behind)));
            }
        });
        address
    }
}

/// Carries bytes both ways until the client ends the connection.
fn between(
    mut secure: StreamOwned<ServerConnection, TcpStream>,
    behind: SocketAddr,
) -> io::Result<()> {
    let mut plain = TcpStream::connect(behind)?;
    secure.sock.set_read_timeout(Some(TICK))?;
    plain.set_read_timeout(Some(TICK))?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match some(secure.read(&mut buffer))? {
            Some(0) => return plain.shutdown(Shutdown::Both),
            Some(len) => plain.write_all(&buffer[..len])?,
            None => {
                if let Some(len) = some(plain.read(&mut buffer))? {
                    secure.write_all(&buffer[..len])?;
                }
            }
        }
    }
}

/// `None` where nothing came in time.
fn some(read: io::Result<usize>) -> io::Result<Option<usize>> {
    match read {
        Ok(len) => Ok(Some(len)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

#[test]
fn large_bodies_go_through_tls_both_ways() {
    let content = Bytes::from(bytes(11_000_000));
    let server = server_with(&content);
    let authority = Authority::new();
    let front = authority.front(server.addr());
    let mut session = session(&format!("https://{front}"));
    // The front may need some time for what a socket has taken.
    session.timeouts.idle = Duration::from_secs(10);
    session.timeouts.head = Duration::from_secs(10);
    let mut config = ClientConfig::new(session);
    config.ca_bundle = Some(authority.bundle());
    let client = Client::new(config).unwrap();
    let large = sans3_core::transfer::Download {
        part_size: None,
        ..download()
    };
    let (_, memory) = client.download_to_memory(large, 1 << 30).wait().unwrap();
    assert!(memory == content);
    let large = sans3_core::transfer::Upload {
        part_size: None,
        ..upload()
    };
    let made = client.upload_bytes(large, content.clone()).wait().unwrap();
    assert_eq!(made.size, 11_000_000);
    assert!(common::stored(&server).unwrap() == content);
    assert!(
        client.stats().connections <= 5,
        "connections are used again"
    );
}

#[test]
fn a_handshake_is_ended_from_another_thread() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = Authority::new();
    let mut session = session(&format!("https://{}", silent.local_addr().unwrap()));
    session.timeouts.connect = Duration::from_secs(20);
    let mut config = ClientConfig::new(session);
    config.ca_bundle = Some(authority.bundle());
    let client = Client::new(config).unwrap();
    let running = client.call(HeadBucket::new(bucket()));
    eventually_blocking("the handshake has begun", || {
        client.stats().connections == 1
    });
    let began = Instant::now();
    running.cancel();
    assert_eq!(root(&running.wait().unwrap_err()), Cause::Cancelled);
    assert!(
        began.elapsed() < Duration::from_millis(300),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn https_to_a_plain_port_is_explained() {
    let server = server_with(b"x");
    let authority = Authority::new();
    let mut config = ClientConfig::new(single(&format!("https://{}", server.addr()), 1));
    config.ca_bundle = Some(authority.bundle());
    let client = Client::new(config).unwrap();
    let error = client.call(HeadBucket::new(bucket())).wait().unwrap_err();
    assert_eq!(kind(&error), Some(TransportErrorKind::Tls), "{error}");
    assert!(
        error.to_string().contains("does not seem to speak TLS"),
        "{error}"
    );
}
