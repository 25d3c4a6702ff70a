//! `sans3 cp`: one file up, or one object down.

use std::fs::{File, Metadata};
use std::io;
use std::num::NonZeroU64;
use std::path::Path;
use std::time::Duration;

use sans3_core::checksum::Algorithm;
use sans3_core::etag::ETag;
use sans3_core::operation::PutOptions;
use sans3_core::session::{ChecksumPlacement, SessionConfig};
use sans3_core::transfer::{Download, Downloaded, Length, Order, Upload, Uploaded};
use sans3_platform::Environment;
use sans3_platform::source::Source;
use sans3_runtime::{Error, Replace};

use crate::args::{ChecksumArg, ConnectionArgs, CpArgs, PlacementArg};
use crate::bounds::{self, DEFAULT_PART_SIZE, Passage};
use crate::config::Connection;
use crate::engine::{Engine, Running};
use crate::exit::{Failure, Kind, Site};
use crate::operand::{Copy, Local, Object};
use crate::output::{Event, Output, plain};
use crate::progress::{Finished, follow};
use crate::report::{Facts, count, notice_event, result_event, summary};
use crate::signals::Interrupt;
use crate::size::Size;
use crate::stdio;

pub(crate) async fn run(
    args: &CpArgs,
    connection: &ConnectionArgs,
    output: &Output,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let copy = Copy::new(&args.source, &args.target)?;
    let wishes = Wishes::new(args, &copy)?;
    stdio::check(&copy)?;
    let resolved = Connection::resolve(connection, &Environment::from_process(), output)?;
    let mut session = resolved.session(connection, &args.transfer)?;
    session.checksums = placement(args.describe.checksum_placement);
    let (Copy::Up { object, .. } | Copy::Down { object, .. }) = &copy;
    let job = Job {
        site: resolved.site(&object.bucket, object.key.as_bytes()),
        client: resolved.client(session.clone())?,
        session,
        wishes,
        output,
    };
    match &copy {
        Copy::Up { source, object } => job.upload(source, object, interrupt).await,
        Copy::Down { object, target } => job.download(object, target, interrupt).await,
    }
}

/// What was asked for, beside source and target.
struct Wishes {
    part_size: Option<NonZeroU64>,
    checksum: Algorithm,
    options: PutOptions,
    if_match: Option<ETag>,
    replace: Replace,
    explain: bool,
}

impl Wishes {
    fn new(args: &CpArgs, copy: &Copy) -> Result<Self, Failure> {
        let is_upload = matches!(copy, Copy::Up { .. });
        refuse_misplaced(args, is_upload)?;
        let wrong = |error: sans3_core::error::SpecError| Failure::usage(error.to_string());
        let if_match = args.condition.if_match.as_deref().map(etag).transpose()?;
        let mut options = PutOptions::default();
        if let Some(content_type) = &args.describe.content_type {
            options = options.with_content_type(content_type).map_err(wrong)?;
        }
        for pair in &args.describe.metadata {
            let Some((name, value)) = pair.split_once('=') else {
                let message = format!("--metadata: expected NAME=VALUE, got {pair}");
                return Err(Failure::usage(message));
            };
            options.metadata.insert(name, value).map_err(wrong)?;
        }
        options.if_none_match = args.condition.if_none_match.is_some();
        options.if_match.clone_from(&if_match);
        Ok(Self {
            part_size: part_size(args.transfer.part_size)?,
            checksum: args
                .describe
                .checksum
                .map_or(Algorithm::Crc64Nvme, algorithm),
            options,
            if_match,
            replace: if args.condition.no_clobber {
                Replace::No
            } else {
                Replace::Yes
            },
            explain: args.transfer.explain,
        })
    }

    fn piece(&self) -> u64 {
        self.part_size.map_or(DEFAULT_PART_SIZE, NonZeroU64::get)
    }
}

struct Job<'a> {
    client: Engine,
    session: SessionConfig,
    wishes: Wishes,
    site: Site,
    output: &'a Output,
}

