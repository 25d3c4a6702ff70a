//! TLS without sockets: a client of ours and a server of rustls, and every way in which the bytes
//! between them may be cut, changed or lost.
#![cfg(feature = "ring")]

use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::sync::Arc;

use rcgen::CertifiedKey;
use rustls::pki_types::PrivateKeyDer;
use rustls::{
    AlertDescription, ClientConfig, Error, HandshakeKind, RootCertStore, ServerConfig,
    ServerConnection, SupportedProtocolVersion, version,
};
use sans3_core::error::TransportErrorKind;
use sans3_runtime::net::{Fault, Secure};

/// Two ends that trust each other.
struct Ends {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

/// A connection in memory.
struct Link {
    client: Secure,
    server: ServerConnection,
    /// What the server has read.
    heard: Vec<u8>,
    /// How many bytes the client receives at once.
    cut: usize,
}

impl Ends {
    fn new(versions: &[&'static SupportedProtocolVersion]) -> Self {
        Self::with(versions, vec!["localhost".into()], 1)
    }

    /// The server shows a certificate for `names`, so many times.
    fn with(
        versions: &[&'static SupportedProtocolVersion],
        names: Vec<String>,
        times: usize,
    ) -> Self {
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone(); times], key);
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            client: Arc::new(client),
            server: Arc::new(server.unwrap()),
        }
    }

    /// A connection before its handshake.
    fn link(&self, cut: usize) -> Link {
        let name = "localhost".try_into().unwrap();
        Link {
            client: Secure::new(&self.client, name).unwrap(),
            server: ServerConnection::new(Arc::clone(&self.server)).unwrap(),
            heard: Vec::new(),
            cut,
        }
    }

    /// A connection that is ready.
    fn connected(&self, cut: usize) -> Link {
        let mut link = self.link(cut);
        link.shake_hands().unwrap();
        link
    }
}

impl Link {
    fn shake_hands(&mut self) -> io::Result<()> {
        while !self.client.shake_hands()? {
            self.carry_up();
            self.carry_down()?;
        }
        self.carry_up();
        Ok(())
    }

    /// All that the client has to say.
    fn carry_up(&mut self) {
        while !self.client.unsent().is_empty() {
            let taken = self.server.read_tls(&mut self.client.unsent()).unwrap();
            self.client.sent(taken);
            self.hear();
        }
    }

    fn hear(&mut self) {
        self.server.process_new_packets().unwrap();
        let mut into = [0; 1 << 14];
        while let Ok(read) = self.server.reader().read(&mut into) {
            self.heard.extend_from_slice(&into[..read]);
        }
    }

    /// What the server has to say.
    fn said(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        while self.server.wants_write() {
            self.server.write_tls(&mut said).unwrap();
        }
        said
    }

    fn receive(&mut self, ciphertext: &[u8]) {
        if ciphertext.is_empty() {
            return;
        }
        let room = self.client.room();
        assert!(room.len() >= ciphertext.len());
        room[..ciphertext.len()].copy_from_slice(ciphertext);
        self.client.received(ciphertext.len());
    }

    /// All that the server has to say, within the handshake.
    fn carry_down(&mut self) -> io::Result<()> {
        let said = self.said();
        for piece in said.chunks(self.cut.min(100_000)) {
            self.receive(piece);
            self.client.shake_hands()?;
        }
        Ok(())
    }

    /// What the client reads, `room` bytes at once, of what the server has to say.
    fn read(&mut self, room: usize) -> Vec<u8> {
        let (said, mut seen, mut into) = (self.said(), Vec::new(), vec![0; room]);
        for piece in said.chunks(self.cut.min(100_000)) {
            self.receive(piece);
            while let Some(read) = self.client.read(&mut into).unwrap() {
                assert!(read > 0, "no end was announced");
                seen.extend_from_slice(&into[..read]);
            }
        }
        seen
    }

    fn say(&mut self, content: &[u8]) {
        self.server.set_buffer_limit(None);
        self.server.writer().write_all(content).unwrap();
    }

