//! Signature Version 4, verified: slow, plain, and written from AWS's description alone.
//!
//! Source of every step: AWS, "Authenticating Requests: Using the Authorization Header" and
//! "Using Query Parameters" (Signature Version 4, Amazon S3 API reference).

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::digest::hex;
use super::refusal::Refusal;
use super::request::Request;
use super::{date, encode, route};

/// Who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Signatures are not looked at.
    Unchecked,
    /// Signed requests are verified.
    Checked {
        /// The keys that exist.
        keys: Vec<AccessKey>,
        /// What requests without any signature may do.
        anonymous: Anonymous,
    },
}

impl Access {
    /// One key, and nothing for the anonymous.
    pub fn key(id: &str, secret: &str) -> Self {
        Self::Checked {
            keys: vec![AccessKey::new(id, secret)],
            anonymous: Anonymous::Nothing,
        }
    }
}

/// What requests without a signature may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// Nothing: 403 `AccessDenied`.
    Nothing,
    /// GET and HEAD.
    Read,
    /// Everything.
    Everything,
}

/// An access key as the server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// The access key id.
    pub id: String,
    /// The secret.
    pub secret: String,
    /// For temporary credentials: the token that must come along.
    pub session_token: Option<String>,
    /// Whether the credentials have expired: 400 `ExpiredToken`.
    pub expired: bool,
}

impl AccessKey {
    /// A permanent key.
    pub fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            session_token: None,
            expired: false,
        }
    }
}

/// Requests may be this many seconds off in either direction.
const WINDOW: i64 = 15 * 60;
/// Presigned URLs live for at most seven days.
const MAX_EXPIRES: i64 = 7 * 86_400;

pub(crate) fn verify(
    request: &Request,
    access: &Access,
    region: &str,
    now: i64,
) -> Result<(), Refusal> {
    let Access::Checked { keys, anonymous } = access else {
        return Ok(());
    };
    let query = split_target(&request.target).1;
    let query = route::parse_query(query).ok_or_else(|| denied("The query is not readable"))?;
    let presigned = query.iter().any(|(name, _)| name == b"X-Amz-Algorithm");
    let claim = match request.text("authorization") {
        Some(_) if presigned => {
            return Err(Refusal::invalid_argument(
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, \
                 Signature query string parameter or the Authorization header should be specified",
            ));
        }
        Some(header) => Claim::from_header(request, header)?,
        None if presigned => Claim::from_query(&query)?,
        None => return allow_anonymous(request, *anonymous),
    };
    let key = keys
        .iter()
        .find(|key| key.id == claim.key_id)
        .ok_or_else(|| {
            Refusal::new(
                403,
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.",
            )
            .detail("AWSAccessKeyId", &claim.key_id)
        })?;
    claim.check_scope(region)?;
    claim.check_time(now)?;
    check_token(key, claim.token.as_deref())?;
    claim.check_signed_headers(request)?;
    claim.check_signature(request, &query, &key.secret)
}

/// What a request says about its signature.
struct Claim {
    key_id: String,
    date: String,
    region: String,
    service: String,
    amz_date: String,
    signed: Vec<String>,
    signature: String,
    token: Option<String>,
    payload: String,
    /// Seconds of validity of a presigned URL.
    expires: Option<i64>,
}

impl Claim {
    fn from_header(request: &Request, header: &str) -> Result<Self, Refusal> {
        let malformed = |what: &str| {
            Refusal::new(
                400,
                "AuthorizationHeaderMalformed",
                format!("The authorization header is malformed; {what}"),
            )
        };
        let fields = header
            .strip_prefix("AWS4-HMAC-SHA256")
            .ok_or_else(|| malformed("the algorithm is not AWS4-HMAC-SHA256."))?;
        let field = |name: &str| {
            fields
                .split(',')
                .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
                .ok_or_else(|| malformed(&format!("{name} is missing.")))
        };
        let payload = request.text("x-amz-content-sha256").ok_or_else(|| {
            Refusal::invalid_request(
                "Missing required header for this request: x-amz-content-sha256",
            )
        })?;
        let amz_date = request.text("x-amz-date").ok_or_else(|| {
            denied("AWS authentication requires a valid Date or x-amz-date header")
        })?;
        let signed = field("SignedHeaders")?;
        let mut claim = Self {
            amz_date: amz_date.to_owned(),
            signed: signed.split(';').map(str::to_owned).collect(),
            signature: field("Signature")?.to_owned(),
            token: request.text("x-amz-security-token").map(str::to_owned),
            payload: payload.to_owned(),
            ..Self::empty()
        };
        claim
            .set_credential(field("Credential")?)
            .ok_or_else(|| malformed("the Credential is mal-formed."))?;
        Ok(claim)
    }

