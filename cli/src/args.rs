//! The command line.

use std::convert::Infallible;
use std::ffi::OsString;
use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use sans3_core::pace::Concurrency;
use sans3_platform::Secret;

use crate::bench::Direction;
use crate::engine::Runtime;
use crate::resolve::Resolve;
use crate::size::Size;
use crate::span::Span;
use crate::trace::Recording;

const AFTER_HELP: &str = "\
Exit codes:
  0    done
  1    a transfer failed, or its report could not be written
  2    usage
  3    configuration or credentials, refused ones and a wrong region included
  4    not found: the bucket, the key, or the local source
  5    gave up after retries
  130  interrupted by Ctrl-C, SIGTERM or SIGHUP

Credentials, region and endpoint come from the environment and from AWS's shared files: \
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE, AWS_REGION, \
AWS_ENDPOINT_URL_S3, AWS_CA_BUNDLE. Proxies come from http_proxy, https_proxy, all_proxy and \
no_proxy. Data goes to stdout, and everything else to stderr.";

/// Copies files to and from S3, whole or not at all.
#[derive(Debug, Parser)]
#[command(name = "sans3", version, after_long_help = AFTER_HELP, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Copy a file to S3, or an object to a file
    Cp(CpArgs),
    /// List a bucket
    Ls(LsArgs),
    /// Remove an object, or abort unfinished uploads
    Rm(RmArgs),
    /// Make a bucket
    Mb(MbArgs),
    /// Print a URL that lets its holder read an object for a while
    Presign(PresignArgs),
    /// Print what a copy would do; sends nothing
    Plan(PlanArgs),
    /// Measure a server with many settings, and recommend the best; removes what it uploads
    Bench(BenchArgs),
    /// Show transfers on each runtime against a server in this process: no account, network or set-up
    /// needed
    Demo(DemoArgs),
}

/// Where to, and as whom.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// Profile of the shared files (env: AWS_PROFILE)
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Region of the bucket (env: AWS_REGION, AWS_DEFAULT_REGION)
    #[arg(long, global = true)]
    pub(crate) region: Option<String>,
    /// Server to use in place of Amazon's: an https:// URL, or http:// for no encryption
    /// (env: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL)
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Do not sign requests: for public buckets
    #[arg(long, global = true)]
    pub(crate) no_sign_request: bool,
    /// PEM file of certificate authorities to trust in place of the system's (env: AWS_CA_BUNDLE)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca_bundle: Option<PathBuf>,
    /// Name the bucket in the path of URLs
    #[arg(long, global = true, conflicts_with = "virtual_host")]
    pub(crate) path_style: bool,
    /// Name the bucket in the host of URLs
    #[arg(long, global = true)]
    pub(crate) virtual_host: bool,
    /// Longest wait for a connection, TLS included (default: 5s)
    #[arg(long, global = true, value_name = "TIME", value_parser = some_time)]
    pub(crate) connect_timeout: Option<Span>,
    /// Longest silence of the server before a request is sent again (default: 75s for the head of
    /// an answer, 20s within its body; never less than 300s for the end of an upload in parts)
    #[arg(long, global = true, value_name = "TIME", value_parser = some_time)]
    pub(crate) read_timeout: Option<Span>,
    /// Most attempts at one request (default: 10 at a range or part, 3 at others)
    #[arg(long, global = true, value_name = "N", value_parser = some_attempts)]
    pub(crate) max_attempts: Option<NonZeroU32>,
    /// Which of AWS's retry numbers to follow
    #[arg(long, global = true, value_enum, default_value_t = RetryModeArg::Y2026)]
    pub(crate) retry_mode: RetryModeArg,
    /// Proxy for all requests: its URL, with user:password@ if need be (env: http_proxy, https_proxy,
    /// all_proxy, and no_proxy for hosts that go without, as curl reads them)
    #[arg(long, global = true, value_name = "URL", value_parser = secret, conflicts_with = "no_proxy")]
    pub(crate) proxy: Option<Secret>,
    /// No proxy, whatever the environment says
    #[arg(long, global = true)]
    pub(crate) no_proxy: bool,
    /// Addresses of a host that the system is not to be asked for; may be given several times
    #[arg(long, global = true, value_name = "HOST:ADDRESS[,ADDRESS]")]
    pub(crate) resolve: Vec<Resolve>,
    /// What carries out the requests (default: tokio; the demo shows all three)
    #[arg(long, global = true, value_enum)]
    pub(crate) runtime: Option<Runtime>,
    /// Record what is decided and why in a new file, for a report of a bug: names, sizes, metadata,
    /// header fields and the texts of errors; no credentials, no signatures and no payload
    #[arg(long, global = true, value_name = "FILE", help_heading = "Output")]
    pub(crate) trace: Option<PathBuf>,
    #[arg(skip)]
    pub(crate) recording: Recording,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RetryModeArg {
    /// Those of 2026
    #[value(name = "2026")]
    Y2026,
    /// The older ones
    #[value(name = "2020")]
    Y2020,
}

