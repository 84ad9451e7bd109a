//! `CREATE SOURCE`.

use laminar_core::dag::{ChangeKind, EdgeProperties, SourceSpec, TimeColumn};
use laminar_core::{Code, Error, Result};
use laminar_sql::parse::CreateSource;
use laminar_sql::plan::columns_to_schema;

use super::target_table::places_of;
use super::watermark::{Watermarked, watermark_spec};
use super::{StatementOutcome, name_is_free};
use crate::catalog::{Alignment, CatalogChange, Definition, Object, SourceDefinition, TextLengths};
use crate::engine::{Declared, Engine, Files, Instance, LateColumns, Parts, SourceInstance};
use crate::settings::duration;

pub(super) fn run(engine: &mut Engine, create: &CreateSource, text: &str) -> Result<StatementOutcome> {
    if let Some(skipped) = name_is_free(engine, &create.name, create.if_not_exists, create.or_replace)? {
        return Ok(skipped);
    }
    let name = create.name.text.clone();
    let declared = if create.columns.is_empty() { None } else { Some(columns_to_schema(&create.columns)?) };
    let key = match &declared {
        Some(schema) => places_of(&create.primary_key, schema, &name)?,
        None => Vec::new(),
    };
    let files = create.connector.as_ref().map(|connector| engine.files_to_read(connector)).transpose()?.unwrap_or_default();
    let (mut kept, mut is_append) = (None, !create.changelog);
    let (schema, replayable) = match &create.connector {
        // Opening it now finds a missing file or a wrong option where the user can see it: at the statement.
        Some(connector) => {
            let opened = engine.open_source_as_recorded(&name, connector, Declared::new(declared, &key))?;
            let (schema, replayable) = (opened.schema(), opened.is_replayable());
            is_append = opened.is_append();
            if !replayable {
                kept = Some(opened);
            }
            (schema, replayable && engine.registry.get(&connector.name)?.replayable())
        }
        None => {
            let schema = declared.ok_or_else(|| {
                Error::new(Code::InvalidQuery, "a source without connector needs its columns")
                    .with_hint("write CREATE SOURCE name (column TYPE, …), or say where the rows are: FROM FILE (path = '…')")
                    .at(create.name.span)
            })?;
            (schema, false)
        }
    };
    let of = Watermarked { is_pushed: create.connector.is_none(), is_append };
    let watermark = create.watermark.as_ref().map(|watermark| watermark_spec(of, watermark, &schema)).transpose()?;
    let alignment = alignment(create)?;
    let time_columns = watermark.iter().map(|watermark| TimeColumn::new(watermark.column, 0)).collect();
    let idle_timeout = watermark.as_ref().and(engine.idle_timeout());
    let changes = match is_append {
        _ if !key.is_empty() => ChangeKind::Upsert(key.clone()),
        true => ChangeKind::Append,
        false => ChangeKind::Retract,
    };
    let is_stream = key.is_empty();
    let properties = EdgeProperties { time_columns, is_stream, ..EdgeProperties::new(schema.clone(), changes) };
    let definition = SourceDefinition {
        properties,
        key,
        lengths: TextLengths::of(&create.columns),
        watermark: create.watermark.clone(),
        idle_timeout,
        connector: create.connector.clone(),
        alignment,
        replayable,
        read_once: kept.is_some(),
    };
    let instance = SourceInstance {
        spec: SourceSpec { watermark, idle_timeout },
        is_pushed: create.connector.is_none(),
        lengths: definition.lengths.clone(),
        reader: None,
        opened: kept,
    };
    let id = engine.catalog.next_id();
    engine.run_instance(id, Instance::new(Vec::new(), Parts::Source(instance)).with_files(Files::Read(files)))?;
    engine.declare_sides(id, Some(LateColumns::new(&schema)))?;
    let (depends_on, definition) = (Vec::new(), Definition::Source(definition));
    engine.stage(CatalogChange::Create(Object { id, name, sql: text.to_owned(), depends_on, late_to: None, definition }));
    Ok(StatementOutcome::done(format!("CREATE SOURCE {}", create.name.text)))
}

/// What the source waits for: `watermark_alignment_…`.
fn alignment(create: &CreateSource) -> Result<Option<Alignment>> {
    let Some(first) = create.alignment.first() else { return Ok(None) };
    if let Some(other) = create.alignment.iter().find(|option| ![GROUP, MAX_DRIFT].contains(&option.key.as_str())) {
        let error = Error::new(Code::UnknownOption, format!("there is no option '{}'", other.key));
        return Err(error.with_hint(format!("the options are: {GROUP}, {MAX_DRIFT}")).at(other.span));
    }
    if create.connector.is_none() {
        let text = "a source without connector cannot wait for others: its rows are pushed";
        let hint = format!("leave out {}, or say where its rows come from: FROM FILE (path = '…')", first.key);
        return Err(Error::new(Code::InvalidOption, text).with_hint(hint).at(first.span));
    }
    if create.watermark.is_none() {
        let text =
            format!("the sources of an alignment group are compared by their watermarks, and '{}' has none", create.name.text);
        let hint = "declare WATERMARK FOR ts AS ts - INTERVAL '5' SECOND between its columns";
        return Err(Error::new(Code::InvalidWindow, text).with_hint(hint).at(first.span));
    }
    let needed = |key: &str, example: &str| {
        create.alignment.iter().find(|option| option.key == key).ok_or_else(|| {
            let error = Error::new(Code::InvalidOption, format!("the option '{key}' is missing"));
            error.with_hint(format!("write {key} = '{example}'")).at(first.span)
        })
    };
    let (group, max_drift) = (needed(GROUP, "name")?, needed(MAX_DRIFT, "1 minute")?);
    let nanos = duration(&max_drift.value).map_err(|error| error.with_hint("write '1 minute' or '250 ms'").at(max_drift.span))?;
    Ok(Some(Alignment { group: group.value.clone(), max_drift: nanos }))
}

const GROUP: &str = "watermark_alignment_group";
const MAX_DRIFT: &str = "watermark_alignment_max_drift";
