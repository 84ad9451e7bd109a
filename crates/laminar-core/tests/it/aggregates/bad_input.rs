//! What the operator does with rows that cannot be evaluated, results that do not exist, and no rows at all.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_core::dag::{AggregateSpec, ChangeKind, EdgeProperties, Partitioning};
use laminar_core::expr::{Column, ExprRef, ScalarExpr};
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::operator::group_aggregate::GroupAggregate;
use laminar_core::{ChangeBatch, Code, Error, Port, Result};

use super::model::texts;
use crate::harness::Harness;

fn input() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true), Field::new("x", DataType::Int64, true)]))
}

/// `60 / x`, which fails for 0.
#[derive(Debug)]
struct Share;

impl ScalarExpr for Share {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let divide = |x: i64| 60_i64.checked_div(x).ok_or_else(|| Error::new(Code::Arithmetic, "division by zero"));
        let shares: Result<Vec<_>> =
            rows.column(1).as_primitive::<Int64Type>().iter().map(|x| x.map(divide).transpose()).collect();
        Ok(Arc::new(Int64Array::from(shares?)))
    }

    fn data_type(&self) -> &DataType {
        &DataType::Int64
    }

    fn nullable(&self) -> bool {
        true
    }

    fn display(&self) -> String {
        "60 / x".into()
    }
}

/// `x <> 0`.
#[derive(Debug)]
struct NotZero;

impl ScalarExpr for NotZero {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let not_zero = rows.column(1).as_primitive::<Int64Type>().iter().map(|x| x.map(|x| x != 0));
        Ok(Arc::new(not_zero.collect::<BooleanArray>()))
    }

    fn data_type(&self) -> &DataType {
        &DataType::Boolean
    }

    fn nullable(&self) -> bool {
        true
    }

    fn display(&self) -> String {
        "x <> 0".into()
    }
}

fn call(name: &str, arg: Option<ExprRef>, filter: Option<ExprRef>) -> AggregateCall {
    let types: Vec<_> = arg.iter().map(|arg| arg.data_type().clone()).collect();
    let function = native(name, &types, &[], false).unwrap().unwrap();
    AggregateCall { function, args: arg.into_iter().collect(), filter, name: name.into() }
}

fn column(index: usize) -> ExprRef {
    Column::new(&input(), index)
}

fn operator(keys: Vec<ExprRef>, aggregates: Vec<AggregateCall>) -> Harness<GroupAggregate> {
    let key_fields = keys.iter().map(|key| Field::new(key.display(), key.data_type().clone(), true));
    let result_fields = aggregates.iter().map(|call| Field::new(&call.name, call.function.return_type().clone(), true));
    let output = Arc::new(Schema::new(key_fields.chain(result_fields).collect::<Vec<_>>()));
    let (changes, partitioning) = (ChangeKind::Retract, Partitioning::Single);
    let edge = EdgeProperties { partitioning, ..EdgeProperties::new(input(), changes) };
    Harness::new(GroupAggregate::new(&AggregateSpec { keys, aggregates }, &edge, output).unwrap())
}

/// One step over `(k, x, weight)` rows; what it emits, as text.
fn step(harness: &mut Harness<GroupAggregate>, rows: &[(i64, i64, i64)]) -> Vec<String> {
    try_step(harness, rows).unwrap()
}

fn try_step(harness: &mut Harness<GroupAggregate>, rows: &[(i64, i64, i64)]) -> Result<Vec<String>> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
    ];
    let weights: Vec<i64> = rows.iter().map(|row| row.2).collect();
    let changes = ChangeBatch::new(RecordBatch::try_new(input(), columns).unwrap(), weights);
    Ok(harness.step(vec![(Port::LEFT, changes)])?.iter().flat_map(lines).collect())
}

fn lines(changes: &ChangeBatch) -> Vec<String> {
    let line = |row: usize, values: String| format!("{:+} {values}", changes.weight(row));
    rows_text(changes.rows()).into_iter().enumerate().map(|(row, values)| line(row, values)).collect()
}