/// What is printed.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// One JSON document a line: on stdout, or on stderr where stdout carries an object
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No progress bar
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
    /// Nothing on stderr but errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// How bytes are moved.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Transfer")]
pub(crate) struct TransferArgs {
    /// Bytes a part or range, 5MiB or more for parts of an upload; an upload of at most that many goes
    /// by one request (default: 8MiB; parts of a file grow to 64MiB where that keeps them to about
    /// 1,000, and beyond it only where 10,000 would not be enough; those of a stream grow on the way)
    #[arg(long, value_name = "SIZE")]
    pub(crate) part_size: Option<Size>,
    /// Requests at once: a number, or `auto` for as many as serve, 16 at first and at most 64, or
    /// `auto:N` for at most N (default: auto)
    #[arg(long, value_name = "N", value_parser = some_requests)]
    pub(crate) concurrency: Option<Concurrency>,
    /// Most memory for payload (default: 256MiB)
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<Size>,
    /// Most payload a second, such as 100MiB, on average
    #[arg(long, value_name = "SIZE", value_parser = some_bytes)]
    pub(crate) max_bandwidth: Option<NonZeroU64>,
    /// Most requests a second, on average
    #[arg(long, value_name = "N", value_parser = some_request_rate)]
    pub(crate) max_requests: Option<NonZeroU32>,
    /// Tell on stderr what changed of the pace, and why
    #[arg(long)]
    pub(crate) explain: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CpArgs {
    /// A file, s3://BUCKET/KEY, or - for stdin
    pub(crate) source: OsString,
    /// A file or directory, s3://BUCKET/KEY, s3://BUCKET/PREFIX/, or - for stdout
    pub(crate) target: OsString,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
    #[command(flatten)]
    pub(crate) condition: ConditionArgs,
    #[command(flatten)]
    pub(crate) describe: DescribeArgs,
}

/// When to copy at all.
#[derive(Debug, Args)]
#[command(next_help_heading = "Conditions")]
pub(crate) struct ConditionArgs {
    /// Copy only if the object in S3 has this entity tag
    #[arg(long, value_name = "ETAG")]
    pub(crate) if_match: Option<String>,
    /// Upload only if there is no object yet; the one value is *
    #[arg(long, value_name = "*", conflicts_with = "if_match")]
    pub(crate) if_none_match: Option<String>,
    /// Download only if there is no such file yet
    #[arg(long)]
    pub(crate) no_clobber: bool,
}

/// What is stored with an upload.
#[derive(Debug, Args)]
#[command(next_help_heading = "Upload")]
pub(crate) struct DescribeArgs {
    /// Checksum that the server verifies and keeps (default: crc64nvme)
    #[arg(long, value_enum, value_name = "ALGORITHM")]
    pub(crate) checksum: Option<ChecksumArg>,
    /// Where it is sent: behind the bytes, which are read once then, or ahead of them, which every
    /// server takes (default: auto, a trailer on AWS and a header elsewhere)
    #[arg(long, value_enum, value_name = "PLACE")]
    pub(crate) checksum_placement: Option<PlacementArg>,
    /// Content type, such as text/plain
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Metadata to store with the object; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) metadata: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChecksumArg {
    Crc64nvme,
    Crc32,
    Crc32c,
    Sha256,
    Md5,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlacementArg {
    Auto,
    Header,
    Trailer,
}

#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// s3://BUCKET or s3://BUCKET/PREFIX
    pub(crate) uri: OsString,
    /// All keys beneath, not only up to the next /
    #[arg(long, short)]
    pub(crate) recursive: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    /// s3://BUCKET/KEY; with --uploads s3://BUCKET or s3://BUCKET/PREFIX
    pub(crate) uri: OsString,
    /// Abort the unfinished uploads whose keys begin with the prefix
    #[arg(long)]
    pub(crate) uploads: bool,
    /// Only uploads begun at least so long ago, such as 24h
    #[arg(long, value_name = "TIME", requires = "uploads")]
    pub(crate) older_than: Option<Span>,
    /// Only list them
    #[arg(long, requires = "uploads")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MbArgs {
    /// s3://BUCKET
    pub(crate) uri: OsString,
}

#[derive(Debug, Args)]
pub(crate) struct PresignArgs {
    /// s3://BUCKET/KEY
    pub(crate) uri: OsString,
    /// How long the URL is good for, at most 7d
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub(crate) expires: Span,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// As for cp
    pub(crate) source: OsString,
    /// As for cp
    pub(crate) target: OsString,
    /// Size of the object or of stdin, which nothing is sent or read to find out
    #[arg(long)]
    pub(crate) size: Option<Size>,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// s3://BUCKET or s3://BUCKET/PREFIX/: all is done in a folder beneath, with a name of its own
    pub(crate) uri: OsString,
    /// Sizes of objects; of those below 64MiB several are moved in a run, at most --small
    #[arg(
        long,
        value_name = "SIZE,..",
        value_delimiter = ',',
        default_value = "64KiB,128MiB"
    )]
    pub(crate) sizes: Vec<Size>,
    /// Bytes a part or range; an object of at most that many goes by one request
    #[arg(
        long,
        value_name = "SIZE,..",
        value_delimiter = ',',
        default_value = "8MiB,32MiB"
    )]
    pub(crate) part_sizes: Vec<Size>,
    /// Most requests at once
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "4,16,64", value_parser = some_number)]
    pub(crate) concurrency: Vec<NonZeroU16>,
    /// Which way
    #[arg(long, value_enum, value_delimiter = ',', default_value = "up,down")]
    pub(crate) direction: Vec<Direction>,
    /// Most objects in a run: so many of 64KiB, and as many of larger ones as make 64MiB
    #[arg(long, value_name = "N", default_value = "200", value_parser = some_attempts)]
    pub(crate) small: NonZeroU32,
    /// Runs of each setting; all settings have their first before one has its second
    #[arg(long, value_name = "N", default_value = "3", value_parser = some_attempts)]
    pub(crate) repeat: NonZeroU32,
    /// Longest time for all runs; those that are not over by then do not count
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = some_time)]
    pub(crate) time: Span,
    /// Most bytes to move in all: a larger matrix is refused before anything is sent
    #[arg(long, value_name = "SIZE", default_value = "4GiB")]
    pub(crate) max_total: Size,
    /// Most memory for payload (default: 256MiB)
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<Size>,
    /// Write a report with plots as well: one file that needs nothing else
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// File to copy there and back; without one, 256 MiB of pseudo-random bytes
    #[arg(conflicts_with = "serve")]
    pub(crate) file: Option<PathBuf>,
    /// Let about 2 % of the requests go wrong, by a seeded schedule
    #[arg(long, conflicts_with = "serve")]
    pub(crate) faults: bool,
    /// Seed of the schedule and of the bytes
    #[arg(long, value_name = "N", conflicts_with = "serve")]
    pub(crate) seed: Option<u64>,
    /// Keep the server up until Ctrl-C, and print the environment to use it with
    #[arg(long)]
    pub(crate) serve: bool,
    /// Port to serve at; without one, any that is free
    #[arg(long, requires = "serve")]
    pub(crate) port: Option<u16>,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}

