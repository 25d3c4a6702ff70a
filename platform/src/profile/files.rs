//! The two shared files, and one profile in them.

use std::path::{Path, PathBuf};

use crate::env::Environment;

use super::error::{Looked, SettingsError, Warning};
use super::file::{ReadError, SharedFile};
use super::ini::{Section, Setting};
use super::settings::{Located, Origin};

/// The profile that is meant where none is named.
pub(super) const DEFAULT: &str = "default";

/// One of the two shared files: the variable that names it, and its name beneath the home directory.
pub(super) struct Place {
    variable: &'static str,
    usual: &'static str,
}

pub(super) const CREDENTIALS: Place = Place {
    variable: "AWS_SHARED_CREDENTIALS_FILE",
    usual: "credentials",
};
pub(super) const CONFIG: Place = Place {
    variable: "AWS_CONFIG_FILE",
    usual: "config",
};

/// What became of a shared file.
pub(super) struct Opened {
    path: Option<PathBuf>,
    file: Option<SharedFile>,
    /// Why there is no `file`.
    absent: &'static str,
}

impl Opened {
    pub(super) fn open(
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

    pub(super) fn profile(&self, matches: impl Fn(&str) -> bool) -> Option<Profile<'_>> {
        let sections = self.file.as_ref()?.document.sections(matches);
        (!sections.is_empty()).then_some(Profile {
            path: self.path.as_deref()?,
            sections,
        })
    }

    /// In the config file profiles are prefixed, but `default` need not be; where it is written both
    /// ways, the prefixed one counts.
    pub(super) fn config_profile(&self, name: &str) -> Option<Profile<'_>> {
        self.profile(|header| prefixed(header, "profile") == Some(name))
            .or_else(|| self.profile(|header| name == DEFAULT && header == DEFAULT))
    }

    pub(super) fn has(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.profile(matches).is_some()
    }

    pub(super) fn looked(&self, profile: Option<&Profile<'_>>) -> Option<Looked> {
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
    /// The file.
    pub(super) const fn path(&self) -> &'a Path {
        self.path
    }

    /// The setting that counts, where there are several under the key.
    pub(super) fn setting(&self, key: &str) -> Option<&'a Setting> {
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

    pub(super) fn origin(&self, line: usize, key: &'static str) -> Origin {
        Origin::File {
            path: self.path.to_owned(),
            line,
            key,
        }
    }
}

/// The profile in both files.
pub(super) struct Files<'a> {
    pub(super) credentials: Option<Profile<'a>>,
    pub(super) config: Option<Profile<'a>>,
    pub(super) looked: Vec<Looked>,
}

impl Files<'_> {
    pub(super) const fn is_missing(&self) -> bool {
        self.credentials.is_none() && self.config.is_none()
    }

    /// The credentials file goes first, as it does for AWS's own tools.
    pub(super) fn text(&self, key: &'static str) -> Result<Option<Located<String>>, SettingsError> {
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
pub(super) fn prefixed<'a>(header: &'a str, kind: &str) -> Option<&'a str> {
    let rest = header.strip_prefix(kind)?;
    let name = rest.trim_start_matches([' ', '\t']);
    let quoted = || name.strip_prefix('"')?.strip_suffix('"');
    (name.len() < rest.len()).then(|| quoted().unwrap_or(name))
}
