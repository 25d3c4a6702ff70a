//! The generic SigV4 test suite, stage by stage (`tests/vectors/sigv4`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sans3_core::endpoint::{Region, decode_query, encode_path};
use sans3_core::request::Query;
use sans3_core::sign::sigv4::{CanonicalRequest, Scope, SigningKey, authorization};
use sans3_core::sign::{Credentials, PayloadHash, RequestHeaders};
use sans3_core::time::UnixTime;

/// Cases that normalise the path, which S3 doesn't: there `a/../b` is a key.
const NORMALISING: [&str; 6] = [
    "get-relative",
    "get-relative-relative",
    "get-slash",
    "get-slash-dot-slash",
    "get-slash-pointless-dot",
    "get-slashes",
];

/// The one case whose session token belongs to the credentials and not to the request. Its `.sreq`
/// has the signature of `get-vanilla` by mistake; the other files agree.
const TOKEN_OF_CREDENTIALS: (&str, &str) = (
    "get-vanilla-with-session-token",
    "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
);

#[test]
fn every_stage_of_every_case_that_does_not_normalise_is_reproduced() {
    let mut seen = 0;
    for case in cases().filter(|case| !case.normalises()) {
        let signed = case.sign();
        assert_eq!(signed.canonical, case.file("creq"), "{}", case.name);
        assert_eq!(signed.string_to_sign, case.file("sts"), "{}", case.name);
        assert_eq!(signed.authorization, case.file("authz"), "{}", case.name);
        let sent = format!("Authorization: {}", signed.authorization);
        let is_sent = case.file("sreq").contains(&sent);
        assert_eq!(
            is_sent,
            case.name != TOKEN_OF_CREDENTIALS.0,
            "{}",
            case.name
        );
        seen += 1;
    }
    assert_eq!(seen, 28);
}

#[test]
fn no_path_is_normalised() {
    let mut seen = BTreeSet::new();
    for case in cases().filter(Case::normalises) {
        let signed = case.sign();
        let theirs = case.file("creq");
        let (our_path, our_rest) = path_and_rest(&signed.canonical);
        let (their_path, their_rest) = path_and_rest(&theirs);
        assert_eq!(our_path, case.target, "the path as it stands");
        assert_ne!(our_path, their_path, "{}", case.name);
        assert_eq!(our_rest, their_rest, "{}: nothing else", case.name);
        assert_ne!(signed.string_to_sign, case.file("sts"), "{}", case.name);
        assert_ne!(signed.authorization, case.file("authz"), "{}", case.name);
        seen.insert(case.name);
    }
    assert_eq!(seen.len(), NORMALISING.len());
}

struct Case {
    name: String,
    folder: PathBuf,
    method: Method,
    /// Path and query as they stand in the request line.
    target: String,
    headers: HeaderMap,
    body: String,
}

struct Signed {
    canonical: String,
    string_to_sign: String,
    authorization: String,
}

impl Case {
    fn read(folder: &Path) -> Self {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(folder.join(format!("{name}.req"))).unwrap();
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        // Obsolete line folding (RFC 9112, section 5.2) stands for a space.
        let head = head.trim_end().replace("\n ", " ");
        let mut lines = head.lines();
        let (method, rest) = lines.next().unwrap().split_once(' ').unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        if name == TOKEN_OF_CREDENTIALS.0 {
            let token = HeaderValue::from_static(TOKEN_OF_CREDENTIALS.1);
            headers.insert("x-amz-security-token", token);
        }
        Self {
            folder: folder.to_owned(),
            method: method.parse().unwrap(),
            target: rest.strip_suffix(" HTTP/1.1").unwrap().to_owned(),
            headers,
            body: body.to_owned(),
            name,
        }
    }

    fn normalises(&self) -> bool {
        NORMALISING.contains(&self.name.as_str())
    }

    fn file(&self, extension: &str) -> String {
        let file = format!("{}.{extension}", self.name);
        fs::read_to_string(self.folder.join(file)).unwrap()
    }

    fn sign(&self) -> Signed {
        let (path, raw_query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let mut query = Query::new();
        for pair in raw_query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap();
            let name = String::from_utf8(decode_query(name)).unwrap();
            query.push(&name, decode_query(value));
        }
        let canonical = CanonicalRequest::new(
            &self.method,
            &encode_path(path.as_bytes()),
            &query.canonical(),
            &RequestHeaders::new(&self.headers).unwrap(),
            &PayloadHash::of(self.body.as_bytes()).text(),
        );

        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new("AKIDEXAMPLE", secret, None).unwrap();
        let time = UnixTime::parse_iso8601("2015-08-30T12:36:00Z").unwrap();
        let scope = Scope::new(time, &Region::new("us-east-1").unwrap(), "service");
        let string_to_sign = scope.string_to_sign(&canonical);
        let signature = SigningKey::derive(&credentials, &scope).sign(&string_to_sign);
        Signed {
            authorization: authorization("AKIDEXAMPLE", &scope, &canonical, &signature),
            canonical: canonical.text().to_owned(),
            string_to_sign,
        }
    }
}

fn cases() -> impl Iterator<Item = Case> {
    let root = "../tests/vectors/sigv4/aws4_testsuite";
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(root)];
    let mut cases = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "req") {
                cases.push(Case::read(path.parent().unwrap()));
            }
        }
    }
    assert_eq!(cases.len(), 34);
    cases.into_iter()
}

/// The second line of a canonical request, and all the others.
fn path_and_rest(canonical: &str) -> (&str, Vec<&str>) {
    let mut lines: Vec<&str> = canonical.lines().collect();
    (lines.remove(1), lines)
}
