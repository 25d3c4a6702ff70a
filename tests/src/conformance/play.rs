//! Playing scripts: several at a time, each with its own server.

use std::any::Any;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use sans3_core::endpoint::{Endpoint, Region};
use sans3_core::session::{CredentialSource, SessionConfig};
use sans3_core::sign::Credentials;

use super::certificates::Certificates;
use super::job::{Cancel, Job, Report, Work};
use super::scripts::{self, Script, Shows, Silence};
use super::stage::{Head, Record, Stage};
use super::{Adapter, Rule, log};

/// Scripts that are played at once.
const AT_ONCE: usize = 4;
/// After this, a run is cancelled and its connections are ended.
const LIMIT: Duration = Duration::from_secs(30);
/// After so much more, it is taken for a run that never ends.
const GRACE: Duration = Duration::from_secs(15);
const SEED: u64 = 7;

/// A script whose log is not as expected.
pub(super) struct Failure {
    rule: Rule,
    name: String,
    text: String,
}

/// Plays the scripts of the rules that are asked for; returns those that failed, in their order.
pub(super) fn all(adapter: &dyn Adapter, wanted: &dyn Fn(Rule) -> bool) -> Vec<Failure> {
    let certificates = Certificates::new();
    let certificates = Arc::new(certificates.expect("certificates can be made"));
    let features = adapter.features();
    let scripts: Vec<Script> = scripts::all(features)
        .into_iter()
        .filter(|script| wanted(script.rule) && script.needs.met_by(features))
        .collect();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(script) = scripts.get(index) else {
                        return;
                    };
                    if let Err(text) = play(adapter, script, &certificates) {
                        let failure = Failure {
                            rule: script.rule,
                            name: script.name.clone(),
                            text,
                        };
                        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                        failures.push((index, failure));
                    }
                }
            });
        }
    });
    let mut failures = failures
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    failures.sort_by_key(|(index, _)| *index);
    failures.into_iter().map(|(_, failure)| failure).collect()
}

/// A report of failures for people.
pub(super) fn tell(adapter: &dyn Adapter, failures: &[Failure]) -> String {
    let mut text = format!(
        "the adapter \"{}\" fails {} conformance scripts:\n",
        adapter.name(),
        failures.len()
    );
    for Failure {
        rule,
        name,
        text: how,
    } in failures
    {
        text += &format!("\nrule {rule}\nscript: {name}\n{how}");
    }
    text
}

fn play(
    adapter: &dyn Adapter,
    script: &Script,
    certificates: &Arc<Certificates>,
) -> Result<(), String> {
    let cancel = Cancel::default();
    let stage = Stage::start(
        script.connections.clone(),
        cancel.clone(),
        Arc::clone(certificates),
    );
    let mut stage = stage.map_err(|error| format!("the server could not be started: {error}"))?;
    let silent = script
        .silent
        .map(|silence| Silent::new(silence, stage.port()));
    let port = match script.silent {
        Some(Silence::Server) => silent.as_ref().map_or(0, |silent| silent.port),
        _ => stage.port(),
    };
    let (work, most_ahead) = watched(script.work.clone(), &stage);
    let job = Job {
        session: session(script, port),
        seed: SEED,
        ca_bundle: script.needs.tls.then(|| certificates.bundle()),
        proxy: script.proxy.as_ref().map(|proxy| with_port(proxy, port)),
        resolve: script.resolve.clone(),
        work,
        cancel: cancel.clone(),
    };
    if script.cancelled {
        let cancel = cancel.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(150));
            cancel.fire();
        });
    }
    let began = Instant::now();
    let report = guarded(adapter, script, job, &stage, &cancel)?;
    let took = began.elapsed();
    let record = stage.finish();
    let mut seen = match script.shows {
        Shows::All => log::whole(&record, &report, stage.port()),
        Shows::Requests => summary(&record, &report),
    };
    for name in adapter.features().adds {
        let field = format!("    {name}: ");
        seen.retain(|line| !line.starts_with(&field));
    }
    seen.extend(remarks(
        script,
        &report,
        took,
        most_ahead.load(Ordering::Relaxed),
    ));
    if seen == script.expected {
        return Ok(());
    }
    Err(log::beside(&script.expected, &seen) + &details(&report))
}

/// Runs the job, but not for ever.
fn guarded(
    adapter: &dyn Adapter,
    script: &Script,
    job: Job,
    stage: &Stage,
    cancel: &Cancel,
) -> Result<Report, String> {
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel::<()>();
        let run = scope.spawn(move || {
            let _tell = tell;
            catch_unwind(AssertUnwindSafe(|| adapter.run(job)))
        });
        let late = matches!(told.recv_timeout(LIMIT), Err(RecvTimeoutError::Timeout));
        if late {
            cancel.fire();
            stage.stop();
            if matches!(told.recv_timeout(GRACE), Err(RecvTimeoutError::Timeout)) {
                eprintln!(
                    "the adapter \"{}\" never comes back from a script:\nrule {}\nscript: {}",
                    adapter.name(),
                    script.rule,
                    script.name
                );
                process::exit(101);
            }
        }
        let report = run.join().map_err(|_| "  the run was lost\n".to_owned())?;
        let report =
            report.map_err(|panic| format!("  the adapter panicked: {}\n", words(&*panic)))?;
        match late {
            true => Err(format!(
                "  still not over after {LIMIT:?}\n{}",
                details(&report)
            )),
            false => Ok(report),
        }
    })
}

