//! `DEFAULT expr`, `GENERATED ALWAYS AS (expr) STORED`, `CHECK (expr)` and `UNIQUE (columns)`: what a table's definition says of the values of its rows.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::{Code, Error, Result, Span};

use super::change::named;
use super::changed_rows::{returning_query, without_relation};
use super::dispatch::not_built;
use super::names;
use super::query;
use super::statement::{CheckDef, ColumnExpr, Name, RowExpr, UniqueDef};
use super::tokens::{Cursor, token_is_word};
use crate::ast_walk::walk_expressions;

/// What was found in the parentheses.
#[derive(Debug, Default)]
pub(super) struct Constraints {
    pub(super) defaults: Vec<ColumnExpr>,
    pub(super) generated: Vec<ColumnExpr>,
    /// Those without a name have an empty one.
    pub(super) checks: Vec<CheckDef>,
    /// The same.
    pub(super) uniques: Vec<UniqueDef>,
}

impl Constraints {
    /// Where the first of them stands.
    pub(super) fn first_span(&self) -> Option<Span> {
        let of_columns = self.defaults.iter().chain(&self.generated).map(|of_column| of_column.value.query.span);
        let of_checks = self.checks.iter().map(|check| check.holds.query.span);
        of_columns.chain(of_checks).chain(self.uniques.iter().map(|unique| unique.span)).min_by_key(|span| span.start)
    }

    /// Gives a name to each constraint that has none: `<table>_check`, `<table>_<column>_check` where a check is about one column,
    /// `<table>_<columns>_key`, with a number if that is taken.
    pub(super) fn name_all(&mut self, table: &str) -> Result<()> {
        let mut taken: Vec<String> = Vec::new();
        let checks = self.checks.iter().map(|check| (&check.name, check.holds.query.span));
        let uniques = self.uniques.iter().map(|unique| (&unique.name, unique.span));
        for (name, span) in checks.chain(uniques).filter(|(name, _)| !name.is_empty()) {
            if taken.contains(name) {
                return Err(Error::new(Code::InvalidQuery, format!("two constraints are called '{name}'")).at(span));
            }
            taken.push(name.clone());
        }
        for check in self.checks.iter_mut().filter(|check| check.name.is_empty()) {
            let base = match check.holds.names.as_slice() {
                [column] => format!("{table}_{column}_check"),
                _ => format!("{table}_check"),
            };
            check.name = free_name(base, &mut taken);
        }
        for unique in self.uniques.iter_mut().filter(|unique| unique.name.is_empty()) {
            let columns: Vec<&str> = unique.columns.iter().map(|column| column.text.as_str()).collect();
            unique.name = free_name(format!("{table}_{}_key", columns.join("_")), &mut taken);
        }
        Ok(())
    }

    /// Reads a constraint of `column` if one comes next; `table` is what the definition is of.
    pub(super) fn of_column(&mut self, cursor: &mut Cursor<'_>, table: &Name, column: &Name) -> Result<bool> {
        let start = cursor.position();
        if cursor.take_word("DEFAULT") {
            let value = default(cursor, start)?;
            add(&mut self.defaults, column, value, "DEFAULT")?;
            return Ok(true);
        }
        if cursor.take_words(&["GENERATED", "ALWAYS", "AS"]) {
            let value = generated(cursor, table, start)?;
            add(&mut self.generated, column, value, "GENERATED")?;
            return Ok(true);
        }
        Ok(self.check(cursor, table)? || self.unique(cursor, Some(column))?)
    }

    /// Reads a constraint of the table if one comes next.
    pub(super) fn of_table(&mut self, cursor: &mut Cursor<'_>, table: &Name) -> Result<bool> {
        Ok(self.check(cursor, table)? || self.unique(cursor, None)?)
    }

    /// Reads `[CONSTRAINT name] CHECK (expr)` if it comes next.
    fn check(&mut self, cursor: &mut Cursor<'_>, table: &Name) -> Result<bool> {
        let start = cursor.position();
        let is_named = cursor.is_word(0, "CONSTRAINT") && cursor.is_word(2, "CHECK");
        let is_bare = cursor.is_word(0, "CHECK") && cursor.peek(1) == Some(&Token::LParen);
        if !is_named && !is_bare {
            return Ok(false);
        }
        let name = if cursor.take_word("CONSTRAINT") { cursor.name("the constraint's name")?.text } else { String::new() };
        cursor.expect_word("CHECK")?;
        let (expr, text) = in_brackets(cursor)?;
        let holds = over_rows(cursor, table, expr, text, start)?;
        self.checks.push(CheckDef { name, holds });
        Ok(true)
    }

