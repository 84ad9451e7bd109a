//! `CREATE LOOKUP TABLE`.

use std::sync::Arc;

use laminar_connectors::Source;
use laminar_core::dag::{ChangeKind, EdgeProperties, Node, NodeKind, OutputSpec, SourceSpec, derive};
use laminar_core::{Code, Error, NodeId, Result};
use laminar_sql::parse::CreateLookup;
use laminar_sql::plan::{LOOKUP_COLUMNS, columns_to_schema};

use super::target_table::places_of;
use super::{StatementOutcome, name_is_free};
use crate::catalog::{CatalogChange, Definition, LookupDefinition, Object, ObjectId, TextLengths};
use crate::engine::{
    CacheBounds, Declared, Desk, Done, Engine, Files, Instance, LookupInstance, LookupSource, Parts, answer_schema,
};

pub(super) fn run(engine: &mut Engine, create: &CreateLookup, text: &str) -> Result<StatementOutcome> {
    if let Some(skipped) = name_is_free(engine, &create.name, create.if_not_exists, create.or_replace)? {
        return Ok(skipped);
    }
    refuse_lengths(create)?;
    let name = &create.name.text;
    let bounds = CacheBounds::parse(&create.cache)?;
    let declared = if create.columns.is_empty() { None } else { Some(columns_to_schema(&create.columns)?) };
    let files = engine.files_to_read(&create.connector)?;
    let key = create.primary_key.iter().map(|column| column.text.clone()).collect();
    let (columns, lookup) = engine.open_lookup(name, key, &create.connector, Declared::new(declared, &[]))?;
    let key = places_of(&create.primary_key, &columns, name)?;
    let answers = answer_schema(&columns, &key);
    refuse_own_names(create, &columns)?;
    let (id, desk) = (engine.catalog.next_id(), Desk::default());
    let source = LookupSource::new(desk.clone(), lookup, answers.clone(), key.clone(), Arc::clone(&engine.clock))?;
    let (nodes, properties) = attach(engine, id, name, &source, &key)?;
    let instance = LookupInstance::new(nodes, key, desk, bounds);
    engine.run_instance(id, Instance::new(nodes.to_vec(), Parts::Lookup(instance)).with_files(Files::Read(files)))?;
    engine.declare_sides(id, None)?;
    engine.readers.add_lookup(id, nodes[0], Box::new(source));
    engine.note(Done::Loads(nodes[0]))?;
    engine.stage(CatalogChange::Create(Object {
        id,
        name: name.clone(),
        sql: text.to_owned(),
        depends_on: Vec::new(),
        late_to: None,
        definition: Definition::Lookup(LookupDefinition { columns, properties }),
    }));
    Ok(StatementOutcome::done(format!("CREATE LOOKUP TABLE {name}")))
}

/// The nodes of a table of answers: where they come in, and where each replaces the last one of its key.
fn attach(
    engine: &mut Engine,
    id: ObjectId,
    name: &str,
    source: &LookupSource,
    key: &[usize],
) -> Result<([NodeId; 2], EdgeProperties)> {
    let (first, schema) = (engine.next_node(), source.schema());
    let nodes = [first, NodeId(first.0 + 1)];
    let answers = NodeKind::Source(SourceSpec::TABLE);
    let delivered = EdgeProperties { changes: ChangeKind::Retract, ..derive(&answers, &[], schema.clone()) };
    let primary_key = Some(key.to_vec());
    let table = NodeKind::Output(OutputSpec { stored: true, pushed: true, primary_key, schema: schema.clone() });
    let properties = derive(&table, &[&delivered], schema);
    let node = |id: NodeId, kind: NodeKind, inputs: Vec<NodeId>, output: EdgeProperties| Node {
        id,
        name: name.to_owned(),
        kind,
        inputs,
        output,
    };
    let both = vec![node(nodes[0], answers, Vec::new(), delivered), node(nodes[1], table, vec![nodes[0]], properties.clone())];
    engine.attach_nodes(id, both)?;
    Ok((nodes, properties))
}

/// A text that is too long would leave rows waiting for an answer that cannot be taken in.
fn refuse_lengths(create: &CreateLookup) -> Result<()> {
    if TextLengths::of(&create.columns).is_empty() {
        return Ok(());
    }
    let bounded = create.columns.iter().find(|column| !TextLengths::of(std::slice::from_ref(*column)).is_empty());
    let error = Error::new(Code::NotSupported, "a length of texts in a lookup table is not built yet").with_hint("write VARCHAR");
    Err(bounded.into_iter().fold(error, |error, column| error.at(column.type_span)))
}

/// Columns of the answers have these names.
fn refuse_own_names(create: &CreateLookup, columns: &arrow_schema::Schema) -> Result<()> {
    match LOOKUP_COLUMNS.iter().find(|name| columns.index_of(name).is_ok()) {
        None => Ok(()),
        Some(name) => Err(Error::new(Code::InvalidQuery, format!("no column of a lookup table is called '{name}'"))
            .with_hint("give the column another name where its rows stand")
            .at(create.name.span)),
    }
}
