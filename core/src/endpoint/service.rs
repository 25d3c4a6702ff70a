use core::fmt;

use super::base_url::BaseUrl;
use super::encode::push_path;
use super::{Address, BucketName, ObjectKey, Region, Scheme};
use crate::error::SpecError;

/// Whether a bucket's name stands in the host or in the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum AddressingStyle {
    /// On AWS as [`VirtualHost`](Self::VirtualHost); in the path on custom endpoints, whose name
    /// service seldom knows the buckets.
    #[default]
    Auto,
    /// `https://host/bucket/key`, always.
    Path,
    /// `https://bucket.host/key` for names that can be hosts. Others go into the path, and under
    /// TLS so do names with dots, which no wildcard certificate matches (RFC 6125, section 6.4.3).
    VirtualHost,
}

/// An S3 service: its URL, its region, and how its buckets are addressed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    /// Host, and port where it is not the scheme's own.
    authority: Box<str>,
    /// Prefixed to every path: empty, or `/` and segments without a slash at the end.
    base_path: Box<str>,
    region: Region,
    style: AddressingStyle,
    is_custom: bool,
    is_ip: bool,
}

impl Endpoint {
    /// AWS's regional endpoint, over TLS (the "Amazon S3 endpoints and quotas" page of the AWS
    /// general reference).
    pub fn aws(region: Region) -> Self {
        Self {
            scheme: Scheme::Https,
            authority: format!("s3.{region}.{}", region.dns_suffix()).into(),
            base_path: "".into(),
            region,
            style: AddressingStyle::Auto,
            is_custom: false,
            is_ip: false,
        }
    }

