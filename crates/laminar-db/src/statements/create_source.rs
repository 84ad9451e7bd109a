//! `CREATE SOURCE`.

use arrow_schema::{DataType, SchemaRef};
use laminar_core::changelog::RowKeys;
use laminar_core::dag::{ChangeKind, EdgeProperties, SourceSpec, TimeColumn};
use laminar_core::expr::{Column, ExprRef};
use laminar_core::limits::WATERMARK_KEYS_MAX;
use laminar_core::time::event_time::nanos_per_unit;
use laminar_core::time::watermark::{Partitions, WatermarkPer, WatermarkRule, WatermarkSpec};
use laminar_core::{Code, Error, Result};
use laminar_sql::diagnostic::nearest;
use laminar_sql::parse::{CreateSource, OptionDef, WatermarkDef};
use laminar_sql::plan::columns_to_schema;

use super::target_table::places_of;
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
    let watermark =
        create.watermark.as_ref().map(|watermark| watermark_spec((create, is_append), watermark, &schema)).transpose()?;
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

fn watermark_spec(source: (&CreateSource, bool), watermark: &WatermarkDef, schema: &SchemaRef) -> Result<WatermarkSpec> {
    let name = watermark.column.text.as_str();
    let column = column_called(name, schema).map_err(|error| error.at(watermark.column.span))?;
    let data_type = schema.field(column).data_type();
    if nanos_per_unit(data_type).is_none() {
        return Err(Error::new(
            Code::TypeMismatch,
            format!("a watermark needs a TIMESTAMP or DATE column, '{name}' is {data_type}"),
        )
        .with_hint(format!("declare it as {name} TIMESTAMP"))
        .at(watermark.column.span));
    }
    let rule = watermark_rule(watermark, schema)?;
    let per = watermark_per(source, watermark, &rule, schema)?;
    Ok(WatermarkSpec { column, rule, per })
}

fn column_called(name: &str, schema: &SchemaRef) -> Result<usize> {
    schema.index_of(name).map_err(|_| {
        let error = Error::new(Code::UnknownColumn, format!("there is no column '{name}'"));
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        match nearest(name, names.iter().copied()) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None => error.with_hint(format!("the columns are: {}", names.join(", "))),
        }
    })
}

/// How the watermark follows from rows: `WITH (strategy = …)`.
fn watermark_rule(watermark: &WatermarkDef, schema: &SchemaRef) -> Result<WatermarkRule> {
    let option = |key: &str| option_called(watermark, key);
    let strategy = option("strategy").map_or("bounded", |option| option.value.as_str());
    let (own, rule) = match strategy {
        "bounded" => (None, WatermarkRule::BoundedOutOfOrderness { delay: watermark.lag }),
        "processing_time" => (None, WatermarkRule::ProcessingTime { delay: watermark.lag }),
        "ascending" => (None, WatermarkRule::Ascending),
        "periodic" => {
            let every = required(watermark, option("every"), "every", "every = '1 second'")?;
            let every = duration(&every.value).map_err(|error| error.at(every.span))?;
            (Some("every"), WatermarkRule::Periodic { delay: watermark.lag, every })
        }
        "punctuated" => {
            let marker = required(watermark, option("marker"), "marker", "marker = 'is_last', a BOOLEAN column")?;
            (Some("marker"), WatermarkRule::Punctuated { marker: boolean_column(marker, schema)? })
        }
        other => {
            let error = Error::new(Code::InvalidOption, format!("there is no watermark strategy '{other}'"));
            let error = error.with_hint("the strategies are: ascending, bounded, periodic, processing_time, punctuated");
            return Err(error.at(option("strategy").map_or(watermark.span, |option| option.span)));
        }
    };
    let is_known = |option: &&OptionDef| KNOWN_TO_ALL.contains(&option.key.as_str()) || Some(option.key.as_str()) == own;
    if let Some(other) = watermark.options.iter().find(|option| !is_known(option)) {
        let text = format!("a watermark with the strategy {strategy} has no option '{}'", other.key);
        return Err(Error::new(Code::UnknownOption, text)
            .with_hint("periodic takes every, punctuated takes marker, and all take per")
            .at(other.span));
    }
    if watermark.lag > 0 && matches!(rule, WatermarkRule::Ascending | WatermarkRule::Punctuated { .. }) {
        let text = format!("a watermark with the strategy {strategy} stays behind nothing");
        return Err(Error::new(Code::InvalidWindow, text)
            .with_hint("leave out the interval, or choose bounded")
            .at(watermark.span));
    }
    Ok(rule)
}

