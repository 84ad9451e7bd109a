//! What the conditions of a join say about the difference of two times: how long a row can still meet others.

use arrow_schema::DataType;
use datafusion::common::{DFSchema, NullEquality, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{self as df, BinaryExpr, Expr, ExprSchemable, Join, Operator, build_join_schema};
use laminar_core::Result;
use laminar_core::dag::{EdgeProperties, TimeBound};
use laminar_core::expr::{ExprRef, both, times_apart};
use laminar_core::time::event_time::nanos_per_unit;

use crate::expr::{exact_length, shifted};
use crate::plan::errors::from_datafusion;

/// The bound by which the join's state can forget rows: of two columns that follow the watermarks of their edges.
pub(super) fn time_bound(join: &Join, left: &EdgeProperties, right: &EdgeProperties) -> Result<Option<TimeBound>> {
    let both = build_join_schema(join.left.schema(), join.right.schema(), &df::JoinType::Inner).map_err(from_datafusion)?;
    let mut differences = Vec::new();
    // NULL is a time that equals NULL there.
    if join.null_equality == NullEquality::NullEqualsNothing {
        let equal = join.on.iter().map(|(left, right)| compared(left, Operator::Eq, right, &both));
        differences.extend(equal.flatten());
    }
    let conditions = join.filter.iter().flat_map(split_conjunction);
    differences.extend(conditions.flat_map(|condition| differences_in(condition, &both)));
    let width = join.left.schema().fields().len();
    let bounds = differences.into_iter().filter_map(|difference| difference.as_bound(width, left, right));
    Ok(bounds.fold(Vec::new(), with_bound).into_iter().min_by_key(openness))
}

/// `one - other` of two time columns lies in `[least, most]`, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Difference {
    one: usize,
    other: usize,
    least: Option<i64>,
    most: Option<i64>,
    /// What is to be added to an end that is said, so that the condition says nothing more than that; `None`: it may say more.
    exact: Option<i64>,
}

impl Difference {
    fn as_bound(self, left_width: usize, left: &EdgeProperties, right: &EdgeProperties) -> Option<TimeBound> {
        let turned = |bound: Option<i64>| bound.map(i64::saturating_neg);
        let Self { one, other, least, most, .. } = if self.one < left_width {
            self
        } else {
            Self { one: self.other, other: self.one, least: turned(self.most), most: turned(self.least), ..self }
        };
        if one >= left_width {
            return None;
        }
        let right = right.time_column(other.checked_sub(left_width)?)?;
        Some(TimeBound { left: left.time_column(one)?, right, least, most })
    }
}

/// Adds a bound to those that are known: what is said of the same two columns holds together.
fn with_bound(mut known: Vec<TimeBound>, bound: TimeBound) -> Vec<TimeBound> {
    let same = |known: &&mut TimeBound| known.left == bound.left && known.right == bound.right;
    match known.iter_mut().find(same) {
        Some(known) => {
            known.least = known.least.max(bound.least);
            known.most = [known.most, bound.most].into_iter().flatten().min();
        }
        None => known.push(bound),
    }
    known
}

/// How little a bound lets forget: sides that are kept for ever, then the length for which rows are kept.
fn openness(bound: &TimeBound) -> (usize, i64) {
    let open = [bound.least, bound.most].iter().filter(|end| end.is_none()).count();
    (open, bound.most.unwrap_or(0).saturating_sub(bound.least.unwrap_or(0)))
}

/// What one condition says.
fn differences_in(condition: &Expr, schema: &DFSchema) -> Vec<Difference> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => compared(left, *op, right, schema).into_iter().collect(),
        Expr::Between(between) if !between.negated => {
            let ends = [(Operator::GtEq, &between.low), (Operator::LtEq, &between.high)];
            ends.into_iter().filter_map(|(op, end)| compared(&between.expr, op, end, schema)).collect()
        }
        _ => Vec::new(),
    }
}

/// What `left op right` says: of two times, or of the distance of two times and an interval.
fn compared(left: &Expr, op: Operator, right: &Expr, schema: &DFSchema) -> Option<Difference> {
    if let Expr::Literal(length, _) = left {
        return distance(right, op.swap()?, length, schema);
    }
    if let Expr::Literal(length, _) = right {
        return distance(left, op, length, schema);
    }
    apart(left, right, op, 0, schema)
}

/// What `one - other op length` says.
fn distance(distance: &Expr, op: Operator, length: &ScalarValue, schema: &DFSchema) -> Option<Difference> {
    match distance {
        Expr::Alias(alias) => self::distance(&alias.expr, op, length, schema),
        // The distance of two times has a type of its own; as an INTERVAL it is as long.
        Expr::ScalarFunction(call) if matches!(call.name(), "__interval_by_length" | "__cast") => match call.args.as_slice() {
            [inner] if is_interval(distance, schema) => self::distance(inner, op, length, schema),
            _ => None,
        },
        Expr::Cast(cast) if is_interval(distance, schema) => self::distance(&cast.expr, op, length, schema),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus, right }) => {
            apart(left, right, op, exact_length(length)?, schema)
        }
        _ => None,
    }
}

fn is_interval(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|data_type| matches!(data_type, DataType::Interval(_)))
}

/// What `one - other op length` says of the columns in `one` and `other`, which are times.
fn apart(one: &Expr, other: &Expr, op: Operator, length: i64, schema: &DFSchema) -> Option<Difference> {
    let is_time = |expr: &Expr| expr.get_type(schema).is_ok_and(|data_type| nanos_per_unit(&data_type).is_some());
    if !is_time(one) || !is_time(other) {
        return None;
    }
    let (one, other) = (shifted(one, schema)?, shifted(other, schema)?);
    let least = length.saturating_sub(one.most).saturating_add(other.least);
    let most = length.saturating_sub(one.least).saturating_add(other.most);
    let (least, most) = match op {
        Operator::Eq => (Some(least), Some(most)),
        Operator::Gt | Operator::GtEq => (Some(least), None),
        Operator::Lt | Operator::LtEq => (None, Some(most)),
        _ => return None,
    };
    let step = match op {
        Operator::Gt => 1,
        Operator::Lt => -1,
        _ => 0,
    };
    let exact = (one.least == one.most && other.least == other.most).then_some(step);
    Some(Difference { one: one.column, other: other.column, least, most, exact })
}

/// A condition that says of times in nanoseconds how far apart they are and nothing else, without the calendar that adding intervals takes.
pub(super) fn apart_alone(condition: &Expr, schema: &DFSchema, text: &str) -> Option<ExprRef> {
    let mut all: Option<ExprRef> = None;
    for part in split_conjunction(condition) {
        let differences = differences_in(part, schema);
        // BETWEEN has two ends, of which one may be about something else.
        if differences.len() != if matches!(part, Expr::Between(_)) { 2 } else { 1 } {
            return None;
        }
        for Difference { one, other, least, most, exact } in differences {
            let moved = |end: Option<i64>| end.map(|end| end.saturating_add(exact.unwrap_or_default()));
            let apart = times_apart(schema.as_arrow(), [one, other], [moved(least), moved(most)], text.to_owned());
            let apart = apart.filter(|_| exact.is_some())?;
            all = Some(match all {
                Some(before) => both(before, apart, text.to_owned()),
                None => apart,
            });
        }
    }
    all
}
