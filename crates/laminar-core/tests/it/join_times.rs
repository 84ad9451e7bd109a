//! Joins that bound how far apart the times of two rows can be: rows are forgotten, and what is shown is what all rows in time give.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, new_null_array};
use arrow_schema::{DataType, SchemaRef};
use laminar_core::changelog::Integral;
use laminar_core::dag::{ChangeKind, EdgeProperties, JoinSpec, JoinType, TimeBound, TimeColumn};
use laminar_core::expr::{Column, ScalarExpr};
use laminar_core::operator::join::JoinOperator;
use laminar_core::operator::{Operator, RejectReason};
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Port, Result};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::harness::Harness;
use crate::random::{cases, for_each_case};
use crate::timed_rows::{Row, batch, columns, most_kept, random_change, schema};

/// `left.ts - right.ts` lies within these.
#[derive(Debug, Clone, Copy)]
struct Within {
    least: Option<i64>,
    most: Option<i64>,
}

impl Within {
    fn holds(self, difference: i64) -> bool {
        self.least.is_none_or(|least| difference >= least) && self.most.is_none_or(|most| difference <= most)
    }
}

impl ScalarExpr for Within {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let [left, right] = [1, 4].map(|column| rows.column(column).as_primitive::<TimestampNanosecondType>());
        Ok(Arc::new(left.iter().zip(right).map(|(left, right)| Some(self.holds(left? - right?))).collect::<BooleanArray>()))
    }

    fn data_type(&self) -> &DataType {
        &DataType::Boolean
    }

    fn nullable(&self) -> bool {
        true
    }

    fn display(&self) -> String {
        "within".to_owned()
    }
}

const TYPES: [JoinType; 9] = [
    JoinType::Inner,
    JoinType::Left,
    JoinType::Right,
    JoinType::Full,
    JoinType::LeftSemi,
    JoinType::RightSemi,
    JoinType::LeftAnti,
    JoinType::RightAnti,
    JoinType::LeftMark,
];

#[derive(Debug, Clone, Copy)]
struct Case {
    join_type: JoinType,
    within: Within,
    lags: [i64; 2],
    appends: [bool; 2],
}

impl Case {
    fn operator(self) -> JoinOperator {
        let edge = |side: usize| {
            let changes = if self.appends[side] { ChangeKind::Append } else { ChangeKind::Retract };
            EdgeProperties { time_columns: vec![TimeColumn::new(1, self.lags[side])], ..EdgeProperties::new(schema(), changes) }
        };
        let [left, right] = self.lags.map(|lag| TimeColumn::new(1, lag));
        let keys = || vec![Column::new(&schema(), 0)];
        let spec = JoinSpec {
            join_type: self.join_type,
            residual: Some(Arc::new(self.within)),
            time_bound: Some(TimeBound { left, right, least: self.within.least, most: self.within.most }),
            ..JoinSpec::inner(keys(), keys())
        };
        JoinOperator::new(&spec, &edge(0), &edge(1), self.output()).unwrap()
    }

    fn output(self) -> SchemaRef {
        Arc::new(self.join_type.output_schema(&schema(), &schema()))
    }