    fn from_query(query: &[(Vec<u8>, Vec<u8>)]) -> Result<Self, Refusal> {
        let malformed = |what: String| Refusal::new(400, "AuthorizationQueryParametersError", what);
        let field = |name: &str| {
            query
                .iter()
                .find(|(present, _)| present == name.as_bytes())
                .and_then(|(_, value)| String::from_utf8(value.clone()).ok())
                .ok_or_else(|| malformed(format!("Query-string authentication requires {name}.")))
        };
        if field("X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" {
            return Err(malformed(
                "X-Amz-Algorithm only supports AWS4-HMAC-SHA256".into(),
            ));
        }
        let expires = field("X-Amz-Expires")?
            .parse()
            .ok()
            .filter(|seconds| (1..=MAX_EXPIRES).contains(seconds))
            .ok_or_else(|| malformed("X-Amz-Expires must be 1 to 604800 seconds".into()))?;
        let mut claim = Self {
            amz_date: field("X-Amz-Date")?,
            signed: field("X-Amz-SignedHeaders")?
                .split(';')
                .map(str::to_owned)
                .collect(),
            signature: field("X-Amz-Signature")?,
            token: field("X-Amz-Security-Token").ok(),
            payload: field("X-Amz-Content-Sha256").unwrap_or_else(|_| "UNSIGNED-PAYLOAD".into()),
            expires: Some(expires),
            ..Self::empty()
        };
        claim
            .set_credential(&field("X-Amz-Credential")?)
            .ok_or_else(|| malformed("The Credential is mal-formed.".into()))?;
        Ok(claim)
    }

    const fn empty() -> Self {
        Self {
            key_id: String::new(),
            date: String::new(),
            region: String::new(),
            service: String::new(),
            amz_date: String::new(),
            signed: Vec::new(),
            signature: String::new(),
            token: None,
            payload: String::new(),
            expires: None,
        }
    }

    /// `id/20130524/us-east-1/s3/aws4_request`
    fn set_credential(&mut self, credential: &str) -> Option<()> {
        let mut fields = credential.rsplitn(5, '/');
        let terminator = fields.next()?;
        self.service = fields.next()?.to_owned();
        self.region = fields.next()?.to_owned();
        self.date = fields.next()?.to_owned();
        self.key_id = fields.next()?.to_owned();
        (terminator == "aws4_request").then_some(())
    }

    fn check_scope(&self, region: &str) -> Result<(), Refusal> {
        let code = "AuthorizationHeaderMalformed";
        if self.region != region {
            let message = format!(
                "The authorization header is malformed; the region '{}' is wrong; \
                 expecting '{region}'",
                self.region
            );
            return Err(Refusal::new(400, code, message)
                .detail("Region", region)
                .header("x-amz-bucket-region", region));
        }
        if self.service != "s3" || self.amz_date.get(..8) != Some(&self.date) {
            let message = "The authorization header is malformed; the scope must be \
                           the date of x-amz-date, the region and s3";
            return Err(Refusal::new(400, code, message));
        }
        Ok(())
    }

    fn check_time(&self, now: i64) -> Result<(), Refusal> {
        let signed_at = date::parse_amz(&self.amz_date)
            .ok_or_else(|| denied("X-Amz-Date must be in the ISO8601 form 20130524T000000Z"))?;
        if let Some(expires) = self.expires {
            if signed_at.saturating_add(expires) < now {
                return Err(
                    denied("Request has expired").detail("X-Amz-Expires", expires.to_string())
                );
            }
            if signed_at > now.saturating_add(WINDOW) {
                return Err(denied("Request is not yet valid"));
            }
            return Ok(());
        }
        if now.abs_diff(signed_at) <= WINDOW.unsigned_abs() {
            return Ok(());
        }
        Err(Refusal::new(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        )
        .detail("RequestTime", &self.amz_date)
        .detail("ServerTime", date::iso(now))
        .detail("MaxAllowedSkewMilliseconds", (WINDOW * 1_000).to_string()))
    }

    /// `host` and every `x-amz-*` header that is present must be signed.
    fn check_signed_headers(&self, request: &Request) -> Result<(), Refusal> {
        let is_signed = |name: &str| self.signed.iter().any(|signed| signed == name);
        let unsigned: Vec<&str> = request
            .headers
            .keys()
            .map(http::HeaderName::as_str)
            .filter(|name| (name.starts_with("x-amz-") || *name == "host") && !is_signed(name))
            .collect();
        let sorted = self.signed.is_sorted()
            && self
                .signed
                .iter()
                .all(|name| *name == name.to_ascii_lowercase());
        if !is_signed("host") || !unsigned.is_empty() {
            return Err(
                denied("There were headers present in the request which were not signed")
                    .detail("HeadersNotSigned", unsigned.join(", ")),
            );
        }
        if !sorted {
            return Err(denied("SignedHeaders must be in lower case and sorted"));
        }
        Ok(())
    }

    fn check_signature(
        &self,
        request: &Request,
        query: &[(Vec<u8>, Vec<u8>)],
        secret: &str,
    ) -> Result<(), Refusal> {
        let canonical = self.canonical_request(request, query);
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{}\n{}/{}/{}/aws4_request\n{}",
            self.amz_date,
            self.date,
            self.region,
            self.service,
            hex(&Sha256::digest(canonical.as_bytes())),
        );
        let mut key = hmac(format!("AWS4{secret}").as_bytes(), self.date.as_bytes());
        for step in [&self.region, &self.service, "aws4_request"] {
            key = hmac(&key, step.as_bytes());
        }
        if hex(&hmac(&key, to_sign.as_bytes())) == self.signature {
            return Ok(());
        }
        Err(Refusal::new(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. \
             Check your key and signing method.",
        )
        .detail("AWSAccessKeyId", &self.key_id)
        .detail("StringToSign", to_sign)
        .detail("SignatureProvided", &self.signature)
        .detail("CanonicalRequest", canonical))
    }

