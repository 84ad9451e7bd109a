//! Random graphs: however rows are cut into batches and steps and however sources take turns, the answer is the same.

use laminar_core::changelog::Integral;
use laminar_core::dag::{DagBuilder, Node, SourceSpec};
use laminar_core::expr::Column;
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::{ChangeBatch, NodeId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::exprs::{divide, greater, plus};
use super::graph::{Ear, Graph, pairs};

/// A row with its weight.
type Row = (Option<i64>, Option<i64>, i64);

/// What a random node does, as the graph and as the model that works on all rows at once.
#[derive(Clone)]
enum Step {
    Filter(usize, i64),
    Sum,
    Swap,
    Divide,
    Union(usize),
}

impl Step {
    fn random(rng: &mut StdRng, nodes: usize) -> Self {
        match rng.random_range(0..5) {
            0 => Step::Filter(rng.random_range(0..2), rng.random_range(-3..4)),
            1 => Step::Sum,
            2 => Step::Swap,
            3 => Step::Divide,
            _ => Step::Union(rng.random_range(0..nodes)),
        }
    }

    fn add(&self, dag: &mut DagBuilder, input: NodeId, nodes: &[NodeId]) -> NodeId {
        let (a, b) = (Column::new(&pairs(), 0), Column::new(&pairs(), 1));
        match self {
            Step::Filter(column, than) => dag.filter("filter", input, greater(*column, *than)),
            Step::Sum => dag.project("sum", input, vec![("a", plus(0, 1)), ("b", b)]),
            Step::Swap => dag.project("swap", input, vec![("a", b), ("b", a)]),
            Step::Divide => dag.project("divide", input, vec![("a", divide(0, 1)), ("b", b)]),
            Step::Union(other) => dag.union("union", &[input, nodes[*other]]),
        }
    }

    fn model(&self, input: &[Row], nodes: &[Vec<Row>]) -> Vec<Row> {
        let add = |a: Option<i64>, b: Option<i64>| Some(a?.wrapping_add(b?));
        let divide = |a: Option<i64>, b: Option<i64>| Some(a?.wrapping_div(b?));
        match self {
            Step::Filter(column, than) => {
                let value = |row: &Row| if *column == 0 { row.0 } else { row.1 };
                input.iter().filter(|row| value(row).is_some_and(|value| value > *than)).copied().collect()
            }
            Step::Sum => input.iter().map(|&(a, b, weight)| (add(a, b), b, weight)).collect(),
            Step::Swap => input.iter().map(|&(a, b, weight)| (b, a, weight)).collect(),
            Step::Divide => {
                let good = input.iter().filter(|(a, b, _)| *b != Some(0) || a.is_none());
                good.map(|&(a, b, weight)| (divide(a, b), b, weight)).collect()
            }
            Step::Union(other) => [input, &nodes[*other]].concat(),
        }
    }
}

fn batch(rows: &[Row]) -> ChangeBatch {
    let value = |value: Option<i64>| value.map_or("NULL".to_owned(), |value| value.to_string());
    let lines: Vec<String> = rows.iter().map(|&(a, b, w)| format!("{w:+} | {} | {}", value(a), value(b))).collect();
    ChangeBatch::parse(&pairs(), &lines.join("\n")).unwrap()
}

/// Rows for one source: insertions, and retractions of what was inserted before.
fn random_rows(rng: &mut StdRng) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut live: Vec<(Option<i64>, Option<i64>)> = Vec::new();
    for _ in 0..rng.random_range(0..30) {
        let mut value = || (!rng.random_bool(0.1)).then(|| rng.random_range(-4..5));
        let pair = (value(), value());
        if !live.is_empty() && rng.random_bool(0.3) {
            let (a, b) = live.swap_remove(rng.random_range(0..live.len()));
            rows.push((a, b, -1));
        } else {
            live.push(pair);
            rows.push((pair.0, pair.1, 1));
        }
    }
    rows
}

struct Case {
    nodes: Vec<Node>,
    sources: Vec<(NodeId, Vec<Row>)>,
    /// Numbers, and what the model says.
    outputs: Vec<(NodeId, Vec<Row>)>,
    groups: NodeId,
}

fn random_case(rng: &mut StdRng) -> Case {
    let mut dag = DagBuilder::new();
    let sources: Vec<(NodeId, Vec<Row>)> = (0..rng.random_range(1..4))
        .map(|_| (dag.changing_source("source", pairs(), SourceSpec::TIMELESS), random_rows(rng)))
        .collect();
    let (mut ids, mut model): (Vec<NodeId>, Vec<Vec<Row>>) = sources.iter().cloned().unzip();
    for _ in 0..rng.random_range(1..8) {
        let (step, input) = (Step::random(rng, ids.len()), rng.random_range(0..ids.len()));
        ids.push(step.add(&mut dag, ids[input], &ids));
        model.push(step.model(&model[input], &model));
    }
    let count = AggregateCall {
        function: native("count", &[], &[], false).unwrap().unwrap(),
        args: vec![],
        filter: None,
        name: "count".to_owned(),
    };
    let groups = dag.aggregate("groups", ids[ids.len() - 1], vec![("b", Column::new(&pairs(), 1))], vec![count]);
    let outputs = ids.into_iter().zip(model).collect();
    Case { nodes: dag.finish().unwrap(), sources, outputs, groups }
}

/// Runs the case with cuts and turns of its own; returns what each output and the groups have shown.
fn run(case: &Case, cuts: &mut StdRng) -> Vec<Ear> {
    let mut graph = Graph::new(case.nodes.clone());
    let listened = case.outputs.iter().map(|(id, _)| *id).chain([case.groups]);
    let ears = listened.map(|id| graph.listen(id)).collect();
    let mut waiting: Vec<(NodeId, &[Row])> = case.sources.iter().map(|(id, rows)| (*id, rows.as_slice())).collect();
    while !waiting.is_empty() {
        let turn = cuts.random_range(0..waiting.len());
        let (source, rows) = waiting[turn];
        let (now, later) = rows.split_at(cuts.random_range(0..=rows.len()));
        graph.reactor.push(source, batch(now)).unwrap();
        waiting[turn].1 = later;
        if later.is_empty() {
            graph.reactor.end(source).unwrap();
            waiting.swap_remove(turn);
        }
        if cuts.random_bool(0.5) {
            graph.reactor.poll_rows(cuts.random_range(1..20)).unwrap();
        }
    }
    graph.run();
    ears
}

fn expect_same(one: &[ChangeBatch], other: &[ChangeBatch], place: &str) {
    let Some(schema) = one.iter().chain(other).map(ChangeBatch::schema).next() else { return };
    let sum = |batches| Integral::of(schema.clone(), batches).unwrap();
    let difference = sum(one).difference(&sum(other)).unwrap();
    assert!(difference.is_none(), "{place}: {}", difference.unwrap_or_default());
}

#[test]
fn cuts_and_turns_do_not_change_any_answer() {
    let rounds = std::env::var("LAMINAR_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(300);
    for seed in 0..rounds {
        let rng = &mut StdRng::seed_from_u64(seed);
        let case = random_case(rng);
        let (one, other) = (run(&case, rng), run(&case, rng));
        for ((id, model), ear) in case.outputs.iter().zip(&one) {
            expect_same(&[batch(model)], &ear.seen().changes, &format!("seed {seed}, {id} against the model"));
        }
        for (node, (one, other)) in one.iter().zip(&other).enumerate() {
            expect_same(&one.seen().changes, &other.seen().changes, &format!("seed {seed}, output {node} in other cuts"));
        }
    }
}
