use std::error::Error as _;
use std::io;

use sans3_core::error::TransportErrorKind;
use sans3_runtime::net::{Fault, chain};

/// Hyper's words for a head beyond the limits, which it tells apart from other bad ones in no other
/// way.
const HEAD_TOO_LARGE: &str = "message head is too large";

/// What went wrong in hyper, in the core's words.
#[expect(clippy::needless_pass_by_value, reason = "goes to `map_err` as it is")]
pub(super) fn from_hyper(error: hyper::Error) -> Fault {
    let kind = if error.is_parse() && error.to_string() == HEAD_TOO_LARGE {
        TransportErrorKind::HeadTooLarge
    } else if error.is_parse() || error.is_parse_status() {
        TransportErrorKind::BadHttp
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        TransportErrorKind::Closed
    } else {
        io_error(&error).map_or(TransportErrorKind::Other, |error| {
            Fault::from_io(error).kind
        })
    };
    Fault::new(kind, chain(&error))
}

fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(found) = inner.downcast_ref() {
            return Some(found);
        }
        source = inner.source();
    }
    None
}
