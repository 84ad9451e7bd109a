//! The join against nested loops: every kind of key, NULLs, duplicates, retractions, failing expressions, any cuts.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_core::changelog::{Integral, print_all};
use laminar_core::dag::{ChangeKind, EdgeProperties, JoinSpec};
use laminar_core::expr::{Column, ExprRef, ScalarExpr};
use laminar_core::limits::BATCH_ROWS_MAX;
use laminar_core::operator::join::JoinOperator;
use laminar_core::{ChangeBatch, Code, Error, Port, Result};
use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::harness::Harness;
use crate::random::{Row, canonical, cases, change, cut, for_each_case, schema};

/// An expression written by hand.
#[derive(Debug)]
struct Written {
    data_type: DataType,
    evaluate: fn(&RecordBatch) -> Result<ArrayRef>,
}

impl ScalarExpr for Written {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        (self.evaluate)(rows)
    }

    fn data_type(&self) -> &DataType {
        &self.data_type
    }

    fn nullable(&self) -> bool {
        true
    }

    fn display(&self) -> String {
        "written".to_owned()
    }
}

/// `k % 2`, which fails for 5.
fn parity(rows: &RecordBatch) -> Result<ArrayRef> {
    let k = rows.column(0).as_primitive::<Int64Type>();
    if k.iter().flatten().any(|k| k == 5) {
        return Err(Error::new(Code::Arithmetic, "five"));
    }
    Ok(Arc::new(k.unary::<_, Int64Type>(|k| k % 2)))
}

/// `left.v < right.v` in the order of SQL (NaN is the greatest), which fails if `right.v` is 7.
fn is_less(rows: &RecordBatch) -> Result<ArrayRef> {
    let (left, right) = (rows.column(2).as_primitive::<Float64Type>(), rows.column(5).as_primitive::<Float64Type>());
    if right.iter().flatten().any(|v| v == 7.0) {
        return Err(Error::new(Code::Arithmetic, "seven"));
    }
    let less = left.iter().zip(right).map(|(left, right)| Some(left? < right?));
    Ok(Arc::new(less.collect::<BooleanArray>()))
}

/// What the rows are joined on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Nothing,
    Columns(&'static [usize]),
    Parity,
}

const ON: [On; 6] = [On::Nothing, On::Columns(&[0]), On::Columns(&[1]), On::Columns(&[0, 1]), On::Columns(&[2]), On::Parity];

/// The key of a row; `None`: it matches nothing.
fn key(on: On, row: &Row) -> Option<Vec<String>> {
    match on {
        On::Nothing => Some(Vec::new()),
        On::Parity => row.k.filter(|k| *k != 5).map(|k| vec![(k % 2).to_string()]),
        On::Columns(columns) => columns
            .iter()
            .map(|column| match column {
                0 => row.k.map(|k| k.to_string()),
                1 => row.s.map(str::to_owned),
                _ => row.v.map(|v| canonical(v).to_string()),
            })
            .collect(),
    }
}

enum Verdict {
    Met,
    NotMet,
    Failed,
}

fn residual(left: &Row, right: &Row) -> Verdict {
    match (left.v, right.v) {
        (_, Some(7.0)) => Verdict::Failed,
        (Some(left), Some(right)) if left < right => Verdict::Met,
        _ => Verdict::NotMet,
    }
}

#[derive(Debug, Clone, Copy)]
struct Case {
    on: On,
    with_residual: bool,
    kind: [bool; 2],
}

fn output_schema() -> SchemaRef {
    let fields = ["k", "s", "v"].into_iter().zip(schema().fields().iter().cloned().collect::<Vec<_>>());
    let fields: Vec<Field> = fields.map(|(name, field)| field.as_ref().clone().with_name(name)).collect();
    Arc::new(Schema::new([fields.clone(), fields].concat()))
}

fn edge(append: bool) -> EdgeProperties {
    let changes = if append { ChangeKind::Append } else { ChangeKind::Retract };
    EdgeProperties::new(schema(), changes)
}

