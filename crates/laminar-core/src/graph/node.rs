//! A node of the graph: who it is, what it does, where its rows come from and what holds for those that it emits.

use arrow_schema::SchemaRef;

use super::edge::EdgeProperties;
use crate::NodeId;
use crate::expr::ExprRef;
use crate::expr::aggregate::AggregateCall;
use crate::time::watermark::WatermarkSpec;
use crate::time::windows::WindowShape;

/// A node with its place and its output edge.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its number; every input has a smaller one.
    pub id: NodeId,
    /// The name of the SQL object that it belongs to.
    pub name: String,
    /// What it does.
    pub kind: NodeKind,
    /// Where its rows come from, by port.
    pub inputs: Vec<NodeId>,
    /// What holds for its output.
    pub output: EdgeProperties,
}

/// What a node does. `operator/build.rs` is the only place that turns a kind into an operator.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// Rows come in from outside.
    Source(SourceSpec),
    /// Filter and projection, fused.
    Compute(ComputeSpec),
    /// All rows of all inputs.
    Union,
    /// Groups without windows.
    Aggregate(AggregateSpec),
    /// Adds `window_start` and `window_end` to each row, once for each of its windows.
    AssignWindow(AssignSpec),
    /// Groups by tumbling, hopping or cumulating window and key.
    Window(WindowSpec),
    /// Groups by session and key.
    Session(SessionSpec),
    /// Inner equi-join.
    Join(JoinSpec),
    /// Holds changes back until they are due.
    Emit(EmitSpec),
    /// The end of a named object: its contents and its readers.
    Output(OutputSpec),
}

/// Rows from outside.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// How watermarks come about; `None`: the source has no event time.
    pub watermark: Option<WatermarkSpec>,
    /// Wall-clock silence after which the source counts as idle, in nanoseconds; `None`: never.
    pub idle_timeout: Option<i64>,
}

impl SourceSpec {
    /// A table: it has no event time and is always idle, so that nobody waits for its end.
    pub const TABLE: SourceSpec = SourceSpec { watermark: None, idle_timeout: Some(0) };
    /// Rows without event time, whose end is waited for.
    pub const TIMELESS: SourceSpec = SourceSpec { watermark: None, idle_timeout: None };

    /// True for [`TABLE`](Self::TABLE).
    pub fn is_table(&self) -> bool {
        self.watermark.is_none() && self.idle_timeout == Some(0)
    }
}

/// `filter`, then `projection`.
#[derive(Debug, Clone)]
pub struct ComputeSpec {
    /// Rows for which this is not true are dropped.
    pub filter: Option<ExprRef>,
    /// The output columns; `None`: as they are.
    pub projection: Option<Vec<ExprRef>>,
}

/// `GROUP BY keys`. Output columns: keys, then aggregates. Without keys there is always exactly one row.
#[derive(Debug, Clone)]
pub struct AggregateSpec {
    /// Group keys over the input.
    pub keys: Vec<ExprRef>,
    /// What is computed for each group.
    pub aggregates: Vec<AggregateCall>,
}

/// Windows without aggregation. Output columns: input, `window_start`, `window_end` (both of the time column's type).
#[derive(Debug, Clone)]
pub struct AssignSpec {
    /// Which windows; not sessions.
    pub shape: WindowShape,
    /// The time column of the input.
    pub time: usize,
}

/// When a window's result is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowEmission {
    /// After every step that changed it: −1 old, +1 new.
    Changes,
    /// When the watermark passes the end; again, −1 old +1 new, when a row within the lateness changes it.
    OnWatermark,
    /// Once, when the watermark passes end + lateness.
    OnClose,
}

/// `GROUP BY window, keys`. Output columns: `window_start`, `window_end`, keys, aggregates.
#[derive(Debug, Clone)]
pub struct WindowSpec {
    /// Which windows; not sessions.
    pub shape: WindowShape,
    /// The time column of the input.
    pub time: usize,
    /// How far that column may stay behind the input's watermark, in nanoseconds.
    pub time_lag: i64,
    /// Group keys over the input.
    pub keys: Vec<ExprRef>,
    /// What is computed for each window and group.
    pub aggregates: Vec<AggregateCall>,
    /// When results are shown.
    pub emission: WindowEmission,
    /// How long after its end a window still takes rows, in nanoseconds.
    pub lateness: i64,
}

