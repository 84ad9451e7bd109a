//! LIMIT and OFFSET without an order.

use expect_test::expect;
use laminar_core::Code;
use laminar_core::dag::{DagBuilder, LimitSpec, NodeKind, SourceSpec, derive};

use super::graph::{Graph, pairs};

fn limited(skip: u64, fetch: Option<u64>, cuts: &[&str]) -> String {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let kind = NodeKind::Limit(LimitSpec { skip, fetch });
    let output = derive(&kind, &[dag.properties(source)], pairs());
    let limit = dag.add("limit", kind, vec![source], output);
    let mut graph = Graph::new(dag.finish().unwrap());
    let ear = graph.listen(limit);
    for rows in cuts {
        graph.push(source, rows);
        graph.run();
    }
    ear.net()
}

#[test]
fn the_first_rows_that_come_are_let_through_however_they_are_cut_into_steps() {
    let whole = ["+1 | 1 | 1 ; +1 | 2 | 2 ; +1 | 3 | 3 ; +1 | 4 | 4 ; +1 | 5 | 5"];
    let cut = ["+1 | 1 | 1", "+1 | 2 | 2 ; +1 | 3 | 3 ; +1 | 4 | 4", "+1 | 5 | 5"];
    for cuts in [whole.as_slice(), &cut] {
        expect![[r#"
            +1 | 2 | 2
            +1 | 3 | 3
            +1 | 4 | 4"#]]
        .assert_eq(&limited(1, Some(3), cuts));
        assert_eq!(limited(0, Some(0), cuts), "");
        assert_eq!(limited(5, None, cuts), "");
        assert_eq!(limited(u64::MAX, Some(u64::MAX), cuts), "");
        assert_eq!(limited(0, None, cuts), limited(0, Some(5), cuts));
        assert_eq!(limited(4, None, cuts), "+1 | 5 | 5");
    }
}

#[test]
fn rows_that_change_have_no_first_ones() {
    let mut dag = DagBuilder::new();
    let source = dag.changing_source("s", pairs(), SourceSpec::TIMELESS);
    let kind = NodeKind::Limit(LimitSpec { skip: 0, fetch: Some(1) });
    let output = derive(&kind, &[dag.properties(source)], pairs());
    dag.add("limit", kind, vec![source], output);
    let error = dag.finish().unwrap_err();
    assert_eq!(error.code(), Code::Internal);
}
