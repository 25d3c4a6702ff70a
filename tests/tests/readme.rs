//! The code that README.md and docs/adapters.md show is that of the examples, line by line. What
//! they show of the client is compiled with the documentation of `sans3-tokio`.

use std::path::Path;

const OPENING: &str = "```rust,ignore\n";

/// A block's lines: the first names the file, and `// ..` stands for lines that are left out.
fn check(document: &str) -> usize {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join(document)).unwrap();
    let blocks = text.split(OPENING).skip(1);
    blocks
        .map(|block| {
            let (block, _) = block.split_once("```").unwrap();
            let (name, block) = block.split_once('\n').unwrap();
            let name = name.trim().strip_prefix("// ").unwrap_or_else(|| {
                panic!("{document}: a block begins with the name of its file, not with {name:?}")
            });
            let code = std::fs::read_to_string(root.join(name));
            let code = trimmed(&code.unwrap_or_else(|error| panic!("{name}: {error}")));
            let mut rest = code.as_str();
            for piece in trimmed(block).split("// ..\n") {
                let Some((_, behind)) = rest.split_once(piece) else {
                    panic!("{document} shows what is not in {name}:\n{piece}");
                };
                rest = behind;
            }
        })
        .count()
}

/// The lines without their indentation, which is not the same in a document, and without blank ones.
fn trimmed(code: &str) -> String {
    let lines = code.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty());
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn documents_show_the_code_of_the_examples() {
    assert!(
        check("README.md") >= 4,
        "the page for authors has lost its code"
    );
    assert_eq!(check("docs/adapters.md"), 2);
}
