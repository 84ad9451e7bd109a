//! Judges one Rust file: header, name, length, doors without logic, nothing left open.

use super::functions::measure;

/// The longest file that needs no reason in its header.
const FILE_LINES_MAX: usize = 600;
/// The longest function in a door: enough for the one match that leads to all rooms. More is logic, which lives in a room.
const DOOR_FUNCTION_LINES_MAX: usize = 30;
/// Names that say nothing about what a file holds.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "misc"];
/// What nobody may leave behind.
const LEFT_OPEN: &[&str] = &[concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!(")];

/// The broken rules of the file at `path` (from the root of the repository).
pub(crate) fn judge(path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut complain = |line: usize, what: String| complaints.push(format!("{path}:{line}: {what}"));

    if !text.starts_with("//! ") {
        complain(1, "the first line must say what the file holds: `//! Adds up …`".into());
    }
    let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs");
    let folder = path.rsplit('/').nth(1).unwrap_or_default();
    if let Some(empty) = EMPTY_NAMES.iter().find(|empty| **empty == name || (**empty == folder && name == "mod")) {
        complain(1, format!("'{empty}' says nothing; name the file by what it holds"));
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX && !header(text).contains("Long because") {
        complain(1, format!("{lines} lines; split it, or say why in the header: `//! Long because …`"));
    }
    if matches!(name, "mod" | "lib") && !path.contains("/tests/") {
        for long in measure(before_tests(text)).into_iter().filter(|f| f.lines > DOOR_FUNCTION_LINES_MAX) {
            complain(long.line, format!("`{}` has {} lines; a door holds no logic, give it a room", long.name, long.lines));
        }
    }
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
        if let Some(open) = LEFT_OPEN.iter().find(|open| line.contains(**open)) {
            complain(at + 1, format!("`{open}…)` is left; build it, or refuse it with a message"));
        }
    }
    complaints
}

/// The `//!` lines at the top.
fn header(text: &str) -> String {
    text.lines().take_while(|line| line.starts_with("//!")).collect()
}

fn before_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: &[&str]) {
        let found = judge(path, text);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found} lacks {expected}");
        }
    }

    #[test]
    fn each_rule_is_checked() {
        let long_function = format!("//! Door.\nfn big() {{\n{}}}\n", "    work();\n".repeat(40));
        let long_file = |header: &str| format!("{header}\n{}", "const A: u8 = 1;\n".repeat(FILE_LINES_MAX));
        check("src/a.rs", "//! Holds a.\n", &[]);
        check("src/a.rs", "use b;\n", &["src/a.rs:1: the first line"]);
        check("src/utils.rs", "//! Things.\n", &["'utils' says nothing"]);
        check("src/common/mod.rs", "//! Things.\n", &["'common' says nothing"]);
        check("src/x/mod.rs", &long_function, &["src/x/mod.rs:2: `big` has 42 lines"]);
        check("src/x/big.rs", &long_function, &[]);
        check("src/a.rs", &long_file("//! Holds a."), &["601 lines"]);
        check("src/a.rs", &long_file("//! Holds a.\n//! Long because it is a table."), &[]);
        check("src/a.rs", &format!("//! A.\nfn f() {{ {}) }}\n", LEFT_OPEN[0]), &["src/a.rs:2: `todo"]);
    }
}
