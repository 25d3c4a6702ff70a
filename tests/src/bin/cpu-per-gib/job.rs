//! The jobs, told to each contender by the variables that `bench-driver` reads.

use std::path::Path;

/// The bucket of all objects.
pub(crate) const BUCKET: &str = "bench";

/// Bytes of a part, and exchanges at once.
pub(crate) const PART: u64 = 8 << 20;
pub(crate) const AT_ONCE: u64 = 16;

/// Bytes of a small object.
pub(crate) const SMALL: u64 = 64 << 10;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    Down,
    DownFile,
    Up,
    GetSmall,
    PutSmall,
}

impl Job {
    pub(crate) const ALL: [Self; 5] = [
        Self::Down,
        Self::DownFile,
        Self::Up,
        Self::GetSmall,
        Self::PutSmall,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::DownFile => "down-file",
            Self::Up => "up",
            Self::GetSmall => "get-64k",
            Self::PutSmall => "put-64k",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|job| job.name() == name)
    }

    pub(crate) const fn is_small(self) -> bool {
        matches!(self, Self::GetSmall | Self::PutSmall)
    }

    /// The file or directory that it writes, which must be gone before.
    pub(crate) const fn output(self) -> Option<&'static str> {
        match self {
            Self::DownFile => Some("out"),
            Self::GetSmall => Some("many-out"),
            Self::Down | Self::Up | Self::PutSmall => None,
        }
    }

    /// The variables that tell it: objects of so many bytes, `objects` of them where there are many.
    pub(crate) fn variables(
        self,
        dir: &Path,
        len: u64,
        objects: u64,
    ) -> Vec<(&'static str, String)> {
        let (op, key, file) = match self {
            Self::Down => ("get", "large", None),
            Self::DownFile => ("get", "large", Some("out")),
            Self::Up => ("put", "up", Some("in")),
            Self::GetSmall => ("getmany", "many", Some("many-out")),
            Self::PutSmall => ("putmany", "many-up", Some("many-in")),
        };
        let file = file.map_or(String::new(), |file| dir.join(file).display().to_string());
        let size = if self.is_small() { SMALL } else { len };
        vec![
            ("OP", op.into()),
            ("BUCKET", BUCKET.into()),
            ("KEY", key.into()),
            ("FILE", file),
            ("SIZE", size.to_string()),
            ("PART", PART.to_string()),
            ("CONC", AT_ONCE.to_string()),
            ("COUNT", objects.to_string()),
            ("MODE", "eq".into()),
        ]
    }
}
