//! From options, environment and shared files to the settings of a session.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use sans3_core::endpoint::{AddressingStyle, BucketName, Endpoint, Region};
use sans3_core::retry::{RetryMode, RetryPolicy};
use sans3_core::session::{CredentialSource, SessionConfig};
use sans3_core::sign::Credentials;
use sans3_platform::profile::Keys;
use sans3_platform::{Environment, Proxy, ProxyRules, Settings};
use sans3_runtime::net::Origin;
use sans3_runtime::{ClientConfig, Trace};

use crate::args::{ConnectionArgs, RetryModeArg, TransferArgs};
use crate::engine::{Engine, Runtime};
use crate::exit::{Failure, Site};
use crate::operand::s3_uri;
use crate::output::Output;
use crate::resolve;
use crate::size::Size;
use crate::trace::Recording;

/// Where to, as whom, and how patiently.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) endpoint: Endpoint,
    pub(crate) credentials: CredentialSource,
    pub(crate) ca_bundle: Option<PathBuf>,
    proxy: ProxyRules,
    resolve: BTreeMap<String, Vec<IpAddr>>,
    runtime: Runtime,
    trace: Option<PathBuf>,
    recording: Recording,
}

impl Connection {
    /// Finds everything that a request needs. What is merely unwise is said on stderr.
    ///
    /// # Errors
    /// Configuration: what is missing or wrong, and where it can be set.
    pub(crate) fn resolve(
        args: &ConnectionArgs,
        env: &Environment,
        output: &Output,
    ) -> Result<Self, Failure> {
        let settings = Settings::resolve(env, args.profile.as_deref())
            .map_err(|error| Failure::configuration(error.to_string()))?;
        for warning in &settings.warnings {
            output.warn(&warning.to_string())?;
        }
        let endpoint = endpoint(args, &settings)?;
        let credentials = if args.no_sign_request {
            CredentialSource::Anonymous
        } else {
            match &settings.credentials {
                Ok(found) => CredentialSource::Static(Arc::new(credentials(&found.value)?)),
                Err(error) => {
                    return Err(Failure::configuration(error.to_string())
                        .with_advice("for a public bucket, pass --no-sign-request"));
                }
            }
        };
        let ca_bundle = args.ca_bundle.clone();
        let ca_bundle = ca_bundle.or_else(|| settings.ca_bundle.map(|found| found.value));
        Ok(Self {
            endpoint,
            credentials,
            ca_bundle,
            proxy: proxy(args, env)?,
            resolve: resolve::merge(&args.resolve),
            runtime: args.runtime.unwrap_or_default(),
            trace: args.trace.clone(),
            recording: args.recording.clone(),
        })
    }

    /// What advice about failures needs to know.
    pub(crate) fn site(&self, bucket: &BucketName, key: &[u8]) -> Site {
        Site {
            region: self.endpoint.region().to_string(),
            endpoint: self.endpoint.is_custom().then(|| self.endpoint.to_string()),
            proxy: self.proxy_for(bucket),
            anonymous: matches!(self.credentials, CredentialSource::Anonymous),
            uri: s3_uri(bucket, key),
            bucket: bucket.to_string(),
        }
    }

    /// The settings of a session on this connection.
    ///
    /// # Errors
    /// Usage: bounds that nothing fits into.
    pub(crate) fn session(
        &self,
        args: &ConnectionArgs,
        transfer: &TransferArgs,
    ) -> Result<SessionConfig, Failure> {
        let mut config = SessionConfig::new(self.endpoint.clone(), self.credentials.clone());
        config.retry = RetryPolicy::new(match args.retry_mode {
            RetryModeArg::Y2026 => RetryMode::Standard2026,
            RetryModeArg::Y2020 => RetryMode::Standard2020,
        });
        if let Some(attempts) = args.max_attempts {
            config.retry.max_attempts = attempts;
            config.part_attempts = attempts;
        }
        let timeouts = &mut config.timeouts;
        if let Some(connect) = args.connect_timeout {
            timeouts.connect = connect.0;
        }
        if let Some(read) = args.read_timeout {
            timeouts.head = read.0;
            timeouts.idle = read.0;
            timeouts.stall_window = timeouts.stall_window.max(read.0);
            timeouts.complete = timeouts.complete.max(read.0);
        }
        bound(&mut config, transfer)?;
        Ok(config)
    }

