//! `CREATE TABLE`, empty, filled by a connector, or `AS` what a query answers.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_connectors::Source;
use laminar_connectors::files::FileSet;
use laminar_core::dag::{ChangeKind, EdgeProperties, Node, NodeKind, OutputSpec, SourceSpec, derive};
use laminar_core::{ChangeBatch, Code, Error, NodeId, Result};
use laminar_sql::parse::{ConnectorDef, CreateTable, StreamQuery};
use laminar_sql::plan::{columns_to_schema, create_table_text};

use super::create_query::refuse_late_to;
use super::define_rules::{definition_of, rules_of};
use super::select::{SnapshotReading, reads_stream};
use super::target_table::places_of;
use super::watermark::{Watermarked, watermark_spec};
use super::{StatementOutcome, name_is_free};
use crate::Database;
use crate::block_on::{block_on, unless_interrupted};
use crate::catalog::{CatalogChange, Definition, Object, ObjectId};
use crate::engine::{Declared, Done, Engine, Files, Instance, Parts, TableInstance, TableRules, refuse_repeated_names, sieved};

pub(super) fn run(engine: &mut Engine, create: &CreateTable, text: &str) -> Result<StatementOutcome> {
    if let Some(skipped) = name_is_free(engine, &create.name, create.if_not_exists, create.or_replace)? {
        return Ok(skipped);
    }
    let declared = match &create.connector {
        _ if !create.columns.is_empty() => Some(columns_to_schema(&create.columns)?),
        Some(_) => None,
        // What a query had answered that is not asked again.
        None => engine.recorded_columns()?,
    };
    let files = create.connector.as_ref().map(|connector| engine.files_to_read(connector)).transpose()?.unwrap_or_default();
    let opened = match &create.connector {
        Some(connector) => Some(open_rows(engine, create, connector, declared.clone())?),
        None => None,
    };
    let schema = declared.or_else(|| opened.as_ref().map(|source| source.schema())).ok_or_else(|| {
        Error::new(Code::InvalidQuery, "a table needs columns")
            .with_hint("write CREATE TABLE name (column TYPE, …, PRIMARY KEY (column))")
            .at(create.name.span)
    })?;
    let rules = Arc::new(rules_of(engine, create, &schema, text)?);
    let (id, source) = (engine.catalog.next_id(), make(engine, create, &rules, text, files)?);
    if let Some(opened) = opened {
        engine.reactor.defer(source)?;
        let held = Arc::clone(&rules);
        let opened = sieved(opened, rules.are_more_than_types(), move |rows| Ok(held.sorted_out(rows)?.1));
        engine.readers.add(id, source, opened, false);
        engine.readers.keep_unique(source, &rules);
        engine.note(Done::Loads(source))?;
    }
    Ok(StatementOutcome::done(format!("CREATE TABLE {}", create.name.text)))
}

/// Opens what fills a table with rows.
fn open_rows(
    engine: &Engine,
    create: &CreateTable,
    connector: &ConnectorDef,
    declared: Option<SchemaRef>,
) -> Result<Box<dyn Source>> {
    let key = declared.as_ref().map(|schema| places_of(&create.primary_key, schema, &create.name.text)).transpose()?;
    let columns = Declared::new(declared, key.as_deref().unwrap_or_default());
    let opened = engine.open_source_as_recorded(&create.name.text, connector, columns)?;
    if opened.is_append() {
        return Ok(opened);
    }
    let error = Error::new(Code::NotSupported, "a table is filled with rows: records that tell changes are not built yet for it");
    let hint = "CREATE SOURCE with the same columns and key, and a MATERIALIZED VIEW over it to query the rows";
    Err(error.with_hint(hint).at(connector.format.as_ref().map_or(connector.span, |format| format.span)))
}

