//! Top-N against sorting everything: any order, ties, NULLs, duplicates, retractions, any cuts, restarts.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_core::changelog::{Integral, consolidate_all, print_all};
use laminar_core::dag::{ChangeKind, EdgeProperties, TopNSpec};
use laminar_core::expr::{SortDirection, SortKey};
use laminar_core::operator::Operator;
use laminar_core::operator::append_top_n::AppendTopN;
use laminar_core::operator::top_n::TopN;
use laminar_core::{ChangeBatch, Port};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::harness::Harness;
use crate::ordered::InOrder;
use crate::random::{Row, batch, cases, change, cut, for_each_case, row, schema};

fn operator(spec: &TopNSpec) -> TopN {
    let input = EdgeProperties::new(schema(), ChangeKind::Retract);
    TopN::new(spec, &input, output(spec)).unwrap()
}

/// The columns of the result.
fn output(spec: &TopNSpec) -> SchemaRef {
    let number = spec.row_number.iter().map(|name| Arc::new(Field::new(name, DataType::Int64, false)));
    Arc::new(Schema::new(schema().fields().iter().cloned().chain(number).collect::<Vec<_>>()))
}

/// What is shown of rows, each with its number.
type Shown = Vec<(Row, i64)>;

fn model(spec: &TopNSpec, rows: &[Row]) -> Shown {
    let order = InOrder { partition: spec.partition.clone(), order: spec.order.clone() };
    let shown = order.partitions(rows).into_iter().flat_map(|rows| {
        let start = rows.len().min(spec.offset as usize);
        let mut end = rows.len().min(start + spec.limit as usize);
        while spec.with_ties && start < end && end < rows.len() && order.by_keys(&rows[end - 1], &rows[end]).is_eq() {
            end += 1;
        }
        rows[start..end].iter().cloned().zip(start as i64 + 1..).collect::<Shown>()
    });
    shown.collect()
}

fn random_spec(rng: &mut StdRng) -> TopNSpec {
    let InOrder { partition, order } = InOrder::random(rng);
    let (offset, limit) = (rng.random_range(0..3) * rng.random_range(0..2), rng.random_range(0..6));
    let with_ties: bool = rng.random();
    let row_number = (!with_ties && rng.random()).then(|| "number".to_owned());
    TopNSpec { partition, order, offset, limit, with_ties, row_number }
}

/// Rows that only come: those that can never be shown are not kept.
fn check_random_append(rng: &mut StdRng) {
    let spec = random_spec(rng);
    let input = EdgeProperties::new(schema(), ChangeKind::Append);
    if AppendTopN::serves(&spec, &input) && rng.random() {
        check_append(rng, &spec, || AppendTopN::new(&spec, &input, output(&spec)).unwrap(), Vec::len);
    } else {
        check_append(rng, &spec, || TopN::new(&spec, &input, output(&spec)).unwrap(), distinct);
    }
}

/// `stored`: how many rows stand for those that can be shown.
fn check_append<O: Operator>(rng: &mut StdRng, spec: &TopNSpec, append: impl Fn() -> O, stored: impl Fn(&Shown) -> usize) {
    let mut harness = Harness::new(append());
    let (mut present, mut shown): (Vec<Row>, Shown) = Default::default();
    for _ in 0..rng.random_range(1..8) {
        let rows: Vec<Row> = (0..rng.random_range(0..8)).map(|_| row(rng)).collect();
        present.extend(rows.iter().cloned());
        let changes: Vec<(Row, i64)> = rows.into_iter().map(|row| (row, 1)).collect();
        let emitted = harness.step(cut(rng, &changes).into_iter().map(|rows| (Port::LEFT, rows)).collect()).unwrap();
        let now = model(spec, &present);
        check_step(spec, &shown, &now, &emitted);
        shown = now;
        if rng.random_bool(0.2) {
            harness.replace_by_image(append()).unwrap();
        }
        let kept = TopNSpec { offset: 0, limit: spec.offset + spec.limit, row_number: None, ..spec.clone() };
        let kept = stored(&model(&kept, &present));
        let rows = harness.operator.state().unwrap().rows();
        // Where nothing is shown, no tie is asked for.
        assert!(rows <= kept && (rows == kept || spec.limit == 0), "{rows} rows of {kept} are kept");
    }
}

