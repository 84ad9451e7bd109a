//! `LATE DATA TO`: finds the table or sink, checks that late rows fit into it, and connects the two.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use laminar_connectors::SinkRequest;
use laminar_core::dag::{ChangeKind, EdgeProperties, Node, NodeKind, NodeStatus, OutletId, SourceSpec};
use laminar_core::{Code, Error, NodeId, Result};
use laminar_sql::parse::{ConnectorDef, Name};

use super::instances::{Instance, Parts, required};
use super::side_outputs::{LateTarget, places_in_sink, places_in_table};
use super::{Done, Engine, SinkHandle, options_of};
use crate::catalog::{CatalogChange, Definition, Object, ObjectId, kind_in_words};

/// The node in front of a sink for late rows, once its columns are settled.
pub(crate) struct SinkIntake {
    pub(crate) node: NodeId,
    pub(crate) outlet: OutletId,
    pub(crate) handle: SinkHandle,
}

/// A target into which the late rows fit, not connected yet.
pub(super) enum Fitting {
    /// A table, or a sink that has its columns.
    Standing(LateTarget),
    /// A sink of which this is the first writer.
    New { sink: ObjectId, schema: SchemaRef, handle: SinkHandle },
}

impl Engine {
    /// The target called `name` for late rows with the columns of `late`, of a query that reads from `inputs`.
    pub(super) fn fit_target(&self, name: &Name, late: &SchemaRef, inputs: &[ObjectId]) -> Result<Fitting> {
        let object = self.catalog.require(name)?;
        if self.catalog.with_feeders(inputs).contains(&object.id) {
            let text = format!("the query reads from '{}', so its late rows would come back to it", object.name);
            return Err(Error::new(Code::InvalidQuery, text).with_hint("name a table or sink of its own").at(name.span));
        }
        let parts = &required(self.instances.get(object.id), object.id)?.parts;
        match (&object.definition, parts) {
            (Definition::Table(definition), Parts::Table(table)) => {
                let schema = definition.properties.schema.clone();
                let key: &[usize] = if let ChangeKind::Upsert(key) = &definition.properties.changes { key } else { &[] };
                let places = places_in_table(&object.name, &schema, key, late, name.span)?;
                let rules = Some(Arc::clone(&table.rules));
                Ok(Fitting::Standing(LateTarget { rules, ..target(object.id, table.source, schema, places) }))
            }
            (Definition::LateSink { columns: Some(columns), .. }, Parts::LateSink(Some(intake))) => {
                if self.reactor.graph().status(intake.node)? == NodeStatus::Ended {
                    let text = format!("sink '{}' has completed its output", object.name);
                    return Err(Error::new(Code::Closed, text).with_hint("create another sink").at(name.span));
                }
                let places = places_in_sink(&object.name, columns, late, name.span)?;
                Ok(Fitting::Standing(target(object.id, intake.node, columns.clone(), places)))
            }
            (Definition::LateSink { connector, .. }, _) => {
                let request = append_sink_request(&object.name, connector, late.clone());
                let opened = self.open_sink_as_recorded(object.id, connector, request);
                let handle = opened.map_err(|error| error.within(format!("sink '{}'", object.name)).at(name.span))?;
                Ok(Fitting::New { sink: object.id, schema: late.clone(), handle })
            }
            _ => Err(takes_no_late_rows(object, name)),
        }
    }

    /// Lets the late rows of `object` flow into `target` from now on.
    pub(super) fn connect_target(&mut self, object: ObjectId, target: Fitting) -> Result<()> {
        let target = match target {
            Fitting::Standing(target) => target,
            Fitting::New { sink, schema, handle } => self.settle_sink(sink, schema, handle)?,
        };
        self.side_outputs.set_target(object, target);
        Ok(())
    }

    /// Gives a sink for late rows that comes back the columns that it had, if the object is one: its writer may be gone.
    pub(crate) fn settle_late_sink(&mut self, id: ObjectId, columns: SchemaRef) -> Result<()> {
        let object = required(self.catalog.object(id), id)?;
        let Definition::LateSink { connector, columns: None } = &object.definition else { return Ok(()) };
        let request = append_sink_request(&object.name, connector, columns.clone());
        let handle = self.open_sink_as_recorded(id, connector, request)?;
        self.settle_sink(id, columns, handle).map(|_| ())
    }

    /// Puts a node in front of a sink for late rows, which now has its columns.
    fn settle_sink(&mut self, id: ObjectId, schema: SchemaRef, handle: SinkHandle) -> Result<LateTarget> {
        let object = required(self.catalog.object(id), id)?.clone();
        let node = self.next_node();
        let output = EdgeProperties::new(schema.clone(), ChangeKind::Append);
        let kind = NodeKind::Source(SourceSpec::TIMELESS);
        self.attach_nodes(id, vec![Node { id: node, name: object.name.clone(), kind, inputs: Vec::new(), output }])?;
        let outlet = self.reactor.subscribe(node, handle.outlet(), false)?;
        self.note(Done::Listens(outlet))?;
        if let Some(Instance { parts: Parts::LateSink(intake), nodes, .. }) = self.instances.get_mut(id) {
            nodes.push(node);
            *intake = Some(SinkIntake { node, outlet, handle });
            self.note(Done::Intake(id))?;
        }
        if let Definition::LateSink { connector, .. } = object.definition {
            let definition = Definition::LateSink { connector, columns: Some(schema.clone()) };
            self.stage(CatalogChange::Alter(Object { definition, ..object }));
        }
        let places = (0..schema.fields().len()).map(Some).collect();
        Ok(target(id, node, schema, places))
    }
}

/// What a sink is asked to open to which rows only come, for a database in memory.
pub(crate) fn append_sink_request(name: &str, connector: &ConnectorDef, schema: SchemaRef) -> SinkRequest {
    let (options, changes) = (options_of(connector), ChangeKind::Append);
    SinkRequest { name: name.to_owned(), schema, changes, options, resume: None, transactional: false, io_uring: false }
}

fn target(object: ObjectId, node: NodeId, schema: SchemaRef, places: Vec<Option<usize>>) -> LateTarget {
    LateTarget { object, node, schema, places, rules: None, rows: 0, ended: false }
}

fn takes_no_late_rows(object: &Object, name: &Name) -> Error {
    let kind = kind_in_words(object.kind());
    let (text, hint) = match &object.definition {
        Definition::Sink { .. } => (
            format!("sink '{}' writes what it was created for, so it takes no late rows", object.name),
            "a sink for late rows is created without FROM and AS: CREATE SINK name INTO FILE (path = '…')",
        ),
        _ => (
            format!("'{}' is {kind}: late rows go into a table or a sink", object.name),
            "CREATE TABLE name (column TYPE, …, reason VARCHAR), or CREATE SINK name INTO FILE (path = '…')",
        ),
    };
    Error::new(Code::InvalidQuery, text).with_hint(hint).at(name.span)
}
