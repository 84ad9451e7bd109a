//! Temporal filters against looking at every row anew: any moments, NULLs, duplicates, retractions, clocks that go back, cuts, restarts.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, Int64Array};
use arrow_schema::DataType;
use laminar_core::changelog::{Integral, consolidate_all, print_all, print_net};
use laminar_core::dag::{ChangeKind, EdgeProperties, TemporalFilterSpec};
use laminar_core::expr::ExprRef;
use laminar_core::operator::Operator;
use laminar_core::operator::temporal_filter::TemporalFilter;
use laminar_core::state::{Ownership, StateImage};
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Code, Error, Port};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::graphs::exprs::expr;
use crate::harness::Harness;
use crate::random::{Row, batch, cases, change, cut, for_each_case, row, schema};

/// A moment that follows from a row: its key, or its value, and a constant.
#[derive(Debug, Clone, Copy)]
enum Moment {
    Key(i64),
    Value(i64),
    Always,
}

impl Moment {
    fn random(rng: &mut StdRng) -> Self {
        match rng.random_range(0..5) {
            0 => Moment::Always,
            1 | 2 => Moment::Key(rng.random_range(-2..4)),
            _ => Moment::Value(rng.random_range(-2..6)),
        }
    }

    fn of(self, key: Option<i64>, value: Option<f64>) -> Option<i64> {
        match self {
            Moment::Key(more) => key.map(|key| key + more),
            Moment::Value(more) => value.filter(|value| !value.is_nan()).map(|value| value as i64 + more),
            Moment::Always => Some(i64::MAX),
        }
    }

    fn expr(self) -> ExprRef {
        expr(&format!("{self:?}"), DataType::Int64, move |rows| {
            let (keys, values) = (rows.column(0).as_primitive::<Int64Type>(), rows.column(2).as_primitive::<Float64Type>());
            let row = |row| self.of(keys.is_valid(row).then(|| keys.value(row)), values.is_valid(row).then(|| values.value(row)));
            Ok(Arc::new((0..rows.num_rows()).map(row).collect::<Int64Array>()))
        })
    }
}

#[derive(Debug, Clone)]
struct Model {
    from: Vec<Moment>,
    until: Vec<Moment>,
}

impl Model {
    fn random(rng: &mut StdRng) -> Self {
        let mut moments = |most| (0..rng.random_range(0..=most)).map(|_| Moment::random(rng)).collect::<Vec<_>>();
        let (from, until) = (moments(1), moments(2));
        if from.is_empty() && until.is_empty() { Self { until: vec![Moment::Key(3)], from } } else { Self { from, until } }
    }

    fn operator(&self, changes: ChangeKind) -> TemporalFilter {
        let exprs = |moments: &[Moment]| moments.iter().map(|moment| moment.expr()).collect();
        let spec = TemporalFilterSpec { from: exprs(&self.from), until: exprs(&self.until) };
        TemporalFilter::new(&spec, &EdgeProperties::new(schema(), changes), schema())
    }

    fn moments(&self, row: &Row) -> [i64; 2] {
        let each = |moments: &[Moment], unknown| -> Vec<i64> {
            moments.iter().map(|moment| moment.of(row.k, row.v).unwrap_or(unknown)).collect()
        };
        let from = each(&self.from, i64::MAX).into_iter().max().unwrap_or(i64::MIN);
        [from, each(&self.until, i64::MIN).into_iter().min().unwrap_or(i64::MAX)]
    }

    fn shows(&self, row: &Row, now: i64) -> bool {
        let [from, until] = self.moments(row);
        from <= now && now < until
    }

    /// Whether the row is to come or to go after `now`.
    fn is_to_change(&self, row: &Row, now: i64) -> bool {
        let [from, until] = self.moments(row);
        from < until && now < until && (now < from || until < i64::MAX)
    }

    /// When the next of these rows comes or goes.
    fn next(&self, rows: &[Row], now: i64) -> Option<i64> {
        let kept = rows.iter().filter(|row| self.is_to_change(row, now));
        kept.map(|row| self.moments(row)).map(|[from, until]| if now < from { from } else { until }).min()
    }
}

