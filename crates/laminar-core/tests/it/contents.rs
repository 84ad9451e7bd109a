//! What outputs store against plain multisets and maps: views, tables with and without a key, streams.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_core::changelog::{Integral, consolidate_all, print_net};
use laminar_core::dag::{ChangeKind, EdgeProperties, OutputSpec};
use laminar_core::operator::Operator;
use laminar_core::operator::egress::Egress;
use laminar_core::{ChangeBatch, Port};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::harness::Harness;
use crate::random::{Row, batch, cases, change, cut, for_each_case, row, schema};

fn spec(stored: bool, pushed: bool, primary_key: Option<Vec<usize>>) -> OutputSpec {
    OutputSpec { stored, pushed, primary_key, schema: schema() }
}

fn egress(spec: &OutputSpec, changes: ChangeKind) -> Egress {
    let time_columns = Vec::new();
    let edge = EdgeProperties { time_columns, ..EdgeProperties::new(schema(), changes) };
    Egress::new(spec, &edge).unwrap()
}

fn check_same(what: &str, expected: &[ChangeBatch], actual: &[ChangeBatch]) {
    let sum = |batches| Integral::of(schema(), batches).unwrap();
    if let Some(difference) = sum(expected).difference(&sum(actual)).unwrap() {
        panic!("{what}: {difference}");
    }
}

fn inputs(rng: &mut StdRng, rows: &[(Row, i64)]) -> Vec<(Port, ChangeBatch)> {
    cut(rng, rows).into_iter().map(|batch| (Port(0), batch)).collect()
}

/// Whether the batches hold any row twice.
fn is_consolidated(batches: &[ChangeBatch]) -> bool {
    let rows: usize = batches.iter().map(ChangeBatch::len).sum();
    consolidate_all(&schema(), batches).unwrap().len() == rows
}

#[test]
fn a_view_holds_the_sum_of_its_changes_and_shows_each_step_as_a_whole() {
    for_each_case(cases(), |rng| {
        let (spec, late) = (spec(rng.random_bool(0.8), false, None), rng.random_bool(0.2));
        let mut harness = Harness::new(egress(&spec, ChangeKind::Retract));
        let (mut present, mut all) = (Vec::new(), Vec::new());
        for _ in 0..rng.random_range(1..5) {
            let mut rows: Vec<_> = (0..rng.random_range(0..8)).map(|_| change(rng, &mut present)).collect();
            rows.shuffle(rng);
            let mut inputs = inputs(rng, &rows);
            if late {
                let arrive = |batch: ChangeBatch| {
                    let arrivals: Vec<i64> = (0..batch.len() as i64).map(|row| row % 2).collect();
                    batch.with_arrivals(arrivals.into())
                };
                inputs = inputs.into_iter().map(|(port, batch)| (port, arrive(batch))).collect();
            }
            all.extend(rows);
            let emitted = harness.step(inputs).unwrap();
            assert!(is_consolidated(&emitted) || late, "a step shows a row twice");
            assert!(emitted.iter().all(|batch| batch.arrivals().is_some() == late), "arrivals stay");
            check_same("changes", &[batch(&all)], &harness.emitted);
            assert_eq!(harness.operator.contents().is_some(), spec.stored);
            if let Some(contents) = harness.operator.contents() {
                check_same("contents", &[batch(&all)], &contents);
                assert!(is_consolidated(&contents), "contents hold a row twice");
            }
            if rng.random_bool(0.2) {
                harness.replace_by_image(egress(&spec, ChangeKind::Retract)).unwrap();
            }
        }
        assert_eq!(harness.rejected_rows(), 0);
    });
}

