use crate::error::{S3Error, TransportErrorKind};
use crate::operation::OperationKind;

/// What a failure means for sending the request again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureClass {
    /// The server asks for fewer requests.
    Throttling,
    /// The server or the connection failed; the next try may not.
    Transient,
    /// Nothing came in time, or the server waited in vain for us.
    Timeout,
    /// The request's time was refused, or its signature, of which the time is a part.
    ClockSkew {
        /// Whether the server names the time as the reason. If not, it may be a wrong secret.
        definite: bool,
    },
    /// The credentials have expired: new ones are needed first.
    ExpiredCredentials,
    /// The same request would fail the same way.
    Permanent,
}

/// The class of a server's refusal, by its status and its code.
///
/// The code is asked first, and for throttling before all else: S3 says SlowDown with the status
/// 503 of any other fault, RequestTimeout with the 400 of a bad request, and either of them with the
/// 200 of a Complete that failed later.
pub fn classify(error: &S3Error) -> FailureClass {
    let code = error.code.as_deref();
    code.and_then(|code| by_code(code, error.operation))
        .unwrap_or_else(|| by_status(error.status, code.is_some()))
}

/// The class of a broken exchange.
pub const fn classify_transport(kind: TransportErrorKind) -> FailureClass {
    use TransportErrorKind::{ConnectTimeout, HeadTimeout, IdleTimeout};
    match kind {
        ConnectTimeout | HeadTimeout | IdleTimeout => FailureClass::Timeout,
        _ if kind.is_transient() => FailureClass::Transient,
        _ => FailureClass::Permanent,
    }
}

/// The codes of the AWS SDKs' retry specification, and those of S3 that come with a status which
/// would tell less.
fn by_code(code: &str, operation: OperationKind) -> Option<FailureClass> {
    Some(match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "ProvisionedThroughputExceededException"
        | "TransactionInProgressException"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "LimitExceededException"
        | "RequestThrottled"
        | "SlowDown"
        | "PriorRequestNotComplete"
        | "EC2ThrottledException" => FailureClass::Throttling,
        "RequestTimeout" | "RequestTimeoutException" => FailureClass::Timeout,
        "InternalError" | "InternalErrors" | "ServiceUnavailable" => FailureClass::Transient,
        // S3 API reference: a PUT may simply be sent again, a Complete needs a new upload.
        "ConditionalRequestConflict" if operation == OperationKind::PutObject => {
            FailureClass::Transient
        }
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => {
            FailureClass::ClockSkew { definite: true }
        }
        "SignatureDoesNotMatch" | "InvalidSignatureException" | "AuthFailure" => {
            FailureClass::ClockSkew { definite: false }
        }
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
            FailureClass::ExpiredCredentials
        }
        _ => return None,
    })
}

fn by_status(status: u16, has_code: bool) -> FailureClass {
    match status {
        408 => FailureClass::Timeout,
        429 => FailureClass::Throttling,
        500 | 502 | 503 | 504 => FailureClass::Transient,
        // An error in the body of a success, which gives no reason: a fault met on the way.
        200 if !has_code => FailureClass::Transient,
        _ => FailureClass::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(operation: OperationKind, status: u16, code: &str) -> FailureClass {
        classify(&S3Error {
            code: (!code.is_empty()).then(|| code.to_owned()),
            ..S3Error::from_status(operation, status)
        })
    }

    #[test]
    fn status_and_code_decide_together() {
        use FailureClass::{
            ClockSkew, ExpiredCredentials, Permanent, Throttling, Timeout, Transient,
        };
        for (status, code, expected) in [
            (503, "SlowDown", Throttling),
            (503, "", Transient),
            (503, "ServiceUnavailable", Transient),
            (500, "InternalError", Transient),
            (500, "NeverHeardOf", Transient),
            (500, "", Transient),
            (502, "", Transient),
            (504, "", Transient),
            (429, "", Throttling),
            (408, "", Timeout),
            (400, "RequestTimeout", Timeout),
            (400, "RequestTimeoutException", Timeout),
            (400, "Throttling", Throttling),
            (200, "InternalError", Transient),
            (200, "SlowDown", Throttling),
            (200, "AccessDenied", Permanent),
            (200, "", Transient),
            (403, "RequestTimeTooSkewed", ClockSkew { definite: true }),
            (403, "SignatureDoesNotMatch", ClockSkew { definite: false }),
            (400, "ExpiredToken", ExpiredCredentials),
            (403, "ExpiredToken", ExpiredCredentials),
            (403, "slowdown", Permanent),
        ] {
            assert_eq!(
                class(OperationKind::GetObject, status, code),
                expected,
                "{status} {code}"
            );
        }
    }

    #[test]
    fn adversary_57_refusals_are_not_retried() {
        for (status, code) in [
            (400, ""),
            (400, "InvalidArgument"),
            (403, ""),
            (403, "AccessDenied"),
            (403, "InvalidAccessKeyId"),
            (404, ""),
            (404, "NoSuchKey"),
            (404, "NoSuchUpload"),
            (405, "MethodNotAllowed"),
            (409, "BucketAlreadyExists"),
            (412, "PreconditionFailed"),
            (416, "InvalidRange"),
            (501, "NotImplemented"),
            (505, ""),
            (301, "PermanentRedirect"),
            (304, ""),
            (0, ""),
            (u16::MAX, ""),
        ] {
            let seen = class(OperationKind::GetObject, status, code);
            assert_eq!(seen, FailureClass::Permanent, "{status} {code}");
        }
    }

    #[test]
    fn a_conflict_is_retried_by_put_alone() {
        let conflict = |operation| class(operation, 409, "ConditionalRequestConflict");
        assert_eq!(conflict(OperationKind::PutObject), FailureClass::Transient);
        assert_eq!(
            conflict(OperationKind::CompleteMultipartUpload),
            FailureClass::Permanent
        );
    }

    #[test]
    fn broken_exchanges_are_transient_unless_they_would_break_again() {
        use TransportErrorKind as Kind;
        for (kind, expected) in [
            (Kind::Dns, FailureClass::Transient),
            (Kind::Connect, FailureClass::Transient),
            (Kind::ConnectTimeout, FailureClass::Timeout),
            (Kind::Tls, FailureClass::Permanent),
            (Kind::HeadTimeout, FailureClass::Timeout),
            (Kind::IdleTimeout, FailureClass::Timeout),
            (Kind::Closed, FailureClass::Transient),
            (Kind::BadHttp, FailureClass::Transient),
            (Kind::HeadTooLarge, FailureClass::Permanent),
            (Kind::Aborted, FailureClass::Permanent),
            (Kind::Other, FailureClass::Transient),
        ] {
            assert_eq!(classify_transport(kind), expected, "{kind:?}");
        }
    }
}
