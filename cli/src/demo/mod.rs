//! `sans3 demo`: a transfer there and back on each runtime, against a server in this process.

mod faults;
pub(crate) mod files;
mod report;
mod serve;

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::error::SpecError;
use sans3_core::rng::Rng;
use sans3_core::session::{CredentialSource, SessionConfig};
use sans3_core::sign::Credentials;
use sans3_core::transfer::{Download, Length, Upload};
use sans3_platform::Secret;
use sans3_runtime::{ClientConfig, Error, Replace};
use sans3_testkit::faults::{Schedule, Seeded};
use sans3_testkit::model::{Access, ModelConfig};
use sans3_testkit::server::{Config as ServerConfig, Server};

use self::files::{Scratch, Sha256Text};
use self::report::{Report, Run, cpu_time};
use crate::args::DemoArgs;
use crate::bounds::DEFAULT_PART_SIZE;
use crate::config::bound;
use crate::cp::{part_size, source_metadata};
use crate::engine::{Engine, Running, Runtime};
use crate::exit::{Failure, Kind, Site};
use crate::output::{Event, Output};
use crate::progress::{Finished, follow};
use crate::signals::Interrupt;
use crate::size::Size;

/// The size of the file that is made.
const FILE_SIZE: u64 = 256 << 20;
const BUCKET: &str = "demo";
const REGION: &str = "us-east-1";
/// How long anything may be silent while faults are about.
const IMPATIENT: Duration = Duration::from_secs(2);

pub(crate) async fn run(
    args: &DemoArgs,
    runtime: Option<Runtime>,
    output: &Output,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    if args.serve {
        return serve::run(args, output, interrupt).await;
    }
    let seed = args
        .seed
        .unwrap_or_else(|| if args.faults { random() >> 48 } else { 1 });
    let scratch =
        Scratch::new("demo").map_err(|(path, error)| Failure::io("making", &path, &error))?;
    let file = unless(interrupt, original(args, seed, &scratch, output)).await?;
    let runtimes = match &runtime {
        Some(one) => std::slice::from_ref(one),
        None => &Runtime::ALL,
    };
    let show = Show {
        args,
        seed,
        file: &file,
        scratch: &scratch,
        output,
    };
    let mut runs = Vec::new();
    for runtime in runtimes {
        let run = show.play(*runtime, interrupt).await;
        let run = run.map_err(|failure| Failure {
            message: format!("on {}: {}", runtime.name(), failure.message),
            ..failure
        })?;
        run.print_events(output)?;
        runs.push(run);
    }
    let report = Report {
        runs,
        with_faults: args.faults,
    };
    report.print(output)?;
    if args.faults {
        faults::print(&report, seed, &replay(runtime, seed, args), output)?;
    }
    Ok(())
}

/// How to see the same again.
fn replay(runtime: Option<Runtime>, seed: u64, args: &DemoArgs) -> String {
    let mut command = "sans3 demo".to_owned();
    if let Some(file) = &args.file {
        command = format!("{command} {}", file.display());
    }
    if let Some(runtime) = runtime {
        command = format!("{command} --runtime {}", runtime.name());
    }
    format!("{command} --faults --seed {seed}")
}

/// Does what has nothing to clean up, unless Ctrl-C comes first.
async fn unless<T>(
    interrupt: &mut Interrupt,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        result = work => result,
        () = interrupt.wait() => Err(Failure::interrupted()),
    }
}

/// A server with a bucket, and somebody who may use it.
struct Stage {
    server: Server,
    access_key_id: String,
    secret: Secret,
}

