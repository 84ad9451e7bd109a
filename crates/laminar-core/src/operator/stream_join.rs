//! Joins of two streams for Rust users, without SQL: the join operator behind the names that they know.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{DataType, SchemaRef};

use super::join::JoinOperator;
use super::{Operator, OperatorContext};
use crate::expr::{Column, ScalarExpr};
use crate::graph::{self, ChangeKind, EdgeProperties, JoinSpec, TimeBound, TimeColumn};
use crate::state::Imaged;
use crate::time::Watermark;
use crate::time::event_time::{nanos_per_unit, to_nanos};
use crate::{ChangeBatch, Code, Error, Port, Result};

/// What a join shows beside pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinType {
    /// Nothing.
    Inner,
    /// Left rows without a partner, beside NULLs.
    Left,
    /// Right rows without a partner, beside NULLs.
    Right,
    /// Rows of both sides without a partner, beside NULLs.
    Full,
}

/// From which side an event comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinSide {
    /// The first input.
    Left,
    /// The second input.
    Right,
}

/// Joins rows with equal keys whose times are at most a bound apart. Output columns: left, then right.
///
/// The time of a side is the first of its columns that is a time; rows may be retracted. As the watermark moves on, rows are forgotten that
/// nothing to come can meet, and a row behind it is rejected as late. Until both sides have sent something, or
/// [`with_inputs`](Self::with_inputs) has named their columns, rows wait.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_schema::{DataType, Field, Schema, TimeUnit};
/// use std::time::Duration;
/// use laminar_core::operator::OperatorContext;
/// use laminar_core::operator::stream_join::{JoinSide, JoinType, StreamJoinOperator};
/// use laminar_core::time::Watermark;
/// use laminar_core::{ChangeBatch, StepId};
///
/// # fn main() -> laminar_core::Result<()> {
/// # let time = DataType::Timestamp(TimeUnit::Nanosecond, None);
/// # let fields = |key| vec![Field::new(key, DataType::Utf8, false), Field::new("ts", time.clone(), false)];
/// let orders = Arc::new(Schema::new(fields("item")));
/// let prices = Arc::new(Schema::new(fields("name")));
/// let mut join = StreamJoinOperator::new("item".into(), "name".into(), Duration::from_secs(60), JoinType::Inner);
///
/// let (mut out, mut rejected, mut wake_at) = (Vec::new(), Vec::new(), None);
/// let mut ctx = OperatorContext::new(StepId(1), 0, Watermark::START, &mut out, &mut rejected, &mut wake_at);
/// join.process_side(&ChangeBatch::parse(&orders, "+1 | tea | 00:01")?, JoinSide::Left, &mut ctx)?;
/// join.process_side(&ChangeBatch::parse(&prices, "+1 | tea | 00:02 ; +1 | tea | 00:03")?, JoinSide::Right, &mut ctx)?;
/// assert_eq!(out[0].print(), "+1 | tea | 00:01 | tea | 00:02");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct StreamJoinOperator {
    keys: [String; 2],
    time_bound: i64,
    join_type: JoinType,
    inputs: [Option<SchemaRef>; 2],
    join: Option<JoinOperator>,
    /// What waits until the columns of both sides are known.
    waiting: Vec<(Port, ChangeBatch)>,
    watermark: Watermark,
}

impl StreamJoinOperator {
    /// Joins on the columns `left_key` and `right_key`, and on times at most `time_bound` apart. What cannot be joined is refused when the
    /// columns are known.
    pub fn new(left_key: String, right_key: String, time_bound: Duration, join_type: JoinType) -> Self {
        Self {
            keys: [left_key, right_key],
            time_bound: i64::try_from(time_bound.as_nanos()).unwrap_or(i64::MAX),
            join_type,
            inputs: [None, None],
            join: None,
            waiting: Vec::new(),
            watermark: Watermark::START,
        }
    }

    /// The same with the columns of both sides, so that no row has to wait.
    ///
    /// # Errors
    /// If a key or a time is missing, or the keys' types differ.
    pub fn with_inputs(mut self, left: SchemaRef, right: SchemaRef) -> Result<Self> {
        self.join = Some(self.build(&left, &right)?);
        self.inputs = [Some(left), Some(right)];
        Ok(self)
    }

