//! `CREATE SOURCE`.

use arrow_schema::SchemaRef;
use laminar_core::dag::{ChangeKind, EdgeProperties, Partitioning, SourceSpec, TimeColumn};
use laminar_core::time::event_time::nanos_per_unit;
use laminar_core::time::watermark::{WatermarkRule, WatermarkSpec};
use laminar_core::{Code, Error, Result};
use laminar_sql::diagnostic::nearest;
use laminar_sql::parse::{CreateSource, WatermarkDef};
use laminar_sql::plan::columns_to_schema;

use super::{StatementOutcome, name_is_free};
use crate::catalog::{Body, Object, Once, SourceBody};
use crate::engine::{Engine, LateColumns, TextLengths};

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
    let properties = EdgeProperties { schema: schema.clone(), changes, partitioning: Partitioning::Any, time_columns };
    engine.files.add_read(&name, files);
    engine.side_outputs.declare_errors(&name);
    engine.side_outputs.declare_late(&name, LateColumns::new(&schema));
    let lengths = TextLengths::of(&create.columns);
    let body =
        SourceBody { schema, spec, properties, lengths, connector: create.connector.clone(), replayable, once, reader: None };
    engine.catalog.insert(Object {
        name,
        sql: text.to_owned(),
        depends_on: Vec::new(),
        late_to: None,
        nodes: Vec::new(),
        body: Body::Source(body),
    });
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
    Ok(WatermarkSpec { column, rule: WatermarkRule::BoundedOutOfOrderness { delay: watermark.lag } })
}