fn operator(case: Case) -> JoinOperator {
    let keys: Vec<ExprRef> = match case.on {
        On::Nothing => Vec::new(),
        On::Columns(columns) => columns.iter().map(|column| Column::new(&schema(), *column)).collect(),
        On::Parity => vec![Arc::new(Written { data_type: DataType::Int64, evaluate: parity })],
    };
    let residual = case.with_residual.then(|| Arc::new(Written { data_type: DataType::Boolean, evaluate: is_less }) as ExprRef);
    let spec = JoinSpec { left_keys: keys.clone(), right_keys: keys, residual };
    JoinOperator::new(&spec, &edge(case.kind[0]), &edge(case.kind[1]), output_schema()).unwrap()
}

/// All pairs with the products of their weights, and how many pairs failed.
fn nested_loops(case: Case, left: &[(Row, i64)], right: &[(Row, i64)]) -> (Vec<(Row, Row, i64)>, usize) {
    let (mut pairs, mut failed) = (Vec::new(), 0);
    for (l, lw) in left {
        for (r, rw) in right {
            let matches = key(case.on, l).is_some_and(|key_of_left| key(case.on, r) == Some(key_of_left));
            let verdict = if case.with_residual { residual(l, r) } else { Verdict::Met };
            match verdict {
                Verdict::Met if matches => pairs.push((l.clone(), r.clone(), lw * rw)),
                Verdict::Failed if matches => failed += 1,
                _ => {}
            }
        }
    }
    (pairs, failed)
}

fn pairs_batch(pairs: &[(Row, Row, i64)]) -> ChangeBatch {
    let side = |side: Vec<(Row, i64)>| crate::random::batch(&side).rows().columns().to_vec();
    let left = side(pairs.iter().map(|(left, _, weight)| (left.clone(), *weight)).collect());
    let right = side(pairs.iter().map(|(_, right, weight)| (right.clone(), *weight)).collect());
    let rows = RecordBatch::try_new(output_schema(), [left, right].concat()).unwrap();
    ChangeBatch::new(rows, pairs.iter().map(|(_, _, weight)| *weight).collect::<Vec<_>>())
}

fn check_same(expected: &[(Row, Row, i64)], emitted: &[ChangeBatch]) {
    let expected = Integral::of(output_schema(), &[pairs_batch(expected)]).unwrap();
    let actual = Integral::of(output_schema(), emitted).unwrap();
    if let Some(difference) = expected.difference(&actual).unwrap() {
        panic!("{difference}");
    }
}

fn random_side(rng: &mut StdRng, append: bool, present: &mut Vec<Row>) -> Vec<(Row, i64)> {
    let rows = rng.random_range(0..6);
    let mut rows: Vec<_> = match append {
        true => (0..rows).map(|_| (crate::random::row(rng), 1)).collect(),
        false => (0..rows).map(|_| change(rng, present)).collect(),
    };
    // Within a step a retraction may stand before its insertion.
    rows.shuffle(rng);
    rows
}

fn check_random_case(rng: &mut StdRng) {
    let case = Case { on: ON[rng.random_range(0..ON.len())], with_residual: rng.random(), kind: rng.random() };
    let mut harness = Harness::new(operator(case));
    let (mut present, mut all): ([Vec<Row>; 2], [Vec<(Row, i64)>; 2]) = Default::default();
    for _ in 0..rng.random_range(1..6) {
        let mut inputs = Vec::new();
        for port in [0, 1] {
            let rows = random_side(rng, case.kind[port], &mut present[port]);
            inputs.extend(cut(rng, &rows).into_iter().map(|batch| (Port(port as u8), batch)));
            all[port].extend(rows);
        }
        inputs.shuffle(rng);
        harness.step(inputs).unwrap();
        let (pairs, failed) = nested_loops(case, &all[0], &all[1]);
        check_same(&pairs, &harness.emitted);
        if case.kind == [true, true] {
            let bad_keys = |rows: &[(Row, i64)]| rows.iter().filter(|(row, _)| case.on == On::Parity && row.k == Some(5)).count();
            assert_eq!(harness.rejected_rows(), failed + bad_keys(&all[0]) + bad_keys(&all[1]), "rows rejected");
        }
        if rng.random_bool(0.2) {
            harness.replace_by_image(operator(case)).unwrap();
        }
    }
}

#[test]
fn a_join_gives_what_nested_loops_give_after_every_step() {
    for_each_case(cases(), check_random_case);
}

#[test]
fn equal_rows_of_one_batch_share_a_row_id_if_they_can_be_retracted() {
    check_random_case(&mut StdRng::seed_from_u64(2941));
}

