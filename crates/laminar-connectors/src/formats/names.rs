//! Names of columns: made unique where a file repeats them, and found again when rows are read.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use laminar_core::{Code, Error};

use crate::options::nearest;

/// Columns that a file can have without declared ones: each costs memory and planning in every query.
pub const COLUMNS_MAX: usize = 65_536;
/// Names that a message lists at most.
const LISTED_MAX: usize = 50;

/// Where columns stand, by their names.
#[derive(Debug, Default, Clone)]
pub struct ColumnIndex {
    exact: HashMap<String, usize, FixedState>,
    /// By lower-case name; `None`: several names differ in case alone.
    alike: HashMap<String, Option<usize>, FixedState>,
}

/// How a name fits a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Letter by letter.
    Exact(usize),
    /// But for upper and lower case, and no other column does.
    Alike(usize),
}

impl Found {
    /// The column's index.
    pub fn index(self) -> usize {
        match self {
            Found::Exact(index) | Found::Alike(index) => index,
        }
    }
}

impl ColumnIndex {
    /// An index of `names`; of equal names the first is found.
    pub fn new<S: AsRef<str>>(names: &[S]) -> Self {
        let mut index = Self::default();
        for (place, name) in names.iter().map(AsRef::as_ref).enumerate() {
            if !index.exact.contains_key(name) {
                index.exact.insert(name.to_owned(), place);
                let alike = index.alike.entry(name.to_ascii_lowercase());
                alike.and_modify(|place| *place = None).or_insert(Some(place));
            }
        }
        index
    }

    /// The column called `name`: the exact one, or else the only one that differs in case alone.
    pub fn find(&self, name: &str) -> Option<Found> {
        if let Some(place) = self.exact.get(name) {
            return Some(Found::Exact(*place));
        }
        let alike = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => self.alike.get(&name.to_ascii_lowercase()),
            false => self.alike.get(name),
        };
        alike.copied().flatten().map(Found::Alike)
    }
}

/// Finds the columns of keys that mostly come in one order: the column after the last one found is looked at first.
pub(super) struct KeyFinder<'a> {
    names: &'a [String],
    index: &'a ColumnIndex,
    next: usize,
}

impl<'a> KeyFinder<'a> {
    /// A finder for the keys of one object.
    pub(super) fn new(names: &'a [String], index: &'a ColumnIndex) -> Self {
        Self { names, index, next: 0 }
    }

    pub(super) fn find(&mut self, key: &str) -> Option<Found> {
        let found = match self.names.get(self.next) {
            Some(name) if name == key => Some(Found::Exact(self.next)),
            _ => self.index.find(key),
        };
        self.next = found.map_or(self.next, |found| found.index() + 1);
        found
    }
}

/// The index of `name` among `candidates`: the exact one, or else the only one that differs in case alone. For many names in a row
/// a [`ColumnIndex`] is faster.
pub fn find_column<S: AsRef<str>>(name: &str, candidates: &[S]) -> Option<usize> {
    if let Some(exact) = candidates.iter().position(|candidate| candidate.as_ref() == name) {
        return Some(exact);
    }
    let mut alike = (0..candidates.len()).filter(|index| candidates[*index].as_ref().eq_ignore_ascii_case(name));
    alike.next().filter(|_| alike.next().is_none())
}

/// Names as a schema can have them: an empty one at index 2 becomes `column_3`, a second `a` there becomes `a_3`. A name that the
/// file itself has stays with its column.
pub fn unique_names(names: Vec<String>) -> Vec<String> {
    let mut taken: HashMap<String, usize, FixedState> = HashMap::default();
    for (index, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        taken.entry(name.clone()).or_insert(index);
    }
    let mut unique = Vec::with_capacity(names.len());
    for (index, name) in names.into_iter().enumerate() {
        if taken.get(&name) == Some(&index) {
            unique.push(name);
            continue;
        }
        let stem = if name.is_empty() { "column".to_owned() } else { name };
        let mut made = format!("{stem}_{}", index + 1);
        while taken.contains_key(&made) {
            made = format!("{made}_{}", index + 1);
        }
        taken.insert(made.clone(), index);
        unique.push(made);
    }
    unique
}

/// The message for a declared column that `place` does not have.
pub fn missing_column<S: AsRef<str>>(name: &str, candidates: &[S], place: &str) -> Error {
    let names: Vec<&str> = candidates.iter().map(AsRef::as_ref).collect();
    let list = format!("its columns are: {}", list(&names));
    let alike: Vec<&str> = names.iter().copied().filter(|known| known.eq_ignore_ascii_case(name)).collect();
    let hint = match nearest(name, names.iter().copied()) {
        _ if alike.len() > 1 => format!("write it as the file does: {}", alike.join(" or ")),
        Some(found) => format!("did you mean '{found}'? {list}"),
        None => list,
    };
    Error::new(Code::UnknownColumn, format!("{place} has no column '{name}'")).with_hint(hint)
}

fn list(names: &[&str]) -> String {
    let more = names.len().saturating_sub(LISTED_MAX);
    let shown = names[..names.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_matters_only_when_it_decides() {
        let columns = ["id", "Name", "ts", "TS"];
        let cases = [("id", Some(0)), ("name", Some(1)), ("ts", Some(2)), ("TS", Some(3)), ("Ts", None), ("x", None)];
        for (name, place) in cases {
            assert_eq!(find_column(name, &columns), place, "{name}");
            assert_eq!(ColumnIndex::new(&columns).find(name).map(Found::index), place, "{name}");
        }
    }

    #[test]
    fn names_are_made_unique_and_those_of_the_file_stay() {
        let cases: &[(&[&str], &[&str])] = &[
            (&["a", "", "a"], &["a", "column_2", "a_3"]),
            (&["", "a", "b"], &["column_1", "a", "b"]),
            (&["a", "a", "a_2"], &["a", "a_2_2", "a_2"]),
            (&["a_2", "a", "a"], &["a_2", "a", "a_3"]),
            (&["", "", "column_2"], &["column_1", "column_2_2", "column_2"]),
            (&["a", "A", "a"], &["a", "A", "a_3"]),
            (&["a", "a", "a", "a_3"], &["a", "a_2", "a_3_3", "a_3"]),
        ];
        for (names, unique) in cases {
            let made = unique_names(names.iter().map(|name| name.to_string()).collect());
            assert_eq!(made, *unique, "{names:?}");
        }
    }

    #[test]
    fn a_column_that_is_missing_is_told_with_what_is_there() {
        let check = |name: &str, columns: &[&str]| missing_column(name, columns, "'a.csv'").hint().unwrap_or_default().to_owned();
        assert_eq!(check("nmae", &["id", "name"]), "did you mean 'name'? its columns are: id, name");
        assert_eq!(check("NAME", &["Name", "name"]), "write it as the file does: Name or name");
        let many: Vec<String> = (0..60).map(|n| format!("c{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(check("xyz", &many).ends_with("c49 and 10 more"));
    }
}
