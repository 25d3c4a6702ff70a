//! What is to be done.

use std::env;
use std::io;
use std::num::{NonZeroU16, NonZeroU64};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::session::{ChecksumPlacement, CredentialSource, SessionConfig};
use sans3_core::sign::Credentials;
use sans3_core::transfer::{Confirm, Download, Length, Upload};
use sans3_runtime::{ClientConfig, WriteAt};

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What `OP` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Get,
    Put,
}

/// One job.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) kind: Kind,
    pub(crate) runtime: String,
    /// How many objects, and whether their names are numbered.
    pub(crate) count: u64,
    many: bool,
    endpoint: String,
    bucket: BucketName,
    key: String,
    file: Option<PathBuf>,
    size: Option<u64>,
    /// Bytes a part, and how many at once; the defaults otherwise.
    equal: Option<(NonZeroU64, NonZeroU16)>,
    ca_bundle: Option<PathBuf>,
    checksums: ChecksumPlacement,
    confirm: Confirm,
}

/// A target that drops what it gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dropped;

impl Job {
    pub(crate) fn from_env() -> Result<Self, Failure> {
        let op: String = required("OP")?;
        let (kind, many) = match op.as_str() {
            "get" | "start" => (Kind::Get, false),
            "put" => (Kind::Put, false),
            "getmany" => (Kind::Get, true),
            "putmany" => (Kind::Put, true),
            other => {
                let expected = "OP: expected get, put, getmany, putmany or start, not";
                return Err(format!("{expected} {other:?}").into());
            }
        };
        let start = op == "start";
        let equal = if required::<String>("MODE")? == "eq" {
            Some((required("PART")?, required("CONC")?))
        } else {
            None
        };
        Ok(Self {
            kind,
            runtime: required("SANS3_RUNTIME")?,
            count: if many { required("COUNT")? } else { 1 },
            many,
            endpoint: required("ENDPOINT")?,
            bucket: BucketName::new(&required::<String>("BUCKET")?)?,
            key: if start {
                "synthetic/65536".into()
            } else {
                required("KEY")?
            },
            file: optional("FILE")?,
            size: if start {
                Some(65_536)
            } else {
                optional("SIZE")?.filter(|size| *size > 0)
            },
            equal,
            ca_bundle: optional("AWS_CA_BUNDLE")?,
            checksums: choice(
                "CHECKSUMS",
                ChecksumPlacement::Auto,
                &[
                    ("header", ChecksumPlacement::Header),
                    ("trailer", ChecksumPlacement::Trailer),
                ],
            )?,
            confirm: choice("CONFIRM", Confirm::Unproved, &[("never", Confirm::Never)])?,
        })
    }

    /// How a client for it is made.
    pub(crate) fn config(&self) -> Result<ClientConfig, Failure> {
        let endpoint = Endpoint::custom(&self.endpoint, Region::new("us-east-1")?)?;
        let key = optional("AWS_ACCESS_KEY_ID")?.unwrap_or_else(|| "x".to_owned());
        let secret = optional("AWS_SECRET_ACCESS_KEY")?.unwrap_or_else(|| "y".to_owned());
        let credentials = Credentials::new(&key, &secret, None)?;
        let credentials = CredentialSource::Static(Arc::new(credentials));
        let mut session = SessionConfig::new(endpoint, credentials);
        session.checksums = self.checksums;
        if let Some((_, concurrency)) = self.equal {
            session.concurrency = concurrency.into();
        }
        let mut config = ClientConfig::new(session);
        config.ca_bundle.clone_from(&self.ca_bundle);
        Ok(config)
    }

    /// How many objects are to be moved at once, where there are many.
    pub(crate) fn at_once(&self) -> usize {
        self.equal.map_or(16, |(_, count)| usize::from(count.get()))
    }

    pub(crate) fn download(&self, number: u64) -> Result<Download, Failure> {
        Ok(Download {
            part_size: self.equal.map(|(part, _)| part),
            size_hint: self.size,
            ..Download::new(self.bucket.clone(), self.key(number)?)
        })
    }

    pub(crate) fn upload(&self, number: u64) -> Result<Upload, Failure> {
        let length = Length::Known(self.size.unwrap_or(0));
        Ok(Upload {
            part_size: self.equal.map(|(part, _)| part),
            confirm: self.confirm,
            ..Upload::new(self.bucket.clone(), self.key(number)?, length)
        })
    }

    /// Where the bytes of an object go to or come from.
    pub(crate) fn path(&self, number: u64) -> Option<PathBuf> {
        let file = self.file.as_ref()?;
        Some(if self.many {
            file.join(numbered(number))
        } else {
            file.clone()
        })
    }

    fn key(&self, number: u64) -> Result<ObjectKey, Failure> {
        let key = if self.many {
            format!("{}/{}", self.key, numbered(number))
        } else {
            self.key.clone()
        };
        Ok(ObjectKey::new(key)?)
    }
}

impl WriteAt for Dropped {
    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Ok(())
    }

    fn is_quick(&self) -> bool {
        true
    }

    fn finish(&self, _: u64) -> io::Result<()> {
        Ok(())
    }
}

fn numbered(number: u64) -> String {
    format!("{number:06}")
}

/// The value of a variable; an empty one is none.
fn optional<T: FromStr>(name: &str) -> Result<Option<T>, Failure>
where
    T::Err: std::fmt::Display,
{
    let Some(value) = env::var(name).ok().filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    match value.parse() {
        Ok(parsed) => Ok(Some(parsed)),
        Err(error) => Err(format!("{name}={value}: {error}").into()),
    }
}

/// What one of a few words stands for.
fn choice<T: Copy>(name: &str, default: T, words: &[(&str, T)]) -> Result<T, Failure> {
    let Some(word) = optional::<String>(name)? else {
        return Ok(default);
    };
    let found = words.iter().find(|(known, _)| *known == word);
    let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
    found
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| format!("{name}: expected {}, not {word:?}", known.join(" or ")).into())
}

fn required<T: FromStr>(name: &str) -> Result<T, Failure>
where
    T::Err: std::fmt::Display,
{
    optional(name)?.ok_or_else(|| format!("the variable {name} is not set").into())
}