    /// What the rows in time give.
    fn nested_loops(self, sides: &[Vec<(Row, i64)>; 2]) -> Vec<(Option<Row>, Option<Row>, Option<bool>, i64)> {
        let mut shown = Vec::new();
        let meets = |left: &Row, right: &Row| {
            left.0.is_some()
                && left.0 == right.0
                && left.1.zip(right.1).is_some_and(|(left, right)| self.within.holds(left - right))
        };
        for (left, weight) in &sides[0] {
            for (right, other) in sides[1].iter().filter(|(right, _)| meets(left, right)) {
                if self.join_type.shows_pairs() {
                    shown.push((Some(*left), Some(*right), None, weight * other));
                }
            }
            let matches: i64 = sides[1].iter().filter(|(right, _)| meets(left, right)).map(|(_, weight)| weight).sum();
            match self.join_type {
                JoinType::Left | JoinType::Full | JoinType::LeftAnti if matches == 0 => {
                    shown.push((Some(*left), None, None, *weight))
                }
                JoinType::LeftSemi if matches > 0 => shown.push((Some(*left), None, None, *weight)),
                JoinType::LeftMark => shown.push((Some(*left), None, Some(matches > 0), *weight)),
                _ => {}
            }
        }
        for (right, weight) in &sides[1] {
            let matches: i64 = sides[0].iter().filter(|(left, _)| meets(left, right)).map(|(_, weight)| weight).sum();
            match self.join_type {
                JoinType::Right | JoinType::Full | JoinType::RightAnti if matches == 0 => {
                    shown.push((None, Some(*right), None, *weight));
                }
                JoinType::RightSemi if matches > 0 => shown.push((None, Some(*right), None, *weight)),
                _ => {}
            }
        }
        shown
    }

    fn as_batch(self, shown: &[(Option<Row>, Option<Row>, Option<bool>, i64)]) -> ChangeBatch {
        let side =
            |rows: Vec<Option<Row>>| columns(&rows.into_iter().map(|row| row.unwrap_or((None, None, 0))).collect::<Vec<_>>());
        let with_nulls = |rows: Vec<Option<Row>>| {
            let absent: Vec<bool> = rows.iter().map(Option::is_none).collect();
            let mut columns = side(rows);
            let numbers = columns[2].as_primitive::<arrow_array::types::Int64Type>();
            columns[2] = Arc::new(numbers.iter().zip(absent).map(|(n, absent)| n.filter(|_| !absent)).collect::<Int64Array>());
            columns
        };
        let left = || with_nulls(shown.iter().map(|row| row.0).collect());
        let right = || with_nulls(shown.iter().map(|row| row.1).collect());
        let columns = match self.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti => left(),
            JoinType::RightSemi | JoinType::RightAnti => right(),
            JoinType::LeftMark => {
                let marks: BooleanArray = shown.iter().map(|row| row.2).collect();
                [left(), vec![Arc::new(marks) as ArrayRef]].concat()
            }
            _ => [left(), right()].concat(),
        };
        let rows = RecordBatch::try_new(self.output(), columns).unwrap();
        ChangeBatch::new(rows, shown.iter().map(|row| row.3).collect::<Vec<_>>())
    }
}

fn random_bound(rng: &mut StdRng) -> Option<i64> {
    rng.random_bool(0.8).then(|| rng.random_range(-6..12))
}

fn check_random_case(rng: &mut StdRng) {
    let (least, most) = (random_bound(rng).map(|bound| bound - 6), random_bound(rng));
    let case = Case {
        join_type: TYPES[rng.random_range(0..TYPES.len())],
        within: Within { least, most },
        lags: [rng.random_range(0..3), rng.random_range(0..3)],
        appends: rng.random(),
    };
    let mut harness = Harness::new(case.operator());
    let (mut present, mut all): ([Vec<Row>; 2], [Vec<(Row, i64)>; 2]) = Default::default();
    let (mut watermark, mut late) = (0, 0);
    for _ in 0..rng.random_range(1..12) {
        let mut inputs = Vec::new();
        for side in 0..2 {
            for _ in 0..rng.random_range(0..4) {
                let (row, weight, in_time) =
                    random_change(rng, Some(watermark - case.lags[side]), case.appends[side], &mut present[side]);
                inputs.push((Port(side as u8), batch(&[(row, weight)])));
                if in_time {
                    all[side].push((row, weight));
                } else {
                    late += 1;
                }
            }
        }
        let next = watermark + rng.random_range(0..8);
        harness.step_between(inputs, Watermark(watermark), Watermark(next)).unwrap();
        watermark = next;
        let expected = Integral::of(case.output(), &[case.as_batch(&case.nested_loops(&all))]).unwrap();
        let actual = Integral::of(case.output(), &harness.emitted).unwrap();
        if let Some(difference) = expected.difference(&actual).unwrap() {
            panic!("{case:?}: {difference}");
        }
        assert_eq!(harness.rejected_rows(), late, "late rows");
        if let Some((least, most)) = case.within.least.zip(case.within.most) {
            let reach = least.abs().max(most.abs()) + 2;
            let recent = |rows: &Vec<(Row, i64)>| {
                rows.iter().filter(|(row, _)| row.1.is_some_and(|time| time >= watermark - reach)).count()
            };
            let kept = harness.operator.state().unwrap().rows();
            assert!(kept <= all.iter().map(recent).sum(), "{kept} rows are kept of {all:?} at {watermark}");
        }
        if rng.random_bool(0.2) {
            harness.replace_by_image(case.operator()).unwrap();
        }
    }
}

