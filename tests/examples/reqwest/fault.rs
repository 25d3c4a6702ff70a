//! What went wrong in reqwest, in the core's words.

use std::error::Error;
use std::io;

use sans3_core::error::TransportErrorKind as Kind;

/// What the core decides by, in place of words. Bad framing is an I/O error within hyper's.
pub(crate) fn kind_of(error: &reqwest::Error) -> Kind {
    let http = sources(error).find_map(|it| it.downcast_ref::<hyper::Error>());
    let io = sources(error).find_map(|it| it.downcast_ref::<io::Error>());
    match (http, io.map(io::Error::kind)) {
        _ if error.is_connect() && error.is_timeout() => Kind::ConnectTimeout,
        _ if error.is_dns() => Kind::Dns,
        _ if error.is_connect() => Kind::Connect,
        (Some(http), _) if http.to_string().contains("too large") => Kind::HeadTooLarge,
        (Some(http), _) if http.is_parse() => Kind::BadHttp,
        (_, Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)) => Kind::BadHttp,
        (Some(_), _) => Kind::Closed,
        _ => Kind::Other,
    }
}

/// For people: an error, and what is behind it.
pub(crate) fn words(error: &reqwest::Error) -> String {
    let words: Vec<String> = sources(error).map(|source| source.to_string()).collect();
    words.join(": ")
}

fn sources(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let first: &(dyn Error + 'static) = error;
    std::iter::successors(Some(first), |&error| error.source())
}
