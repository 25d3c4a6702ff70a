//! The environment of a process, or a made-up one.

use core::fmt;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Environment variables behind a closure, so that tests and embedders can bring their own.
///
/// An empty variable counts as unset, as it does for AWS's own tools: a shell script that clears
/// one by `AWS_PROFILE=` means that.
pub struct Environment {
    lookup: Box<Lookup>,
}

type Lookup = dyn Fn(&str) -> Option<OsString> + Send + Sync;

impl Environment {
    /// An environment in which `lookup` says what a variable holds.
    pub fn new(lookup: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static) -> Self {
        Self {
            lookup: Box::new(lookup),
        }
    }

    /// This process's environment, read anew at every question.
    pub fn from_process() -> Self {
        Self::new(|name| std::env::var_os(name))
    }

    /// The value of a variable that is set and not empty.
    pub fn var(&self, name: &str) -> Option<OsString> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// The user's home directory: `HOME`, then `USERPROFILE`, then `HOMEDRIVE` with `HOMEPATH`
    /// (AWS SDKs and Tools Reference Guide, "Finding your home directory").
    pub fn home(&self) -> Option<PathBuf> {
        let single = self.var("HOME").or_else(|| self.var("USERPROFILE"));
        let home = single.or_else(|| {
            let mut joined = self.var("HOMEDRIVE")?;
            joined.push(self.var("HOMEPATH")?);
            Some(joined)
        });
        home.map(PathBuf::from)
    }

    /// `path` with a leading `~` replaced by the home directory. Only the plain `~` is known: whose
    /// home `~name` is can't be told from the environment.
    pub(crate) fn expand(&self, path: PathBuf) -> PathBuf {
        match (path.strip_prefix("~"), self.home()) {
            (Ok(rest), Some(home)) if rest == Path::new("") => home,
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path,
        }
    }
}

impl fmt::Debug for Environment {
    /// Shows no variable: some hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &'static [(&'static str, &'static str)]) -> Environment {
        Environment::new(move |name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn an_empty_variable_is_unset() {
        let env = environment(&[("HOME", ""), ("USERPROFILE", "/u")]);
        assert_eq!(env.var("HOME"), None);
        assert_eq!(env.home(), Some("/u".into()));
    }

    #[test]
    fn home_is_found_by_each_of_its_names() {
        assert_eq!(environment(&[]).home(), None);
        let both = environment(&[("HOMEDRIVE", "C:"), ("HOMEPATH", "\\me")]);
        assert_eq!(both.home(), Some("C:\\me".into()));
        assert_eq!(environment(&[("HOMEDRIVE", "C:")]).home(), None);
    }

    #[test]
    fn only_a_plain_tilde_is_expanded() {
        let env = environment(&[("HOME", "/h")]);
        let expand = |path: &str| env.expand(path.into());
        assert_eq!(expand("~/a/b"), PathBuf::from("/h/a/b"));
        assert_eq!(expand("~"), PathBuf::from("/h"));
        for kept in ["~other/a", "/a/~/b", "a"] {
            assert_eq!(expand(kept), PathBuf::from(kept));
        }
        assert_eq!(environment(&[]).expand("~/a".into()), PathBuf::from("~/a"));
    }
}
