//! Union.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use expect_test::expect;
use laminar_core::dag::{ChangeKind, DagBuilder, SourceSpec};

use super::graph::{Graph, pairs, timed, watermarked};

#[test]
fn all_rows_of_all_inputs_come_out_with_their_weights_and_the_first_inputs_names() {
    let other = Arc::new(Schema::new(["x", "y"].map(|name| Field::new(name, DataType::Int64, true)).to_vec()));
    let mut dag = DagBuilder::new();
    let a = dag.source("a", pairs(), SourceSpec::TIMELESS);
    let b = dag.changing_source("b", other, SourceSpec::TIMELESS);
    let union = dag.union("u", &[a, b, a]);
    let mut graph = Graph::new(dag.finish().unwrap());
    let ear = graph.listen(union);
    graph.push(a, "+1 | 1 | 1");
    graph.push(b, "+2 | 2 | 2 ; -1 | 2 | 2");
    graph.run();
    expect![[r#"
        +2 | 1 | 1
        +1 | 2 | 2"#]]
    .assert_eq(&ear.net());
    assert!(ear.seen().changes.iter().all(|changes| changes.schema() == pairs()));
    assert_eq!(ear.seen().steps.len(), 1, "one step, one delivery");
}

#[test]
fn the_edge_of_a_union_promises_what_all_inputs_promise() {
    let mut dag = DagBuilder::new();
    let (a, b) = (dag.source("a", timed(), watermarked(0)), dag.source("b", timed(), watermarked(0)));
    let without_time = dag.changing_source("c", timed(), SourceSpec::TIMELESS);
    let (two, three) = (dag.union("two", &[a, b]), dag.union("three", &[a, b, without_time]));
    assert_eq!(dag.properties(two).changes, ChangeKind::Append);
    assert_eq!(dag.properties(two).time_columns.len(), 1);
    assert_eq!(dag.properties(three).changes, ChangeKind::Retract);
    assert!(dag.properties(three).time_columns.is_empty());
}
