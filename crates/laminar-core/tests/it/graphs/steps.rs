//! Steps: consistent cuts, watermarks, timers, bounds.

use std::sync::Arc;

use laminar_core::dag::{DagBuilder, NodeStatus, SourceSpec};
use laminar_core::expr::Column;
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, NodeId, StepId};

use super::exprs::{greater, plus};
use super::graph::{Graph, SECOND, pairs, timed, watermarked};

#[test]
fn both_ways_through_a_diamond_meet_in_one_step() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let small = dag.project("l", source, vec![("x", Column::new(&pairs(), 0))]);
    let sums = dag.project("r", source, vec![("x", plus(0, 1))]);
    let union = dag.union("u", &[small, sums]);
    let output = dag.output("o", union);
    let mut graph = Graph::new(dag.finish().unwrap());
    let ear = graph.listen(output);
    graph.push_and_run(source, "+1 | 1 | 10");
    graph.push_and_run(source, "+1 | 2 | 20");
    assert_eq!(ear.text(), "+1 | 1\n+1 | 11\n+1 | 2\n+1 | 22");
    assert_eq!(ear.seen().steps, [1, 2]);
}

#[test]
fn every_step_that_runs_has_the_next_number_and_none_runs_without_work() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let mut graph = Graph::new(dag.finish().unwrap());
    assert_eq!(graph.run().step, StepId(1), "new nodes take part in a step of their own");
    assert!(graph.reactor.is_idle());
    assert!(!graph.reactor.poll().unwrap().progressed);
    graph.push(source, "+1 | 1 | 1");
    assert!(!graph.reactor.is_idle());
    let poll = graph.reactor.poll().unwrap();
    assert_eq!((poll.progressed, poll.step, poll.backpressured), (true, StepId(2), false));
    graph.push(source, "");
    assert!(graph.reactor.is_idle(), "no rows are no work");
}

#[test]
fn a_step_takes_no_more_rows_than_asked_for_and_loses_none() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let mut graph = Graph::new(dag.finish().unwrap());
    let ear = graph.listen(source);
    graph.push(source, "+1 | 1 | 1 ; +1 | 2 | 2 ; +1 | 3 | 3");
    graph.push(source, "+1 | 4 | 4 ; +1 | 5 | 5");
    graph.reactor.end(source).unwrap();
    let mut cuts = Vec::new();
    while graph.reactor.poll_rows(2).unwrap().progressed {
        cuts.push((ear.take().lines().count(), graph.reactor.waiting_rows(source)));
    }
    assert_eq!(cuts, [(2, 3), (2, 1), (1, 0)]);
    assert_eq!(graph.reactor.graph().status(source).unwrap(), NodeStatus::Ended);
}

/// Two sources, their union, and the union's watermark in seconds.
struct Two {
    graph: Graph,
    sources: [NodeId; 2],
    union: NodeId,
}

impl Two {
    fn new(specs: [SourceSpec; 2]) -> Self {
        let mut dag = DagBuilder::new();
        let sources = specs.map(|spec| dag.source("s", timed(), spec));
        let union = dag.union("u", &sources);
        Self { graph: Graph::new(dag.finish().unwrap()), sources, union }
    }

    fn push(&mut self, source: usize, row: &str) -> Watermark {
        self.graph.push_and_run(self.sources[source], row);
        self.watermark()
    }

    fn end(&mut self, source: usize) -> Watermark {
        self.graph.reactor.end(self.sources[source]).unwrap();
        self.graph.run();
        self.watermark()
    }

    fn watermark(&self) -> Watermark {
        self.graph.reactor.graph().watermark(self.union).unwrap()
    }
}

const fn seconds(seconds: i64) -> Watermark {
    Watermark(seconds * SECOND)
}

#[test]
fn the_lowest_watermark_counts_and_an_ended_source_holds_nobody_back() {
    let mut two = Two::new([watermarked(0), watermarked(SECOND)]);
    assert_eq!(two.push(0, "+1 | 1 | 00:01"), Watermark::START);
    assert_eq!(two.push(1, "+1 | 1 | 00:01"), seconds(59));
    assert_eq!(two.push(1, "+1 | 1 | 00:05"), seconds(60));
    assert_eq!(two.end(0), seconds(299));
    assert_eq!(two.end(1), Watermark::END);
    assert_eq!(two.graph.reactor.graph().status(two.union).unwrap(), NodeStatus::Ended);
}

#[test]
fn a_source_that_never_spoke_holds_nobody_back_once_it_is_idle() {
    let mut two = Two::new([watermarked(0), SourceSpec { idle_timeout: Some(30 * SECOND), ..watermarked(0) }]);
    assert_eq!(two.push(0, "+1 | 1 | 00:01"), Watermark::START);
    two.graph.sleep(30 * SECOND);
    assert_eq!(two.watermark(), seconds(60));
    assert_eq!(two.end(0), seconds(60), "the idle source may still speak");
    assert_eq!(two.end(1), Watermark::END);
}