    /// Another service, or another way to AWS's: `http://` or `https://`, a host name, an IPv4 or a
    /// bracketed IPv6 address, a port, and perhaps a path that is put before every other. The
    /// region is only signed with; servers that know none expect `us-east-1`.
    ///
    /// # Errors
    /// A URL with credentials, query or fragment, a host or port that can't be one, and a path with
    /// more than one spelling. No error repeats a password.
    pub fn custom(url: &str, region: Region) -> Result<Self, SpecError> {
        let BaseUrl {
            scheme,
            host,
            port,
            path,
        } = BaseUrl::parse(url)?;
        let authority = match port {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        Ok(Self {
            scheme,
            authority: authority.into(),
            base_path: path,
            region,
            style: AddressingStyle::Auto,
            is_custom: true,
            is_ip: host.is_ip(),
        })
    }

    /// The same endpoint with another style.
    ///
    /// # Errors
    /// [`AddressingStyle::VirtualHost`] on an IP address, which can't have a name before it.
    pub fn with_style(mut self, style: AddressingStyle) -> Result<Self, SpecError> {
        if self.is_ip && style == AddressingStyle::VirtualHost {
            return Err(SpecError::new(
                "addressing style",
                "path style for an endpoint that is an IP address",
                "virtual-host style",
            ));
        }
        self.style = style;
        Ok(self)
    }

    /// How a bucket is addressed.
    #[cfg(feature = "trace")]
    pub(crate) const fn style(&self) -> AddressingStyle {
        self.style
    }

    /// The region that requests are signed for.
    pub const fn region(&self) -> &Region {
        &self.region
    }

    /// The protocol.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether the endpoint was given as a URL.
    pub const fn is_custom(&self) -> bool {
        self.is_custom
    }

    /// Where requests about the bucket, or about one of its objects, go.
    pub fn address(&self, bucket: &BucketName, key: Option<&ObjectKey>) -> Address {
        /// Room for the rest of a URL: most queries fit as well.
        const REST: usize = 192;
        let key = key.map(ObjectKey::as_bytes);
        let mut url = String::with_capacity(REST + key.map_or(0, <[u8]>::len));
        url.push_str(self.scheme.as_str());
        url.push_str("://");
        // All that a bucket's name may hold encodes to itself.
        let is_host = self.is_virtual_host(bucket);
        if is_host {
            url.push_str(bucket.as_str());
            url.push('.');
        }
        url.push_str(&self.authority);
        let path = url.len();
        url.push_str(&self.base_path);
        if !is_host {
            url.push('/');
            url.push_str(bucket.as_str());
        }
        match key {
            Some(key) => {
                url.push('/');
                push_path(&mut url, key);
            }
            None if url.len() == path => url.push('/'),
            None => {}
        }
        Address {
            scheme: self.scheme,
            url,
            path,
        }
    }

    fn is_virtual_host(&self, bucket: &BucketName) -> bool {
        let wanted = match self.style {
            AddressingStyle::Auto => !self.is_custom,
            AddressingStyle::Path => false,
            AddressingStyle::VirtualHost => true,
        };
        let certified = self.scheme == Scheme::Http || !bucket.has_dots();
        wanted && certified && bucket.is_dns_compatible()
    }
}

/// The endpoint's URL.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.base_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(url: &str) -> Result<Endpoint, SpecError> {
        Endpoint::custom(url, Region::new("us-east-1").unwrap())
    }

    fn at(endpoint: &Endpoint, bucket: &str, key: &str) -> String {
        let key = (!key.is_empty()).then(|| ObjectKey::new(key).unwrap());
        let bucket = BucketName::new(bucket).unwrap();
        endpoint.address(&bucket, key.as_ref()).to_string()
    }

    #[test]
    fn custom_urls_are_read_strictly() {
        for (url, shown) in [
            ("http://localhost:9000", "http://localhost:9000"),
            ("HTTPS://S3.Example.com:443/", "https://s3.example.com"),
            ("http://a:80", "http://a"),
            ("https://a:80", "https://a:80"),
            ("http://[::1]:9000/x/y/", "http://[::1]:9000/x/y"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]"),
        ] {
            assert_eq!(custom(url).unwrap().to_string(), shown);
        }
        for url in [
            "",
            "localhost:9000",
            "ftp://a",
            "http://",
            "http:///x",
            "http://a:",
            "http://a:0",
            "http://a:65536",
            "http://a:+80",
            "http://a:80:80",
            "http://a b",
            "http://a\r\nx: y",
            "http://a?x",
            "http://a#x",
            "http://a//b",
            "http://a/../b",
            "http://a/%2e",
            "http://é",
            "http://a/b c",
            "http://::1",
            "http://a\\@b",
        ] {
            assert!(custom(url).is_err(), "{url}");
        }
    }

    #[test]
    fn errors_about_urls_repeat_no_password_and_no_signature() {
        for url in [
            "https://user:hunter2@s3.example.com",
            "https://a/b?X-Amz-Signature=hunter2",
            "https://a#hunter2",
            "user:hunter2@a",
        ] {
            let error = custom(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn base_paths_come_first() {
        let endpoint = custom("http://gate:8080/s3").unwrap();
        assert_eq!(at(&endpoint, "b", "k"), "http://gate:8080/s3/b/k");
        assert_eq!(at(&endpoint, "b", ""), "http://gate:8080/s3/b");
        let hosts = endpoint.with_style(AddressingStyle::VirtualHost).unwrap();
        assert_eq!(at(&hosts, "abc", "/k"), "http://abc.gate:8080/s3//k");
        assert_eq!(at(&hosts, "abc", ""), "http://abc.gate:8080/s3");
    }

    #[test]
    fn aws_buckets_are_hosts_unless_they_cannot_be() {
        let aws = Endpoint::aws(Region::new("cn-north-1").unwrap());
        let host = "s3.cn-north-1.amazonaws.com.cn";
        assert_eq!(at(&aws, "abc", ""), format!("https://abc.{host}/"));
        assert_eq!(at(&aws, "a.bc", "k"), format!("https://{host}/a.bc/k"));
        assert_eq!(at(&aws, "A_b", "k"), format!("https://{host}/A_b/k"));
        let path = aws.with_style(AddressingStyle::Path).unwrap();
        assert_eq!(at(&path, "abc", "k"), format!("https://{host}/abc/k"));
    }

    #[test]
    fn an_ip_address_has_no_subdomains() {
        for url in ["http://127.0.0.1:9000", "http://[::1]:9000"] {
            let endpoint = custom(url).unwrap();
            assert!(endpoint.with_style(AddressingStyle::VirtualHost).is_err());
        }
    }
}
