//! Looks for mistakes in a graph before it runs: missing inputs, types that do not fit, windows without event time.

use arrow_schema::{DataType, SchemaRef};

use super::edge::EdgeProperties;
use super::node::Node;
use super::nodes::WindowEmission;
use crate::changelog::RowKeys;
use crate::expr::aggregate::AggregateCall;
use crate::expr::{ExprRef, SortKey};
use crate::time::event_time::nanos_per_unit;
use crate::{Code, Error, NodeId, Result};

/// Checks `nodes`, which may read from each other and from nodes that `existing` knows.
///
/// Every input must exist and stand before its reader (so there are no cycles), and columns, keys, conditions and time
/// columns must fit. The error names the node.
pub fn validate<'a>(nodes: &'a [Node], existing: &dyn Fn(NodeId) -> Option<&'a EdgeProperties>) -> Result<()> {
    for (at, node) in nodes.iter().enumerate() {
        if existing(node.id).is_some() || nodes[..at].iter().any(|other| other.id == node.id) {
            return Err(Error::internal(format!("two nodes have the number {}", node.id)));
        }
    }
    let find = |id: NodeId| nodes.iter().find(|node| node.id == id).map(|node| &node.output).or_else(|| existing(id));
    nodes.iter().enumerate().try_for_each(|(at, node)| {
        if let Some(input) = node.inputs.iter().find(|input| nodes[at..].iter().any(|later| later.id == **input)) {
            return Err(Error::internal(format!("{} reads from {input}, which does not come before it", node.id)));
        }
        let inputs = inputs_of(node, &find)?;
        check_node(node, &inputs)
            .and_then(|()| check_edge(&node.output))
            .map_err(|error| error.within(format!("'{}' ({})", node.name, node.id)))
    })
}

fn inputs_of<'a>(node: &Node, find: &dyn Fn(NodeId) -> Option<&'a EdgeProperties>) -> Result<Vec<&'a EdgeProperties>> {
    let input =
        |id: &NodeId| find(*id).ok_or_else(|| Error::internal(format!("{} reads from {id}, which does not exist", node.id)));
    node.inputs.iter().map(input).collect()
}

fn check_node(node: &Node, inputs: &[&EdgeProperties]) -> Result<()> {
    if !node.kind.takes(inputs.len()) {
        return Err(Error::internal(format!("a node of this kind cannot have {} inputs", inputs.len())));
    }
    node.kind.spec().validate(inputs, &node.output.schema)
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

pub(super) fn types(schema: &SchemaRef) -> impl Iterator<Item = &DataType> {
    schema.fields().iter().map(|field| field.data_type())
}

/// Output columns of groups: `windows` (none, or start and end), keys, aggregates.
pub(super) fn expect_groups(
    schema: &SchemaRef,
    windows: &[&DataType],
    keys: &[ExprRef],
    aggregates: &[AggregateCall],
) -> Result<()> {
    aggregates.iter().filter_map(|call| call.filter.as_ref()).try_for_each(expect_condition)?;
    let keys = keys.iter().map(|key| key.data_type());
    expect_types(schema, windows.iter().copied().chain(keys).chain(aggregates.iter().map(|call| call.function.return_type())))
}

pub(super) fn expect_types<'a>(schema: &SchemaRef, found: impl Iterator<Item = &'a DataType>) -> Result<()> {
    let (expected, found): (Vec<_>, Vec<_>) = (types(schema).collect(), found.collect());
    if expected == found {
        return Ok(());
    }
    let list = |types: Vec<&DataType>| types.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(", ");
    Err(Error::new(Code::TypeMismatch, format!("columns ({}) where ({}) are expected", list(found), list(expected))))
}

pub(super) fn expect_condition(expr: &ExprRef) -> Result<()> {
    match expr.data_type() {
        DataType::Boolean => Ok(()),
        other => Err(Error::new(Code::TypeMismatch, format!("condition {} is {other}, not a boolean", expr.display()))),
    }
}

/// An expression that repeats a column finds it, with the type that it expects.
pub(super) fn expect_input(expr: &ExprRef, schema: &SchemaRef) -> Result<()> {
    let Some(column) = expr.as_column() else { return Ok(()) };
    expect_column(schema, column)?;
    let found = schema.field(column).data_type();
    if found == expr.data_type() {
        return Ok(());
    }
    Err(Error::new(Code::TypeMismatch, format!("column {} is {found}, not {}", expr.display(), expr.data_type())))
}

pub(super) fn expect_column(schema: &SchemaRef, column: usize) -> Result<()> {
    if column < schema.fields().len() {
        return Ok(());
    }
    Err(Error::internal(format!("there is no column {column} among {}", schema.fields().len())))
}

/// The columns by which rows are put together and ordered exist and can be compared.
pub(super) fn expect_order(schema: &SchemaRef, partition: &[usize], order: &[SortKey]) -> Result<()> {
    let columns: Vec<usize> = partition.iter().copied().chain(order.iter().map(|key| key.column)).collect();
    columns.iter().try_for_each(|column| expect_column(schema, *column))?;
    // All columns break ties.
    RowKeys::of_schema(schema).map(|_| ())
}

pub(super) fn expect_time(schema: &SchemaRef, column: usize) -> Result<()> {
    expect_column(schema, column)?;
    let field = schema.field(column);
    match nanos_per_unit(field.data_type()) {
        Some(_) => Ok(()),
        None => Err(Error::new(Code::TypeMismatch, format!("column {} is {}, not a time", field.name(), field.data_type()))),
    }
}

/// Without a watermark, windows never close; only a result that is shown while it changes makes sense then.
pub(super) fn expect_watermark(input: &EdgeProperties, column: usize, lag: i64, emission: WindowEmission) -> Result<()> {
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
