//! Graphs on several workers with threads, two at once, with a node that fails and an end in the middle of a step.

use std::sync::Arc;
use std::thread;

use arrow_array::{Int64Array, RecordBatch};
use laminar_core::dag::{DagBuilder, JoinSpec, Node, SourceSpec};
use laminar_core::expr::Column;
use laminar_core::operator::window::{CountAggregator, WindowAggregator};
use laminar_core::{ChangeBatch, NodeId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::graphs::cuts::expect_same;
use crate::graphs::exprs::panics_at;
use crate::graphs::graph::{Ear, Graph, pairs};
use crate::random::{for_each_case, stress_cases};

/// The key at which a node panics.
const POISON: i64 = -1;

/// Two sources; groups of one, a join of both, and groups below a node that panics.
struct Bed {
    sources: [NodeId; 2],
    outputs: [NodeId; 2],
    /// The node that panics, and what reads from it.
    bad: [NodeId; 2],
    nodes: Vec<Node>,
}

fn bed() -> Bed {
    let mut dag = DagBuilder::new();
    let column = |place| Column::new(&pairs(), place);
    let count = || vec![CountAggregator::new().call().unwrap()];
    let sources = ["s", "t"].map(|name| dag.source(name, pairs(), SourceSpec::TIMELESS));
    let counts = dag.aggregate("counts", sources[0], vec![("a", column(0))], count());
    let keys = || vec![column(0)];
    let spec = JoinSpec::inner(keys(), keys());
    let join = dag.join("join", sources[0], sources[1], spec);
    let bad = dag.project("bad", sources[1], vec![("a", panics_at(0, POISON)), ("b", column(1))]);
    let below = dag.aggregate("below", bad, vec![("b", column(1))], count());
    let outputs = [counts, join].map(|node| dag.output("o", node));
    Bed { sources, outputs, bad: [bad, below], nodes: dag.finish().unwrap() }
}

fn rows(rng: &mut StdRng, poisoned: bool) -> ChangeBatch {
    let count = rng.random_range(0..60);
    let mut column = |values: i64| -> Vec<i64> { (0..count).map(|_| rng.random_range(0..values)).collect() };
    let (mut a, mut b) = (column(20), column(5));
    if poisoned {
        a.push(POISON);
        b.push(0);
    }
    let columns = [a, b].map(|column| Arc::new(Int64Array::from(column)) as _);
    ChangeBatch::append(RecordBatch::try_new(pairs(), columns.to_vec()).unwrap())
}

/// Lets the graph get on a bit.
fn get_on(graph: &mut Graph, ears: &[Ear], rng: &mut StdRng) {
    match rng.random_range(0..5) {
        0 => {
            graph.reactor.poll_rows(rng.random_range(1..40)).unwrap();
        }
        1 => {
            let started = graph.reactor.start_poll().unwrap();
            (0..rng.random_range(0..20)).for_each(|_| thread::yield_now());
            graph.reactor.finish_poll(started, None).unwrap();
        }
        2 => ears.iter().for_each(|ear| ear.set_full(rng.random_bool(0.3))),
        3 => {
            graph.run();
        }
        _ => {}
    }
}

/// Pushes the same rows into a graph on several workers and into one that has no threads, and compares what they show. Or it drops
/// the graph while its workers are in the middle of a step.
fn check(rng: &mut StdRng) {
    let Bed { sources, outputs, bad, nodes } = bed();
    let mut graph = Graph::on_workers(nodes.clone(), rng.random_range(2..=4), true);
    let mut model = Graph::new(nodes);
    let [ears, expected] = [&mut graph, &mut model].map(|graph| outputs.map(|node| graph.listen(node)));
    let (pushes, poisoned) = (rng.random_range(0..20), rng.random_bool(0.4));
    let poisoned_at = rng.random_range(0..=pushes);
    for at in 0..=pushes {
        let poison = poisoned && at == poisoned_at;
        let source = if poison { sources[1] } else { sources[rng.random_range(0..2)] };
        let changes = rows(rng, poison);
        model.reactor.push(source, changes.clone()).unwrap();
        graph.reactor.push(source, changes).unwrap();
        get_on(&mut graph, &ears, rng);
    }
    if rng.random_bool(0.2) {
        let _started = graph.reactor.start_poll().unwrap();
        return;
    }
    ears.iter().for_each(|ear| ear.set_full(false));
    graph.run();
    model.run();
    for (ear, expected) in ears.iter().zip(&expected) {
        expect_same(&expected.seen().changes, &ear.seen().changes, "on several workers");
        assert_eq!(ear.seen().failure, None);
    }
    for node in bad {
        assert_eq!((graph.failure(node).is_some(), model.failure(node).is_some()), (poisoned, poisoned));
    }
    assert_eq!(graph.failure(bad[0]), model.failure(bad[0]));
}

#[test]
fn several_workers_show_what_one_does_whatever_fails_or_ends() {
    for_each_case(stress_cases(60), |rng| {
        let mut other = StdRng::seed_from_u64(rng.random());
        thread::scope(|threads| {
            threads.spawn(|| check(&mut other));
            check(rng);
        });
    });
}
