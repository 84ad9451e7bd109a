//! `CREATE SOURCE name (columns, PRIMARY KEY (…), WATERMARK FOR …) FROM CONNECTOR (…) FORMAT …`.

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
    if let (Some(_), Some(watermark)) = (definition.primary_key.first(), &definition.watermark) {
        let text = "a source with a primary key has no watermark: a row can be replaced however old it is";
        let error = Error::new(Code::NotSupported, text).at(watermark.span);
        return Err(error.with_hint(
            "leave out the watermark: a materialized view keeps windows over such a source current without one; or leave out the key",
        ));
    }
    if let Some(span) = definition.constraints.first_span() {
        let instead = "compute columns and filter rows in a view, or write CREATE TABLE";
        return Err(not_built("DEFAULT, GENERATED, CHECK or UNIQUE in a source", span, instead));
    }
    let connector::SourceRows { connector, changelog, alignment } = connector::of_source(cursor)?;
    let Head { name, if_not_exists, or_replace, .. } = head;
    if connector.is_none() && definition.columns.is_empty() {
        let error =
            Error::new(Code::InvalidQuery, format!("source '{}' has neither columns nor a connector", name.text)).at(name.span);
        return Err(error.with_hint("declare its columns, or say where rows come from: FROM FILE (path = '…')"));
    }
    let columns::Definition { mut columns, primary_key, watermark, .. } = definition;
    columns::require_keys(&mut columns, &primary_key);
    Ok(CreateSource { name, if_not_exists, or_replace, columns, primary_key, watermark, connector, changelog, alignment })
}
