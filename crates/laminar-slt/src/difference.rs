//! Two lists of rows beside each other: which are missing, which are too many, and in what they differ.

use laminar_db::diagnostic::Style;

/// Rows beyond which lists are compared line by line, without looking for what moved.
const ALIGNED_ROWS_MAX: usize = 2_000;
/// Lines of a difference that are shown.
const SHOWN_LINES_MAX: usize = 60;
/// Equal rows that are shown before and behind others.
const CONTEXT_ROWS: usize = 3;

/// What a comparison came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    lines: Vec<Line>,
    expected: usize,
    actual: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Same(String),
    /// Expected, and not there.
    Missing(String),
    /// There, and not expected.
    Extra(String),
    /// Below two rows that differ: marks under what does.
    Marks(String),
}

impl Difference {
    /// The difference between rows; `None` if there is none.
    pub(crate) fn of(expected: &[String], actual: &[String]) -> Option<Self> {
        if expected == actual {
            return None;
        }
        let pad = Columns::of(expected, actual);
        let mut lines = Vec::new();
        for piece in aligned(expected, actual) {
            match piece {
                Piece::Same(row) => lines.push(Line::Same(pad.line(row))),
                Piece::Changed(missing, extra) => {
                    for index in 0..missing.len().max(extra.len()) {
                        lines.extend(missing.get(index).map(|row| Line::Missing(pad.line(row))));
                        lines.extend(extra.get(index).map(|row| Line::Extra(pad.line(row))));
                        if let (Some(missing), Some(extra)) = (missing.get(index), extra.get(index)) {
                            lines.extend(pad.marks(missing, extra).map(Line::Marks));
                        }
                    }
                }
            }
        }
        Some(Self { lines, expected: expected.len(), actual: actual.len() })
    }

    /// As lines for people, each with a line end.
    pub(crate) fn render(&self, style: Style) -> String {
        let paint = |code: &str, text: String| if style == Style::Ansi { format!("\x1b[{code}m{text}\x1b[0m") } else { text };
        let mut text = format!(
            "    {}   {}\n",
            paint("31", format!("- expected ({})", rows(self.expected))),
            paint("32", format!("+ came ({})", rows(self.actual)))
        );
        let mut shown = 0;
        let mut left_out = 0;
        for (index, line) in self.lines.iter().enumerate() {
            if shown >= SHOWN_LINES_MAX || !self.is_near_a_difference(index) {
                left_out += 1;
                continue;
            }
            if left_out > 0 {
                text += &format!("    … {left_out} more\n");
                left_out = 0;
            }
            shown += 1;
            text += &match line {
                Line::Same(row) => format!("      {row}"),
                Line::Missing(row) => format!("    {}", paint("31", format!("- {row}"))),
                Line::Extra(row) => format!("    {}", paint("32", format!("+ {row}"))),
                Line::Marks(marks) => format!("      {}", paint("33", marks.clone())),
            };
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        if left_out > 0 {
            text += &format!("    … {left_out} more\n");
        }
        text
    }

    fn is_near_a_difference(&self, index: usize) -> bool {
        let near = &self.lines[index.saturating_sub(CONTEXT_ROWS)..(index + CONTEXT_ROWS + 1).min(self.lines.len())];
        near.iter().any(|line| !matches!(line, Line::Same(_)))
    }
}

fn rows(count: usize) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

/// How wide values are printed, where all rows have as many of them.
struct Columns {
    widths: Option<Vec<usize>>,
}

impl Columns {
    fn of(expected: &[String], actual: &[String]) -> Self {
        let mut widths: Option<Vec<usize>> = None;
        for row in expected.iter().chain(actual) {
            let lengths: Vec<usize> = row.split(' ').map(|value| value.chars().count()).collect();
            match &mut widths {
                None => widths = Some(lengths),
                Some(widths) if widths.len() == lengths.len() => {
                    widths.iter_mut().zip(lengths).for_each(|(width, length)| *width = length.max(*width));
                }
                Some(_) => return Self { widths: None },
            }
        }
        Self { widths }
    }

    fn line(&self, row: &str) -> String {
        self.padded(row.split(' ').map(str::to_owned), row)
    }

    /// Marks under the values in which two rows differ; `None` where rows cannot be laid beside each other, or have nothing in common.
    fn marks(&self, one: &str, other: &str) -> Option<String> {
        self.widths.as_ref()?;
        let pairs: Vec<(&str, &str)> = one.split(' ').zip(other.split(' ')).collect();
        if pairs.iter().all(|(one, other)| one != other) {
            return None;
        }
        let mark = |(one, other): &(&str, &str)| if one == other { String::new() } else { "^".repeat(other.chars().count()) };
        Some(self.padded(pairs.iter().map(mark), ""))
    }

