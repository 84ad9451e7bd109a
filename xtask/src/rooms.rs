//! Rooms of the core: each needs only those that stand above it in `lib.rs`.

/// Judges the files of the core; `door` is its `lib.rs`, and paths begin with the room.
pub(crate) fn judge(door: &str, files: &[(String, String)]) -> Vec<String> {
    let rooms: Vec<&str> = door.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let rank = |room: &str| rooms.iter().position(|known| *known == room);
    let mut complaints = Vec::new();
    for (path, text) in files {
        let own = path.split(['/', '\\']).next().unwrap_or_default();
        let Some(own_rank) = rank(own.strip_suffix(".rs").unwrap_or(own)) else { continue };
        for (line, used) in product_lines(path, text).flat_map(|(at, line)| rooms_in(line).map(move |room| (at, room))) {
            if rank(used).is_some_and(|used| used > own_rank) {
                complaints.push(format!(
                    "laminar-core/src/{path}:{line}: the room {own} needs {used}, which stands below it in lib.rs"
                ));
            }
        }
    }
    complaints
}

/// The lines of a file that are neither comments nor tests, with their numbers.
fn product_lines<'a>(path: &str, text: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let is_tests = path.ends_with("tests.rs");
    let product = text.lines().enumerate().take_while(move |(_, line)| !is_tests && !line.starts_with("#[cfg(test)]"));
    product.map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The rooms that a line names by their path.
fn rooms_in(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("crate::").filter_map(|(at, found)| {
        let before = line[..at].chars().next_back();
        let rest = &line[at + found.len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        (before != Some('_')).then(|| &rest[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn a_room_needs_only_those_above_it() {
        let door = "pub mod error;\n\npub mod graph;\npub mod runtime;\n/// A door.\npub mod dag {\n}\n";
        let files = [
            ("runtime/step.rs", "use crate::graph::Node;\nuse crate::{Error, runtime::Step};\n"),
            ("graph/node.rs", "//! As crate::runtime has it.\nuse crate::error::Error;\nlet a = crate::runtime::Step::new();\n"),
            ("graph/tests.rs", "use crate::runtime::Step;\n"),
            ("graph/edge.rs", "use crate::Result;\n#[cfg(test)]\nmod tests {\n    use crate::runtime::Step;\n}\n"),
            ("lib.rs", "pub use crate::runtime::Step;\n"),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let expected = "laminar-core/src/graph/node.rs:3: the room graph needs runtime, which stands below it in lib.rs";
        assert_eq!(judge(door, &files), [expected]);
    }
}
