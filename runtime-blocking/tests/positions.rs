//! Sources and targets that the caller holds, and of which any part can be read or written.

mod common;

use std::fs::{File, OpenOptions};
use std::io::{self, Cursor, Seek as _, SeekFrom, Write as _};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{PART, bytes, client, download, lengths, root, server, server_with, stored, upload};
use sans3_blocking::{Error, ReadAt, Seeking, WriteAt};
use sans3_core::error::{Cause, SourceError};
use sans3_core::transfer::{Download, Upload};
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::Operation;
use sans3_testkit::server::Server;

/// What is in a target before it is written.
const OLD: [u8; 100] = [7; 100];

fn upload_by(part_size: u64) -> Upload {
    Upload {
        part_size: NonZeroU64::new(part_size),
        ..upload()
    }
}

fn download_by(part_size: u64) -> Download {
    Download {
        part_size: NonZeroU64::new(part_size),
        ..download()
    }
}

fn part_sizes() -> [u64; 3] {
    [PART, 3 * PART + 1, 64 * PART]
}

/// An open file with `content`, its cursor at the end.
fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file
}

fn content_of(mut file: &File) -> Vec<u8> {
    let mut content = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    io::Read::read_to_end(&mut file, &mut content).unwrap();
    content
}

/// A cursor that is shared, since a download keeps its target.
fn cursor(content: &[u8]) -> Arc<Seeking<Cursor<Vec<u8>>>> {
    Arc::new(Seeking::new(Cursor::new(content.to_vec())))
}

/// Nothing else has the target once the result is here.
fn into_cursor(target: Arc<Seeking<Cursor<Vec<u8>>>>) -> Cursor<Vec<u8>> {
    Arc::into_inner(target).unwrap().into_inner()
}

fn nothing_is_on(server: &Server) {
    assert!(stored(server).is_none());
    assert_eq!(server.with_model(|model| model.uploads().count()), 0);
}

fn source_error(error: &Error) -> SourceError {
    match root(error) {
        Cause::Source(error) => error,
        other => panic!("expected a source's error, got {other}"),
    }
}

fn sink_error(error: &Error) -> String {
    match root(error) {
        Cause::Sink(error) => error.0,
        other => panic!("expected a sink's error, got {other}"),
    }
}

#[test]
fn uploads_from_files_and_cursors() {
    for (len, part_size) in lengths()
        .into_iter()
        .flat_map(|len| part_sizes().map(|p| (len, p)))
    {
        let content = bytes(len);
        let server = server();
        let client = client(&server);
        for way in 0..3 {
            let upload = upload_by(part_size);
            let running = match way {
                0 => client.upload_at(upload, file(&content)),
                1 => client.upload_seek(upload, file(&content)),
                _ => client.upload_seek(upload, Cursor::new(content.clone())),
            };
            assert_eq!(running.wait().unwrap().size, len);
            let same = stored(&server).unwrap() == content;
            assert!(same, "{len} bytes by {part_size}, way {way}");
            server.with_model(|model| model.put(common::BUCKET, common::KEY, vec![1; 3]));
        }
    }
}

#[test]
fn downloads_to_files_and_cursors() {
    for (len, part_size) in lengths()
        .into_iter()
        .flat_map(|len| part_sizes().map(|p| (len, p)))
    {
        let content = bytes(len);
        let server = server_with(&content);
        let client = client(&server);

        let target = Arc::new(file(&OLD));
        let running = client.download_at(download_by(part_size), Arc::clone(&target));
        assert_eq!(running.wait().unwrap().size, len);
        assert!(content_of(&target) == content, "{len} bytes by {part_size}");

        let target = Arc::new(file(&OLD));
        let running = client.download_seek(download_by(part_size), Arc::clone(&target));
        assert_eq!(running.wait().unwrap().size, len);
        target.set_len(len).unwrap();
        assert!(content_of(&target) == content, "{len} bytes by {part_size}");

        let target = cursor(&[]);
        let running = client.download_at(download_by(part_size), Arc::clone(&target));
        running.wait().unwrap();
        let target = into_cursor(target);
        assert_eq!(
            target.position(),
            len,
            "the cursor is where the object ends"
        );
        assert!(target.into_inner() == content, "{len} bytes by {part_size}");
    }
}

#[test]
fn what_seeks_keeps_an_end_that_was_longer() {
    let server = server_with(&bytes(10));
    let target = cursor(&OLD);
    let running = client(&server).download_at(download(), Arc::clone(&target));
    let found = running.wait().unwrap();
    let mut target = into_cursor(target).into_inner();
    assert_eq!(target.len(), OLD.len());
    target.truncate(usize::try_from(found.size).unwrap());
    assert!(target == bytes(10));
}

#[test]
fn what_is_buffered_is_flushed() {
    let content = bytes(5);
    let server = server_with(&content);
    let target = Arc::new(file(&[]));
    let buffered = io::BufWriter::new(Arc::clone(&target));
    client(&server)
        .download_seek(download(), buffered)
        .wait()
        .unwrap();
    assert!(content_of(&target) == content);
}

/// Counts how many bytes are read.
struct Counted(File, Arc<AtomicU64>);

impl ReadAt for Counted {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.0)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.1.fetch_add(buf.len() as u64, Ordering::Relaxed);
        self.0.read_exact_at(buf, offset)
    }
}

