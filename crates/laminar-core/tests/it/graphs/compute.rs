//! Filter and projection.

use arrow_array::Int64Array;
use expect_test::{Expect, expect};
use laminar_core::dag::{DagBuilder, SourceSpec};
use laminar_core::expr::{Column, CompareOp, ExprRef, both, compare_with_constant};
use laminar_core::operator::RejectReason;
use laminar_core::{ChangeBatch, NodeId};

use super::exprs::{divide, greater, plus, ratio_above};
use super::graph::{Graph, pairs};

fn graph(filter: Option<ExprRef>, columns: Vec<(&str, ExprRef)>) -> (Graph, NodeId, NodeId) {
    let mut dag = DagBuilder::new();
    let source = dag.changing_source("s", pairs(), SourceSpec::TIMELESS);
    let computed = match (filter, columns.is_empty()) {
        (Some(filter), true) => dag.filter("c", source, filter),
        (filter, _) => dag.compute("c", source, filter, columns),
    };
    (Graph::new(dag.finish().unwrap()), source, computed)
}

/// What goes in, what comes out, what is rejected.
fn check(filter: Option<ExprRef>, columns: Vec<(&str, ExprRef)>, input: &str, expected: Expect) {
    let (mut graph, source, computed) = graph(filter, columns);
    let ear = graph.listen(computed);
    graph.push_and_run(source, input);
    let text = [ear.text(), graph.rejected()];
    expected.assert_eq(&text.iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join("\n"));
}

#[test]
fn rows_for_which_the_filter_is_not_true_are_dropped() {
    check(
        Some(greater(0, 1)),
        vec![],
        "+1 | 1 | 1 ; +1 | 2 | 2 ; +1 | NULL | 3 ; +3 | 4 | NULL",
        expect![[r#"
            +1 | 2 | 2
            +3 | 4 | NULL"#]],
    );
    check(Some(greater(0, 9)), vec![], "+1 | 1 | 1 ; +1 | 2 | 2 ; -1 | 2 | 2", expect![""]);
}

#[test]
fn a_filter_with_a_short_way_leaves_the_rows_that_its_values_leave() {
    let short = |than: i64| {
        compare_with_constant(&pairs(), 0, CompareOp::Gt, &Int64Array::from(vec![than]), format!("a > {than}")).unwrap()
    };
    let condition = |than| both(short(than), short(than - 1), "both".to_owned());
    for input in
        ["+1 | 1 | 1 ; +1 | 2 | 2 ; +1 | NULL | 3 ; +3 | 4 | NULL", "+1 | 3 | 1", "+1 | 3 | 1 ; +2 | 4 | 1 ; -1 | 4 | 1", ""]
    {
        for than in 0..5 {
            let shown = [short(than), condition(than), greater(0, than)].map(|filter| {
                let (mut graph, source, computed) = graph(Some(filter), vec![("b", Column::new(&pairs(), 1))]);
                let ear = graph.listen(computed);
                graph.push_and_run(source, input);
                ear.text()
            });
            assert!(shown[0] == shown[2] && shown[1] == shown[2], "> {than} of {input}: {shown:?}");
        }
    }
}

#[test]
fn columns_are_computed_and_weights_stay() {
    check(
        Some(greater(0, 0)),
        vec![("sum", plus(0, 1)), ("b", Column::new(&pairs(), 1))],
        "+2 | 1 | 10 ; +1 | 2 | 20 ; -1 | 2 | 20 ; +1 | -3 | 30 ; +1 | 4 | NULL",
        expect![[r#"
            +2 | 11 | 10
            +1 | 22 | 20
            -1 | 22 | 20
            +1 | NULL | NULL"#]],
    );
}

#[test]
fn rows_that_cannot_be_evaluated_are_rejected_and_the_rest_goes_on() {
    check(
        Some(ratio_above(0, 1, 0)),
        vec![],
        "+1 | 1 | 1 ; +1 | 2 | 0 ; +1 | 3 | 1",
        expect![[r#"
            +1 | 1 | 1
            +1 | 3 | 1
            n1 error: +1 | 2 | 0: division by zero"#]],
    );
    check(
        None,
        vec![("ratio", divide(0, 1)), ("inverse", divide(1, 0))],
        "+1 | 0 | 0 ; +1 | 2 | 0 ; +1 | 0 | 2 ; +1 | 3 | 3 ; +1 | NULL | 0",
        expect![[r#"
            +1 | 1 | 1
            +1 | NULL | NULL
            n1 error: +1 | 0 | 0: division by zero
            n1 error: +1 | 2 | 0: division by zero
            n1 error: +1 | 0 | 2: division by zero"#]],
    );
}

#[test]
fn the_retraction_of_a_row_that_cannot_be_evaluated_vanishes_without_a_second_report() {
    check(
        None,
        vec![("ratio", divide(0, 1))],
        "+1 | 5 | 0 ; +1 | 4 | 2 ; -1 | 5 | 0 ; -1 | 4 | 2",
        expect![[r#"
            +1 | 2
            -1 | 2
            n1 error: +1 | 5 | 0: division by zero"#]],
    );
}

#[test]
fn errors_are_counted() {
    let (mut graph, source, computed) = graph(None, vec![("ratio", divide(0, 1))]);
    graph.push_and_run(source, "+1 | 5 | 0 ; +1 | 4 | 2 ; +1 | 6 | 0");
    let metrics = graph.reactor.graph_mut().metrics(computed).unwrap();
    assert_eq!((metrics.rows_in, metrics.rows_out, metrics.errors, metrics.late), (3, 1, 2, 0));
    assert!(
        graph
            .reactor
            .graph_mut()
            .take_rejected()
            .iter()
            .all(|(node, rejected)| *node == computed && rejected.reason == RejectReason::Error)
    );
}

#[test]
fn a_projection_onto_columns_copies_nothing() {
    let (mut graph, source, computed) = graph(None, vec![("b", Column::new(&pairs(), 1)), ("a", Column::new(&pairs(), 0))]);
    let ear = graph.listen(computed);
    let rows = ChangeBatch::parse(&pairs(), "+1 | 1 | 2").unwrap();
    graph.reactor.push(source, rows.clone()).unwrap();
    graph.run();
    let out = &ear.seen().changes[0];
    assert_eq!(out.schema().field(0).name(), "b");
    assert!(std::sync::Arc::ptr_eq(out.column(0), rows.column(1)));
}
