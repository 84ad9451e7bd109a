//! Each left row beside the right row with equal keys that is nearest to it in time.

use std::ops::RangeInclusive;

use arrow_schema::{DataType, SchemaRef};

use super::{JoinSpec, JoinType};
use crate::changelog::RowKeys;
use crate::expr::{Column, ExprRef};
use crate::graph::distribute::Placement;
use crate::graph::edge::{ChangeKind, EdgeProperties, TimeColumn};
use crate::graph::explain::{column_names, interval};
use crate::graph::kept::{Extent, KEYED_ROW_BYTES, Kept, KeptInput, NodeKeeps, ORDERED_ROW_BYTES, row_bytes};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_column, expect_types};
use crate::time::event_time::nanos_per_unit;
use crate::{Code, Error, Result};

/// Where the right row lies, as seen from the left one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsofDirection {
    /// The last one that is not after the left row.
    Backward,
    /// The first one that is not before the left row.
    Forward,
    /// The one at the least distance; of two at the same distance the earlier one.
    Nearest,
}

/// ASOF join. Output columns: left, then right. Of several right rows with the same keys and time the one counts whose columns are the
/// greatest, compared in their order, where NULL is the least.
#[derive(Debug, Clone)]
pub struct AsofJoinSpec {
    /// Inner, or left: then a left row without a right one stands beside NULLs.
    pub join_type: JoinType,
    /// On which side of the left row the right one is looked for.
    pub direction: AsofDirection,
    /// Whether a right row of the very same time does not count. Not with [`AsofDirection::Nearest`].
    pub strict: bool,
    /// Key columns of the left input; none: all rows have the same key. A row with a NULL key has no match.
    pub left_keys: Vec<usize>,
    /// Key columns of the right input, of the same types.
    pub right_keys: Vec<usize>,
    /// The column of the left input that is compared: a time or a whole number. A row where it is NULL has no match.
    pub left_time: usize,
    /// The column of the right input that is compared, of the same type.
    pub right_time: usize,
    /// The greatest distance at which a right row counts, in nanoseconds, or as a number; not negative.
    pub tolerance: Option<i64>,
    /// Both compared columns as they follow the watermark; `None`: every row is kept until it is retracted.
    pub times: Option<[TimeColumn; 2]>,
}

impl AsofJoinSpec {
    /// As a join by the same keys, which is what the graph must know of it.
    fn by_keys(&self, left: &EdgeProperties, right: &EdgeProperties) -> JoinSpec {
        let keys = |columns: &[usize], input: &EdgeProperties| -> Vec<ExprRef> {
            columns.iter().map(|column| Column::new(&input.schema, *column)).collect()
        };
        let (left_keys, right_keys) = (keys(&self.left_keys, left), keys(&self.right_keys, right));
        JoinSpec { join_type: self.join_type, ..JoinSpec::inner(left_keys, right_keys) }
    }

    /// How far the left time of the output can be behind the watermark: a right row changes what is shown of left rows in its
    /// direction.
    fn left_lag(&self, [left, right]: [TimeColumn; 2]) -> Option<i64> {
        match self.direction {
            AsofDirection::Backward => Some(left.lag.max(right.lag)),
            AsofDirection::Forward | AsofDirection::Nearest => Some(left.lag.max(right.lag.saturating_add(self.tolerance?))),
        }
    }
}

