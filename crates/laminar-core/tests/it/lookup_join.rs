//! Lookup joins whose right rows stand elsewhere: rows wait until their keys are answered, whatever comes and goes meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use laminar_core::changelog::{Integral, consolidate, print_all};
use laminar_core::dag::{ChangeKind, EdgeProperties, JoinSpec, JoinType, Lookup};
use laminar_core::expr::{Column, ExprRef, ScalarExpr};
use laminar_core::operator::join::JoinOperator;
use laminar_core::operator::{LookupMetrics, Operator};
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Port, Result};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::harness::Harness;
use crate::random::{Row, batch, cases, change, cut, for_each_case, row, schema};

/// Whether the right row is one, and not the word that there is none.
#[derive(Debug)]
struct IsFound;

impl ScalarExpr for IsFound {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        Ok(Arc::new(BooleanArray::from_iter((0..rows.num_rows()).map(|row| Some(rows.column(5).is_valid(row))))))
    }

    fn data_type(&self) -> &DataType {
        &DataType::Boolean
    }

    fn nullable(&self) -> bool {
        false
    }

    fn display(&self) -> String {
        "found".to_owned()
    }
}

fn edge(append: bool) -> EdgeProperties {
    EdgeProperties::new(schema(), if append { ChangeKind::Append } else { ChangeKind::Retract })
}

fn output(join_type: JoinType) -> SchemaRef {
    Arc::new(join_type.output_schema(&schema(), &schema()))
}

fn operator(join_type: JoinType, append: bool) -> JoinOperator {
    let keys = || vec![Column::new(&schema(), 0) as ExprRef];
    let residual = Some(Arc::new(IsFound) as ExprRef);
    let spec = JoinSpec { join_type, lookup: Some(Lookup::Cached), residual, ..JoinSpec::inner(keys(), keys()) };
    JoinOperator::new(&spec, &edge(append), &edge(false), output(join_type)).unwrap()
}

/// What the outside says of a key: there are none of 1 and 4.
fn outside(key: i64) -> Row {
    let is_there = key % 3 != 1;
    Row { k: Some(key), s: is_there.then_some(["a", "b", ""][key as usize % 3]), v: is_there.then_some(key as f64) }
}

/// The keys that the join asks for now.
fn wanted(operator: &mut JoinOperator, keys_max: usize) -> Vec<i64> {
    let keys = operator.lookup_keys().expect("it looks up").take_wanted(keys_max).unwrap();
    keys.map_or(Vec::new(), |keys| keys.column(0).as_primitive::<Int64Type>().values().to_vec())
}

fn metrics(operator: &mut JoinOperator) -> LookupMetrics {
    operator.lookup_keys().expect("it looks up").metrics()
}

/// The rows of `left` with what the outside says of them.
fn joined(join_type: JoinType, left: &[Row]) -> Vec<ChangeBatch> {
    let mut rows = Vec::new();
    for row in left {
        let right = row.k.map(outside).filter(|right| right.v.is_some());
        if right.is_none() && join_type == JoinType::Inner {
            continue;
        }
        let sides = [batch(&[(row.clone(), 1)]), batch(&[(right.unwrap_or(Row { k: None, s: None, v: None }), 1)])];
        let columns = sides.iter().flat_map(|side| side.rows().columns().to_vec()).collect();
        rows.push(ChangeBatch::append(RecordBatch::try_new(output(join_type), columns).unwrap()));
    }
    rows
}

fn check(rng: &mut StdRng, join_type: JoinType, append: bool) {
    let mut harness = Harness::new(operator(join_type, append));
    let (mut present, mut asked, mut cached) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
    for step in 0..rng.random_range(1..30) {
        let mut inputs = Vec::new();
        let left: Vec<(Row, i64)> =
            (0..rng.random_range(0..6)).map(|_| if append { (row(rng), 1) } else { change(rng, &mut present) }).collect();
        if append {
            present.extend(left.iter().map(|(row, _)| row.clone()));
        }
        inputs.extend(cut(rng, &left).into_iter().map(|changes| (Port::LEFT, changes)));
        let mut right = Vec::new();
        // Answers come late and in any order, and what was answered goes again.
        asked.extend(wanted(&mut harness.operator, rng.random_range(1..4)));
        for key in asked.clone() {
            if rng.random_bool(0.4) {
                asked.remove(&key);
                let before: Option<Row> = cached.insert(key, outside(key));
                right.extend(before.map(|row| (row, -1)));
                right.push((outside(key), 1));
            }
        }
        for key in cached.keys().copied().collect::<Vec<_>>() {
            if rng.random_bool(0.2) {
                right.extend(cached.remove(&key).map(|row| (row, -1)));
            }
        }
        let at = rng.random_range(0..=inputs.len());
        inputs.insert(at, (Port::RIGHT, consolidate(&batch(&right)).unwrap()));
        let (before, after) = (Watermark(10 * step), Watermark(10 * (step + 1)));
        harness.step_between(inputs, before, after).unwrap();
        let (waits, promised) = (metrics(&mut harness.operator).waiting_rows > 0, harness.operator.output_watermark(after));
        assert_eq!(waits, promised < after, "what waits holds the watermark back");
        if rng.random_bool(0.2) {
            harness.replace_by_image(operator(join_type, append)).unwrap();
            asked.clear();
            assert_eq!(harness.operator.output_watermark(after), promised);
        }
    }
    loop {
        asked.extend(wanted(&mut harness.operator, 100));
        if metrics(&mut harness.operator).waiting_rows == 0 {
            break;
        }
        let right: Vec<(Row, i64)> = (0..6).filter(|key| !cached.contains_key(key)).map(|key| (outside(key), 1)).collect();
        (0..6).for_each(|key| drop(cached.insert(key, outside(key))));
        harness.step(vec![(Port::RIGHT, batch(&right))]).unwrap();
    }
    let expected = joined(join_type, &present);
    let [expected, shown] = [&expected, &harness.emitted].map(|changes| Integral::of(output(join_type), changes).unwrap());
    assert_eq!(expected.difference(&shown).unwrap(), None);
}

