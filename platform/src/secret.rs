//! Text that must not be seen.

use core::fmt;

use zeroize::Zeroizing;

/// A secret: `Debug` does not show it, there is no `Display`, and its memory is zeroed on drop.
///
/// It can't be compared either: nothing here needs to, and a careless comparison tells by its time
/// how much of a guess was right.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over the text, and with it the duty to wipe it.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself. The long name is meant to stand out where it is used.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_it_not_even_its_length() {
        let short = Secret::new("a".to_owned());
        let long = Secret::new("canary".repeat(9));
        assert_eq!(format!("{short:?}"), format!("{long:#?}"));
        assert_eq!(long.expose().len(), 54);
    }
}
