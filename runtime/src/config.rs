use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use sans3_core::error::CredentialsError;
use sans3_core::session::SessionConfig;
use sans3_core::sign::Credentials;
use sans3_platform::ProxyRules;

/// What a client is made with.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Endpoint, credentials, and every bound that the client keeps.
    pub session: SessionConfig,
    /// What jitter and upload tokens follow from. Random by default; the same seed and the same
    /// answers give the same requests.
    pub seed: u64,
    /// A PEM file of the certificate authorities to trust instead of the platform's.
    pub ca_bundle: Option<PathBuf>,
    /// Who is asked for credentials, now and when they have expired. Takes the place of those in
    /// `session`.
    pub credentials: Option<Arc<dyn ProvideCredentials>>,
    /// Which proxies to use: none by default, whatever the environment says.
    /// [`ProxyRules::from_env`] asks it.
    pub proxy: ProxyRules,
    /// Addresses of hosts, in lower case, that the system's resolver is not asked about.
    pub resolve: BTreeMap<String, Vec<IpAddr>>,
    /// Where what the session does is recorded; nowhere by default.
    #[cfg(feature = "trace")]
    pub trace: Option<crate::Trace>,
}

/// A source of credentials that expire. A function that returns them is one too.
pub trait ProvideCredentials: Send + Sync {
    /// Fresh credentials. Given up after a minute; not asked again before it has answered.
    ///
    /// # Errors
    /// Why there are none; the text must not hold a secret.
    fn provide(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, CredentialsError>> + Send + '_>>;
}

impl<F> ProvideCredentials for F
where
    F: Fn() -> Result<Credentials, CredentialsError> + Send + Sync,
{
    fn provide(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, CredentialsError>> + Send + '_>> {
        Box::pin(async move { self() })
    }
}

impl ClientConfig {
    /// The defaults around `session`: a random seed, the platform's certificate authorities.
    pub fn new(session: SessionConfig) -> Self {
        Self {
            session,
            seed: random_seed(),
            ca_bundle: None,
            credentials: None,
            proxy: ProxyRules::default(),
            resolve: BTreeMap::new(),
            #[cfg(feature = "trace")]
            trace: None,
        }
    }
}

/// A seed that nobody can guess and no other process has.
pub fn random_seed() -> u64 {
    // The keys of the standard library's hash maps come from the system's random numbers, but are
    // drawn once per thread: processes that were forked off the same one have the same. Two of them
    // differ in their number or, where one has that of another before it, in their time.
    RandomState::new().hash_one((std::process::id(), SystemTime::now()))
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("session", &self.session)
            .field("ca_bundle", &self.ca_bundle)
            .field("proxy", &self.proxy)
            .field("resolve", &self.resolve)
            .finish_non_exhaustive()
    }
}
