//! Certificate authorities and certificates for the scripts about TLS.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;

/// The name that proxied origins have.
pub(super) const ORIGIN: &str = "origin.test";

/// Which certificate a server shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Good,
    Expired,
    Misnamed,
    UnknownAuthority,
}

/// Certificates of all kinds, and the bundle that tells them apart.
pub(super) struct Certificates {
    directory: tempfile::TempDir,
    good: Arc<ServerConfig>,
    expired: Arc<ServerConfig>,
    misnamed: Arc<ServerConfig>,
    unknown: Arc<ServerConfig>,
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

impl Certificates {
    pub(super) fn new() -> Result<Self, Box<dyn Error>> {
        let (ours, theirs) = (authority("ours")?, authority("theirs")?);
        let directory = tempfile::tempdir()?;
        fs::write(directory.path().join("ca.pem"), ours.pem())?;
        let names = ["127.0.0.1", ORIGIN];
        Ok(Self {
            directory,
            good: server(&ours, &names, 2100)?,
            expired: server(&ours, &names, 2001)?,
            misnamed: server(&ours, &["elsewhere.test"], 2100)?,
            unknown: server(&theirs, &names, 2100)?,
        })
    }

    /// The PEM file of the authority that is to be trusted.
    pub(super) fn bundle(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    pub(super) fn server(&self, identity: Identity) -> Arc<ServerConfig> {
        Arc::clone(match identity {
            Identity::Good => &self.good,
            Identity::Expired => &self.expired,
            Identity::Misnamed => &self.misnamed,
            Identity::UnknownAuthority => &self.unknown,
        })
    }
}

fn authority(name: &str) -> Result<Issuer, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn server(
    issuer: &Issuer,
    names: &[&str],
    last_year: i32,
) -> Result<Arc<ServerConfig>, Box<dyn Error>> {
    let key = KeyPair::generate()?;
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(last_year, 1, 1);
    let certificate = params.signed_by(&key, issuer)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )?;
    Ok(Arc::new(config))
}
