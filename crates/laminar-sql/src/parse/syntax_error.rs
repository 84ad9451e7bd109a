//! What sqlparser says about wrong text, in our words, at our positions, with the keyword that was meant.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenizerError};
use laminar_core::{Code, Error, Span};

use super::emit;
use super::position::LineIndex;
use super::refusals::RESERVED;
use super::tokens::{Cursor, token_is_word};
use crate::diagnostic::nearest;

/// Keywords that people misspell where sqlparser then sees a name.
const CLAUSES: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "INNER",
    "LEFT",
    "RIGHT",
    "FULL",
    "CROSS",
    "JOIN",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "QUALIFY",
    "WINDOW",
    "VALUES",
    "INTERVAL",
    "BETWEEN",
    "DISTINCT",
    "EMIT",
    "ALLOW",
    "LATENESS",
    "WATERMARK",
    "PARTITION",
    "FORMAT",
];

/// Words that begin a statement.
pub(super) const STATEMENTS: &[&str] = &[
    "SELECT",
    "WITH",
    "VALUES",
    "CREATE",
    "INSERT",
    "DROP",
    "SHOW",
    "DESCRIBE",
    "EXPLAIN",
    "VERIFY",
    "SUBSCRIBE",
    "SET",
    "RESET",
    "ALTER",
    "UPDATE",
    "DELETE",
    "COPY",
    "DECLARE",
    "FETCH",
    "ACK",
    "BACKUP",
    "CLOSE",
    "FLUSH",
    "WAIT",
    "CHECKPOINT",
    "REPLAY",
    "BEGIN",
    "START",
    "COMMIT",
    "ROLLBACK",
    "END",
    "ABORT",
    "GRANT",
    "REVOKE",
    "PREPARE",
    "EXECUTE",
    "DEALLOCATE",
    "TRUNCATE",
    "MERGE",
    "VACUUM",
    "ANALYZE",
    "CALL",
    "USE",
    "COMMENT",
    "LISTEN",
    "NOTIFY",
    "REFRESH",
    "KILL",
    "PAUSE",
    "RESUME",
    "CANCEL",
    "TERMINATE",
];

/// A text that could not be cut into tokens.
pub(super) fn of_tokenizer(error: TokenizerError, text: &str) -> Error {
    let message = match error.message.as_str() {
        message if message.contains("close delimiter") => "a quoted name has no end".to_owned(),
        message if message.contains("multi-line comment") => "a comment has no end".to_owned(),
        message => sentence(message),
    };
    let start = LineIndex::new(text).offset(error.location).unwrap_or(text.len());
    let end = start + text[start..].chars().next().map_or(0, char::len_utf8);
    Error::new(Code::Syntax, message).at(Span { start, end })
}

/// Tokens that sqlparser could not read.
pub(super) fn of_parser(error: ParserError, cursor: &Cursor<'_>) -> Error {
    let message = match error {
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        ParserError::RecursionLimitExceeded => {
            let error = Error::new(Code::LimitReached, "the statement nests too deeply").at(cursor.here());
            return error.with_hint("put inner queries into views or WITH");
        }
    };
    let (message, place) = split_place(&message);
    let number = place.map_or_else(|| Some(cursor.end()), |(line, column)| cursor.token_at(line, column));
    let mut at = cursor.clone();
    at.go_to(number.unwrap_or(cursor.position()));
    let error = match expectation(message) {
        Some(expected) => at.expected(&expected),
        None if message.starts_with("No infix parser") => match at.peek(0) {
            Some(token) => Error::new(Code::Syntax, format!("{} cannot stand here", quoted(token))).at(at.here()),
            None => at.expected("an expression"),
        },
        None => Error::new(Code::Syntax, sentence(message)).at(at.here()),
    };
    match number {
        Some(number) => with_likely_cause(error, cursor, number),
        None => error,
    }
}

