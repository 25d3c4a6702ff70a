//! What a session carries out: downloads, uploads, single calls and listings.
//!
//! A transfer is a value that says what is wanted. [`Session::insert`] turns it into a machine,
//! which lives inside the session: it cuts ranges or parts, asks for one exchange after the other,
//! judges their outcomes, and ends in a result.
//!
//! | transfer | result | local end |
//! |---|---|---|
//! | [`Download`] | [`Downloaded`] | a sink that takes bytes [at any place](Order::Random) or [in order](Order::InOrder) |
//! | [`Upload`] | [`Uploaded`] | a source of [known](Length::Known) or [unknown](Length::Unknown) length |
//! | [`Call`] | the operation's output | none |
//! | [`Listing`] | a [`Page`], which has the listing that goes on | none |
//!
//! Sources and sinks belong to the adapter, by the transfer's
//! [id](crate::session::Handle::id): no payload passes through here. Success means the bytes of one
//! version of the object; how that was proved is in [`Verified`].
//!
//! [`Session::insert`]: crate::session::Session::insert

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
pub use upload::{Confirm, Length, Upload, Uploaded};
pub use verified::Verified;
pub(crate) use work::{Counters, Cx, Due, Next, Start, Work};

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
