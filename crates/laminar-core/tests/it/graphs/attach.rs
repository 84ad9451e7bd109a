//! Nodes that come and go while a graph runs.

use laminar_core::dag::{DagBuilder, SourceSpec};
use laminar_core::time::Watermark;
use laminar_core::{Code, NodeId};

use super::exprs::{greater, plus};
use super::graph::{Graph, SECOND, pairs, timed, watermarked};

/// A builder for nodes that read from nodes of a running graph.
fn on_top_of(graph: &Graph, nodes: &[NodeId]) -> DagBuilder {
    let mut dag = DagBuilder::new();
    for node in nodes {
        dag.existing(*node, graph.reactor.graph().properties(*node).unwrap().clone());
    }
    dag
}

#[test]
fn a_new_reader_of_stored_rows_gets_them_first_and_older_readers_get_nothing_twice() {
    let mut dag = DagBuilder::new();
    let (table, rows) = dag.table("t", pairs(), Some(vec![0]));
    let old = dag.filter("old", rows, greater(0, 0));
    let mut graph = Graph::new(dag.finish().unwrap());
    let old_ear = graph.listen(old);
    graph.push_and_run(table, "+1 | 1 | 10 ; +1 | 2 | 20");
    graph.push_and_run(table, "+1 | 2 | 21");
    old_ear.take();

    let mut dag = on_top_of(&graph, &[old, rows]);
    let sums = dag.project("sums", rows, vec![("sum", plus(0, 1))]);
    graph.reactor.attach(dag.finish().unwrap()).unwrap();
    let ear = graph.listen(sums);
    graph.push_and_run(table, "+1 | 3 | 30");
    assert_eq!(ear.net(), "+1 | 11\n+1 | 23\n+1 | 33");
    assert_eq!(ear.seen().steps.len(), 1, "the contents and what waited are one step");
    assert_eq!(old_ear.take(), "+1 | 3 | 30");
}

#[test]
fn a_new_reader_of_a_stream_gets_what_comes_from_now_on_and_the_watermark_as_it_stands() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", timed(), watermarked(0));
    let mut graph = Graph::new(dag.finish().unwrap());
    graph.push_and_run(source, "+1 | 1 | 00:01");
    let mut dag = on_top_of(&graph, &[source]);
    let late = dag.filter("late", source, greater(0, 0));
    graph.reactor.attach(dag.finish().unwrap()).unwrap();
    let ear = graph.listen(late);
    graph.run();
    assert_eq!(ear.take(), "");
    assert_eq!(graph.reactor.graph().watermark(late).unwrap(), Watermark(60 * SECOND));
    graph.push_and_run(source, "+1 | 2 | 00:02");
    assert_eq!(ear.take(), "+1 | 2 | 00:02");
}

#[test]
fn a_new_reader_of_something_that_has_ended_hears_of_the_end() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let view = dag.view("v", source);
    let mut graph = Graph::new(dag.finish().unwrap());
    graph.push(source, "+1 | 1 | 1");
    graph.reactor.end(source).unwrap();
    graph.run();
    let mut dag = on_top_of(&graph, &[view]);
    let copy = dag.view("copy", view);
    graph.reactor.attach(dag.finish().unwrap()).unwrap();
    graph.run();
    assert_eq!(graph.contents(copy), "+1 | 1 | 1");
    assert_eq!(graph.reactor.graph().watermark(copy).unwrap(), Watermark::END);
    let ear = graph.subscribe(copy, true);
    assert_eq!((ear.text().as_str(), ear.seen().watermark), ("+1 | 1 | 1", Some(Watermark::END)));
}

#[test]
fn nodes_that_others_read_from_stay() {
    let mut dag = DagBuilder::new();
    let source = dag.source("numbers", pairs(), SourceSpec::TIMELESS);
    let filter = dag.filter("positive", source, greater(0, 0));
    let output = dag.output("answer", filter);
    let mut graph = Graph::new(dag.finish().unwrap());
    let error = graph.reactor.detach(&[source, filter]).unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::ObjectInUse, "'answer' reads from 'positive'"));
    let ear = graph.listen(output);
    graph.push(source, "+1 | 1 | 1");
    graph.reactor.detach(&[filter, output]).unwrap();
    assert_eq!(ear.seen().failure.as_deref(), Some("'answer' was dropped"));
    assert!(graph.run().step.0 > 0);
    assert_eq!(graph.reactor.graph().status(filter).unwrap_err().code(), Code::UnknownObject);
    graph.reactor.detach(&[source]).unwrap();
    assert_eq!(graph.reactor.graph().nodes().count(), 0);
    assert!(graph.reactor.is_idle());
}

#[test]
fn either_all_nodes_are_attached_or_none() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let mut nodes = dag.clone().finish().unwrap();
    let mut graph = Graph::new(nodes.clone());
    assert_eq!(graph.reactor.attach(nodes.clone()).unwrap_err().message(), "two nodes have the number n0");
    let filter = dag.filter("f", source, greater(0, 0));
    nodes = dag.finish().unwrap().split_off(1);
    for (input, expected) in [(7, "which does not exist"), (1, "which does not come before it")] {
        nodes[0].inputs = vec![NodeId(input)];
        let error = graph.reactor.attach(nodes.clone()).unwrap_err();
        assert_eq!(error.message(), format!("n1 reads from n{input}, {expected}"));
    }
    assert!(graph.reactor.graph().properties(filter).is_none());
}