impl NodeSpec for AsofJoinSpec {
    fn name(&self) -> &'static str {
        "asof join"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let (left, right) = (inputs[0], inputs[1]);
        let time_columns = match self.times {
            Some(times) => {
                let column = |lag| TimeColumn { mixed: true, ..TimeColumn::new(self.left_time, lag) };
                self.left_lag(times).map(column).into_iter().collect()
            }
            // As with any join: what changes in a table is no news of the stream.
            None if !right.is_stream => left.time_columns.iter().map(|time| time.incomplete()).collect(),
            None => Vec::new(),
        };
        // A right row that comes later can take the place of the one that is shown.
        let by_keys = self.by_keys(left, right).derive(inputs, schema);
        EdgeProperties { changes: ChangeKind::Retract, time_columns, ..by_keys }
    }

    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        self.by_keys(&inputs[0], &inputs[1]).distribute(inputs)
    }

    /// Each row can be nearer to all rows of the other side than those before it.
    fn takes_pieces(&self, _: bool) -> bool {
        false
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        let (left, right) = (&inputs[0].schema, &inputs[1].schema);
        for (column, input) in self.left_keys.iter().map(|key| (key, left)).chain(self.right_keys.iter().map(|key| (key, right)))
        {
            expect_column(input, *column)?;
        }
        expect_column(left, self.left_time)?;
        expect_column(right, self.right_time)?;
        expect_compared(left.field(self.left_time).data_type(), right.field(self.right_time).data_type())?;
        if !matches!(self.join_type, JoinType::Inner | JoinType::Left) || self.tolerance.is_some_and(|tolerance| tolerance < 0) {
            return Err(Error::internal("an ASOF join that is neither inner nor left, or whose tolerance is negative"));
        }
        // All columns break ties.
        RowKeys::of_schema(right)?;
        self.by_keys(inputs[0], inputs[1]).validate(inputs, schema)?;
        let expected = self.join_type.output_schema(left, right);
        expect_types(schema, expected.fields().iter().map(|field| field.data_type()))
    }

    fn explain(&self, node: &Node, _: &[&SchemaRef]) -> String {
        let name = |column: usize| node.output.schema.fields().get(column).map_or("?", |field| field.name().as_str());
        let keys: Vec<&str> = self.left_keys.iter().map(|key| name(*key)).collect();
        let keys = if keys.is_empty() { String::new() } else { format!(" on ({})", keys.join(", ")) };
        let found = match (self.direction, self.strict) {
            (AsofDirection::Backward, false) => "the last not after",
            (AsofDirection::Backward, true) => "the last before",
            (AsofDirection::Forward, false) => "the first not before",
            (AsofDirection::Forward, true) => "the first after",
            (AsofDirection::Nearest, _) => "the nearest to",
        };
        let is_time =
            node.output.schema.fields().get(self.left_time).is_some_and(|field| nanos_per_unit(field.data_type()).is_some());
        let tolerance = match self.tolerance {
            Some(tolerance) if is_time => format!(" within {}", interval(tolerance)),
            Some(tolerance) => format!(" within {tolerance}"),
            None => String::new(),
        };
        let kind = if self.join_type == JoinType::Left { "AsOf left join" } else { "AsOf join" };
        let kept = if self.times.is_some() { ", forgets" } else { "" };
        format!("{kind}{keys} with {found} {}{tolerance}{kept}", name(self.left_time))
    }

    /// The rows of both sides, or of those that follow a watermark the ones that can still meet a row to come.
    fn keeps(&self, _: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        let (left, right) = (&inputs[0], &inputs[1]);
        let remedy = if self.times.is_some() {
            "add a tolerance: AND r.ts <= l.ts + INTERVAL …"
        } else {
            "give both sides a WATERMARK on the times that are compared; rows of tables and of sources that take rows back are kept"
        };
        let kept = |name: &str, input: &KeptInput<'_>, keys: &[usize], forgotten: Option<&str>| {
            let by = if keys.is_empty() { String::new() } else { format!(" by ({})", column_names(&input.edge.schema, keys)) };
            let bytes = KEYED_ROW_BYTES + ORDERED_ROW_BYTES + row_bytes(&input.edge.schema);
            let extent = forgotten.map_or_else(|| input.extent.clone(), |forgotten| Extent::Bounded(forgotten.to_owned()));
            Kept::new(format!("the rows of the {name} side{by}, in the order of their times"), &extent, bytes, remedy)
        };
        let left_ends = self.times.and_then(|times| self.left_lag(times)).map(|_| "those that a right row to come can change");
        let right_ends =
            self.times.map(|_| "those that a left row to come can meet: of each key the last one, and what is newer");
        let sides = vec![kept("left", left, &self.left_keys, left_ends), kept("right", right, &self.right_keys, right_ends)];
        NodeKeeps { kept: sides, output: left.extent.clone() }
    }

    fn follows_watermark(&self) -> bool {
        self.times.is_some()
    }
}

/// Whether values of this type can be compared by an ASOF join: times and whole numbers.
pub fn is_asof_type(data_type: &DataType) -> bool {
    let is_number = matches!(data_type, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64);
    is_number || nanos_per_unit(data_type).is_some()
}

fn expect_compared(left: &DataType, right: &DataType) -> Result<()> {
    if left == right && is_asof_type(left) {
        return Ok(());
    }
    let text = format!("an ASOF join compares times or whole numbers of one type, not {left} with {right}");
    Err(Error::new(Code::TypeMismatch, text).with_hint("cast both to TIMESTAMP or BIGINT"))
}