    fn canonical_request(&self, request: &Request, query: &[(Vec<u8>, Vec<u8>)]) -> String {
        let path = split_target(&request.target).0;
        let path = encode::decode(path).unwrap_or_else(|| path.to_vec());
        let mut pairs: Vec<(String, String)> = query
            .iter()
            .filter(|(name, _)| self.expires.is_none() || name != b"X-Amz-Signature")
            .map(|(name, value)| (encode::encode(name, b""), encode::encode(value, b"")))
            .collect();
        pairs.sort();
        let pairs: Vec<String> = pairs
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let headers: String = self
            .signed
            .iter()
            .map(|name| format!("{name}:{}\n", canonical_value(request, name)))
            .collect();
        format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            request.method,
            encode::encode(&path, b"/"),
            pairs.join("&"),
            self.signed.join(";"),
            self.payload,
        )
    }
}

/// All values of a header, trimmed, runs of spaces made one, joined by commas.
fn canonical_value(request: &Request, name: &str) -> String {
    let values: Vec<String> = request
        .headers
        .get_all(name)
        .iter()
        .map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
            words.join(" ")
        })
        .collect();
    values.join(",")
}

fn check_token(key: &AccessKey, token: Option<&str>) -> Result<(), Refusal> {
    if key.expired {
        return Err(Refusal::new(
            400,
            "ExpiredToken",
            "The provided token has expired.",
        ));
    }
    if key.session_token.as_deref() == token {
        return Ok(());
    }
    Err(Refusal::new(
        400,
        "InvalidToken",
        "The provided token is malformed or otherwise invalid.",
    ))
}

fn allow_anonymous(request: &Request, anonymous: Anonymous) -> Result<(), Refusal> {
    let reads = request.method == http::Method::GET || request.method == http::Method::HEAD;
    match anonymous {
        Anonymous::Everything => Ok(()),
        Anonymous::Read if reads => Ok(()),
        Anonymous::Read | Anonymous::Nothing => Err(denied("Access Denied")),
    }
}

fn denied(message: &str) -> Refusal {
    Refusal::new(403, "AccessDenied", message)
}

