//! Fills in `${NAME}` and `${NAME:-default}` before anything is parsed. `$${` stands for `${` itself; comments are left alone.
//!
//! A value is text: in `'${DIR}/a.csv'` it becomes part of a string, in `LIMIT ${N}` a number.

use laminar_core::{Code, Error, Span};

use super::origin::{Replaced, SourceMap};

/// A text with its variables filled in.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) text: String,
    pub(super) map: SourceMap,
    /// What could not be filled in: where in `text`, and the error with its place in the original.
    pub(super) errors: Vec<(usize, Error)>,
}

/// Fills in every variable outside of comments.
pub(super) fn fill(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Filled {
    let mut filler = Filler {
        text,
        at: 0,
        filled: Filled { text: String::with_capacity(text.len()), map: SourceMap::default(), errors: vec![] },
    };
    while filler.at < text.len() {
        filler.next(lookup);
    }
    filler.filled
}

struct Filler<'a> {
    text: &'a str,
    at: usize,
    filled: Filled,
}

impl Filler<'_> {
    fn next(&mut self, lookup: &dyn Fn(&str) -> Option<String>) {
        let rest = &self.text[self.at..];
        if let Some(length) = comment_length(rest) {
            self.copy(length);
        } else if rest.starts_with("$${") {
            self.replace(3, "${");
        } else if rest.starts_with("${") {
            self.variable(lookup);
        } else if rest.starts_with('\'') || rest.starts_with('"') {
            self.string(lookup);
        } else {
            self.copy(rest.chars().next().map_or(1, char::len_utf8));
        }
    }

    /// Goes through a quoted text, in which `--` begins no comment.
    fn string(&mut self, lookup: &dyn Fn(&str) -> Option<String>) {
        let quote = self.text.as_bytes()[self.at];
        let escapes = quote == b'\'' && begins_escape_string(&self.text[..self.at]);
        self.copy(1);
        while let Some(c) = self.text[self.at..].chars().next() {
            let rest = &self.text[self.at..];
            if rest.starts_with("$${") {
                self.replace(3, "${");
            } else if rest.starts_with("${") {
                self.variable(lookup);
            } else if escapes && c == '\\' && rest.len() > 1 {
                self.copy(1 + rest[1..].chars().next().map_or(0, char::len_utf8));
            } else {
                self.copy(c.len_utf8());
                // A doubled quote ends one string and begins the next: the same as going on.
                if c as u32 == u32::from(quote) {
                    return;
                }
            }
        }
    }

    fn variable(&mut self, lookup: &dyn Fn(&str) -> Option<String>) {
        let rest = &self.text[self.at..];
        let Some(close) = rest.find('}').filter(|close| !rest[..*close].contains('\n')) else {
            self.refuse(2, "'${' has no '}'", Some("write '$${' for the characters themselves"));
            return;
        };
        let inside = &rest[2..close];
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if !is_name(name) {
            self.refuse(
                close + 1,
                "a variable's name has letters, digits and '_' only",
                Some("write ${NAME} or ${NAME:-default}"),
            );
            return;
        }
        match lookup(name).or_else(|| default.map(str::to_owned)) {
            Some(value) => self.replace(close + 1, &value),
            None => {
                let hint = format!("set it, or write ${{{name}:-default}}");
                self.refuse(close + 1, &format!("variable '{name}' is not set"), Some(&hint));
            }
        }
    }

    fn copy(&mut self, length: usize) {
        self.filled.text.push_str(&self.text[self.at..self.at + length]);
        self.at += length;
    }

    fn replace(&mut self, length: usize, value: &str) {
        let start = self.filled.text.len();
        self.filled.text.push_str(value);
        let filled = Span { start, end: self.filled.text.len() };
        self.filled.map.replaced.push(Replaced { filled, written: Span { start: self.at, end: self.at + length } });
        self.at += length;
    }

    fn refuse(&mut self, length: usize, message: &str, hint: Option<&str>) {
        let mut error = Error::new(Code::Syntax, message).at(Span { start: self.at, end: self.at + length });
        if let Some(hint) = hint {
            error = error.with_hint(hint);
        }
        self.filled.errors.push((self.filled.text.len(), error));
        self.replace(length, "");
    }
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether the text before a quote makes it `E'…'`, in which a backslash escapes.
fn begins_escape_string(before: &str) -> bool {
    let mut letters = before.chars().rev();
    matches!(letters.next(), Some('e' | 'E')) && !letters.next().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// The length of the comment that the text begins with.
fn comment_length(text: &str) -> Option<usize> {
    if text.starts_with("--") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += 1;
        }
    }
    Some(text.len())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        let filled = fill(text, &|name| match name {
            "DIR" => Some("/data".to_owned()),
            "N" => Some("10".to_owned()),
            _ => None,
        });
        let mut out = filled.text;
        for (_, error) in filled.errors {
            let span = error.span().map(|span| &text[span.start..span.end]);
            out.push_str(&format!("\n{error} [{}]", span.unwrap_or_default()));
        }
        expected.assert_eq(&out);
    }

    #[test]
    fn variables_are_filled_in() {
        check("a '${DIR}/x' LIMIT ${N} ${M:-7} ${M:-}", expect!["a '/data/x' LIMIT 10 7 "]);
        check("${N}${N}", expect!["1010"]);
    }

    #[test]
    fn comments_and_escapes_stay() {
        check(
            "-- ${X}\n/* ${X} /* ${X} */ ${X} */ ${N}",
            expect![[r#"
            -- ${X}
            /* ${X} /* ${X} */ ${X} */ 10"#]],
        );
        check("'--' ${N} \"/*\" ${N} '$${X}' $${", expect![[r#"'--' 10 "/*" 10 '${X}' ${"#]]);
        check(r"E'\'--' ${N} 'it''s --' ${N}", expect![[r"E'\'--' 10 'it''s --' 10"]]);
    }

    #[test]
    fn what_is_missing_is_said_with_its_place() {
        check(
            "ü ${X} ${1a} ${",
            expect![[r#"
                ü   
                LDB-1001: variable 'X' is not set; hint: set it, or write ${X:-default} [${X}]
                LDB-1001: a variable's name has letters, digits and '_' only; hint: write ${NAME} or ${NAME:-default} [${1a}]
                LDB-1001: '${' has no '}'; hint: write '$${' for the characters themselves [${]"#]],
        );
    }

    #[test]
    fn places_lead_back_to_what_was_written() {
        let text = "a ${N} b ${DIR} c";
        let filled = fill(text, &|name| Some(if name == "N" { "12345678".to_owned() } else { "x".to_owned() }));
        let original = |part: &str| {
            let start = filled.text.find(part).expect("the part is there");
            let span = filled.map.original(Span { start, end: start + part.len() });
            &text[span.start..span.end]
        };
        assert_eq!(original("a"), "a");
        assert_eq!(original("345"), "${N}");
        assert_eq!(original("12345678 b"), "${N} b");
        assert_eq!(original("b"), "b");
        assert_eq!(original("x"), "${DIR}");
        assert_eq!(original(" c"), " c");
    }
}