fn rows_text(rows: &RecordBatch) -> Vec<String> {
    let columns: Vec<_> = rows.columns().iter().map(texts).collect();
    let value = |column: &Vec<Option<String>>, row: usize| column[row].clone().unwrap_or("NULL".into());
    let row_text = |row| columns.iter().map(|column| value(column, row)).collect::<Vec<_>>().join(" ");
    (0..rows.num_rows()).map(row_text).collect()
}

fn rejected(harness: &Harness<GroupAggregate>) -> Vec<String> {
    let all = harness.rejected.iter().flat_map(|rejected| rows_text(&rejected.rows).into_iter().zip(&rejected.reasons));
    all.map(|(row, reason)| format!("{row}: {reason}")).collect()
}

#[test]
fn a_row_that_cannot_be_evaluated_is_rejected_and_the_others_count() {
    let mut harness = operator(vec![column(0)], vec![call("count", None, None), call("sum", Some(Arc::new(Share)), None)]);
    assert_eq!(step(&mut harness, &[(1, 2, 1), (1, 0, 1), (2, 3, 1), (3, 0, 1)]), ["+1 1 1 30", "+1 2 1 20"]);
    assert_eq!(rejected(&harness), ["1 0: division by zero", "3 0: division by zero"]);
    assert_eq!(step(&mut harness, &[(1, 0, -1), (1, 6, 1)]), ["-1 1 1 30", "+1 1 2 40"]);
    assert_eq!(rejected(&harness).len(), 2, "the retraction of a bad row is not bad once more");
}

#[test]
fn a_key_that_cannot_be_evaluated_rejects_its_row() {
    let mut harness = operator(vec![Arc::new(Share)], vec![call("count", None, None)]);
    assert_eq!(step(&mut harness, &[(1, 2, 1), (1, 0, 1), (2, 2, 1)]), ["+1 30 2"]);
    assert_eq!(rejected(&harness), ["1 0: division by zero"]);
}

#[test]
fn arguments_are_evaluated_behind_the_filter() {
    let mut harness = operator(vec![column(0)], vec![call("sum", Some(Arc::new(Share)), Some(Arc::new(NotZero)))]);
    assert_eq!(step(&mut harness, &[(1, 2, 1), (1, 0, 1), (2, 0, 1)]), ["+1 1 30", "+1 2 NULL"]);
    assert!(rejected(&harness).is_empty());
}

#[test]
fn a_failing_filter_rejects_its_row() {
    #[derive(Debug)]
    struct LargeShare;
    impl ScalarExpr for LargeShare {
        fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
            let shares = Share.evaluate(rows)?;
            let large = shares.as_primitive::<Int64Type>().iter().map(|share| share.map(|share| share > 10));
            Ok(Arc::new(large.collect::<BooleanArray>()))
        }

        fn data_type(&self) -> &DataType {
            &DataType::Boolean
        }

        fn nullable(&self) -> bool {
            true
        }

        fn display(&self) -> String {
            "60 / x > 10".into()
        }
    }
    let mut harness = operator(vec![], vec![call("sum", Some(Arc::new(Share)), Some(Arc::new(LargeShare)))]);
    assert_eq!(step(&mut harness, &[(1, 2, 1), (1, 0, 1), (2, 60, 1)]), ["+1 30"]);
    assert_eq!(rejected(&harness), ["1 0: division by zero"]);
}

#[test]
fn a_sum_out_of_range_is_null_and_reported_once() {
    let mut harness = operator(vec![column(0)], vec![call("count", None, None), call("sum", Some(column(1)), None)]);
    assert_eq!(step(&mut harness, &[(7, i64::MAX, 1), (7, 1, 1)]), ["+1 7 2 NULL"]);
    assert_eq!(step(&mut harness, &[(7, 1, 1)]), ["-1 7 2 NULL", "+1 7 3 NULL"]);
    assert_eq!(rejected(&harness), ["7 2 NULL: sum is out of range for Int64"]);
    assert_eq!(step(&mut harness, &[(7, 1, -2)]), ["-1 7 3 NULL", "+1 7 1 9223372036854775807"]);
    assert_eq!(step(&mut harness, &[(7, 1, 1)]), ["-1 7 1 9223372036854775807", "+1 7 2 NULL"]);
    assert_eq!(rejected(&harness).len(), 2, "a new fault of the same group is reported again");
}

