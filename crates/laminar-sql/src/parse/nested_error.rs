//! Finds the mistake inside of a parenthesised query. After such a query failed, sqlparser tries to read the parentheses as a
//! join, and what it then says is about that.

use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::Error;

use super::syntax_error;
use super::tokens::Cursor;

/// Parenthesised queries that are looked at.
const QUERIES_MAX: usize = 64;

/// What is wrong in the innermost parenthesised query that cannot be read.
pub(super) fn find(cursor: &Cursor<'_>) -> Option<Error> {
    // A query in another one begins behind it.
    queries(cursor).into_iter().rev().find_map(|(start, end)| {
        let mut inner = cursor.up_to(end);
        inner.go_to(start);
        match inner.attempt(Parser::parse_query) {
            Err(error) => Some(syntax_error::of_parser(error, &inner)),
            Ok(_) if inner.at_end() => None,
            Ok(_) => Some(syntax_error::with_likely_cause(inner.expected("')'"), &inner, inner.position())),
        }
    })
}

/// The first and behind the last token of every query between parentheses that have both ends.
fn queries(cursor: &Cursor<'_>) -> Vec<(usize, usize)> {
    let (mut open, mut found) = (Vec::new(), Vec::new());
    for number in cursor.position()..cursor.end() {
        match cursor.token(number) {
            Some(Token::LParen) => open.push(number + 1),
            Some(Token::RParen) => {
                found.extend(open.pop().filter(|start| begins_query(cursor, *start)).map(|start| (start, number)))
            }
            _ => {}
        }
    }
    found.sort_unstable();
    found.truncate(QUERIES_MAX);
    found
}

fn begins_query(cursor: &Cursor<'_>, number: usize) -> bool {
    let mut at = cursor.clone();
    at.go_to(number);
    ["SELECT", "WITH", "VALUES"].iter().any(|word| at.is_word(0, word))
}
