//! How a command ends: what went wrong, what to do about it, and the exit code.

use std::io;
use std::path::Path;

use sans3_core::endpoint::Region;
use sans3_core::error::{
    Cause, S3Error, SinkError, SourceError, TransferError, TransportErrorKind,
};
use sans3_core::operation::OperationKind;
use sans3_runtime::Error;

/// The exit code after Ctrl-C, SIGTERM or SIGHUP: 128 and the number of SIGINT, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

/// What advice begins with where a failed download has left no file.
const NOTHING_KEPT: &str = "nothing was kept; ";

/// What kind of end it was. The codes and names are documented, and stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Transfer,
    Usage,
    Configuration,
    NotFound,
    GaveUp,
    Interrupted,
}

impl Kind {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Transfer => 1,
            Self::Usage => 2,
            Self::Configuration => 3,
            Self::NotFound => 4,
            Self::GaveUp => 5,
            Self::Interrupted => INTERRUPTED,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Usage => "usage",
            Self::Configuration => "configuration",
            Self::NotFound => "not_found",
            Self::GaveUp => "gave_up",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    /// What was expected and what was seen. Holds no secret.
    pub(crate) message: String,
    /// What to do.
    pub(crate) advice: Option<String>,
}

/// Where a request went, as far as advice needs it.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) region: String,
    /// The endpoint, where it is not Amazon's.
    pub(crate) endpoint: Option<String>,
    /// The proxy on the way there.
    pub(crate) proxy: Option<String>,
    pub(crate) anonymous: bool,
    /// `s3://bucket/key` or as much of it as there is; escaped.
    pub(crate) uri: String,
    /// The bucket.
    pub(crate) bucket: String,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            advice: None,
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(Kind::Configuration, message)
    }

    #[must_use]
    pub(crate) fn with_advice(self, advice: impl Into<String>) -> Self {
        Self {
            advice: Some(advice.into()),
            ..self
        }
    }

    /// stdout could not be written.
    pub(crate) fn stdout(error: &io::Error) -> Self {
        let failure = Self::io("writing to", Path::new("stdout"), error);
        let advice = failure
            .advice
            .map(|advice| advice.trim_start_matches(NOTHING_KEPT).to_owned());
        Self { advice, ..failure }
    }

    /// A transfer is done, and only its report failed by this.
    #[must_use]
    pub(crate) fn unreported(self, done: &str) -> Self {
        Self {
            message: format!(
                "the transfer is done, but its report could not be written: {}",
                self.message
            ),
            advice: Some(format!("{done} is whole; only the report is missing")),
            ..self
        }
    }

    /// A download to a stream failed by this: what was written there can't be taken back.
    #[must_use]
    pub(crate) fn streamed(self, name: &str, bytes: u64) -> Self {
        let warning = format!("what was written to {name} is not the whole object, or not right");
        let advice = match self.advice {
            Some(advice) => match advice.strip_prefix(NOTHING_KEPT) {
                Some(rest) => Some(format!("{warning}; {rest}")),
                None if bytes > 0 => Some(format!("{warning}; {advice}")),
                None => Some(advice),
            },
            None => (bytes > 0).then_some(warning),
        };
        Self { advice, ..self }
    }

    /// A local file could not be used; `what` says for what ("reading", "writing to").
    pub(crate) fn io(what: &str, path: &Path, error: &io::Error) -> Self {
        let message = format!("{what} {} failed: {error}", path.display());
        let failure = Self::new(Kind::Transfer, message);
        match io_advice(error.kind()) {
            Some(advice) => failure.with_advice(advice),
            None => failure,
        }
    }

    /// The user pressed Ctrl-C while nothing was under way that could be cancelled.
    pub(crate) fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted")
    }

    /// Why a transfer failed.
    pub(crate) fn transfer(error: &Error, site: &Site) -> Self {
        let failure = Self::new(kind(error), error.to_string());
        let advice = match error {
            Error::Transfer(error) => transfer_advice(error, site),
            Error::File(error) => system_advice(error.system().map(|error| error.kind())),
            Error::Io { source, .. } => system_advice(Some(source.kind())),
            _ => None,
        };
        Self { advice, ..failure }
    }
}

