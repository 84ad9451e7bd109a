//! `CREATE SOURCE name (columns, WATERMARK FOR …) FROM CONNECTOR (…) FORMAT …`.

use laminar_core::{Code, Error, Result};

use super::columns;
use super::connector;
use super::create::Head;
use super::dispatch::not_built;
use super::statement::CreateSource;
use super::tokens::Cursor;

/// Reads what follows the source's name.
pub(super) fn rest(cursor: &mut Cursor<'_>, head: Head) -> Result<CreateSource> {
    let definition = columns::definition(cursor, &head.name)?;
    if let Some(key) = definition.primary_key.first() {
        let error = Error::new(Code::NotSupported, "a source has no primary key: its rows are only ever added").at(key.span);
        return Err(error.with_hint("write CREATE TABLE to keep one row for each key"));
    }
    if let Some(span) = definition.constraints.first_span() {
        let instead = "compute columns and filter rows in a view, or write CREATE TABLE";
        return Err(not_built("DEFAULT, GENERATED or CHECK in a source", span, instead));
    }
    let connector::SourceRows { connector, changelog, alignment } = connector::of_source(cursor)?;
    let Head { name, if_not_exists, or_replace, .. } = head;
    if connector.is_none() && definition.columns.is_empty() {
        let error =
            Error::new(Code::InvalidQuery, format!("source '{}' has neither columns nor a connector", name.text)).at(name.span);
        return Err(error.with_hint("declare its columns, or say where rows come from: FROM FILE (path = '…')"));
    }
    let columns::Definition { columns, watermark, .. } = definition;
    Ok(CreateSource { name, if_not_exists, or_replace, columns, watermark, connector, changelog, alignment })
}
