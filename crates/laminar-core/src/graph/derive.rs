//! Derives what holds on the output edge of a node from what holds on its inputs.

use arrow_schema::SchemaRef;

use super::edge::{ChangeKind, EdgeProperties, Partitioning, TimeColumn};
use super::node::NodeKind;
use super::nodes::WindowEmission;
use crate::expr::ExprRef;

/// What holds for the output of a node of this kind, whose columns are `schema`. It says the strongest thing that is true
/// of any such node; a planner that knows more may say more.
pub fn derive(kind: &NodeKind, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
    // Validation refuses a node with another number of inputs.
    if kind.takes(inputs.len()) { kind.spec().derive(inputs, schema) } else { inserted(schema) }
}

/// Rows that are only inserted, and of which nothing else is known.
pub(super) fn inserted(schema: SchemaRef) -> EdgeProperties {
    EdgeProperties { schema, changes: ChangeKind::Append, partitioning: Partitioning::Any, time_columns: Vec::new() }
}

/// The time column that `expr` repeats, at its new place.
pub(super) fn time_at(input: &EdgeProperties, expr: &ExprRef, at: usize) -> Option<TimeColumn> {
    let time = input.time_column(expr.as_column()?)?;
    Some(TimeColumn { column: at, ..time })
}

/// Groups whose keys start at column `first`: spread by key, or all together if there is none.
pub(super) fn by_keys(first: usize, keys: usize) -> Partitioning {
    if keys == 0 { Partitioning::Single } else { Partitioning::Hash((first..first + keys).collect()) }
}

/// Results of windows, whose columns are start, end, keys and aggregates.
pub(super) fn window_changes(emission: WindowEmission, keys: usize) -> ChangeKind {
    match emission {
        WindowEmission::OnClose => ChangeKind::Append,
        WindowEmission::Changes | WindowEmission::OnWatermark => ChangeKind::Upsert((0..2 + keys).collect()),
    }
}
