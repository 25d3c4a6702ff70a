use core::fmt;
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};

use super::headers::{X_AMZ_CONTENT_SHA256, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN, refuse_reserved};
use super::sigv4::{ALGORITHM, CanonicalRequest, Scope, SigningKey, authorization};
use super::{Credentials, PayloadHash, RequestHeaders};
use crate::endpoint::{Address, Region};
use crate::error::SpecError;
use crate::request::{Query, Unsigned};
use crate::time::UnixTime;

/// Signs requests to S3, or sends them as nobody's. Cheap to clone; clones share the derived key.
#[derive(Clone, Debug)]
pub struct Signer(Option<Arc<Identity>>);

impl Signer {
    /// Signs with these credentials, for this region.
    pub fn new(credentials: Arc<Credentials>, region: Region) -> Self {
        Self(Some(Arc::new(Identity {
            credentials,
            region,
            latest: Mutex::new(None),
        })))
    }

    /// Signs nothing: for public buckets.
    pub const fn anonymous() -> Self {
        Self(None)
    }

    /// Whether nothing is signed.
    pub const fn is_anonymous(&self) -> bool {
        self.0.is_none()
    }

    /// The request as it is sent: an absolute URI in the one encoded form, and all headers. Every
    /// header is signed but [some](RequestHeaders::is_never_signed). A signature is good for the 15
    /// minutes around `now`.
    ///
    /// # Errors
    /// Headers or query parameters that signing adds itself, header values that have no canonical
    /// form, and a URI of more than 65,534 bytes.
    pub fn sign(
        &self,
        unsigned: &Unsigned,
        payload: &PayloadHash,
        now: UnixTime,
    ) -> Result<Request<()>, SpecError> {
        self.seal(unsigned.clone(), || *payload, now)
    }

    /// As [`sign`](Self::sign), of a request that nobody else has use for. `payload` is asked for
    /// only where there is something to sign.
    pub(crate) fn seal(
        &self,
        unsigned: Unsigned,
        payload: impl FnOnce() -> PayloadHash,
        now: UnixTime,
    ) -> Result<Request<()>, SpecError> {
        let Unsigned {
            method,
            address,
            query,
            headers,
        } = unsigned;
        let mut headers = canonical_headers(headers, &address, &query)?;
        let query = query.canonical();
        if let Some(identity) = &self.0 {
            identity.authorise(
                &method,
                address.path(),
                &query,
                &mut headers,
                payload(),
                now,
            )?;
        }
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = uri(address.into_url(&query))?;
        *request.headers_mut() = headers.into_map();
        Ok(request)
    }

    /// A URL that lets whoever has it make this request, from `now` for the time of `expires`
    /// ("Authenticating requests: using query parameters" of the S3 API reference). Parts of a
    /// second are dropped. Headers of the request are signed, so whoever uses the URL must send
    /// them; the body is not.
    ///
    /// # Errors
    /// As [`sign`](Self::sign); also a time that is not 1 second to 7 days, and a signer without
    /// credentials.
    pub fn presign(
        &self,
        unsigned: &Unsigned,
        expires: Duration,
        now: UnixTime,
    ) -> Result<String, SpecError> {
        const WEEK: u64 = 7 * 24 * 60 * 60;
        let Some(identity) = &self.0 else {
            let expected = "credentials: an anonymous request needs no signature";
            return Err(SpecError::new("presigned URL", expected, "none"));
        };
        let seconds = expires.as_secs();
        if !(1..=WEEK).contains(&seconds) {
            let seen = format!("{expires:?}");
            return Err(SpecError::new("presigned URL", "1 second to 7 days", seen));
        }
        let (address, headers) = (&unsigned.address, unsigned.headers.clone());
        let headers = canonical_headers(headers, address, &unsigned.query)?;
        let query = identity.presigned_query(unsigned, &headers, seconds, now);
        Ok(address.clone().into_url(&query))
    }
}

struct Identity {
    credentials: Arc<Credentials>,
    region: Region,
    /// What signed last.
    latest: Mutex<Option<Arc<Second>>>,
}

/// What all signatures of one second have in common. The key of the next one is the same until the
/// day ends.
struct Second {
    time: UnixTime,
    scope: Scope,
    key: SigningKey,
}

