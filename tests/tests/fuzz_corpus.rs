//! Runs the bodies of the fuzz targets over their committed corpus, and over mutations of it.
//!
//! `SANS3_FUZZ_TARGET=xml` takes one target, `SANS3_FUZZ_ROUNDS=100000` more mutations of each,
//! `SANS3_FUZZ_SEED=17` others.

use std::panic::{UnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::{env, fs};

use sans3_core::rng::Rng;
use sans3_testkit::fuzz::TARGETS;

const ROUNDS: u64 = 1_500;

/// The targets of which one run takes milliseconds, and gets fewer of them.
const SLOW: [&str; 2] = ["profile", "schedule"];

/// The longest input that a mutation makes.
const MAX_LEN: usize = 8 << 10;

/// Pieces of what the targets read, which flipped bits would hardly ever make.
const WORDS: [&[u8]; 16] = [
    b"\r\n",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"</",
    b"-->",
    b"<![CDATA[",
    b"&#x0;",
    b"%2F",
    b"%",
    b"/../",
    b"18446744073709551615",
    b"18446744073709551616",
    b"-1",
    b"[default]\n",
    b"\xff\xfe",
    "\u{e9}".as_bytes(),
];

#[test]
fn the_corpus_breaks_no_promise() {
    for Corpus { name, files } in corpora() {
        assert!(files.len() >= 10, "{name} has only {} files", files.len());
        for File { path, bytes } in files {
            check(name, &bytes, || format!("{}", path.display()));
        }
    }
}

#[test]
fn mutations_of_the_corpus_break_no_promise() {
    let asked = number("SANS3_FUZZ_ROUNDS");
    let first = number("SANS3_FUZZ_SEED").unwrap_or(0);
    for Corpus { name, files } in corpora() {
        let usual = if SLOW.contains(&name) {
            ROUNDS / 10
        } else {
            ROUNDS
        };
        let rounds = asked.unwrap_or(usual);
        for seed in first..first + rounds {
            let mut rng = Rng::new(seed);
            let File { path, bytes } = pick(&mut rng, &files);
            let other = &pick(&mut rng, &files).bytes;
            let mut bytes = bytes.clone();
            for _ in 0..=rng.below(4) {
                mutate(&mut rng, &mut bytes, other);
            }
            bytes.truncate(MAX_LEN);
            check(name, &bytes, || {
                format!(
                    "a mutation of {}; again: SANS3_FUZZ_TARGET={name} SANS3_FUZZ_SEED={seed} \
                     SANS3_FUZZ_ROUNDS=1",
                    path.display()
                )
            });
        }
    }
}

#[test]
fn the_targets_are_those_of_cargo_fuzz() {
    let mut files: Vec<String> = fs::read_dir(fuzz().join("fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort_unstable();
    let mut names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(files, names);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

struct Corpus {
    name: &'static str,
    files: Vec<File>,
}

struct File {
    path: PathBuf,
    bytes: Vec<u8>,
}

fn corpora() -> Vec<Corpus> {
    let only = env::var("SANS3_FUZZ_TARGET").ok();
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let names = TARGETS.iter().map(|(name, _)| *name);
    let corpora: Vec<_> = names
        .filter(|name| wanted(name))
        .map(|name| Corpus {
            name,
            files: files(&fuzz().join("corpus").join(name)),
        })
        .collect();
    assert!(!corpora.is_empty(), "no target is called {only:?}");
    corpora
}

fn files(folder: &Path) -> Vec<File> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    // What a folder lists first differs between machines, and seeds choose by it.
    paths.sort_unstable();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        File { path, bytes }
    };
    paths.into_iter().map(read).collect()
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

fn check(name: &str, bytes: &[u8], what: impl Fn() -> String + UnwindSafe) {
    let body = TARGETS
        .iter()
        .find(|(target, _)| *target == name)
        .unwrap()
        .1;
    if catch_unwind(|| body(bytes)).is_err() {
        panic!("{name}: {}\n{}", what(), bytes.escape_ascii());
    }
}

fn pick<'f>(rng: &mut Rng, files: &'f [File]) -> &'f File {
    &files[below(rng, files.len())]
}

fn below(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}

fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = below(rng, bytes.len() + 1);
    let len = below(rng, 1 + (bytes.len() - at).min(32));
    match rng.below(7) {
        0 | 1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.below(8);
            }
        }
        2 => drop(bytes.drain(at..at + len)),
        3 => {
            let piece = bytes[at..at + len].to_vec();
            bytes.splice(at..at, piece);
        }
        4 => {
            let word = WORDS[below(rng, WORDS.len())];
            bytes.splice(at..at, word.iter().copied());
        }
        5 => {
            let from = below(rng, other.len() + 1);
            let to = from + below(rng, 1 + (other.len() - from).min(64));
            bytes.splice(at..at + len, other[from..to].iter().copied());
        }
        _ => bytes.truncate(at),
    }
}