fn check_random_case(rng: &mut StdRng, changes: &ChangeKind) {
    let model = Model::random(rng);
    let mut harness = Harness::new(model.operator(changes.clone()));
    let (mut present, mut shown): (Vec<Row>, Vec<(Row, i64)>) = Default::default();
    // The latest clock counts.
    let mut now = i64::MIN;
    for _ in 0..rng.random_range(1..9) {
        harness.now += [0, 1, 1, 2, 5, -1][rng.random_range(0..6)];
        now = now.max(harness.now);
        let mut rows: Vec<(Row, i64)> = match changes {
            ChangeKind::Append => (0..rng.random_range(0..8)).map(|_| (row(rng), 1)).collect(),
            _ => (0..rng.random_range(0..8)).map(|_| change(rng, &mut present)).collect(),
        };
        if changes.is_append() {
            present.extend(rows.iter().map(|(row, _)| row.clone()));
        }
        rows.shuffle(rng);
        let emitted = harness.step(cut(rng, &rows).into_iter().map(|rows| (Port::LEFT, rows)).collect()).unwrap();
        let expected: Vec<(Row, i64)> = present.iter().filter(|row| model.shows(row, now)).map(|row| (row.clone(), 1)).collect();
        let difference: Vec<(Row, i64)> = shown.iter().map(|(row, _)| (row.clone(), -1)).chain(expected.clone()).collect();
        check_step(&difference, &emitted);
        shown = expected;
        let kept: Vec<Row> = present.iter().filter(|row| model.is_to_change(row, now)).cloned().collect();
        assert_eq!(harness.wake_at, model.next(&kept, now), "the next moment at {now}");
        if !changes.is_append() {
            let kept: Vec<(Row, i64)> = kept.into_iter().map(|row| (row, 1)).collect();
            let kept = consolidate_all(&schema(), &[batch(&kept)]).unwrap().len();
            assert_eq!(harness.operator.state().unwrap().rows(), kept, "rows that will come or go");
        }
        if rng.random_bool(0.25) {
            harness.replace_by_image(model.operator(changes.clone())).unwrap();
        }
    }
}

/// So many workers, each of which has the rows of some keys.
fn workers(model: &Model, count: usize) -> Vec<(Harness<TemporalFilter>, Ownership)> {
    let owned = |worker| match count {
        1 => Ownership::All,
        workers => Ownership::Keys { keys: vec![0], worker, workers },
    };
    (0..count).map(|worker| (Harness::new(model.operator(ChangeKind::Retract)), owned(worker))).collect()
}

fn check_random_workers(rng: &mut StdRng) {
    let model = Model::random(rng);
    let mut running = workers(&model, rng.random_range(1..4));
    let (mut present, mut shown): (Vec<Row>, Vec<(Row, i64)>) = Default::default();
    for now in 0..rng.random_range(1..9) {
        let rows: Vec<(Row, i64)> = (0..rng.random_range(0..8)).map(|_| change(rng, &mut present)).collect();
        let changes = batch(&rows);
        let mut emitted = Vec::new();
        for (harness, owned) in &mut running {
            harness.now = now;
            let own = changes.filter(&owned.owned(changes.rows().columns(), changes.len()).unwrap()).unwrap();
            emitted.extend(harness.step(vec![(Port::LEFT, own)]).unwrap());
        }
        let expected: Vec<(Row, i64)> = present.iter().filter(|row| model.shows(row, now)).map(|row| (row.clone(), 1)).collect();
        let difference: Vec<(Row, i64)> = shown.iter().map(|(row, _)| (row.clone(), -1)).chain(expected.clone()).collect();
        check_step(&difference, &emitted);
        shown = expected;
        if rng.random_bool(0.3) {
            let images: Vec<StateImage> =
                running.iter_mut().map(|(harness, _)| harness.operator.state().unwrap().image().unwrap()).collect();
            running = workers(&model, rng.random_range(1..4));
            for (harness, owned) in &mut running {
                harness.operator.state().unwrap().restore(&images.iter().collect::<Vec<_>>(), owned).unwrap();
            }
        }
    }
}

#[test]
fn rows_come_and_go_on_whichever_worker_has_them() {
    for_each_case(cases(), check_random_workers);
}

fn check_step(expected: &[(Row, i64)], emitted: &[ChangeBatch]) {
    let expected = consolidate_all(&schema(), &[batch(expected)]).unwrap();
    let actual = Integral::of(schema(), emitted).unwrap();
    if let Some(difference) = Integral::of(schema(), &[expected]).unwrap().difference(&actual).unwrap() {
        panic!("{difference}");
    }
}

#[test]
fn rows_come_and_go_when_looking_at_each_anew_says_so() {
    for_each_case(cases(), |rng| check_random_case(rng, &ChangeKind::Retract));
}

#[test]
fn rows_that_only_come_leave_when_their_time_is_over() {
    for_each_case(cases(), |rng| check_random_case(rng, &ChangeKind::Append));
}

fn between_key_and_three_later() -> Model {
    Model { from: vec![Moment::Key(0)], until: vec![Moment::Key(3)] }
}

/// Steps at a time each.
fn check(steps: &[(i64, &str, &str)]) {
    let mut harness = Harness::new(between_key_and_three_later().operator(ChangeKind::Retract));
    for (now, changes, expected) in steps {
        harness.now = *now;
        let emitted = harness.step(vec![(Port::LEFT, ChangeBatch::parse(&schema(), changes).unwrap())]).unwrap();
        assert_eq!(print_all(&emitted).replace('\n', " ; "), *expected, "{changes} at {now}");
    }
}

