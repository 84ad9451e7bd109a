//! Finds declared columns among those that the data has.

use laminar_core::{Code, Error};

use crate::options::nearest;

/// The place of `name`: the exact one, or else the only one that differs in case alone.
pub fn find_column<S: AsRef<str>>(name: &str, candidates: &[S]) -> Option<usize> {
    if let Some(exact) = candidates.iter().position(|candidate| candidate.as_ref() == name) {
        return Some(exact);
    }
    let mut alike = (0..candidates.len()).filter(|index| candidates[*index].as_ref().eq_ignore_ascii_case(name));
    alike.next().filter(|_| alike.next().is_none())
}

/// The message for a declared column that `place` does not have.
pub fn missing_column<S: AsRef<str>>(name: &str, candidates: &[S], place: &str) -> Error {
    let names: Vec<&str> = candidates.iter().map(AsRef::as_ref).collect();
    let list = format!("its columns are: {}", names.join(", "));
    let hint = match nearest(name, names.iter().copied()) {
        Some(found) => format!("did you mean '{found}'? {list}"),
        None => list,
    };
    Error::new(Code::UnknownColumn, format!("{place} has no column '{name}'")).with_hint(hint)
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
        }
    }
}
