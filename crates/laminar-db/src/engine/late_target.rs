//! `LATE DATA TO`: finds the table or sink, checks that late rows fit into it, and connects the two.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use laminar_connectors::{Sink, SinkRequest};
use laminar_core::dag::{ChangeKind, EdgeProperties, Node, NodeKind, NodeStatus, OutletId, SourceSpec};
use laminar_core::{Code, Error, NodeId, Result};
use laminar_sql::parse::{ConnectorDef, Name};

use super::side_outputs::{LateTarget, places_in_sink, places_in_table};
use super::{Done, Engine, SinkHandle, options_of};
use crate::catalog::{Body, Object, kind_name};

/// The node in front of a sink for late rows, once its columns are settled.
pub(crate) struct SinkIntake {
    pub(crate) node: NodeId,
    pub(crate) schema: SchemaRef,
    pub(crate) outlet: OutletId,
    pub(crate) handle: SinkHandle,
}

/// A target into which the late rows fit, not connected yet.
pub(super) enum Fitting {
    /// A table, or a sink that has its columns.
    Standing(LateTarget),
    /// A sink of which this is the first writer.
    New { object: String, schema: SchemaRef, sink: Box<dyn Sink> },
}

impl Engine {
    /// The target called `name` for late rows with the columns of `late`, of a query that reads from `inputs`.
    pub(super) fn fit_target(&self, name: &Name, late: &SchemaRef, inputs: &[String]) -> Result<Fitting> {
        let object = self.catalog.require(name)?;
        if self.catalog.with_feeders(inputs).contains(&object.name) {
            let text = format!("the query reads from '{}', so its late rows would come back to it", object.name);
            return Err(Error::new(Code::InvalidQuery, text).with_hint("name a table or sink of its own").at(name.span));
        }
        match &object.body {
            Body::Table { source, properties, .. } => {
                let schema = properties.schema.clone();
                let key: &[usize] = if let ChangeKind::Upsert(key) = &properties.changes { key } else { &[] };
                let places = places_in_table(&object.name, &schema, key, late, name.span)?;
                Ok(Fitting::Standing(target(object, *source, schema, places)))
            }
            Body::LateSink { intake: Some(intake), .. } => {
                if self.reactor.graph().status(intake.node)? == NodeStatus::Ended {
                    let text = format!("sink '{}' has completed its output", object.name);
                    return Err(Error::new(Code::Closed, text).with_hint("create another sink").at(name.span));
                }
                let places = places_in_sink(&object.name, &intake.schema, late, name.span)?;
                Ok(Fitting::Standing(target(object, intake.node, intake.schema.clone(), places)))
            }
            Body::LateSink { connector, intake: None } => {
                let request = late_sink_request(&object.name, connector, late.clone());
                let sink = self.open_sink(connector, request).map_err(|error| error.within(format!("sink '{}'", object.name)));
                Ok(Fitting::New { object: object.name.clone(), schema: late.clone(), sink: sink.map_err(|e| e.at(name.span))? })
            }
            _ => Err(takes_no_late_rows(object, name)),
        }
    }

    /// Lets the late rows of `object` flow into `target` from now on.
    pub(super) fn connect_target(&mut self, object: &str, target: Fitting) -> Result<()> {
        let target = match target {
            Fitting::Standing(target) => target,
            Fitting::New { object, schema, sink } => self.settle_sink(object, schema, sink)?,
        };
        self.side_outputs.set_target(object, target);
        self.note(Done::Target(object.to_owned()))
    }

    /// Puts a node in front of a sink for late rows, which now has its columns.
    fn settle_sink(&mut self, name: String, schema: SchemaRef, sink: Box<dyn Sink>) -> Result<LateTarget> {
        let node = self.next_node();
        let output = EdgeProperties::new(schema.clone(), ChangeKind::Append);
        let kind = NodeKind::Source(SourceSpec::TIMELESS);
        self.attach_nodes(vec![Node { id: node, name: name.clone(), kind, inputs: Vec::new(), output }])?;
        let handle = SinkHandle::new(sink);
        let outlet = self.reactor.subscribe(node, handle.outlet(), false)?;
        self.note(Done::Listens(outlet))?;
        let object = self.catalog.get_mut(&name).ok_or_else(|| Error::internal("the sink is gone"))?;
        object.nodes.push(node);
        let places = (0..schema.fields().len()).map(Some).collect();
        let target = target(object, node, schema.clone(), places);
        if let Body::LateSink { intake, .. } = &mut object.body {
            *intake = Some(SinkIntake { node, schema, outlet, handle });
            self.note(Done::Intake(name))?;
        }
        Ok(target)
    }
}

/// What a sink for late rows is asked to open: rows only come.
pub(crate) fn late_sink_request(name: &str, connector: &ConnectorDef, schema: SchemaRef) -> SinkRequest {
    SinkRequest { name: name.to_owned(), schema, changes: ChangeKind::Append, options: options_of(connector) }
}

fn target(object: &Object, node: NodeId, schema: SchemaRef, places: Vec<Option<usize>>) -> LateTarget {
    let rules = object.rules().map(Arc::clone);
    LateTarget { object: object.name.clone(), node, schema, places, rules, rows: 0, ended: false }
}

fn takes_no_late_rows(object: &Object, name: &Name) -> Error {
    let kind = kind_name(object.kind()).to_lowercase();
    let (text, hint) = match &object.body {
        Body::Sink { .. } => (
            format!("sink '{}' writes what it was created for, so it takes no late rows", object.name),
            "a sink for late rows is created without FROM and AS: CREATE SINK name INTO FILE (path = '…')",
        ),
        _ => (
            format!("'{}' is a {kind}: late rows go into a table or a sink", object.name),
            "CREATE TABLE name (column TYPE, …, reason VARCHAR), or CREATE SINK name INTO FILE (path = '…')",
        ),
    };
    Error::new(Code::InvalidQuery, text).with_hint(hint).at(name.span)
}
