//! Rooms of a crate: each needs only those that stand above it in `lib.rs`, by their paths or by the names that `lib.rs` gives out.

use std::collections::BTreeMap;

/// Judges the files of a crate; `door` is its `lib.rs`, and paths begin with the room.
pub(crate) fn judge(name: &str, door: &str, files: &[(String, String)]) -> Vec<String> {
    let rooms = Rooms::of(door);
    let mut complaints = Vec::new();
    for (path, text) in files {
        let own = path.split(['/', '\\']).next().unwrap_or_default();
        let own = own.strip_suffix(".rs").unwrap_or(own);
        let Some(own_rank) = rooms.rank(own) else { continue };
        for (line, used) in names_in(&product(path, text)) {
            let used = rooms.home_of(used);
            if rooms.rank(used).is_some_and(|used| used > own_rank) {
                complaints
                    .push(format!("{name}/src/{path}:{line}: the room {own} needs {used}, which stands below it in lib.rs"));
            }
        }
    }
    complaints
}

/// What a door says.
struct Rooms<'a> {
    /// From top to bottom.
    order: Vec<&'a str>,
    /// The rooms of names that are given out.
    exports: BTreeMap<&'a str, &'a str>,
}

impl<'a> Rooms<'a> {
    fn of(door: &'a str) -> Self {
        let room = |line: &'a str| line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?.strip_suffix(';');
        let order: Vec<&str> = door.lines().filter_map(room).collect();
        let mut exports = BTreeMap::new();
        for (at, found) in door.match_indices("\npub use ") {
            let path = &door[at + found.len()..];
            let path = &path[..path.find(';').unwrap_or(path.len())];
            let Some((room, names)) = path.split_once("::").filter(|(room, _)| order.contains(room)) else { continue };
            exports.extend(identifiers(names).map(|name| (name, room)));
        }
        Self { order, exports }
    }

    fn rank(&self, room: &str) -> Option<usize> {
        self.order.iter().position(|known| *known == room)
    }

    /// The room of a name that follows `crate::`.
    fn home_of<'b>(&'b self, name: &'b str) -> &'b str {
        if self.order.contains(&name) { name } else { self.exports.get(name).copied().unwrap_or(name) }
    }
}

/// A file without its comments and tests, with as many lines as these leave before the tests.
fn product(path: &str, text: &str) -> String {
    let is_tests = path.ends_with("tests.rs");
    let product = text.lines().take_while(|line| !is_tests && !line.starts_with("#[cfg(test)]"));
    product.map(|line| if line.trim_start().starts_with("//") { "" } else { line }).collect::<Vec<_>>().join("\n")
}

/// The names that follow `crate::`, also in braces, with the numbers of their lines.
fn names_in(text: &str) -> Vec<(usize, &str)> {
    let mut names = Vec::new();
    for (at, found) in text.match_indices("crate::").filter(|(at, _)| !text[..*at].ends_with('_')) {
        let line = text[..at].matches('\n').count() + 1;
        let rest = &text[at + found.len()..];
        match rest.strip_prefix('{') {
            Some(list) => names.extend(first_names(list).map(|name| (line, name))),
            None => names.extend(identifiers(rest).next().map(|name| (line, name))),
        }
    }
    names
}

/// The first name of each item of a list in braces, of which the first brace is gone.
fn first_names(list: &str) -> impl Iterator<Item = &str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                items.push(&list[start..at]);
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    items.into_iter().filter_map(|item| identifiers(item).next())
}

fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::judge;

    fn files<const N: usize>(files: [(&str, &str); N]) -> Vec<(String, String)> {
        files.map(|(path, text)| (path.to_owned(), text.to_owned())).to_vec()
    }

    #[test]
    fn a_room_needs_only_those_above_it() {
        let door = "pub mod error;\n\npub mod graph;\npub mod runtime;\n/// A door.\npub mod dag {\n}\n";
        let files = files([
            ("runtime/step.rs", "use crate::graph::Node;\nuse crate::{Error, runtime::Step};\n"),
            ("graph/node.rs", "//! As crate::runtime has it.\nuse crate::error::Error;\nlet a = crate::runtime::Step::new();\n"),
            ("graph/tests.rs", "use crate::runtime::Step;\n"),
            ("graph/edge.rs", "use crate::Result;\n#[cfg(test)]\nmod tests {\n    use crate::runtime::Step;\n}\n"),
            ("lib.rs", "pub use crate::runtime::Step;\n"),
        ]);
        let expected = "laminar-core/src/graph/node.rs:3: the room graph needs runtime, which stands below it in lib.rs";
        assert_eq!(judge("laminar-core", door, &files), [expected]);
    }

    #[test]
    fn a_name_that_the_door_gives_out_belongs_to_its_room() {
        let door = "mod catalog;\n\nmod engine;\n\nmod database;\n\npub use arrow::Batch;\npub use database::{\n    Database,\n    Turn,\n};\n";
        let files = files([
            ("catalog/mod.rs", "use crate::Batch;\nuse crate::{\n    catalog::{Object, Turn},\n    engine::Engine,\n};\n"),
            ("engine/mod.rs", "use crate::catalog::Catalog;\nfn f(d: &crate::Database) {}\n"),
            ("database.rs", "use crate::{engine::Engine, Turn};\n"),
        ]);
        let expected = [
            "laminar-db/src/catalog/mod.rs:2: the room catalog needs engine, which stands below it in lib.rs",
            "laminar-db/src/engine/mod.rs:2: the room engine needs database, which stands below it in lib.rs",
        ];
        assert_eq!(judge("laminar-db", door, &files), expected);
    }
}
