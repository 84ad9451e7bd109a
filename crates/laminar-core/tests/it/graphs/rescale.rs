//! Another number of workers between two steps: what stays, and what waits.

use laminar_core::dag::{
    DagBuilder, EmitWhen, GraphHost, InlinePool, JoinSpec, NodeStatus, SourceSpec, WindowEmission, WindowSpec,
};
use laminar_core::expr::Column;
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::time::Watermark;
use laminar_core::time::watermark::{WatermarkRule, WatermarkSpec};
use laminar_core::time::windows::{WindowKind, WindowShape, WindowUnit};

use super::exprs::{divide, greater, panics_at};
use super::graph::{Graph, SECOND, pairs, timed, watermarked};

fn count() -> AggregateCall {
    let function = native("count", &[], &[], false).unwrap().unwrap();
    AggregateCall { function, args: vec![], filter: None, name: "n".to_owned() }
}

#[test]
fn rows_in_inboxes_and_steps_go_on() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let groups = dag.aggregate("g", source, vec![("a", Column::new(&pairs(), 0))], vec![count()]);
    let view = dag.view("v", groups);
    let mut graph = Graph::new(dag.finish().unwrap());
    let ear = graph.listen(view);
    graph.push_and_run(source, "+1 | 1 | 1 ; +1 | 2 | 1 ; +1 | NULL | 1");
    let step = graph.reactor.graph().last_step();
    graph.push(source, "+1 | 1 | 2 ; +1 | NULL | 2");
    for workers in [3, 2, 1, 4] {
        graph.set_workers(workers, false);
        assert_eq!(graph.reactor.graph().last_step(), step);
        assert_eq!(graph.reactor.waiting_rows(source), 2);
        assert_eq!(graph.contents(view), "+1 | NULL | 1\n+1 | 1 | 1\n+1 | 2 | 1");
    }
    graph.run();
    assert_eq!(graph.contents(view), "+1 | NULL | 2\n+1 | 1 | 2\n+1 | 2 | 1");
    assert_eq!(ear.net(), graph.contents(view), "the outlet stayed");
    let metrics = graph.reactor.graph_mut().metrics(groups).unwrap();
    assert_eq!(metrics.rows_in, 5);
}

#[test]
fn the_end_of_a_source_is_not_lost() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", timed(), watermarked(0));
    let view = dag.view("v", source);
    for (before, after) in [(1, 3), (3, 1), (2, 4)] {
        let mut graph = Graph::on_workers(dag.clone().finish().unwrap(), before, false);
        graph.push_and_run(source, "+1 | 1 | 00:01");
        graph.reactor.end(source).unwrap();
        graph.set_workers(after, false);
        graph.run();
        assert_eq!(graph.reactor.graph().watermark(view).unwrap(), Watermark::END);
        graph.set_workers(before, false);
        graph.run();
        assert_eq!(graph.reactor.graph().status(view).unwrap(), NodeStatus::Ended);
    }
}

#[test]
fn first_contents_that_wait_come_to_where_they_are_needed() {
    for (before, after) in [(1, 3), (3, 1), (3, 2)] {
        let mut dag = DagBuilder::new();
        let (source, table) = dag.table("t", pairs(), Some(vec![0]));
        let changing = dag.changing_source("s", pairs(), SourceSpec::TIMELESS);
        let view = dag.view("v", changing);
        let mut graph = Graph::on_workers(dag.finish().unwrap(), before, false);
        graph.push_and_run(source, "+1 | 1 | 10 ; +1 | 2 | 20 ; +1 | NULL | 30");
        graph.push_and_run(changing, "+1 | 1 | 5 ; +1 | 2 | 6 ; +1 | 2 | 6 ; +1 | 3 | 7 ; +1 | 4 | 8 ; +1 | 5 | 9 ; +1 | 6 | 1");
        let properties = |id| graph.reactor.graph().properties(id).unwrap().clone();
        let mut dag = DagBuilder::new();
        let (known, read) = (dag.existing(table, properties(table)), dag.existing(view, properties(view)));
        let keys = || vec![Column::new(&pairs(), 0)];
        let join = dag.join("j", read, known, JoinSpec::inner(keys(), keys()));
        let joined = dag.view("joined", join);
        let again = dag.view("again", read);
        graph.reactor.attach(dag.finish().unwrap()).unwrap();
        graph.set_workers(after, false);
        graph.run();
        assert_eq!(graph.contents(joined), "+1 | 1 | 5 | 1 | 10\n+2 | 2 | 6 | 2 | 20", "{before} to {after} workers");
        assert_eq!(graph.contents(again), graph.contents(view));
        graph.push_and_run(changing, "-1 | 2 | 6 ; -1 | 3 | 7 ; -1 | 4 | 8 ; -1 | 5 | 9 ; -1 | 6 | 1");
        assert_eq!(graph.contents(joined), "+1 | 1 | 5 | 1 | 10\n+1 | 2 | 6 | 2 | 20");
        assert_eq!(graph.contents(again), graph.contents(view), "every row is where its retraction comes");
    }
}

