//! The program that replays: its words and its exit codes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::eventful;

fn file(name: &str, text: &str) -> PathBuf {
    let name = format!("replay-{}-{name}", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn replay(words: &[&Path]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
    let Output {
        status,
        stdout,
        stderr,
    } = command.args(words).output().unwrap();
    let said = [stdout, stderr].concat();
    (status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn the_exit_code_says_whether_it_was_the_same() {
    let text = eventful(1).text();
    let cut = text.strip_suffix("\"end\"\n").unwrap();
    let bent = text.replacen("bytes=1000-1999", "bytes=1000-1998", 1);
    for (name, text, code, words) in [
        ("same", &*text, 0, "the same: "),
        ("cut", cut, 0, "was cut off"),
        (
            "bent",
            &bent,
            1,
            "came to something else at /input/1/outcome/1/1/",
        ),
        (
            "broken",
            &text[..text.len() / 2],
            2,
            "is unreadable: expected a whole line",
        ),
    ] {
        let path = file(name, text);
        let (seen, said) = replay(&[&path]);
        assert_eq!(seen, Some(code), "{name}: {said}");
        assert!(said.contains(words), "{name}: {said}");
        std::fs::remove_file(path).unwrap();
    }
    let (seen, said) = replay(&[Path::new("/nonexistent")]);
    assert_eq!(seen, Some(2), "{said}");
    assert!(said.contains("/nonexistent"), "{said}");
    let (seen, said) = replay(&[]);
    assert_eq!(seen, Some(2));
    assert!(said.contains("usage: replay FILE"), "{said}");
}