impl Identity {
    /// Adds the headers of a signed request.
    fn authorise(
        &self,
        method: &Method,
        path: &str,
        query: &str,
        headers: &mut RequestHeaders,
        payload: PayloadHash,
        now: UnixTime,
    ) -> Result<(), SpecError> {
        let second = self.second(now);
        let Second { scope, key, .. } = &*second;
        let payload = payload.text();
        headers.insert(X_AMZ_DATE, value(scope.amz_date())?);
        headers.insert(X_AMZ_CONTENT_SHA256, value(&payload)?);
        if let Some(token) = self.credentials.session_token() {
            headers.insert(X_AMZ_SECURITY_TOKEN, sensitive(token)?);
        }
        let request = CanonicalRequest::new(method, path, query, headers, &payload);
        let signature = key.sign(&scope.string_to_sign(&request));
        let id = self.credentials.access_key_id();
        let text = authorization(id, scope, &request, &signature);
        headers.insert(AUTHORIZATION, sensitive(&text)?);
        Ok(())
    }

    /// The whole query of a presigned URL; its signature comes last.
    fn presigned_query(
        &self,
        unsigned: &Unsigned,
        headers: &RequestHeaders,
        seconds: u64,
        now: UnixTime,
    ) -> String {
        let second = self.second(now);
        let Second { scope, key, .. } = &*second;
        let names: Vec<&str> = headers.signed().iter().map(|&(name, _)| name).collect();
        let credential = format!(
            "{}/{}",
            self.credentials.access_key_id(),
            scope.credential()
        );
        let mut query = unsigned
            .query
            .clone()
            .with("X-Amz-Algorithm", ALGORITHM)
            .with("X-Amz-Credential", credential)
            .with("X-Amz-Date", scope.amz_date())
            .with("X-Amz-Expires", seconds.to_string())
            .with("X-Amz-SignedHeaders", names.join(";"));
        if let Some(token) = self.credentials.session_token() {
            query.push("X-Amz-Security-Token", token);
        }
        let query = query.canonical();
        let path = unsigned.address.path();
        let payload = PayloadHash::Unsigned.text();
        let request = CanonicalRequest::new(&unsigned.method, path, &query, headers, &payload);
        let signature = key.sign(&scope.string_to_sign(&request));
        format!("{query}&X-Amz-Signature={signature}")
    }

    fn second(&self, now: UnixTime) -> Arc<Second> {
        // A panic elsewhere can't leave half a key behind.
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = latest.as_ref().filter(|latest| latest.time == now) {
            return Arc::clone(same);
        }
        let scope = Scope::new(now, &self.region, "s3");
        let key = match &*latest {
            Some(latest) if latest.scope.credential() == scope.credential() => latest.key.clone(),
            _ => SigningKey::derive(&self.credentials, &scope),
        };
        let time = now;
        Arc::clone(latest.insert(Arc::new(Second { time, scope, key })))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("credentials", &self.credentials)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// A request's headers with `host`.
fn canonical_headers(
    headers: HeaderMap,
    address: &Address,
    query: &Query,
) -> Result<RequestHeaders, SpecError> {
    refuse_reserved(&headers)?;
    refuse_reserved_parameters(query)?;
    let mut headers = RequestHeaders::from_map(headers)?;
    headers.insert(HOST, value(address.authority())?);
    Ok(headers)
}

/// Parameters of a presigned URL in a caller's query would turn one request into another.
fn refuse_reserved_parameters(query: &Query) -> Result<(), SpecError> {
    const RESERVED: [&str; 7] = [
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
    ];
    let reserved = |name: &&str| {
        RESERVED
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    };
    match query.encoded_names().find(reserved) {
        Some(name) => Err(SpecError::new(
            "query parameter",
            "none of those that signing adds",
            name,
        )),
        None => Ok(()),
    }
}

fn uri(url: String) -> Result<Uri, SpecError> {
    let len = url.len();
    Uri::try_from(url)
        .map_err(|_| SpecError::new("URL", "one of at most 65,534 bytes", format!("{len} bytes")))
}

/// A value of ours, which is canonical by its making.
fn value(text: &str) -> Result<HeaderValue, SpecError> {
    HeaderValue::from_str(text)
        .map_err(|_| SpecError::new("header", "visible ASCII characters", text))
}

/// A value that `Debug` of a request doesn't show.
fn sensitive(text: &str) -> Result<HeaderValue, SpecError> {
    let mut value = super::header_value("header", text)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{BucketName, Endpoint};

    #[test]
    fn nobodys_request_needs_no_hash_of_its_payload() {
        let endpoint = Endpoint::aws(Region::new("us-east-1").unwrap());
        let unsigned = Unsigned {
            method: Method::GET,
            address: endpoint.address(&BucketName::new("bucket").unwrap(), None),
            query: Query::new(),
            headers: HeaderMap::new(),
        };
        let unasked = || panic!("nothing is signed");
        let sent = Signer::anonymous().seal(unsigned, unasked, UnixTime::from_seconds(0));
        assert_eq!(sent.unwrap().headers().len(), 1, "the host");
    }
}
