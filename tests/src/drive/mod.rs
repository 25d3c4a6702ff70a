//! Runs a session without sockets, threads or waiting: answers come from a [`Peer`], time is
//! virtual, and every run of the same inputs is the same.

mod ends;
mod exchange;
mod peer;

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

use sans3_core::attempt::{Attempt, AttemptId, Outcome, Ready, Sent as Left, TransferId};
use sans3_core::endpoint::{Endpoint, Region};
use sans3_core::error::{CredentialsError, TransferError, TransportErrorKind};
use sans3_core::session::{
    Accepted, CredentialSource, Input, Machine, Notice, Session, SessionConfig, Step,
};
use sans3_core::sign::Credentials;
use sans3_core::time::{Instant, UnixTime};
use sans3_core::transfer::Transfer;

pub use ends::{Sink, Source};
pub use exchange::run;
pub(crate) use exchange::{framed, receive, send};
pub use peer::{ModelPeer, Peer, Reply, Sent};
pub(crate) use peer::{ask, give};

/// The wall time at virtual time zero: 2026-01-01T00:00:00Z.
pub const EPOCH: UnixTime = UnixTime::from_seconds(1_767_225_600);

/// The most steps of one run: more means that a session spins.
const MAX_STEPS: u32 = 2_000_000;

/// A session, what feeds and drains its transfers, and the attempts under way.
pub struct Rig<P> {
    /// The session under test.
    pub session: Session,
    /// What answers its requests.
    pub peer: P,
    /// Virtual time.
    pub now: Instant,
    /// How long each exchange takes.
    pub latency: Duration,
    /// The exchange, counted from 1, that takes a minute longer.
    pub stuck: Option<usize>,
    /// How far the local wall clock is off, in seconds.
    pub clock_error: i64,
    /// What is provided when credentials are asked for, in turn; the last one again and again.
    pub credentials: Vec<Result<Credentials, CredentialsError>>,
    /// The requests as they were sent: method and target, then headers.
    pub log: Vec<String>,
    /// The most attempts that were under way at once.
    pub peak: usize,
    sources: BTreeMap<TransferId, Source>,
    sinks: BTreeMap<TransferId, Sink>,
    under_way: BTreeMap<(Instant, AttemptId), Attempt>,
    asked: usize,
    started: usize,
}

/// A configuration for tests: path-style requests to a host that does not exist, anonymous.
pub fn config() -> SessionConfig {
    let region = Region::new("us-east-1").unwrap_or_else(|error| panic!("{error}"));
    let endpoint = Endpoint::custom("http://s3.test", region);
    let endpoint = endpoint.unwrap_or_else(|error| panic!("{error}"));
    let mut config = SessionConfig::new(endpoint, CredentialSource::Anonymous);
    config.concurrency = NonZeroU16::MIN.saturating_add(3).into();
    config
}

impl<P: Peer> Rig<P> {
    /// A rig with seed 1 and exchanges that take 10 ms.
    pub fn new(config: SessionConfig, peer: P) -> Self {
        Self {
            session: Session::new(config, 1),
            peer,
            now: Instant::ZERO,
            latency: Duration::from_millis(10),
            stuck: None,
            started: 0,
            clock_error: 0,
            credentials: Vec::new(),
            log: Vec::new(),
            peak: 0,
            sources: BTreeMap::new(),
            sinks: BTreeMap::new(),
            under_way: BTreeMap::new(),
            asked: 0,
        }
    }

    /// Carries out one transfer that needs neither source nor sink.
    ///
    /// # Errors
    /// Those of the transfer.
    pub fn call<T: Transfer>(&mut self, transfer: T) -> Result<T::Output, TransferError> {
        let handle = self.session.insert(transfer, self.now);
        self.run();
        self.session.take(handle)
    }

    /// Carries out a download, and returns what its sink has.
    pub fn download<T: Transfer>(
        &mut self,
        transfer: T,
        sink: Sink,
    ) -> (Result<T::Output, TransferError>, Sink) {
        let handle = self.session.insert(transfer, self.now);
        self.sinks.insert(handle.id(), sink);
        self.run();
        let result = self.session.take(handle);
        (result, self.sinks.remove(&handle.id()).unwrap_or_default())
    }

    /// Carries out an upload.
    ///
    /// # Errors
    /// Those of the transfer.
    pub fn upload<T: Transfer>(
        &mut self,
        transfer: T,
        source: Source,
    ) -> Result<T::Output, TransferError> {
        let handle = self.session.insert(transfer, self.now);
        self.sources.insert(handle.id(), source);
        self.run();
        self.session.take(handle)
    }

    /// Gives a transfer its source.
    pub fn feed(&mut self, transfer: TransferId, source: Source) {
        self.sources.insert(transfer, source);
    }

    /// Drives the session until nothing is under way.
    pub fn run(&mut self) {
        self.run_until(|_| false);
    }

