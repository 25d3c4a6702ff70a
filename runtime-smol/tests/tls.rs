//! TLS at full size: what the conformance kit shows with small answers, for bodies that fill every
//! buffer on the way.

use sans3_testkit::fixture as common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::{bytes, download, owned, server, session, stored, upload};
use futures_rustls::TlsAcceptor;
use rcgen::CertifiedKey;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use sans3_smol::{Client, ClientConfig};
use sans3_testkit::server::Server;
use smol::net::{TcpListener, TcpStream};
use smol::{block_on, future, io};

/// A front for `server`, and what makes its certificate one to be trusted.
fn front(server: &Server) -> (SocketAddr, tempfile::NamedTempFile) {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let bundle = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bundle.path(), cert.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let (address, behind) = (listener.local_addr().unwrap(), server.addr());
    smol::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            smol::spawn(async move {
                let (from_client, to_client) = io::split(acceptor.accept(stream).await.unwrap());
                let server = TcpStream::connect(behind).await.unwrap();
                let up = io::copy(from_client, server.clone());
                // Ends with either side.
                let _ = future::or(up, io::copy(server, to_client)).await;
            })
            .detach();
        }
    })
    .detach();
    (address, bundle)
}

#[test]
fn large_bodies_go_both_ways() {
    let content = bytes(24 << 20);
    let server = server();
    let (front, bundle) = front(&server);
    let mut session = session(&format!("https://localhost:{}", front.port()));
    session.timeouts.idle = Duration::from_secs(10);
    session.timeouts.head = Duration::from_secs(10);
    let mut config = ClientConfig::new(session);
    config.ca_bundle = Some(bundle.path().to_owned());
    let client = Client::new(config).unwrap();
    // By parts that are much larger than what a connection takes at once.
    let part_size = std::num::NonZeroU64::new(8 << 20);
    let mut upload = upload();
    upload.part_size = part_size;
    block_on(client.upload_bytes(upload, owned(&content))).unwrap();
    assert!(stored(&server).unwrap() == content);
    let mut download = download();
    download.part_size = part_size;
    let (_, seen) = block_on(client.download_to_memory(download, 1 << 30)).unwrap();
    assert!(seen == content);
    assert!(client.notices().is_empty(), "{:?}", client.notices());
}
