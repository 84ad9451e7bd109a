//! The ending of an ordinal number: 1st, 2nd, 3rd, 4th.

/// The ending that the pattern asks for: `TH` or `th`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ordinal {
    Upper,
    Lower,
}

/// The ending behind a number's text.
pub(super) fn ending(number: &str, ordinal: Ordinal) -> &'static str {
    let mut last = number.chars().rev();
    let (ones, tens) = (last.next(), last.next());
    let (upper, lower) = match (tens, ones) {
        (Some('1'), _) => ("TH", "th"),
        (_, Some('1')) => ("ST", "st"),
        (_, Some('2')) => ("ND", "nd"),
        (_, Some('3')) => ("RD", "rd"),
        _ => ("TH", "th"),
    };
    match ordinal {
        Ordinal::Upper => upper,
        Ordinal::Lower => lower,
    }
}
