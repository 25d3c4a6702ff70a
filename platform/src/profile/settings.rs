//! What is searched for, and in which order.

use core::fmt;
use std::path::PathBuf;

use crate::env::Environment;

use super::error::{SettingsError, Unsupported, Warning};
use super::files::{CONFIG, CREDENTIALS, DEFAULT, Files, Opened, prefixed};
use super::keys::Keys;

/// What was found, each with where it came from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The keys to sign with, or why there are none. An error here is no error of the whole: a
    /// public bucket needs no keys.
    pub credentials: Result<Located<Keys>, SettingsError>,
    /// The region. Not checked beyond being there: what a region may be called is S3's matter.
    pub region: Option<Located<String>>,
    /// The endpoint to use in place of AWS's own. Not checked either.
    pub endpoint_url: Option<Located<String>>,
    /// A PEM file of certificate authorities to trust in place of the system's.
    pub ca_bundle: Option<Located<PathBuf>>,
    /// The profile that was read.
    pub profile: Located<String>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// A value with where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The caller: an option on the command line, say.
    Argument,
    /// This environment variable.
    Variable(&'static str),
    /// A line of a shared file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The setting's name.
        key: &'static str,
    },
    /// Nobody said anything.
    Default,
}

impl Settings {
    /// Searches the environment and the files that it leads to. `profile` is the caller's choice of
    /// a profile: it goes before `AWS_PROFILE`, and its keys before those of the environment.
    ///
    /// # Errors
    /// A file that is malformed, too large or, where a variable names it, unreadable; a profile that
    /// was asked for and is in neither file; a setting with an impossible value. What concerns the
    /// keys alone is in [`Settings::credentials`].
    pub fn resolve(env: &Environment, profile: Option<&str>) -> Result<Self, SettingsError> {
        let mut warnings = Vec::new();
        let name = profile_name(env, profile)?;
        let credentials_file = Opened::open(env, &CREDENTIALS, &mut warnings)?;
        let config_file = Opened::open(env, &CONFIG, &mut warnings)?;
        let credentials_part = credentials_file.profile(|header| header == name.value);
        let config_part = config_file.config_profile(&name.value);
        let looked = [
            credentials_file.looked(credentials_part.as_ref()),
            config_file.looked(config_part.as_ref()),
        ];
        let files = Files {
            credentials: credentials_part,
            config: config_part,
            looked: looked.into_iter().flatten().collect(),
        };
        if name.value != DEFAULT && files.is_missing() {
            return Err(SettingsError::NoSuchProfile {
                unprefixed: config_file.has(|header| header == name.value),
                profile: name.value,
                origin: name.origin,
                looked: files.looked,
            });
        }
        if Keys::stray_token(env) {
            warnings.push(Warning::StrayToken);
        }
        let ca_bundle =
            text(env, "AWS_CA_BUNDLE")?.map_or_else(|| files.text("ca_bundle"), some)?;
        Ok(Self {
            credentials: credentials(env, &name, &files),
            region: region(env, &files)?,
            endpoint_url: endpoint_url(env, &files, &config_file)?,
            ca_bundle: ca_bundle.map(|found| found.map(|path| env.expand(path.into()))),
            profile: name,
            warnings,
        })
    }
}

