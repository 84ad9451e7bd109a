//! Random graphs: however rows are cut into batches and steps and however sources take turns, the answer is the same.

use laminar_core::dag::{DagBuilder, SourceSpec};
use laminar_core::expr::Column;
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::{ChangeBatch, NodeId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::cuts::{Case, expect_same, rounds};
use super::exprs::{divide, greater, plus};
use super::graph::pairs;

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

/// A case, and what the model says about each of its outputs but the last, which counts groups.
fn random_case(rng: &mut StdRng) -> (Case, Vec<Vec<Row>>) {
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
    let sources = sources.iter().map(|(id, rows)| (*id, batch(rows))).collect();
    (Case { nodes: dag.finish().unwrap(), sources, listened: ids.into_iter().chain([groups]).collect() }, model)
}

#[test]
fn cuts_and_turns_do_not_change_any_answer() {
    for seed in 0..rounds() {
        let rng = &mut StdRng::seed_from_u64(seed);
        let (case, model) = random_case(rng);
        let shown = case.check(rng, seed);
        for (node, (model, ear)) in model.iter().zip(&shown.ears).enumerate() {
            expect_same(&[batch(model)], &ear.seen().changes, &format!("seed {seed}, n{node} against the model"));
        }
    }
}