/// Adds what the mistake at a token probably is.
pub(super) fn with_likely_cause(error: Error, cursor: &Cursor<'_>, number: usize) -> Error {
    if let Some(inner) = emit::nested(cursor) {
        let error = Error::new(Code::Syntax, "EMIT stands inside of parentheses").at(cursor.span_of(inner));
        return error.with_hint("EMIT belongs to the whole statement and stands at its end");
    }
    if let Some(known) = join_not_built(cursor, number) {
        return known;
    }
    if let Some((expected, wrong)) = word_as_name(cursor, number) {
        let mut at = cursor.clone();
        at.go_to(wrong);
        return at.expected(expected);
    }
    if let Some((meant, wrong)) = misspelt(cursor, number) {
        return error.at(cursor.span_of(wrong)).with_hint(format!("did you mean '{meant}'?"));
    }
    let near = number.saturating_sub(3)..=number;
    if near.clone().any(|n| cursor.token(n).is_some_and(|token| token_is_word(token, "EMIT"))) {
        return error.with_hint("EMIT stands once, at the end of the statement and outside of parentheses");
    }
    if near.clone().any(|n| cursor.token(n).is_some_and(|token| token_is_word(token, "LATENESS"))) {
        return error.with_hint("write ALLOW LATENESS INTERVAL '…' at the end of the statement");
    }
    let is = |n: usize, word: &str| cursor.token(n).is_some_and(|token| token_is_word(token, word));
    if let Some(word) = ["ROLLUP", "CUBE"].into_iter().find(|word| is(number, "WITH") && is(number + 1, word)) {
        return error.with_hint(format!("write GROUP BY {word} (a, b)"));
    }
    let begins = cursor.token(number).is_some_and(|token| STATEMENTS.iter().any(|word| token_is_word(token, word)));
    if begins && number > 0 && error.message().starts_with("expected end of statement") {
        return error.with_hint("if a new statement begins here, end the one before it with ';'");
    }
    error
}

/// A join that sqlparser does not know, nor do we: INNER with a MATCH_CONDITION, and `TEMPORAL PROBE JOIN` in another form than ours.
fn join_not_built(cursor: &Cursor<'_>, number: usize) -> Option<Error> {
    let is_word = |number: usize, word: &str| cursor.token(number).is_some_and(|token| token_is_word(token, word));
    let before = number.checked_sub(1)?;
    // What stands before it may have been read as a name with the alias TEMPORAL.
    if let Some(at) = [before, number].into_iter().find(|at| is_word(*at, "TEMPORAL") && is_word(at + 1, "PROBE")) {
        let form = "write l TEMPORAL PROBE JOIN r ON (key) TIMESTAMPS (l_time, r_time) RANGE FROM 0s TO 30s STEP 5s AS p, \
                    or LIST (0s, 1s, 5s) AS p";
        let error = Error::new(Code::Syntax, "a TEMPORAL PROBE JOIN that is not written whole");
        return Some(error.with_hint(form).at(cursor.span_of(at)));
    }
    let (what, hint) = if is_word(before, "ASOF") && is_word(number, "INNER") {
        let hint = "leave MATCH_CONDITION out and write ASOF JOIN r ON l.k = r.k AND l.ts >= r.ts, which is inner";
        ("ASOF INNER JOIN … MATCH_CONDITION is not built yet: with MATCH_CONDITION all left rows are kept", hint)
    } else {
        return None;
    };
    Some(Error::new(Code::NotSupported, what).with_hint(hint).at(cursor.span_of(before)))
}

/// What is missing before a clause that was taken for a name, as in `SELECT a, FROM t`, and where that clause is.
fn word_as_name(cursor: &Cursor<'_>, number: usize) -> Option<(&'static str, usize)> {
    let wrong = number.checked_sub(1)?;
    let is_clause = |word: &&&str| **word != "SELECT" && cursor.token(wrong).is_some_and(|token| token_is_word(token, word));
    RESERVED.iter().find(is_clause)?;
    let before = cursor.token(wrong.checked_sub(1)?)?;
    let is_one_of = |words: &[&str]| words.iter().any(|word| token_is_word(before, word));
    if is_one_of(&["FROM", "JOIN"]) {
        return Some(("a table", wrong));
    }
    let wants_more = match before {
        Token::Word(_) => is_one_of(&["SELECT", "WHERE", "AND", "OR", "NOT", "ON", "HAVING", "BY", "WHEN", "THEN", "ELSE"]),
        Token::Comma | Token::Eq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq => true,
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::StringConcat => !is_star(cursor, wrong - 1),
        _ => false,
    };
    wants_more.then_some(("an expression", wrong))
}

