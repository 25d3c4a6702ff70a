use core::fmt;
use core::num::NonZeroU16;

/// How many exchanges run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "trace", serde(rename_all = "lowercase"))]
pub enum Concurrency {
    /// So many, whatever comes.
    Fixed(NonZeroU16),
    /// As many as serve: 16 at first, more while they bring more bytes and memory has room for
    /// their buffers, fewer where the server asks for less.
    Auto {
        /// Never more than these.
        most: NonZeroU16,
    },
}

/// What [`Concurrency::Auto`] begins with: enough to fill 10 Gbit/s from a server nearby.
const FIRST: u16 = 16;

/// What [`Concurrency::Auto`] ends at where nobody says: enough for 40 Gbit/s, or for four times
/// the distance.
const MOST: NonZeroU16 = NonZeroU16::new(64).unwrap();

impl Concurrency {
    /// As many as serve, up to 64.
    pub const AUTO: Self = Self::Auto { most: MOST };

    /// The most at once.
    pub const fn most(self) -> NonZeroU16 {
        match self {
            Self::Fixed(number) | Self::Auto { most: number } => number,
        }
    }

    /// How many there are at first.
    pub const fn first(self) -> u16 {
        match self {
            Self::Fixed(number) => number.get(),
            Self::Auto { most } if most.get() < FIRST => most.get(),
            Self::Auto { .. } => FIRST,
        }
    }

    /// Whether the number follows what is measured.
    pub const fn is_auto(self) -> bool {
        matches!(self, Self::Auto { .. })
    }
}

impl Default for Concurrency {
    fn default() -> Self {
        Self::AUTO
    }
}

impl From<NonZeroU16> for Concurrency {
    fn from(number: NonZeroU16) -> Self {
        Self::Fixed(number)
    }
}

impl fmt::Display for Concurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(number) => number.fmt(f),
            Self::Auto { most } => write!(f, "as many as serve, up to {most}"),
        }
    }
}