#[test]
fn a_part_is_read_again_for_a_retry() {
    let content = bytes(5 * PART + 9);
    let read = [false, true].map(|fails| {
        let server = server();
        if fails {
            let fault = Rule::nth(Operation::UploadPart, 3, Fault::ResetBeforeHead);
            server.with_faults(|faults| faults.push(fault));
        }
        let read = Arc::default();
        let source = Counted(file(&content), Arc::clone(&read));
        client(&server).upload_at(upload(), source).wait().unwrap();
        assert!(stored(&server).unwrap() == content);
        let hit = server.with_faults(|faults| faults.injected().len());
        assert_eq!(hit, usize::from(fails));
        read.load(Ordering::Relaxed)
    });
    assert!(read[1] > read[0], "{read:?}");
}

#[test]
fn a_range_that_breaks_is_completed_in_place() {
    let content = bytes(5 * PART + 9);
    let (file, cursor) = (Arc::new(file(&OLD)), cursor(&[]));
    for to_file in [true, false] {
        let server = server_with(&content);
        let fault = Fault::TruncateBody { after: PART / 2 };
        let rule = Rule::nth(Operation::GetObject, 3, fault);
        server.with_faults(|faults| faults.push(rule));
        let client = client(&server);
        let running = if to_file {
            client.download_at(download(), Arc::clone(&file))
        } else {
            client.download_at(download(), Arc::clone(&cursor))
        };
        running.wait().unwrap();
        assert_eq!(server.with_faults(|faults| faults.injected().len()), 1);
    }
    assert!(content_of(&file) == content);
    assert!(into_cursor(cursor).into_inner() == content);
}

/// Is good up to an offset; where that is 0, it can't say its length or be finished either.
struct Bad(u64);

impl Bad {
    fn check(&self, end: u64) -> io::Result<()> {
        if end > self.0 {
            return Err(io::Error::other("a bad sector"));
        }
        Ok(())
    }
}

impl ReadAt for Bad {
    fn len(&self) -> io::Result<u64> {
        self.check(1).map(|()| 4 * PART)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.check(offset + buf.len() as u64)
    }
}

impl WriteAt for Bad {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.check(offset + buf.len() as u64)
    }

    fn finish(&self, _: u64) -> io::Result<()> {
        self.check(1)
    }
}

#[test]
fn a_source_that_fails_leaves_nothing_behind() {
    for good in [0, 1, 3 * PART] {
        let server = server();
        let running = client(&server).upload_at(upload(), Bad(good));
        let error = source_error(&running.wait().unwrap_err());
        assert_eq!(error, SourceError::Read("a bad sector".into()));
        nothing_is_on(&server);
    }
}

#[test]
fn a_target_that_fails_is_an_error() {
    for (len, good) in [(4 * PART, 0), (4 * PART, 3 * PART), (0, 0)] {
        let server = server_with(&bytes(len));
        let running = client(&server).download_at(download(), Bad(good));
        assert_eq!(sink_error(&running.wait().unwrap_err()), "a bad sector");
    }
    let server = server_with(&bytes(2 * PART));
    let short = Cursor::new(Box::<[u8]>::from([0; 100]));
    let running = client(&server).download_seek(download(), short);
    sink_error(&running.wait().unwrap_err());
}

/// Becomes something else when it is first read.
struct Restless {
    file: File,
    change: fn(&File),
}

impl ReadAt for Restless {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.file)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        (self.change)(&self.file);
        self.file.read_exact_at(buf, offset)
    }

    fn version(&self) -> io::Result<u64> {
        self.file.version()
    }
}

#[test]
fn a_source_that_changes_is_an_error() {
    let dated = |file: &File| {
        let time = std::time::SystemTime::UNIX_EPOCH;
        file.set_modified(time).unwrap();
    };
    let changes: [fn(&File); 3] = [
        |file| file.set_len(PART / 2).unwrap(),
        |file| file.set_len(3 * PART).unwrap(),
        dated,
    ];
    for change in changes {
        let server = server();
        let file = file(&bytes(2 * PART));
        let running = client(&server).upload_at(upload(), Restless { file, change });
        let error = source_error(&running.wait().unwrap_err());
        assert!(matches!(error, SourceError::Changed(_)), "{error}");
        nothing_is_on(&server);
    }
}

#[test]
fn a_target_gets_nothing_more_once_its_download_is_dropped() {
    let server = server_with(&bytes(20 * PART));
    let target = cursor(&[]);
    drop(client(&server).download_at(download(), Arc::clone(&target)));
    into_cursor(target);
}

#[cfg(unix)]
#[test]
fn what_only_says_that_it_is_empty_is_refused() {
    let server = server();
    let zeros = File::open("/dev/zero").unwrap();
    let error = client(&server)
        .upload_at(upload(), zeros)
        .wait()
        .unwrap_err();
    let error = source_error(&error).to_string();
    assert!(error.contains("upload it as a stream"), "{error}");
    nothing_is_on(&server);
}

#[cfg(unix)]
#[test]
fn a_file_that_is_open_to_append_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = server_with(&bytes(5 * PART));
    let client = client(&server);
    for seek in [false, true] {
        let path = directory.path().join(seek.to_string());
        std::fs::write(&path, OLD).unwrap();
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        let running = if seek {
            client.download_seek(download(), file)
        } else {
            client.download_at(download(), file)
        };
        let error = sink_error(&running.wait().unwrap_err());
        assert!(error.contains("append"), "{error}");
    }
    assert_eq!(std::fs::read(directory.path().join("false")).unwrap(), OLD);
}
