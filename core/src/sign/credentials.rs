use core::fmt;

use zeroize::Zeroizing;

use crate::error::SpecError;

/// An access key, its secret, and the token of a session where there is one.
///
/// `Debug` shows the access key's id alone, and the memory of the secrets is zeroed on drop. A
/// signed request holds the token in a header, marked as sensitive, but never the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    access_key_id: Box<str>,
    secret: Zeroizing<Box<str>>,
    session_token: Option<Zeroizing<Box<str>>>,
}

impl Credentials {
    /// Takes a key pair, and the session token of temporary credentials.
    ///
    /// # Errors
    /// A part that is empty or not of visible ASCII characters (a pasted line end, most often), and
    /// an id with `/` or `,`, which the `Authorization` header can't carry. No error repeats a
    /// part.
    pub fn new(
        access_key_id: &str,
        secret: &str,
        session_token: Option<&str>,
    ) -> Result<Self, SpecError> {
        require_visible("access key id", access_key_id)?;
        require_visible("secret access key", secret)?;
        if let Some(token) = session_token {
            require_visible("session token", token)?;
        }
        if access_key_id.contains(['/', ',']) {
            let expected = "no `/` and no `,`";
            return Err(SpecError::new("access key id", expected, "one of them"));
        }
        let hidden = |text: &str| Zeroizing::new(Box::from(text));
        Ok(Self {
            access_key_id: access_key_id.into(),
            secret: hidden(secret),
            session_token: session_token.map(hidden),
        })
    }

    /// The id, which is no secret: every signed request names it.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    pub(super) fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref().map(|token| &**token)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

fn require_visible(subject: &'static str, text: &str) -> Result<(), SpecError> {
    let odd = text.bytes().position(|b| !b.is_ascii_graphic());
    let seen = match odd {
        _ if text.is_empty() => "nothing".to_owned(),
        Some(at) => format!("something else at byte {at} of {}", text.len()),
        None => return Ok(()),
    };
    Err(SpecError::new(subject, "visible ASCII characters", seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_and_errors_show_no_secret() {
        let credentials = Credentials::new("AKID", "hunter2", Some("t0ken")).unwrap();
        let shown = format!("{credentials:?} {credentials:#?}");
        assert!(shown.contains("AKID"));
        assert!(!shown.contains("hunter2") && !shown.contains("t0ken"));
        for error in [
            Credentials::new("AKID", "hunter2\n", None).unwrap_err(),
            Credentials::new("AKID", "x", Some("hunter2 ")).unwrap_err(),
            Credentials::new("hunter2/", "x", None).unwrap_err(),
        ] {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn parts_that_no_header_can_carry_are_refused() {
        for odd in ["", " ", "a b", "a\r\nb", "a\0", "\u{e9}", "a\t"] {
            assert!(Credentials::new(odd, "x", None).is_err(), "{odd:?}");
            assert!(Credentials::new("x", odd, None).is_err(), "{odd:?}");
            assert!(Credentials::new("x", "x", Some(odd)).is_err(), "{odd:?}");
        }
    }
}