    fn padded(&self, values: impl Iterator<Item = String>, otherwise: &str) -> String {
        match &self.widths {
            Some(widths) => {
                let padded: Vec<String> = values.zip(widths).map(|(value, width)| format!("{value:width$}")).collect();
                padded.join("  ").trim_end().to_owned()
            }
            None => otherwise.to_owned(),
        }
    }
}

enum Piece<'a> {
    Same(&'a str),
    Changed(Vec<&'a str>, Vec<&'a str>),
}

/// Both lists in one, by their longest common part.
fn aligned<'a>(expected: &'a [String], actual: &'a [String]) -> Vec<Piece<'a>> {
    let (mut missing, mut extra): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut pieces = Vec::new();
    let (mut e, mut a) = (0, 0);
    let lengths = common_lengths(expected, actual);
    let left = |e: usize, a: usize| lengths.get(e).and_then(|row| row.get(a)).copied().unwrap_or_default();
    while e < expected.len() || a < actual.len() {
        if e < expected.len() && a < actual.len() && expected[e] == actual[a] {
            if !missing.is_empty() || !extra.is_empty() {
                pieces.push(Piece::Changed(std::mem::take(&mut missing), std::mem::take(&mut extra)));
            }
            pieces.push(Piece::Same(&expected[e]));
            (e, a) = (e + 1, a + 1);
        } else if a == actual.len() || e < expected.len() && left(e + 1, a) >= left(e, a + 1) {
            missing.push(&expected[e]);
            e += 1;
        } else {
            extra.push(&actual[a]);
            a += 1;
        }
    }
    if !missing.is_empty() || !extra.is_empty() {
        pieces.push(Piece::Changed(missing, extra));
    }
    pieces
}

/// For each pair of places how long the common part of what follows is; empty for lists that are too long.
fn common_lengths(expected: &[String], actual: &[String]) -> Vec<Vec<u32>> {
    if expected.len().max(actual.len()) > ALIGNED_ROWS_MAX {
        return Vec::new();
    }
    let mut lengths = vec![vec![0; actual.len() + 1]; expected.len() + 1];
    for e in (0..expected.len()).rev() {
        for a in (0..actual.len()).rev() {
            lengths[e][a] =
                if expected[e] == actual[a] { lengths[e + 1][a + 1] + 1 } else { u32::max(lengths[e + 1][a], lengths[e][a + 1]) };
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(expected: &[&str], actual: &[&str], shown: &Expect) {
        let owned = |rows: &[&str]| rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>();
        let difference = Difference::of(&owned(expected), &owned(actual));
        let rendered = difference.map(|difference| difference.render(Style::Plain)).unwrap_or_default();
        // All lines begin with the same blanks, which a snapshot cannot hold.
        let lines: Vec<&str> = rendered.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
        shown.assert_eq(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    }

    #[test]
    fn equal_rows_have_no_difference() {
        check(&["a 1"], &["a 1"], &expect![""]);
        check(&[], &[], &expect![""]);
    }

    #[test]
    fn rows_stand_beside_each_other_with_marks_under_what_differs() {
        check(
            &["ada 10 x", "bob 2 y", "eve 3 z"],
            &["ada 10 x", "bob 14 y", "eve 3 z", "zoe 1 q"],
            &expect![[r#"
                    - expected (3 rows)   + came (4 rows)
                      ada  10  x
                    - bob  2   y
                    + bob  14  y
                           ^^
                      eve  3   z
                    + zoe  1   q
            "#]],
        );
    }

    #[test]
    fn rows_of_another_form_stand_as_they_are() {
        check(
            &["a b", "one two three"],
            &["a b"],
            &expect![[r#"
                    - expected (2 rows)   + came (1 row)
                      a b
                    - one two three
            "#]],
        );
        check(
            &[],
            &["a 1"],
            &expect![[r#"
                    - expected (0 rows)   + came (1 row)
                    + a  1
            "#]],
        );
    }

    #[test]
    fn long_lists_show_what_is_near_a_difference() {
        let many: Vec<String> = (0..50).map(|row| format!("row {row}")).collect();
        let mut other = many.clone();
        other.remove(25);
        let shown = Difference::of(&many, &other).unwrap().render(Style::Plain);
        assert!(shown.contains("- row  25\n") && shown.contains("… 22 more\n") && shown.lines().count() == 10, "{shown}");
        let long: Vec<String> = (0..3000).map(|row| format!("row {row}")).collect();
        assert!(Difference::of(&long, &long[1..]).unwrap().render(Style::Plain).lines().count() < 70);
    }
}
