//! TLS with a private certificate authority: what is trusted, and how it fails.

use sans3_testkit::fixture as common;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use common::{PART, bytes, download, root, server_with, session};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::PrivateKeyDer;
use sans3_core::error::{Cause, TransportErrorKind};
use sans3_testkit::server::Server;
use sans3_tokio::{Client, ClientConfig, Error};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// An authority, and a directory that has its certificate.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    fn bundle(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A front for `server` whose certificate is for `name` and ends in `year`.
    async fn front(&self, server: &Server, name: &str, year: i32) -> SocketAddr {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, behind) = (listener.local_addr().unwrap(), server.addr());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut server = TcpStream::connect(behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
                });
            }
        });
        address
    }
}

fn client(url: &str, bundle: PathBuf) -> Client {
    let mut session = session(url);
    session.retry.max_attempts = std::num::NonZeroU32::MIN;
    let mut config = ClientConfig::new(session);
    config.ca_bundle = Some(bundle);
    Client::new(config).unwrap()
}

/// How a call over TLS fails.
async fn failure(url: &str, bundle: PathBuf) -> (TransportErrorKind, String) {
    let call = sans3_core::operation::HeadBucket::new(common::bucket());
    let error = client(url, bundle).call(call).await.unwrap_err();
    let Cause::Transport { kind, detail, .. } = root(&error) else {
        panic!("{error}")
    };
    (kind, detail)
}

#[tokio::test]
async fn bytes_go_through_tls_under_an_address_and_a_name() {
    let content = bytes(7 * PART);
    let server = server_with(&content);
    let authority = Authority::new("ours");
    for host in ["127.0.0.1", "localhost"] {
        let front = authority.front(&server, host, 2100).await;
        let client = client(
            &format!("https://{host}:{}", front.port()),
            authority.bundle(),
        );
        let (found, memory) = client
            .download_to_memory(download(), 1 << 20)
            .await
            .unwrap();
        assert_eq!(found.size, content.len() as u64);
        assert!(memory == content);
        let upload = client.upload_bytes(common::upload(), memory.clone());
        assert_eq!(upload.await.unwrap().size, content.len() as u64);
    }
}

#[tokio::test]
async fn adversary_91_expired_misnamed_and_unknown_certificates_are_refused() {
    let server = server_with(b"x");
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let expired = authority.front(&server, "127.0.0.1", 2001).await;
    let misnamed = authority.front(&server, "elsewhere.example", 2100).await;
    let unknown = other.front(&server, "127.0.0.1", 2100).await;
    for (front, word) in [
        (expired, "expired"),
        (misnamed, "name"),
        (unknown, "UnknownIssuer"),
    ] {
        let (kind, detail) = failure(&format!("https://{front}"), authority.bundle()).await;
        assert_eq!(kind, TransportErrorKind::Tls, "{detail}");
        assert!(detail.contains(word), "{detail}");
    }
    assert_eq!(server.stats().total(), 0, "no request was sent");
}

#[tokio::test]
async fn https_to_a_plain_port_is_explained() {
    let server = server_with(b"x");
    let authority = Authority::new("ours");
    let (kind, detail) = failure(&format!("https://{}", server.addr()), authority.bundle()).await;
    assert_eq!(kind, TransportErrorKind::Tls, "{detail}");
    assert!(detail.contains("does not seem to speak TLS"), "{detail}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_a_connect_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let began = std::time::Instant::now();
    let (kind, detail) = failure(&url, Authority::new("ours").bundle()).await;
    assert_eq!(kind, TransportErrorKind::ConnectTimeout, "{detail}");
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_bundle_must_have_certificates() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    let config = || {
        let mut config = ClientConfig::new(session("https://localhost:1"));
        config.ca_bundle = Some(path.clone());
        config
    };
    let error = Client::new(config()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    std::fs::write(&path, "nothing of the kind").unwrap();
    let error = Client::new(config()).unwrap_err();
    assert!(
        error.to_string().contains("expected PEM certificates"),
        "{error}"
    );
}

/// The answer of a server that knows no TLS later than 1.1 (RFC 4346, section 7.4.1.3): a
/// `ServerHello` of version 3.2 for AES in CBC mode.
fn hello_of_tls_1_1() -> Vec<u8> {
    let hello = [&[3, 2][..], &[7; 32], &[0], &[0, 0x2f], &[0]].concat();
    let length = u8::try_from(hello.len()).unwrap();
    let message = [&[2, 0, 0, length][..], &hello].concat();
    [&[22, 3, 2, 0, length + 4][..], &message].concat()
}

#[tokio::test]
async fn adversary_91_tls_1_1_is_refused() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&hello_of_tls_1_1()).await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    let (kind, detail) = failure(&url, Authority::new("ours").bundle()).await;
    assert_eq!(kind, TransportErrorKind::Tls, "{detail}");
    assert!(detail.contains("incompatible"), "{detail}");
}