impl Job<'_> {
    async fn upload(
        &self,
        source: &Local,
        object: &Object,
        interrupt: &mut Interrupt,
    ) -> Result<(), Failure> {
        let upload = Upload {
            part_size: self.wishes.part_size,
            checksum: self.wishes.checksum,
            options: self.wishes.options.clone(),
            ..Upload::new(
                object.bucket.clone(),
                object.key.clone(),
                Length::Unknown { equal_parts: false },
            )
        };
        let (running, name) = match source {
            Local::Stdio => {
                self.tell_bounds(Passage::Kept)?;
                let stdin = stdio::stdin()
                    .map_err(|error| Failure::io("reading", Path::new("stdin"), &error))?;
                let running = self.client.upload_stream(upload, stdin);
                (running, "stdin".to_owned())
            }
            Local::File(path) => {
                let name = path.display().to_string();
                (self.start_file(upload, path, interrupt).await?, name)
            }
        };
        interrupt.note_remains(format!(
            "an unfinished upload may be left; `sans3 rm --uploads {}` finds it",
            self.site.uri
        ));
        let finished = follow(running, self.output, interrupt).await?;
        let (uploaded, finished) = self.settle(finished, &object.uri())?;
        let reported = self.report_upload(&uploaded, &finished, &name, object);
        reported.map_err(|failure| failure.unreported(&object.uri()))
    }

    fn report_upload(
        &self,
        uploaded: &Uploaded,
        finished: &Finished<()>,
        name: &str,
        object: &Object,
    ) -> Result<(), Failure> {
        if let Some(left) = &uploaded.leftover {
            self.output.warn(&format!(
                "the object is there, but the upload {left} could not be aborted: \
                 `sans3 rm --uploads {}` does it",
                self.site.uri
            ))?;
        }
        if uploaded.lost_creates > 0 {
            self.output.warn(&format!(
                "the answer to {} CreateMultipartUpload was lost, and each may have left an empty \
                 upload behind: `sans3 rm --uploads {}` finds it",
                uploaded.lost_creates, self.site.uri
            ))?;
        }
        self.output.news(
            || {
                let pieces = match uploaded.parts {
                    0 => "one request".to_owned(),
                    parts => count(parts, "part", "parts"),
                };
                let how = summary(uploaded.size, &pieces, uploaded.verified, finished);
                format!("{} -> {}: {how}", plain(name), object.uri())
            },
            || {
                result_event(
                    Event::new("uploaded"),
                    object,
                    &Facts::from(uploaded),
                    finished,
                )
            },
        )
    }

    /// A regular file is read wherever a part needs it; anything else (a FIFO, a device, a file
    /// of the system that has more than it says) from its first byte to its last.
    async fn start_file(
        &self,
        upload: Upload,
        path: &Path,
        interrupt: &mut Interrupt,
    ) -> Result<Running<Uploaded>, Failure> {
        let is_special = !source_metadata(path)?.is_file();
        if is_special {
            self.tell_bounds(Passage::Kept)?;
        }
        let opening = {
            let path = path.to_owned();
            tokio::task::spawn_blocking(move || Source::open(&path))
        };
        // Opening a FIFO waits for its writer.
        let opened = tokio::select! {
            opened = opening => opened,
            () = interrupt.wait() => return Err(Failure::interrupted()),
        };
        let opened = opened.map_err(|error| Failure::new(Kind::Transfer, error.to_string()))?;
        let source = opened.map_err(|error| Failure::transfer(&Error::File(error), &self.site))?;
        match source {
            Source::File(_) => {
                self.tell_bounds(Passage::Buffers)?;
                Ok(self.client.upload_file(upload, path))
            }
            Source::Stream(file) => {
                if !is_special {
                    self.tell_bounds(Passage::Kept)?;
                }
                Ok(self.client.upload_stream(upload, file))
            }
        }
    }

    async fn download(
        &self,
        object: &Object,
        target: &Local,
        interrupt: &mut Interrupt,
    ) -> Result<(), Failure> {
        let download = Download {
            part_size: self.wishes.part_size,
            if_match: self.wishes.if_match.clone(),
            ..Download::new(object.bucket.clone(), object.key.clone())
        };
        let (running, name) = match target {
            Local::Stdio => {
                let stdout = stdio::stdout().map_err(|error| Failure::stdout(&error))?;
                (self.start_stream(download, stdout)?, "stdout".to_owned())
            }
            Local::File(path) => (
                self.start_target(download, path).await?,
                path.display().to_string(),
            ),
        };
        let is_stream = match target {
            Local::Stdio => true,
            Local::File(path) => !is_replaceable(path),
        };
        if !is_stream {
            interrupt.note_remains(format!(
                "a temporary file may be left beside {}",
                plain(&name)
            ));
        }
        let finished = follow(running, self.output, interrupt).await?;
        let bytes = finished.progress.bytes;
        let (downloaded, finished) = match self.settle(finished, &name) {
            Err(failure) if is_stream => return Err(failure.streamed(&name, bytes)),
            settled => settled?,
        };
        let reported = self.output.news(
            || {
                let pieces = count(downloaded.parts, "range", "ranges");
                let how = summary(downloaded.size, &pieces, downloaded.verified, &finished);
                format!("{} -> {}: {how}", object.uri(), plain(&name))
            },
            || {
                result_event(
                    Event::new("downloaded"),
                    object,
                    &Facts::from(&downloaded),
                    &finished,
                )
            },
        );
        reported.map_err(|failure| failure.unreported(&name))
    }

    /// A regular file is replaced as a whole. What can't be replaced (a FIFO, a device) is written
    /// to as stdout would be.
    async fn start_target(
        &self,
        download: Download,
        path: &Path,
    ) -> Result<Running<Downloaded>, Failure> {
        if self.wishes.replace == Replace::No && std::fs::symlink_metadata(path).is_ok() {
            let exists = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(Failure::io("creating", path, &exists));
        }
        if is_replaceable(path) {
            self.tell_bounds(Passage::Buffers)?;
            return Ok(self
                .client
                .download_to_file(download, path, self.wishes.replace));
        }
        let file = tokio::fs::OpenOptions::new().write(true).open(path).await;
        let file = file.map_err(|error| Failure::io("opening", path, &error))?;
        self.start_stream(download, file.into_std().await)
    }

    fn start_stream(&self, download: Download, file: File) -> Result<Running<Downloaded>, Failure> {
        self.tell_bounds(Passage::Reordered)?;
        let download = Download {
            order: Order::InOrder,
            ..download
        };
        Ok(self.client.download_to_stream(download, file))
    }

    /// Refuses what can't work, and tells what will be slower than it was asked to be.
    fn tell_bounds(&self, passage: Passage) -> Result<(), Failure> {
        let wanted = self.wishes.part_size.map(NonZeroU64::get);
        bounds::check(&self.session, passage, wanted)?;
        bounds::tell(self.output, &self.session, passage, self.wishes.piece())
    }

    /// Tells what went wrong on the way to `done`, and how it ended.
    fn settle<T>(&self, finished: Finished<T>, done: &str) -> Result<(T, Finished<()>), Failure> {
        let told = self.tell_notices();
        let Finished {
            result,
            stats,
            progress,
            elapsed,
        } = finished;
        match result {
            Ok(output) => {
                told.map_err(|failure| failure.unreported(done))?;
                let finished = Finished {
                    result: Ok(()),
                    stats,
                    progress,
                    elapsed,
                };
                Ok((output, finished))
            }
            // Why the transfer failed matters more than why that could not be told.
            Err(error) => Err(Failure::transfer(&error, &self.site)),
        }
    }

    fn tell_notices(&self) -> Result<(), Failure> {
        if self.output.is_json() {
            for notice in self.client.notices() {
                self.output.event(notice_event(&notice))?;
            }
        }
        if self.wishes.explain {
            for change in self.client.pace_changes() {
                let at = Duration::from_nanos(change.at.as_nanos());
                let text = || format!("sans3: at {:.3} s: {change}", at.as_secs_f64());
                let event = || {
                    Event::new("pace")
                        .number("at_ms", u64::try_from(at.as_millis()).unwrap_or(u64::MAX))
                        .text("change", &change.to_string())
                };
                self.output.news(text, event)?;
            }
        }
        Ok(())
    }
}

