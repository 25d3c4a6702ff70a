//! What comes before a connection is a connection: names, proxies, TLS, and what can go wrong.
//!
//! The sockets are the runtime's. A connection is made like this, within its deadline:
//!
//! 1. [`Route::new`] says whether a proxy is in between, and which host to connect to.
//! 2. [`Resolver::known`] or [`Resolver::resolve`] finds the host's addresses, and a
//!    [`Race`](sans3_platform::Race) tells when to try which.
//! 3. Where [`Route::tunnel`] gives one, the proxy is asked for a [`Tunnel`].
//! 4. Where [`Origin::is_secure`], TLS is set up by [`client_config`] for
//!    [`Origin::server_name`].
//!
//! A connection can then take the requests of every equal [`Route`].

mod fault;
mod framing;
mod idle;
mod origin;
mod resolve;
mod route;
mod secure;
mod tls;
mod tunnel;

pub use fault::{Fault, chain};
pub use framing::check_head;
pub use idle::Idle;
pub use origin::Origin;
pub use resolve::Resolver;
pub use route::Route;
pub use sans3_core::http1::{MAX_FIELDS, MAX_HEAD};
pub use secure::Secure;
pub use tls::{TlsSetupError, client_config};
pub use tunnel::{Progress, Tunnel};
