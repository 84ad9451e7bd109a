//! Rows that are there from the start: once, beside what changes, whatever the number of workers.

use laminar_core::ChangeBatch;
use laminar_core::dag::{ConstantSpec, DagBuilder, NodeKind, SourceSpec, derive};
use laminar_core::time::Watermark;

use super::graph::{Graph, pairs};

fn constant(dag: &mut DagBuilder, rows: &str) -> laminar_core::NodeId {
    let rows = ChangeBatch::parse(&pairs(), rows).unwrap().rows().clone();
    let kind = NodeKind::Constant(ConstantSpec { rows });
    let output = derive(&kind, &[], pairs());
    dag.add("constant", kind, vec![], output)
}

#[test]
fn constants_come_once_and_beside_them_rows_go_on() {
    for workers in [1, 3] {
        let mut dag = DagBuilder::new();
        let ones = constant(&mut dag, "+1 | 1 | 1 ; +1 | 2 | 2");
        let alone = dag.view("alone", ones);
        let source = dag.changing_source("s", pairs(), SourceSpec::TIMELESS);
        let both = dag.union("both", &[source, ones]);
        let view = dag.view("v", both);
        let mut graph = Graph::on_workers(dag.finish().unwrap(), workers, false);
        let ear = graph.listen(alone);
        graph.run();
        assert_eq!(graph.contents(alone), "+1 | 1 | 1\n+1 | 2 | 2");
        graph.push_and_run(source, "+1 | 1 | 1 ; +1 | 3 | 3");
        graph.push_and_run(source, "-1 | 3 | 3");
        assert_eq!(graph.contents(view), "+2 | 1 | 1\n+1 | 2 | 2");
        graph.set_workers(4 - workers, false);
        graph.push_and_run(source, "+1 | 4 | 4");
        assert_eq!(graph.contents(view), "+2 | 1 | 1\n+1 | 2 | 2\n+1 | 4 | 4");
        assert_eq!(graph.contents(alone), "+1 | 1 | 1\n+1 | 2 | 2");
        assert_eq!(ear.net(), "+1 | 1 | 1\n+1 | 2 | 2");
    }
}

#[test]
fn readers_do_not_wait_for_the_end_of_constants() {
    let mut dag = DagBuilder::new();
    let ones = constant(&mut dag, "+1 | 1 | 1");
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let both = dag.union("both", &[source, ones]);
    let view = dag.view("v", both);
    let mut graph = Graph::new(dag.finish().unwrap());
    graph.run();
    assert!(!graph.reactor.graph().watermark(view).unwrap().is_end());
    graph.reactor.end(source).unwrap();
    graph.run();
    assert_eq!(graph.reactor.graph().watermark(view).unwrap(), Watermark::END);
}