fn case(on: On, with_residual: bool) -> Case {
    Case { on, with_residual, kind: [false, false] }
}

/// One step for each text: changes on the left, `~`, changes on the right.
fn check(case: Case, steps: &[&str], emitted: &str, rejected: &[&str]) {
    let mut harness = Harness::new(operator(case));
    for step in steps {
        let (left, right) = step.split_once('~').unwrap();
        let parse = |text| ChangeBatch::parse(&schema(), text).unwrap();
        harness.step(vec![(Port::LEFT, parse(left)), (Port::RIGHT, parse(right))]).unwrap();
    }
    assert_eq!(print_all(&harness.emitted), emitted);
    let reasons: Vec<_> = harness.rejected.iter().flat_map(|rejected| rejected.reasons.clone()).collect();
    assert_eq!(reasons, rejected);
}

#[test]
fn pairs_of_one_step_are_made_once_and_taken_back_once() {
    let k = || case(On::Columns(&[0]), false);
    check(k(), &["+1 | 1 | a | 0 ~ +1 | 1 | b | 0"], "+1 | 1 | a | 0.0 | 1 | b | 0.0", &[]);
    check(k(), &["+2 | 1 | a | 0 ~ ", " ~ +3 | 1 | b | 0"], "+6 | 1 | a | 0.0 | 1 | b | 0.0", &[]);
    let back = "+1 | 1 | a | 0.0 | 1 | b | 0.0\n-1 | 1 | a | 0.0 | 1 | b | 0.0";
    check(k(), &["+1 | 1 | a | 0 ~ +1 | 1 | b | 0", " ~ -1 | 1 | b | 0", "+1 | 1 | c | 0 ~ "], back, &[]);
}

#[test]
fn null_keys_match_nothing_not_even_each_other() {
    check(case(On::Columns(&[0]), false), &["+1 | NULL | a | 0 ~ +1 | NULL | b | 0"], "", &[]);
    check(case(On::Columns(&[0, 1]), false), &["+1 | 1 | NULL | 0 ~ +1 | 1 | NULL | 0"], "", &[]);
}

#[test]
fn a_pair_whose_condition_fails_is_rejected_alone() {
    let steps = ["+1 | 1 | a | 0 ~ +1 | 1 | b | 7 ; +1 | 1 | c | 1 ; +1 | 1 | d | NULL ; +1 | 1 | e | 0"];
    check(case(On::Columns(&[0]), true), &steps, "+1 | 1 | a | 0.0 | 1 | c | 1.0", &["seven"]);
}

#[test]
fn a_row_whose_key_fails_is_rejected_and_its_retraction_is_not() {
    let steps = ["+1 | 5 | a | 0 ; +1 | 3 | b | 0 ~ +1 | 1 | c | 0", "-1 | 5 | a | 0 ~ "];
    check(case(On::Parity, false), &steps, "+1 | 3 | b | 0.0 | 1 | c | 0.0", &["five"]);
}

#[test]
fn large_results_come_in_bounded_batches() {
    let rows = |count: i64| (0..count).map(|k| (Row { k: Some(k), s: None, v: None }, 1)).collect::<Vec<_>>();
    for (on, expected) in [(On::Nothing, 60_000), (On::Columns(&[0]), 200)] {
        let mut harness = Harness::new(operator(case(on, false)));
        let inputs = vec![(Port::LEFT, crate::random::batch(&rows(300))), (Port::RIGHT, crate::random::batch(&rows(200)))];
        let emitted = harness.step(inputs).unwrap();
        assert_eq!(emitted.iter().map(ChangeBatch::len).sum::<usize>(), expected);
        assert!(emitted.iter().all(|batch| batch.len() <= BATCH_ROWS_MAX));
    }
}

#[test]
fn keys_of_different_types_are_refused_with_the_way_out() {
    let spec =
        JoinSpec { left_keys: vec![Column::new(&schema(), 0)], right_keys: vec![Column::new(&schema(), 1)], residual: None };
    let error = JoinOperator::new(&spec, &edge(false), &edge(false), output_schema()).unwrap_err();
    assert_eq!(error.code(), Code::TypeMismatch);
    assert_eq!(error.message(), "cannot join k of type Int64 with s of type Utf8");
}
