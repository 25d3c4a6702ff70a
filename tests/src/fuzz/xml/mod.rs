mod facts;
mod tree;
mod write;

use sans3_core::error::Rule;
use sans3_core::operation::ResponseError;

use super::Draw;
use facts::{Facts, Kind};
use tree::Tree;

/// No document is read further than this when it is cut or added to.
const MAX_VARIED: usize = 4 << 10;

/// The XML of answers. The first byte says of which, and whether the rest is a document or the
/// choices by which one is written.
///
/// Holds: a document that is taken means what a slow reader takes it for; cut short anywhere, it is
/// a violation, and neither a success nor a refusal; with things in it that mean nothing it says
/// the same; what it said, written anew, is read as the same; a server may write an answer in any
/// way that XML allows; a refusal is never taken for a success, nor a success for a refusal.
///
/// # Panics
/// Where one of these is broken.
pub fn xml(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else {
        return;
    };
    let kind = Kind::ALL[usize::from(*choice & 0x0f) % Kind::ALL.len()];
    match choice >> 4 & 3 {
        0 | 1 => composed(kind, &mut Draw::new(rest)),
        2 => document(kind, rest),
        _ => refusal(kind, rest),
    }
}

fn composed(kind: Kind, draw: &mut Draw<'_>) {
    let facts = write::compose(kind, draw);
    let document = write::write(kind, &facts, draw);
    let shown = document.escape_ascii();
    match kind.parse(200, &document) {
        Ok(seen) => assert_eq!(seen, facts, "{shown}"),
        Err(error) => panic!("{error}: {shown}"),
    }
    varied(kind, &document, &facts);
}

fn document(kind: Kind, body: &[u8]) {
    match kind.parse(200, body) {
        Ok(facts) => {
            let Some(tree) = Tree::read(body) else {
                panic!("taken, but unreadable: {}", body.escape_ascii());
            };
            let slow = kind.read(&tree);
            let fast = facts.clone().without_checksums();
            assert_eq!(Some(fast), slow, "{}", body.escape_ascii());
            let again = write::write(kind, &facts, &mut Draw::new(body));
            let seen = kind.parse(200, &again);
            assert_eq!(seen.as_ref(), Ok(&facts), "{}", again.escape_ascii());
            varied(kind, body, &facts);
        }
        Err(error) => {
            check_error(&error);
            let tree = Tree::read(body);
            match error {
                ResponseError::S3(error) => {
                    let root = tree.map(|tree| tree.root.name);
                    assert_eq!(root.as_deref(), Some("Error"), "{error}");
                }
                // What the server said was no refusal, so it must not look like one later.
                ResponseError::Violation(error) => {
                    assert_ne!(error.rule(), Rule::Status, "{error}");
                }
            }
        }
    }
}

/// An answer whose status is that of a refusal; the body adds a code at most.
fn refusal(kind: Kind, body: &[u8]) {
    let status = [400, 403, 404, 500, 503][body.len() % 5];
    let error = match kind.parse(status, body) {
        Err(ResponseError::S3(error)) => error,
        other => panic!("a {status} became {other:?}"),
    };
    assert_eq!(error.status, status);
    check_error(&ResponseError::S3(error.clone()));
    let told = [
        &error.code,
        &error.message,
        &error.request_id,
        &error.region,
    ];
    if told.iter().all(|text| text.is_none()) {
        return;
    }
    let tree = Tree::read(body).unwrap_or_else(|| panic!("read, but unreadable: {error}"));
    assert_eq!(tree.root.name, "Error");
    for (name, text, limit) in [
        ("Code", &error.code, 128),
        ("Message", &error.message, 1024),
        ("RequestId", &error.request_id, 256),
    ] {
        let slow = tree.root.last(name).unwrap_or_default();
        let slow = slow.trim_matches([' ', '\t', '\r', '\n']);
        let text = text.as_deref().unwrap_or_default();
        assert!(slow.starts_with(text) && text.len() <= limit, "{text}");
        assert!(text.len() + 4 > slow.len().min(limit), "{text} of {slow}");
    }
    for cut in cuts(tree.end) {
        let Err(ResponseError::S3(cut)) = kind.parse(status, &body[..cut]) else {
            panic!("a refusal that was cut short is none any more");
        };
        assert_eq!((cut.code, cut.message), (None, None));
    }
}

/// The same document with a piece missing, and with pieces added.
fn varied(kind: Kind, body: &[u8], facts: &Facts) {
    if body.len() > MAX_VARIED {
        return;
    }
    let Some(tree) = Tree::read(body) else {
        panic!("taken, but unreadable: {}", body.escape_ascii());
    };
    for cut in cuts(tree.end) {
        let seen = kind.parse(200, &body[..cut]);
        let is_violation = matches!(seen, Err(ResponseError::Violation(_)));
        assert!(
            is_violation,
            "cut at {cut}: {seen:?} of {}",
            body.escape_ascii()
        );
    }
    let mut longer = Vec::with_capacity(body.len() * 2);
    let mut from = 0;
    for (index, gap) in tree.gaps.iter().enumerate() {
        longer.extend_from_slice(&body[from..*gap]);
        let ignorable = write::IGNORABLE[(index + body.len()) % write::IGNORABLE.len()];
        longer.extend_from_slice(ignorable.as_bytes());
        from = *gap;
    }
    longer.extend_from_slice(&body[from..]);
    longer.extend_from_slice(b"\n <!-- behind --> ");
    let seen = kind.parse(200, &longer);
    assert_eq!(seen.as_ref(), Ok(facts), "{}", longer.escape_ascii());
}

/// Some lengths below `end`, and the last one always.
fn cuts(end: usize) -> impl Iterator<Item = usize> {
    let step = 1 + end / 16;
    (0..end).step_by(step).chain(end.checked_sub(1))
}

/// Errors are for people: bounded, and on one line.
fn check_error(error: &ResponseError) {
    let text = error.to_string();
    assert!(text.len() <= 16 << 10, "{} bytes: {text}", text.len());
    assert!(!text.contains(['\n', '\r', '\u{1b}']), "{text:?}");
}