    /// A client for commands that move no payload.
    ///
    /// # Errors
    /// Configuration, as of [`client`](Self::client).
    pub(crate) fn small_client(&self, args: &ConnectionArgs) -> Result<Engine, Failure> {
        self.client(self.session(args, &TransferArgs::default())?)
    }

    /// A client. Must be called inside a runtime.
    ///
    /// # Errors
    /// Configuration: a CA bundle that can't be read, for example. A trace that can't be begun.
    pub(crate) fn client(&self, session: SessionConfig) -> Result<Engine, Failure> {
        let path = self.trace.as_deref();
        let trace = path.map(|path| self.recording.begin(path)).transpose()?;
        self.recorded_client(session, trace).inspect_err(|_| {
            // Nothing was recorded, and the next try is to find the name free.
            let _ = path.map(std::fs::remove_file);
        })
    }

    /// As [`client`](Self::client), with what it does told to `trace`, whatever the user wants.
    ///
    /// # Errors
    /// Configuration, as of [`client`](Self::client).
    pub(crate) fn recorded_client(
        &self,
        session: SessionConfig,
        trace: Option<Trace>,
    ) -> Result<Engine, Failure> {
        let mut config = ClientConfig::new(session);
        config.ca_bundle.clone_from(&self.ca_bundle);
        config.proxy.clone_from(&self.proxy);
        config.resolve.clone_from(&self.resolve);
        config.trace = trace;
        Engine::new(self.runtime, config).map_err(|error| Failure::configuration(error.to_string()))
    }

    /// What carries out the requests.
    pub(crate) const fn runtime(&self) -> Runtime {
        self.runtime
    }

    /// The proxy that requests about the bucket go through, if any.
    fn proxy_for(&self, bucket: &BucketName) -> Option<String> {
        let address = self.endpoint.address(bucket, None);
        let uri = format!("{}://{}/", address.scheme(), address.authority());
        let origin = Origin::of(&uri.parse().ok()?);
        let proxy = self
            .proxy
            .for_host(origin.is_secure(), origin.host(), origin.port());
        proxy.map(Proxy::to_string)
    }
}

/// Applies the bounds on concurrency and memory.
///
/// # Errors
/// Usage: memory in which not even one exchange has room.
pub(crate) fn bound(config: &mut SessionConfig, args: &TransferArgs) -> Result<(), Failure> {
    if let Some(concurrency) = args.concurrency {
        config.concurrency = concurrency;
    }
    config.max_bandwidth = args.max_bandwidth;
    config.max_requests = args.max_requests;
    if let Some(Size(memory)) = args.memory {
        let least = config.exchange_memory;
        if memory < least {
            let (least, seen) = (Size(least), Size(memory));
            return Err(Failure::usage(format!(
                "--memory: expected at least {least}, got {seen}"
            )));
        }
        config.memory = memory;
    }
    Ok(())
}

fn endpoint(args: &ConnectionArgs, settings: &Settings) -> Result<Endpoint, Failure> {
    let wrong = |error: sans3_core::error::SpecError| Failure::configuration(error.to_string());
    let url = args.endpoint_url.as_deref();
    let url = url.or_else(|| {
        settings
            .endpoint_url
            .as_ref()
            .map(|found| found.value.as_str())
    });
    let region = args.region.as_deref();
    let region = region.or_else(|| settings.region.as_ref().map(|found| found.value.as_str()));
    let region = match (region, url) {
        (Some(region), _) => Region::new(region).map_err(wrong)?,
        // Servers other than Amazon's seldom have regions, and call the one they have so.
        (None, Some(_)) => Region::new("us-east-1").map_err(wrong)?,
        (None, None) => {
            return Err(Failure::configuration("no region is set").with_advice(
                "set AWS_REGION or --region to the region of the bucket, eu-west-1 for example; \
                 for a server other than Amazon's, set AWS_ENDPOINT_URL_S3 or --endpoint-url",
            ));
        }
    };
    let endpoint = match url {
        Some(url) => Endpoint::custom(url, region).map_err(wrong)?,
        None => Endpoint::aws(region),
    };
    let style = match (args.path_style, args.virtual_host) {
        (true, _) => AddressingStyle::Path,
        (_, true) => AddressingStyle::VirtualHost,
        _ => AddressingStyle::Auto,
    };
    endpoint.with_style(style).map_err(wrong)
}

