//! What holds for the changes on an edge. The planner derives it; operators choose their fast paths by it.

use arrow_schema::SchemaRef;

/// Which weights can occur.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeKind {
    /// Every row is inserted once and never retracted.
    Append,
    /// Rows are replaced by key: −1 old, +1 new. Readers that know keys may be shown only the new row.
    Upsert(Vec<usize>),
    /// Any weights.
    Retract,
}

impl ChangeKind {
    /// True if rows are only ever inserted.
    pub fn is_append(&self) -> bool {
        matches!(self, ChangeKind::Append)
    }
}

/// How rows are spread over workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partitioning {
    /// Any row can be anywhere.
    Any,
    /// Rows with equal values in these columns are on the same worker.
    Hash(Vec<usize>),
    /// All rows are on one worker.
    Single,
}

/// A column that follows the watermark: every later row has `value >= watermark - lag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeColumn {
    /// Which column.
    pub column: usize,
    /// How far it may stay behind the edge's watermark, in nanoseconds.
    pub lag: i64,
    /// Whether rows of several sources are mixed, which come in any order among each other.
    pub mixed: bool,
    /// Whether no row is ever behind the watermark: windows below have left late ones out. What is behind it is then complete.
    pub complete: bool,
    /// Whether all rows of a step have later values than those of the steps before, as windows have that are shown once.
    pub in_order: bool,
}

impl TimeColumn {
    /// A column of one source's rows, or of derived ones, in their order.
    pub fn new(column: usize, lag: i64) -> Self {
        Self { column, lag, mixed: false, complete: false, in_order: false }
    }

    /// The same column of rows of which none is behind the watermark.
    #[must_use]
    pub fn complete(self) -> Self {
        Self { complete: true, ..self }
    }

    /// The same column of rows of which each step brings later ones.
    #[must_use]
    pub fn in_order(self) -> Self {
        Self { in_order: true, ..self }
    }

    /// The same column of rows that come again when others do, however old they are.
    pub(super) fn incomplete(self) -> Self {
        Self { complete: false, in_order: false, ..self }
    }
}

/// Everything that is known about an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeProperties {
    /// Names and types.
    pub schema: SchemaRef,
    /// Which weights can occur.
    pub changes: ChangeKind,
    /// How rows are spread over workers.
    pub partitioning: Partitioning,
    /// Columns over which windows can be built.
    pub time_columns: Vec<TimeColumn>,
    /// Whether rows can come out of a source or stream; false for those of tables and stored views alone.
    pub is_stream: bool,
}

impl EdgeProperties {
    /// Rows of a stream of which nothing else is known.
    pub fn new(schema: SchemaRef, changes: ChangeKind) -> Self {
        Self { schema, changes, partitioning: Partitioning::Any, time_columns: Vec::new(), is_stream: true }
    }

    /// What holds for rows that come out of `inputs`, of which nothing else is known.
    pub(super) fn out_of(inputs: &[&EdgeProperties], schema: SchemaRef, changes: ChangeKind) -> Self {
        Self { is_stream: inputs.iter().any(|input| input.is_stream), ..Self::new(schema, changes) }
    }

    /// The time column at `column`, if it is one.
    pub fn time_column(&self, column: usize) -> Option<TimeColumn> {
        self.time_columns.iter().copied().find(|time| time.column == column)
    }

    /// Why other rows, of which `other` holds, could not go on in the place of these between two steps: what reads these was made for what holds
    /// here, and would see rows go. How they are spread may differ.
    pub fn why_not_replaced_by(&self, other: &EdgeProperties) -> Option<String> {
        let columns = |edge: &EdgeProperties| {
            let fields = edge.schema.fields().iter();
            fields.map(|field| format!("{} {}", field.name(), field.data_type())).collect::<Vec<_>>().join(", ")
        };
        let (before, after) = (columns(self), columns(other));
        if before != after {
            return Some(format!("its columns are ({before}), and would be ({after})"));
        }
        let mut fields = self.schema.fields().iter().zip(other.schema.fields());
        if let Some((field, after)) = fields.find(|(before, after)| after.is_nullable() != before.is_nullable()) {
            let (is, would_be) = if after.is_nullable() { ("cannot", "could") } else { ("can", "could not") };
            return Some(format!("its column '{}' {is} be NULL, and {would_be} be then", field.name()));
        }
        if self.changes.is_append() || other.changes.is_append() {
            let when = if self.changes.is_append() { "are" } else { "would be" };
            return Some(format!("its rows {when} only ever added, and some go when its query changes"));
        }
        if self.changes != other.changes {
            return Some("its rows would replace each other by another key than now".to_owned());
        }
        let differs = self.time_columns != other.time_columns || self.is_stream != other.is_stream;
        differs.then(|| "its times would follow the watermark in another way than now".to_owned())
    }
}
