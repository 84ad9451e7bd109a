//! The table that a statement changes, its columns by name, and what is said of objects whose rows cannot be changed.

use arrow_schema::Schema;
use laminar_core::{Code, Error, Result};
use laminar_sql::diagnostic::nearest;
use laminar_sql::parse::Name;

use crate::catalog::{Catalog, Definition, Object, kind_name};
use crate::engine::{Engine, TableInstance};

/// What an INSERT does to the rows that it meets and leaves alone.
pub(super) const FOUND: &str = "found by key";

/// The table called `name`, whose rows can change, unless they are only [`FOUND`]. `verb` is what the statement does to its rows, as in `updated`.
pub(super) fn table_of<'a>(engine: &'a Engine, name: &Name, verb: &str) -> Result<&'a TableInstance> {
    let object = engine.catalog.require(name)?;
    match engine.instances.table(object.id) {
        None => Err(not_a_table(&engine.catalog, object, verb).at(name.span)),
        Some(table) if table.is_append && verb != FOUND => {
            let text = format!("rows of table '{}' cannot be {verb}: it is APPEND ONLY", name.text);
            let hint = "create it without APPEND ONLY if its rows change";
            Err(Error::new(Code::InvalidQuery, text).with_hint(hint).at(name.span))
        }
        Some(table) => Ok(table),
    }
}

fn not_a_table(catalog: &Catalog, object: &Object, verb: &str) -> Error {
    let (name, kind) = (&object.name, kind_name(object.kind()));
    let text = format!("rows of {} '{name}' cannot be {verb}", kind.to_lowercase());
    let error = Error::new(Code::InvalidQuery, text);
    match &object.definition {
        Definition::Source(_) => error.with_detail("a source passes its rows on and keeps none").with_hint(
            "keep rows that change in a TABLE; a program takes back rows of a source that is created WITH (changelog = 'true')",
        ),
        Definition::Lookup(_) => error.with_hint("they stand elsewhere: change them there, or keep them in a TABLE"),
        Definition::Sink { .. } | Definition::LateSink { .. } => {
            error.with_hint("change the rows of the tables that it is written from")
        }
        _ => {
            let inputs = catalog.names_of(&object.depends_on).join(", ");
            error.with_detail(format!("they follow from: {inputs}")).with_hint("change the tables that it reads from")
        }
    }
}

/// The places of columns that a statement names.
pub(super) fn places_of<'a>(columns: impl IntoIterator<Item = &'a Name>, schema: &Schema, table: &str) -> Result<Vec<usize>> {
    columns.into_iter().map(|column| place_of(column, schema, table)).collect()
}

fn place_of(column: &Name, schema: &Schema, table: &str) -> Result<usize> {
    schema.index_of(&column.text).map_err(|_| {
        let text = format!("there is no column '{}' in '{table}'", column.text);
        let error = Error::new(Code::UnknownColumn, text).at(column.span);
        let names = schema.fields().iter().map(|field| field.name().as_str());
        match nearest(&column.text, names) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None => error,
        }
    })
}
