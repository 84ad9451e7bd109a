//! `CREATE TABLE`.

use std::sync::Arc;

use laminar_core::dag::{ChangeKind, EdgeProperties, Node, NodeKind, OutputSpec, SourceSpec, derive};
use laminar_core::{Code, Error, NodeId, Result};
use laminar_sql::parse::CreateTable;
use laminar_sql::plan::columns_to_schema;

use super::{StatementOutcome, name_is_free};
use crate::catalog::{Body, Object, TableRules};
use crate::engine::{Done, Engine, TextLengths};

pub(super) fn run(engine: &mut Engine, create: &CreateTable, text: &str) -> Result<StatementOutcome> {
    if let Some(skipped) = name_is_free(engine, &create.name, create.if_not_exists, create.or_replace)? {
        return Ok(skipped);
    }
    let name = create.name.text.clone();
    let declared = if create.columns.is_empty() { None } else { Some(columns_to_schema(&create.columns)?) };
    let files = create.connector.as_ref().map(|connector| engine.files_to_read(connector)).transpose()?.unwrap_or_default();
    let opened = match &create.connector {
        Some(connector) => Some(engine.open_source(&name, connector, declared.clone())?),
        None => None,
    };
    let schema = declared.or_else(|| opened.as_ref().map(|source| source.schema())).ok_or_else(|| {
        Error::new(Code::InvalidQuery, "a table needs columns")
            .with_hint("write CREATE TABLE name (column TYPE, …, PRIMARY KEY (column))")
            .at(create.name.span)
    })?;
    let mut key = Vec::with_capacity(create.primary_key.len());
    for column in &create.primary_key {
        key.push(
            schema
                .index_of(&column.text)
                .map_err(|_| Error::new(Code::UnknownColumn, format!("there is no column '{}'", column.text)).at(column.span))?,
        );
    }
    let lengths = TextLengths::of(&create.columns);
    let rules = TableRules { table: name.clone(), schema: schema.clone(), key: key.clone(), lengths };
    let primary_key = (!key.is_empty()).then_some(key.clone());
    let (source, output) = (engine.next_node(), NodeId(engine.next_node().0 + 1));
    let rows = NodeKind::Source(SourceSpec::TABLE);
    let pushed = EdgeProperties { changes: ChangeKind::Retract, ..derive(&rows, &[], schema.clone()) };
    let table = NodeKind::Output(OutputSpec { stored: true, pushed: true, primary_key, schema: schema.clone() });
    let properties = derive(&table, &[&pushed], schema.clone());
    engine.attach_nodes(vec![
        Node { id: source, name: name.clone(), kind: rows, inputs: Vec::new(), output: pushed },
        Node { id: output, name: name.clone(), kind: table, inputs: vec![source], output: properties.clone() },
    ])?;
    engine.files.add_read(&name, files);
    engine.note(Done::Files(name.clone()))?;
    engine.declare_sides(&name, None)?;
    if let Some(opened) = opened {
        engine.reactor.defer(source)?;
        engine.readers.add(&name, source, rules.lengths.hold(opened), false);
        engine.note(Done::Loads(source))?;
    }
    engine.enter(Object {
        name,
        sql: text.to_owned(),
        depends_on: Vec::new(),
        late_to: None,
        nodes: vec![source, output],
        body: Body::Table { source, output, properties, rules: Arc::new(rules) },
    })?;
    Ok(StatementOutcome::done(format!("CREATE TABLE {}", create.name.text)))
}
