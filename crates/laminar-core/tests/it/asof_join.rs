//! ASOF joins against nested loops: every direction, ties, retractions, late rows, rows that are forgotten.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::SchemaRef;
use laminar_core::changelog::Integral;
use laminar_core::dag::{AsofDirection, AsofJoinSpec, ChangeKind, EdgeProperties, JoinType, TimeColumn};
use laminar_core::operator::asof_join::AsofJoin;
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Port};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::harness::Harness;
use crate::random::{cases, for_each_case};
use crate::timed_rows::{Row, batch, columns, most_kept, random_change, schema};

#[derive(Debug, Clone, Copy)]
struct Case {
    join_type: JoinType,
    direction: AsofDirection,
    strict: bool,
    tolerance: Option<i64>,
    keyed: bool,
    lags: Option<[i64; 2]>,
    appends: [bool; 2],
}

/// A left row and what stands beside it, with a weight.
type Shown = (Row, Option<Row>, i64);

impl Case {
    fn operator(self) -> AsofJoin {
        let times = self.lags.map(|lags| lags.map(|lag| TimeColumn::new(1, lag)));
        let edge = |side: usize| {
            let changes = if self.appends[side] { ChangeKind::Append } else { ChangeKind::Retract };
            let time_columns = times.map(|times| times[side]).into_iter().collect();
            EdgeProperties { time_columns, ..EdgeProperties::new(schema(), changes) }
        };
        let keys = if self.keyed { vec![0] } else { Vec::new() };
        let spec = AsofJoinSpec {
            join_type: self.join_type,
            direction: self.direction,
            strict: self.strict,
            left_keys: keys.clone(),
            right_keys: keys,
            left_time: 1,
            right_time: 1,
            tolerance: self.tolerance,
            times,
        };
        AsofJoin::new(&spec, &edge(0), &edge(1), self.output()).unwrap()
    }

    fn output(self) -> SchemaRef {
        Arc::new(self.join_type.output_schema(&schema(), &schema()))
    }

    fn beside(self, left: &Row, right: &[Row]) -> Option<Row> {
        let time = left.1?;
        let key = |row: &Row| if self.keyed { row.0 } else { Some(0) };
        let counts = |other: i64| {
            let in_direction = match self.direction {
                AsofDirection::Backward => other <= time,
                AsofDirection::Forward => other >= time,
                AsofDirection::Nearest => true,
            };
            in_direction
                && !(self.strict && other == time)
                && self.tolerance.is_none_or(|tolerance| (other - time).abs() <= tolerance)
        };
        let candidates = right.iter().filter(|row| key(row).is_some() && key(row) == key(left) && row.1.is_some_and(counts));
        // The least distance, then the earlier one, then the greatest columns.
        candidates.copied().max_by_key(|row| {
            let other = row.1.unwrap_or_default();
            (-(other - time).abs(), -other, *row)
        })
    }

    fn nested_loops(self, sides: &[Vec<(Row, i64)>; 2]) -> Vec<Shown> {
        let mut right: Vec<Row> = Vec::new();
        let mut weights: std::collections::BTreeMap<Row, i64> = Default::default();
        sides[1].iter().for_each(|(row, weight)| *weights.entry(*row).or_default() += weight);
        right.extend(weights.into_iter().filter(|(_, weight)| *weight > 0).map(|(row, _)| row));
        let shown = sides[0].iter().map(|(left, weight)| (*left, self.beside(left, &right), *weight));
        shown.filter(|(_, right, _)| self.join_type == JoinType::Left || right.is_some()).collect()
    }

    fn as_batch(self, shown: &[Shown]) -> ChangeBatch {
        let left = columns(&shown.iter().map(|(left, ..)| *left).collect::<Vec<_>>());
        let mut right = columns(&shown.iter().map(|(_, right, _)| right.unwrap_or((None, None, 0))).collect::<Vec<_>>());
        let numbers =
            right[2].as_primitive::<Int64Type>().iter().zip(shown).map(|(n, (_, right, _))| n.filter(|_| right.is_some()));
        right[2] = Arc::new(numbers.collect::<Int64Array>()) as ArrayRef;
        let rows = RecordBatch::try_new(self.output(), [left, right].concat()).unwrap();
        ChangeBatch::new(rows, shown.iter().map(|(.., weight)| *weight).collect::<Vec<_>>())
    }
}

