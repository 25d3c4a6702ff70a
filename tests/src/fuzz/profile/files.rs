//! The two files where the program looks for them.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use sans3_platform::Environment;
use tempfile::TempDir;

thread_local! {
    /// Made once for a thread: a fuzzer comes by thousands of times in a second.
    static FOLDER: TempDir = tempfile::tempdir()
        .unwrap_or_else(|error| panic!("no temporary folder: {error}"));
}

/// Two files that hold what they should until the next two are written.
pub(super) struct Files {
    config: PathBuf,
    credentials: PathBuf,
}

impl Files {
    pub(super) fn write(config: &[u8], credentials: &[u8]) -> Self {
        let folder = FOLDER.with(|folder| folder.path().to_owned());
        let files = Self {
            config: folder.join("config"),
            credentials: folder.join("credentials"),
        };
        for (path, bytes) in [(&files.config, config), (&files.credentials, credentials)] {
            fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        files
    }

    /// An environment that leads to the files, and perhaps to a profile.
    pub(super) fn environment(&self, profile: Option<&str>) -> Environment {
        let config = self.config.clone().into_os_string();
        let credentials = self.credentials.clone().into_os_string();
        let profile = profile.map(OsString::from);
        Environment::new(move |name| match name {
            "AWS_CONFIG_FILE" => Some(config.clone()),
            "AWS_SHARED_CREDENTIALS_FILE" => Some(credentials.clone()),
            "AWS_PROFILE" => profile.clone(),
            _ => None,
        })
    }
}
