//! Which rows a killed run has that the other has not, and the other way round.

use super::contents::{Bag, Contents};

/// Rows of an object that are shown, at most.
const ROWS_SHOWN: usize = 10;

/// What differs, in lines for people; empty: nothing does.
pub(super) fn differences(killed: &Contents, whole: &Contents) -> String {
    let mut text = String::new();
    let empty = Bag::new();
    let names = whole.bags.keys().chain(killed.bags.keys().filter(|name| !whole.bags.contains_key(*name)));
    for name in names {
        let [bag, expected] = [killed, whole].map(|contents| contents.bags.get(name).unwrap_or(&empty));
        let lines = bag_differences(bag, expected);
        if !lines.is_empty() {
            let count = if lines.len() == 1 { "1 row differs".to_owned() } else { format!("{} rows differ", lines.len()) };
            text += &format!("{name}: {count}\n");
            lines.iter().take(ROWS_SHOWN).for_each(|line| text += &format!("  {line}\n"));
            if lines.len() > ROWS_SHOWN {
                text += &format!("  … and {} more\n", lines.len() - ROWS_SHOWN);
            }
        }
    }
    text
}

/// A line for each row that is not as often in one as in the other.
fn bag_differences(killed: &Bag, whole: &Bag) -> Vec<String> {
    let only_killed = killed.keys().filter(|row| !whole.contains_key(*row));
    let rows = whole.keys().chain(only_killed);
    let count = |bag: &Bag, row: &String| bag.get(row).copied().unwrap_or_default();
    rows.filter_map(|row| match (count(killed, row), count(whole, row)) {
        (there, expected) if there == expected => None,
        (0, _) => Some(format!("missing: {row}")),
        (_, 0) => Some(format!("too much: {row}")),
        (there, expected) => Some(format!("{there} times instead of {expected}: {row}")),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn contents(rows: &[(&str, i64)]) -> Contents {
        let bag = rows.iter().map(|(row, count)| ((*row).to_owned(), *count)).collect();
        Contents { bags: [("table t".to_owned(), bag)].into(), left_out: vec![] }
    }

    #[test]
    fn missing_rows_and_rows_too_many_are_shown() {
        let whole = contents(&[("a", 1), ("b", 2), ("c", 1)]);
        assert_eq!(differences(&whole, &whole), "");
        let killed = contents(&[("a", 2), ("b", 2), ("d", 1)]);
        expect![[r#"
            table t: 3 rows differ
              2 times instead of 1: a
              missing: c
              too much: d
        "#]]
        .assert_eq(&differences(&killed, &whole));
        let many: Vec<(String, i64)> = (10..31).map(|row| (row.to_string(), 1)).collect();
        let many: Vec<(&str, i64)> = many.iter().map(|(row, count)| (row.as_str(), *count)).collect();
        assert!(differences(&contents(&many), &contents(&[])).ends_with("  too much: 19\n  … and 11 more\n"));
    }
}
