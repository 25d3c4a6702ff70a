//! What a server has done.

use std::collections::BTreeMap;

use crate::model::Operation;

/// What a server has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Answers by operation and status. A request whose answer never had a head counts with
    /// status 0.
    pub requests: BTreeMap<(Operation, u16), u64>,
    /// Connections in all.
    pub connections: u64,
    /// The most connections that were open at a time.
    pub most_connections: usize,
    /// The most requests that were in progress at a time.
    pub most_concurrent: usize,
    /// Multipart uploads that are open now.
    pub uploads_open: usize,
    /// Bytes of request bodies that came in.
    pub bytes_in: u64,
    /// Bytes of answers' bodies that went out.
    pub bytes_out: u64,
}

impl Stats {
    /// Requests of one operation, whatever the answer.
    pub fn count(&self, operation: Operation) -> u64 {
        self.requests
            .iter()
            .filter(|((seen, _), _)| *seen == operation)
            .map(|(_, count)| count)
            .sum()
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    stats: Stats,
    now: usize,
}

impl Counters {
    pub(super) fn stats(&self, uploads_open: usize) -> Stats {
        Stats {
            uploads_open,
            ..self.stats.clone()
        }
    }

    pub(super) fn connected(&mut self, open: usize) {
        self.stats.connections += 1;
        self.stats.most_connections = self.stats.most_connections.max(open);
    }

    pub(super) fn begin(&mut self) {
        self.now += 1;
        self.stats.most_concurrent = self.stats.most_concurrent.max(self.now);
    }

    pub(super) fn end(&mut self, operation: Operation, exchange: &Exchange) {
        self.now = self.now.saturating_sub(1);
        let counter = self.stats.requests.entry((operation, exchange.status));
        *counter.or_default() += 1;
        self.stats.bytes_in += exchange.bytes_in;
        self.stats.bytes_out += exchange.bytes_out;
    }
}

/// What one exchange adds to the counts.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) status: u16,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}
