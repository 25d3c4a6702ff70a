use core::fmt;

/// What every adapter does alike. Each script shows one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The head of a request.
    Head,
    /// `Expect: 100-continue`.
    Expect,
    /// The target of a request, and what an answer is.
    Target,
    /// The bounds of heads and interim answers.
    Limits,
    /// The framing of answers.
    Framing,
    /// Answers that come before the request is sent.
    Early,
    /// Which connections are used again.
    Reuse,
    /// How long is waited for what.
    Deadlines,
    /// The end that the session asks for.
    Abort,
    /// Which addresses are tried.
    Addresses,
    /// TLS.
    Tls,
    /// Proxies.
    Proxy,
    /// Consumers who take their bytes in order.
    InOrder,
}

impl Rule {
    /// The rule in words for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Head => {
                "a request has exactly the core's fields, host, and content-length where there is \
                 a body; nothing is added"
            }
            Self::Expect => {
                "until the server has stored one, a body of 1 MiB or more waits for 100 Continue or \
                 for 1 s, and is not sent where a final answer comes first (RFC 9110, section \
                 10.1.1)"
            }
            Self::Target => {
                "the target is sent byte for byte; statuses are no errors of the adapter, \
                 redirects are not followed, content codings are not undone"
            }
            Self::Limits => {
                "an answer's head has at most 64 KiB and 128 fields, else it is HeadTooLarge; \
                 interim answers are passed over within a bound"
            }
            Self::Framing => {
                "contradicting lengths, broken chunks and what is not HTTP are BadHttp; an early \
                 end is Closed and never a success (RFC 9112, sections 6.3 and 7.1)"
            }
            Self::Early => {
                "an answer that comes before the body is sent in full is read and judged, even \
                 where writing fails; the rest of the body is not sent"
            }
            Self::Reuse => {
                "a connection is used again only after a clean exchange, and only where it is \
                 still good; nothing is retried in secret"
            }
            Self::Deadlines => {
                "each wait has its deadline and its kind of failure; the time that a consumer \
                 takes does not count"
            }
            Self::Abort => "an exchange that the session aborts ends at once, at any stage",
            Self::Addresses => {
                "all addresses of a name are tried: the next one after 250 ms, or at once where \
                 one fails; all failures are named"
            }
            Self::Tls => {
                "certificates are checked, and problems with them are Tls; an end without \
                 close_notify is an end only where the length says so (RFC 8446, section 6.1)"
            }
            Self::Proxy => {
                "http goes through a proxy in absolute form, https through a CONNECT tunnel; the \
                 proxy's credentials are for the proxy alone (RFC 9110, section 9.3.6)"
            }
            Self::InOrder => {
                "an in-order consumer gets each byte once and in order, at its own pace, and no \
                 more is asked for than memory holds"
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}: {}", self.text())
    }
}