/// `CREATE TABLE name AS query`: computes the rows while the engine goes on, and makes the table with them as one.
pub(super) fn run_as(database: &Database, create: &CreateTable, query: &StreamQuery, text: &str) -> Result<StatementOutcome> {
    let is_free = |engine: &Engine| name_is_free(engine, &create.name, create.if_not_exists, create.or_replace);
    refuse_late_to(query)?;
    let (reading, notices) = {
        let engine = &mut database.lock();
        if let Some(skipped) = is_free(engine)? {
            return Ok(skipped);
        }
        if reads_stream(engine, query) {
            let error =
                Error::new(Code::InvalidQuery, "a stream or source never has all its rows, so a table cannot be made of them");
            return Err(error.with_hint("CREATE MATERIALIZED VIEW keeps the answer, and keeps it current").at(query.span));
        }
        (SnapshotReading::begin(engine, &[query])?, engine.notices_of_query(query))
    };
    let SnapshotReading { planner, tables, now, memory, interrupt } = &reading;
    let answer = planner.select(query, text, tables, *now, *memory);
    let (schema, batches) = block_on(unless_interrupted(answer, interrupt))?;
    refuse_repeated_names(&schema, query)?;
    let schema = stored(&schema);
    let rows = batches.iter().map(|batch| with_schema(batch, &schema)).collect::<Result<Vec<_>>>()?;
    let engine = &mut *database.lock_for_rows(&[&create.name.text])?;
    engine.all_or_nothing(|engine| {
        if let Some(skipped) = is_free(engine)? {
            return Ok(skipped);
        }
        let rules = Arc::new(rules_of(engine, create, &schema, text)?);
        // What the query would answer when the statement is said again is not what the table holds.
        let text = create_table_text(&create.name.text, &schema).unwrap_or_else(|| text.to_owned());
        let source = make(engine, create, &rules, &text, FileSet::default())?;
        let id = engine.catalog.next_id();
        engine.take_in_all(rows.into_iter().map(|rows| (id, source, ChangeBatch::append(rows))).collect())?;
        engine.settle_for(source)?;
        Ok(StatementOutcome::Done { what: format!("CREATE TABLE {}", create.name.text), notices })
    })
}

/// Puts a table into the graph; gives the node into which its rows are pushed.
fn make(engine: &mut Engine, create: &CreateTable, rules: &Arc<TableRules>, text: &str, files: FileSet) -> Result<NodeId> {
    let id = engine.catalog.next_id();
    let idle_timeout = create.watermark.as_ref().and(engine.idle_timeout());
    let (source, output, properties) = attach(engine, id, create, rules)?;
    let is_append = properties.changes.is_append();
    let parts = Parts::Table(TableInstance { source, output, rules: Arc::clone(rules), is_append });
    engine.run_instance(id, Instance::new(vec![source, output], parts).with_files(Files::Read(files)))?;
    engine.declare_sides(id, None)?;
    engine.stage(CatalogChange::Create(Object {
        id,
        name: rules.table.clone(),
        sql: text.to_owned(),
        depends_on: Vec::new(),
        late_to: None,
        definition: Definition::Table(definition_of(create, rules, properties, idle_timeout)?),
    }));
    Ok(source)
}

/// The nodes of a table: where rows are pushed in, and where they are seen; and what holds for them there.
fn attach(
    engine: &mut Engine,
    id: ObjectId,
    create: &CreateTable,
    rules: &TableRules,
) -> Result<(NodeId, NodeId, EdgeProperties)> {
    let (name, schema) = (&rules.table, &rules.schema);
    let primary_key = (!rules.key.is_empty()).then(|| rules.key.clone());
    let (source, output) = (engine.next_node(), NodeId(engine.next_node().0 + 1));
    let of = Watermarked { is_pushed: true, is_append: true };
    let watermark = create.watermark.as_ref().map(|watermark| watermark_spec(of, watermark, schema)).transpose()?;
    let rows = NodeKind::Source(match watermark {
        Some(watermark) => SourceSpec { watermark: Some(watermark), idle_timeout: engine.idle_timeout() },
        None => SourceSpec::TABLE,
    });
    let changes = if create.append_only { ChangeKind::Append } else { ChangeKind::Retract };
    let pushed = EdgeProperties { changes, ..derive(&rows, &[], schema.clone()) };
    let table = NodeKind::Output(OutputSpec { stored: true, pushed: true, primary_key, schema: schema.clone() });
    let properties = derive(&table, &[&pushed], schema.clone());
    engine.attach_nodes(
        id,
        vec![
            Node { id: source, name: name.clone(), kind: rows, inputs: Vec::new(), output: pushed },
            Node { id: output, name: name.clone(), kind: table, inputs: vec![source], output: properties.clone() },
        ],
    )?;
    Ok((source, output, properties))
}

/// The columns of a query's answer as those of a table: each may be NULL, and one that is nothing but NULL is text.
fn stored(schema: &SchemaRef) -> SchemaRef {
    let field = |field: &Arc<Field>| {
        let data_type = if *field.data_type() == DataType::Null { DataType::Utf8 } else { field.data_type().clone() };
        Field::new(field.name(), data_type, true)
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

fn with_schema(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns =
        rows.columns().iter().zip(schema.fields()).map(|(column, field)| Ok(arrow_cast::cast(column, field.data_type())?));
    Ok(RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_>>()?)?)
}