#[test]
fn rows_that_only_come_are_kept_and_sent_on_one_by_one() {
    for_each_case(cases() / 5, |rng| {
        let spec = spec(true, rng.random(), None);
        let mut harness = Harness::new(egress(&spec, ChangeKind::Append));
        let mut all = Vec::new();
        for _ in 0..rng.random_range(1..5) {
            let rows: Vec<_> = (0..rng.random_range(0..8)).map(|_| (row(rng), 1)).collect();
            let emitted = harness.step(inputs(rng, &rows)).unwrap();
            let printed: Vec<_> = emitted.iter().map(ChangeBatch::print).collect();
            assert_eq!(printed.join("\n"), batch(&rows).print(), "order of arrival");
            all.extend(rows);
            check_same("contents", &[batch(&all)], &harness.operator.contents().unwrap());
            if rng.random_bool(0.2) {
                harness.replace_by_image(egress(&spec, ChangeKind::Append)).unwrap();
            }
        }
    });
}

/// A table with primary key (k), as one would write it by hand. Counts the rows that it cannot use.
#[derive(Default)]
struct Table {
    rows: BTreeMap<i64, Row>,
    unusable: usize,
}

impl Table {
    fn write(&mut self, row: &Row, weight: i64) {
        let used = match row.k {
            None => false,
            Some(key) if weight > 0 => {
                self.rows.insert(key, row.clone());
                true
            }
            Some(key) => self.rows.remove(&key).is_some(),
        };
        self.unusable += usize::from(!used);
    }

    fn batch(&self) -> ChangeBatch {
        batch(&self.rows.values().map(|row| (row.clone(), 1)).collect::<Vec<_>>())
    }
}

#[test]
fn a_table_with_a_key_keeps_the_last_row_of_each_key() {
    for_each_case(cases(), |rng| {
        let spec = spec(true, true, Some(vec![0]));
        let mut harness = Harness::new(egress(&spec, ChangeKind::Upsert(vec![0])));
        let mut table = Table::default();
        for _ in 0..rng.random_range(1..6) {
            let rows: Vec<_> =
                (0..rng.random_range(0..8)).map(|_| (row(rng), if rng.random_bool(0.7) { 1 } else { -1 })).collect();
            rows.iter().for_each(|(row, weight)| table.write(row, *weight));
            harness.step(inputs(rng, &rows)).unwrap();
            check_same("contents", &[table.batch()], &harness.operator.contents().unwrap());
            check_same("changes", &[table.batch()], &harness.emitted);
            assert_eq!(harness.rejected_rows(), table.unusable, "rows rejected");
            if rng.random_bool(0.2) {
                harness.replace_by_image(egress(&spec, ChangeKind::Upsert(vec![0]))).unwrap();
            }
        }
    });
}

#[test]
fn a_table_without_key_rejects_deletions_of_absent_rows() {
    for_each_case(cases() / 5, |rng| {
        let spec = spec(true, true, None);
        let mut harness = Harness::new(egress(&spec, ChangeKind::Retract));
        let mut held: Vec<(Row, i64)> = Vec::new();
        let mut refused = 0;
        for _ in 0..rng.random_range(1..6) {
            let rows: Vec<_> = (0..rng.random_range(0..5)).map(|_| (row(rng), rng.random_range(-1..=2))).collect();
            for change in Integral::of(schema(), &[batch(&rows)]).unwrap().to_batch().into_iter() {
                for place in 0..change.len() {
                    let one = change.slice(place, 1);
                    let mut after = held.clone();
                    let same = |(row, _): &&(Row, i64)| one_row_equals(&one, row);
                    let weight = rows.iter().filter(same).map(|(_, weight)| weight).sum::<i64>();
                    let before: i64 = held.iter().filter(same).map(|(_, weight)| weight).sum();
                    let example = rows.iter().find(same).unwrap().0.clone();
                    after.push((example, weight));
                    if before + weight < 0 { refused += 1 } else { held = after }
                }
            }
            harness.step(inputs(rng, &rows)).unwrap();
            check_same("contents", &[batch(&held)], &harness.operator.contents().unwrap());
            check_same("changes", &[batch(&held)], &harness.emitted);
            assert_eq!(harness.rejected_rows(), refused, "rows rejected");
        }
    });
}

