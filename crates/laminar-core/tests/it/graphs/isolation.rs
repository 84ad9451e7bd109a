//! Trouble stays where it is: failing operators, panics, broken promises.

use std::sync::Arc;

use laminar_core::dag::{ChangeKind, DagBuilder, Node, NodeStatus, SourceSpec};
use laminar_core::expr::{Column, ExprRef};
use laminar_core::reactor::Reactor;
use laminar_core::time::ManualClock;
use laminar_core::{ChangeBatch, Code, NodeId};

use super::exprs::{broken_at, panics_at};
use super::graph::{Graph, pairs};

/// A source with a good reader, a bad one, and readers of both.
struct Bed {
    source: NodeId,
    good: NodeId,
    bad: NodeId,
    below_bad: NodeId,
    both: NodeId,
    nodes: Vec<Node>,
}

fn bed(bad: ExprRef) -> Bed {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let good = dag.project("good", source, vec![("x", Column::new(&pairs(), 0))]);
    let bad = dag.project("bad", source, vec![("x", bad)]);
    let below_bad = dag.output("below", bad);
    let both = dag.union("both", &[good, bad]);
    Bed { source, good, bad, below_bad, both, nodes: dag.finish().unwrap() }
}

fn check(bad: ExprRef, message: &str) {
    let Bed { source, good, bad, below_bad, both, nodes } = bed(bad);
    let mut graph = Graph::new(nodes);
    let [good_ear, below_ear, both_ear] = [good, below_bad, both].map(|node| graph.listen(node));
    graph.push_and_run(source, "+1 | 1 | 1");
    graph.push_and_run(source, "+1 | 13 | 1");
    graph.push_and_run(source, "+1 | 2 | 1");
    assert_eq!(good_ear.text(), "+1 | 1\n+1 | 13\n+1 | 2", "what does not read from it goes on");
    assert_eq!(below_ear.text(), "+1 | 1");
    assert_eq!(both_ear.net(), "+2 | 1", "nothing of the step in which its input failed");
    assert_eq!(graph.failure(bad).unwrap(), format!("'bad': {message}"));
    let inherited = format!("reads from 'bad', which failed: {message}");
    assert_eq!(graph.failure(both).unwrap(), inherited);
    assert_eq!(below_ear.seen().failure.as_deref(), Some(inherited.as_str()));
    assert_eq!(graph.reactor.graph().status(good).unwrap(), NodeStatus::Running);
    assert!(graph.reactor.is_idle());

    let mut dag = DagBuilder::new();
    dag.existing(both, graph.reactor.graph().properties(both).unwrap().clone());
    dag.output("more", both);
    let refused = graph.reactor.attach(dag.finish().unwrap()).unwrap_err();
    assert_eq!(refused.message(), inherited, "nothing new can be built on it");
}

#[test]
fn a_failing_operator_takes_only_its_readers_with_it() {
    check(broken_at(0, 13), "broken(#0) gave 0 values for 1 rows");
}

#[test]
fn a_panic_is_a_failure_like_any_other() {
    check(panics_at(0, 13), "panicked: saw 13");
}

#[test]
fn a_failed_node_can_be_dropped() {
    let Bed { source, bad, below_bad, both, nodes, .. } = bed(panics_at(0, 13));
    let mut graph = Graph::new(nodes);
    graph.push_and_run(source, "+1 | 13 | 1");
    graph.reactor.detach(&[bad, below_bad, both]).unwrap();
    graph.push_and_run(source, "+1 | 1 | 1");
    assert_eq!(graph.failure(source), None);
}

#[test]
fn a_failure_survives_an_image() {
    let first = bed(panics_at(0, 13));
    let mut graph = Graph::new(first.nodes);
    graph.push_and_run(first.source, "+1 | 13 | 1");
    let image = graph.reactor.image().unwrap();
    let mut after = Graph::new(bed(panics_at(0, 13)).nodes);
    after.reactor.restore(image).unwrap();
    assert_eq!(after.failure(first.bad), graph.failure(first.bad));
    after.push_and_run(first.source, "+1 | 1 | 1");
}

/// A broken promise of an edge: rows are retracted on an edge that says it never does that.
fn dishonest() -> (Vec<Node>, NodeId, NodeId) {
    let mut dag = DagBuilder::new();
    let source = dag.changing_source("s", pairs(), SourceSpec::TIMELESS);
    let same = dag.project("p", source, vec![("a", Column::new(&pairs(), 0)), ("b", Column::new(&pairs(), 1))]);
    let output = dag.output("o", same);
    let mut nodes = dag.finish().unwrap();
    nodes.iter_mut().filter(|node| node.id == same).for_each(|node| node.output.changes = ChangeKind::Append);
    (nodes, source, output)
}

#[test]
fn a_checked_reactor_says_which_promise_was_broken() {
    let (nodes, source, output) = dishonest();
    let mut graph = Graph::new(nodes);
    graph.push(source, "+1 | 1 | 1 ; -1 | 1 | 1");
    let error = graph.reactor.poll().unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    assert_eq!(error.message(), "n1 broke a promise: a weight other than +1 on an append edge");
    assert!(graph.failure(output).is_some());
}

#[test]
fn a_checked_reactor_sees_rows_that_are_there_less_than_zero_times() {
    let mut dag = DagBuilder::new();
    let source = dag.changing_source("s", pairs(), SourceSpec::TIMELESS);
    let mut graph = Graph::new(dag.finish().unwrap());
    graph.push(source, "-1 | 1 | 1 ; +1 | 1 | 1");
    graph.reactor.poll().unwrap();
    graph.push(source, "-1 | 1 | 1");
    assert_eq!(graph.reactor.poll().unwrap_err().message(), "n0 broke a promise: a row is there -1 times");
}

#[test]
fn an_unchecked_reactor_believes_its_operators() {
    let (nodes, source, output) = dishonest();
    let mut reactor = Reactor::new(Arc::new(ManualClock::at(0)));
    reactor.attach(nodes).unwrap();
    reactor.push(source, ChangeBatch::parse(&pairs(), "+1 | 1 | 1 ; -1 | 1 | 1").unwrap()).unwrap();
    while reactor.poll().unwrap().progressed {}
    assert_eq!(reactor.graph().status(output).unwrap(), NodeStatus::Running);
}
