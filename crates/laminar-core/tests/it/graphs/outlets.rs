//! Outlets: snapshots, back-pressure, the end.

use arrow_array::Array;
use laminar_core::dag::{DagBuilder, Outlet, SourceSpec};
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Code, StepId};

use super::exprs::greater;
use super::graph::{Ear, Graph, pairs};

#[test]
fn an_outlet_hears_each_step_that_changed_something_once_and_the_end() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let filter = dag.filter("f", source, greater(0, 5));
    let output = dag.output("o", filter);
    let mut graph = Graph::new(dag.finish().unwrap());
    graph.run();
    let ear = graph.listen(output);
    graph.push_and_run(source, "+1 | 9 | 1");
    graph.push_and_run(source, "+1 | 1 | 1");
    graph.push_and_run(source, "+1 | 8 | 1");
    assert_eq!(ear.seen().steps, [2, 4]);
    assert_eq!(ear.take(), "+1 | 9 | 1\n+1 | 8 | 1");
    graph.reactor.end(source).unwrap();
    graph.run();
    assert_eq!(ear.seen().watermark, Some(Watermark::END));
}

#[test]
fn a_snapshot_and_the_changes_after_it_are_the_contents() {
    let mut dag = DagBuilder::new();
    let (table, rows) = dag.table("t", pairs(), Some(vec![0]));
    let mut graph = Graph::new(dag.finish().unwrap());
    graph.push_and_run(table, "+1 | 1 | 10 ; +1 | 2 | 20");
    // What waits in the inbox belongs to a later step, so it is not in the snapshot.
    graph.push(table, "+1 | 2 | 21");
    let ear = graph.subscribe(rows, true);
    assert_eq!(ear.net(), "+1 | 1 | 10\n+1 | 2 | 20");
    graph.run();
    assert_eq!(ear.net(), graph.contents(rows));
}

#[test]
fn only_stored_rows_have_a_snapshot() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let output = dag.output("o", source);
    let mut graph = Graph::new(dag.finish().unwrap());
    let error = graph.reactor.subscribe(output, Box::new(Ear::default()), true).unwrap_err();
    assert_eq!(error.message(), "'o' is not stored, so it has no rows to start with");
}

#[test]
fn a_full_outlet_stops_its_part_of_the_graph_and_no_other() {
    let mut dag = DagBuilder::new();
    let (a, b) = (dag.source("a", pairs(), SourceSpec::TIMELESS), dag.source("b", pairs(), SourceSpec::TIMELESS));
    let (slow, beside, other) = (dag.output("slow", a), dag.output("beside", a), dag.output("other", b));
    let mut graph = Graph::new(dag.finish().unwrap());
    let [slow, beside, other] = [slow, beside, other].map(|node| graph.listen(node));
    slow.set_full(true);
    graph.push(a, "+1 | 1 | 1");
    graph.push(b, "+1 | 2 | 2");
    assert!(graph.run().backpressured);
    assert_eq!([slow.text(), beside.text(), other.text()], ["", "", "+1 | 2 | 2"]);
    assert!(!graph.reactor.is_idle());
    assert_eq!(graph.reactor.waiting_rows(a), 1);
    slow.set_full(false);
    assert!(!graph.run().backpressured);
    assert_eq!([slow.text(), beside.text()], ["+1 | 1 | 1", "+1 | 1 | 1"]);
    assert!(graph.reactor.is_idle());
}

#[test]
fn a_full_outlet_without_anything_waiting_is_no_back_pressure() {
    let mut dag = DagBuilder::new();
    let source = dag.source("a", pairs(), SourceSpec::TIMELESS);
    let mut graph = Graph::new(dag.finish().unwrap());
    graph.run();
    graph.listen(source).set_full(true);
    assert!(!graph.run().backpressured);
}

#[test]
fn one_batch_for_several_readers_is_shared_and_not_copied() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let (output, other) = (dag.output("o", source), dag.output("p", source));
    let below = dag.project("below", source, vec![("b", laminar_core::expr::Column::new(&pairs(), 1))]);
    let mut graph = Graph::new(dag.finish().unwrap());
    let ears = [output, output, other, below].map(|node| graph.listen(node));
    let batch = ChangeBatch::parse(&pairs(), "+1 | 1 | 10 ; +1 | 2 | 20").unwrap();
    graph.reactor.push(source, batch.clone()).unwrap();
    graph.run();
    for ear in &ears {
        let seen = ear.seen();
        let [changes] = seen.changes.as_slice() else { panic!("one batch for each") };
        assert_eq!(last_column(changes), last_column(&batch), "the column that was pushed, not a copy");
    }
}

/// Where the values of the last column lie.
fn last_column(changes: &ChangeBatch) -> *const u8 {
    changes.rows().columns().last().unwrap().to_data().buffers()[0].as_ptr()
}

struct Panics;

impl Outlet for Panics {
    fn deliver(&mut self, _: StepId, _: &[ChangeBatch], _: Watermark, _: i64) {
        panic!("no room");
    }
}

#[test]
fn an_outlet_that_panics_is_taken_away_and_the_graph_goes_on() {
    let mut dag = DagBuilder::new();
    let source = dag.source("a", pairs(), SourceSpec::TIMELESS);
    let mut graph = Graph::new(dag.finish().unwrap());
    let panics = graph.reactor.subscribe(source, Box::new(Panics), false).unwrap();
    let ear = graph.listen(source);
    graph.push_and_run(source, "+1 | 1 | 1");
    graph.push_and_run(source, "+1 | 2 | 2");
    assert_eq!(ear.text(), "+1 | 1 | 1\n+1 | 2 | 2");
    assert!(!graph.reactor.graph_mut().detach_outlet(panics));
}

#[test]
fn after_unsubscribing_nothing_comes() {
    let mut dag = DagBuilder::new();
    let source = dag.source("a", pairs(), SourceSpec::TIMELESS);
    let mut graph = Graph::new(dag.finish().unwrap());
    let ear = Ear::default();
    let id = graph.reactor.subscribe(source, Box::new(ear.clone()), false).unwrap();
    ear.set_full(true);
    assert!(graph.reactor.graph_mut().detach_outlet(id));
    graph.push_and_run(source, "+1 | 1 | 1");
    assert!(graph.reactor.is_idle(), "an outlet that is gone holds nothing up");
    assert_eq!(ear.text(), "");
}

#[test]
fn shutting_down_takes_in_what_waits_and_closes() {
    let mut dag = DagBuilder::new();
    let (table, rows) = dag.table("t", pairs(), None);
    let mut graph = Graph::new(dag.finish().unwrap());
    let ear = graph.listen(rows);
    graph.push(table, "+1 | 1 | 1");
    graph.reactor.shutdown().unwrap();
    assert_eq!(ear.text(), "+1 | 1 | 1");
    assert_eq!(ear.seen().failure.as_deref(), Some("the database is closed"));
    assert_eq!(graph.contents(rows), "+1 | 1 | 1");
    let refused = graph.reactor.push(table, ChangeBatch::parse(&pairs(), "+1 | 2 | 2").unwrap()).unwrap_err();
    assert_eq!(refused.code(), Code::Closed);
}