fn distinct(rows: &Shown) -> usize {
    all(rows.iter().map(|(row, _)| row)).len()
}

fn check_random_case(rng: &mut StdRng) {
    let spec = random_spec(rng);
    let mut harness = Harness::new(operator(&spec));
    let (mut present, mut shown): (Vec<Row>, Shown) = Default::default();
    for _ in 0..rng.random_range(1..8) {
        let mut rows: Vec<_> = (0..rng.random_range(0..8)).map(|_| change(rng, &mut present)).collect();
        rows.shuffle(rng);
        let emitted = harness.step(cut(rng, &rows).into_iter().map(|rows| (Port::LEFT, rows)).collect()).unwrap();
        let now = model(&spec, &present);
        check_step(&spec, &shown, &now, &emitted);
        shown = now;
        if rng.random_bool(0.2) {
            harness.replace_by_image(operator(&spec)).unwrap();
        }
        assert_eq!(harness.operator.state().unwrap().rows(), all(&present).len());
    }
}

/// The rows, those that are equal once.
fn all<'a>(rows: impl IntoIterator<Item = &'a Row>) -> ChangeBatch {
    let rows = batch(&rows.into_iter().map(|row| (row.clone(), 1)).collect::<Vec<_>>());
    consolidate_all(&schema(), &[rows]).unwrap()
}

/// The rows with their numbers, if the result has those.
fn result(spec: &TopNSpec, shown: &Shown) -> ChangeBatch {
    let rows = batch(&shown.iter().map(|(row, _)| (row.clone(), 1)).collect::<Vec<_>>());
    let numbers = Arc::new(shown.iter().map(|(_, number)| *number).collect::<Int64Array>()) as ArrayRef;
    let columns = rows.rows().columns().iter().cloned().chain(spec.row_number.is_some().then_some(numbers)).collect();
    ChangeBatch::append(RecordBatch::try_new(output(spec), columns).unwrap())
}

/// A step emits the difference, each row of it once.
fn check_step(spec: &TopNSpec, before: &Shown, now: &Shown, emitted: &[ChangeBatch]) {
    let expected = consolidate_all(&output(spec), &[result(spec, before).negated(), result(spec, now)]).unwrap();
    let actual = Integral::of(output(spec), emitted).unwrap();
    if let Some(difference) = Integral::of(output(spec), std::slice::from_ref(&expected)).unwrap().difference(&actual).unwrap() {
        panic!("{difference}");
    }
    // Rows that only come are kept one by one, so equal ones come one by one, too.
    let rows = emitted.iter().map(ChangeBatch::len).sum::<usize>();
    let copies: i64 = (0..expected.len()).map(|row| expected.weight(row).abs()).sum();
    assert!(rows == expected.len() || rows as i64 == copies, "each changed row comes once");
    if emitted.iter().all(ChangeBatch::is_consolidated) {
        assert_eq!(rows, expected.len(), "each changed row comes once");
    }
}

#[test]
fn top_n_shows_what_sorting_everything_shows_after_every_step() {
    for_each_case(cases(), check_random_case);
}

#[test]
fn top_n_over_rows_that_only_come_keeps_those_that_can_be_shown() {
    for_each_case(cases(), check_random_append);
}

fn first(limit: i64, offset: i64, with_ties: bool) -> TopNSpec {
    let order = vec![SortKey { column: 0, direction: SortDirection { descending: true, nulls_first: true } }];
    TopNSpec { partition: vec![1], order, offset, limit, with_ties, row_number: None }
}

/// One step for each text.
fn check(spec: &TopNSpec, steps: &[(&str, &str)]) {
    let mut harness = Harness::new(operator(spec));
    for (changes, expected) in steps {
        let emitted = harness.step(vec![(Port::LEFT, ChangeBatch::parse(&schema(), changes).unwrap())]).unwrap();
        assert_eq!(print_all(&emitted).replace('\n', " ; "), *expected, "after {changes}");
    }
}

