//! `CREATE SOURCE`.

use arrow_schema::{DataType, SchemaRef};
use laminar_core::dag::{ChangeKind, EdgeProperties, SourceSpec, TimeColumn};
use laminar_core::expr::{Column, ExprRef};
use laminar_core::time::event_time::nanos_per_unit;
use laminar_core::time::watermark::{WatermarkRule, WatermarkSpec};
use laminar_core::{Code, Error, Result};
use laminar_sql::diagnostic::nearest;
use laminar_sql::parse::{CreateSource, OptionDef, WatermarkDef};
use laminar_sql::plan::columns_to_schema;

use super::{StatementOutcome, name_is_free};
use crate::catalog::{Body, Object, Once, SourceBody};
use crate::engine::{Done, Engine, LateColumns, TextLengths};
use crate::settings::duration;

pub(super) fn run(engine: &mut Engine, create: &CreateSource, text: &str) -> Result<StatementOutcome> {
    if let Some(skipped) = name_is_free(engine, &create.name, create.if_not_exists, create.or_replace)? {
        return Ok(skipped);
    }
    let name = create.name.text.clone();
    let declared = if create.columns.is_empty() { None } else { Some(columns_to_schema(&create.columns)?) };
    let files = create.connector.as_ref().map(|connector| engine.files_to_read(connector)).transpose()?.unwrap_or_default();
    let mut once = Once::No;
    let (schema, replayable) = match &create.connector {
        // Opening it now finds a missing file or a wrong option where the user can see it: at the statement.
        Some(connector) => {
            let opened = engine.open_source(&name, connector, declared)?;
            let (schema, replayable) = (opened.schema(), opened.is_replayable());
            if !replayable {
                once = Once::Opened(opened);
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
    let watermark = create.watermark.as_ref().map(|watermark| watermark_spec(watermark, &schema)).transpose()?;
    let time_columns = watermark.iter().map(|watermark| TimeColumn::new(watermark.column, 0)).collect();
    let idle_timeout = watermark.as_ref().and(engine.settings.idle_timeout);
    let spec = SourceSpec { watermark, idle_timeout };
    let changes = if create.changelog { ChangeKind::Retract } else { ChangeKind::Append };
    let properties = EdgeProperties { time_columns, ..EdgeProperties::new(schema.clone(), changes) };
    engine.files.add_read(&name, files);
    engine.note(Done::Files(name.clone()))?;
    engine.declare_sides(&name, Some(LateColumns::new(&schema)))?;
    let lengths = TextLengths::of(&create.columns);
    let body =
        SourceBody { schema, spec, properties, lengths, connector: create.connector.clone(), replayable, once, reader: None };
    engine.enter(Object {
        name,
        sql: text.to_owned(),
        depends_on: Vec::new(),
        late_to: None,
        nodes: Vec::new(),
        body: Body::Source(body),
    })?;
    Ok(StatementOutcome::done(format!("CREATE SOURCE {}", create.name.text)))
}

fn watermark_spec(watermark: &WatermarkDef, schema: &SchemaRef) -> Result<WatermarkSpec> {
    let name = watermark.column.text.as_str();
    let Ok(column) = schema.index_of(name) else {
        let error = Error::new(Code::UnknownColumn, format!("there is no column '{name}'")).at(watermark.column.span);
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        return Err(match nearest(name, names.iter().copied()) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None => error.with_hint(format!("the columns are: {}", names.join(", "))),
        });
    };
    let data_type = schema.field(column).data_type();
    if nanos_per_unit(data_type).is_none() {
        return Err(Error::new(
            Code::TypeMismatch,
            format!("a watermark needs a TIMESTAMP or DATE column, '{name}' is {data_type}"),
        )
        .with_hint(format!("declare it as {name} TIMESTAMP"))
        .at(watermark.column.span));
    }
    Ok(WatermarkSpec { column, rule: watermark_rule(watermark, schema)? })
}

/// How the watermark follows from rows: `WITH (strategy = …)`.
fn watermark_rule(watermark: &WatermarkDef, schema: &SchemaRef) -> Result<WatermarkRule> {
    let option = |key: &str| watermark.options.iter().find(|option| option.key == key);
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
    if let Some(other) = watermark.options.iter().find(|option| option.key != "strategy" && Some(option.key.as_str()) != own) {
        let text = format!("a watermark with the strategy {strategy} has no option '{}'", other.key);
        return Err(Error::new(Code::UnknownOption, text)
            .with_hint("periodic takes every, punctuated takes marker")
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
