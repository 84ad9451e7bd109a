//! Fills in `${NAME}` and `${NAME:-default}` before anything is parsed. `$${` stands for `${` itself; comments are left alone.
//!
//! A default may hold variables of its own, and counts where the variable is not set or empty, as in a shell.
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

/// The text as it is, without variables.
pub(super) fn leave(text: &str) -> Filled {
    let filled = Filled { text: String::with_capacity(text.len()), map: SourceMap::default(), errors: vec![] };
    let mut filler = Filler { text, at: 0, filled };
    filler.skip_byte_order_mark();
    filler.copy(text.len() - filler.at);
    filler.filled
}

/// Fills in every variable outside of comments.
pub(super) fn fill(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Filled {
    let mut filler = Filler {
        text,
        at: 0,
        filled: Filled { text: String::with_capacity(text.len()), map: SourceMap::default(), errors: vec![] },
    };
    filler.skip_byte_order_mark();
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

/// What editors write before the first character of a file to say that it is UTF-8: no part of its first word.
const BYTE_ORDER_MARK: &str = "\u{feff}";

impl Filler<'_> {
    fn skip_byte_order_mark(&mut self) {
        if self.text.starts_with(BYTE_ORDER_MARK) {
            self.replace(BYTE_ORDER_MARK.len(), "");
        }
    }

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
        match value(self.text, self.at, lookup) {
            Ok(Value { text, length }) => self.replace(length, &text),
            Err((error, length)) => {
                self.filled.errors.push((self.filled.text.len(), error));
                self.replace(length, "");
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
}

/// How deep defaults may stand within defaults.
const DEPTH_MAX: usize = 64;

/// What stands for a variable.
struct Value {
    text: String,
    /// How long the variable is, from its `$` to its `}`.
    length: usize,
}

/// The value of the variable that begins at byte `at` of `text`; or what is wrong with it, and how many bytes cannot be read because of that.
fn value(text: &str, at: usize, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Value, (Error, usize)> {
    let rest = &text[at..];
    let refused = |length: usize, message: String, hint: &str| {
        let error = Error::new(Code::Syntax, message).at(Span { start: at, end: at + length });
        (error.with_hint(hint), length)
    };
    let close = closing_brace(rest).map_err(|(message, hint)| refused(2, message.to_owned(), hint))?;
    let (inside, length) = (&rest[2..close], close + 1);
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_name(name) {
        let message = "a variable's name has letters, digits and '_' only".to_owned();
        return Err(refused(length, message, "write ${NAME} or ${NAME:-default}"));
    }
    // As in a shell, a variable that is set to nothing has its default, if there is one.
    match (lookup(name), default) {
        (Some(value), default) if default.is_none() || !value.is_empty() => Ok(Value { text: value, length }),
        (_, Some(default)) => {
            let filled = default_text(text, at + 2 + name.len() + ":-".len(), default.len(), lookup);
            filled.map(|text| Value { text, length }).map_err(|error| (error, length))
        }
        (_, None) => {
            let hint = format!("set it, or write ${{{name}:-default}}");
            Err(refused(length, format!("variable '{name}' is not set"), &hint))
        }
    }
}

/// The default in `length` bytes from `start`, with the variables in it filled in.
fn default_text(text: &str, start: usize, length: usize, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, Error> {
    let (mut at, end) = (start, start + length);
    let mut filled = String::with_capacity(length);
    while at < end {
        let rest = &text[at..end];
        if rest.starts_with("$${") {
            filled.push_str("${");
            at += 3;
        } else if rest.starts_with("${") {
            let inner = value(text, at, lookup).map_err(|(error, _)| error)?;
            filled.push_str(&inner.text);
            at += inner.length;
        } else {
            let next = rest.chars().next().map_or(1, char::len_utf8);
            filled.push_str(&rest[..next]);
            at += next;
        }
    }
    Ok(filled)
}

/// The `}` of the variable that `text` begins with, on the same line; each `${` in its default has one of its own. Or what is wrong, and what to do.
fn closing_brace(text: &str) -> Result<usize, (&'static str, &'static str)> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' if text[..at].ends_with('$') => depth += 1,
            '}' if depth == 1 => return Ok(at),
            '}' => depth -= 1,
            '\n' => break,
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(("too many defaults stand within each other", "set one of the variables, and write its name alone"));
        }
    }
    Err(("'${' has no '}'", "write '$${' for the characters themselves"))
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
            "EMPTY" => Some(String::new()),
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
    fn a_default_may_hold_variables() {
        check("'${X:-${Y:-x}}'", expect!["'x'"]);
        check("${X:-${Y:-${N}}}|${X:-${DIR}/${Y:-a}.csv}|${N:-${Y}}", expect!["10|/data/a.csv|10"]);
        check("${X:-a$${b}c}|${X:-$}|${X:-{}|${X:-ü${N}ü}", expect!["a${b}c|$|{|ü10ü"]);
        check(
            "${X:-${Y}}",
            expect![[r#"

            LDB-1001: variable 'Y' is not set; hint: set it, or write ${Y:-default} [${Y}]"#]],
        );
        check(
            "${X:-${Y:-a}",
            expect![[r#"
            X:-a
            LDB-1001: '${' has no '}'; hint: write '$${' for the characters themselves [${]"#]],
        );
        let deep = format!("{}x{}", "${X:-".repeat(70), "}".repeat(70));
        let refused = fill(&deep, &|_| None).errors.remove(0).1;
        assert_eq!(refused.message(), "too many defaults stand within each other");
        assert_eq!(fill(&"${X:-".repeat(20_000), &|_| None).errors.len(), 20_000);
    }

    #[test]
    fn a_variable_that_is_set_to_nothing_has_its_default() {
        check(
            "[${EMPTY}] [${EMPTY:-a}] [${EMPTY:-}] [${EMPTY:-${EMPTY:-b}}] [${X:-}] [${EMPTY:-${EMPTY}}]",
            expect!["[] [a] [] [b] [] []"],
        );
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_word() {
        check("\u{feff}a ${N}", expect!["a 10"]);
        check("\u{feff}${N}", expect!["10"]);
        check("\u{feff}", expect![""]);
        check("'\u{feff}'", expect!["'\u{feff}'"]);
        for filled in [fill("\u{feff}ab c", &|_| None), leave("\u{feff}ab c")] {
            assert_eq!(filled.text, "ab c");
            assert_eq!(filled.map.original(Span { start: 0, end: 2 }), Span { start: 3, end: 5 });
            assert_eq!(filled.map.original(Span { start: 3, end: 4 }), Span { start: 6, end: 7 });
        }
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
