//! Lists taken apart: NULL and empty lists, lists of unequal length, lists of lists, structs; weights, and long lists.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, FixedSizeListArray, Int64Array, LargeListArray, ListArray, RecordBatch, StructArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use expect_test::{Expect, expect};
use laminar_core::changelog::print_all;
use laminar_core::dag::{DagBuilder, MissingElements, NodeKind, SourceSpec, UnnestColumn, UnnestSpec, derive};
use laminar_core::operator::unnest::Unnest;
use laminar_core::{ChangeBatch, Port};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::exprs::list_of;
use super::graph::{Graph, pairs};
use crate::harness::Harness;

type List = Option<Vec<Option<i64>>>;

fn elements(column: usize, depth: usize) -> UnnestColumn {
    UnnestColumn::Elements { column, depth }
}

fn lists(lists: &[List]) -> ArrayRef {
    Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists.to_vec()))
}

fn numbers(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int64Array>())
}

fn batch(columns: &[ArrayRef], weights: Vec<i64>) -> ChangeBatch {
    let field = |(at, column): (usize, &ArrayRef)| Field::new(format!("c{at}"), column.data_type().clone(), true);
    let schema = Arc::new(Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>()));
    ChangeBatch::new(RecordBatch::try_new(schema, columns.to_vec()).unwrap(), weights)
}

fn output(types: &[DataType]) -> SchemaRef {
    let field = |(at, data_type): (usize, &DataType)| Field::new(format!("o{at}"), data_type.clone(), true);
    Arc::new(Schema::new(types.iter().enumerate().map(field).collect::<Vec<_>>()))
}

/// What comes of `changes`; all columns of the output are whole numbers.
fn unnested(columns: &[UnnestColumn], missing: MissingElements, changes: ChangeBatch) -> Vec<ChangeBatch> {
    let spec = UnnestSpec { columns: columns.to_vec(), missing };
    let operator = Unnest::new(&spec, output(&vec![DataType::Int64; columns.len()]));
    Harness::new(operator).step(vec![(Port::LEFT, changes)]).unwrap()
}

fn check(columns: &[UnnestColumn], missing: MissingElements, changes: ChangeBatch, expected: Expect) {
    expected.assert_eq(&print_all(&unnested(columns, missing, changes)));
}

fn some() -> ChangeBatch {
    let a = [Some(vec![Some(1), None]), None, Some(vec![]), Some(vec![Some(7)])];
    let b = [Some(vec![Some(4)]), Some(vec![]), Some(vec![]), Some(vec![Some(8), Some(9), Some(10)])];
    batch(&[numbers([10, 20, 30, 40]), lists(&a), lists(&b)], vec![1, 1, 2, -3])
}

