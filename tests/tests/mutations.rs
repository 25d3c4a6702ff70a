//! The bugs of `tests/mutations` are kept in step with the core: each still applies, in one place
//! alone, and names a promise or a test that there is. Whether it is caught is for
//! `tests/mutations/run` to say, which takes longer.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sans3_testkit::simulate::Invariant;

/// A patch, as far as it matters here.
struct Bug {
    name: String,
    /// What is wrong, in a sentence.
    what: String,
    /// What notices: the simulator or the tests of something, and the promise or test.
    judge: String,
    by: String,
    /// The text that each hunk replaces, by its file.
    before: Vec<(String, String)>,
}

#[test]
fn every_bug_still_applies() {
    for bug in bugs() {
        assert!(!bug.before.is_empty(), "{} changes nothing", bug.name);
        for (file, before) in &bug.before {
            assert!(file.starts_with("core/src/"), "{}: {file}", bug.name);
            let text = read(&root().join(file));
            let places = text.matches(before.as_str()).count();
            assert_eq!(
                places, 1,
                "{}: make the patch again, what it replaces in {file} is there {places} times:\n\
                 {before}",
                bug.name
            );
        }
    }
}

#[test]
fn every_promise_has_a_bug_that_breaks_it() {
    let bugs = bugs();
    assert!(bugs.len() >= 30, "only {}", bugs.len());
    for invariant in Invariant::ALL {
        let broken = |bug: &Bug| bug.judge == "simulate" && bug.by == invariant.name();
        assert!(bugs.iter().any(broken), "nothing breaks {invariant}");
    }
}

#[test]
fn every_bug_says_what_it_is_and_what_catches_it() {
    for bug in bugs() {
        let Bug { name, what, .. } = &bug;
        assert!(what.ends_with('.') && what.len() > 20, "{name}: {what}");
        let known = match bug.judge.as_str() {
            "simulate" => Invariant::ALL.iter().any(|one| one.name() == bug.by),
            "core" => has_test(&root().join("core/src"), &bug.by),
            "virtual_time" => has_test(&root().join("tests/tests/virtual_time"), &bug.by),
            _ => false,
        };
        assert!(known, "{name}: there is no {} {}", bug.judge, bug.by);
    }
}

fn bugs() -> Vec<Bug> {
    let folder = root().join("tests/mutations");
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let patches = paths.filter(|path| path.extension().is_some_and(|end| end == "patch"));
    // By their names, so that the first one that fails is always the same.
    let patches: BTreeMap<PathBuf, Bug> =
        patches.map(|path| (path.clone(), parse(&path))).collect();
    patches.into_values().collect()
}

fn parse(path: &Path) -> Bug {
    let text = read(path);
    let (words, diff) = text.split_once("\ndiff --git ").unwrap();
    let caught = words
        .lines()
        .find_map(|line| line.strip_prefix("caught-by: "));
    let (judge, by) = caught.and_then(|caught| caught.split_once(' ')).unwrap();
    let (mut file, mut before) = (String::new(), Vec::<(String, String)>::new());
    for line in diff.lines() {
        if let Some(path) = line.strip_prefix("--- a/") {
            path.clone_into(&mut file);
        } else if line.starts_with("@@ ") {
            before.push((file.clone(), String::new()));
        } else if let Some((_, hunk)) = before.last_mut()
            && let Some(kept) = line.strip_prefix([' ', '-'])
        {
            hunk.push_str(kept);
            hunk.push('\n');
        }
    }
    Bug {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        what: words.lines().next().unwrap_or_default().to_owned(),
        judge: judge.to_owned(),
        by: by.to_owned(),
        before,
    }
}

/// Whether the file of a test's module, `a::b` for `a/b.rs`, has the test.
fn has_test(folder: &Path, name: &str) -> bool {
    let mut steps: Vec<&str> = name.split("::").collect();
    let function = steps.pop().unwrap();
    steps.retain(|step| *step != "tests");
    let text = read(&folder.join(steps.join("/")).with_extension("rs"));
    text.contains(&format!("#[test]\n    fn {function}()"))
        || text.contains(&format!("#[test]\nfn {function}()"))
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
