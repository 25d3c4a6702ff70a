use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CipherSuite, ClientConfig, RootCertStore, SupportedCipherSuite};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// Why TLS can't be set up.
#[derive(Clone, Debug)]
pub enum TlsSetupError {
    /// The CA bundle can't be read.
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: Arc<io::Error>,
    },
    /// The CA bundle holds no certificates, or the platform's can't be used, or no cryptography
    /// is compiled in.
    Config(String),
}

/// TLS 1.2 and 1.3 with the platform's roots, or with those of a PEM file instead. There is no way
/// to switch verification off, and no protocol but HTTP/1.1 is offered. The suites that take the
/// least time come first. Blocks while the roots are read.
///
/// # Errors
/// A CA bundle that can't be read or holds no certificate; a platform without roots; no
/// cryptography (the features `ring` and `aws-lc-rs`).
pub fn client_config(ca_bundle: Option<&Path>) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let failed =
        |error: rustls::Error| TlsSetupError::Config(format!("TLS can't be set up: {error}"));
    let builder = ClientConfig::builder_with_provider(light(provider()?))
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let builder = match ca_bundle {
        Some(path) => builder.with_root_certificates(roots(path)?),
        None => builder.with_platform_verifier().map_err(failed)?,
    };
    // Without a list of protocols (ALPN) both sides mean HTTP/1.1.
    Ok(Arc::new(builder.with_no_client_auth()))
}

impl fmt::Display for TlsSetupError {
    /// Paths are shown in quotes and escaped, so that a name can't drive a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => {
                write!(f, "could not read the CA bundle {path:?}: {source}")
            }
            Self::Config(text) => f.write_str(text),
        }
    }
}

impl StdError for TlsSetupError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Config(_) => None,
        }
    }
}

fn roots(path: &Path) -> Result<RootCertStore, TlsSetupError> {
    let refused = |why: String| TlsSetupError::Config(format!("CA bundle {path:?}: {why}"));
    let text = std::fs::read(path).map_err(|error| TlsSetupError::Io {
        path: path.to_owned(),
        source: Arc::new(error),
    })?;
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        store
            .add(certificate)
            .map_err(|error| refused(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(refused("expected PEM certificates, found none".into()));
    }
    Ok(store)
}

/// AES with keys of 128 bits before that with 256, which takes four rounds more for each block:
/// many servers take the suite that a client names first. No attack on either is in reach.
fn light(provider: Arc<CryptoProvider>) -> Arc<CryptoProvider> {
    let mut provider = Arc::unwrap_or_clone(provider);
    let is_light = |suite: &SupportedCipherSuite| {
        matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        )
    };
    provider.cipher_suites.sort_by_key(|suite| !is_light(suite));
    Arc::new(provider)
}

#[cfg(feature = "aws-lc-rs")]
fn provider() -> Result<Arc<CryptoProvider>, TlsSetupError> {
    Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn provider() -> Result<Arc<CryptoProvider>, TlsSetupError> {
    Ok(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
fn provider() -> Result<Arc<CryptoProvider>, TlsSetupError> {
    let installed = CryptoProvider::get_default().cloned();
    let text = "no cryptography for TLS: enable the feature `ring` or `aws-lc-rs`, or install a \
                default provider of rustls";
    installed.ok_or_else(|| TlsSetupError::Config(text.into()))
}

#[cfg(all(test, any(feature = "ring", feature = "aws-lc-rs")))]
mod tests {
    use super::*;

    fn bundle(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_bundle_of_certificates_is_taken_and_nothing_but_http_1_is_offered() {
        let made = rcgen::generate_simple_self_signed(vec!["x.example".into()]).unwrap();
        let file = bundle(&made.cert.pem());
        let config = client_config(Some(file.path())).unwrap();
        assert!(config.alpn_protocols.is_empty());
    }

    #[test]
    fn the_lighter_suites_are_asked_for_first_and_none_is_left_out() {
        let made = rcgen::generate_simple_self_signed(vec!["x.example".into()]).unwrap();
        let file = bundle(&made.cert.pem());
        let config = client_config(Some(file.path())).unwrap();
        let suites = &config.crypto_provider().cipher_suites;
        let names: Vec<String> = suites
            .iter()
            .map(|suite| format!("{:?}", suite.suite()))
            .collect();
        assert!(names[0].contains("TLS13_AES_128"), "{names:?}");
        let lights = names.iter().filter(|name| name.contains("AES_128")).count();
        assert!(names[..lights].iter().all(|name| name.contains("AES_128")));
        let mut all: Vec<String> = provider()
            .unwrap()
            .cipher_suites
            .iter()
            .map(|suite| format!("{:?}", suite.suite()))
            .collect();
        let mut names = names;
        names.sort();
        all.sort();
        assert_eq!(names, all);
    }

    #[test]
    fn a_bundle_that_is_not_there_is_named() {
        let path = Path::new("/nowhere/ca.pem");
        let error = client_config(Some(path)).unwrap_err();
        assert!(matches!(&error, TlsSetupError::Io { path: seen, .. } if seen == path));
        assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
    }

    #[test]
    fn a_bundle_without_a_certificate_that_can_be_read_is_refused() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, expected) in [("", "found none"), ("hello", "found none"), (broken, "")] {
            let file = bundle(text);
            let error = client_config(Some(file.path())).unwrap_err();
            let TlsSetupError::Config(why) = error else {
                panic!("{error}")
            };
            assert!(why.contains("CA bundle") && why.contains(expected), "{why}");
        }
    }
}
