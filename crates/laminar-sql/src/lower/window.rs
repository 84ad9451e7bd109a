//! Windows: with aggregates on panes, or alone as two more columns.

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, LogicalPlan};
use laminar_core::dag::{AssignSpec, ChangeKind, ComputeSpec, NodeKind, SessionSpec, WindowEmission, WindowSpec, derive};
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
        let own_schema = own_schema(window, time.column, &below.edge.schema);
        let (column, time_lag) = (time.column, time.lag);
        let kind = match &window.call {
            WindowCall::Panes(shape) => {
                let shape = shape.clone();
                NodeKind::Window(WindowSpec { shape, time: column, time_lag, keys, aggregates, emission, lateness })
            }
            WindowCall::Session { gap } => {
                let (gap, partition) = (*gap, window.partition);
                NodeKind::Session(SessionSpec { gap, time: column, time_lag, keys, partition, aggregates, emission, lateness })
            }
        };
        let node = self.add(kind, &[&below], own_schema);
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
        let kind = NodeKind::Compute(ComputeSpec { filter: None, projection: Some(projection) });
        let mut edge = derive(&kind, &[&node.edge], edge_schema(&window.schema));
        // One bound tells the window, so the key stays a key when only one is asked for.
        if let (ChangeKind::Upsert(_), ChangeKind::Retract) = (&node.edge.changes, &edge.changes) {
            edge.changes = ChangeKind::Upsert((0..window.layout.len()).collect());
        }
        self.add_known(kind, &[&node], edge)
    }

    pub(super) fn assign_window(&mut self, assign: &AssignWindow) -> Result<Lowered> {
        let below = self.plan(&assign.input)?;
        let WindowCall::Panes(shape) = &assign.call else {
            return Err(Error::new(Code::NotSupported, "SESSION without GROUP BY in a continuous query is not built yet")
                .with_hint("group by window_start, window_end and the key"));
        };
        let time = self.event_time(&below, &assign.time, &assign.input)?;
        let schema = edge_schema(datafusion::logical_expr::UserDefinedLogicalNodeCore::schema(assign));
        Ok(self.add(NodeKind::AssignWindow(AssignSpec { shape: shape.clone(), time: time.column }), &[&below], schema))
    }

    /// The column over which a window is built; it must follow a watermark, unless the query only keeps a view of tables current.
    fn event_time(&self, below: &Lowered, time: &Expr, input: &LogicalPlan) -> Result<EventTimeColumn> {
        let column = repeated_column(time, input.schema());
        if let Some(column) = column
            && let Some(time) = below.edge.time_column(column)
        {
            return Ok(EventTimeColumn { column, lag: time.lag });
        }
        let needs_none = self.emission.window == WindowEmission::Changes && !below.edge.is_stream;
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
    if !below.edge.is_stream {
        error.with_hint(
            "rows of tables, and rows that now() lets come and go, close no window: a MATERIALIZED VIEW, or EMIT CHANGES, keeps all windows current",
        )
    } else if known.is_empty() {
        error.with_hint(format!(
            "declare it in the source: CREATE SOURCE … ({name} TIMESTAMP, WATERMARK FOR {name} AS {name} - INTERVAL '5' SECOND)"
        ))
    } else {
        error.with_hint(format!("here only these columns have one: {}", known.join(", ")))
    }
}

/// The columns of a window node: start, end, keys, aggregates.
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
