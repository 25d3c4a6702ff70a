use std::error::Error as StdError;
use std::io;

use sans3_core::error::TransportErrorKind;

/// Why an exchange broke, in the core's words and in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What the core decides by.
    pub kind: TransportErrorKind,
    /// What was seen, for people; holds no secret, and may be empty.
    pub detail: String,
}

impl Fault {
    /// A fault of a kind, and what was seen.
    pub fn new(kind: TransportErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    /// The session asked for the end.
    pub fn aborted() -> Self {
        Self::new(TransportErrorKind::Aborted, "")
    }

    /// A TLS handshake failed. Rustls reports what it objects to inside of an I/O error; anything
    /// else is the connection's own trouble.
    pub fn in_handshake(error: &io::Error) -> Self {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidMessage(_)) => {
                let hint = "the server does not seem to speak TLS on this port";
                Self::new(TransportErrorKind::Tls, format!("{}; {hint}", chain(error)))
            }
            Some(_) => Self::new(TransportErrorKind::Tls, chain(error)),
            None => Self::new(TransportErrorKind::Connect, chain(error)),
        }
    }

    /// Reading or writing failed on a connection that was made.
    pub fn from_io(error: &io::Error) -> Self {
        Self::new(kind_of(error), chain(error))
    }
}

/// An error and its sources, from the outermost on, each one's words once.
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let words = inner.to_string();
        // Many wrappers repeat the words of what they wrap.
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        source = inner.source();
    }
    text
}

fn kind_of(error: &io::Error) -> TransportErrorKind {
    match error.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => TransportErrorKind::Closed,
        // A record that TLS can't read, or a chunk that HTTP can't: the framing is broken.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => TransportErrorKind::BadHttp,
        io::ErrorKind::FileTooLarge => TransportErrorKind::HeadTooLarge,
        _ => TransportErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_answer_to_a_tls_hello_is_explained() {
        let tls = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        let fault = Fault::in_handshake(&io::Error::new(io::ErrorKind::InvalidData, tls));
        assert_eq!(fault.kind, TransportErrorKind::Tls);
        assert!(
            fault.detail.contains("does not seem to speak TLS"),
            "{}",
            fault.detail
        );
    }

    #[test]
    fn a_refused_certificate_is_a_fault_of_tls() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        let fault = Fault::in_handshake(&io::Error::new(io::ErrorKind::InvalidData, tls));
        assert_eq!(fault.kind, TransportErrorKind::Tls);
        assert!(fault.detail.contains("xpired"), "{}", fault.detail);
    }

    #[test]
    fn a_connection_that_closes_in_the_handshake_is_no_fault_of_the_certificate() {
        let fault = Fault::in_handshake(&io::ErrorKind::UnexpectedEof.into());
        assert_eq!(fault.kind, TransportErrorKind::Connect);
    }

    #[test]
    fn an_error_of_the_system_has_its_kind() {
        for (kind, expected) in [
            (io::ErrorKind::ConnectionReset, TransportErrorKind::Closed),
            (io::ErrorKind::BrokenPipe, TransportErrorKind::Closed),
            (io::ErrorKind::UnexpectedEof, TransportErrorKind::Closed),
            (io::ErrorKind::InvalidData, TransportErrorKind::BadHttp),
            (
                io::ErrorKind::FileTooLarge,
                TransportErrorKind::HeadTooLarge,
            ),
            (io::ErrorKind::PermissionDenied, TransportErrorKind::Other),
        ] {
            let fault = Fault::from_io(&io::Error::new(kind, "seen"));
            assert_eq!(fault, Fault::new(expected, "seen"));
        }
    }

    #[test]
    fn a_chain_names_each_source_once() {
        let inner = io::Error::other("inner");
        let outer = io::Error::other(inner);
        assert_eq!(chain(&outer), "inner");
    }
}
