use core::fmt;

/// Why an exchange broke before its answer was complete, as the adapter saw it.
///
/// All but [`Tls`](Self::Tls), [`HeadTooLarge`](Self::HeadTooLarge) and [`Aborted`](Self::Aborted)
/// are transient: the request is sent again, within the retry policy, on a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The host's name did not resolve. Retried: resolvers fail for moments.
    Dns,
    /// No connection: refused, unreachable, or closed during the handshake. Nothing was sent.
    Connect,
    /// No connection within the connect deadline. Nothing was sent.
    ConnectTimeout,
    /// The TLS handshake failed: certificate, name, protocol version. Not retried: it won't change.
    Tls,
    /// No complete response head within the deadline.
    HeadTimeout,
    /// No byte of the body moved within the idle deadline, or fewer than the least rate asks for.
    IdleTimeout,
    /// The connection was closed or reset.
    Closed,
    /// The bytes are not HTTP, or break its framing.
    BadHttp,
    /// The response head is larger than 64 KiB or has more than 128 fields. Not retried.
    HeadTooLarge,
    /// The adapter ended the exchange because the session asked for it.
    Aborted,
    /// Anything else that the adapter can't name.
    Other,
}

impl TransportErrorKind {
    /// Whether sending the same request again can help.
    pub const fn is_transient(self) -> bool {
        !matches!(self, Self::Tls | Self::HeadTooLarge | Self::Aborted)
    }
}

impl fmt::Display for TransportErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "the host's name did not resolve",
            Self::Connect => "no connection could be made",
            Self::ConnectTimeout => "no connection within the connect timeout",
            Self::Tls => "the TLS handshake failed",
            Self::HeadTimeout => "no answer within the timeout",
            Self::IdleTimeout => "the answer stalled",
            Self::Closed => "the connection was closed",
            Self::BadHttp => "the answer is not valid HTTP",
            Self::HeadTooLarge => "the answer's head is larger than 64 KiB or 128 fields",
            Self::Aborted => "the exchange was ended",
            Self::Other => "the exchange failed",
        })
    }
}
