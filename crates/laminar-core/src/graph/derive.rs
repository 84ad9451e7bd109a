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
    if kind.takes(inputs.len()) { kind.spec().derive(inputs, schema) } else { EdgeProperties::new(schema, ChangeKind::Append) }
}

/// The time column that `expr` makes as column `at`, if its values grow with one of the input.
pub(super) fn time_at(input: &EdgeProperties, expr: &ExprRef, at: usize) -> Option<TimeColumn> {
    let growth = expr.grows_with()?;
    let time = input.time_column(growth.column)?;
    // Times that are cut to a unit are the same in several steps.
    let in_order = time.in_order && expr.as_column().is_some();
    Some(TimeColumn { column: at, lag: time.lag.saturating_add(growth.behind), in_order, ..time })
}

/// Groups whose keys start at column `first`: spread by key, or all together if there is none.
pub(super) fn by_keys(first: usize, keys: usize) -> Partitioning {
    if keys == 0 { Partitioning::Single } else { Partitioning::Hash((first..first + keys).collect()) }
}

/// Results of windows over `input`, whose columns are start, end, keys and aggregates; `times` are the bounds, how far they may be
/// behind what the operator promises, and whether windows that close later have later ones. A window over rows without event time promises nothing.
pub(super) fn windowed(
    input: &EdgeProperties,
    schema: SchemaRef,
    (emission, lateness): (WindowEmission, i64),
    partitioning: Partitioning,
    keys: usize,
    times: Vec<TimeColumn>,
) -> EdgeProperties {
    let once = match emission {
        WindowEmission::Changes => false,
        WindowEmission::OnWatermark => lateness == 0 && input.changes.is_append(),
        WindowEmission::OnClose => true,
    };
    let changes = if once { ChangeKind::Append } else { ChangeKind::Upsert((0..2 + keys).collect()) };
    let shown = |time: TimeColumn| TimeColumn { in_order: time.in_order && once, ..time };
    let time_columns = if input.time_columns.is_empty() { Vec::new() } else { times.into_iter().map(shown).collect() };
    EdgeProperties { partitioning, time_columns, ..EdgeProperties::out_of(&[input], schema, changes) }
}

/// Rows that are put together by the columns `keys` and keep their columns. They change only while rows of their own partition come, so
/// that a time among the keys follows the watermark.
pub(super) fn together(input: &EdgeProperties, schema: SchemaRef, changes: ChangeKind, keys: &[usize]) -> EdgeProperties {
    let partitioning = if keys.is_empty() { Partitioning::Single } else { Partitioning::Hash(keys.to_vec()) };
    let time_columns = input.time_columns.iter().copied().filter(|time| keys.contains(&time.column)).collect();
    EdgeProperties { partitioning, time_columns, ..EdgeProperties::out_of(&[input], schema, changes) }
}
