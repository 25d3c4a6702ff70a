//! Files in place, whole or not at all, whatever the disk and other processes do.
#![cfg(unix)]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use sans3_platform::{FileError, FileErrorKind, Options, Placement, Replace, Target};
use tempfile::TempDir;

const NO_REPLACE: Options = Options {
    replace: Replace::No,
    sync: true,
};

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn create(target: &Path) -> Result<Placement, FileError> {
    Placement::create(target, Options::default())
}

fn put(target: &Path, bytes: &[u8], options: Options) -> Result<(), FileError> {
    let placement = Placement::create(target, options)?;
    placement.write_all_at(bytes, 0)?;
    placement.commit()
}

fn kind<T>(result: Result<T, FileError>) -> FileErrorKind {
    match result {
        Ok(_) => panic!("this should have been refused"),
        Err(error) => error.kind(),
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
    assert!(fs::metadata(path).unwrap().file_type().is_fifo());
}

#[test]
fn a_file_appears_whole_and_only_on_commit() {
    let dir = directory();
    for options in [
        Options::default(),
        NO_REPLACE,
        Options {
            sync: false,
            ..Options::default()
        },
    ] {
        let target = dir.path().join("f");
        let placement = Placement::create(&target, options).unwrap();
        placement.set_len(10).unwrap();
        placement.write_all_at(b"56789", 5).unwrap();
        placement.write_all_at(b"01234", 0).unwrap();
        assert!(!target.exists());
        assert_eq!(placement.temporary().parent(), target.parent());
        assert_eq!(mode(placement.temporary()), 0o600);
        placement.commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"0123456789");
        assert_eq!(names(dir.path()), ["f"]);
        fs::remove_file(&target).unwrap();
    }
}

#[test]
fn dropped_it_leaves_nothing_and_the_old_file_as_it_was() {
    let dir = directory();
    let target = dir.path().join("f");
    drop(create(&target).unwrap());
    assert!(names(dir.path()).is_empty());
    fs::write(&target, "old").unwrap();
    let placement = create(&target).unwrap();
    placement.write_all_at(b"new", 0).unwrap();
    drop(placement);
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert_eq!(names(dir.path()), ["f"]);
}

#[test]
fn threads_write_their_ranges_at_the_same_time() {
    const PART: usize = 100_000;
    let dir = directory();
    let target = dir.path().join("f");
    let placement = create(&target).unwrap();
    std::thread::scope(|scope| {
        for part in (0..8_u8).rev() {
            let placement = &placement;
            scope.spawn(move || {
                let offset = u64::from(part) * 100_000;
                placement.write_all_at(&[part; PART], offset).unwrap();
            });
        }
    });
    placement.commit().unwrap();
    let bytes = fs::read(&target).unwrap();
    assert_eq!(bytes.len(), 8 * PART);
    for (part, chunk) in (0..8_u8).zip(bytes.chunks(PART)) {
        assert!(chunk.iter().all(|byte| *byte == part));
    }
}

#[test]
fn line_75_what_is_no_regular_file_is_refused_and_untouched() {
    let dir = directory();
    let pipe = dir.path().join("pipe");
    fifo(&pipe);
    assert_eq!(kind(create(dir.path())), FileErrorKind::Directory);
    for special in [&pipe, Path::new("/dev/null"), Path::new("/dev/stdout")] {
        assert_eq!(Target::classify(special).unwrap(), Target::Special);
        assert_eq!(kind(create(special)), FileErrorKind::Special);
    }
    assert_eq!(names(dir.path()), ["pipe"]);
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
}

#[test]
fn line_75_a_read_only_file_is_refused_by_root_too() {
    let dir = directory();
    let target = dir.path().join("f");
    fs::write(&target, "old").unwrap();
    set_mode(&target, 0o444);
    assert_eq!(kind(create(&target)), FileErrorKind::ReadOnly);
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert_eq!(names(dir.path()), ["f"]);
}

#[test]
fn line_75_other_names_and_open_handles_keep_the_old_bytes() {
    let dir = directory();
    let (target, other) = (dir.path().join("f"), dir.path().join("g"));
    fs::write(&target, "old").unwrap();
    fs::hard_link(&target, &other).unwrap();
    let mut open = File::open(&target).unwrap();
    put(&target, b"new", Options::default()).unwrap();
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, "old");
    assert_eq!(fs::read(&other).unwrap(), b"old");
    assert_eq!(fs::read(&target).unwrap(), b"new");
}