    /// Takes rows of one side and emits what they change.
    ///
    /// # Errors
    /// If a key or a time is missing, or the keys' types differ.
    pub fn process_side(&mut self, event: &ChangeBatch, side: JoinSide, ctx: &mut OperatorContext<'_>) -> Result<()> {
        let port = if side == JoinSide::Left { Port::LEFT } else { Port::RIGHT };
        self.on_changes(port, event.clone(), ctx)?;
        self.end_step(ctx)
    }

    fn build(&self, left: &SchemaRef, right: &SchemaRef) -> Result<JoinOperator> {
        let time = |schema: &SchemaRef, side: &str| {
            let found = schema.fields().iter().position(|field| nanos_per_unit(field.data_type()).is_some());
            let missing = || Error::new(Code::TypeMismatch, format!("the {side} side has no column that is a time"));
            found.map(|column| TimeColumn::new(column, 0)).ok_or_else(missing)
        };
        let key = |schema: &SchemaRef, name: &str| {
            let found =
                schema.index_of(name).map_err(|_| Error::new(Code::UnknownColumn, format!("there is no column '{name}'")))?;
            Ok::<_, Error>(Column::new(schema, found))
        };
        let (left_time, right_time) = (time(left, "left")?, time(right, "right")?);
        let within = Within { left: left_time.column, right: left.fields().len() + right_time.column, bound: self.time_bound };
        let spec = JoinSpec {
            join_type: match self.join_type {
                JoinType::Inner => graph::JoinType::Inner,
                JoinType::Left => graph::JoinType::Left,
                JoinType::Right => graph::JoinType::Right,
                JoinType::Full => graph::JoinType::Full,
            },
            residual: Some(Arc::new(within)),
            time_bound: Some(TimeBound {
                left: left_time,
                right: right_time,
                least: Some(-self.time_bound),
                most: Some(self.time_bound),
            }),
            ..JoinSpec::inner(vec![key(left, &self.keys[0])?], vec![key(right, &self.keys[1])?])
        };
        let edge = |schema: &SchemaRef| EdgeProperties::new(schema.clone(), ChangeKind::Retract);
        let output = Arc::new(spec.join_type.output_schema(left, right));
        JoinOperator::new(&spec, &edge(left), &edge(right), output)
    }

    /// Lets the rows go that have waited, if the columns of both sides are known now.
    fn begin(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (None, [Some(left), Some(right)]) = (&self.join, &self.inputs) else { return Ok(()) };
        let mut join = self.build(left, right)?;
        for (port, changes) in std::mem::take(&mut self.waiting) {
            join.on_changes(port, changes, cx)?;
        }
        join.on_watermark(self.watermark, cx)?;
        self.join = Some(join);
        Ok(())
    }
}

impl Operator for StreamJoinOperator {
    fn on_changes(&mut self, port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if let Some(join) = &mut self.join {
            return join.on_changes(port, changes, cx);
        }
        self.inputs[port.index()].get_or_insert_with(|| changes.schema());
        self.waiting.push((port, changes));
        self.begin(cx)
    }

    fn on_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.watermark = watermark;
        self.join.as_mut().map_or(Ok(()), |join| join.on_watermark(watermark, cx))
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.join.as_mut().map_or(Ok(()), |join| join.end_step(cx))
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        self.join.as_mut().and_then(|join| join.state())
    }
}

/// Whether two times of a pair are at most so many nanoseconds apart.
#[derive(Debug)]
struct Within {
    left: usize,
    right: usize,
    bound: i64,
}

impl ScalarExpr for Within {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let (left, right) = (to_nanos(rows.column(self.left))?, to_nanos(rows.column(self.right))?);
        let near = left.iter().zip(&right).map(|(left, right)| Some(left?.abs_diff(right?) <= self.bound.unsigned_abs()));
        Ok(Arc::new(near.collect::<BooleanArray>()) as Arc<dyn Array>)
    }

    fn data_type(&self) -> &DataType {
        &DataType::Boolean
    }

    fn nullable(&self) -> bool {
        true
    }

    fn display(&self) -> String {
        format!("|#{} - #{}| <= {} ns", self.left, self.right, self.bound)
    }
}
