use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::Error;

/// TLS 1.2 and 1.3 with the platform's roots, or with those of a PEM file instead. There is no way
/// to switch verification off.
pub(crate) fn client_config(ca_bundle: Option<&Path>) -> Result<Arc<ClientConfig>, Error> {
    let failed = |error: rustls::Error| Error::Config(format!("TLS can't be set up: {error}"));
    let builder = ClientConfig::builder_with_provider(provider()?)
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let builder = match ca_bundle {
        Some(path) => builder.with_root_certificates(roots(path)?),
        None => builder.with_platform_verifier().map_err(failed)?,
    };
    Ok(Arc::new(builder.with_no_client_auth()))
}

fn roots(path: &Path) -> Result<RootCertStore, Error> {
    let refused = |why: String| Error::Config(format!("CA bundle {}: {why}", path.display()));
    let text = std::fs::read(path)
        .map_err(|error| Error::io("read the CA bundle", PathBuf::from(path), error))?;
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

#[cfg(feature = "aws-lc-rs")]
fn provider() -> Result<Arc<CryptoProvider>, Error> {
    Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn provider() -> Result<Arc<CryptoProvider>, Error> {
    Ok(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
fn provider() -> Result<Arc<CryptoProvider>, Error> {
    let installed = CryptoProvider::get_default().cloned();
    let text = "no cryptography for TLS: enable the feature `ring` or `aws-lc-rs`, or install a \
                default provider of rustls";
    installed.ok_or_else(|| Error::Config(text.into()))
}
