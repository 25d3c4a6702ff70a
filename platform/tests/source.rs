//! Files to upload that change, end early, or are no files.
#![cfg(unix)]

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use sans3_platform::{FileErrorKind, Source, SourceError, SourceFile};
use tempfile::TempDir;

/// A file of ten bytes, last modified an hour ago: a clock with coarse ticks can't hide a change.
fn ten_bytes() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, "0123456789").unwrap();
    set_modified(&path, Duration::from_secs(3600));
    (dir, path)
}

fn set_modified(path: &Path, ago: Duration) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - ago).unwrap();
}

fn is_changed(result: Result<(), SourceError>) -> bool {
    matches!(result, Err(SourceError::Changed { .. }))
}

fn is_stream(path: &Path) -> bool {
    matches!(Source::open(path).unwrap(), Source::Stream(_))
}

#[test]
fn any_part_can_be_read_again_and_by_several_threads() {
    let (_dir, path) = ten_bytes();
    let source = SourceFile::open(&path).unwrap();
    assert_eq!((source.len(), source.is_empty()), (10, false));
    std::thread::scope(|scope| {
        for offset in 0..8_u8 {
            let source = &source;
            scope.spawn(move || {
                let mut buffer = [0; 3];
                source
                    .read_exact_at(&mut buffer, u64::from(offset))
                    .unwrap();
                assert_eq!(buffer, [0, 1, 2].map(|i| b'0' + offset + i));
            });
        }
    });
    source.check_unchanged().unwrap();
}

#[test]
fn line_40_a_file_that_grows_shrinks_or_is_touched_is_noticed() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 4] = [
        ("grows", |path| {
            let mut file = OpenOptions::new().append(true).open(path).unwrap();
            file.write_all(b"x").unwrap();
        }),
        ("shrinks", |path| {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(9).unwrap();
        }),
        ("is touched", |path| set_modified(path, Duration::ZERO)),
        ("is overwritten at the same size", |path| {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            file.write_all_at(b"x", 3).unwrap();
        }),
    ];
    for (what, change) in changes {
        let (_dir, path) = ten_bytes();
        let source = SourceFile::open(&path).unwrap();
        source.check_unchanged().unwrap();
        change(&path);
        assert!(is_changed(source.check_unchanged()), "it {what}");
    }
}

#[test]
fn line_40_a_size_is_noticed_even_if_the_time_is_set_back() {
    let (_dir, path) = ten_bytes();
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    let source = SourceFile::open(&path).unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(4).unwrap();
    file.set_modified(before).unwrap();
    let error = source.check_unchanged().unwrap_err();
    let SourceError::Changed { expected, seen, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!((expected.len, seen.len), (10, 4));
    assert_eq!(expected.modified, seen.modified);
    assert!(error.to_string().contains("had 10 bytes and has 4"));
}

#[test]
fn line_40_a_replaced_or_removed_file_goes_on_giving_its_own_bytes() {
    let (dir, path) = ten_bytes();
    let source = SourceFile::open(&path).unwrap();
    let other = dir.path().join("other");
    fs::write(&other, "another one").unwrap();
    fs::rename(&other, &path).unwrap();
    let mut buffer = [0; 10];
    source.read_exact_at(&mut buffer, 0).unwrap();
    assert_eq!(&buffer, b"0123456789");
    source.check_unchanged().unwrap();
    assert_ne!(
        source.fingerprint(),
        SourceFile::open(&path).unwrap().fingerprint()
    );
    fs::remove_file(&path).unwrap();
    source.check_unchanged().unwrap();
}

#[test]
fn line_40_a_read_past_the_new_end_says_that_the_file_changed() {
    let (_dir, path) = ten_bytes();
    let source = SourceFile::open(&path).unwrap();
    File::create(&path).unwrap();
    assert!(is_changed(source.read_exact_at(&mut [0; 10], 0)));
    // An end that was always there is the caller's mistake.
    let (_dir, path) = ten_bytes();
    let source = SourceFile::open(&path).unwrap();
    let error = source.read_exact_at(&mut [0; 2], 9).unwrap_err();
    assert!(matches!(error, SourceError::File(_)), "{error}");
}

#[test]
fn line_41_pipes_and_devices_are_streams() {
    assert!(is_stream(Path::new("/dev/zero")));
    assert!(is_stream(Path::new("/dev/null")));
    let refused = SourceFile::open(Path::new("/dev/zero")).unwrap_err();
    assert_eq!(refused.kind(), FileErrorKind::Special);
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let writer = {
        let pipe = pipe.clone();
        std::thread::spawn(move || fs::write(pipe, "through").unwrap())
    };
    let Source::Stream(mut stream) = Source::open(&pipe).unwrap() else {
        panic!("a pipe is a stream");
    };
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through");
    writer.join().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn line_41_a_file_that_claims_to_be_empty_is_read_to_its_end() {
    let Source::Stream(mut stream) = Source::open(Path::new("/proc/self/status")).unwrap() else {
        panic!("it has bytes, though it says that it has none");
    };
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("Name:"), "nothing is lost: {text}");
    let (_dir, path) = ten_bytes();
    File::create(&path).unwrap();
    let empty = SourceFile::open(&path).unwrap();
    assert!(empty.is_empty());
    empty.read_exact_at(&mut [], 0).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn line_41_a_file_that_can_not_be_read_is_an_error_by_name() {
    // Address 0 is never mapped, so that the system answers EIO.
    let error = Source::open(Path::new("/proc/self/mem")).unwrap_err();
    assert_eq!(error.kind(), FileErrorKind::Io);
    let text = error.to_string();
    assert!(
        text.contains("/proc/self/mem") && text.contains("read it"),
        "{text}"
    );
}

#[test]
fn line_41_holes_read_as_zeros() {
    let (_dir, path) = ten_bytes();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(1 << 30).unwrap();
    let source = SourceFile::open(&path).unwrap();
    assert_eq!(source.len(), 1 << 30);
    let mut buffer = [1; 4096];
    source.read_exact_at(&mut buffer, 1 << 29).unwrap();
    assert!(buffer.iter().all(|byte| *byte == 0));
}

#[test]
fn what_can_not_be_opened_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let error = Source::open(dir.path()).unwrap_err();
    assert_eq!(error.kind(), FileErrorKind::Directory);
    let error = Source::open(&dir.path().join("x")).unwrap_err();
    assert!(error.to_string().contains("check the path"), "{error}");
}
