//! The search itself.

use core::fmt;
use std::path::{Path, PathBuf};

use crate::env::Environment;

use super::error::{Looked, SettingsError, Unsupported, Warning};
use super::file::{ReadError, SharedFile};
use super::ini::{Section, Setting};
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

const DEFAULT: &str = "default";

/// One of the two shared files: the variable that names it, and its name beneath the home directory.
struct Place {
    variable: &'static str,
    usual: &'static str,
}

const CREDENTIALS: Place = Place {
    variable: "AWS_SHARED_CREDENTIALS_FILE",
    usual: "credentials",
};
const CONFIG: Place = Place {
    variable: "AWS_CONFIG_FILE",
    usual: "config",
};

/// What became of a shared file.
struct Opened {
    path: Option<PathBuf>,
    file: Option<SharedFile>,
    /// Why there is no `file`.
    absent: &'static str,
}

impl Opened {
    fn open(
        env: &Environment,
        place: &Place,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, SettingsError> {
        let named = env.var(place.variable).map(|path| env.expand(path.into()));
        let is_named = named.is_some();
        let usual = || env.home().map(|home| home.join(".aws").join(place.usual));
        let Some(path) = named.or_else(usual) else {
            return Ok(Self {
                path: None,
                file: None,
                absent: "",
            });
        };
        let (file, absent) = match SharedFile::read(&path) {
            Ok(file) => (file, "no such file"),
            Err(ReadError::Settings(error)) => return Err(error),
            // A container that runs under another user than its image expects has a home directory
            // that it can't read. Nobody named the file, so nobody misses it.
            Err(ReadError::Io(error))
                if !is_named && error.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                warnings.push(Warning::Unreadable {
                    path: path.clone(),
                    reason: error.to_string(),
                });
                (None, "may not be read")
            }
            Err(ReadError::Io(error)) => {
                let reason = error.to_string();
                return Err(SettingsError::Unreadable { path, reason });
            }
        };
        if let Some(mode) = file.as_ref().and_then(exposed) {
            let path = path.clone();
            warnings.push(Warning::OpenToOthers { path, mode });
        }
        Ok(Self {
            path: Some(path),
            file,
            absent,
        })
    }

    fn profile(&self, matches: impl Fn(&str) -> bool) -> Option<Profile<'_>> {
        let sections = self.file.as_ref()?.document.sections(matches);
        (!sections.is_empty()).then_some(Profile {
            path: self.path.as_deref()?,
            sections,
        })
    }

    /// In the config file profiles are prefixed, but `default` need not be; where it is written both
    /// ways, the prefixed one counts.
    fn config_profile(&self, name: &str) -> Option<Profile<'_>> {
        self.profile(|header| prefixed(header, "profile") == Some(name))
            .or_else(|| self.profile(|header| name == DEFAULT && header == DEFAULT))
    }

    fn has(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.profile(matches).is_some()
    }

    fn looked(&self, profile: Option<&Profile<'_>>) -> Option<Looked> {
        let found = match (&self.file, profile) {
            (None, _) => self.absent,
            (Some(_), None) => "no such profile",
            (Some(_), Some(_)) => "no keys in that profile",
        };
        let path = self.path.clone()?;
        Some(Looked { path, found })
    }
}

/// One profile in one file.
pub(super) struct Profile<'a> {
    path: &'a Path,
    sections: Vec<&'a Section>,
}

impl<'a> Profile<'a> {
    fn setting(&self, key: &str) -> Option<&'a Setting> {
        let mut latest_first = self.sections.iter().rev();
        latest_first.find_map(|section| section.setting(key))
    }

    /// A setting of one line; an empty one counts as absent.
    pub(super) fn text(&self, key: &'static str) -> Result<Option<Located<String>>, SettingsError> {
        let Some(setting) = self.setting(key) else {
            return Ok(None);
        };
        let value = setting
            .single()
            .map_err(|problem| problem.within(self.path))?;
        let found = Located::new(value.to_owned(), self.origin(setting.line, key));
        Ok(Some(found).filter(|found| !found.value.is_empty()))
    }

    fn origin(&self, line: usize, key: &'static str) -> Origin {
        Origin::File {
            path: self.path.to_owned(),
            line,
            key,
        }
    }
}

/// The profile in both files.
struct Files<'a> {
    credentials: Option<Profile<'a>>,
    config: Option<Profile<'a>>,
    looked: Vec<Looked>,
}

impl Files<'_> {
    const fn is_missing(&self) -> bool {
        self.credentials.is_none() && self.config.is_none()
    }

    /// The credentials file goes first, as it does for AWS's own tools.
    fn text(&self, key: &'static str) -> Result<Option<Located<String>>, SettingsError> {
        for profile in [&self.credentials, &self.config].into_iter().flatten() {
            if let Some(found) = profile.text(key)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// The permission bits of a file that holds secrets and is open to others.
fn exposed(file: &SharedFile) -> Option<u32> {
    let mut settings = file.document.sections.iter().flat_map(|s| &s.settings);
    let secrets = ["aws_secret_access_key", "aws_session_token"];
    settings
        .any(|setting| secrets.contains(&setting.key.as_str()))
        .then_some(file.open_to_others)?
}

/// The name in a header of the form `kind name`, where the name may stand in quotes.
fn prefixed<'a>(header: &'a str, kind: &str) -> Option<&'a str> {
    let rest = header.strip_prefix(kind)?;
    let name = rest.trim_start_matches([' ', '\t']);
    let quoted = || name.strip_prefix('"')?.strip_suffix('"');
    (name.len() < rest.len()).then(|| quoted().unwrap_or(name))
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
        .map_err(|problem| problem.within(section.path))?;
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
