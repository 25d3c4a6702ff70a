//! `--trace FILE`: what the session did, for a report of a bug.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use sans3_runtime::Trace;

use crate::exit::{Failure, Kind};

/// The recording of this run, if there is one. Clones are of the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recording(Arc<OnceLock<(Trace, PathBuf)>>);

impl Recording {
    /// Begins it, in a new file that nobody else may read.
    ///
    /// # Errors
    /// The system's; also where there is such a file.
    pub(crate) fn begin(&self, path: &Path) -> Result<Trace, Failure> {
        let file = create(path).map_err(|error| {
            let failure = Failure::io("creating the trace", path, &error);
            match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    failure.with_advice("nothing was sent; name a file that does not exist yet")
                }
                _ => failure,
            }
        })?;
        let trace = Trace::new(file);
        // One command has one client.
        let _ = self.0.set((trace.clone(), path.to_owned()));
        Ok(trace)
    }

    /// Writes what is left of it.
    ///
    /// # Errors
    /// Why it is not whole.
    pub(crate) fn end(&self) -> Result<(), Failure> {
        let Some((trace, path)) = self.0.get() else {
            return Ok(());
        };
        trace.close().map_err(|error| {
            let path = path.display();
            let message = format!("the trace {path} could not be written: {error}");
            let advice = "the command did all else, and the trace holds what came before";
            Failure::new(Kind::Transfer, message).with_advice(advice)
        })
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