#[test]
fn a_source_without_event_time_holds_back_only_the_end() {
    let mut two = Two::new([watermarked(0), SourceSpec::TIMELESS]);
    assert_eq!(two.push(0, "+1 | 1 | 00:01"), seconds(60));
    assert_eq!(two.end(0), seconds(60));
    assert_eq!(two.end(1), Watermark::END);
}

#[test]
fn nobody_waits_for_a_table_to_end() {
    let mut two = Two::new([watermarked(0), SourceSpec::TABLE]);
    assert_eq!(two.push(0, "+1 | 1 | 00:01"), seconds(60));
    assert_eq!(two.end(0), Watermark::END);
}

#[test]
fn parts_of_a_graph_that_are_not_connected_share_a_step_but_not_their_watermarks() {
    let mut dag = DagBuilder::new();
    let (a, b) = (dag.source("a", timed(), watermarked(0)), dag.source("b", timed(), watermarked(0)));
    let (below_a, below_b) = (dag.filter("x", a, greater(0, 0)), dag.filter("y", b, greater(0, 0)));
    let mut graph = Graph::new(dag.finish().unwrap());
    graph.push_and_run(a, "+1 | 1 | 00:01");
    assert_eq!(graph.reactor.graph().watermark(below_a).unwrap(), seconds(60));
    assert_eq!(graph.reactor.graph().watermark(below_b).unwrap(), Watermark::START);
}

#[test]
fn pushed_rows_must_fit_the_source() {
    let mut dag = DagBuilder::new();
    let not_null = Arc::new(arrow_schema::Schema::new(vec![pairs().field(0).clone().with_nullable(false)]));
    let source = dag.source("s", not_null, SourceSpec::TIMELESS);
    let mut graph = Graph::new(dag.finish().unwrap());
    let mut refused = |schema, text| {
        let error = graph.reactor.push(source, ChangeBatch::parse(&schema, text).unwrap()).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        refused(pairs(), "+1 | 1 | 1"),
        "LDB-1007: rows with other columns than the source has: a Int64, b Int64 (the source has a Int64)"
    );
    let nullable = Arc::new(pairs().project(&[0]).unwrap());
    assert_eq!(refused(nullable.clone(), "+1 | NULL"), "LDB-3002: column a is NOT NULL, but a row has NULL there");
    assert_eq!(graph.reactor.waiting_rows(source), 0);
    graph.reactor.end(source).unwrap();
    let late = graph.reactor.push(source, ChangeBatch::parse(&nullable, "+1 | 1").unwrap()).unwrap_err();
    assert_eq!(late.message(), "the source has ended");
}

#[test]
fn a_graph_goes_on_from_an_image_as_if_nothing_had_been() {
    let nodes = || {
        let mut dag = DagBuilder::new();
        let source = dag.source("s", timed(), watermarked(0));
        let filter = dag.filter("f", source, greater(0, 0));
        (dag.finish().unwrap(), source, filter)
    };
    let (all, source, filter) = nodes();
    let mut before = Graph::new(all);
    before.push_and_run(source, "+1 | 1 | 00:01");
    let image = before.reactor.image().unwrap();
    let mut after = Graph::new(nodes().0);
    after.push(source, "+1 | 7 | 00:07");
    after.reactor.restore(image.clone()).unwrap();
    assert!(after.reactor.is_idle(), "what waited is forgotten");
    assert_eq!(after.reactor.graph().last_step(), before.reactor.graph().last_step());
    assert_eq!(after.reactor.graph().watermark(filter).unwrap(), seconds(60));
    after.push_and_run(source, "+1 | 2 | 00:02");
    assert_eq!(after.reactor.graph().watermark(filter).unwrap(), seconds(120));

    let mut other = Graph::new({
        let mut dag = DagBuilder::new();
        dag.source("s", timed(), watermarked(0));
        dag.finish().unwrap()
    });
    assert_eq!(other.reactor.restore(image).unwrap_err().message(), "the image is of another graph");
}

#[test]
fn a_watermark_from_outside_keeps_its_place_among_the_rows() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", timed(), watermarked(0));
    let mut graph = Graph::new(dag.finish().unwrap());
    let ear = graph.listen(source);
    graph.push(source, "+1 | 1 | 00:01");
    graph.reactor.advance(source, seconds(120)).unwrap();
    graph.push(source, "+1 | 2 | 00:02 ; +1 | 3 | 00:01");
    graph.run();
    let seen = ear.seen();
    assert!(seen.changes[0].arrivals().is_none(), "it came before the watermark");
    assert_eq!(seen.changes[1].arrivals().unwrap().to_vec(), [120 * SECOND, 120 * SECOND]);
}
