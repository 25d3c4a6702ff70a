use std::sync::Arc;

use crate::endpoint::Region;
use crate::sign::{Credentials, Signer};

/// Where a session has its credentials from.
#[derive(Clone, Debug)]
pub enum CredentialSource {
    /// Requests are not signed.
    Anonymous,
    /// One set of credentials for good.
    Static(Arc<Credentials>),
    /// The driver provides them when asked, and again when they have expired.
    Provided,
}

/// The credentials in force, and whether others are wanted.
#[derive(Debug)]
pub(crate) struct CredentialState {
    region: Region,
    signer: Option<Signer>,
    renewable: bool,
    generation: u32,
    request: Request,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// None are wanted.
    No,
    /// The driver is to be asked.
    Due,
    /// The driver was asked.
    Asked,
    /// The driver has none. What was under way has failed; the next transfer asks again.
    Declined,
}

impl CredentialState {
    pub(crate) fn new(source: &CredentialSource, region: Region) -> Self {
        let (signer, renewable) = match source {
            CredentialSource::Anonymous => (Some(Signer::anonymous()), false),
            CredentialSource::Static(credentials) => (
                Some(Signer::new(Arc::clone(credentials), region.clone())),
                false,
            ),
            CredentialSource::Provided => (None, true),
        };
        let request = if renewable { Request::Due } else { Request::No };
        Self {
            region,
            signer,
            renewable,
            generation: 0,
            request,
        }
    }

    /// Counts the credentials, so that an expiry is blamed on the right ones.
    pub(crate) const fn generation(&self) -> u32 {
        self.generation
    }

    /// The credentials in force have expired. False where there is no way to others.
    pub(crate) const fn refresh(&mut self) -> bool {
        if self.renewable && matches!(self.request, Request::No) {
            self.request = Request::Due;
        }
        self.renewable
    }

    /// The signer in force; `None` while the driver is to provide credentials.
    pub(crate) fn signer(&self) -> Option<Signer> {
        if self.request == Request::No {
            self.signer.clone()
        } else {
            None
        }
    }

    /// Whether the driver is to be asked now.
    pub(crate) fn is_due(&self) -> bool {
        self.request == Request::Due
    }

    /// The driver is asked, which happens once.
    pub(crate) const fn asked(&mut self) {
        self.request = Request::Asked;
    }

    /// Whether an answer is awaited.
    pub(crate) fn is_awaited(&self) -> bool {
        self.request != Request::No
    }

    /// The driver provides credentials.
    pub(crate) fn provide(&mut self, credentials: Credentials) {
        self.signer = Some(Signer::new(Arc::new(credentials), self.region.clone()));
        self.generation = self.generation.saturating_add(1);
        self.request = Request::No;
    }

    /// The driver has none. It is not asked again before there is a transfer that has use for them:
    /// those that wind down need none.
    pub(crate) const fn decline(&mut self) {
        self.request = Request::Declined;
    }

    /// There is a new transfer.
    pub(crate) const fn revive(&mut self) {
        if matches!(self.request, Request::Declined) {
            self.request = Request::Due;
        }
    }
}
