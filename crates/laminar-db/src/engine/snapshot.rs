//! What one ad-hoc query reads, as of one step: taken while the engine is locked, read when it is not.

use std::collections::{BTreeMap, HashMap};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::dag::NodeStatus;
use laminar_core::{ChangeBatch, Code, Error, Result};
use laminar_sql::batch::{Equality, Readings, SnapshotRelation, SnapshotTables, relations_in};
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
        let readings = Readings::of(queries.iter().copied().chain(views_in(engine, queries)));
        let mut relations = HashMap::new();
        for name in readings.times.keys() {
            if let Some(captured) = captured(engine, name, readings.equalities_of(name)) {
                relations.insert(name.clone(), captured);
            }
        }
        Self { relations, catalog: engine.catalog.clone() }
    }
}

/// The queries of the views that `queries` read, themselves or in views, each once: what one says of its rows it says wherever it is named.
fn views_in<'a>(engine: &'a Engine, queries: &[&StreamQuery]) -> Vec<&'a StreamQuery> {
    let mut open: Vec<String> = queries.iter().flat_map(|query| relations_in(query)).collect();
    let mut views: BTreeMap<String, &StreamQuery> = BTreeMap::new();
    while let Some(name) = open.pop() {
        let object = engine.catalog.get(&name).filter(|_| !views.contains_key(&name));
        if let Some(Definition::View(view)) = object.map(|object| &object.definition) {
            open.extend(relations_in(&view.query));
            views.insert(name, &view.query);
        }
    }
    views.into_values().collect()
}

/// The relation called `name`; of what is stored perhaps only the rows that `equalities` leave over.
fn captured(engine: &Engine, name: &str, equalities: &[Equality]) -> Option<Captured> {
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
        Ok(_) => Some(match engine.found_rows(object, equalities) {
            Ok(found) => {
                let rows = found.unwrap_or_else(|| graph.contents(node).unwrap_or_default());
                Captured::Stored(properties.schema.clone(), rows)
            }
            Err(error) => Captured::Failed(error),
        }),
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
