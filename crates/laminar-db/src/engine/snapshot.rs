//! What one ad-hoc query reads, as of one step: taken while the engine is locked, read when it is not.

use std::collections::HashMap;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::dag::NodeStatus;
use laminar_core::{ChangeBatch, Code, Error, Result};
use laminar_sql::batch::{SnapshotRelation, SnapshotTables, relations_in};
use laminar_sql::parse::{StreamQuery, changes_of_name};

use super::Engine;
use crate::catalog::{Catalog, Definition};

/// The relations that the queries of a statement name, itself or in views. Rows are shared with the engine, not copied.
pub(crate) struct Snapshot {
    relations: HashMap<String, Captured>,
    catalog: Catalog,
}

/// One relation.
enum Captured {
    Rows(SchemaRef, Vec<RecordBatch>),
    Stored(SchemaRef, Vec<ChangeBatch>),
    View(StreamQuery, String),
    Failed(Error),
}

impl Snapshot {
    /// What `queries` read, as of the last step.
    pub(crate) fn take(engine: &Engine, queries: &[&StreamQuery]) -> Self {
        let mut relations = HashMap::new();
        let mut open: Vec<String> = queries.iter().flat_map(|query| relations_in(query)).collect();
        while let Some(name) = open.pop() {
            if relations.contains_key(&name) {
                continue;
            }
            if let Some(captured) = captured(engine, &name) {
                if let Captured::View(query, _) = &captured {
                    open.extend(relations_in(query));
                }
                relations.insert(name, captured);
            }
        }
        Self { relations, catalog: engine.catalog.clone() }
    }
}

fn captured(engine: &Engine, name: &str) -> Option<Captured> {
    if let Some((schema, batches)) = engine.catalog.side(name).and_then(|side| engine.side_outputs.table(side)) {
        return Some(Captured::Rows(schema, batches));
    }
    let object = engine.catalog.get(name)?;
    if let Definition::View(view) = &object.definition {
        return Some(Captured::View(view.query.clone(), object.sql.clone()));
    }
    if let Definition::Lookup(_) = &object.definition {
        return Some(Captured::Failed(stands_elsewhere(name)));
    }
    let (node, properties) = object.is_stored().then_some(()).and(engine.instances.output(object.id).zip(object.properties()))?;
    let graph = engine.reactor.graph();
    match graph.status(node) {
        Ok(NodeStatus::Failed(error)) => Some(Captured::Failed(error.within(format!("'{name}' has failed")))),
        Err(error) => Some(Captured::Failed(error)),
        Ok(_) => Some(Captured::Stored(properties.schema.clone(), graph.contents(node).unwrap_or_default())),
    }
}

impl SnapshotTables for Snapshot {
    fn relation(&self, name: &str) -> Result<Option<SnapshotRelation>> {
        Ok(match self.relations.get(name) {
            None => match changes_of_name(name).filter(|of| self.catalog.get(of).is_some()) {
                Some(of) => return Err(changes_have_no_end(of)),
                None => None,
            },
            Some(Captured::Rows(schema, batches)) => Some(SnapshotRelation::Rows(schema.clone(), batches.clone())),
            Some(Captured::View(query, text)) => Some(SnapshotRelation::View(query.clone(), text.clone())),
            Some(Captured::Failed(error)) => return Err(error.clone()),
            Some(Captured::Stored(schema, contents)) => {
                let batches = contents.iter().map(expanded).collect::<Result<Vec<_>>>()?;
                Some(SnapshotRelation::Rows(schema.clone(), batches))
            }
        })
    }

    fn names(&self) -> Vec<String> {
        self.catalog.readable_names()
    }
}

fn changes_have_no_end(of: &str) -> Error {
    Error::new(Code::InvalidQuery, format!("CHANGES({of}) goes on for ever: it never has all its rows")).with_hint(format!(
        "CREATE MATERIALIZED VIEW … AS SELECT … FROM CHANGES({of}) keeps them, and SUBSCRIBE {of} or a SELECT alone follows them"
    ))
}

fn stands_elsewhere(table: &str) -> Error {
    let text = format!("'{table}' is a lookup table: its rows stand elsewhere, and are asked for by key when a row comes");
    Error::new(Code::InvalidQuery, text).with_hint(format!(
        "query a MATERIALIZED VIEW with … JOIN {table} FOR SYSTEM_TIME AS OF PROCTIME() ON …, or read all of its rows into a TABLE"
    ))
}

/// The rows, each as often as its weight says.
pub(crate) fn expanded(changes: &ChangeBatch) -> Result<RecordBatch> {
    if changes.is_append() {
        return Ok(changes.rows().clone());
    }
    let mut rows: Vec<u32> = Vec::with_capacity(changes.len());
    for row in 0..changes.len() {
        let times = usize::try_from(changes.weight(row)).unwrap_or(0);
        rows.extend(std::iter::repeat_n(row as u32, times));
    }
    Ok(changes.take(&rows.into())?.rows().clone())
}