fn kind(error: &Error) -> Kind {
    match error {
        Error::Transfer(error) => match (&error.cause, error.root()) {
            (Cause::Cancelled, _) => Kind::Interrupted,
            (Cause::GaveUp { .. } | Cause::Outage { .. }, _) => Kind::GaveUp,
            (_, Cause::S3(error)) => s3_kind(error),
            (_, Cause::Spec(_)) => Kind::Usage,
            (_, Cause::Credentials(_)) => Kind::Configuration,
            _ => Kind::Transfer,
        },
        Error::Config(_) => Kind::Configuration,
        _ => Kind::Transfer,
    }
}

/// Codes by which a server says that the credentials, not the request, are at fault.
const CREDENTIAL_CODES: [&str; 7] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
    "RequestTimeTooSkewed",
    "AuthorizationHeaderMalformed",
];

fn s3_kind(error: &S3Error) -> Kind {
    let code = error.code.as_deref().unwrap_or_default();
    let is_redirect = matches!(error.status, 301 | 302 | 307 | 308);
    if CREDENTIAL_CODES.contains(&code) || is_redirect {
        Kind::Configuration
    } else if error.status == 404 || code.starts_with("NoSuch") {
        Kind::NotFound
    } else {
        Kind::Transfer
    }
}

fn transfer_advice(error: &TransferError, site: &Site) -> Option<String> {
    if error.leftover.is_some() {
        return Some(format!("abort it with `sans3 rm --uploads {}`", site.uri));
    }
    match error.root() {
        Cause::S3(error) => s3_advice(error, site),
        Cause::Transport { kind, .. } => transport_advice(*kind, site),
        Cause::ObjectChanged { .. } => {
            Some("nothing was kept; run the command again to get the new version".into())
        }
        Cause::ChecksumMismatch { .. } => Some(
            "nothing was kept; run the command again, and if it fails again, upload the object anew"
                .into(),
        ),
        Cause::Ambiguous { .. } => Some(format!(
            "look with `sans3 ls {}`; if the object is not there, run `sans3 rm --uploads {}`",
            site.uri, site.uri
        )),
        Cause::Source(SourceError::Changed(_) | SourceError::Length { .. }) => {
            Some("nothing was stored; upload it again when nobody writes to it".into())
        }
        Cause::Sink(SinkError(text)) | Cause::Source(SourceError::Read(text)) => {
            system_advice(system_kind(text))
        }
        Cause::Source(SourceError::NotReplayable) => {
            Some("copy a file rather than a stream, or give more --memory".into())
        }
        Cause::Conflict { .. } => {
            Some("two writers use the same key; decide which object is to stay".into())
        }
        _ => None,
    }
}

