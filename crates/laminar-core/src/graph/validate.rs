//! Looks for mistakes in a graph before it runs: missing inputs, types that do not fit, windows without event time.

use arrow_schema::{DataType, SchemaRef};

use super::edge::EdgeProperties;
use super::node::{Node, NodeKind};
use super::nodes::{
    AggregateSpec, AssignSpec, ComputeSpec, EmitWhen, JoinSpec, OutputSpec, SessionSpec, SourceSpec, WindowEmission, WindowSpec,
};
use crate::expr::ExprRef;
use crate::expr::aggregate::AggregateCall;
use crate::time::event_time::nanos_per_unit;
use crate::{Code, Error, NodeId, Result};

/// Checks `nodes`, which may read from each other and from nodes that `existing` knows.
///
/// Every input must exist and have a smaller number (so there are no cycles), and columns, keys, conditions and time
/// columns must fit. The error names the node.
pub fn validate<'a>(nodes: &'a [Node], existing: &dyn Fn(NodeId) -> Option<&'a EdgeProperties>) -> Result<()> {
    for (at, node) in nodes.iter().enumerate() {
        if existing(node.id).is_some() || nodes[..at].iter().any(|other| other.id == node.id) {
            return Err(Error::internal(format!("two nodes have the number {}", node.id)));
        }
    }
    let find = |id: NodeId| nodes.iter().find(|node| node.id == id).map(|node| &node.output).or_else(|| existing(id));
    nodes.iter().try_for_each(|node| {
        let inputs = inputs_of(node, &find)?;
        check_node(node, &inputs)
            .and_then(|()| check_edge(&node.output))
            .map_err(|error| error.within(format!("'{}' ({})", node.name, node.id)))
    })
}

fn inputs_of<'a>(node: &Node, find: &dyn Fn(NodeId) -> Option<&'a EdgeProperties>) -> Result<Vec<&'a EdgeProperties>> {
    let input = |id: &NodeId| {
        if *id >= node.id {
            return Err(Error::internal(format!("{} reads from {id}, which does not come before it", node.id)));
        }
        find(*id).ok_or_else(|| Error::internal(format!("{} reads from {id}, which does not exist", node.id)))
    };
    node.inputs.iter().map(input).collect()
}

fn check_node(node: &Node, inputs: &[&EdgeProperties]) -> Result<()> {
    let schema = &node.output.schema;
    match (&node.kind, inputs) {
        (NodeKind::Source(spec), []) => check_source(spec, schema),
        (NodeKind::Compute(spec), [input]) => check_compute(spec, input, schema),
        (NodeKind::Union, [_, ..]) if inputs.len() <= usize::from(u8::MAX) => {
            inputs.iter().try_for_each(|input| expect_types(schema, types(&input.schema)))
        }
        (NodeKind::Aggregate(spec), [_]) => check_aggregate(spec, schema),
        (NodeKind::AssignWindow(spec), [input]) => check_assign(spec, input, schema),
        (NodeKind::Window(spec), [input]) => check_window(spec, input, schema),
        (NodeKind::Session(spec), [input]) => check_session(spec, input, schema),
        (NodeKind::Join(spec), [left, right]) => check_join(spec, left, right, schema),
        (NodeKind::Emit(spec), [input]) => {
            if matches!(spec.when, EmitWhen::Every(nanos) if nanos <= 0) {
                return Err(Error::new(Code::InvalidWindow, "the interval of EMIT EVERY must be greater than zero"));
            }
            expect_types(schema, types(&input.schema))
        }
        (NodeKind::Output(spec), [input]) => check_output(spec, input, schema),
        (_, inputs) => Err(Error::internal(format!("a node of this kind cannot have {} inputs", inputs.len()))),
    }
}