/// Options of a watermark whatever its strategy.
const KNOWN_TO_ALL: [&str; 4] = ["strategy", "per", "key", "max_keys"];

fn option_called<'a>(watermark: &'a WatermarkDef, key: &str) -> Option<&'a OptionDef> {
    watermark.options.iter().find(|option| option.key == key)
}

/// What has a watermark of its own: `WITH (per = …)`; with the definition comes whether its rows are only ever added.
fn watermark_per(
    (create, is_append): (&CreateSource, bool),
    watermark: &WatermarkDef,
    rule: &WatermarkRule,
    schema: &SchemaRef,
) -> Result<WatermarkPer> {
    let option = |key: &str| option_called(watermark, key);
    let per = option("per").map_or("source", |option| option.value.as_str());
    if let Some(stray) = option("key").or(option("max_keys")).filter(|_| per != "key") {
        let error = Error::new(Code::InvalidOption, format!("the option '{}' goes with per = 'key'", stray.key));
        return Err(error.with_hint("write WITH (per = 'key', key = 'device')").at(stray.span));
    }
    let refused = |code, text: &str, hint: &str| {
        let span = option("per").map_or(watermark.span, |option| option.span);
        Err(Error::new(code, text).with_hint(hint).at(span))
    };
    match (per, rule) {
        ("source", _) => Ok(WatermarkPer::Source),
        ("key" | "partition", WatermarkRule::ProcessingTime { .. }) => refused(
            Code::InvalidOption,
            "a watermark with the strategy processing_time follows the clock, which is the same for all",
            "leave out per",
        ),
        ("key", _) if !is_append => refused(
            Code::NotSupported,
            "a source whose rows can be taken back has no watermark per key",
            "leave out per, or read rows that are only added",
        ),
        ("key", _) => watermark_keys(watermark, schema),
        ("partition", _) if create.connector.is_none() => refused(
            Code::InvalidOption,
            "rows that a program pushes come from no partition",
            "write per = 'key' and name the column that tells them apart: key = 'device'",
        ),
        // The connector says later which it has.
        ("partition", _) => Ok(WatermarkPer::Partition(Partitions::InTurn(1))),
        (other, _) => {
            refused(Code::InvalidOption, &format!("there is no watermark per '{other}'"), "per is 'source', 'key' or 'partition'")
        }
    }
}

fn watermark_keys(watermark: &WatermarkDef, schema: &SchemaRef) -> Result<WatermarkPer> {
    let key = required(watermark, option_called(watermark, "key"), "key", "key = 'device', the column that tells them apart")?;
    let columns = key.value.split(',').map(|name| column_called(name.trim(), schema)).collect::<Result<Vec<_>>>();
    let columns = columns.map_err(|error| error.at(key.span))?;
    let types: Vec<DataType> = columns.iter().map(|column| schema.field(*column).data_type().clone()).collect();
    RowKeys::new(&types).map_err(|error| error.at(key.span))?;
    let Some(max) = option_called(watermark, "max_keys") else {
        return Ok(WatermarkPer::Key { columns, keys_max: WATERMARK_KEYS_MAX });
    };
    let count = max.value.replace('_', "").parse::<u32>().ok().filter(|count| *count > 0);
    let keys_max = count.ok_or_else(|| {
        let error = Error::new(Code::InvalidOption, format!("max_keys is a number of keys, not '{}'", max.value));
        error.with_hint("write max_keys = 100000").at(max.span)
    })?;
    Ok(WatermarkPer::Key { columns, keys_max: keys_max as usize })
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

fn required<'a>(watermark: &WatermarkDef, option: Option<&'a OptionDef>, key: &str, example: &str) -> Result<&'a OptionDef> {
    option.ok_or_else(|| {
        let error = Error::new(Code::InvalidOption, format!("the option '{key}' is missing"));
        error.with_hint(format!("write {example}")).at(watermark.span)
    })
}

fn boolean_column(marker: &OptionDef, schema: &SchemaRef) -> Result<ExprRef> {
    let found = schema.index_of(&marker.value).ok().filter(|column| *schema.field(*column).data_type() == DataType::Boolean);
    found.map(|column| Column::new(schema, column)).ok_or_else(|| {
        let error = Error::new(Code::UnknownColumn, format!("there is no BOOLEAN column '{}'", marker.value));
        error.with_hint("name the column that is true in the rows which say that their time is reached").at(marker.span)
    })
}