    /// Writes all of `pieces`, and returns what the server reads.
    fn write(&mut self, mut pieces: &mut [IoSlice<'_>]) -> Vec<u8> {
        loop {
            let written = self.client.write(pieces).unwrap();
            IoSlice::advance_slices(&mut pieces, written);
            self.carry_up();
            if pieces.is_empty() {
                return std::mem::take(&mut self.heard);
            }
            assert!(written > 0, "nothing was unsent");
        }
    }
}

fn content(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

fn both() -> [Ends; 2] {
    [&version::TLS12, &version::TLS13].map(|version| Ends::new(&[version]))
}

fn tls13() -> Ends {
    Ends::new(&[&version::TLS13])
}

/// What rustls objects to.
fn objection(error: &io::Error) -> &Error {
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    error.get_ref().unwrap().downcast_ref().unwrap()
}

#[test]
fn bytes_go_both_ways_however_they_are_cut() {
    let content = content(70_001);
    for ends in both() {
        for cut in [1, 5, 22, 997, 16_406, usize::MAX] {
            let mut link = ends.connected(cut);
            for room in [1, 100, 16_384, 40_000, 1 << 20] {
                link.say(&content);
                assert!(link.read(room) == content, "{cut}, {room}");
            }
            let (first, second) = content.split_at(77);
            let mut pieces = [IoSlice::new(first), IoSlice::new(&[]), IoSlice::new(second)];
            assert!(link.write(&mut pieces) == content, "{cut}");
        }
    }
}

#[test]
fn a_record_is_read_when_its_last_byte_is_there() {
    for ends in both() {
        let mut link = ends.connected(usize::MAX);
        link.read(1);
        let mut into = [0; 100];
        for cut in 1..200 {
            link.say(b"one");
            link.say(b"three");
            let said = link.said();
            let Some((now, later)) = said.split_at_checked(cut) else {
                break;
            };
            link.receive(now);
            let mut seen = Vec::new();
            while let Some(read) = link.client.read(&mut into).unwrap() {
                seen.extend_from_slice(&into[..read]);
            }
            assert!(later.is_empty() || seen != b"onethree", "{cut}");
            link.receive(later);
            while let Some(read) = link.client.read(&mut into).unwrap() {
                seen.extend_from_slice(&into[..read]);
            }
            assert_eq!(seen, b"onethree", "{cut}");
        }
    }
}

#[test]
fn an_end_counts_only_with_the_servers_word() {
    for ends in both() {
        for announced in [false, true] {
            let mut link = ends.connected(usize::MAX);
            link.read(1);
            link.say(b"some");
            if announced {
                link.server.send_close_notify();
            }
            let said = link.said();
            link.receive(&said);
            link.client.received(0);
            let mut into = [0; 100];
            assert_eq!(link.client.read(&mut into).unwrap(), Some(4));
            for _ in 0..3 {
                match link.client.read(&mut into) {
                    Ok(read) => assert!(announced && read == Some(0), "{read:?}"),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
                        assert!(!announced);
                    }
                }
            }
        }
    }
}

#[test]
fn a_record_that_is_cut_off_is_never_read() {
    let mut link = tls13().connected(usize::MAX);
    link.read(1);
    link.say(&content(16_384));
    let said = link.said();
    link.receive(&said[..said.len() - 1]);
    link.client.received(0);
    let error = link.client.read(&mut [0; 100]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_changed_byte_ends_the_connection_and_the_server_learns_why() {
    for ends in both() {
        let mut link = ends.connected(usize::MAX);
        link.read(1);
        link.say(b"good");
        let mut said = link.said();
        link.say(b"bad!");
        let mut changed = link.said();
        *changed.last_mut().unwrap() ^= 1;
        said.append(&mut changed);
        link.say(b"good again");
        said.append(&mut link.said());
        link.receive(&said);
        let mut into = [0; 1 << 15];
        // What came before is good, and nothing behind it ever is.
        assert_eq!(link.client.read(&mut into).unwrap(), Some(4));
        for _ in 0..3 {
            let error = link.client.read(&mut into).unwrap_err();
            assert_eq!(objection(&error), &Error::DecryptError);
        }
        assert!(link.client.write(&[IoSlice::new(b"x")]).is_err());
        let alert = link.client.unsent().to_vec();
        link.server.read_tls(&mut &alert[..]).unwrap();
        let error = link.server.process_new_packets().unwrap_err();
        assert_eq!(error, Error::AlertReceived(AlertDescription::BadRecordMac));
    }
}

#[test]
fn an_alert_instead_of_bytes_is_told() {
    for ends in both() {
        let mut link = ends.connected(usize::MAX);
        link.read(1);
        // The server does not like what it gets, and says so.
        let garbage = [
            23, 3, 3, 0, 20, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17,
        ];
        link.server
            .read_tls(&mut &[&garbage[..], &[0, 0]].concat()[..])
            .unwrap();
        link.server.process_new_packets().unwrap_err();
        let said = link.said();
        link.receive(&said);
        let error = link.client.read(&mut [0; 100]).unwrap_err();
        assert!(
            matches!(objection(&error), Error::AlertReceived(_)),
            "{error}"
        );
    }
}

#[test]
fn new_keys_are_taken_up_on_the_way() {
    let content = content(100_000);
    for cut in [1, 1000, usize::MAX] {
        let mut link = tls13().connected(cut);
        for round in 0..5 {
            link.say(&content);
            // Asks for new keys of the client's, too.
            link.server.refresh_traffic_keys().unwrap();
            link.say(&content);
            assert_eq!(
                link.read(1 << 17).len(),
                2 * content.len(),
                "{cut}, {round}"
            );
            let mut pieces = [IoSlice::new(&content)];
            assert!(link.write(&mut pieces) == content, "{cut}, {round}");
        }
    }
}

#[test]
fn what_came_is_not_lost_while_writing() {
    let content = content(50_000);
    for ends in both() {
        let mut link = ends.connected(usize::MAX);
        link.say(&content);
        let said = link.said();
        link.receive(&said);
        let mut pieces = [IoSlice::new(b"asked late")];
        assert_eq!(link.write(&mut pieces), b"asked late");
        link.say(&content);
        assert_eq!(link.read(1000), [&content[..], &content].concat());
    }
}

#[test]
fn no_more_is_enciphered_than_may_wait() {
    let content = content(1 << 20);
    let mut link = tls13().connected(usize::MAX);
    let mut taken = 0;
    loop {
        match link
            .client
            .write(&[IoSlice::new(&content[taken..])])
            .unwrap()
        {
            0 => break,
            written => taken += written,
        }
    }
    assert!(taken == 1 << 17, "{taken}");
    // It leaves in pieces of any size.
    while let Some(piece) = link.client.unsent().chunks(999).next() {
        let taken = link.server.read_tls(&mut &*piece).unwrap();
        link.client.sent(taken);
        link.hear();
    }
    assert!(link.heard == content[..taken]);
    assert_eq!(link.client.write(&[IoSlice::new(&content)]).unwrap(), taken);
}

#[test]
fn sessions_are_resumed() {
    for ends in both() {
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut link = ends.connected(100);
            // Tickets come behind the handshake.
            assert!(link.read(1).is_empty());
            assert_eq!(link.server.handshake_kind(), Some(expected));
        }
    }
}

#[test]
fn a_large_handshake_is_taken_and_a_larger_one_is_refused() {
    let names = |count: usize| -> Vec<String> {
        let names = (0..count).map(|index| format!("host-{index:06}.example"));
        names.chain(["localhost".into()]).collect()
    };
    for version in [&version::TLS12, &version::TLS13] {
        for cut in [700, usize::MAX] {
            let large = Ends::with(&[version], names(2500), 1);
            let mut link = large.connected(cut);
            link.say(b"hello");
            assert_eq!(link.read(10), b"hello");
            let mut link = Ends::with(&[version], names(2500), 2).link(cut);
            let error = link.shake_hands().unwrap_err();
            assert!(
                matches!(objection(&error), Error::InvalidMessage(_)),
                "{error}"
            );
        }
    }
}

#[test]
fn a_handshake_that_ends_early_is_no_connection() {
    for end in [0, 1, 100] {
        let ends = tls13();
        let mut link = ends.link(usize::MAX);
        assert!(!link.client.shake_hands().unwrap());
        link.carry_up();
        let said = link.said();
        if end > 0 {
            link.receive(&said[..end]);
        }
        assert!(!link.client.shake_hands().unwrap());
        link.client.received(0);
        let error = link.client.shake_hands().unwrap_err();
        let fault = Fault::in_handshake(&error);
        assert_eq!(fault.kind, TransportErrorKind::Connect, "{error}");
    }
}

#[test]
fn an_answer_that_is_not_tls_is_explained() {
    let mut link = tls13().link(usize::MAX);
    assert!(!link.client.shake_hands().unwrap());
    link.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let fault = Fault::in_handshake(&link.client.shake_hands().unwrap_err());
    assert_eq!(fault.kind, TransportErrorKind::Tls);
    assert!(
        fault.detail.contains("does not seem to speak TLS"),
        "{}",
        fault.detail
    );
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let mut link = Ends::with(&[&version::TLS13], vec!["other.example".into()], 1).link(usize::MAX);
    let error = link.shake_hands().unwrap_err();
    assert!(
        matches!(objection(&error), Error::InvalidCertificate(_)),
        "{error}"
    );
    let alert = link.client.unsent().to_vec();
    link.server.read_tls(&mut &alert[..]).unwrap();
    let error = link.server.process_new_packets().unwrap_err();
    assert!(matches!(error, Error::AlertReceived(_)), "{error}");
}
