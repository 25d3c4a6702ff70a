use core::fmt;

/// The protocol beneath S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP: only ever to an endpoint that the user named with `http://`.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port where a URL names none.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where one request goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub(super) scheme: Scheme,
    /// The URL without query.
    pub(super) url: String,
    /// Where in it the path begins.
    pub(super) path: usize,
}

impl Address {
    /// The protocol.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Host, and port where it is not the scheme's own: the value of the `Host` header.
    pub fn authority(&self) -> &str {
        &self.url[self.scheme.as_str().len() + "://".len()..self.path]
    }

    /// The path, encoded: what is signed and sent.
    pub fn path(&self) -> &str {
        &self.url[self.path..]
    }

    /// The URL with this query, which is encoded already.
    pub(crate) fn into_url(self, query: &str) -> String {
        let mut url = self.url;
        if !query.is_empty() {
            url.push('?');
            url.push_str(query);
        }
        url
    }
}

/// The address as a URL without query.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}
