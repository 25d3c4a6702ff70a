//! The scripts: what the server does, and the log that must come of it.

mod cancel;
mod connections;
mod early;
mod expect;
mod framing;
mod heads;
mod limits;
mod routes;
mod tls;
mod waiting;
mod words;

use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use sans3_core::session::SessionConfig;

use super::job::Work;
use super::stage::Act;
use super::{Features, Rule};
use words::{
    BIG, ENDED, HELLO, Lines, MEBIBYTE, New, On, PART, PAUSE, Same, answer, answers, big, content,
    delete, delete_key, download, download_in_one, downloaded, downloaded_in, ended, found, get,
    head, line, look, put, put_to, ranged, recheck, request, send, small, stored, upload,
    upload_in,
};

/// What the server does, what the client is asked for, and what must come of it.
pub(super) struct Script {
    pub(super) rule: Rule,
    pub(super) name: String,
    pub(super) needs: Needs,
    pub(super) connections: Vec<Vec<Act>>,
    /// The endpoint's URL, with `{port}` in the place of the server's port.
    pub(super) endpoint: String,
    pub(super) proxy: Option<String>,
    pub(super) resolve: Vec<(String, Vec<IpAddr>)>,
    pub(super) signed: bool,
    /// Who never accepts a connection.
    pub(super) silent: Option<Silence>,
    /// Whether the run is cancelled a moment after its beginning.
    pub(super) cancelled: bool,
    pub(super) work: Vec<Work>,
    pub(super) tune: Box<dyn Fn(&mut SessionConfig) + Send + Sync>,
    pub(super) shows: Shows,
    /// How long it may take.
    pub(super) within: Option<Duration>,
    /// What an error must say.
    pub(super) says: Vec<&'static str>,
    /// How many bytes may be asked for ahead of a consumer in order.
    pub(super) ahead: Option<u64>,
    pub(super) expected: Vec<String>,
}

/// Who never accepts a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// A port that stands in for the server's.
    Server,
    /// The server's port on [`OTHER_ADDRESS`].
    OtherAddress,
}

/// An address of this machine at which no server listens.
pub(super) const OTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// What of a run is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    All,
    /// The requests without fields and connections, in no order: several run at once.
    Requests,
}

/// What an adapter must be able to do for a script.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needs {
    pub(super) tls: bool,
    pub(super) proxies: bool,
    pub(super) resolve: bool,
    pub(super) expect_continue: bool,
}

impl Needs {
    pub(super) const fn met_by(self, features: Features) -> bool {
        (features.tls || !self.tls)
            && (features.proxies || !self.proxies)
            && (features.resolve || !self.resolve)
            && (features.expect_continue || !self.expect_continue)
    }
}

/// All scripts, for an adapter that can do this.
pub(super) fn all(features: Features) -> Vec<Script> {
    let mut scripts = Vec::new();
    scripts.extend(heads::scripts(features));
    scripts.extend(framing::scripts());
    scripts.extend(limits::scripts());
    scripts.extend(connections::scripts());
    scripts.extend(early::scripts(features));
    scripts.extend(expect::scripts(features));
    scripts.extend(waiting::scripts(features));
    scripts.extend(cancel::scripts(features));
    scripts.extend(tls::scripts(features));
    scripts.extend(routes::scripts());
    scripts
}

/// The configuration of all scripts: one exchange at a time and one attempt. Deadlines are far
/// longer than anything takes; scripts about deadlines shorten theirs.
pub(super) fn tune(config: &mut SessionConfig) {
    config.limits.min_part = PART as u64;
    config.concurrency = NonZeroU16::MIN.into();
    config.timeouts.connect = Duration::from_secs(6);
    config.timeouts.head = Duration::from_secs(6);
    config.timeouts.idle = Duration::from_secs(6);
    config.retry.max_backoff = Duration::from_millis(20);
    set_attempts(config, 1);
}

fn set_attempts(config: &mut SessionConfig, attempts: u32) {
    let attempts = NonZeroU32::new(attempts).unwrap_or(NonZeroU32::MIN);
    config.retry.max_attempts = attempts;
    config.part_attempts = attempts;
}

impl Script {
    fn new(rule: Rule, name: impl Into<String>) -> Self {
        Self {
            rule,
            name: name.into(),
            needs: Needs::default(),
            connections: Vec::new(),
            endpoint: "http://127.0.0.1:{port}".into(),
            proxy: None,
            resolve: Vec::new(),
            signed: false,
            silent: None,
            cancelled: false,
            work: Vec::new(),
            tune: Box::new(|_| {}),
            shows: Shows::All,
            within: None,
            says: Vec::new(),
            ahead: None,
            expected: Vec::new(),
        }
    }

    /// The next connection.
    fn connection(mut self, acts: impl IntoIterator<Item = Act>) -> Self {
        self.connections.push(acts.into_iter().collect());
        self
    }

    fn work(mut self, work: Work) -> Self {
        self.work.push(work);
        self
    }

    fn tune(mut self, tune: impl Fn(&mut SessionConfig) + Send + Sync + 'static) -> Self {
        self.tune = Box::new(tune);
        self
    }

    fn attempts(self, attempts: u32) -> Self {
        self.tune(move |config| set_attempts(config, attempts))
    }

    /// The error must say this.
    fn says(mut self, words: &'static str) -> Self {
        self.says.push(words);
        self
    }

    fn within(mut self, limit: Duration) -> Self {
        self.within = Some(limit);
        self
    }

    fn tls(mut self) -> Self {
        self.needs.tls = true;
        self.endpoint = self.endpoint.replace("http://", "https://");
        self
    }

    /// The log that must come of it, up to the count of connections; what is said and measured
    /// besides follows of itself.
    fn log(mut self, connections: usize, lines: impl IntoIterator<Item = Lines>) -> Self {
        self.expected = lines.into_iter().flat_map(|lines| lines.0).collect();
        self.expected.push(match self.shows {
            Shows::All => format!("connections: {connections}"),
            Shows::Requests => "connections: at most 4".into(),
        });
        if let Some(limit) = self.within {
            self.expected.push(format!("within {limit:?}"));
        }
        let said = self
            .says
            .iter()
            .map(|words| format!("the error says: {words}"));
        self.expected.extend(said);
        if let Some(memory) = self.ahead {
            let line = format!("never more than {memory} bytes ahead of the consumer");
            self.expected.push(line);
        }
        self
    }
}
