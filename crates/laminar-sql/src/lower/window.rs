//! Windows: with aggregates on panes, or alone as two more columns.

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, LogicalPlan};
use laminar_core::dag::{
    AssignSpec, ChangeKind, ComputeSpec, EdgeProperties, NodeKind, Partitioning, SessionSpec, TimeColumn, WindowEmission,
    WindowSpec,
};
use laminar_core::expr::Column;
use laminar_core::{Code, Error, Result};

use super::{Lowered, Lowering, edge_schema, repeated_column};
use crate::expr::{aggregate_call, scalar};
use crate::parse::WindowCall;
use crate::plan::nodes::{AssignWindow, GroupItem, WindowAggregate};

/// An event time that windows can be built on.
struct EventTimeColumn {
    column: usize,
    lag: i64,
}

impl Lowering {
    pub(super) fn window_aggregate(&mut self, window: &WindowAggregate) -> Result<Lowered> {
        let below = self.plan(&window.input)?;
        let schema = window.input.schema();
        let time = self.event_time(&below, &window.time, &window.input)?;
        let keys = window.keys.iter().map(|key| scalar(&key.clone().unalias(), schema)).collect::<Result<Vec<_>>>()?;
        let calls = window.aggregates.iter().map(|call| aggregate_call(call, schema, Some(time.column)));
        let aggregates = calls.collect::<Result<Vec<_>>>()?;
        let (emission, lateness) = (self.emission.window, self.emission.lateness);
        let call = WindowCall::from_spec(&window.spec)?;
        let edge = window_edge(window, &below, &time, &call, emission, lateness);
        let (column, time_lag) = (time.column, time.lag);
        let kind = match call {
            WindowCall::Panes(shape) => {
                NodeKind::Window(WindowSpec { shape, time: column, time_lag, keys, aggregates, emission, lateness })
            }
            WindowCall::Session { gap } => {
                let partition = window.partition;
                NodeKind::Session(SessionSpec { gap, time: column, time_lag, keys, partition, aggregates, emission, lateness })
            }
        };
        let node = self.add(kind, &[&below], edge);
        Ok(self.arranged(window, node))
    }

    /// Puts the columns in the order in which the query groups by them.
    fn arranged(&mut self, window: &WindowAggregate, node: Lowered) -> Lowered {
        let groups = window.layout.iter().map(|item| match item {
            GroupItem::Start => 0,
            GroupItem::End => 1,
            GroupItem::Key(key) => 2 + key,
        });
        let first_call = 2 + window.keys.len();
        let columns: Vec<usize> = groups.chain(first_call..first_call + window.aggregates.len()).collect();
        let projection = columns.iter().map(|column| Column::new(&node.edge.schema, *column)).collect();
        let sources: Vec<Option<usize>> = columns.iter().map(|column| Some(*column)).collect();
        let (changes, time_columns) = super::compute::keep_columns(&node.edge, &sources);
        // One bound tells the window, so the key stays a key when only one is asked for.
        let changes = match (&node.edge.changes, changes) {
            (ChangeKind::Upsert(_), ChangeKind::Retract) => ChangeKind::Upsert((0..window.layout.len()).collect()),
            (_, changes) => changes,
        };
        let edge = EdgeProperties { schema: edge_schema(&window.schema), changes, partitioning: Partitioning::Any, time_columns };
        self.add(NodeKind::Compute(ComputeSpec { filter: None, projection: Some(projection) }), &[&node], edge)
    }

    pub(super) fn assign_window(&mut self, assign: &AssignWindow) -> Result<Lowered> {
        let below = self.plan(&assign.input)?;
        let WindowCall::Panes(shape) = WindowCall::from_spec(&assign.spec)? else {
            return Err(Error::new(Code::NotSupported, "SESSION without GROUP BY in a continuous query is not built yet")
                .with_hint("group by window_start, window_end and the key"));
        };
        let time = self.event_time(&below, &assign.time, &assign.input)?;
        let longest = shape.max_length_nanos();
        let mut edge = below.edge.clone();
        let width = edge.schema.fields().len();
        edge.schema = edge_schema(datafusion::logical_expr::UserDefinedLogicalNodeCore::schema(assign));
        edge.changes = if edge.changes.is_append() { ChangeKind::Append } else { ChangeKind::Retract };
        let mixed = below.edge.time_column(time.column).is_some_and(|time| time.mixed);
        edge.time_columns.push(TimeColumn { column: width, lag: time.lag.saturating_add(longest), mixed });
        edge.time_columns.push(TimeColumn { column: width + 1, lag: time.lag, mixed });
        Ok(self.add(NodeKind::AssignWindow(AssignSpec { shape, time: time.column }), &[&below], edge))
    }

