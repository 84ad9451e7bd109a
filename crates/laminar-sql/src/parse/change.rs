//! `UPDATE table SET … [FROM …] [WHERE …]` and `DELETE FROM table [USING …] [WHERE …]`: each becomes the query that finds the rows it changes.

use datafusion::sql::sqlparser::ast::{Expr, SelectItem, TableWithJoins};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::Result;

use super::assignments::{self, Assignments};
use super::changed_rows::rows_query;
use super::query;
use super::returning;
use super::statement::{ChangeRows, Name, TruncateTables};
use super::syntax;
use super::tokens::{Cursor, token_is_word};

/// The table that a statement changes, as the statement calls it.
pub(super) struct Target {
    pub(super) table: Name,
    pub(super) alias: Option<Name>,
}

impl Target {
    /// The name by which expressions mean the table.
    pub(super) fn called(&self) -> &Name {
        self.alias.as_ref().unwrap_or(&self.table)
    }
}

/// Reads an `UPDATE` statement.
pub(super) fn update(cursor: &mut Cursor<'_>) -> Result<ChangeRows> {
    let start = cursor.position();
    cursor.expect_word("UPDATE")?;
    let target = target(cursor, &["SET"])?;
    cursor.expect_word("SET")?;
    let assignments = assignments::read(cursor)?;
    rest(cursor, start, target, assignments, "FROM")
}

/// Reads a `DELETE` statement.
pub(super) fn delete(cursor: &mut Cursor<'_>) -> Result<ChangeRows> {
    let start = cursor.position();
    cursor.expect_word("DELETE")?;
    cursor.expect_word("FROM")?;
    let target = target(cursor, &["USING", "WHERE", "RETURNING"])?;
    rest(cursor, start, target, Assignments::default(), "USING")
}

/// Reads `TRUNCATE [TABLE] name, …`.
pub(super) fn truncate(cursor: &mut Cursor<'_>) -> Result<TruncateTables> {
    cursor.expect_word("TRUNCATE")?;
    cursor.take_word("TABLE");
    let mut tables = vec![cursor.object_name("the table's name")?];
    while cursor.take(&Token::Comma) {
        tables.push(cursor.object_name("the table's name")?);
    }
    Ok(TruncateTables { tables })
}

/// What UPDATE and DELETE have in common: other tables behind the word `others`, the condition, what is returned.
fn rest(cursor: &mut Cursor<'_>, start: usize, target: Target, set: Assignments, others: &str) -> Result<ChangeRows> {
    let tables = tables(cursor, others)?;
    let condition = condition(cursor)?;
    let mut rows = rows_query(target.called(), set.values, tables, condition);
    query::normalize(&mut rows, &cursor.lines())?;
    let span = cursor.since(start);
    let returning = returning::clause(cursor, target.called())?;
    let rows = query::plain(rows, span);
    Ok(ChangeRows { table: target.table, columns: set.columns, rows, returning })
}

/// `[ONLY] name [[AS] alias]`; one of the words `next`, or the end of the statement, stands behind an alias without AS.
fn target(cursor: &mut Cursor<'_>, next: &[&str]) -> Result<Target> {
    if matches!(cursor.peek(1), Some(Token::Word(_))) {
        cursor.take_word("ONLY");
    }
    let table = cursor.object_name("the table's name")?;
    let is_next = |n| cursor.peek(n).is_none_or(|token| next.iter().any(|word| token_is_word(token, word)));
    let bare = matches!(cursor.peek(0), Some(Token::Word(_))) && !is_next(0) && is_next(1);
    let alias = if cursor.take_word("AS") || bare { Some(cursor.name("an alias")?) } else { None };
    Ok(Target { table, alias })
}

fn tables(cursor: &mut Cursor<'_>, word: &str) -> Result<Vec<TableWithJoins>> {
    if !cursor.take_word(word) {
        return Ok(Vec::new());
    }
    let mut own = cursor.up_to(cursor.find(|c, n| stands(c, n, "WHERE") || stands(c, n, "RETURNING")));
    let tables = own.parse(|parser| parser.parse_comma_separated(Parser::parse_table_and_joins))?;
    whole(cursor, &own)?;
    Ok(tables)
}

/// `WHERE …`, up to RETURNING.
pub(super) fn condition(cursor: &mut Cursor<'_>) -> Result<Option<Expr>> {
    if !cursor.take_word("WHERE") {
        return Ok(None);
    }
    let mut own = cursor.up_to(cursor.find(|c, n| stands(c, n, "RETURNING")));
    let condition = own.parse(Parser::parse_expr)?;
    whole(cursor, &own)?;
    Ok(Some(condition))
}

/// Goes on behind `own`, which must have been read to its end.
fn whole(cursor: &mut Cursor<'_>, own: &Cursor<'_>) -> Result<()> {
    cursor.go_to(own.position());
    if own.at_end() { Ok(()) } else { Err(own.expected("end of statement")) }
}

fn stands(cursor: &Cursor<'_>, number: usize, word: &str) -> bool {
    cursor.token(number).is_some_and(|token| token_is_word(token, word))
}

/// Items of a SELECT list over the rows that a statement changed.
pub(super) fn items(cursor: &mut Cursor<'_>) -> Result<Vec<SelectItem>> {
    cursor.parse(|parser| parser.parse_comma_separated(Parser::parse_select_item))
}

/// `expr AS name`.
pub(super) fn named(expr: Expr, name: String) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: syntax::quoted(name) }
}