#[test]
fn links_are_followed_and_stay() {
    let dir = directory();
    let real = dir.path().join("real");
    fs::create_dir(&real).unwrap();
    symlink("real", dir.path().join("door")).unwrap();
    symlink("real/f", dir.path().join("direct")).unwrap();
    symlink("door/../direct", dir.path().join("detour")).unwrap();
    let detour = dir.path().join("detour");
    // A link to nothing has its target created.
    assert_eq!(Target::classify(&detour).unwrap(), Target::NewFile);
    put(&detour, b"1", NO_REPLACE).unwrap();
    assert_eq!(Target::classify(&detour).unwrap(), Target::Regular);
    assert_eq!(kind(put(&detour, b"2", NO_REPLACE)), FileErrorKind::Exists);
    put(&detour, b"3", Options::default()).unwrap();
    assert_eq!(fs::read(real.join("f")).unwrap(), b"3");
    assert_eq!(names(dir.path()), ["detour", "direct", "door", "real"]);
    assert!(fs::symlink_metadata(&detour).unwrap().is_symlink());
    symlink("b", dir.path().join("a")).unwrap();
    symlink("a", dir.path().join("b")).unwrap();
    assert_eq!(kind(create(&dir.path().join("a"))), FileErrorKind::LinkLoop);
}

#[test]
fn line_72_a_link_that_is_planted_meanwhile_is_replaced_not_followed() {
    let dir = directory();
    let (target, victim) = (dir.path().join("f"), dir.path().join("victim"));
    fs::write(&victim, "kept").unwrap();
    let placement = create(&target).unwrap();
    symlink(&victim, &target).unwrap();
    placement.write_all_at(b"new", 0).unwrap();
    placement.commit().unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"kept");
    assert!(fs::symlink_metadata(&target).unwrap().is_file());
}

#[test]
fn paths_are_classified() {
    let dir = directory();
    let file = dir.path().join("f");
    fs::write(&file, "").unwrap();
    let classify = |path: &str| Target::classify(&dir.path().join(path));
    assert_eq!(classify("f").unwrap(), Target::Regular);
    assert_eq!(classify("").unwrap(), Target::Directory);
    assert_eq!(classify(".").unwrap(), Target::Directory);
    assert_eq!(classify("new").unwrap(), Target::NewFile);
    assert_eq!(classify("new.").unwrap(), Target::NewFile);
    // A name that can only be a directory's must not become a file's.
    for missing in ["new/", "new/.", "new/f"] {
        assert_eq!(
            kind(classify(missing)),
            FileErrorKind::NoDirectory,
            "{missing}"
        );
    }
    for bad in ["f/", "f/x", &"x".repeat(300), "nul\0"] {
        assert_eq!(kind(classify(bad)), FileErrorKind::Io, "{bad}");
    }
    assert!(Target::classify(Path::new("")).is_err());
    assert_eq!(
        Target::classify(Path::new("/proc/self/fd/1")).unwrap(),
        Target::Special
    );
    assert_eq!(
        Target::classify(Path::new("Cargo.toml")).unwrap(),
        Target::Regular
    );
}

#[test]
fn the_longest_names_have_room_for_a_temporary_one() {
    let dir = directory();
    for len in [199, 200, 201, 255] {
        let target = dir.path().join("x".repeat(len));
        put(&target, b"1", NO_REPLACE).unwrap();
    }
    assert_eq!(names(dir.path()).len(), 4);
}

#[test]
fn line_76_after_a_failed_write_there_is_nothing_to_commit() {
    let dir = directory();
    let target = dir.path().join("f");
    fs::write(&target, "old").unwrap();
    let placement = create(&target).unwrap();
    placement.write_all_at(b"new", 0).unwrap();
    assert_eq!(
        kind(placement.write_all_at(b"x", u64::MAX)),
        FileErrorKind::Io
    );
    placement.write_all_at(b"new", 0).unwrap();
    assert_eq!(kind(placement.commit()), FileErrorKind::Incomplete);
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert_eq!(names(dir.path()), ["f"]);
}

#[test]
fn line_76_a_failed_rename_leaves_no_temporary() {
    let dir = directory();
    let target = dir.path().join("f");
    let placement = create(&target).unwrap();
    fs::create_dir(&target).unwrap();
    fs::write(target.join("inside"), "kept").unwrap();
    assert_eq!(kind(placement.commit()), FileErrorKind::Io);
    assert_eq!(names(dir.path()), ["f"]);
    assert_eq!(names(&target), ["inside"]);
}

