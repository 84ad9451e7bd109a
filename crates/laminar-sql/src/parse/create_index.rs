//! `CREATE INDEX [IF NOT EXISTS] [name] ON object [USING hash] (column, …)`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::{Code, Error, Result, Span};

use super::dispatch::not_built;
use super::names::written;
use super::statement::{CreateIndex, Name};
use super::tokens::Cursor;

/// Reads what follows `CREATE INDEX`, which begins at token `start`.
pub(super) fn rest(cursor: &mut Cursor<'_>, start: usize, or_replace: bool) -> Result<CreateIndex> {
    if or_replace {
        let error = Error::new(Code::Syntax, "an index is not replaced").at(cursor.since(start));
        return Err(error.with_hint("DROP INDEX it first, or write CREATE INDEX IF NOT EXISTS"));
    }
    if cursor.is_word(0, "CONCURRENTLY") {
        return Err(not_built("CREATE INDEX CONCURRENTLY", cursor.here(), "leave CONCURRENTLY out"));
    }
    let if_not_exists = cursor.if_not_exists();
    let name = if cursor.is_word(0, "ON") { None } else { Some(cursor.object_name("the index's name, or ON")?) };
    let on_at = cursor.here().start;
    cursor.expect_word("ON")?;
    let on = cursor.object_name("the name of a table or materialized view")?;
    if cursor.take_word("USING") && !cursor.take_word("HASH") {
        let error = not_built("an index with an order", cursor.here(), "leave USING out: an index finds rows by equal values");
        return Err(error);
    }
    let columns = columns(cursor)?;
    if !cursor.at_end() {
        refuse_clause(cursor)?;
    }
    let name = name.unwrap_or_else(|| default_name(&on, &columns, on_at));
    Ok(CreateIndex { name, if_not_exists, on, columns })
}

/// `(column, …)`, each once.
fn columns(cursor: &mut Cursor<'_>) -> Result<Vec<Name>> {
    let mut names: Vec<Name> = Vec::new();
    let start = cursor.here();
    cursor.list(|cursor| {
        if matches!(cursor.peek(0), Some(Token::LParen)) || matches!(cursor.peek(1), Some(Token::LParen)) {
            let instead = "index a materialized view that has it as a column";
            return Err(not_built("an index of an expression", cursor.here(), instead));
        }
        let name = cursor.name("a column")?;
        if names.iter().any(|before| before.text == name.text) {
            return Err(Error::new(Code::InvalidQuery, format!("column '{}' is named twice", name.text)).at(name.span));
        }
        names.push(name);
        if let Some(word) = cursor.word().filter(|word| ["ASC", "DESC", "NULLS", "COLLATE"].contains(&word.as_str())) {
            let instead = "leave it out: an index finds rows by equal values";
            return Err(not_built(&format!("{word} in an index"), cursor.here(), instead));
        }
        Ok(())
    })?;
    if names.is_empty() {
        return Err(Error::new(Code::Syntax, "an index of no column").with_hint("name one, as in (item)").at(start));
    }
    Ok(names)
}

/// Clauses of PostgreSQL.
fn refuse_clause(cursor: &Cursor<'_>) -> Result<()> {
    let (what, instead) = match cursor.word().as_deref() {
        Some("WHERE") => ("an index of some rows", "index a materialized view with that WHERE, or all rows"),
        Some("INCLUDE") => ("INCLUDE in an index", "leave it out: an index has all columns"),
        Some("WITH" | "TABLESPACE" | "NULLS") => ("this clause of an index", "leave it out"),
        _ => return Ok(()),
    };
    Err(not_built(what, cursor.here(), instead))
}

/// The name that PostgreSQL would give it; it stands in front of ON.
fn default_name(on: &Name, columns: &[Name], at: usize) -> Name {
    let columns: Vec<&str> = columns.iter().map(|column| column.text.as_str()).collect();
    Name { text: format!("{}_{}_idx", on.text, columns.join("_")), span: Span { start: at, end: at } }
}

impl CreateIndex {
    /// Whether its name was not written.
    pub fn is_unnamed(&self) -> bool {
        self.name.span.start == self.name.span.end
    }

    /// Its statement `text` with the name that it has got, if none was written.
    pub fn named_text(&self, text: &str) -> String {
        if !self.is_unnamed() {
            return text.to_owned();
        }
        let (before, after) = text.split_at(self.name.span.start);
        let [name, _] = written(&self.name.text);
        format!("{before}{name} {after}")
    }
}