#[test]
fn without_keys_there_is_one_row_from_the_first_step_on() {
    let mut harness = operator(vec![], vec![call("count", None, None), call("sum", Some(column(1)), None)]);
    assert_eq!(step(&mut harness, &[]), ["+1 0 NULL"]);
    assert!(step(&mut harness, &[]).is_empty());
    assert_eq!(step(&mut harness, &[(1, 5, 1)]), ["-1 0 NULL", "+1 1 5"]);
    assert_eq!(step(&mut harness, &[(1, 5, -1)]), ["-1 1 5", "+1 0 NULL"]);
}

#[test]
fn without_aggregates_rows_are_made_distinct() {
    let mut harness = operator(vec![column(0)], vec![]);
    assert_eq!(step(&mut harness, &[(1, 5, 1), (1, 6, 1), (2, 5, 1)]), ["+1 1", "+1 2"]);
    assert_eq!(step(&mut harness, &[(1, 6, -1), (2, 5, -1)]), ["-1 2"]);
}

#[test]
fn a_step_that_changes_nothing_in_the_end_emits_nothing() {
    let mut harness = operator(vec![column(0)], vec![call("sum", Some(column(1)), None)]);
    assert_eq!(step(&mut harness, &[(1, 5, 1)]), ["+1 1 5"]);
    assert!(step(&mut harness, &[(1, 5, -1), (1, 2, 1), (1, 3, 1), (2, 9, 1), (2, 9, -1)]).is_empty());
}

#[test]
fn a_step_over_many_groups_tells_bad_rows_faults_and_empty_groups_as_a_small_one_does() {
    let calls = vec![call("count", None, None), call("sum", Some(column(1)), None), call("sum", Some(Arc::new(Share)), None)];
    let mut harness = operator(vec![column(0)], calls);
    let rows: Vec<(i64, i64, i64)> = (0..5_000).map(|key| (key, 30, 1)).collect();
    assert_eq!(step(&mut harness, &rows).len(), 5_000);
    // Every key again: one row that is bad, one sum that is out of range, one group that goes.
    let again = rows.iter().map(|row| match row.0 {
        2_222 => (2_222, 0, 1),
        3_333 => (3_333, i64::MAX, 1),
        4_444 => (4_444, 30, -1),
        key => (key, 60, 1),
    });
    let emitted = step(&mut harness, &again.collect::<Vec<_>>());
    let all = (0..5_000).filter(|key| *key != 2_222).flat_map(|key| {
        let new = match key {
            3_333 => Some(format!("+1 {key} 2 NULL 2")),
            4_444 => None,
            _ => Some(format!("+1 {key} 2 90 3")),
        };
        [Some(format!("-1 {key} 1 30 2")), new].into_iter().flatten()
    });
    assert_eq!(emitted, all.collect::<Vec<_>>());
    assert_eq!(rejected(&harness), ["2222 0: division by zero", "3333 2 NULL 2: sum is out of range for Int64"]);
}

#[test]
fn a_group_that_owes_rows_is_rejected_and_shows_nothing() {
    let mut harness = operator(vec![column(0)], vec![call("count", None, None)]);
    assert!(try_step(&mut harness, &[(1, 5, -1)]).unwrap().is_empty());
    assert_eq!(rejected(&harness), ["1: more rows of this group were taken back than had come"]);
    assert!(try_step(&mut harness, &[(1, 5, 1)]).unwrap().is_empty());
    assert_eq!(try_step(&mut harness, &[(1, 5, 1)]).unwrap().len(), 1);
    assert_eq!(rejected(&harness).len(), 1);
}
