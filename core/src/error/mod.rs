//! Errors that say who is at fault.
//!
//! | type | at fault |
//! |---|---|
//! | [`SpecError`] | the caller's configuration or arguments |
//! | [`S3Error`] | nobody: the server refused, and says why |
//! | [`Violation`] | the server: it broke the protocol |
//! | [`TransportErrorKind`] | the connection, as the adapter reports it |
//! | [`SourceError`], [`SinkError`] | the place that bytes come from or go to |
//! | [`ApiMisuse`] | the adapter |
//! | [`Unreachable`] | this crate |
//!
//! All are `Clone + PartialEq`, and none holds a secret.

mod s3;
mod spec;
mod transfer;
mod transport;
mod violation;

pub use s3::S3Error;
pub use spec::SpecError;
pub use transfer::{
    ApiMisuse, Cause, CredentialsError, SinkError, SourceError, TransferError, Unreachable,
};
pub use transport::TransportErrorKind;
pub use violation::{Rule, Violation};

/// The longest piece of foreign text that an error repeats.
const EXCERPT: usize = 200;

/// Foreign bytes for a message: cut short, and with everything that could move a terminal's cursor
/// or forge a line escaped.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(EXCERPT)];
    let mut text: String = String::from_utf8_lossy(cut)
        .chars()
        .flat_map(|c| {
            let plain = !c.is_control() && !is_format_character(c);
            let escaped = (!plain).then(|| c.escape_default()).into_iter().flatten();
            plain.then_some(c).into_iter().chain(escaped)
        })
        .collect();
    if bytes.len() > EXCERPT {
        text.push('…');
    }
    text
}

/// Characters that reorder or hide the text around them (Unicode TR 36, section 3).
fn is_format_character(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_drive_a_terminal() {
        assert_eq!(excerpt(b"a\x1b[2Jb\r\n"), "a\\u{1b}[2Jb\\r\\n");
        assert_eq!(excerpt("\u{202e}x".as_bytes()), "\\u{202e}x");
        assert_eq!(excerpt(&[b'x'; 300]).chars().count(), EXCERPT + 1);
    }
}