impl WindowSpec {
    /// Whether a window's results are shown once: it takes no more rows after that.
    pub fn shows_once(&self) -> bool {
        match self.emission {
            WindowEmission::Changes => false,
            WindowEmission::OnWatermark => self.lateness == 0,
            WindowEmission::OnClose => true,
        }
    }
}

impl NodeKind {
    /// What people call it.
    pub fn name(&self) -> &'static str {
        match self {
            NodeKind::Source(_) => "source",
            NodeKind::Compute(_) => "compute",
            NodeKind::Union => "union",
            NodeKind::Aggregate(_) => "aggregate",
            NodeKind::AssignWindow(_) => "assign window",
            NodeKind::Window(_) => "window",
            NodeKind::Session(_) => "session",
            NodeKind::Join(_) => "join",
            NodeKind::Emit(_) => "emit",
            NodeKind::Output(_) => "output",
        }
    }

    /// Whether rows of `input` can be aggregated before they are sent to the worker of their key.
    pub fn has_partial_aggregation(&self, input: &EdgeProperties) -> bool {
        match self {
            NodeKind::Window(spec) => spec.shows_once() && can_be_sent(&spec.aggregates, input),
            NodeKind::Aggregate(spec) => can_be_sent(&spec.aggregates, input),
            _ => false,
        }
    }
}

/// `GROUP BY session, keys`. Output columns as for [`WindowSpec`].
#[derive(Debug, Clone)]
pub struct SessionSpec {
    /// Rows of a key at most this far apart belong together, in nanoseconds.
    pub gap: i64,
    /// The time column of the input.
    pub time: usize,
    /// How far that column may stay behind the input's watermark, in nanoseconds.
    pub time_lag: i64,
    /// Group keys over the input.
    pub keys: Vec<ExprRef>,
    /// How many of them, from the first on, keep sessions apart; the others make groups within a session.
    pub partition: usize,
    /// What is computed for each session.
    pub aggregates: Vec<AggregateCall>,
    /// When results are shown.
    pub emission: WindowEmission,
    /// How long after its end a session still takes rows, in nanoseconds.
    pub lateness: i64,
}

/// Inner equi-join. Output columns: left, then right. NULL keys match nothing.
#[derive(Debug, Clone)]
pub struct JoinSpec {
    /// Key expressions over the left input; none: every pair is looked at.
    pub left_keys: Vec<ExprRef>,
    /// Key expressions over the right input, of the same types.
    pub right_keys: Vec<ExprRef>,
    /// A condition over left and right columns together that a pair must also meet.
    pub residual: Option<ExprRef>,
}

/// When held changes are let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmitWhen {
    /// Every so many nanoseconds of wall-clock time: the consolidated change since the last time.
    Every(i64),
    /// Once, at the end of time.
    AtEnd,
}

/// Holds changes back.
#[derive(Debug, Clone)]
pub struct EmitSpec {
    /// Until when.
    pub when: EmitWhen,
}

/// The end of a named object.
#[derive(Debug, Clone)]
pub struct OutputSpec {
    /// Whether the current rows are kept (tables, materialized views).
    pub stored: bool,
    /// Whether rows are pushed by people (tables, sources) instead of computed by a query: a retraction of a row that is not
    /// there is then their mistake, which rejects that row, and not ours.
    pub pushed: bool,
    /// Primary key columns of a table: a new row with an old key replaces the old row.
    pub primary_key: Option<Vec<usize>>,
    /// Names and types as readers see them.
    pub schema: SchemaRef,
}

/// Whether these aggregates can be worked out in two phases over rows of `input`: nothing is taken back, and a group is no more
/// to send than a few rows.
pub fn can_be_sent(calls: &[AggregateCall], input: &EdgeProperties) -> bool {
    let is_small = |call: &AggregateCall| call.function.accumulator(false).is_ok_and(|accumulator| accumulator.is_small());
    input.changes.is_append() && calls.iter().all(is_small)
}
