//! `docs/adversaries.md` and the sources name the same tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A test, by its file and its name.
type Test = (String, String);

#[test]
fn each_of_the_hundred_is_tested_or_says_why_not() {
    let table = table();
    assert_eq!(table.len(), 100);
    for (index, row) in table.iter().enumerate() {
        assert_eq!(row.number, index + 1);
        assert!(!row.world.is_empty(), "{}", row.number);
        let says_why = row.tests_and_words.contains("not yet: ");
        assert!(says_why || !row.tests.is_empty(), "{}", row.number);
    }
}

#[test]
fn every_test_of_the_table_exists() {
    for row in table() {
        for (file, name) in row.tests {
            let source = fs::read_to_string(root().join(&file));
            let source = source.unwrap_or_else(|error| panic!("{}: {file}: {error}", row.number));
            let is_there = tests_of(&source).any(|found| found == name);
            assert!(is_there, "{}: {file} has no test {name}", row.number);
            let other = number(&name).is_some_and(|number| number != row.number);
            assert!(!other, "{}: {name} is of another row", row.number);
        }
    }
}

#[test]
fn every_test_with_a_number_is_in_the_table() {
    let listed: BTreeMap<usize, BTreeSet<Test>> = table()
        .into_iter()
        .map(|row| (row.number, row.tests.into_iter().collect()))
        .collect();
    let mut found = 0;
    for path in sources() {
        let file = path.strip_prefix(root()).unwrap().to_str().unwrap();
        let file = file.replace('\\', "/");
        let source = fs::read_to_string(&path).unwrap();
        for name in tests_of(&source) {
            let Some(number) = number(name) else { continue };
            let test = (file.clone(), name.to_owned());
            let is_listed = listed.get(&number).is_some_and(|row| row.contains(&test));
            assert!(is_listed, "row {number} lacks {name} of {file}");
            found += 1;
        }
    }
    assert!(found > 200, "only {found} tests have a number");
}

struct Row {
    number: usize,
    world: String,
    tests: Vec<Test>,
    tests_and_words: String,
}

/// The rows below the heading. What stands between backquotes is a file where it ends in `.rs`, and
/// else, where it looks like one, a test in the file that was named last.
fn table() -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/adversaries.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let number = cells.next()?.parse().ok()?;
        let (world, tests_and_words) = (cells.next()?.to_owned(), cells.next()?.to_owned());
        assert_eq!(cells.next(), None, "{number} has too many cells");
        let (mut file, mut tests) = (None, Vec::new());
        for word in tests_and_words.split('`').skip(1).step_by(2) {
            if word.ends_with(".rs") {
                file = Some(word);
            } else if word.bytes().all(is_of_a_name) && word.contains('_') {
                let file = file.unwrap_or_else(|| panic!("{number}: {word} of which file?"));
                tests.push((file.to_owned(), word.to_owned()));
            }
        }
        Some(Row {
            number,
            world,
            tests,
            tests_and_words,
        })
    });
    rows.collect()
}

/// The number in a test's name: `adversary_07_..`, `adversary_7_..` or `line_07_..`.
fn number(name: &str) -> Option<usize> {
    let rest = name
        .strip_prefix("adversary_")
        .or(name.strip_prefix("line_"))?;
    rest.split_once('_')?.0.parse().ok()
}

/// The tests: functions that are marked as such, with other attributes between at most.
fn tests_of(source: &str) -> impl Iterator<Item = &str> {
    let mut marked = false;
    source.lines().filter_map(move |line| {
        let line = line.trim_start();
        let was_marked = marked;
        marked = line == "#[test]"
            || line.starts_with("#[tokio::test")
            || (was_marked && line.starts_with('#'));
        let line = Some(line).filter(|_| was_marked)?;
        let line = line.strip_prefix("async ").unwrap_or(line);
        let name = line.strip_prefix("fn ")?.split_once("()")?.0;
        name.bytes().all(is_of_a_name).then_some(name)
    })
}

const fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

/// All files in Rust, but for what was built.
fn sources() -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![root()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") {
                files.push(path);
            }
        }
    }
    files
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
