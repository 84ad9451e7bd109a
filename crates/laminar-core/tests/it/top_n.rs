//! Top-N against sorting everything: any order, ties, NULLs, duplicates, retractions, any cuts, restarts.

use laminar_core::changelog::{Integral, consolidate_all, print_all};
use laminar_core::dag::{ChangeKind, EdgeProperties, TopNSpec};
use laminar_core::expr::{SortDirection, SortKey};
use laminar_core::operator::Operator;
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
    TopN::new(spec, &input, schema()).unwrap()
}

/// What is shown of `rows`.
fn model(spec: &TopNSpec, rows: &[Row]) -> Vec<(Row, i64)> {
    let order = InOrder { partition: spec.partition.clone(), order: spec.order.clone() };
    let shown = order.partitions(rows).into_iter().flat_map(|rows| {
        let start = rows.len().min(spec.offset as usize);
        let mut end = rows.len().min(start + spec.limit as usize);
        while spec.with_ties && start < end && end < rows.len() && order.by_keys(&rows[end - 1], &rows[end]).is_eq() {
            end += 1;
        }
        rows[start..end].to_vec()
    });
    shown.map(|row| (row, 1)).collect()
}

fn random_spec(rng: &mut StdRng) -> TopNSpec {
    let InOrder { partition, order } = InOrder::random(rng);
    let (offset, limit) = (rng.random_range(0..3) * rng.random_range(0..2), rng.random_range(0..6));
    TopNSpec { partition, order, offset, limit, with_ties: rng.random() }
}

/// Rows that only come: those that can never be shown are not kept.
fn check_random_append(rng: &mut StdRng) {
    let spec = random_spec(rng);
    let append = || TopN::new(&spec, &EdgeProperties::new(schema(), ChangeKind::Append), schema()).unwrap();
    let mut harness = Harness::new(append());
    let (mut present, mut shown): (Vec<Row>, Vec<(Row, i64)>) = Default::default();
    for _ in 0..rng.random_range(1..8) {
        let rows: Vec<Row> = (0..rng.random_range(0..8)).map(|_| row(rng)).collect();
        present.extend(rows.iter().cloned());
        let changes: Vec<(Row, i64)> = rows.into_iter().map(|row| (row, 1)).collect();
        let emitted = harness.step(cut(rng, &changes).into_iter().map(|rows| (Port::LEFT, rows)).collect()).unwrap();
        let now = model(&spec, &present);
        let difference: Vec<(Row, i64)> = shown.iter().map(|(row, _)| (row.clone(), -1)).chain(now.clone()).collect();
        check_step(&difference, &emitted);
        shown = now;
        if rng.random_bool(0.2) {
            harness.replace_by_image(append()).unwrap();
        }
        let kept = model(&TopNSpec { offset: 0, limit: spec.offset + spec.limit, ..spec.clone() }, &present);
        let kept = consolidate_all(&schema(), &[batch(&kept)]).unwrap().len();
        let rows = harness.operator.state().unwrap().rows();
        // Where nothing is shown, no tie is asked for.
        assert!(rows <= kept && (rows == kept || spec.limit == 0), "{rows} rows of {kept} are kept");
    }
}

fn check_random_case(rng: &mut StdRng) {
    let spec = random_spec(rng);
    let mut harness = Harness::new(operator(&spec));
    let (mut present, mut shown): (Vec<Row>, Vec<(Row, i64)>) = Default::default();
    for _ in 0..rng.random_range(1..8) {
        let mut rows: Vec<_> = (0..rng.random_range(0..8)).map(|_| change(rng, &mut present)).collect();
        rows.shuffle(rng);
        let emitted = harness.step(cut(rng, &rows).into_iter().map(|rows| (Port::LEFT, rows)).collect()).unwrap();
        let now = model(&spec, &present);
        let difference: Vec<(Row, i64)> = shown.iter().map(|(row, _)| (row.clone(), -1)).chain(now.clone()).collect();
        check_step(&difference, &emitted);
        shown = now;
        if rng.random_bool(0.2) {
            harness.replace_by_image(operator(&spec)).unwrap();
        }
        assert_eq!(harness.operator.state().unwrap().rows(), consolidate_all(&schema(), &[all(&present)]).unwrap().len());
    }
}

fn all(rows: &[Row]) -> ChangeBatch {
    batch(&rows.iter().map(|row| (row.clone(), 1)).collect::<Vec<_>>())
}

/// A step emits the difference, each row of it once.
fn check_step(expected: &[(Row, i64)], emitted: &[ChangeBatch]) {
    let expected = consolidate_all(&schema(), &[batch(expected)]).unwrap();
    let actual = Integral::of(schema(), emitted).unwrap();
    if let Some(difference) = Integral::of(schema(), std::slice::from_ref(&expected)).unwrap().difference(&actual).unwrap() {
        panic!("{difference}");
    }
    assert_eq!(emitted.iter().map(ChangeBatch::len).sum::<usize>(), expected.len(), "each changed row comes once");
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
    TopNSpec { partition: vec![1], order, offset, limit, with_ties }
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
fn a_row_that_is_taken_back_and_was_not_there_is_rejected_and_the_others_go_on() {
    let mut harness = Harness::new(operator(&first(1, 0, false)));
    let changes = ChangeBatch::parse(&schema(), "-1 | 1 | a | 0 ; +1 | 2 | a | 0").unwrap();
    let emitted = harness.step(vec![(Port::LEFT, changes)]).unwrap();
    assert_eq!(print_all(&emitted), "+1 | 2 | a | 0.0");
    assert_eq!(harness.rejected[0].reasons, ["a row was taken back that is not there"]);
}
