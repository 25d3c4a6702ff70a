use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sans3_core::error::CredentialsError;
use sans3_core::session::Notice;
use sans3_core::sign::Credentials;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::ProvideCredentials;
use crate::buffer::BufferPool;
use crate::net::Pool;
use crate::signals::Signals;

/// How long whoever provides credentials may take.
const CREDENTIALS_LIMIT: Duration = Duration::from_secs(60);

/// The most notices that are kept for a caller who does not fetch them.
const MAX_NOTICES: usize = 1024;

/// What a client's driver, exchanges and handles have in common.
pub(crate) struct Shared {
    pub(crate) signals: Arc<Signals>,
    pub(crate) pool: Pool,
    pub(crate) buffers: Arc<BufferPool>,
    /// Cancelled when the client was shut down.
    pub(crate) closing: CancellationToken,
    provider: Option<Arc<dyn ProvideCredentials>>,
    notices: Mutex<VecDeque<Notice>>,
}

/// What a client has used so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The most bytes that buffers of payload ever held at once.
    pub peak_memory: u64,
    /// How many connections were opened.
    pub connections: u64,
}

impl Shared {
    pub(crate) fn new(
        pool: Pool,
        buffers: Arc<BufferPool>,
        provider: Option<Arc<dyn ProvideCredentials>>,
    ) -> Self {
        Self {
            signals: Arc::default(),
            pool,
            buffers,
            closing: CancellationToken::new(),
            provider,
            notices: Mutex::default(),
        }
    }

    /// Asks for credentials.
    pub(crate) async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let Some(provider) = &self.provider else {
            let text = "the client was made without a provider of credentials";
            return Err(CredentialsError(text.into()));
        };
        let late = |_| {
            let text = format!("the provider gave none within {CREDENTIALS_LIMIT:?}");
            Err(CredentialsError(text))
        };
        let provided = timeout(CREDENTIALS_LIMIT, provider.provide());
        provided.await.unwrap_or_else(late)
    }

    /// Adds notices; old ones make way.
    pub(crate) fn add_notices(&self, fresh: Vec<Notice>) {
        if fresh.is_empty() {
            return;
        }
        let mut notices = self.notices();
        notices.extend(fresh);
        let surplus = notices.len().saturating_sub(MAX_NOTICES);
        notices.drain(..surplus);
    }

    pub(crate) fn take_notices(&self) -> Vec<Notice> {
        self.notices().drain(..).collect()
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            peak_memory: self.buffers.gauge().peak(),
            connections: self.pool.opened(),
        }
    }

    fn notices(&self) -> MutexGuard<'_, VecDeque<Notice>> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