#[test]
fn line_72_a_temporary_that_somebody_swapped_is_not_put_in_place() {
    let dir = directory();
    let target = dir.path().join("f");
    let placement = create(&target).unwrap();
    let temporary = placement.temporary().to_owned();
    fs::remove_file(&temporary).unwrap();
    fs::write(&temporary, "forged").unwrap();
    assert_eq!(kind(placement.commit()), FileErrorKind::Hijacked);
    assert!(!target.exists());
}

#[test]
fn line_78_a_target_that_appears_meanwhile_is_not_replaced() {
    let dir = directory();
    let target = dir.path().join("f");
    let placement = Placement::create(&target, NO_REPLACE).unwrap();
    placement.write_all_at(b"ours", 0).unwrap();
    fs::write(&target, "theirs").unwrap();
    assert_eq!(kind(placement.commit()), FileErrorKind::Exists);
    assert_eq!(fs::read(&target).unwrap(), b"theirs");
    assert_eq!(names(dir.path()), ["f"]);
    assert_eq!(kind(put(&target, b"", NO_REPLACE)), FileErrorKind::Exists);
}

#[test]
fn line_78_of_many_that_race_exactly_one_wins() {
    for _ in 0..20 {
        let dir = directory();
        let barrier = Arc::new(Barrier::new(4));
        let threads: Vec<_> = (0..4_u8)
            .map(|mark| {
                let (barrier, target) = (Arc::clone(&barrier), dir.path().join("f"));
                std::thread::spawn(move || {
                    let placement = Placement::create(&target, NO_REPLACE).unwrap();
                    placement.write_all_at(&[mark], 0).unwrap();
                    barrier.wait();
                    placement.commit().map(|()| mark)
                })
            })
            .collect();
        let results: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        let winners: Vec<_> = results.iter().flatten().copied().collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(fs::read(dir.path().join("f")).unwrap(), winners);
        for error in results.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), FileErrorKind::Exists);
        }
        assert_eq!(names(dir.path()), ["f"]);
    }
}

#[test]
fn line_79_an_old_mode_is_kept_without_its_special_bits() {
    let dir = directory();
    let target = dir.path().join("f");
    for (old, new) in [
        (0o600, 0o600),
        (0o755, 0o755),
        (0o6755, 0o755),
        (0o1666, 0o666),
    ] {
        fs::write(&target, "old").unwrap();
        set_mode(&target, old);
        put(&target, b"new", Options::default()).unwrap();
        assert_eq!(mode(&target), new, "{old:o}");
    }
}

#[test]
fn line_79_a_new_file_has_the_mode_that_the_umask_says() {
    if std::env::var_os(IN_CHILD).is_some() {
        let dir = directory();
        let (plain, placed) = (dir.path().join("plain"), dir.path().join("placed"));
        File::create(&plain).unwrap();
        let placement = create(&placed).unwrap();
        assert_eq!(mode(placement.temporary()), 0o600);
        placement.commit().unwrap();
        assert_eq!(mode(&placed), mode(&plain));
        println!("mode {:o}", mode(&placed));
        return;
    }
    for (umask, expected) in [
        ("000", "666"),
        ("022", "644"),
        ("027", "640"),
        ("077", "600"),
    ] {
        let script = format!("umask {umask}; exec \"$0\" \"$@\"");
        let output = child(
            "line_79_a_new_file_has_the_mode_that_the_umask_says",
            &script,
        )
        .output()
        .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(
            text.contains(&format!("mode {expected}")),
            "{umask}: {text}"
        );
    }
}

#[test]
fn line_76_a_full_disk_fails_every_step_and_leaves_nothing() {
    if let Some(disk) = std::env::var_os(IN_CHILD) {
        return on_a_full_disk(Path::new(&disk));
    }
    let dir = directory();
    // A mount namespace of its own: the disk is gone when the child is, however it ends.
    let script = format!(
        "mount -t tmpfs -o size=64k,nr_inodes=8 none {:?} || exit 77; exec \"$0\" \"$@\"",
        dir.path()
    );
    let test = "line_76_a_full_disk_fails_every_step_and_leaves_nothing";
    let child = child(test, &script);
    let unshared = Command::new("unshare")
        .args(["--mount", "--map-root-user"])
        .arg(child.get_program())
        .args(child.get_args())
        .env(IN_CHILD, dir.path())
        .output();
    match unshared {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("1 passed"), "{text}");
        }
        Ok(output) if output.status.code() == Some(101) => panic!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Ok(output) => skipped(&String::from_utf8_lossy(&output.stderr)),
        Err(error) => skipped(&error.to_string()),
    }
}

