//! `sans3 demo`: a transfer there and back against a server in this process.

mod faults;
mod files;
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
use sans3_testkit::faults::{Schedule, Seeded};
use sans3_testkit::model::{Access, ModelConfig};
use sans3_testkit::server::{Config as ServerConfig, Server};
use sans3_tokio::{Client, ClientConfig, Error, Replace, Running};

use self::files::{Scratch, Sha256Text};
use self::report::Report;
use crate::args::DemoArgs;
use crate::bounds::DEFAULT_PART_SIZE;
use crate::config::bound;
use crate::cp::{part_size, source_metadata};
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
    output: &Output,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    if args.serve {
        return serve::run(args, output, interrupt).await;
    }
    let seed = args
        .seed
        .unwrap_or_else(|| if args.faults { random() >> 48 } else { 1 });
    let faults = args.faults.then(|| Seeded::new(seed, 20, 250));
    let schedule = faults.map_or_else(Schedule::none, Schedule::seeded);
    let stage = Stage::set(schedule, 0)?;
    let url = stage.server.endpoint_url();
    output.data(
        || format!("{:10} {url}, in this process", "server"),
        || Event::new("server").text("endpoint_url", &url),
    )?;
    let scratch = Scratch::new().map_err(|(path, error)| Failure::io("making", &path, &error))?;
    let file = unless(interrupt, original(args, seed, &scratch, output)).await?;
    let act = Act {
        args,
        seed,
        stage: &stage,
        output,
    };
    let report = act.play(&file, &scratch.path("copy"), interrupt).await?;
    report.print(output, args.faults)?;
    if args.faults {
        faults::print(&report, seed, args, output)?;
    }
    let copy = scratch.path("copy");
    unless(interrupt, act.verdict(&file, &copy)).await
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

/// The transfers, one after the other.
struct Act<'a> {
    args: &'a DemoArgs,
    seed: u64,
    stage: &'a Stage,
    output: &'a Output,
}

impl Act<'_> {
    async fn play(
        &self,
        file: &Path,
        copy: &Path,
        interrupt: &mut Interrupt,
    ) -> Result<Report, Failure> {
        let wrong = |error: SpecError| Failure::usage(error.to_string());
        let session = self.session()?;
        let memory = session.memory;
        // The waits before retries follow from the seed as well.
        let mut config = ClientConfig::new(session);
        config.seed = self.seed;
        let client =
            Client::new(config).map_err(|error| Failure::configuration(error.to_string()))?;
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
        let running = client.upload_file(upload, file);
        let (uploaded, up) = self.finish(running, interrupt).await?;

        let download = Download {
            part_size: range.try_into().ok(),
            ..Download::new(bucket, key)
        };
        let running = client.download_to_file(download, copy, Replace::Yes);
        let (downloaded, down) = self.finish(running, interrupt).await?;
        Ok(Report {
            up,
            uploaded,
            upload_part,
            down,
            downloaded,
            range,
            memory,
            stats: self.stage.server.stats(),
            injected: self.stage.server.injected(),
            notices: client.notices(),
        })
    }

    fn session(&self) -> Result<SessionConfig, Failure> {
        let session = self.stage.session();
        let mut session = session.map_err(|error| Failure::configuration(error.to_string()))?;
        bound(&mut session, &self.args.transfer)?;
        if self.args.faults {
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
        match part_size(self.args.transfer.part_size) {
            Ok(Some(size)) => (size.get(), size.get()),
            _ if self.args.faults => (5 << 20, 1 << 20),
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
        } = follow(running, self.output, interrupt).await?;
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
            anonymous: false,
            uri: format!("s3://{BUCKET}/file"),
            bucket: BUCKET.to_owned(),
        };
        Failure::transfer(error, &site)
    }

    /// The point of it all: the bytes are the same.
    async fn verdict(&self, file: &Path, copy: &Path) -> Result<(), Failure> {
        let compared = files::compare(file.to_owned(), copy.to_owned()).await;
        let compared = compared.map_err(|error| Failure::io("comparing with", copy, &error))?;
        let Sha256Text(sha256) = compared.map_err(|at| {
            Failure::new(
                Kind::Transfer,
                format!("the copy differs from the file at byte {at}"),
            )
            .with_advice("this is a bug in sans3, please report it")
        })?;
        self.output.data(
            || format!("{:10} byte for byte; SHA-256 {sha256}", "identical"),
            || {
                Event::new("identical")
                    .flag("identical", true)
                    .text("sha256", &sha256)
            },
        )
    }
}

/// 64 bits that differ from run to run: the standard library seeds its hash maps with them.
fn random() -> u64 {
    Rng::new(RandomState::new().hash_one("sans3 demo")).next_u64()
}
