//! Finds what somebody may have meant.

/// The candidate most like `wanted`, if one is like enough to be worth saying.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let scored = candidates.into_iter().map(|candidate| {
        let lower = candidate.to_lowercase();
        let edits = strsim::damerau_levenshtein(&wanted, &lower);
        (edits, lower.len().max(wanted.len()), candidate)
    });
    // A third of the letters may differ, and two always may, unless that is nearly the whole word.
    let close = scored.filter(|(edits, length, _)| *edits <= (length / 3).max(2) && edits * 2 <= *length);
    close.min_by_key(|(edits, _, candidate)| (*edits, *candidate)).map(|(_, _, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_something_alike_is_suggested() {
        let known = ["path", "format", "delimiter"];
        let cases = [("pth", Some("path")), ("PATH", Some("path")), ("fromat", Some("format")), ("delim", None), ("x", None)];
        for (wanted, found) in cases {
            assert_eq!(nearest(wanted, known), found, "{wanted}");
        }
    }
}
