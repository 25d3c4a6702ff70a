//! What a session carries out: downloads, uploads, single calls and listings.

mod call;
mod download;
mod flights;
mod listing;
mod tries;
mod upload;
mod verified;
mod work;

pub use call::Call;
pub use download::{Download, Downloaded, Order};
pub use listing::{Listing, Page};
pub use upload::{Length, Upload, Uploaded};
pub use verified::Verified;
pub(crate) use work::{Counters, Cx, Next, Start, Work};

/// Something that a [`Session`](crate::session::Session) can carry out.
///
/// Sealed: the kinds of transfers are [`Download`], [`Upload`], [`Call`] and [`Listing`].
pub trait Transfer: sealed::IntoWork {
    /// What a successful transfer yields.
    type Output: Send + 'static;
}

pub(crate) mod sealed {
    use super::Work;

    /// The way from a specification to the machine that carries it out.
    pub trait IntoWork: Send + 'static {
        /// The machine.
        fn into_work(self) -> Box<dyn Work>;
    }
}
