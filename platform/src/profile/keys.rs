//! Access keys, as a profile or the environment holds them.

use crate::env::Environment;
use crate::secret::Secret;

use super::error::SettingsError;
use super::files::Profile;
use super::settings::{Located, Origin};

const ID: Names = Names::new("AWS_ACCESS_KEY_ID", "aws_access_key_id");
const SECRET: Names = Names::new("AWS_SECRET_ACCESS_KEY", "aws_secret_access_key");
const TOKEN: Names = Names::new("AWS_SESSION_TOKEN", "aws_session_token");

/// An access key with its secret, and the token that belongs to it where it is temporary.
///
/// All three are [`Secret`]s. The id isn't one by itself, but somebody who mixes up the two lines
/// must not find the secret in a log.
#[derive(Clone, Debug)]
pub struct Keys {
    /// `aws_access_key_id`: visible ASCII, not empty.
    pub access_key_id: Secret,
    /// `aws_secret_access_key`: visible ASCII, not empty.
    pub secret_access_key: Secret,
    /// `aws_session_token`: visible ASCII, not empty.
    pub session_token: Option<Secret>,
}

impl Keys {
    /// Keys from the environment; `None` where neither id nor secret is set.
    pub(super) fn from_environment(
        env: &Environment,
    ) -> Result<Option<Located<Self>>, SettingsError> {
        Self::gather(|names| {
            let Some(value) = env.var(names.variable) else {
                return Ok(None);
            };
            let origin = Origin::Variable(names.variable);
            match value.into_string() {
                Ok(text) => Ok(Some(Located::new(text, origin))),
                Err(_) => Err(not_visible(origin)),
            }
        })
        .map_err(|half| half.into_error(|names| names.variable))
    }

    /// Keys from one file's section of a profile; `None` where it has neither id nor secret.
    pub(super) fn from_profile(
        profile: &Profile<'_>,
    ) -> Result<Option<Located<Self>>, SettingsError> {
        Self::gather(|names| profile.text(names.setting))
            .map_err(|half| half.into_error(|names| names.setting))
    }

    /// Whether the environment holds a token that belongs to no keys.
    pub(super) fn stray_token(env: &Environment) -> bool {
        env.var(TOKEN.variable).is_some()
            && env.var(ID.variable).is_none()
            && env.var(SECRET.variable).is_none()
    }

    fn gather(
        mut find: impl FnMut(&Names) -> Result<Option<Located<String>>, SettingsError>,
    ) -> Result<Option<Located<Self>>, Failure> {
        let id = secret(find(&ID)?)?;
        let secret_key = secret(find(&SECRET)?)?;
        let (id, secret_key) = match (id, secret_key) {
            (None, None) => return Ok(None),
            (Some(id), Some(key)) => (id, key),
            (Some(id), None) => return Err(Failure::half(id.origin, &ID, &SECRET)),
            (None, Some(key)) => return Err(Failure::half(key.origin, &SECRET, &ID)),
        };
        let token = secret(find(&TOKEN)?)?;
        let keys = Self {
            access_key_id: id.value,
            secret_access_key: secret_key.value,
            session_token: token.map(|token| token.value),
        };
        Ok(Some(Located::new(keys, id.origin)))
    }
}

/// What one part of a key is called in the two places.
struct Names {
    variable: &'static str,
    setting: &'static str,
}

impl Names {
    const fn new(variable: &'static str, setting: &'static str) -> Self {
        Self { variable, setting }
    }
}

enum Failure {
    Half {
        origin: Origin,
        present: &'static Names,
        missing: &'static Names,
    },
    Other(SettingsError),
}

impl Failure {
    const fn half(origin: Origin, present: &'static Names, missing: &'static Names) -> Self {
        Self::Half {
            origin,
            present,
            missing,
        }
    }

    fn into_error(self, name: impl Fn(&Names) -> &'static str) -> SettingsError {
        match self {
            Self::Half {
                origin,
                present,
                missing,
            } => SettingsError::HalfKeys {
                origin,
                present: name(present),
                missing: name(missing),
            },
            Self::Other(error) => error,
        }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::Other(error)
    }
}

fn secret(found: Option<Located<String>>) -> Result<Option<Located<Secret>>, SettingsError> {
    let Some(Located { value, origin }) = found else {
        return Ok(None);
    };
    let value = Secret::new(value);
    if value.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(Some(Located::new(value, origin)))
    } else {
        Err(not_visible(origin))
    }
}

/// Keys travel in HTTP headers, and a stray newline or quote mark of a copied one is the usual
/// reason for a signature that doesn't match.
const fn not_visible(origin: Origin) -> SettingsError {
    SettingsError::BadValue {
        origin,
        expected: "visible ASCII characters without white space",
    }
}
