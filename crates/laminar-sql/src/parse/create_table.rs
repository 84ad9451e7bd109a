//! `CREATE TABLE name (columns, PRIMARY KEY (…)) [APPEND ONLY] [FROM CONNECTOR (…) FORMAT …]`, or `CREATE TABLE name AS query`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::{Code, Error, Result};

use super::columns;
use super::connector::{self, Direction};
use super::constraints::Constraints;
use super::create::Head;
use super::query;
use super::statement::{CreateTable, Name};
use super::tokens::Cursor;

/// Reads what follows the table's name.
pub(super) fn rest(cursor: &mut Cursor<'_>, head: Head) -> Result<CreateTable> {
    if let Some(names) = names_before_as(cursor)? {
        return filled(cursor, head, names);
    }
    let mut definition = columns::definition(cursor, &head.name)?;
    definition.constraints.name_all(&head.name.text)?;
    let mut append_only = cursor.take_words(&["APPEND", "ONLY"]);
    let connector = connector::optional(cursor, Direction::From)?;
    append_only |= cursor.take_words(&["APPEND", "ONLY"]);
    refuse_changes(append_only, &definition)?;
    let Head { name, if_not_exists, or_replace, .. } = head;
    if definition.columns.is_empty() && connector.is_none() {
        let error = Error::new(Code::InvalidQuery, format!("table '{}' has no columns", name.text)).at(name.span);
        return Err(error.with_hint("declare them, as in CREATE TABLE t (id BIGINT PRIMARY KEY, name VARCHAR)"));
    }
    let mut columns = definition.columns;
    columns::require_keys(&mut columns, &definition.primary_key);
    let Constraints { defaults, generated, checks, uniques } = definition.constraints;
    let (primary_key, watermark, query) = (definition.primary_key, definition.watermark, None);
    Ok(CreateTable {
        name,
        if_not_exists,
        or_replace,
        columns,
        primary_key,
        defaults,
        generated,
        checks,
        uniques,
        append_only,
        watermark,
        connector,
        query,
    })
}

/// Rows that can change have no watermark, and rows that cannot are not replaced by key.
fn refuse_changes(append_only: bool, definition: &columns::Definition) -> Result<()> {
    match (&definition.watermark, definition.primary_key.first()) {
        (Some(watermark), _) if !append_only => {
            let text = "a table has no watermark: its rows can change at any time";
            let hint = "write APPEND ONLY behind the columns, if rows are only ever inserted; or CREATE SOURCE";
            Err(Error::new(Code::InvalidWindow, text).with_hint(hint).at(watermark.span))
        }
        (_, Some(key)) if append_only => {
            let text = "a table that is APPEND ONLY has no primary key: a row with the same key would replace the one before it";
            let hint = "leave out the key, or APPEND ONLY";
            Err(Error::new(Code::InvalidQuery, text).with_hint(hint).at(key.span))
        }
        _ => Ok(()),
    }
}

/// Takes `[(names)] AS` if it comes next.
fn names_before_as(cursor: &mut Cursor<'_>) -> Result<Option<Vec<Name>>> {
    if cursor.take_word("AS") {
        return Ok(Some(Vec::new()));
    }
    let mut end = 0;
    while !matches!(cursor.peek(end), None | Some(Token::RParen)) {
        end += 1;
    }
    if cursor.peek(0) != Some(&Token::LParen) || !cursor.is_word(end + 1, "AS") || !query::begins_at(cursor, end + 2) {
        return Ok(None);
    }
    let names = cursor.distinct_names("a column's name")?;
    cursor.expect_word("AS")?;
    Ok(Some(names))
}

/// `AS query`.
fn filled(cursor: &mut Cursor<'_>, head: Head, names: Vec<Name>) -> Result<CreateTable> {
    let query = query::stream_query(cursor)?;
    if let Some(emit) = &query.emit {
        let error = Error::new(Code::InvalidWindow, "EMIT in a query that is run once").at(emit.span);
        return Err(error.with_hint("leave it out, or write CREATE MATERIALIZED VIEW to keep the answer current"));
    }
    let Head { name, if_not_exists, or_replace, .. } = head;
    let query = Some(query::with_column_names(query, &name, names));
    Ok(CreateTable {
        name,
        if_not_exists,
        or_replace,
        columns: Vec::new(),
        primary_key: Vec::new(),
        defaults: Vec::new(),
        generated: Vec::new(),
        checks: Vec::new(),
        uniques: Vec::new(),
        append_only: false,
        watermark: None,
        connector: None,
        query,
    })
}