    /// Drives the session until nothing is under way, or `stop` says so; it is asked after each
    /// exchange. Returns whether all is done.
    ///
    /// # Panics
    /// Where the session spins, or waits for nothing.
    pub fn run_until(&mut self, mut stop: impl FnMut(&mut Self) -> bool) -> bool {
        for _ in 0..MAX_STEPS {
            match self.session.poll(self.now) {
                Step::Start(attempt) => {
                    self.started += 1;
                    let minute =
                        Duration::from_secs(60 * u64::from(self.stuck == Some(self.started)));
                    let end = self.now + self.latency + minute;
                    self.under_way.insert((end, attempt.id()), attempt);
                    self.peak = self.peak.max(self.under_way.len());
                }
                Step::Abort(id) => self.abort(id),
                Step::Fill {
                    transfer,
                    offset,
                    len,
                } => self.fill(transfer, offset, len),
                Step::NeedCredentials => {
                    let answer = self.credentials.get(self.asked).or(self.credentials.last());
                    let none = || Err(CredentialsError("the test has none".into()));
                    let answer = answer.cloned().unwrap_or_else(none);
                    self.asked += 1;
                    self.input(Input::Credentials(answer));
                }
                Step::Ended(_) => {}
                Step::Done => return true,
                Step::Wait { until, .. } => {
                    self.wait(until);
                    if stop(self) {
                        return false;
                    }
                }
            }
        }
        panic!("{MAX_STEPS} steps and no end: the session spins");
    }

    /// Failed attempts, and what was done about each.
    pub fn notices(&mut self) -> Vec<Notice> {
        self.session.take_notices()
    }

    /// Virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.now.since(Instant::ZERO)
    }

    /// Reports something to the session.
    pub fn input(&mut self, input: Input) -> Accepted {
        self.session.input(input, self.now)
    }

    /// How often credentials were asked for.
    pub fn times_asked(&self) -> usize {
        self.asked
    }

    /// The requests whose line begins with `start`.
    pub fn requests(&self, start: &str) -> usize {
        self.log
            .iter()
            .filter(|line| line.starts_with(start))
            .count()
    }

    /// Moves on to the next event: an exchange that ends, or the time that the session named.
    fn wait(&mut self, until: Option<Instant>) {
        let next = self.under_way.keys().next().copied();
        match (next, until) {
            (Some((at, id)), until) if until.is_none_or(|until| at <= until) => {
                self.now = self.now.max(at);
                if let Some(attempt) = self.under_way.remove(&(at, id)) {
                    let outcome = self.exchange(attempt);
                    self.finish(outcome);
                }
            }
            (_, Some(until)) => {
                assert!(until > self.now, "a wait that has passed already spins");
                self.now = until;
            }
            (None, None) => panic!("the session waits for nothing"),
            (Some(_), None) => unreachable!("covered by the first arm"),
        }
    }

    fn exchange(&mut self, attempt: Attempt) -> Outcome {
        let transfer = attempt.id().transfer();
        let wall = EPOCH
            .offset(i64::try_from(self.elapsed().as_secs()).unwrap_or(i64::MAX))
            .offset(self.clock_error);
        let source = self.sources.get(&transfer);
        let sink = self.sinks.entry(transfer).or_default();
        run(attempt, wall, &mut self.peer, source, sink, &mut self.log)
    }

    fn finish(&mut self, outcome: Outcome) {
        let transfer = outcome.id().transfer();
        assert_eq!(
            self.input(Input::Outcome(outcome.clone())),
            Accepted::Counted
        );
        assert_eq!(
            self.input(Input::Outcome(outcome)),
            Accepted::Stale,
            "told twice, counted once"
        );
        let released = self.sinks.get_mut(&transfer).and_then(Sink::release);
        if let Some(up_to) = released {
            self.input(Input::Released { transfer, up_to });
        }
    }

    /// Ends an exchange before anything of it was sent, as an adapter does that is asked in time.
    fn abort(&mut self, id: AttemptId) {
        let key = self
            .under_way
            .keys()
            .find(|(_, under_way)| *under_way == id)
            .copied();
        if let Some(attempt) = key.and_then(|key| self.under_way.remove(&key)) {
            let outcome = match attempt.prepare() {
                Ready::Hash(hashing) => hashing.on_abort(),
                Ready::Send(sendable) => {
                    sendable.on_transport_error(TransportErrorKind::Aborted, Left::None, "")
                }
            };
            self.finish(outcome);
        }
    }

    fn fill(&mut self, transfer: TransferId, offset: u64, len: u64) {
        let Some(source) = self.sources.get(&transfer) else {
            panic!("a fill for a transfer without source");
        };
        let total = source.len();
        let up_to = offset.saturating_add(len).min(total);
        self.input(Input::Supplied {
            transfer,
            up_to,
            end: up_to == total,
        });
    }
}