/// Whether a target is a regular file, or can become one. A directory is refused later.
fn is_replaceable(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |there| there.is_file() || there.is_dir())
}

const fn placement(arg: Option<PlacementArg>) -> ChecksumPlacement {
    match arg {
        None | Some(PlacementArg::Auto) => ChecksumPlacement::Auto,
        Some(PlacementArg::Header) => ChecksumPlacement::Header,
        Some(PlacementArg::Trailer) => ChecksumPlacement::Trailer,
    }
}

/// Options that mean nothing in this direction are refused: whoever wrote them relies on them.
fn refuse_misplaced(args: &CpArgs, is_upload: bool) -> Result<(), Failure> {
    let (condition, describe) = (&args.condition, &args.describe);
    if let Some(value) = condition
        .if_none_match
        .as_deref()
        .filter(|value| *value != "*")
    {
        return Err(Failure::usage(format!(
            "--if-none-match: expected *, got {value}"
        )));
    }
    let uploads_only = [
        ("--if-none-match", condition.if_none_match.is_some()),
        ("--checksum", describe.checksum.is_some()),
        (
            "--checksum-placement",
            describe.checksum_placement.is_some(),
        ),
        ("--content-type", describe.content_type.is_some()),
        ("--metadata", !describe.metadata.is_empty()),
    ];
    let misplaced = uploads_only.iter().find(|(_, given)| *given && !is_upload);
    if let Some((name, _)) = misplaced {
        let failure = Failure::usage(format!("{name} is for uploads, and this is a download"));
        return Err(if *name == "--if-none-match" {
            failure.with_advice("use --no-clobber to keep a file that is there")
        } else {
            failure
        });
    }
    if is_upload && condition.no_clobber {
        return Err(
            Failure::usage("--no-clobber is for downloads, and this is an upload")
                .with_advice("use --if-none-match '*' to keep an object that is there"),
        );
    }
    Ok(())
}