fn split_target(target: &[u8]) -> (&[u8], &[u8]) {
    match target.iter().position(|byte| *byte == b'?') {
        Some(at) => (&target[..at], &target[at + 1..]),
        None => (target, &[]),
    }
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length: there is no error to have.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const NOW: i64 = 1_369_353_600; // 20130524T000000Z
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn documented(method: Method, target: &'static str, payload: &str) -> Request {
        Request::new(method, target)
            .header("host", "examplebucket.s3.amazonaws.com")
            .header("x-amz-date", "20130524T000000Z")
            .header("x-amz-content-sha256", payload)
    }

    fn signed(request: Request, headers: &str, signature: &str) -> Request {
        let credential = format!("{ID}/20130524/us-east-1/s3/aws4_request");
        request.header(
            "authorization",
            &format!(
                "AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={headers},\
                 Signature={signature}"
            ),
        )
    }

    fn check(request: &Request, now: i64) -> Result<(), &'static str> {
        verify(request, &Access::key(ID, SECRET), "us-east-1", now).map_err(|error| error.code)
    }

    /// The first example of AWS's page on the Authorization header.
    fn ranged_get() -> Request {
        signed(
            documented(Method::GET, "/test.txt", EMPTY).header("range", "bytes=0-9"),
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        )
    }

    #[test]
    fn the_documented_examples_verify() {
        let plain = "host;x-amz-content-sha256;x-amz-date";
        let put = documented(
            Method::PUT,
            "/test$file.text",
            "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        )
        .header("date", "Fri, 24 May 2013 00:00:00 GMT")
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY");
        for request in [
            ranged_get(),
            signed(
                put,
                "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
            signed(
                documented(Method::GET, "/?lifecycle", EMPTY),
                plain,
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            signed(
                documented(Method::GET, "/?max-keys=2&prefix=J", EMPTY),
                plain,
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ] {
            assert_eq!(check(&request, NOW), Ok(()), "{:?}", request.target);
        }
    }

    const PRESIGNED: &str = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
        &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

    #[test]
    fn a_presigned_url_lives_as_long_as_it_says() {
        let request =
            Request::new(Method::GET, PRESIGNED).header("host", "examplebucket.s3.amazonaws.com");
        assert_eq!(check(&request, NOW), Ok(()));
        assert_eq!(check(&request, NOW + 86_400), Ok(()));
        assert_eq!(check(&request, NOW + 86_401), Err("AccessDenied"));
        assert_eq!(check(&request, NOW - 901), Err("AccessDenied"));
        let other = request.header("x-amz-checksum-mode", "ENABLED");
        assert_eq!(check(&other, NOW), Err("AccessDenied"));
    }

    #[test]
    fn everything_that_is_signed_counts() {
        let mut moved = ranged_get();
        moved.target = "/test.txu".into();
        assert_eq!(check(&moved, NOW), Err("SignatureDoesNotMatch"));
        let mut ranged = ranged_get();
        ranged
            .headers
            .insert("range", http::HeaderValue::from_static("bytes=0-8"));
        assert_eq!(check(&ranged, NOW), Err("SignatureDoesNotMatch"));
        assert_eq!(check(&ranged_get(), NOW + 901), Err("RequestTimeTooSkewed"));
        assert_eq!(check(&ranged_get(), NOW - 900), Ok(()));
        let unsigned = ranged_get().header("x-amz-meta-a", "b");
        assert_eq!(check(&unsigned, NOW), Err("AccessDenied"));
    }

    #[test]
    fn keys_tokens_and_regions_are_checked() {
        let verdict = |key: AccessKey, region: &str| {
            let access = Access::Checked {
                keys: vec![key],
                anonymous: Anonymous::Read,
            };
            verify(&ranged_get(), &access, region, NOW).map_err(|error| error.code)
        };
        let key = AccessKey::new(ID, SECRET);
        assert_eq!(verdict(key.clone(), "us-east-1"), Ok(()));
        let region = verdict(key.clone(), "eu-west-1");
        assert_eq!(region, Err("AuthorizationHeaderMalformed"));
        let unknown = verdict(AccessKey::new("OTHER", SECRET), "us-east-1");
        assert_eq!(unknown, Err("InvalidAccessKeyId"));
        let expired = AccessKey {
            expired: true,
            ..key.clone()
        };
        assert_eq!(verdict(expired, "us-east-1"), Err("ExpiredToken"));
        let temporary = AccessKey {
            session_token: Some("t".into()),
            ..key
        };
        assert_eq!(verdict(temporary, "us-east-1"), Err("InvalidToken"));
    }

    #[test]
    fn the_anonymous_policy_decides_without_a_signature() {
        let get = Request::new(Method::GET, "/b/k");
        let put = Request::new(Method::PUT, "/b/k");
        for (anonymous, may_get, may_put) in [
            (Anonymous::Nothing, false, false),
            (Anonymous::Read, true, false),
            (Anonymous::Everything, true, true),
        ] {
            let access = Access::Checked {
                keys: Vec::new(),
                anonymous,
            };
            assert_eq!(verify(&get, &access, "r", 0).is_ok(), may_get);
            assert_eq!(verify(&put, &access, "r", 0).is_ok(), may_put);
        }
    }
}