#[test]
fn each_element_has_the_weight_of_its_row() {
    let columns = [UnnestColumn::Repeated(0), elements(1, 1)];
    check(
        &columns,
        MissingElements::Dropped,
        some(),
        expect![[r#"
            +1 | 10 | 1
            +1 | 10 | NULL
            -3 | 40 | 7"#]],
    );
    check(
        &columns,
        MissingElements::NullKept,
        some(),
        expect![[r#"
            +1 | 10 | 1
            +1 | 10 | NULL
            +1 | 20 | NULL
            -3 | 40 | 7"#]],
    );
    check(
        &columns,
        MissingElements::AllKept,
        some(),
        expect![[r#"
            +1 | 10 | 1
            +1 | 10 | NULL
            +1 | 20 | NULL
            +2 | 30 | NULL
            -3 | 40 | 7"#]],
    );
}

#[test]
fn shorter_lists_are_filled_up() {
    check(
        &[elements(2, 1), UnnestColumn::Repeated(0), elements(1, 1)],
        MissingElements::Dropped,
        some(),
        expect![[r#"
            +1 | 4 | 10 | 1
            +1 | NULL | 10 | NULL
            -3 | 8 | 40 | 7
            -3 | 9 | 40 | NULL
            -3 | 10 | 40 | NULL"#]],
    );
}

#[test]
fn lists_of_lists_are_taken_apart_level_by_level() {
    let inner = lists(&[Some(vec![Some(1), Some(2)]), None, Some(vec![]), Some(vec![Some(3)])]);
    let field = Arc::new(Field::new_list_field(inner.data_type().clone(), true));
    let offsets = arrow_buffer::OffsetBuffer::from_lengths([2, 2]);
    let outer: ArrayRef = Arc::new(LargeListArray::new(field, to_large(&offsets), inner, None));
    let flat = lists(&[Some(vec![Some(8), Some(9)]), Some(vec![Some(7)])]);
    check(
        &[elements(0, 2), elements(1, 1)],
        MissingElements::Dropped,
        batch(&[outer, flat], vec![1, -1]),
        expect![[r#"
            +1 | 1 | 8
            +1 | 2 | 9
            +1 | NULL | 8
            +1 | NULL | 9
            -1 | NULL | 7
            -1 | 3 | 7"#]],
    );
}

fn to_large(offsets: &arrow_buffer::OffsetBuffer<i32>) -> arrow_buffer::OffsetBuffer<i64> {
    arrow_buffer::OffsetBuffer::new(offsets.iter().map(|offset| i64::from(*offset)).collect())
}

#[test]
fn structs_become_columns_and_lists_of_one_size_are_lists() {
    let fields = vec![Field::new("x", DataType::Int64, true), Field::new("y", DataType::Int64, true)];
    let nulls = NullBuffer::from(vec![true, false]);
    let structs: ArrayRef = Arc::new(StructArray::new(fields.into(), vec![numbers([1, 2]), numbers([3, 4])], Some(nulls)));
    let field = Arc::new(Field::new_list_field(DataType::Int64, true));
    let pairs: ArrayRef = Arc::new(FixedSizeListArray::new(field, 2, numbers([5, 6, 7, 8]), None));
    let field = |field| UnnestColumn::Field { column: 0, field };
    let changes = batch(&[structs, pairs], vec![1, 1]);
    check(
        &[field(0), field(1)],
        MissingElements::Dropped,
        changes.clone(),
        expect![[r#"
            +1 | 1 | 3
            +1 | NULL | NULL"#]],
    );
    check(
        &[field(1), elements(1, 1)],
        MissingElements::Dropped,
        changes.slice(1, 1),
        expect![[r#"
            +1 | NULL | 7
            +1 | NULL | 8"#]],
    );
}

#[test]
fn elements_came_when_their_row_came() {
    let changes = some().with_arrivals(vec![1, 2, 3, 4].into());
    let emitted = unnested(&[elements(1, 1)], MissingElements::AllKept, changes);
    let arrivals: Vec<_> = emitted.iter().flat_map(|batch| batch.arrivals().unwrap().to_vec()).collect();
    assert_eq!(arrivals, [1, 1, 2, 3, 4]);
}

#[test]
fn long_lists_come_in_batches_of_the_usual_size() {
    let long: List = Some((0..30_000).map(Some).collect());
    let changes = batch(&[lists(&[long.clone(), Some(vec![Some(-1)]), long])], vec![1, 1, 1]);
    let emitted = unnested(&[elements(0, 1)], MissingElements::Dropped, changes);
    assert!(emitted.iter().all(|batch| (1..=laminar_core::limits::BATCH_ROWS_MAX).contains(&batch.len())));
    let values: Vec<i64> =
        emitted.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
    assert_eq!(values, (0..30_000).chain([-1]).chain(0..30_000).collect::<Vec<_>>());
}

fn random_list(rng: &mut StdRng) -> List {
    let element = |rng: &mut StdRng| rng.random_bool(0.8).then(|| rng.random_range(0..9));
    rng.random_bool(0.8).then(|| (0..rng.random_range(0..5)).map(|_| element(rng)).collect())
}

/// The rows of one row, one after the other.
fn model(a: &List, b: &List, missing: MissingElements) -> Vec<(Option<i64>, Option<i64>)> {
    let length = |list: &List| match (list, missing) {
        (None, MissingElements::Dropped) => 0,
        (None, _) => 1,
        (Some(list), MissingElements::AllKept) => list.len().max(1),
        (Some(list), _) => list.len(),
    };
    let at = |list: &List, place: usize| list.as_ref().and_then(|list| list.get(place).copied().flatten());
    (0..length(a).max(length(b))).map(|place| (at(a, place), at(b, place))).collect()
}

#[test]
fn random_lists_are_taken_apart_as_by_hand() {
    for seed in 0..200 {
        let rng = &mut StdRng::seed_from_u64(seed);
        let rows: Vec<_> = (0..rng.random_range(0..20)).map(|_| (random_list(rng), random_list(rng))).collect();
        let weights: Vec<i64> = rows.iter().map(|_| rng.random_range(-2..3)).collect();
        let missing = [MissingElements::Dropped, MissingElements::NullKept, MissingElements::AllKept][rng.random_range(0..3)];
        let (a, b): (Vec<_>, Vec<_>) = rows.iter().cloned().unzip();
        let changes = batch(&[lists(&a), lists(&b)], weights.clone());
        // A part of a batch has its lists in the middle of an array.
        let first = rng.random_range(0..=rows.len());
        let parts = [changes.slice(0, first), changes.slice(first, rows.len() - first)];
        let operator = |part| unnested(&[elements(0, 1), elements(1, 1)], missing, part);
        let emitted: Vec<_> = parts.into_iter().flat_map(operator).collect();
        let expected = rows.iter().zip(&weights);
        let expected = expected.flat_map(|((a, b), weight)| model(a, b, missing).into_iter().map(move |row| (row, *weight)));
        let found = emitted.iter().flat_map(|batch| {
            let (a, b) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_primitive::<Int64Type>());
            let value = |column: &Int64Array, row| column.is_valid(row).then(|| column.value(row));
            (0..batch.len()).map(|row| ((value(a, row), value(b, row)), batch.weight(row))).collect::<Vec<_>>()
        });
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn what_is_no_list_is_refused() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let kind = NodeKind::Unnest(UnnestSpec { columns: vec![elements(0, 1)], missing: MissingElements::Dropped });
    let properties = derive(&kind, &[dag.properties(source)], output(&[DataType::Int64]));
    dag.add("unnest", kind, vec![source], properties);
    assert!(dag.finish().unwrap_err().message().contains("no list"));
}

#[test]
fn a_graph_takes_back_the_elements_of_a_row_that_goes() {
    let mut dag = DagBuilder::new();
    let source = dag.changing_source("s", pairs(), SourceSpec::TIMELESS);
    let listed = dag.project("listed", source, vec![("a", laminar_core::expr::Column::new(&pairs(), 0)), ("l", list_of(0, 1))]);
    let kind = NodeKind::Unnest(UnnestSpec {
        columns: vec![UnnestColumn::Repeated(0), elements(1, 1)],
        missing: MissingElements::Dropped,
    });
    let properties = derive(&kind, &[dag.properties(listed)], output(&[DataType::Int64, DataType::Int64]));
    let unnest = dag.add("unnest", kind, vec![listed], properties);
    let view = dag.view("v", unnest);
    let mut graph = Graph::new(dag.finish().unwrap());
    graph.push_and_run(source, "+1 | 1 | 5 ; +1 | 2 | 6 ; +2 | 1 | 5");
    graph.push_and_run(source, "-1 | 2 | 6 ; -1 | 1 | 5");
    expect![[r#"
        +2 | 1 | 1
        +2 | 1 | 5"#]]
    .assert_eq(&graph.contents(view));
}
