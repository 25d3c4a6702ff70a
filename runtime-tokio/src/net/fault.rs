use std::error::Error as StdError;
use std::io;

use sans3_core::error::TransportErrorKind;

/// Hyper's words for a head beyond the limits, which it tells apart from other bad ones in no other
/// way.
const HEAD_TOO_LARGE: &str = "message head is too large";

/// Why an exchange broke, in the core's words and in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: TransportErrorKind,
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn new(kind: TransportErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    /// The session asked for the end.
    pub(crate) fn aborted() -> Self {
        Self::new(TransportErrorKind::Aborted, "")
    }

    /// A TLS handshake failed. Rustls reports what it objects to inside of an I/O error; anything
    /// else is the connection's own trouble.
    pub(crate) fn in_handshake(error: &io::Error) -> Self {
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
}

impl From<hyper::Error> for Fault {
    fn from(error: hyper::Error) -> Self {
        let kind = if error.is_parse() && error.to_string() == HEAD_TOO_LARGE {
            TransportErrorKind::HeadTooLarge
        } else if error.is_parse() || error.is_parse_status() {
            TransportErrorKind::BadHttp
        } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            TransportErrorKind::Closed
        } else {
            io_error(&error).map_or(TransportErrorKind::Other, kind_of)
        };
        Self::new(kind, chain(&error))
    }
}

/// An error and its sources, from the outermost on.
fn chain(error: &dyn StdError) -> String {
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

fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(found) = inner.downcast_ref() {
            return Some(found);
        }
        source = inner.source();
    }
    None
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
    fn a_connection_that_closes_in_the_handshake_is_no_fault_of_the_certificate() {
        let fault = Fault::in_handshake(&io::ErrorKind::UnexpectedEof.into());
        assert_eq!(fault.kind, TransportErrorKind::Connect);
    }

    #[test]
    fn a_chain_names_each_source_once() {
        let inner = io::Error::other("inner");
        let outer = io::Error::other(inner);
        assert_eq!(chain(&outer), "inner");
    }
}
