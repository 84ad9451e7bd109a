//! `CREATE TABLE name (columns, PRIMARY KEY (…)) [FROM CONNECTOR (…) FORMAT …]`.

use laminar_core::{Code, Error, Result};

use super::columns;
use super::connector::{self, Direction};
use super::create::Head;
use super::dispatch::not_built;
use super::statement::CreateTable;
use super::tokens::Cursor;

/// Reads what follows the table's name.
pub(super) fn rest(cursor: &mut Cursor<'_>, head: Head) -> Result<CreateTable> {
    let start = cursor.position();
    if cursor.take_word("AS") {
        return Err(not_built(
            "CREATE TABLE AS",
            cursor.since(start),
            "write CREATE MATERIALIZED VIEW, or CREATE TABLE and INSERT … SELECT",
        ));
    }
    let definition = columns::definition(cursor)?;
    if let Some(watermark) = definition.watermark {
        let error =
            Error::new(Code::InvalidWindow, "a table has no watermark: its rows can change at any time").at(watermark.span);
        return Err(error.with_hint("declare the watermark in CREATE SOURCE"));
    }
    let connector = connector::optional(cursor, Direction::From)?;
    let Head { name, if_not_exists, or_replace, .. } = head;
    if definition.columns.is_empty() && connector.is_none() {
        let error = Error::new(Code::InvalidQuery, format!("table '{}' has no columns", name.text)).at(name.span);
        return Err(error.with_hint("declare them, as in CREATE TABLE t (id BIGINT PRIMARY KEY, name VARCHAR)"));
    }
    let start = cursor.position();
    if cursor.take_words(&["APPEND", "ONLY"]) {
        return Err(not_built("APPEND ONLY", cursor.since(start), "write CREATE SOURCE for rows that are only ever added"));
    }
    let mut columns = definition.columns;
    for column in &mut columns {
        column.not_null |= definition.primary_key.iter().any(|key| key.text == column.name.text);
    }
    Ok(CreateTable { name, if_not_exists, or_replace, columns, primary_key: definition.primary_key, connector })
}