#[test]
fn a_row_that_goes_makes_room_for_the_next() {
    check(
        &first(2, 0, false),
        &[
            ("+1 | 1 | a | 0 ; +1 | 2 | a | 0 ; +1 | 3 | a | 0", "+1 | 3 | a | 0.0 ; +1 | 2 | a | 0.0"),
            ("+1 | 0 | a | 0", ""),
            ("-1 | 3 | a | 0", "-1 | 3 | a | 0.0 ; +1 | 1 | a | 0.0"),
            ("+1 | 9 | b | 0 ; +1 | 4 | a | 0", "-1 | 1 | a | 0.0 ; +1 | 4 | a | 0.0 ; +1 | 9 | b | 0.0"),
        ],
    );
}

#[test]
fn a_row_of_weight_three_is_three_rows() {
    check(
        &first(2, 0, false),
        &[("+3 | 1 | a | 0", "+2 | 1 | a | 0.0"), ("+1 | 2 | a | 0", "-1 | 1 | a | 0.0 ; +1 | 2 | a | 0.0")],
    );
    check(
        &first(1, 2, false),
        &[
            ("+2 | 1 | a | 0", ""),
            ("+1 | 2 | a | 0", "+1 | 1 | a | 0.0"),
            ("+2 | 3 | a | 0", "-1 | 1 | a | 0.0 ; +1 | 2 | a | 0.0"),
        ],
    );
}

#[test]
fn ties_with_the_last_row_are_shown_if_asked_for() {
    check(
        &first(1, 0, true),
        &[
            ("+1 | 1 | a | 0 ; +1 | 1 | a | 1 ; +1 | 0 | a | 0", "+1 | 1 | a | 0.0 ; +1 | 1 | a | 1.0"),
            ("+1 | 2 | a | 0", "-1 | 1 | a | 0.0 ; -1 | 1 | a | 1.0 ; +1 | 2 | a | 0.0"),
        ],
    );
}

#[test]
fn a_change_among_many_shown_rows_emits_what_changed() {
    let mut harness = Harness::new(operator(&TopNSpec { partition: vec![], ..first(10_000, 0, false) }));
    let rows: Vec<_> = (0..20_000).map(|k| (Row { k: Some(2 * k), s: None, v: None }, 1)).collect();
    harness.step(vec![(Port::LEFT, batch(&rows))]).unwrap();
    let emitted = harness.step(vec![(Port::LEFT, batch(&[(Row { k: Some(30_001), s: None, v: None }, 1)]))]).unwrap();
    assert_eq!(print_all(&emitted), "-1 | 20000 | NULL | NULL\n+1 | 30001 | NULL | NULL");
}

#[test]
fn rows_behind_one_that_comes_get_other_numbers() {
    let with_number = |offset| TopNSpec { row_number: Some("number".to_owned()), ..first(2, offset, false) };
    check(
        &with_number(0),
        &[
            ("+1 | 1 | a | 0 ; +1 | 3 | a | 0", "+1 | 3 | a | 0.0 | 1 ; +1 | 1 | a | 0.0 | 2"),
            ("+1 | 2 | a | 0", "-1 | 1 | a | 0.0 | 2 ; +1 | 2 | a | 0.0 | 2"),
            ("-1 | 3 | a | 0", "-1 | 3 | a | 0.0 | 1 ; +1 | 2 | a | 0.0 | 1 ; -1 | 2 | a | 0.0 | 2 ; +1 | 1 | a | 0.0 | 2"),
        ],
    );
    check(
        &with_number(1),
        &[("+2 | 1 | a | 0", "+1 | 1 | a | 0.0 | 2"), ("+1 | 1 | a | 0", "+1 | 1 | a | 0.0 | 3"), ("+1 | 9 | a | 0", "")],
    );
}

#[test]
fn a_row_that_is_taken_back_and_was_not_there_is_rejected_and_the_others_go_on() {
    let mut harness = Harness::new(operator(&first(1, 0, false)));
    let changes = ChangeBatch::parse(&schema(), "-1 | 1 | a | 0 ; +1 | 2 | a | 0").unwrap();
    let emitted = harness.step(vec![(Port::LEFT, changes)]).unwrap();
    assert_eq!(print_all(&emitted), "+1 | 2 | a | 0.0");
    assert_eq!(harness.rejected[0].reasons, ["a row was taken back that is not there"]);
}