fn session(script: &Script, port: u16) -> SessionConfig {
    let region = Region::new("us-east-1").expect("a region");
    let url = with_port(&script.endpoint, port);
    let endpoint = Endpoint::custom(&url, region).expect("an endpoint");
    let credentials = match script.signed {
        true => {
            let credentials = Credentials::new("AKIDEXAMPLE", "secret", None);
            CredentialSource::Static(Arc::new(credentials.expect("credentials")))
        }
        false => CredentialSource::Anonymous,
    };
    let mut config = SessionConfig::new(endpoint, credentials);
    scripts::tune(&mut config);
    (script.tune)(&mut config);
    config
}

/// What can't be read from the log of requests: how long it took, what an error says, how far a
/// consumer was behind.
fn remarks(script: &Script, report: &Report, took: Duration, most_ahead: u64) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(limit) = script.within {
        lines.push(match took <= limit {
            true => format!("within {limit:?}"),
            false => format!("after {took:?}"),
        });
    }
    let errors: Vec<String> = report
        .ends
        .iter()
        .filter_map(|end| end.result.as_ref().err())
        .map(|error| error.to_string().to_lowercase())
        .collect();
    for word in &script.says {
        if errors
            .iter()
            .any(|error| error.contains(&word.to_lowercase()))
        {
            lines.push(format!("the error says: {word}"));
        }
    }
    if let Some(memory) = script.ahead {
        lines.push(match most_ahead <= memory {
            true => format!("never more than {memory} bytes ahead of the consumer"),
            false => format!("{most_ahead} bytes ahead of the consumer"),
        });
    }
    lines
}

/// The requests without their connections, sorted: for scripts where several run at once.
fn summary(record: &Record, report: &Report) -> Vec<String> {
    let mut lines: Vec<String> = record
        .heard
        .iter()
        .map(|heard| {
            let head = Head(String::from_utf8_lossy(&heard.head).into_owned());
            let method = head.0.split(' ').next().unwrap_or_default();
            match head.range(usize::MAX - 1) {
                Some((first, end)) => format!("{method} {first:08}-{end:08}"),
                None => method.to_owned(),
            }
        })
        .collect();
    lines.sort();
    lines.extend(
        report
            .notices
            .iter()
            .map(|notice| format!("{:?}", notice.cause)),
    );
    lines.extend(log::ends(report));
    lines.push(match record.connections {
        0..=4 => "connections: at most 4".into(),
        more => format!("connections: {more}"),
    });
    lines
}

/// Measures how far the requests are ahead of in-order consumers.
fn watched(work: Vec<Work>, stage: &Stage) -> (Vec<Work>, Arc<AtomicU64>) {
    let most = Arc::new(AtomicU64::new(0));
    let watch = Arc::new(stage.watch());
    let work = work.into_iter().map(|work| match work {
        Work::InOrder { spec, pace } => {
            let (most, watch) = (Arc::clone(&most), Arc::clone(&watch));
            let pace = pace.watched(Arc::new(move |taken| {
                let record = watch();
                let asked = record.heard.iter().filter_map(|heard| {
                    let head = Head(String::from_utf8_lossy(&heard.head).into_owned());
                    head.range(usize::MAX - 1).map(|(_, end)| end as u64)
                });
                let ahead = asked.max().unwrap_or(0).saturating_sub(taken);
                most.fetch_max(ahead, Ordering::Relaxed);
            }));
            Work::InOrder { spec, pace }
        }
        other => other,
    });
    (work.collect(), most)
}

/// The adapter's own words, which no script compares as a whole.
fn details(report: &Report) -> String {
    const MOST: usize = 12;
    let notices = report.notices.iter();
    let mut lines: Vec<String> = notices
        .map(|notice| format!("    attempt {}: {}\n", notice.attempt, notice.cause))
        .collect();
    let errors = report
        .ends
        .iter()
        .filter_map(|end| end.result.as_ref().err());
    lines.extend(errors.map(|error| format!("    result: {error}\n")));
    lines.truncate(MOST);
    lines.concat()
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a word")
}

fn with_port(template: &str, port: u16) -> String {
    let text = template.replace("{port}", &port.to_string());
    if !text.contains("{dead}") {
        return text;
    }
    // A port that was free a moment ago.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
    text.replace("{dead}", &free.expect("a free port").port().to_string())
}

/// A port where connections are never accepted: the queue of its listener is full, and the system
/// drops what comes (as Linux does).
struct Silent {
    port: u16,
    _listener: TcpListener,
    _fillers: Vec<TcpStream>,
}

impl Silent {
    fn new(silence: Silence, beside: u16) -> Self {
        let address = match silence {
            Silence::Server => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            Silence::OtherAddress => SocketAddr::from((scripts::OTHER_ADDRESS, beside)),
        };
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        socket.bind(&address.into()).expect("a free port");
        socket.listen(1).expect("a listener");
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().expect("an address");
        let wait = Duration::from_millis(50);
        let filler = |_| TcpStream::connect_timeout(&address, wait).ok();
        Self {
            port: address.port(),
            _fillers: (0..8).map_while(filler).collect(),
            _listener: listener,
        }
    }
}