/// Whether a `*` stands for all columns.
fn is_star(cursor: &Cursor<'_>, number: usize) -> bool {
    let before = number.checked_sub(1).and_then(|before| cursor.token(before));
    cursor.token(number) == Some(&Token::Mul)
        && before
            .is_some_and(|token| matches!(token, Token::Comma | Token::Period | Token::LParen) || token_is_word(token, "SELECT"))
}

/// The keyword that was meant at a token or, if that was taken for a name, at the one before.
fn misspelt(cursor: &Cursor<'_>, number: usize) -> Option<(&'static str, usize)> {
    if let Some(meant) = cursor.token(number).and_then(meant_by) {
        return Some((meant, number));
    }
    let before = number.checked_sub(1)?;
    let meant = cursor.token(before).and_then(meant_by)?;
    // After a keyword there stands a name, whatever it looks like: `FROM orders`.
    let follows_name = match before.checked_sub(1).and_then(|n| cursor.token(n)) {
        Some(Token::Word(word)) => word.quote_style.is_some() || word.keyword == Keyword::NoKeyword,
        Some(Token::Comma | Token::Period | Token::LParen) | None => false,
        Some(_) => true,
    };
    follows_name.then_some((meant, before))
}

fn meant_by(token: &Token) -> Option<&'static str> {
    match token {
        Token::Word(word) if word.quote_style.is_none() && word.keyword == Keyword::NoKeyword => {
            let meant = nearest(&word.value, CLAUSES.iter().copied())?;
            (!meant.eq_ignore_ascii_case(&word.value)).then_some(meant)
        }
        _ => None,
    }
}

/// Cuts ` at Line: 1, Column: 2` off a message.
fn split_place(message: &str) -> (&str, Option<(u64, u64)>) {
    let place = message.rsplit_once(" at Line: ").and_then(|(before, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((before, (line.parse().ok()?, column.parse().ok()?)))
    });
    match place {
        Some((before, place)) => (before, Some(place)),
        None => (message, None),
    }
}

/// What was expected, out of `Expected: x, found: y`.
fn expectation(message: &str) -> Option<String> {
    let rest = message.strip_prefix("Expected: ").or_else(|| message.strip_prefix("Expected "))?;
    let expected = rest.rsplit_once(", found: ").or_else(|| rest.rsplit_once(", found "))?.0;
    if expected == "identifier" {
        return Some("a name".to_owned());
    }
    let is_symbol = expected.chars().all(|c| c.is_ascii_punctuation());
    Some(if is_symbol { format!("'{expected}'") } else { sentence_start(expected) })
}

/// A token as an error shows it.
pub(super) fn quoted(token: &Token) -> String {
    const SHOWN_MAX: usize = 40;
    let text = token.to_string();
    if text.chars().count() > SHOWN_MAX {
        let start: String = text.chars().take(SHOWN_MAX).collect();
        return format!("'{start}…'");
    }
    if text.starts_with('\'') { text } else { format!("'{text}'") }
}

/// A message without capital and full stop.
fn sentence(message: &str) -> String {
    sentence_start(message.trim().trim_end_matches('.'))
}

fn sentence_start(text: &str) -> String {
    let mut letters = text.chars();
    let (first, second) = (letters.next(), letters.next());
    // A word in capitals is a keyword.
    match first {
        Some(first) if !second.is_some_and(|c| c.is_uppercase()) => first.to_lowercase().chain(text.chars().skip(1)).collect(),
        _ => text.to_owned(),
    }
}
