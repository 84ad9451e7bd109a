//! Derives what holds on the output edge of a node from what holds on its inputs.

use arrow_schema::SchemaRef;

use super::edge::{ChangeKind, EdgeProperties, Partitioning, TimeColumn};
use super::node::NodeKind;
use super::nodes::{ComputeSpec, EmitWhen, JoinSpec, OutputSpec, SessionSpec, WindowEmission, WindowSpec};
use crate::expr::ExprRef;
use crate::time::windows::WindowShape;

/// What holds for the output of a node of this kind, whose columns are `schema`. It says the strongest thing that is true
/// of any such node; a planner that knows more may say more.
pub fn derive(kind: &NodeKind, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
    let plain =
        |changes, partitioning| EdgeProperties { schema: schema.clone(), changes, partitioning, time_columns: Vec::new() };
    match (kind, inputs) {
        (NodeKind::Compute(spec), [input]) => through_columns(input, spec, schema),
        (NodeKind::Union, inputs) => union(inputs, schema),
        (NodeKind::Aggregate(spec), [input]) => {
            let time_columns = spec.keys.iter().enumerate().filter_map(|(at, key)| time_at(input, key, at)).collect();
            let (changes, partitioning) = (ChangeKind::Upsert((0..spec.keys.len()).collect()), grouped(0, spec.keys.len()));
            EdgeProperties { schema, changes, partitioning, time_columns }
        }
        (NodeKind::AssignWindow(spec), [input]) => assign(input, &spec.shape, spec.time, schema),
        (NodeKind::Window(spec), _) => window(spec, schema),
        (NodeKind::Session(spec), _) => session(spec, schema),
        (NodeKind::Join(spec), [left, right]) => {
            let append = left.changes.is_append() && right.changes.is_append();
            plain(if append { ChangeKind::Append } else { ChangeKind::Retract }, joined(spec))
        }
        (NodeKind::Emit(spec), [input]) => {
            let changes = if spec.when == EmitWhen::AtEnd { ChangeKind::Append } else { input.changes.clone() };
            EdgeProperties { schema, changes, ..(*input).clone() }
        }
        (NodeKind::Output(spec), [input]) => EdgeProperties { schema, changes: output(spec, input), ..(*input).clone() },
        _ => plain(ChangeKind::Append, Partitioning::Any),
    }
}

/// Properties follow the columns that a projection repeats.
fn through_columns(input: &EdgeProperties, spec: &ComputeSpec, schema: SchemaRef) -> EdgeProperties {
    let Some(projection) = &spec.projection else {
        return EdgeProperties { schema, ..input.clone() };
    };
    let moved = |column: &usize| projection.iter().position(|expr| expr.as_column() == Some(*column));
    let all_moved = |columns: &[usize]| columns.iter().map(moved).collect::<Option<Vec<_>>>();
    let changes = match &input.changes {
        ChangeKind::Upsert(key) => all_moved(key).map_or(ChangeKind::Retract, ChangeKind::Upsert),
        other => other.clone(),
    };
    let partitioning = match &input.partitioning {
        Partitioning::Hash(columns) => all_moved(columns).map_or(Partitioning::Any, Partitioning::Hash),
        other => other.clone(),
    };
    let time_columns = projection.iter().enumerate().filter_map(|(at, expr)| time_at(input, expr, at)).collect();
    EdgeProperties { schema, changes, partitioning, time_columns }
}

/// The time column that `expr` repeats, at its new place.
fn time_at(input: &EdgeProperties, expr: &ExprRef, at: usize) -> Option<TimeColumn> {
    let time = input.time_column(expr.as_column()?)?;
    Some(TimeColumn { column: at, ..time })
}

fn union(inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
    let append = inputs.iter().all(|input| input.changes.is_append());
    let Some((first, others)) = inputs.split_first() else {
        return EdgeProperties { schema, changes: ChangeKind::Append, partitioning: Partitioning::Any, time_columns: Vec::new() };
    };
    let same = others.iter().all(|input| input.partitioning == first.partitioning);
    let worst = |time: &TimeColumn| {
        let lags = others.iter().map(|input| input.time_column(time.column).map(|other| other.lag));
        let lag = lags.collect::<Option<Vec<_>>>()?.into_iter().fold(time.lag, i64::max);
        Some(TimeColumn { lag, mixed: true, ..*time })
    };
    EdgeProperties {
        schema,
        changes: if append { ChangeKind::Append } else { ChangeKind::Retract },
        partitioning: if same { first.partitioning.clone() } else { Partitioning::Any },
        time_columns: first.time_columns.iter().filter_map(worst).collect(),
    }
}

/// Groups whose keys start at column `first`: spread by key, or all together if there is none.
fn grouped(first: usize, keys: usize) -> Partitioning {
    if keys == 0 { Partitioning::Single } else { Partitioning::Hash((first..first + keys).collect()) }
}

fn assign(input: &EdgeProperties, shape: &WindowShape, time: usize, schema: SchemaRef) -> EdgeProperties {
    let (start, end) = (input.schema.fields().len(), input.schema.fields().len() + 1);
    let changes = match &input.changes {
        ChangeKind::Upsert(key) => ChangeKind::Upsert(key.iter().copied().chain([start, end]).collect()),
        other => other.clone(),
    };
    let mut time_columns = input.time_columns.clone();
    if let Some(time @ TimeColumn { lag, .. }) = input.time_column(time) {
        let start_lag = lag.saturating_add(shape.max_length_nanos());
        time_columns.extend([TimeColumn { column: start, lag: start_lag, ..time }, TimeColumn { column: end, ..time }]);
    }
    EdgeProperties { schema, changes, partitioning: input.partitioning.clone(), time_columns }
}

/// One row for each window and key. Windows that are still open end after the promised watermark (which a window operator holds
/// back by the time column's lag) minus the lateness.
fn window(spec: &WindowSpec, schema: SchemaRef) -> EdgeProperties {
    let start_lag = spec.lateness.saturating_add(spec.shape.max_length_nanos());
    EdgeProperties {
        schema,
        changes: window_changes(spec.emission, spec.keys.len()),
        partitioning: grouped(2, spec.keys.len()),
        time_columns: vec![TimeColumn::new(0, start_lag), TimeColumn::new(1, spec.lateness)],
    }
}

/// As for windows, but a session may have begun any time ago.
fn session(spec: &SessionSpec, schema: SchemaRef) -> EdgeProperties {
    EdgeProperties {
        schema,
        changes: window_changes(spec.emission, spec.keys.len()),
        partitioning: grouped(2, spec.partition),
        time_columns: vec![TimeColumn::new(1, spec.lateness)],
    }
}

fn window_changes(emission: WindowEmission, keys: usize) -> ChangeKind {
    match emission {
        WindowEmission::OnClose => ChangeKind::Append,
        WindowEmission::Changes | WindowEmission::OnWatermark => ChangeKind::Upsert((0..2 + keys).collect()),
    }
}

/// Pairs are where their keys are, if the left keys are columns.
fn joined(spec: &JoinSpec) -> Partitioning {
    if spec.left_keys.is_empty() {
        return Partitioning::Single;
    }
    let columns: Option<Vec<usize>> = spec.left_keys.iter().map(|key| key.as_column()).collect();
    columns.map_or(Partitioning::Any, Partitioning::Hash)
}

fn output(spec: &OutputSpec, input: &EdgeProperties) -> ChangeKind {
    match &spec.primary_key {
        Some(key) => ChangeKind::Upsert(key.clone()),
        None => input.changes.clone(),
    }
}