fn random_case(rng: &mut StdRng) -> Case {
    let direction = [AsofDirection::Backward, AsofDirection::Forward, AsofDirection::Nearest][rng.random_range(0..3)];
    Case {
        join_type: if rng.random() { JoinType::Inner } else { JoinType::Left },
        direction,
        strict: direction != AsofDirection::Nearest && rng.random(),
        tolerance: rng.random_bool(0.4).then(|| rng.random_range(0..8)),
        keyed: rng.random_bool(0.8),
        lags: rng.random_bool(0.7).then(|| [rng.random_range(0..3), rng.random_range(0..3)]),
        appends: rng.random(),
    }
}

fn check_random_case(rng: &mut StdRng) {
    let case = random_case(rng);
    let mut harness = Harness::new(case.operator());
    let (mut present, mut all): ([Vec<Row>; 2], [Vec<(Row, i64)>; 2]) = Default::default();
    let (mut watermark, mut late) = (0, 0);
    for _ in 0..rng.random_range(1..12) {
        let mut inputs = Vec::new();
        for side in 0..2 {
            for _ in 0..rng.random_range(0..5) {
                let from = case.lags.map(|lags| watermark - lags[side]);
                let (row, weight, in_time) = random_change(rng, from, case.appends[side], &mut present[side]);
                inputs.push((Port(side as u8), batch(&[(row, weight)])));
                if in_time {
                    all[side].push((row, weight));
                } else {
                    late += 1;
                }
            }
        }
        let next = if case.lags.is_some() { watermark + rng.random_range(0..8) } else { watermark };
        harness.step_between(inputs, Watermark(watermark), Watermark(next)).unwrap();
        watermark = next;
        let expected = Integral::of(case.output(), &[case.as_batch(&case.nested_loops(&all))]).unwrap();
        let actual = Integral::of(case.output(), &harness.emitted).unwrap();
        if let Some(difference) = expected.difference(&actual).unwrap() {
            panic!("{case:?}: {difference}");
        }
        assert_eq!(harness.rejected_rows(), late, "late rows");
        if rng.random_bool(0.2) {
            harness.replace_by_image(case.operator()).unwrap();
        }
    }
}

#[test]
fn an_asof_join_gives_what_nested_loops_over_the_rows_in_time_give() {
    for_each_case(cases(), check_random_case);
}

fn backward() -> Case {
    Case {
        join_type: JoinType::Left,
        direction: AsofDirection::Backward,
        strict: false,
        tolerance: None,
        keyed: true,
        lags: Some([0, 0]),
        appends: [true, true],
    }
}

#[test]
fn a_long_stream_keeps_what_rows_to_come_can_find_alone() {
    let directions = [(AsofDirection::Backward, None), (AsofDirection::Forward, None), (AsofDirection::Nearest, Some(500))];
    for (direction, tolerance) in directions {
        let mut harness = Harness::new(Case { direction, tolerance, ..backward() }.operator());
        let (rows, bytes) = most_kept(&mut harness, 1_000);
        assert!(rows <= 600, "{direction:?} keeps {rows} rows");
        assert!(bytes < 2 << 20, "{direction:?} keeps {bytes} bytes");
    }
}

#[test]
fn a_right_row_takes_the_left_rows_up_to_the_next_one_and_gives_them_back_when_it_goes() {
    let case = Case { lags: None, appends: [true, false], ..backward() };
    let mut harness = Harness::new(case.operator());
    let rows = |times: &[i64]| batch(&times.iter().map(|time| ((Some(1), Some(*time), *time), 1)).collect::<Vec<_>>());
    harness.step(vec![(Port::RIGHT, rows(&[10, 20])), (Port::LEFT, rows(&[5, 12, 14, 16, 25]))]).unwrap();
    // Of five left rows two change their partner: each is taken back and shown anew.
    let taken = harness.step(vec![(Port::RIGHT, rows(&[13]))]).unwrap();
    assert_eq!(taken.iter().map(ChangeBatch::len).sum::<usize>(), 4);
    let back = harness.step(vec![(Port::RIGHT, rows(&[13]).negated())]).unwrap();
    assert!(Integral::of(case.output(), &[taken, back].concat()).unwrap().is_empty());
}

#[test]
fn a_right_row_beyond_all_left_rows_costs_nothing() {
    let mut harness = Harness::new(Case { lags: None, ..backward() }.operator());
    let rows = |from: i64, n: i64| batch(&(from..from + n).map(|time| ((Some(1), Some(time), 0), 1)).collect::<Vec<_>>());
    harness.step(vec![(Port::LEFT, rows(0, 20_000))]).unwrap();
    for step in 0..20_000 {
        assert!(harness.step(vec![(Port::RIGHT, rows(20_000 + step, 1))]).unwrap().is_empty());
    }
}