impl Stage {
    fn set(faults: Schedule, port: u16) -> Result<Self, Failure> {
        let access_key_id = format!("DEMO{:016X}", random());
        let secret = Secret::new(format!(
            "{:016x}{:016x}{:08x}",
            random(),
            random(),
            random() >> 32
        ));
        let defaults = ServerConfig::fast();
        let mut config = ServerConfig {
            model: ModelConfig {
                region: REGION.to_owned(),
                access: Access::key(&access_key_id, secret.expose()),
                ..ModelConfig::fast()
            },
            faults,
            ..defaults
        };
        config.listen.set_port(port);
        let listen = config.listen;
        let server = Server::start(config).map_err(|error| {
            Failure::new(
                Kind::Transfer,
                format!("listening at {listen} failed: {error}"),
            )
            .with_advice("choose another --port, or none")
        })?;
        server.with_model(|model| model.create_bucket(BUCKET));
        Ok(Self {
            server,
            access_key_id,
            secret,
        })
    }

    fn session(&self) -> Result<SessionConfig, SpecError> {
        let endpoint = Endpoint::custom(&self.server.endpoint_url(), Region::new(REGION)?)?;
        let credentials = Credentials::new(&self.access_key_id, self.secret.expose(), None)?;
        Ok(SessionConfig::new(
            endpoint,
            CredentialSource::Static(Arc::new(credentials)),
        ))
    }
}

/// The user's file, or one that is made.
async fn original(
    args: &DemoArgs,
    seed: u64,
    scratch: &Scratch,
    output: &Output,
) -> Result<PathBuf, Failure> {
    if let Some(path) = &args.file {
        source_metadata(path)?;
        return Ok(path.clone());
    }
    let path = scratch.path("original");
    files::make(path.clone(), FILE_SIZE, seed)
        .await
        .map_err(|error| Failure::io("writing to", &path, &error))?;
    output.data(
        || {
            format!(
                "{:10} {} of pseudo-random bytes (seed {seed})",
                "file",
                Size(FILE_SIZE)
            )
        },
        || {
            Event::new("file")
                .number("size", FILE_SIZE)
                .number("seed", seed)
        },
    )?;
    Ok(path)
}

/// What is the same on each runtime.
struct Show<'a> {
    args: &'a DemoArgs,
    seed: u64,
    file: &'a Path,
    scratch: &'a Scratch,
    output: &'a Output,
}

impl Show<'_> {
    /// The transfers on one runtime. It has a server to itself, so that it meets what the others do:
    /// the same faults, and nothing of who came before.
    async fn play(&self, runtime: Runtime, interrupt: &mut Interrupt) -> Result<Run, Failure> {
        let faults = self.args.faults.then(|| Seeded::new(self.seed, 20, 250));
        let stage = Stage::set(faults.map_or_else(Schedule::none, Schedule::seeded), 0)?;
        if self.output.is_json() {
            let url = stage.server.endpoint_url();
            let event = Event::new("server").text("runtime", runtime.name());
            self.output.event(event.text("endpoint_url", &url))?;
        }
        let act = Act {
            runtime,
            stage: &stage,
            show: self,
        };
        let copy = self.scratch.path(runtime.name());
        let run = act.play(&copy, interrupt).await?;
        let sha256 = unless(interrupt, identical(self.file, &copy)).await?;
        // Nothing depends on it: the whole directory goes in the end.
        drop(std::fs::remove_file(&copy));
        Ok(Run { sha256, ..run })
    }
}

/// The transfers on one runtime, one after the other.
struct Act<'a> {
    runtime: Runtime,
    stage: &'a Stage,
    show: &'a Show<'a>,
}

