//! A query with its stream clauses, up to the end of the statement or to a clause of the statement around it.

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::{Code, Result, Span};

use super::emit::{self, StreamClauses};
use super::position::LineIndex;
use super::refusals;
use super::rewrite;
use super::statement::{Name, StreamQuery};
use super::syntax;
use super::syntax_error;
use super::tokens::Cursor;
use super::windows;

/// Whether a query begins here.
pub(super) fn begins(cursor: &Cursor<'_>) -> bool {
    begins_at(cursor, 0)
}

/// Whether a query begins `ahead` tokens from here.
pub(super) fn begins_at(cursor: &Cursor<'_>, ahead: usize) -> bool {
    if cursor.peek(ahead) == Some(&Token::LParen) {
        let mut depth = ahead;
        while cursor.peek(depth) == Some(&Token::LParen) {
            depth += 1;
        }
        return QUERY_WORDS.iter().any(|word| cursor.is_word(depth, word));
    }
    QUERY_WORDS.iter().any(|word| cursor.is_word(ahead, word))
}

const QUERY_WORDS: &[&str] = &["SELECT", "WITH", "VALUES"];

/// Reads a query that ends where the statement ends.
pub(super) fn stream_query(cursor: &mut Cursor<'_>) -> Result<StreamQuery> {
    stream_query_until(cursor, |_, _| false)
}

/// Reads a query that ends at the first token, outside of brackets, at which `stops` holds.
pub(super) fn stream_query_until(cursor: &mut Cursor<'_>, stops: impl Fn(&Cursor<'_>, usize) -> bool) -> Result<StreamQuery> {
    let start = cursor.position();
    let end = cursor.find(|c, n| n > start && (emit::begins_at(c, n) || stops(c, n)));
    let mut body = cursor.up_to(end);
    let query = whole_query(&mut body)?;
    cursor.go_to(end);
    let StreamClauses { emit, lateness, late_to } = emit::clauses(cursor)?;
    Ok(StreamQuery { query, emit, lateness, late_to, span: cursor.since(start) })
}

/// Reads a query without stream clauses, which must end where the cursor ends.
pub(super) fn whole_query(cursor: &mut Cursor<'_>) -> Result<Box<ast::Query>> {
    if !begins(cursor) {
        return Err(cursor.expected("a query"));
    }
    let mut query = cursor.parse(Parser::parse_query)?;
    if cursor.at_end() {
        normalize(&mut query, &cursor.lines())?;
        return Ok(query);
    }
    // `FROM WHERE a > 1` is read as a table `where` with the alias `a`: that is the mistake, not the `>`.
    match refusals::refuse(&mut query, &cursor.lines()) {
        Err(error) if error.code() == Code::Syntax => return Err(error),
        _ => {}
    }
    let error = cursor.expected("end of statement");
    Err(syntax_error::with_likely_cause(error, cursor, cursor.position()))
}

/// Brings windows and other shapes of several forms into one, and refuses what would be lost below.
pub(super) fn normalize(query: &mut ast::Query, lines: &LineIndex<'_>) -> Result<()> {
    refusals::refuse(query, lines)?;
    rewrite::rewrite(query, lines)?;
    windows::rewrite(query, lines)
}

/// A query without stream clauses that stands at `span`.
pub(super) fn plain(query: ast::Query, span: Span) -> StreamQuery {
    StreamQuery { query: Box::new(query), emit: None, lateness: None, late_to: None, span }
}

/// The query with other names for its columns, as `CREATE VIEW v (a, b) AS …` gives them.
pub(super) fn with_column_names(query: StreamQuery, alias: &Name, columns: Vec<Name>) -> StreamQuery {
    if columns.is_empty() {
        return query;
    }
    let columns = columns
        .into_iter()
        .map(|column| ast::TableAliasColumnDef { name: ast::Ident::with_quote('"', column.text), data_type: None })
        .collect();
    let alias = ast::TableAlias { explicit: true, name: ast::Ident::with_quote('"', alias.text.clone()), columns, at: None };
    let from = ast::TableFactor::Derived { lateral: false, subquery: query.query, alias: Some(alias), sample: None };
    let star = ast::SelectItem::Wildcard(ast::WildcardAdditionalOptions::default());
    StreamQuery { query: Box::new(syntax::query_of(syntax::select_of(vec![star], from))), ..query }
}