impl<T> Located<T> {
    /// A value with its origin.
    pub const fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located::new(change(self.value), self.origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument => f.write_str("the caller"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::File { path, line, key } => write!(f, "{key} in {path:?}, line {line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

fn profile_name(
    env: &Environment,
    argument: Option<&str>,
) -> Result<Located<String>, SettingsError> {
    if let Some(name) = argument {
        return Ok(Located::new(name.to_owned(), Origin::Argument));
    }
    let named = text(env, "AWS_PROFILE")?;
    Ok(named.unwrap_or_else(|| Located::new(DEFAULT.to_owned(), Origin::Default)))
}

fn credentials(
    env: &Environment,
    name: &Located<String>,
    files: &Files<'_>,
) -> Result<Located<Keys>, SettingsError> {
    let variables_skipped = name.origin == Origin::Argument;
    if !variables_skipped && let Some(keys) = Keys::from_environment(env)? {
        return Ok(keys);
    }
    // A role or a sign-on is meant to be used even where keys stand beside it: they are what the
    // role is assumed with. A program is asked only where the credentials file has no keys.
    refuse(&name.value, files, &BEFORE_KEYS)?;
    if let Some(profile) = &files.credentials
        && let Some(keys) = Keys::from_profile(profile)?
    {
        return Ok(keys);
    }
    refuse(&name.value, files, &AFTER_KEYS)?;
    if let Some(profile) = &files.config
        && let Some(keys) = Keys::from_profile(profile)?
    {
        return Ok(keys);
    }
    let unsupported_variable = [
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ]
    .into_iter()
    .find(|name| env.var(name).is_some());
    Err(SettingsError::NoCredentials {
        profile: name.value.clone(),
        looked: files.looked.clone(),
        variables_skipped,
        unsupported_variable,
    })
}

const BEFORE_KEYS: [(&str, Unsupported); 6] = [
    ("web_identity_token_file", Unsupported::WebIdentity),
    ("role_arn", Unsupported::AssumeRole),
    ("sso_session", Unsupported::SingleSignOn),
    ("sso_start_url", Unsupported::SingleSignOn),
    ("sso_account_id", Unsupported::SingleSignOn),
    ("login_session", Unsupported::Login),
];
const AFTER_KEYS: [(&str, Unsupported); 1] = [("credential_process", Unsupported::Process)];

fn refuse(
    profile: &str,
    files: &Files<'_>,
    ways: &[(&'static str, Unsupported)],
) -> Result<(), SettingsError> {
    for &(key, way) in ways {
        if let Some(found) = files.text(key)? {
            return Err(SettingsError::UnsupportedProfile {
                profile: profile.to_owned(),
                origin: found.origin,
                way,
            });
        }
    }
    Ok(())
}

fn region(env: &Environment, files: &Files<'_>) -> Result<Option<Located<String>>, SettingsError> {
    for variable in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        if let Some(found) = text(env, variable)? {
            return Ok(Some(found));
        }
    }
    files.text("region")
}

fn endpoint_url(
    env: &Environment,
    files: &Files<'_>,
    config: &Opened,
) -> Result<Option<Located<String>>, SettingsError> {
    let ignored = match text(env, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")? {
        Some(found) => Some(found),
        None => files.text("ignore_configured_endpoint_urls")?,
    };
    if let Some(ignored) = ignored
        && truth(ignored)?
    {
        return Ok(None);
    }
    for variable in ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"] {
        if let Some(found) = text(env, variable)? {
            return Ok(Some(found));
        }
    }
    match files.text("services")? {
        Some(services) => {
            services_endpoint(config, services)?.map_or_else(|| files.text("endpoint_url"), some)
        }
        None => files.text("endpoint_url"),
    }
}

/// `endpoint_url` beneath `s3 =` in the section `[services name]`.
fn services_endpoint(
    config: &Opened,
    services: Located<String>,
) -> Result<Option<Located<String>>, SettingsError> {
    let name = services.value;
    let Some(section) = config.profile(|header| prefixed(header, "services") == Some(&name)) else {
        return Err(SettingsError::NoSuchServices {
            services: name,
            origin: services.origin,
        });
    };
    let Some(s3) = section.setting("s3") else {
        return Ok(None);
    };
    let found = s3
        .nested("endpoint_url")
        .map_err(|problem| problem.within(section.path()))?;
    Ok(found
        .filter(|(_, url)| !url.is_empty())
        .map(|(line, url)| Located::new(url.to_owned(), section.origin(line, "endpoint_url"))))
}

fn truth(found: Located<String>) -> Result<bool, SettingsError> {
    match found.value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(SettingsError::BadValue {
            origin: found.origin,
            expected: "true or false",
        }),
    }
}

/// A variable without the white space around it.
fn text(
    env: &Environment,
    variable: &'static str,
) -> Result<Option<Located<String>>, SettingsError> {
    let Some(value) = env.var(variable) else {
        return Ok(None);
    };
    let origin = Origin::Variable(variable);
    match value.into_string() {
        Ok(value) => Ok(Some(Located::new(value.trim().to_owned(), origin))
            .filter(|found| !found.value.is_empty())),
        Err(_) => Err(SettingsError::BadValue {
            origin,
            expected: "UTF-8 text",
        }),
    }
}

const fn some<T>(found: Located<T>) -> Result<Option<Located<T>>, SettingsError> {
    Ok(Some(found))
}