impl Act<'_> {
    async fn play(&self, copy: &Path, interrupt: &mut Interrupt) -> Result<Run, Failure> {
        let wrong = |error: SpecError| Failure::usage(error.to_string());
        let session = self.session()?;
        let memory = session.memory;
        // The waits before retries follow from the seed as well.
        let mut config = ClientConfig::new(session);
        config.seed = self.show.seed;
        let client = Engine::new(self.runtime, config)
            .map_err(|error| Failure::configuration(error.to_string()))?;
        let bucket = BucketName::new(BUCKET).map_err(wrong)?;
        let key = ObjectKey::new("file").map_err(wrong)?;
        let (upload_part, range) = self.piece_sizes();

        let upload = Upload {
            part_size: upload_part.try_into().ok(),
            ..Upload::new(
                bucket.clone(),
                key.clone(),
                Length::Unknown { equal_parts: false },
            )
        };
        let cpu = cpu_time();
        let running = client.upload_file(upload, self.show.file);
        let (uploaded, up) = self.finish(running, interrupt).await?;

        let download = Download {
            part_size: range.try_into().ok(),
            ..Download::new(bucket, key)
        };
        let running = client.download_to_file(download, copy, Replace::Yes);
        let (downloaded, down) = self.finish(running, interrupt).await?;
        Ok(Run {
            runtime: self.runtime,
            up,
            uploaded,
            upload_part,
            down,
            downloaded,
            range,
            memory,
            cpu: cpu_time()
                .zip(cpu)
                .map(|(now, then)| now.saturating_sub(then)),
            server: self.stage.server.stats(),
            injected: self.stage.server.injected(),
            notices: client.notices(),
            sha256: String::new(),
        })
    }

    fn session(&self) -> Result<SessionConfig, Failure> {
        let session = self.stage.session();
        let mut session = session.map_err(|error| Failure::configuration(error.to_string()))?;
        bound(&mut session, &self.show.args.transfer)?;
        if self.show.args.faults {
            let timeouts = &mut session.timeouts;
            timeouts.connect = IMPATIENT;
            timeouts.head = IMPATIENT;
            timeouts.idle = IMPATIENT;
            timeouts.complete = IMPATIENT * 5;
        }
        Ok(session)
    }

    /// Bytes a part and bytes a range. With faults they are as small as S3 lets them be, so that
    /// there are requests enough for 2 % of them to go wrong.
    fn piece_sizes(&self) -> (u64, u64) {
        match part_size(self.show.args.transfer.part_size) {
            Ok(Some(size)) => (size.get(), size.get()),
            _ if self.show.args.faults => (5 << 20, 1 << 20),
            _ => (DEFAULT_PART_SIZE, DEFAULT_PART_SIZE),
        }
    }

    async fn finish<T>(
        &self,
        running: Running<T>,
        interrupt: &mut Interrupt,
    ) -> Result<(T, Finished<()>), Failure> {
        let Finished {
            result,
            stats,
            progress,
            elapsed,
        } = follow(running, self.show.output, interrupt).await?;
        match result {
            Ok(output) => Ok((
                output,
                Finished {
                    result: Ok(()),
                    stats,
                    progress,
                    elapsed,
                },
            )),
            Err(error) => Err(self.failure(&error)),
        }
    }

    fn failure(&self, error: &Error) -> Failure {
        let site = Site {
            region: REGION.to_owned(),
            endpoint: Some(self.stage.server.endpoint_url()),
            proxy: None,
            anonymous: false,
            uri: format!("s3://{BUCKET}/file"),
            bucket: BUCKET.to_owned(),
        };
        Failure::transfer(error, &site)
    }
}

/// The point of it all: the bytes are the same. Gives their SHA-256.
async fn identical(file: &Path, copy: &Path) -> Result<String, Failure> {
    let compared = files::compare(file.to_owned(), copy.to_owned()).await;
    let compared = compared.map_err(|error| Failure::io("comparing with", copy, &error))?;
    let Sha256Text(sha256) = compared.map_err(|at| {
        Failure::new(
            Kind::Transfer,
            format!("the copy differs from the file at byte {at}"),
        )
        .with_advice("this is a bug in sans3, please report it")
    })?;
    Ok(sha256)
}

/// 64 bits that differ from run to run: the standard library seeds its hash maps with them.
pub(crate) fn random() -> u64 {
    Rng::new(RandomState::new().hash_one("sans3 demo")).next_u64()
}
