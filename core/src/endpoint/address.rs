/// The protocol beneath S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP: only ever to an endpoint that the user named with `http://`.
    Http,
    /// HTTP over TLS.
    Https,
}

/// Where one request goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Box<str>,
    pub(crate) path: Box<str>,
}

impl Address {
    /// The protocol.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Host, and port where it is not the scheme's own: the value of the `Host` header.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path, encoded: what is signed and sent.
    pub fn path(&self) -> &str {
        &self.path
    }
}