#[test]
fn what_is_behind_a_full_outlet_waits_on() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let other = dag.source("o", pairs(), SourceSpec::TIMELESS);
    let (view, others) = (dag.view("v", source), dag.view("w", other));
    let mut graph = Graph::on_workers(dag.finish().unwrap(), 2, false);
    let ear = graph.listen(view);
    ear.set_full(true);
    graph.push(source, "+1 | 1 | 1");
    graph.push_and_run(other, "+1 | 2 | 2");
    graph.set_workers(3, false);
    assert!(graph.run().backpressured);
    assert_eq!((graph.contents(view).as_str(), graph.contents(others).as_str()), ("", "+1 | 2 | 2"));
    ear.set_full(false);
    graph.run();
    assert_eq!(ear.text(), "+1 | 1 | 1");
}

#[test]
fn a_promise_that_waits_behind_a_full_outlet_is_not_lost() {
    let mut dag = DagBuilder::new();
    let rule = WatermarkRule::Periodic { delay: 0, every: SECOND };
    let source = dag.source("s", timed(), SourceSpec { watermark: Some(WatermarkSpec::new(1, rule)), idle_timeout: None });
    let view = dag.view("v", source);
    for (before, after) in [(2, 1), (2, 3), (3, 3)] {
        let mut graph = Graph::on_workers(dag.clone().finish().unwrap(), before, false);
        let ear = graph.listen(view);
        graph.push_and_run(source, "+1 | 1 | 00:01");
        graph.push_and_run(source, "+1 | 1 | 00:05");
        ear.set_full(true);
        graph.sleep(SECOND);
        assert_eq!(graph.reactor.graph().watermark(view).unwrap(), Watermark(60 * SECOND), "the outlet is full");
        graph.set_workers(after, false);
        ear.set_full(false);
        graph.run();
        assert_eq!(graph.reactor.graph().watermark(view).unwrap(), Watermark(300 * SECOND), "{before} to {after} workers");
    }
}

#[test]
fn groups_on_their_way_arrive() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", timed(), watermarked(0));
    let shape =
        WindowShape { kind: WindowKind::Tumbling { size: 60 * SECOND }, unit: WindowUnit::Nanos { offset: 0, zone: None } };
    let mut views = Vec::new();
    for keys in [vec![], vec![Column::new(&timed(), 0)]] {
        let names = if keys.is_empty() { vec![] } else { vec!["a"] };
        let (emission, aggregates) = (WindowEmission::OnClose, vec![count()]);
        let spec = WindowSpec { shape: shape.clone(), time: 1, time_lag: 0, keys, aggregates, emission, lateness: 0 };
        let window = dag.window("w", source, &names, spec);
        views.push(dag.view("v", window));
    }
    let nodes = dag.finish().unwrap();
    for workers in [[2, 1, 1], [2, 4, 1], [4, 2, 3], [2, 2, 2]] {
        let mut graph = Graph::on_workers(nodes.clone(), workers[0], false);
        for workers in workers {
            graph.push_and_run(source, "+1 | 1 | 00:00:01 ; +1 | 1 | 00:00:02 ; +1 | 2 | 00:00:03 ; +1 | NULL | 00:00:04");
            graph.set_workers(workers, false);
            graph.set_workers(workers, false);
        }
        graph.push_and_run(source, "+1 | 9 | 00:02");
        let shown = [0, 1].map(|view| graph.contents(views[view]));
        let all = "+1 | 00:00 | 00:01 | 12";
        assert_eq!(shown[0], all, "{workers:?}");
        assert_eq!(shown[1].lines().count(), 3, "{workers:?}: {}", shown[1]);
        assert!(shown[1].contains("| 1 | 6") && shown[1].contains("| NULL | 3"), "{workers:?}: {}", shown[1]);
    }
}

#[test]
fn a_failed_node_stays_failed_and_the_rest_goes_on() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let groups = dag.aggregate("g", source, vec![("a", panics_at(0, 13))], vec![count()]);
    let failing = dag.view("f", groups);
    let kept = dag.filter("k", source, greater(0, 0));
    let output = dag.output("o", kept);
    for (before, after) in [(1, 3), (3, 1)] {
        let mut graph = Graph::on_workers(dag.clone().finish().unwrap(), before, false);
        graph.push_and_run(source, "+1 | 1 | 1");
        graph.push_and_run(source, "+1 | 13 | 1");
        let message = graph.failure(failing).expect("it panics at 13");
        graph.set_workers(after, false);
        assert_eq!(graph.failure(failing), Some(message));
        let ear = graph.listen(output);
        graph.push_and_run(source, "+1 | 5 | 5");
        assert_eq!(ear.text(), "+1 | 5 | 5");
    }
}