fn one_row_equals(one: &ChangeBatch, row: &Row) -> bool {
    let sum = |changes: &ChangeBatch| Integral::of(schema(), &[ChangeBatch::append(changes.rows().clone())]).unwrap();
    sum(one).difference(&sum(&batch(&[(row.clone(), 1)]))).unwrap().is_none()
}

fn two_columns() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("k", DataType::Utf8, false), Field::new("v", DataType::Int64, true)]))
}

fn check_table(primary_key: Option<Vec<usize>>, steps: &[&str], emitted: &str, contents: &str, rejected: &[&str]) {
    let edge_schema =
        Schema::new(two_columns().fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>());
    let edge = EdgeProperties::new(Arc::new(edge_schema), ChangeKind::Retract);
    let spec = OutputSpec { stored: true, pushed: true, primary_key, schema: two_columns() };
    let mut harness = Harness::new(Egress::new(&spec, &edge).unwrap());
    for step in steps {
        harness.step(vec![(Port(0), ChangeBatch::parse(&edge.schema, step).unwrap())]).unwrap();
    }
    assert_eq!(laminar_core::changelog::print_all(&harness.emitted), emitted);
    assert_eq!(laminar_core::changelog::print_net(&harness.operator.contents().unwrap()).unwrap(), contents);
    let reasons: Vec<_> = harness.rejected.iter().flat_map(|rejected| rejected.reasons.clone()).collect();
    assert_eq!(reasons, rejected);
}

#[test]
fn a_new_row_replaces_the_old_one_of_its_key() {
    let key = || Some(vec![0]);
    check_table(key(), &["+1 | a | 1", "+1 | a | 2"], "+1 | a | 1\n-1 | a | 1\n+1 | a | 2", "+1 | a | 2", &[]);
    check_table(key(), &["+1 | a | 1", "+1 | a | 1"], "+1 | a | 1", "+1 | a | 1", &[]);
    check_table(key(), &["+1 | a | 1 ; +1 | b | 1 ; +1 | a | 2"], "+1 | a | 2\n+1 | b | 1", "+1 | a | 2\n+1 | b | 1", &[]);
    check_table(key(), &["+1 | a | 1 ; -1 | a | 9"], "", "", &[]);
    check_table(key(), &["+1 | a | 1", "-1 | a | NULL ; +1 | a | 1"], "+1 | a | 1", "+1 | a | 1", &[]);
    check_table(key(), &["+1 | a | 1", "-1 | a | NULL"], "+1 | a | 1\n-1 | a | 1", "", &[]);
}

#[test]
fn rows_that_a_table_cannot_take_are_rejected_with_their_reason() {
    let absent = ["there is no row with this key to delete"];
    check_table(Some(vec![0]), &["-1 | a | 1 ; +1 | b | 1"], "+1 | b | 1", "+1 | b | 1", &absent);
    let null = ["column 'k' is NULL, which it must not be"];
    check_table(Some(vec![0]), &["+1 | NULL | 1 ; +1 | b | 1"], "+1 | b | 1", "+1 | b | 1", &null);
    check_table(None, &["+1 | NULL | 1 ; +1 | b | 1"], "+1 | b | 1", "+1 | b | 1", &null);
    check_table(
        None,
        &["+1 | a | 1", "-2 | a | 1 ; +1 | b | 1"],
        "+1 | a | 1\n+1 | b | 1",
        "+1 | a | 1\n+1 | b | 1",
        &["there is no such row to delete"],
    );
}

#[test]
fn what_a_view_is_to_delete_and_does_not_hold_is_rejected_and_the_others_go_on() {
    let mut harness = Harness::new(egress(&spec(true, false, None), ChangeKind::Retract));
    let row = |k, weight| (Row { k: Some(k), s: Some("a"), v: None }, weight);
    let emitted = harness.step(vec![(Port(0), batch(&[row(1, -1), row(2, 1)]))]).unwrap();
    assert_eq!(print_net(&emitted).unwrap(), "+1 | 2 | a | NULL");
    assert_eq!(harness.rejected[0].reasons, ["there is no such row to delete"]);
}
