//! Patterns of file names: `*`, `?`, `[…]` and `**` as in a shell, and `{a,b}` for any of several.

use std::path::PathBuf;

use ::glob::{MatchOptions, glob_with};
use laminar_core::{Code, Error, Result};

use super::paths::{PARTIAL, cannot_read, is_file};

/// Patterns that one pattern with braces stands for, at most.
const ALTERNATIVES_MAX: usize = 10_000;

/// Whether a path is a pattern.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[']) || braces(path).is_some()
}

/// The files that match, sorted, each once.
pub(super) fn matching(pattern: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for alternative in alternatives(pattern)? {
        collect(&alternative, pattern, &mut files)?;
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn collect(alternative: &str, pattern: &str, files: &mut Vec<PathBuf>) -> Result<()> {
    let bad = |error: ::glob::PatternError| {
        Error::new(Code::InvalidOption, format!("'{pattern}' is not a valid glob")).with_detail(error.msg)
    };
    // A star does not mean hidden files, as in a shell.
    let options = MatchOptions { require_literal_leading_dot: true, ..Default::default() };
    for file in glob_with(alternative, options).map_err(bad)? {
        let file = file.map_err(|error| cannot_read(error.path(), error.error()))?;
        if file.extension().is_none_or(|ending| ending != PARTIAL) && is_file(&file)? {
            files.push(file);
        }
    }
    Ok(())
}

/// The patterns without braces that a pattern stands for.
pub(super) fn alternatives(pattern: &str) -> Result<Vec<String>> {
    let (mut done, mut open) = (Vec::new(), vec![pattern.to_owned()]);
    while let Some(next) = open.pop() {
        match braces(&next) {
            Some(found) => {
                open.extend(found.choices.iter().rev().map(|choice| format!("{}{choice}{}", found.before, found.after)))
            }
            None => done.push(next),
        }
        if done.len() + open.len() > ALTERNATIVES_MAX {
            return Err(Error::new(Code::LimitReached, format!("'{pattern}' stands for more than {ALTERNATIVES_MAX} patterns"))
                .with_hint("use a star instead of braces, or several sources"));
        }
    }
    Ok(done)
}

/// The first braces of a pattern that hold a choice.
struct Braces<'a> {
    before: &'a str,
    choices: Vec<&'a str>,
    after: &'a str,
}

/// Finds braces with a comma directly in them; others, and those in `[…]`, are ordinary characters.
fn braces(pattern: &str) -> Option<Braces<'_>> {
    let mut class = false;
    let opening = |(start, byte): (usize, u8)| {
        class = match byte {
            b'[' => class || pattern[start..].contains(']'),
            b']' => false,
            _ => class,
        };
        if class || byte != b'{' { None } else { choices(pattern, start) }
    };
    pattern.bytes().enumerate().find_map(opening)
}

/// The choices of the braces that open at `start`.
fn choices(pattern: &str, start: usize) -> Option<Braces<'_>> {
    let (mut depth, mut from, mut choices) = (0, start + 1, Vec::new());
    for (index, byte) in pattern.bytes().enumerate().skip(start) {
        match byte {
            b'{' => depth += 1,
            b',' if depth == 1 => {
                choices.push(&pattern[from..index]);
                from = index + 1;
            }
            b'}' if depth == 1 => {
                choices.push(&pattern[from..index]);
                let found = Braces { before: &pattern[..start], choices, after: &pattern[index + 1..] };
                return (found.choices.len() > 1).then_some(found);
            }
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_stand_for_each_of_their_choices() {
        let cases: &[(&str, &[&str])] = &[
            ("a.csv", &["a.csv"]),
            ("{a,b}.csv", &["a.csv", "b.csv"]),
            ("{a,b}/{1,2}", &["a/1", "a/2", "b/1", "b/2"]),
            ("x{,.gz}", &["x", "x.gz"]),
            ("{a,b{1,2}}*", &["a*", "b1*", "b2*"]),
            ("{a}{b,c}", &["{a}b", "{a}c"]),
            ("[{]a,b}", &["[{]a,b}"]),
            ("a{b,c", &["a{b,c"]),
            ("{ü,ö}", &["ü", "ö"]),
        ];
        for (pattern, expected) in cases {
            assert_eq!(alternatives(pattern).unwrap(), *expected, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_stands_for_too_many_is_refused() {
        let error = alternatives(&"{0,1,2,3,4,5,6,7,8,9}".repeat(5)).unwrap_err();
        assert_eq!(error.code(), Code::LimitReached);
    }
}