    /// The column over which a window is built; it must follow a watermark, unless the query only keeps a view of tables current.
    fn event_time(&self, below: &Lowered, time: &Expr, input: &LogicalPlan) -> Result<EventTimeColumn> {
        let column = repeated_column(time, input.schema());
        if let Some(column) = column
            && let Some(time) = below.edge.time_column(column)
        {
            return Ok(EventTimeColumn { column, lag: time.lag });
        }
        let needs_none = self.emission.window == WindowEmission::Changes && !below.streams;
        match column {
            Some(column) if needs_none => Ok(EventTimeColumn { column, lag: 0 }),
            _ => Err(no_watermark(time, below)),
        }
    }
}

fn no_watermark(time: &Expr, below: &Lowered) -> Error {
    let name = match time {
        Expr::Column(column) => column.name.clone(),
        other => other.to_string(),
    };
    let schema = &below.edge.schema;
    let known: Vec<&str> = below.edge.time_columns.iter().map(|time| schema.field(time.column).name().as_str()).collect();
    let error = Error::new(Code::InvalidWindow, format!("the window is over '{name}', which has no watermark"))
        .with_detail("without a watermark nothing tells when a window is complete");
    if known.is_empty() {
        error.with_hint(format!(
            "declare it in the source: CREATE SOURCE … ({name} TIMESTAMP, WATERMARK FOR {name} AS {name} - INTERVAL '5' SECOND)"
        ))
    } else {
        error.with_hint(format!("here only these columns have one: {}", known.join(", ")))
    }
}

/// What holds for a window node's own output: start, end, keys, aggregates.
fn window_edge(
    window: &WindowAggregate,
    below: &Lowered,
    time: &EventTimeColumn,
    call: &WindowCall,
    emission: WindowEmission,
    lateness: i64,
) -> EdgeProperties {
    let once = emission == WindowEmission::OnClose
        || (emission == WindowEmission::OnWatermark && lateness == 0 && below.edge.changes.is_append());
    let key: Vec<usize> = (0..2 + window.keys.len()).collect();
    let behind = time.lag.saturating_add(lateness);
    let mut time_columns = Vec::new();
    if let WindowCall::Panes(shape) = call {
        time_columns.push(TimeColumn::new(0, behind.saturating_add(shape.max_length_nanos())));
    }
    time_columns.push(TimeColumn::new(1, behind));
    if below.edge.time_columns.is_empty() {
        time_columns.clear();
    }
    let partitioning = match call {
        WindowCall::Session { .. } if window.partition == 0 => Partitioning::Single,
        WindowCall::Session { .. } => Partitioning::Hash((2..2 + window.partition).collect()),
        WindowCall::Panes(_) if window.keys.is_empty() => Partitioning::Single,
        WindowCall::Panes(_) => Partitioning::Hash(key.clone()),
    };
    EdgeProperties {
        schema: own_schema(window, time.column, &below.edge.schema),
        changes: if once { ChangeKind::Append } else { ChangeKind::Upsert(key) },
        partitioning,
        time_columns,
    }
}

fn own_schema(window: &WindowAggregate, time: usize, input: &SchemaRef) -> SchemaRef {
    let bound = |name: &str| Field::new(name, input.field(time).data_type().clone(), true);
    let part = |index: usize| group_field(&window.schema, &window.layout, index);
    let mut fields = vec![bound("window_start"), bound("window_end")];
    fields.extend((0..window.keys.len()).map(part));
    let calls = window.layout.len()..window.schema.fields().len();
    fields.extend(calls.map(|index| window.schema.field(index).as_ref().clone().with_metadata(Default::default())));
    Arc::new(Schema::new(fields))
}

fn group_field(schema: &DFSchema, layout: &[GroupItem], key: usize) -> Field {
    let index = layout.iter().position(|item| *item == GroupItem::Key(key)).expect("every key stands in the layout");
    schema.field(index).as_ref().clone().with_metadata(Default::default())
}