    /// Reads `[CONSTRAINT name] UNIQUE [NULLS [NOT] DISTINCT]` if it comes next, with the columns behind it where it does not follow one.
    fn unique(&mut self, cursor: &mut Cursor<'_>, of_column: Option<&Name>) -> Result<bool> {
        let start = cursor.position();
        let is_named = cursor.is_word(0, "CONSTRAINT") && cursor.is_word(2, "UNIQUE");
        // A column can be called so, too.
        let is_followed = || cursor.peek(1) == Some(&Token::LParen) || cursor.is_word(1, "NULLS");
        let is_bare = cursor.is_word(0, "UNIQUE") && (of_column.is_some() || is_followed());
        if !is_named && !is_bare {
            return Ok(false);
        }
        let name = if cursor.take_word("CONSTRAINT") { cursor.name("the constraint's name")?.text } else { String::new() };
        cursor.expect_word("UNIQUE")?;
        let nulls_distinct = !cursor.take_words(&["NULLS", "NOT", "DISTINCT"]);
        cursor.take_words(&["NULLS", "DISTINCT"]);
        let columns = match of_column {
            Some(column) => vec![column.clone()],
            None => cursor.distinct_names("a column's name")?,
        };
        if columns.is_empty() {
            return Err(Error::new(Code::InvalidQuery, "the constraint UNIQUE has no columns").at(cursor.since(start)));
        }
        self.uniques.push(UniqueDef { name, columns, nulls_distinct, span: cursor.since(start) });
        Ok(true)
    }
}

/// `base`, or that with a number if it is taken; it is then.
fn free_name(base: String, taken: &mut Vec<String>) -> String {
    let numbered = (1..).map(|number| format!("{base}{number}"));
    let free = std::iter::once(base.clone()).chain(numbered).find(|name| !taken.contains(name));
    let name = free.unwrap_or(base);
    taken.push(name.clone());
    name
}

fn add(to: &mut Vec<ColumnExpr>, column: &Name, value: RowExpr, what: &str) -> Result<()> {
    if to.iter().any(|other| other.column.text == column.text) {
        let text = format!("column '{}' has two {what} clauses", column.text);
        return Err(Error::new(Code::InvalidQuery, text).at(value.query.span));
    }
    to.push(ColumnExpr { column: column.clone(), value });
    Ok(())
}

fn default(cursor: &mut Cursor<'_>, start: usize) -> Result<RowExpr> {
    let first = cursor.position();
    let mut own = cursor.up_to(cursor.find(|c, n| n > first && ends_default(c, n)));
    let expr = own.parse(Parser::parse_expr)?;
    cursor.go_to(own.position());
    let (names, text) = (names_in(&expr), cursor.text_of(cursor.since(first)).to_owned());
    let mut query = without_relation(vec![named(expr, VALUE.to_owned())]);
    query::normalize(&mut query, &cursor.lines())?;
    Ok(RowExpr { query: query::plain(query, cursor.since(start)), text, names })
}

/// Whether the next constraint begins at a token. `a IS NOT NULL` is not one.
fn ends_default(cursor: &Cursor<'_>, number: usize) -> bool {
    let is = |n: usize, word: &str| cursor.token(n).is_some_and(|token| token_is_word(token, word));
    const BEGINNINGS: [&str; 6] = ["PRIMARY", "CHECK", "CONSTRAINT", "UNIQUE", "REFERENCES", "GENERATED"];
    matches!(cursor.token(number), Some(Token::Comma | Token::RParen))
        || (is(number, "NOT") && is(number + 1, "NULL") && !is(number - 1, "IS"))
        || BEGINNINGS.iter().any(|word| is(number, word))
}

fn generated(cursor: &mut Cursor<'_>, table: &Name, start: usize) -> Result<RowExpr> {
    if cursor.take_word("IDENTITY") {
        let instead = "give every row its number in INSERT";
        return Err(not_built("GENERATED … AS IDENTITY", cursor.since(start), instead));
    }
    let (expr, text) = in_brackets(cursor)?;
    if cursor.take_word("VIRTUAL") {
        return Err(not_built("a VIRTUAL generated column", cursor.since(start), "write STORED, or compute it in a view"));
    }
    cursor.expect_word("STORED")?;
    over_rows(cursor, table, expr, text, start)
}

/// `(expr)`, and the text between the brackets.
fn in_brackets(cursor: &mut Cursor<'_>) -> Result<(ast::Expr, String)> {
    cursor.expect(&Token::LParen, "'('")?;
    let first = cursor.position();
    let expr = cursor.parse(Parser::parse_expr)?;
    let text = cursor.text_of(cursor.since(first)).to_owned();
    cursor.expect(&Token::RParen, "')'")?;
    Ok((expr, text))
}

/// The expression over the rows of the table, as a query.
fn over_rows(cursor: &Cursor<'_>, table: &Name, expr: ast::Expr, text: String, start: usize) -> Result<RowExpr> {
    let names = names_in(&expr);
    let mut query = returning_query(table, vec![named(expr, VALUE.to_owned())]);
    query::normalize(&mut query, &cursor.lines())?;
    Ok(RowExpr { query: query::plain(query, cursor.since(start)), text, names })
}

/// What the only column of these queries is called.
const VALUE: &str = "__value";

/// The names in an expression, each once.
fn names_in(expr: &ast::Expr) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let _ = walk_expressions(expr, |expr| {
        let ident = match expr {
            ast::Expr::Identifier(ident) => Some(ident),
            ast::Expr::CompoundIdentifier(parts) => parts.last(),
            _ => None,
        };
        if let Some(name) = ident.map(names::of_ident).filter(|name| !found.contains(name)) {
            found.push(name);
        }
        ControlFlow::<()>::Continue(())
    });
    found
}
