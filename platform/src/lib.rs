//! What an S3 program needs from its machine, on `std` alone.
//!
//! | module | what it does |
//! |---|---|
//! | [`profile`] | finds credentials, region and endpoint in the environment and in AWS's shared files |
//! | [`place`] | puts a download under its final name, whole or not at all |
//! | [`source`] | opens a file to upload, and notices when it changes |
//! | [`positioned`] | reads and writes a file at offsets |
//! | [`address`] | says in which order, and when, a host's addresses are tried |
//! | [`proxy`] | says which hosts are reached through a proxy |
//!
//! The crate is a leaf: it knows nothing of S3's protocol, of `sans3-core`, or of any async
//! runtime. All calls block; an async adapter makes them on threads of its own.

#![forbid(unsafe_code)]

pub mod address;
pub mod env;
pub mod error;
pub mod place;
pub mod positioned;
pub mod profile;
pub mod proxy;
pub mod secret;
pub mod source;

pub use address::Race;
pub use env::Environment;
pub use error::{FileError, FileErrorKind};
pub use place::{Options, Placement, Replace, Target};
pub use profile::{Settings, SettingsError};
pub use proxy::{Proxy, ProxyError, ProxyRules};
pub use secret::Secret;
pub use source::{Source, SourceError, SourceFile};