/// A text that may hold a password. It is looked at later, since errors here would repeat it.
#[expect(clippy::unnecessary_wraps, reason = "the form that clap asks for")]
fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text.to_owned()))
}

/// A time in which something can happen.
fn some_time(text: &str) -> Result<Span, String> {
    match text.parse()? {
        Span(Duration::ZERO) => Err("expected a time longer than 0".to_owned()),
        span => Ok(span),
    }
}

fn some_attempts(text: &str) -> Result<NonZeroU32, String> {
    text.parse()
        .map_err(|_| format!("expected a number from 1 to {}", u32::MAX))
}

fn some_number(text: &str) -> Result<NonZeroU16, String> {
    text.parse()
        .map_err(|_| format!("expected a number from 1 to {}", u16::MAX))
}

fn some_requests(text: &str) -> Result<Concurrency, String> {
    let number = |text: &str| some_number(text).map_err(|error| format!("{error}, or auto"));
    match text.strip_prefix("auto") {
        Some("") => Ok(Concurrency::AUTO),
        Some(most) => {
            let most = number(most.strip_prefix(':').unwrap_or(""))?;
            Ok(Concurrency::Auto { most })
        }
        None => number(text).map(Concurrency::Fixed),
    }
}

fn some_bytes(text: &str) -> Result<NonZeroU64, String> {
    let Size(bytes) = text.parse()?;
    NonZeroU64::new(bytes).ok_or_else(|| "expected at least 1".to_owned())
}