#[test]
fn whatever_comes_and_goes_each_left_row_gets_what_the_outside_says() {
    for_each_case(cases(), |rng| {
        let join_type = if rng.random_bool(0.5) { JoinType::Inner } else { JoinType::Left };
        let append = rng.random_bool(0.5);
        check(rng, join_type, append);
    });
}

#[test]
fn a_row_waits_for_its_key_and_keeps_its_place_among_those_of_its_key() {
    let parse = |text| ChangeBatch::parse(&schema(), text).unwrap();
    let mut harness = Harness::new(operator(JoinType::Left, true));
    let at = Watermark(5);
    harness.step_between(vec![(Port::LEFT, parse("+1 | 1 | a | 0 ; +1 | 2 | b | 0 ; +1 | NULL | c | 0"))], at, at).unwrap();
    assert_eq!(print_all(&harness.emitted), "+1 | NULL | c | 0.0 | NULL | NULL | NULL", "NULL is the key of no row");
    assert_eq!(wanted(&mut harness.operator, 1), [1]);
    assert_eq!(wanted(&mut harness.operator, 10), [2]);
    harness.step(vec![(Port::LEFT, parse("+1 | 1 | d | 0 ; +1 | 1 | e | 0"))]).unwrap();
    assert_eq!(wanted(&mut harness.operator, 10), Vec::<i64>::new(), "a key for which rows wait is asked for once");
    assert_eq!(harness.operator.output_watermark(Watermark::END), Watermark::START, "the second rows came before any watermark");
    harness.emitted.clear();
    harness.step(vec![(Port::LEFT, parse("+1 | 1 | f | 0")), (Port::RIGHT, parse("+1 | 1 | x | 1.5"))]).unwrap();
    assert_eq!(
        print_all(&harness.emitted),
        "+1 | 1 | a | 0.0 | 1 | x | 1.5\n+1 | 1 | d | 0.0 | 1 | x | 1.5\n+1 | 1 | e | 0.0 | 1 | x | 1.5\n+1 | 1 | f | 0.0 | 1 | x | 1.5"
    );
    assert_eq!(harness.operator.output_watermark(Watermark::END), at, "2 waits since then");
    assert_eq!(metrics(&mut harness.operator), LookupMetrics { hits: 1, misses: 4, waiting_rows: 1 });
    assert_eq!(harness.operator.lookup_keys().unwrap().take_used().len(), 1);
    harness.step(vec![(Port::RIGHT, parse("+1 | 2 | NULL | NULL"))]).unwrap();
    assert_eq!(
        print_all(&harness.emitted[harness.emitted.len() - 1..]),
        "+1 | 2 | b | 0.0 | NULL | NULL | NULL",
        "there is none"
    );
    assert_eq!(harness.operator.output_watermark(Watermark::END), Watermark::END);
}

#[test]
fn a_row_that_is_taken_back_takes_back_the_answer_that_it_was_given() {
    let parse = |text| ChangeBatch::parse(&schema(), text).unwrap();
    let mut harness = Harness::new(operator(JoinType::Inner, false));
    harness.step(vec![(Port::LEFT, parse("+1 | 2 | a | 0")), (Port::RIGHT, parse("+1 | 2 | old | 1.5"))]).unwrap();
    harness.step(vec![(Port::RIGHT, parse("-1 | 2 | old | 1.5 ; +1 | 2 | new | 1.5"))]).unwrap();
    harness.step(vec![(Port::LEFT, parse("+1 | 2 | b | 0 ; -1 | 2 | a | 0"))]).unwrap();
    harness.step(vec![(Port::RIGHT, parse("-1 | 2 | new | 1.5")), (Port::LEFT, parse("-1 | 2 | b | 0"))]).unwrap();
    assert_eq!(
        print_all(&harness.emitted),
        "+1 | 2 | a | 0.0 | 2 | old | 1.5\n-1 | 2 | a | 0.0 | 2 | old | 1.5\n+1 | 2 | b | 0.0 | 2 | new | 1.5\n-1 | 2 | b | 0.0 | 2 | new | 1.5"
    );
    // One that waits goes without a trace.
    harness.emitted.clear();
    harness.step(vec![(Port::LEFT, parse("+2 | 3 | c | 0"))]).unwrap();
    harness.step(vec![(Port::LEFT, parse("-2 | 3 | c | 0"))]).unwrap();
    harness.step(vec![(Port::RIGHT, parse("+1 | 3 | x | 1.5"))]).unwrap();
    assert!(harness.emitted.is_empty(), "{}", print_all(&harness.emitted));
    assert_eq!(harness.operator.output_watermark(Watermark::END), Watermark::END);
}
