//! What can be wrong with a configuration, in words that say what to do.

use core::fmt;
use std::path::PathBuf;

use super::settings::Origin;

/// Why the settings can't be used as they are. Holds no secret, and no text of a file but names of
/// profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingsError {
    /// A shared file is there and can't be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// A shared file is larger than 1 MiB.
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A line of a shared file is not what it may be.
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A setting has a value that it can't have.
    BadValue {
        /// The setting.
        origin: Origin,
        /// What it should have been.
        expected: &'static str,
    },
    /// The profile asked for is in neither file.
    NoSuchProfile {
        /// Its name.
        profile: String,
        /// Who asked for it.
        origin: Origin,
        /// Where it was looked for.
        looked: Vec<Looked>,
        /// The config file has a section `[name]`, which would have to be `[profile name]`.
        unprefixed: bool,
    },
    /// The profile names a `services` section that the config file does not have.
    NoSuchServices {
        /// The section's name.
        services: String,
        /// The setting that names it.
        origin: Origin,
    },
    /// An access key without its secret, or the other way round.
    HalfKeys {
        /// Where the half that is there comes from.
        origin: Origin,
        /// Its name.
        present: &'static str,
        /// The name of the half that is not there.
        missing: &'static str,
    },
    /// The profile gets its credentials in a way that is not supported yet.
    UnsupportedProfile {
        /// The profile.
        profile: String,
        /// The setting that asks for it.
        origin: Origin,
        /// The way.
        way: Unsupported,
    },
    /// There are no credentials anywhere.
    NoCredentials {
        /// The profile that was looked for.
        profile: String,
        /// The files that were looked into.
        looked: Vec<Looked>,
        /// Whether the environment was left out, because the caller named a profile.
        variables_skipped: bool,
        /// A variable that points to credentials of a kind that is not supported yet.
        unsupported_variable: Option<&'static str>,
    },
}

/// A way to credentials that this crate doesn't know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsupported {
    /// `role_arn`: assuming a role.
    AssumeRole,
    /// `web_identity_token_file`: a role by a web identity.
    WebIdentity,
    /// `sso_session`, `sso_start_url`, `sso_account_id`: IAM Identity Center.
    SingleSignOn,
    /// `login_session`: keys made by `aws login`.
    Login,
    /// `credential_process`: a program that prints keys.
    Process,
}

/// A file in which credentials or a profile were looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The file.
    pub path: PathBuf,
    /// What was there.
    pub found: &'static str,
}

/// Something that works and should be changed nonetheless.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A file that holds secrets can be read or written by other users.
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A shared file in its usual place can't be read, and was passed over.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// `AWS_SESSION_TOKEN` is set without the keys that it belongs to, and was ignored.
    StrayToken,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, reason } => write!(
                f,
                "{path:?} can't be read: {reason}; make it readable, or name another file by \
                 AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE"
            ),
            Self::TooLarge { path } => write!(
                f,
                "{path:?} is larger than 1 MiB, which no AWS configuration is; check that this is \
                 the right file"
            ),
            Self::Malformed {
                path,
                line,
                problem,
            } => write!(f, "{path:?}, line {line}: {problem}"),
            Self::BadValue { origin, expected } => write!(f, "{origin}: expected {expected}"),
            Self::NoSuchProfile {
                profile,
                origin,
                looked,
                unprefixed,
            } => {
                write!(
                    f,
                    "there is no profile {profile:?}, named by {origin}; looked in "
                )?;
                list(f, looked)?;
                if *unprefixed {
                    write!(
                        f,
                        "; the config file has [{0}], which must be written [profile {0}] there",
                        profile.escape_debug()
                    )?;
                }
                Ok(())
            }
            Self::NoSuchServices { services, origin } => write!(
                f,
                "{origin} names the section [services {}], which the config file does not have",
                services.escape_debug()
            ),
            Self::HalfKeys {
                origin,
                present,
                missing,
            } => write!(
                f,
                "{present} is set ({origin}), but {missing} is not; set both in the same place, or \
                 neither"
            ),
            Self::UnsupportedProfile {
                profile,
                origin,
                way,
            } => write!(
                f,
                "profile {profile:?} gets its credentials by {way} ({origin}), which is not \
                 supported yet; run `aws configure export-credentials --profile {} --format env` \
                 and set the variables that it prints",
                profile.escape_debug()
            ),
            Self::NoCredentials {
                profile,
                looked,
                variables_skipped,
                unsupported_variable,
            } => {
                no_credentials(f, profile, looked, *variables_skipped)?;
                match unsupported_variable {
                    Some(name) => write!(
                        f,
                        "; {name} is set, but credentials of that kind are not supported yet"
                    ),
                    None => Ok(()),
                }
            }
        }
    }
}

impl core::error::Error for SettingsError {}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AssumeRole => "assuming a role (role_arn)",
            Self::WebIdentity => "a web identity (web_identity_token_file)",
            Self::SingleSignOn => "single sign-on (sso_session, sso_start_url)",
            Self::Login => "a login session (login_session)",
            Self::Process => "a program (credential_process)",
        })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenToOthers { path, mode } => write!(
                f,
                "{path:?} holds secrets and is open to other users (mode {mode:03o}); run \
                 `chmod 600` on it"
            ),
            Self::Unreadable { path, reason } => {
                write!(f, "{path:?} was passed over: {reason}")
            }
            Self::StrayToken => f.write_str(
                "AWS_SESSION_TOKEN is set without AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and \
                 was ignored",
            ),
        }
    }
}

fn no_credentials(
    f: &mut fmt::Formatter<'_>,
    profile: &str,
    looked: &[Looked],
    variables_skipped: bool,
) -> fmt::Result {
    write!(f, "no credentials found: looked ")?;
    if variables_skipped {
        write!(
            f,
            "for profile {profile:?} alone, since it was asked for, in "
        )?;
    } else {
        write!(
            f,
            "at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (not set), and for profile \
             {profile:?} in "
        )?;
    }
    list(f, looked)?;
    let or = if variables_skipped {
        ""
    } else {
        "set the two variables, or "
    };
    write!(
        f,
        "; {or}put aws_access_key_id and aws_secret_access_key into the profile"
    )
}

fn list(f: &mut fmt::Formatter<'_>, looked: &[Looked]) -> fmt::Result {
    if looked.is_empty() {
        return f.write_str("no file (neither HOME nor AWS_CONFIG_FILE is set)");
    }
    for (index, place) in looked.iter().enumerate() {
        let and = if index == 0 { "" } else { " and " };
        write!(f, "{and}{:?} ({})", place.path, place.found)?;
    }
    Ok(())
}