/// Written past the test harness, which would hide it because the test passes.
fn skipped(why: &str) {
    let text = format!("SKIPPED the full disk: no small one can be mounted here: {why}\n");
    io::stderr().write_all(text.as_bytes()).unwrap();
}

/// `disk` has 64 KiB and eight inodes, one of which is its root.
fn on_a_full_disk(disk: &Path) {
    let is_full = |error: &FileError| {
        let cause = error.system().map(|cause| cause.kind());
        assert_eq!(cause, Some(io::ErrorKind::StorageFull), "{error}");
        assert!(error.to_string().contains("free some space"), "{error}");
    };
    let target = disk.join("f");
    for old in [None, Some(b"old")] {
        if let Some(old) = old {
            fs::write(&target, old).unwrap();
        }
        let before = names(disk);
        // Each time the disk is full at another write, in the middle of some.
        for free in (0..=60).step_by(6) {
            fs::write(disk.join("ballast"), vec![0; (60 - free) * 1024]).unwrap();
            let placement = create(&target).unwrap();
            let mut offset = 0;
            let error = loop {
                match placement.write_all_at(&[1; 5000], offset) {
                    Ok(()) => offset += 5000,
                    Err(error) => break error,
                }
            };
            is_full(&error);
            assert_eq!(kind(placement.commit()), FileErrorKind::Incomplete);
            fs::remove_file(disk.join("ballast")).unwrap();
            assert_eq!(names(disk), before);
        }
    }
    assert_eq!(fs::read(&target).unwrap(), b"old");
    fs::remove_file(&target).unwrap();
    // No inode for the temporary file, or for its second name.
    let crowd = |count: u8| -> Vec<PathBuf> {
        let paths: Vec<_> = (0..count).map(|n| disk.join(n.to_string())).collect();
        for path in &paths {
            File::create(path).unwrap();
        }
        paths
    };
    let remove = |paths: Vec<PathBuf>| paths.iter().for_each(|path| fs::remove_file(path).unwrap());
    let all = crowd(7);
    is_full(&create(&target).unwrap_err());
    assert_eq!(names(disk).len(), 7);
    remove(all);
    let placement = Placement::create(&target, NO_REPLACE).unwrap();
    let rest = crowd(6);
    is_full(&placement.commit().unwrap_err());
    remove(rest);
    assert!(names(disk).is_empty());
}

#[test]
fn line_77_killed_at_any_moment_the_name_has_the_old_file_or_the_new() {
    const LEN: usize = 64 * 1024;
    if let Some(target) = std::env::var_os(IN_CHILD) {
        let options = Options {
            sync: false,
            ..Options::default()
        };
        // Its parent kills it long before; if that fails, it must not go on for ever.
        let end = Instant::now() + Duration::from_secs(10);
        for mark in (0..u8::MAX).cycle() {
            if Instant::now() > end {
                return;
            }
            let placement = Placement::create(Path::new(&target), options).unwrap();
            for offset in (0..).step_by(4096).take(LEN / 4096) {
                placement.write_all_at(&[mark; 4096], offset).unwrap();
            }
            placement.commit().unwrap();
        }
    }
    let dir = directory();
    let target = dir.path().join("f");
    fs::write(&target, [0; LEN]).unwrap();
    let whole = || {
        let bytes = fs::read(&target).unwrap();
        assert_eq!(bytes.len(), LEN);
        assert!(bytes.iter().all(|byte| *byte == bytes[0]));
        bytes[0]
    };
    let test = "line_77_killed_at_any_moment_the_name_has_the_old_file_or_the_new";
    let mut changed = false;
    for round in 0..25_u64 {
        let mut child = child(test, "exec \"$0\" \"$@\"")
            .env(IN_CHILD, &target)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_millis(20 + round * 3);
        while Instant::now() < end {
            changed |= whole() != 0;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        changed |= whole() != 0;
    }
    assert!(changed, "the child never put a file in place");
    for name in names(dir.path()) {
        let is_temporary = name.starts_with(".f.sans3-") && name.len() == 25;
        assert!(name == "f" || is_temporary, "{name}");
    }
}

/// Set for a child process: it plays the test's other part. Its value is that part's argument.
const IN_CHILD: &str = "SANS3_TEST_IN_CHILD";

/// This program again, for one test alone, by way of a shell script that ends in running `$0 $@`.
fn child(test: &str, script: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(IN_CHILD, "");
    command
}
