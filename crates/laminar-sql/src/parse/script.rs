//! A script is cut at its semicolons; every statement is read by itself, so that a bad one does not hide the others.

use std::sync::Arc;

use laminar_core::{Code, Error, Result, Span};

use super::dispatch;
use super::origin::{Origin, SourceMap};
use super::statement::{ParsedStatement, Statement};
use super::syntax_error;
use super::tokens::{Cursor, Tokens};
use super::variables::{Filled, fill, leave};
use crate::deep::with_deep_stack;
use datafusion::sql::sqlparser::tokenizer::Token;

/// Reads every statement of a script. Errors have their positions in `text`; use [`ParsedStatement::in_script`] to give
/// errors that come later the same.
pub fn parse_script(text: &str) -> Vec<Result<ParsedStatement>> {
    parse_filled(leave(text))
}

/// As [`parse_script`], after every `${NAME}` has been filled in with what `lookup` knows (see [`super::variables`]).
pub fn parse_script_with(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Vec<Result<ParsedStatement>> {
    parse_filled(fill(text, lookup))
}

/// Reads exactly one statement; a `;` behind it is allowed.
///
/// # Errors
/// What is wrong with the statement, or that there is none or more than one.
pub fn parse_statement(text: &str) -> Result<ParsedStatement> {
    let mut statements = parse_script(text);
    match statements.len() {
        0 => Err(Error::new(Code::Syntax, "there is no statement").at(Span { start: 0, end: text.len() })),
        1 => statements.remove(0),
        count => {
            let first = statements.remove(0)?;
            let span = Span { start: first.span.end, end: text.len() };
            let error = Error::new(Code::Syntax, format!("expected one statement, but found {count}")).at(span);
            Err(error.with_hint("send statements one by one"))
        }
    }
}

fn parse_filled(filled: Filled) -> Vec<Result<ParsedStatement>> {
    let Filled { text, map, errors } = filled;
    let map = Arc::new(map);
    let (tokens, mut broken) = Tokens::of(&text);
    let mut missing = errors.into_iter().peekable();
    let mut statements = Vec::new();
    let mut start = 0;
    let ends = tokens.tokens.iter().enumerate().filter(|(_, token)| token.token == Token::SemiColon).map(|(at, _)| at);
    for end in ends.chain([tokens.tokens.len()]) {
        let is_last = end == tokens.tokens.len();
        // The tokens before a place that is no token are not a statement: they lack their end.
        let broken = if is_last { broken.take() } else { None };
        let stop = if is_last { text.len() } else { tokens.spans[end].end };
        let mut unfilled = None;
        while let Some((_, error)) = missing.next_if(|(at, _)| *at < stop || is_last) {
            unfilled = unfilled.or(Some(error));
        }
        if let Some(error) = unfilled {
            statements.push(Err(error));
        } else if let Some(error) = broken {
            statements.push(Err(relocated(error, &map)));
        } else if let Some(own) = tokens.slice(start..end) {
            let origin = Origin { start: tokens.spans[start].start, map: Arc::clone(&map) };
            statements.push(parse_one(&own, origin));
        }
        start = end + 1;
    }
    statements
}

fn relocated(error: Error, map: &SourceMap) -> Error {
    match error.span() {
        Some(span) => error.at(map.original(span)),
        None => error,
    }
}

fn parse_one(tokens: &Tokens<'_>, origin: Origin) -> Result<ParsedStatement> {
    let span = origin.original(Span { start: 0, end: tokens.text.len() });
    match read(tokens) {
        Ok(statement) => Ok(ParsedStatement { statement, span, text: tokens.text.to_owned(), origin }),
        Err(error) => {
            let at = error.span().map_or(span, |span| origin.original(span));
            Err(error.at(at))
        }
    }
}

fn read(tokens: &Tokens<'_>) -> Result<Statement> {
    let mut cursor = Cursor::new(tokens);
    // Expressions and set operations nest as deep as they are written.
    let statement = with_deep_stack(|| dispatch::statement(&mut cursor))?;
    if cursor.at_end() {
        return Ok(statement);
    }
    let error = cursor.expected("end of statement");
    Err(syntax_error::with_likely_cause(error, &cursor, cursor.position()))
}
