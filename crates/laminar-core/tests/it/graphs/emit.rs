//! Changes that are held back: `EMIT EVERY`, `EMIT FINAL`.

use laminar_core::NodeId;
use laminar_core::dag::{ChangeKind, DagBuilder, EmitWhen, SourceSpec};
use laminar_core::time::Watermark;

use super::graph::{Ear, Graph, SECOND, pairs, timed, watermarked};

const EVERY_10_S: EmitWhen = EmitWhen::Every(10 * SECOND);

fn graph(when: EmitWhen) -> (Graph, NodeId, Ear) {
    let mut dag = DagBuilder::new();
    let source = dag.changing_source("s", pairs(), SourceSpec::TIMELESS);
    let emit = dag.emit("e", source, when);
    let mut graph = Graph::new(dag.finish().unwrap());
    let ear = graph.listen(emit);
    (graph, source, ear)
}

#[test]
fn what_changed_within_an_interval_comes_as_one_change() {
    let (mut graph, source, ear) = graph(EVERY_10_S);
    graph.sleep(3 * SECOND);
    graph.push_and_run(source, "+1 | 1 | 1 ; +1 | 2 | 2");
    graph.push_and_run(source, "-1 | 1 | 1 ; +1 | 2 | 2");
    assert_eq!(graph.reactor.next_wake(), Some(13 * SECOND), "the first change came at 3 s");
    graph.sleep(9 * SECOND);
    assert_eq!(ear.take(), "");
    graph.sleep(SECOND);
    assert_eq!(ear.take(), "+2 | 2 | 2");
    assert_eq!(graph.reactor.next_wake(), None, "nothing is held");
    graph.push_and_run(source, "+1 | 3 | 3");
    graph.sleep(10 * SECOND);
    assert_eq!(ear.take(), "+1 | 3 | 3");
}

#[test]
fn a_reactor_is_settled_when_nothing_waits_and_no_timer_was_due_at_the_last_poll() {
    let (mut graph, source, ear) = graph(EVERY_10_S);
    graph.push_and_run(source, "+1 | 1 | 1");
    assert!(graph.reactor.is_settled(), "the timer is due in 10 s");
    graph.push(source, "+1 | 2 | 2");
    assert!(!graph.reactor.is_settled(), "a row waits");
    graph.sleep(10 * SECOND);
    assert!(graph.reactor.is_settled() && !ear.take().is_empty());
    graph.push(source, "+1 | 3 | 3");
    assert!(graph.reactor.poll().unwrap().progressed && graph.reactor.is_settled());
    // The clock goes on while nobody polls: what is due since then is the next poll's.
    graph.clock.advance(10 * SECOND);
    assert!(graph.reactor.is_settled());
    let due = graph.reactor.poll().unwrap();
    assert!(due.progressed && !ear.take().is_empty());
}

#[test]
fn changes_that_cancel_out_are_never_shown() {
    let (mut graph, source, ear) = graph(EVERY_10_S);
    graph.push_and_run(source, "+1 | 1 | 1");
    graph.push_and_run(source, "-1 | 1 | 1");
    graph.sleep(20 * SECOND);
    assert_eq!(ear.take(), "");
}

#[test]
fn the_end_of_time_lets_everything_go() {
    for when in [EVERY_10_S, EmitWhen::AtEnd] {
        let (mut graph, source, ear) = graph(when);
        graph.push_and_run(source, "+1 | 1 | 1 ; +1 | 2 | 2");
        graph.push_and_run(source, "-1 | 1 | 1");
        assert_eq!(ear.take(), "");
        graph.reactor.end(source).unwrap();
        graph.run();
        assert_eq!(ear.take(), "+1 | 2 | 2");
        assert_eq!(ear.seen().watermark, Some(Watermark::END));
    }
}

#[test]
fn a_final_result_has_no_weights_and_is_not_changed_afterwards() {
    let mut dag = DagBuilder::new();
    let ended = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let (table, rows) = dag.table("t", pairs(), None);
    let union = dag.union("u", &[ended, rows]);
    let emit = dag.emit("e", union, EmitWhen::AtEnd);
    assert_eq!(dag.properties(emit).changes, ChangeKind::Append);
    let mut graph = Graph::new(dag.finish().unwrap());
    let ear = graph.listen(emit);
    graph.push(ended, "+1 | 1 | 1 ; +1 | 1 | 1");
    graph.push_and_run(table, "+1 | 2 | 2");
    graph.reactor.end(ended).unwrap();
    graph.run();
    assert_eq!(ear.take(), "+1 | 1 | 1\n+1 | 1 | 1\n+1 | 2 | 2");
    graph.push_and_run(table, "+1 | 3 | 3");
    assert_eq!(ear.take(), "");
    assert_eq!(graph.rejected(), format!("{emit} late: +1 | 3 | 3: came after the final result had been emitted"));
}

#[test]
fn the_watermark_waits_for_the_held_rows() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", timed(), watermarked(0));
    let emit = dag.emit("e", source, EVERY_10_S);
    let mut graph = Graph::new(dag.finish().unwrap());
    graph.push_and_run(source, "+1 | 1 | 00:10");
    assert_eq!(graph.reactor.graph().watermark(emit).unwrap(), Watermark::START);
    graph.sleep(10 * SECOND);
    assert_eq!(graph.reactor.graph().watermark(emit).unwrap(), Watermark(600 * SECOND));
    graph.push_and_run(source, "+1 | 1 | 00:20");
    assert_eq!(graph.reactor.graph().watermark(emit).unwrap(), Watermark(600 * SECOND));
    graph.sleep(10 * SECOND);
    assert_eq!(graph.reactor.graph().watermark(emit).unwrap(), Watermark(1200 * SECOND));
}

#[test]
fn held_rows_survive_an_image() {
    let (mut before, source, _) = graph(EVERY_10_S);
    before.push_and_run(source, "+1 | 2 | 2");
    before.sleep(10 * SECOND);
    before.push_and_run(source, "+1 | 1 | 1 ; -1 | 2 | 2 ; +1 | NULL | 3");
    let image = before.reactor.image().unwrap();
    let (mut after, _, ear) = graph(EVERY_10_S);
    after.reactor.restore(image).unwrap();
    assert_eq!(after.reactor.next_wake(), Some(20 * SECOND));
    after.sleep(20 * SECOND);
    assert_eq!(ear.take(), "+1 | 1 | 1\n-1 | 2 | 2\n+1 | NULL | 3");
}