/// An entity tag as people copy it: with its quotes, or without.
fn etag(text: &str) -> Result<ETag, Failure> {
    let quoted = if text.starts_with('"') || text.starts_with("W/") {
        text.to_owned()
    } else {
        format!("\"{text}\"")
    };
    match ETag::new(&quoted) {
        Ok(etag) if etag.is_strong() => Ok(etag),
        _ => Err(Failure::usage(format!(
            "--if-match: expected a strong entity tag, got {text}"
        ))),
    }
}

/// The part size, which must not be 0.
pub(crate) fn part_size(size: Option<Size>) -> Result<Option<NonZeroU64>, Failure> {
    size.map(|Size(bytes)| {
        NonZeroU64::new(bytes)
            .ok_or_else(|| Failure::usage("--part-size: expected at least 1 byte, got 0"))
    })
    .transpose()
}

const fn algorithm(argument: ChecksumArg) -> Algorithm {
    match argument {
        ChecksumArg::Crc64nvme => Algorithm::Crc64Nvme,
        ChecksumArg::Crc32 => Algorithm::Crc32,
        ChecksumArg::Crc32c => Algorithm::Crc32c,
        ChecksumArg::Sha256 => Algorithm::Sha256,
        ChecksumArg::Md5 => Algorithm::Md5,
    }
}

/// What is at a source's path.
///
/// # Errors
/// Nothing, a directory, or something that may not be looked at.
pub(crate) fn source_metadata(path: &Path) -> Result<Metadata, Failure> {
    let metadata = std::fs::metadata(path).map_err(|error| {
        let failure = Failure::io("reading", path, &error);
        let is_missing = matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        );
        if is_missing {
            Failure {
                kind: Kind::NotFound,
                advice: Some("check the path".to_owned()),
                ..failure
            }
        } else {
            failure
        }
    })?;
    if metadata.is_dir() {
        let seen = path.display();
        return Err(Failure::usage(format!(
            "expected a file as the source, got the directory {seen}"
        ))
        .with_advice("name a file in it; directories are not copied yet"));
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_are_taken_with_and_without_quotes() {
        assert_eq!(etag("abc").unwrap().as_str(), "\"abc\"");
        assert_eq!(etag("\"abc\"").unwrap().as_str(), "\"abc\"");
        for weak in ["W/\"abc\"", "", "a b", "\"abc", "a\"b"] {
            assert_eq!(etag(weak).unwrap_err().kind, Kind::Usage, "{weak}");
        }
    }

    #[test]
    fn a_directory_and_nothing_are_told_apart() {
        let directory = source_metadata(&std::env::temp_dir()).unwrap_err();
        assert_eq!(directory.kind, Kind::Usage);
        let nothing = source_metadata(Path::new("/no/such/file")).unwrap_err();
        assert_eq!(nothing.kind, Kind::NotFound);
    }
}
