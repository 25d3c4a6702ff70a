//! The stages of AWS Signature Version 4 ("Create a signed AWS API request" of the IAM user guide),
//! without S3's rules about which headers a request must have.
//!
//! [`Signer`](super::Signer) goes through them; servers and tests can do so one by one.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Credentials, RequestHeaders};
use crate::endpoint::Region;
use crate::time::UnixTime;

/// The algorithm's name in headers, queries and strings to sign.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Stage one: the request in its canonical form.
pub struct CanonicalRequest {
    text: String,
    signed_headers: String,
}

impl CanonicalRequest {
    /// Writes the canonical form out of parts that are canonical already: the encoded path, the
    /// encoded and sorted query, all headers with `host`, and the payload's hash as text.
    pub fn new(
        method: &Method,
        path: &str,
        query: &str,
        headers: &RequestHeaders,
        payload: &str,
    ) -> Self {
        let signed = headers.signed();
        let mut text = String::with_capacity(512);
        for line in [method.as_str(), path, query] {
            text.push_str(line);
            text.push('\n');
        }
        let mut names = Vec::with_capacity(signed.len());
        for (name, value) in signed {
            text.push_str(name);
            text.push(':');
            text.push_str(value);
            text.push('\n');
            names.push(name);
        }
        let signed_headers = names.join(";");
        text.push('\n');
        text.push_str(&signed_headers);
        text.push('\n');
        text.push_str(payload);
        Self {
            text,
            signed_headers,
        }
    }

    /// The canonical request. It holds the session token where there is one.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names of the signed headers: sorted, with semicolons between them.
    pub fn signed_headers(&self) -> &str {
        &self.signed_headers
    }
}

/// Shows the names of the signed headers alone.
impl fmt::Debug for CanonicalRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CanonicalRequest")
            .field("signed_headers", &self.signed_headers)
            .finish_non_exhaustive()
    }
}

/// What a signature is good for: one second, one region, one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    amz_date: String,
    credential: String,
}

impl Scope {
    /// The scope of a request to `service`, which for S3 is `s3`.
    pub fn new(time: UnixTime, region: &Region, service: &str) -> Self {
        let amz_date = time.amz_date();
        let (day, _) = amz_date.split_at(8);
        let credential = format!("{day}/{region}/{service}/aws4_request");
        Self {
            amz_date,
            credential,
        }
    }

    /// The time: `20130524T000000Z`.
    pub fn amz_date(&self) -> &str {
        &self.amz_date
    }

    /// The scope of a credential: `20130524/us-east-1/s3/aws4_request`.
    pub fn credential(&self) -> &str {
        &self.credential
    }

    /// Stage two: the string to sign.
    pub fn string_to_sign(&self, request: &CanonicalRequest) -> String {
        let hash = hex(&Sha256::digest(request.text()));
        [ALGORITHM, &self.amz_date, &self.credential, &hash].join("\n")
    }
}

/// Stage three: a key that signs all requests of a day, a region and a service. Zeroed on drop.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// Derives the key by one HMAC for each part of the credential's scope.
    pub fn derive(credentials: &Credentials, scope: &Scope) -> Self {
        const PREFIX: &str = "AWS4";
        let secret = credentials.secret();
        // Never grows, so that no copy of the secret stays behind.
        let mut seed = Zeroizing::new(Vec::with_capacity(PREFIX.len() + secret.len()));
        seed.extend_from_slice(PREFIX.as_bytes());
        seed.extend_from_slice(secret.as_bytes());
        let mut parts = scope.credential.split('/');
        let first = hmac(&seed, parts.next().unwrap_or_default());
        let key = parts.fold(first, |key, part| hmac(&*key, part));
        // What the key alone decides is hashed now, and not once for each signature.
        Self(keyed(&*key))
    }

    /// Stage four: the signature, in hexadecimal.
    pub fn sign(&self, string_to_sign: &str) -> String {
        let mac = self.0.clone().chain_update(string_to_sign);
        hex(&mac.finalize().into_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// Stage five: the value of the `Authorization` header.
pub fn authorization(
    access_key_id: &str,
    scope: &Scope,
    request: &CanonicalRequest,
    signature: &str,
) -> String {
    [
        ALGORITHM,
        " Credential=",
        access_key_id,
        "/",
        &scope.credential,
        ", SignedHeaders=",
        &request.signed_headers,
        ", Signature=",
        signature,
    ]
    .concat()
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for &byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn hmac(key: &[u8], message: &str) -> Zeroizing<[u8; 32]> {
    let mac = keyed(key).chain_update(message);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of every length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn hmac_agrees_with_rfc_4231() {
        let mac = |key: &[u8], message| hex(&*hmac(key, message));
        assert_eq!(
            mac(b"Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            mac(
                &[0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First"
            ),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn debug_shows_no_key_and_no_token() {
        let credentials = Credentials::new("AKID", "secret", None).unwrap();
        let region = Region::new("us-east-1").unwrap();
        let scope = Scope::new(UnixTime::from_seconds(0), &region, "s3");
        let key = SigningKey::derive(&credentials, &scope);
        assert_eq!(format!("{key:?}"), "SigningKey(..)");
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-security-token", HeaderValue::from_static("t0ken"));
        let headers = RequestHeaders::new(&headers).unwrap();
        let request = CanonicalRequest::new(&Method::GET, "/k", "", &headers, "");
        assert_eq!(request.signed_headers(), "x-amz-security-token");
        let shown = format!("{request:?}");
        assert!(shown.contains("x-amz-security-token"), "{shown}");
        assert!(!shown.contains("t0ken"), "{shown}");
    }
}
