//! Aggregates in two phases: whatever is aggregated before rows move to the worker of their key, the answer is that of one worker.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampNanosecondArray};
use laminar_core::dag::{DagBuilder, Node, WindowEmission, WindowSpec};
use laminar_core::expr::{Column, ExprRef};
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::time::windows::{WindowKind, WindowShape, WindowUnit};
use laminar_core::{ChangeBatch, NodeId};

use super::cuts::expect_same;
use super::exprs::divide;
use super::graph::{Graph, SECOND, pairs, timed, watermarked};

fn call(name: &str, args: Vec<ExprRef>) -> AggregateCall {
    let types: Vec<_> = args.iter().map(|arg| arg.data_type().clone()).collect();
    let function = native(name, &types, &[], false).unwrap().unwrap();
    AggregateCall { function, args, filter: None, name: name.to_owned() }
}

/// A running aggregate by key, one without keys, tumbling and hopping windows over one source.
fn nodes() -> (NodeId, Vec<NodeId>, Vec<Node>) {
    let mut dag = DagBuilder::new();
    let key = || Column::new(&timed(), 0);
    let calls = || vec![call("count", vec![]), call("sum", vec![key()]), call("min", vec![key()]), call("avg", vec![key()])];
    let source = dag.source("s", timed(), watermarked(SECOND));
    let mut views = Vec::new();
    let running = dag.aggregate("running", source, vec![("a", key())], calls());
    views.push(dag.view("running", running));
    let all = dag.aggregate("all", source, vec![], calls());
    views.push(dag.view("all", all));
    let size = 10 * SECOND;
    for (kind, keys) in [
        (WindowKind::Tumbling { size }, vec![key()]),
        (WindowKind::Hopping { size, slide: 2 * SECOND }, vec![key()]),
        (WindowKind::Tumbling { size }, vec![]),
    ] {
        let shape = WindowShape { kind, unit: WindowUnit::Nanos { offset: 0, zone: None } };
        let names: &[&str] = if keys.is_empty() { &[] } else { &["a"] };
        let (emission, lateness) = (WindowEmission::OnWatermark, 0);
        let spec = WindowSpec { shape, time: 1, time_lag: 0, keys, aggregates: calls(), emission, lateness };
        let window = dag.window("window", source, names, spec);
        views.push(dag.view("windows", window));
    }
    (source, views, dag.finish().unwrap())
}

/// `rows` rows a millisecond apart, up to two seconds out of order, whose keys are `key(row)`.
fn rows(from: i64, rows: i64, key: impl Fn(i64) -> i64) -> ChangeBatch {
    let keys: ArrayRef = Arc::new((from..from + rows).map(|row| (row % 97 != 0).then(|| key(row))).collect::<Int64Array>());
    let time = |row: i64| row * 1_000_000 - row * 7_919 % 2_000 * 1_000_000;
    let times: ArrayRef = Arc::new(TimestampNanosecondArray::from_iter_values((from..from + rows).map(time)));
    ChangeBatch::append(RecordBatch::try_new(timed(), vec![keys, times]).unwrap())
}

/// What `workers` show of these batches, a step each, and the rows rejected.
fn run(workers: usize, batches: &[ChangeBatch]) -> (Vec<Vec<ChangeBatch>>, Vec<String>) {
    let (source, views, nodes) = nodes();
    let mut graph = Graph::on_workers(nodes, workers, false);
    let ears: Vec<_> = views.iter().map(|view| graph.listen(*view)).collect();
    for batch in batches {
        graph.reactor.push(source, batch.clone()).unwrap();
        graph.run();
    }
    graph.reactor.end(source).unwrap();
    graph.run();
    let mut rejected: Vec<String> = graph.rejected().lines().map(str::to_owned).collect();
    rejected.sort();
    (ears.iter().map(|ear| ear.seen().changes.clone()).collect(), rejected)
}

fn check(batches: &[ChangeBatch], on_workers: &[usize]) {
    let (expected, expected_rejected) = run(1, batches);
    for &workers in on_workers {
        let (shown, rejected) = run(workers, batches);
        for (view, (shown, expected)) in shown.iter().zip(&expected).enumerate() {
            expect_same(shown, expected, &format!("view {view} on {workers} workers"));
        }
        assert!(rejected == expected_rejected, "rows rejected on {workers} workers");
    }
    assert!(!expected_rejected.is_empty(), "some rows are late");
}

#[test]
fn few_groups_of_many_rows_come_to_the_same() {
    let batches: Vec<_> = (0..12).map(|batch| rows(batch * 4_000, 4_000, |row| row * 31 % 50)).collect();
    check(&batches, &[2, 3, 4]);
}

#[test]
fn many_groups_are_given_up_on_the_way_and_come_to_the_same() {
    // More groups than are kept ahead, of one row each; then few again.
    let wide = (0..2).map(|batch| rows(batch * 34_000, 34_000, |row| row * 2_654_435_761 % 1_000_003));
    let narrow = (17..19).map(|batch| rows(batch * 4_000, 4_000, |row| row % 5));
    check(&wide.chain(narrow).collect::<Vec<_>>(), &[2]);
}

#[test]
fn a_row_that_cannot_be_evaluated_is_rejected_where_it_is() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), laminar_core::dag::SourceSpec::TIMELESS);
    let by_a = dag.aggregate("by_a", source, vec![("a", Column::new(&pairs(), 0))], vec![call("sum", vec![divide(0, 1)])]);
    let view = dag.view("v", by_a);
    let nodes = dag.finish().unwrap();
    for workers in [1, 2, 4] {
        let mut graph = Graph::on_workers(nodes.clone(), workers, false);
        let ear = graph.listen(view);
        graph.push_and_run(source, "+1 | 6 | 2 ; +1 | 6 | 0 ; +1 | 6 | 3 ; +1 | 8 | 2 ; +1 | 8 | 0");
        assert_eq!(ear.net(), "+1 | 6 | 5\n+1 | 8 | 4", "{workers} workers");
        let rejected = graph.rejected();
        assert_eq!(rejected.lines().count(), 2, "{workers} workers: {rejected}");
        let metrics = graph.reactor.graph_mut().metrics(by_a).unwrap();
        assert_eq!((metrics.rows_in, metrics.errors), (5, 2), "{workers} workers");
    }
}