#[test]
fn a_row_that_is_taken_back_while_it_waits_never_comes() {
    check(&[(0, "+1 | 2 | a | 0", ""), (1, "-1 | 2 | a | 0", ""), (2, "", ""), (9, "", "")]);
}

#[test]
fn a_row_that_is_taken_back_as_it_comes_is_not_seen_or_goes_at_once() {
    check(&[(0, "+1 | 2 | a | 0", ""), (2, "-1 | 2 | a | 0", "+1 | 2 | a | 0.0 ; -1 | 2 | a | 0.0"), (9, "", "")]);
}

#[test]
fn what_is_over_before_anyone_looked_is_never_shown_and_cannot_be_taken_back_twice() {
    check(&[(0, "+1 | 2 | a | 0", ""), (7, "+1 | 3 | a | 0", ""), (8, "-1 | 2 | a | 0 ; -1 | 3 | a | 0", "")]);
}

#[test]
fn a_row_of_weight_three_comes_and_goes_as_three() {
    check(&[
        (0, "+3 | 2 | a | 0", ""),
        (2, "", "+3 | 2 | a | 0.0"),
        (3, "-1 | 2 | a | 0", "-1 | 2 | a | 0.0"),
        (5, "", "-2 | 2 | a | 0.0"),
    ]);
}

#[test]
fn the_end_of_the_input_is_passed_on_when_no_row_will_come_or_go() {
    let mut harness = Harness::new(between_key_and_three_later().operator(ChangeKind::Append));
    let rows = vec![(Port::LEFT, ChangeBatch::parse(&schema(), "+1 | 1 | a | 0").unwrap())];
    harness.step_between(rows, Watermark::START, Watermark(7)).unwrap();
    assert_eq!(harness.operator.output_watermark(Watermark(7)), Watermark(7));
    harness.step_between(vec![], Watermark(7), Watermark::END).unwrap();
    assert_eq!(harness.operator.output_watermark(Watermark::END), Watermark(7));
    harness.replace_by_image(between_key_and_three_later().operator(ChangeKind::Append)).unwrap();
    harness.now = 1;
    harness.step(vec![]).unwrap();
    assert_eq!(harness.operator.output_watermark(Watermark::END), Watermark(7));
    harness.now = 4;
    harness.step(vec![]).unwrap();
    assert_eq!(harness.operator.output_watermark(Watermark::END), Watermark::END);
    assert_eq!(print_net(&harness.emitted).unwrap(), "");
}

#[test]
fn a_row_whose_moment_cannot_be_computed_is_rejected_alone() {
    let broken = expr("broken", DataType::Int64, |rows| {
        let keys = rows.column(0).as_primitive::<Int64Type>();
        if keys.iter().any(|key| key == Some(3)) {
            Err(Error::new(Code::Arithmetic, "out of range"))
        } else {
            Ok(Arc::new(keys.clone()))
        }
    });
    let spec = TemporalFilterSpec { from: vec![broken], until: vec![] };
    let operator = TemporalFilter::new(&spec, &EdgeProperties::new(schema(), ChangeKind::Retract), schema());
    let mut harness = Harness::new(operator);
    harness.now = 5;
    let step = |harness: &mut Harness<TemporalFilter>, rows: &str| {
        print_all(&harness.step(vec![(Port::LEFT, ChangeBatch::parse(&schema(), rows).unwrap())]).unwrap())
    };
    assert_eq!(step(&mut harness, "+1 | 2 | a | 0 ; +1 | 3 | a | 0"), "+1 | 2 | a | 0.0");
    assert_eq!(step(&mut harness, "-1 | 3 | a | 0 ; -1 | 2 | a | 0"), "-1 | 2 | a | 0.0");
    assert_eq!(harness.rejected_rows(), 1);
    assert_eq!(harness.rejected[0].reasons, ["out of range"]);
}

#[test]
fn many_rows_that_come_and_go_leave_no_memory_behind() {
    let mut harness =
        Harness::new(Model { from: vec![Moment::Key(1)], until: vec![Moment::Key(2)] }.operator(ChangeKind::Append));
    let most = |harness: &mut Harness<TemporalFilter>, rounds: std::ops::Range<i64>| {
        let mut most = 0;
        for round in rounds {
            harness.now = round;
            let rows: Vec<(Row, i64)> = (0..5_000).map(|_| (Row { k: Some(round), s: None, v: None }, 1)).collect();
            harness.step(vec![(Port::LEFT, batch(&rows))]).unwrap();
            harness.emitted.clear();
            most = most.max(harness.operator.state().unwrap().bytes());
        }
        most
    };
    let (early, late) = (most(&mut harness, 0..100), most(&mut harness, 100..200));
    assert!(late * 10 <= early * 11, "{early} bytes, then {late}");
}