/// Columns that an edge speaks of exist.
fn check_edge(edge: &EdgeProperties) -> Result<()> {
    for time in &edge.time_columns {
        expect_time(&edge.schema, time.column)?;
        if time.lag < 0 {
            return Err(Error::internal(format!("time column {} has a negative lag", time.column)));
        }
    }
    let named = match (&edge.changes, &edge.partitioning) {
        (super::ChangeKind::Upsert(key), super::Partitioning::Hash(columns)) => [key.as_slice(), columns.as_slice()],
        (super::ChangeKind::Upsert(key), _) => [key.as_slice(), &[]],
        (_, super::Partitioning::Hash(columns)) => [columns.as_slice(), &[]],
        _ => [&[][..], &[]],
    };
    named.iter().flat_map(|columns| columns.iter()).try_for_each(|column| expect_column(&edge.schema, *column))
}

fn check_source(spec: &SourceSpec, schema: &SchemaRef) -> Result<()> {
    let Some(watermark) = &spec.watermark else { return Ok(()) };
    expect_time(schema, watermark.column)
}

fn check_compute(spec: &ComputeSpec, input: &EdgeProperties, schema: &SchemaRef) -> Result<()> {
    spec.filter.iter().try_for_each(expect_condition)?;
    spec.filter.iter().chain(spec.projection.iter().flatten()).try_for_each(|expr| expect_input(expr, &input.schema))?;
    match &spec.projection {
        Some(projection) => expect_types(schema, projection.iter().map(|expr| expr.data_type())),
        None => expect_types(schema, types(&input.schema)),
    }
}

fn check_aggregate(spec: &AggregateSpec, schema: &SchemaRef) -> Result<()> {
    check_filters(&spec.aggregates)?;
    expect_types(schema, group_types(&spec.keys, &spec.aggregates))
}

fn check_assign(spec: &AssignSpec, input: &EdgeProperties, schema: &SchemaRef) -> Result<()> {
    expect_time(&input.schema, spec.time)?;
    let time = input.schema.field(spec.time).data_type();
    expect_types(schema, types(&input.schema).chain([time, time]))
}

fn check_window(spec: &WindowSpec, input: &EdgeProperties, schema: &SchemaRef) -> Result<()> {
    expect_watermark(input, spec.time, spec.time_lag, spec.emission)?;
    if spec.lateness < 0 {
        return Err(Error::new(Code::InvalidWindow, "the lateness of a window cannot be negative"));
    }
    check_windowed(&spec.keys, &spec.aggregates, input.schema.field(spec.time).data_type(), schema)
}

fn check_session(spec: &SessionSpec, input: &EdgeProperties, schema: &SchemaRef) -> Result<()> {
    expect_watermark(input, spec.time, spec.time_lag, spec.emission)?;
    if spec.lateness < 0 || spec.gap <= 0 {
        return Err(Error::new(Code::InvalidWindow, "the gap of a session must be greater than zero, its lateness not negative"));
    }
    if spec.partition > spec.keys.len() {
        return Err(Error::internal("sessions are kept apart by more keys than they have"));
    }
    check_windowed(&spec.keys, &spec.aggregates, input.schema.field(spec.time).data_type(), schema)
}

fn check_windowed(keys: &[ExprRef], aggregates: &[AggregateCall], time: &DataType, schema: &SchemaRef) -> Result<()> {
    check_filters(aggregates)?;
    expect_types(schema, [time, time].into_iter().chain(group_types(keys, aggregates)))
}

fn check_join(spec: &JoinSpec, left: &EdgeProperties, right: &EdgeProperties, schema: &SchemaRef) -> Result<()> {
    if spec.left_keys.len() != spec.right_keys.len() {
        return Err(Error::internal("a join has as many left keys as right keys"));
    }
    for (ours, theirs) in spec.left_keys.iter().zip(&spec.right_keys) {
        expect_input(ours, &left.schema)?;
        expect_input(theirs, &right.schema)?;
        if ours.data_type() != theirs.data_type() {
            let text = format!("cannot join {} with {}", ours.data_type(), theirs.data_type());
            return Err(Error::new(Code::TypeMismatch, text).with_hint("cast one key to the type of the other"));
        }
    }
    spec.residual.iter().try_for_each(expect_condition)?;
    expect_types(schema, types(&left.schema).chain(types(&right.schema)))
}