/// By the command line, else by the environment.
fn proxy(args: &ConnectionArgs, env: &Environment) -> Result<ProxyRules, Failure> {
    if args.no_proxy {
        return Ok(ProxyRules::default());
    }
    match &args.proxy {
        Some(url) => Proxy::parse(url.expose())
            .map(ProxyRules::all)
            // The error begins with "proxy: ".
            .map_err(|error| Failure::usage(format!("--{error}"))),
        None => ProxyRules::from_env(env).map_err(|error| {
            Failure::configuration(error.to_string())
                .with_advice("set the variable right, or pass --no-proxy")
        }),
    }
}

fn credentials(keys: &Keys) -> Result<Credentials, Failure> {
    let token = keys.session_token.as_ref().map(|token| token.expose());
    Credentials::new(
        keys.access_key_id.expose(),
        keys.secret_access_key.expose(),
        token,
    )
    .map_err(|error| Failure::configuration(error.to_string()))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Cli;

    fn resolve(
        words: &[&str],
        env: &[(&'static str, &'static str)],
    ) -> Result<Connection, Failure> {
        let env = env.to_vec();
        let env = Environment::new(move |name| {
            env.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.into())
        });
        let cli = [&["sans3"], words, &["ls", "s3://b"]].concat();
        let cli = Cli::try_parse_from(cli).unwrap();
        Connection::resolve(&cli.connection, &env, &Output::new(cli.output))
    }

    const KEYS: [(&str, &str); 2] = [
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "canary-secret"),
    ];

    #[test]
    fn a_missing_region_is_an_error_on_aws_alone() {
        let failure = resolve(&[], &KEYS).unwrap_err();
        assert_eq!(failure.kind.code(), 3);
        assert!(failure.advice.unwrap().contains("AWS_REGION"));
        let connection = resolve(&["--endpoint-url", "http://127.0.0.1:9000"], &KEYS).unwrap();
        assert_eq!(connection.endpoint.region().as_str(), "us-east-1");
        assert_eq!(connection.endpoint.to_string(), "http://127.0.0.1:9000");
    }

    #[test]
    fn options_go_before_the_environment() {
        let env = [KEYS[0], KEYS[1], ("AWS_REGION", "eu-west-1")];
        let region = |words: &[&str]| resolve(words, &env).unwrap().endpoint.region().to_string();
        assert_eq!(region(&[]), "eu-west-1");
        assert_eq!(region(&["--region", "eu-north-1"]), "eu-north-1");
    }

    #[test]
    fn missing_credentials_are_no_error_without_signing() {
        let failure = resolve(&["--region", "us-east-1"], &[]).unwrap_err();
        assert_eq!(failure.kind.code(), 3);
        let connection = resolve(&["--region", "us-east-1", "--no-sign-request"], &[]).unwrap();
        assert!(matches!(
            connection.credentials,
            CredentialSource::Anonymous
        ));
    }

    #[test]
    fn adversary_90_a_url_with_a_password_is_refused_and_not_repeated() {
        let words = ["--endpoint-url", "https://user:canary@host"];
        let failure = resolve(&words, &KEYS).unwrap_err();
        assert_eq!(failure.kind.code(), 3);
        assert!(!format!("{failure:?}").contains("canary"));
        let connection = resolve(&["--region", "us-east-1"], &KEYS).unwrap();
        assert!(!format!("{connection:?}").contains("canary"));
    }
}
