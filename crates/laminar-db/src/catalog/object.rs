//! A named object.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_connectors::Source;
use laminar_core::dag::{ChangeKind, EdgeProperties, OutletId, SourceSpec};
use laminar_core::{NodeId, Result};
use laminar_sql::parse::{ConnectorDef, StreamQuery};

use super::table_rules::TableRules;
use crate::engine::{Alignment, SinkHandle, SinkIntake, TextLengths};

pub(crate) use laminar_sql::parse::ObjectKind;

/// A named object: what was said, what it reads from, and what became of it.
pub(crate) struct Object {
    pub(crate) name: String,
    /// The statement that made it.
    pub(crate) sql: String,
    /// The objects that it reads from, by name.
    pub(crate) depends_on: Vec<String>,
    /// The table or sink into which its late rows go.
    pub(crate) late_to: Option<String>,
    /// Its nodes, in ascending order.
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) body: Body,
}

/// What an object is.
pub(crate) enum Body {
    /// Rows from outside.
    Source(SourceBody),
    /// Rows that are inserted and kept: pushed in at `source`, seen at `output`.
    Table { source: NodeId, output: NodeId, properties: EdgeProperties, rules: Arc<TableRules> },
    /// A continuous query; `stored` for materialized views.
    Query { root: NodeId, properties: EdgeProperties, stored: bool, latest_only: bool },
    /// A query that is put in wherever it is named.
    View {
        query: StreamQuery,
        /// Names and types of its rows.
        schema: SchemaRef,
        /// How many views are put in where it is named: itself and those that it names.
        inlined: usize,
    },
    /// A way out.
    Sink { outlet: OutletId, handle: SinkHandle },
    /// A way out for the late rows of others; the first that writes into it settles its columns.
    LateSink { connector: ConnectorDef, intake: Option<SinkIntake> },
}

/// A source: a definition, and the readers that work by it.
pub(crate) struct SourceBody {
    pub(crate) schema: SchemaRef,
    pub(crate) spec: SourceSpec,
    pub(crate) properties: EdgeProperties,
    /// How long its texts may be.
    pub(crate) lengths: TextLengths,
    /// Where rows come from; `None`: the program pushes them.
    pub(crate) connector: Option<ConnectorDef>,
    /// The sources for which it waits.
    pub(crate) alignment: Option<Alignment>,
    /// Whether a reader opened anew sees the same rows from the start.
    pub(crate) replayable: bool,
    /// Whether there is only one reader ever, as of a pipe.
    pub(crate) once: Once,
    /// The node that views created now attach to; it exists once somebody reads.
    pub(crate) reader: Option<NodeId>,
}

/// Whether there is only one reader of a source ever, as of a pipe.
pub(crate) enum Once {
    /// Any number of them.
    No,
    /// The one that CREATE SOURCE opened; no query reads from it yet.
    Opened(Box<dyn Source>),
    /// It has been given to those who read.
    Given,
}

impl Object {
    pub(crate) fn kind(&self) -> ObjectKind {
        match &self.body {
            Body::Source(_) => ObjectKind::Source,
            Body::Table { .. } => ObjectKind::Table,
            Body::Query { stored: true, .. } => ObjectKind::MaterializedView,
            Body::Query { stored: false, .. } => ObjectKind::Stream,
            Body::View { .. } => ObjectKind::View,
            Body::Sink { .. } | Body::LateSink { .. } => ObjectKind::Sink,
        }
    }

    /// What must hold for its rows, if it is a table.
    pub(crate) fn rules(&self) -> Option<&Arc<TableRules>> {
        if let Body::Table { rules, .. } = &self.body { Some(rules) } else { None }
    }

    /// Fails if a text of `rows`, which have its columns, is longer than its definition allows.
    pub(crate) fn check_lengths(&self, rows: &RecordBatch) -> Result<()> {
        match &self.body {
            Body::Table { rules, .. } => rules.lengths.check(rows),
            Body::Source(SourceBody { lengths, .. }) => lengths.check(rows),
            _ => Ok(()),
        }
    }

    /// The node at which its changes come out.
    pub(crate) fn output(&self) -> Option<NodeId> {
        match &self.body {
            Body::Source(source) => source.reader,
            Body::Table { output, .. } => Some(*output),
            Body::Query { root, .. } => Some(*root),
            Body::View { .. } | Body::Sink { .. } | Body::LateSink { .. } => None,
        }
    }

    /// The way out that it is, if it has been opened.
    pub(crate) fn sink(&self) -> Option<&SinkHandle> {
        match &self.body {
            Body::Sink { handle, .. } => Some(handle),
            Body::LateSink { intake, .. } => intake.as_ref().map(|intake| &intake.handle),
            _ => None,
        }
    }

    /// What holds for its rows.
    pub(crate) fn properties(&self) -> Option<&EdgeProperties> {
        match &self.body {
            Body::Source(source) => Some(&source.properties),
            Body::Table { properties, .. } | Body::Query { properties, .. } => Some(properties),
            Body::View { .. } | Body::Sink { .. } | Body::LateSink { .. } => None,
        }
    }

    /// Whether its current rows can be read.
    pub(crate) fn is_stored(&self) -> bool {
        matches!(self.body, Body::Table { .. } | Body::Query { stored: true, .. })
    }

    /// Which changes it shows, in words.
    pub(crate) fn changes_text(&self) -> &'static str {
        match self.properties().map(|properties| &properties.changes) {
            Some(ChangeKind::Append) => "append",
            Some(ChangeKind::Upsert(_)) => "upsert",
            Some(ChangeKind::Retract) => "retract",
            None => "",
        }
    }
}

/// A kind as SQL calls it, in capitals.
pub(crate) fn kind_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Source => "SOURCE",
        ObjectKind::Table => "TABLE",
        ObjectKind::Stream => "STREAM",
        ObjectKind::View => "VIEW",
        ObjectKind::MaterializedView => "MATERIALIZED VIEW",
        ObjectKind::Sink => "SINK",
    }
}