fn check_output(spec: &OutputSpec, input: &EdgeProperties, schema: &SchemaRef) -> Result<()> {
    if spec.primary_key.is_some() && !spec.stored {
        return Err(Error::internal("only stored rows can be replaced by key"));
    }
    spec.primary_key.iter().flatten().try_for_each(|column| expect_column(schema, *column))?;
    expect_types(&spec.schema, types(&input.schema))?;
    expect_types(schema, types(&spec.schema))
}

fn types(schema: &SchemaRef) -> impl Iterator<Item = &DataType> {
    schema.fields().iter().map(|field| field.data_type())
}

fn group_types<'a>(keys: &'a [ExprRef], aggregates: &'a [AggregateCall]) -> impl Iterator<Item = &'a DataType> {
    keys.iter().map(|key| key.data_type()).chain(aggregates.iter().map(|call| call.function.return_type()))
}

fn check_filters(aggregates: &[AggregateCall]) -> Result<()> {
    aggregates.iter().filter_map(|call| call.filter.as_ref()).try_for_each(expect_condition)
}

fn expect_types<'a>(schema: &SchemaRef, found: impl Iterator<Item = &'a DataType>) -> Result<()> {
    let (expected, found): (Vec<_>, Vec<_>) = (types(schema).collect(), found.collect());
    if expected == found {
        return Ok(());
    }
    let list = |types: Vec<&DataType>| types.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(", ");
    Err(Error::new(Code::TypeMismatch, format!("columns ({}) where ({}) are expected", list(found), list(expected))))
}

fn expect_condition(expr: &ExprRef) -> Result<()> {
    match expr.data_type() {
        DataType::Boolean => Ok(()),
        other => Err(Error::new(Code::TypeMismatch, format!("condition {} is {other}, not a boolean", expr.display()))),
    }
}

/// An expression that repeats a column finds it, with the type that it expects.
fn expect_input(expr: &ExprRef, schema: &SchemaRef) -> Result<()> {
    let Some(column) = expr.as_column() else { return Ok(()) };
    expect_column(schema, column)?;
    let found = schema.field(column).data_type();
    if found == expr.data_type() {
        return Ok(());
    }
    Err(Error::new(Code::TypeMismatch, format!("column {} is {found}, not {}", expr.display(), expr.data_type())))
}

fn expect_column(schema: &SchemaRef, column: usize) -> Result<()> {
    if column < schema.fields().len() {
        return Ok(());
    }
    Err(Error::internal(format!("there is no column {column} among {}", schema.fields().len())))
}

fn expect_time(schema: &SchemaRef, column: usize) -> Result<()> {
    expect_column(schema, column)?;
    let field = schema.field(column);
    match nanos_per_unit(field.data_type()) {
        Some(_) => Ok(()),
        None => Err(Error::new(Code::TypeMismatch, format!("column {} is {}, not a time", field.name(), field.data_type()))),
    }
}

/// Without a watermark, windows never close; only a result that is shown while it changes makes sense then.
fn expect_watermark(input: &EdgeProperties, column: usize, lag: i64, emission: WindowEmission) -> Result<()> {
    expect_time(&input.schema, column)?;
    let name = input.schema.field(column).name();
    match input.time_column(column) {
        Some(time) if lag < time.lag => {
            Err(Error::internal(format!("windows over {name} ignore that it may lag by {} ns", time.lag)))
        }
        None if emission != WindowEmission::Changes => {
            let text = format!("column {name} has no watermark, so windows over it would never close");
            let hint = format!("declare one where the column comes from: WATERMARK FOR {name} AS {name} - INTERVAL '5' SECOND");
            Err(Error::new(Code::InvalidWindow, text).with_hint(hint))
        }
        _ => Ok(()),
    }
}