fn some_request_rate(text: &str) -> Result<NonZeroU32, String> {
    text.parse()
        .map_err(|_| format!("expected a number from 1 to {}", u32::MAX))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn concurrency_is_a_number_or_found() {
        let most = |number| NonZeroU16::new(number).unwrap();
        for (text, expected) in [
            ("16", Concurrency::Fixed(most(16))),
            ("auto", Concurrency::AUTO),
            ("auto:250", Concurrency::Auto { most: most(250) }),
        ] {
            assert_eq!(some_requests(text), Ok(expected));
        }
        for wrong in ["0", "", "auto:", "auto:0", "auto16", "many", "-1", "65536"] {
            assert!(some_requests(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn limits_are_more_than_nothing() {
        let read = |option, value| {
            let cli = Cli::try_parse_from(["sans3", "cp", "a", "s3://b/k", option, value]).ok()?;
            match cli.command {
                Command::Cp(cp) => Some(cp.transfer),
                other => panic!("{other:?}"),
            }
        };
        let args = read("--max-bandwidth", "100MiB").unwrap();
        assert_eq!(args.max_bandwidth, NonZeroU64::new(100 << 20));
        let args = read("--max-requests", "200").unwrap();
        assert_eq!(args.max_requests, NonZeroU32::new(200));
        assert!(read("--max-bandwidth", "0").is_none());
        assert!(read("--max-requests", "0").is_none());
        assert!(read("--max-requests", "1.5").is_none());
    }

    #[test]
    fn global_options_may_follow_the_command() {
        let words = ["sans3", "ls", "s3://b", "--region", "eu-west-1", "--json"];
        let cli = Cli::try_parse_from(words).unwrap();
        assert_eq!(cli.connection.region.as_deref(), Some("eu-west-1"));
        assert!(cli.output.json);
    }
}