#[test]
fn a_bounded_join_gives_what_nested_loops_over_the_rows_in_time_give() {
    for_each_case(cases(), check_random_case);
}

fn appending(join_type: JoinType, least: i64, most: i64) -> Case {
    Case { join_type, within: Within { least: Some(least), most: Some(most) }, lags: [0, 0], appends: [true, true] }
}

#[test]
fn a_long_stream_keeps_the_rows_of_the_bound_alone() {
    for join_type in TYPES {
        let mut harness = Harness::new(appending(join_type, -1_000, 1_000).operator());
        let (rows, bytes) = most_kept(&mut harness, 2_000);
        assert!(rows <= 2 * 1_300, "{join_type:?} keeps {rows} rows");
        assert!(bytes < 4 << 20, "{join_type:?} keeps {bytes} bytes");
    }
}

#[test]
fn a_row_in_time_meets_what_came_before_and_a_late_one_meets_nothing() {
    let mut harness = Harness::new(appending(JoinType::Left, 0, 10).operator());
    let row = |time: i64, n: i64| batch(&[((Some(1), Some(time), n), 1)]);
    let stood = |changes: ChangeBatch, at: i64| changes.with_arrivals(vec![at].into());
    harness.step_between(vec![(Port::RIGHT, row(100, 1))], Watermark::START, Watermark(105)).unwrap();
    // Its own source had not passed it: it is in time, whatever the other source has sent meanwhile.
    harness.step_between(vec![(Port::LEFT, stood(row(106, 2), 106))], Watermark(105), Watermark(105)).unwrap();
    // Its own source had passed it, though the join has forgotten nothing that it could meet.
    harness.step_between(vec![(Port::LEFT, stood(row(106, 3), 107))], Watermark(105), Watermark(105)).unwrap();
    assert_eq!(harness.emitted.len(), 1);
    assert_eq!(harness.emitted[0].len(), 1);
    let [rejected] = harness.rejected.as_slice() else { panic!("one late row") };
    assert_eq!(rejected.reason, RejectReason::Late);
    let reason = "ts 1970-01-01 00:00:00.000000106 is behind the watermark 1970-01-01 00:00:00.000000107: \
                  rows that it would meet may be forgotten";
    assert_eq!(rejected.reasons, [reason]);
    assert_eq!(rejected.rows.num_columns(), 6);
    assert_eq!(rejected.rows.column(3).as_ref(), new_null_array(&DataType::Int64, 1).as_ref());
}

#[test]
fn rows_without_a_time_meet_nothing_and_are_not_kept() {
    let mut harness = Harness::new(appending(JoinType::Full, 0, 10).operator());
    let row = |n: i64| batch(&[((Some(1), None, n), 1)]);
    harness.step_between(vec![(Port::LEFT, row(1)), (Port::RIGHT, row(2))], Watermark::START, Watermark::START).unwrap();
    assert_eq!(harness.emitted.iter().map(ChangeBatch::len).sum::<usize>(), 2);
    assert_eq!(harness.operator.state().unwrap().rows(), 0);
}