#[test]
fn rejected_rows_that_nobody_has_taken_are_still_there() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let divided = dag.project("d", source, vec![("q", divide(0, 1))]);
    let mut graph = Graph::on_workers(dag.finish().unwrap(), 3, false);
    graph.push_and_run(source, "+1 | 1 | 0 ; +1 | 2 | 1");
    graph.set_workers(2, false);
    assert_eq!(graph.reactor.graph_mut().metrics(divided).unwrap().errors, 1);
    assert!(graph.rejected().starts_with(&format!("{divided} error: +1 | 1 | 0")));
    assert_eq!(graph.rejected(), "");
}

#[test]
fn a_final_result_on_several_workers_does_not_show_what_was_taken_back() {
    let mut dag = DagBuilder::new();
    let source = dag.changing_source("s", pairs(), SourceSpec::TIMELESS);
    let emit = dag.emit("e", source, EmitWhen::AtEnd);
    let mut graph = Graph::on_workers(dag.finish().unwrap(), 2, false);
    let ear = graph.listen(emit);
    graph.push_and_run(source, "+1 | 1 | 1 ; -1 | 1 | 1");
    graph.reactor.end(source).unwrap();
    graph.run();
    assert_eq!(ear.text(), "");
}

#[test]
fn a_retraction_is_not_let_go_before_its_row_which_another_worker_holds() {
    let mut dag = DagBuilder::new();
    let source = dag.changing_source("s", pairs(), SourceSpec::TIMELESS);
    let held = dag.emit("e", source, EmitWhen::Every(2 * SECOND));
    let view = dag.view("v", held);
    let mut graph = Graph::on_workers(dag.finish().unwrap(), 2, false);
    graph.push_and_run(source, "+1 | 9 | 9");
    graph.sleep(SECOND);
    // The second row is dealt to the second worker, and its retraction to the first, which lets go earlier.
    graph.push_and_run(source, "+1 | 1 | 1 ; +1 | 2 | 2");
    graph.push_and_run(source, "-1 | 2 | 2");
    graph.sleep(SECOND);
    graph.sleep(SECOND);
    assert_eq!((graph.failure(view), graph.contents(view).as_str()), (None, "+1 | 1 | 1\n+1 | 9 | 9"));
}

/// Windows behind held rows that never move between workers: who holds rows is behind the others in time.
#[test]
fn a_change_that_cannot_be_made_now_changes_nothing() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", timed(), watermarked(0));
    let keys = || [("a", Column::new(&timed(), 0)), ("ts", Column::new(&timed(), 1))].to_vec();
    let groups = dag.aggregate("g", source, keys(), vec![count()]);
    let held = dag.emit("e", groups, EmitWhen::Every(10 * SECOND));
    let shape =
        WindowShape { kind: WindowKind::Tumbling { size: 60 * SECOND }, unit: WindowUnit::Nanos { offset: 0, zone: None } };
    let (time_lag, emission, aggregates) = (0, WindowEmission::OnWatermark, vec![count()]);
    let keys = keys().into_iter().map(|(_, key)| key).collect();
    let spec = WindowSpec { shape, time: 1, time_lag, keys, aggregates, emission, lateness: 0 };
    let window = dag.window("w", held, &["a", "ts"], spec);
    let view = dag.view("v", window);
    let mut graph = Graph::on_workers(dag.finish().unwrap(), 2, false);
    let ear = graph.listen(view);
    graph.push_and_run(source, "+1 | 1 | 00:01");
    let refused = graph.reactor.set_workers(3, 1, Box::new(InlinePool::default())).unwrap_err();
    assert_eq!(refused.message(), "the workers of a window have reached different times");
    assert_eq!(graph.reactor.graph().worker_count(), 2);
    graph.sleep(10 * SECOND);
    graph.set_workers(3, false);
    graph.push_and_run(source, "+1 | 1 | 00:05");
    graph.sleep(10 * SECOND);
    assert_eq!(ear.text(), "+1 | 00:01 | 00:02 | 1 | 00:01 | 1", "the outlet is still there");
}

#[test]
fn explain_shows_what_holds_for_the_number_of_workers() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let groups = dag.aggregate("g", source, vec![("a", Column::new(&pairs(), 0))], vec![count()]);
    let nodes = dag.finish().unwrap();
    let mut graph = Graph::new(nodes.clone());
    let planned = graph.reactor.graph().properties(groups).unwrap().clone();
    graph.set_workers(3, false);
    graph.set_workers(1, false);
    assert_eq!(graph.reactor.graph().properties(groups).unwrap(), &planned);
    assert!(GraphHost::new(3, 1, false, Box::new(InlinePool::default())).explained(nodes.clone()).contains("Exchange"));
    assert!(!graph.reactor.graph().explained(nodes).contains("Exchange"));
}