fn s3_advice(error: &S3Error, site: &Site) -> Option<String> {
    if let Some(advice) = region_advice(error, site) {
        return Some(advice);
    }
    if error.is_of_trailer() {
        return Some("try `--checksum-placement header`, which every server takes".into());
    }
    let code = error.code.as_deref().unwrap_or_default();
    let object = matches!(
        error.operation,
        OperationKind::GetObject | OperationKind::HeadObject | OperationKind::DeleteObject
    );
    Some(match (error.status, code) {
        (_, "NoSuchBucket") => format!(
            "make it with `sans3 mb s3://{}`, or check the name, the region ({}) and the endpoint",
            site.bucket, site.region
        ),
        (_, "NoSuchKey") | (404, "") if object => {
            format!("see what is there with `sans3 ls s3://{}`", site.bucket)
        }
        (_, "InvalidAccessKeyId") => {
            "the server does not know this access key: check AWS_ACCESS_KEY_ID, AWS_PROFILE and \
             --endpoint-url"
                .into()
        }
        (_, "SignatureDoesNotMatch") => {
            "the secret does not belong to the access key: check AWS_SECRET_ACCESS_KEY or the \
             profile"
                .into()
        }
        (_, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => {
            "get new temporary credentials and set AWS_SESSION_TOKEN with them".into()
        }
        (_, "RequestTimeTooSkewed") => "set this machine's clock".into(),
        (_, "SlowDown") | (503, _) => {
            "the server is overloaded: try again later, or with a lower --concurrency".into()
        }
        (412, _) => {
            "the object in S3 is not the one that --if-match or --if-none-match asked for".into()
        }
        (403, "InvalidObjectState") => {
            "the object is archived: restore it first, with the AWS console or tools".into()
        }
        (403, _) if site.anonymous => {
            "the bucket is not public: leave out --no-sign-request and set credentials".into()
        }
        (401 | 403, _) => {
            format!(
                "these credentials may not do this to {}: ask its owner",
                site.uri
            )
        }
        (409, "BucketAlreadyOwnedByYou") => "you have it already: nothing needs to be done".into(),
        (409, "BucketAlreadyExists") => "bucket names are shared by all: choose another".into(),
        _ => return None,
    })
}

/// The region that the server names, where it is another one. It is repeated only where it can be a
/// region at all.
fn region_advice(error: &S3Error, site: &Site) -> Option<String> {
    let concerns_region = matches!(error.status, 301 | 307)
        || error.is("AuthorizationHeaderMalformed")
        || error.is("PermanentRedirect")
        || error.is("IllegalLocationConstraintException")
        || error.status == 400;
    if !concerns_region {
        return None;
    }
    let named = error
        .region
        .as_deref()
        .and_then(|region| Region::new(region).ok());
    match named.filter(|region| region.as_str() != site.region) {
        Some(region) => {
            let region = region.as_str();
            Some(format!(
                "the bucket is in {region}: set AWS_REGION={region} or --region {region}"
            ))
        }
        None if error.status == 400 => None,
        None => Some(format!(
            "the bucket may be in another region than {}: set AWS_REGION or --region",
            site.region
        )),
    }
}

fn transport_advice(kind: TransportErrorKind, site: &Site) -> Option<String> {
    let server = site.endpoint.as_deref().map_or_else(
        || format!("Amazon's endpoint in {}", site.region),
        str::to_owned,
    );
    if let Some(proxy) = &site.proxy
        && is_about_the_way(kind)
    {
        return Some(format!(
            "requests to {server} go through the proxy {proxy}: check that it runs and lets them \
             through, name another with --proxy or the environment, or go without with --no-proxy"
        ));
    }
    Some(match kind {
        TransportErrorKind::Dns => format!(
            "check the name in {server} (--endpoint-url or AWS_ENDPOINT_URL_S3), and the network"
        ),
        TransportErrorKind::Connect | TransportErrorKind::ConnectTimeout => format!(
            "nothing answers at {server}: check that the server runs, and --endpoint-url or \
             AWS_ENDPOINT_URL_S3"
        ),
        TransportErrorKind::Tls => format!(
            "{server} is not trusted: name the authority that signed its certificate with \
             --ca-bundle FILE or AWS_CA_BUNDLE; if it speaks no TLS, name it with http://"
        ),
        TransportErrorKind::HeadTimeout | TransportErrorKind::IdleTimeout => {
            "the server is too slow: allow more with --read-timeout, or lower --concurrency".into()
        }
        TransportErrorKind::BadHttp => format!("check that {server} is an S3 server"),
        _ => return None,
    })
}

/// Whether a failure is one of reaching the server at all.
const fn is_about_the_way(kind: TransportErrorKind) -> bool {
    matches!(
        kind,
        TransportErrorKind::Dns | TransportErrorKind::Connect | TransportErrorKind::ConnectTimeout
    )
}

fn system_advice(kind: Option<io::ErrorKind>) -> Option<String> {
    kind.and_then(io_advice).map(str::to_owned)
}

/// The kind of a system's error that has become text on its way: the standard library ends it with
/// `(os error N)`.
fn system_kind(text: &str) -> Option<io::ErrorKind> {
    let (_, rest) = text.rsplit_once("(os error ")?;
    let number = rest.split(')').next()?.parse().ok()?;
    Some(io::Error::from_raw_os_error(number).kind())
}

const fn io_advice(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "nothing was kept; free some space there, or choose another target"
        }
        io::ErrorKind::FileTooLarge => {
            "nothing was kept; raise the limit (`ulimit -f`), or choose another file system"
        }
        io::ErrorKind::PermissionDenied => "check who may read and write there",
        io::ErrorKind::ReadOnlyFilesystem => "choose a target that can be written",
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            "check the path, and make its directory"
        }
        io::ErrorKind::AlreadyExists => {
            "nothing was replaced; leave out --no-clobber, or choose another target"
        }
        io::ErrorKind::IsADirectory => "name a file",
        io::ErrorKind::BrokenPipe => "the program that reads stdout has ended",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site {
            region: "us-east-1".into(),
            endpoint: None,
            proxy: None,
            anonymous: false,
            uri: "s3://bucket/key".into(),
            bucket: "bucket".into(),
        }
    }

    fn refused(status: u16, code: &str, region: Option<&str>) -> Error {
        let mut error = S3Error::from_status(OperationKind::GetObject, status);
        error.code = Some(code.to_owned()).filter(|code| !code.is_empty());
        error.region = region.map(str::to_owned);
        Error::Transfer(TransferError::new(error))
    }

    fn failure(error: Error) -> (u8, String) {
        let failure = Failure::transfer(&error, &site());
        (failure.kind.code(), failure.advice.unwrap_or_default())
    }

    #[test]
    fn refusals_have_the_documented_codes() {
        for (status, code, expected) in [
            (404, "NoSuchKey", 4),
            (404, "NoSuchBucket", 4),
            (404, "", 4),
            (403, "InvalidAccessKeyId", 3),
            (403, "SignatureDoesNotMatch", 3),
            (400, "ExpiredToken", 3),
            (403, "AccessDenied", 1),
            (412, "PreconditionFailed", 1),
        ] {
            assert_eq!(
                failure(refused(status, code, None)).0,
                expected,
                "{status} {code}"
            );
        }
    }

    #[test]
    fn a_server_that_keeps_failing_is_given_up() {
        let last = S3Error::from_status(OperationKind::GetObject, 503);
        let cause = Cause::GaveUp {
            attempts: 3,
            budget_empty: false,
            last: Box::new(last.into()),
        };
        let (code, advice) = failure(Error::Transfer(TransferError::new(cause)));
        assert_eq!(code, 5);
        assert!(advice.contains("--concurrency"), "{advice}");
    }

    #[test]
    fn the_right_region_is_named() {
        let (code, advice) = failure(refused(301, "PermanentRedirect", Some("eu-west-1")));
        assert_eq!(code, 3);
        assert!(advice.contains("AWS_REGION=eu-west-1"), "{advice}");
    }

    #[test]
    fn adversary_88_a_region_that_is_none_is_not_repeated() {
        for hostile in ["us-east-1.evil.com/#", "a b", "", "\u{1b}[2J"] {
            let (_, advice) = failure(refused(301, "PermanentRedirect", Some(hostile)));
            assert!(advice.ends_with("set AWS_REGION or --region"), "{advice}");
        }
    }

    #[test]
    fn a_full_disk_is_named_as_one() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let failure = Failure::io("writing to", Path::new("/x"), &full);
        assert_eq!(failure.kind.code(), 1);
        assert!(
            failure
                .advice
                .unwrap_or_default()
                .contains("free some space")
        );
    }
}
