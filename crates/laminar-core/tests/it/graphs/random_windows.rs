//! Random graphs with event time: what is late and what windows show depends neither on cuts nor on the turns of sources.

use std::fmt::Write;

use laminar_core::dag::{DagBuilder, JoinSpec, SessionSpec, SourceSpec, WindowEmission, WindowSpec};
use laminar_core::expr::{Column, ExprRef};
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::time::windows::{WindowKind, WindowShape, WindowUnit};
use laminar_core::{ChangeBatch, NodeId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::cuts::{Case, rounds};
use super::exprs::greater;
use super::graph::{SECOND, pairs, timed, watermarked, watermarked_per_key};

fn column(index: usize) -> ExprRef {
    Column::new(&timed(), index)
}

fn aggregates() -> Vec<AggregateCall> {
    let call = |name: &str, args: Vec<ExprRef>| {
        let types: Vec<_> = args.iter().map(|arg| arg.data_type().clone()).collect();
        let function = native(name, &types, &[], false).unwrap().unwrap();
        AggregateCall { function, args, filter: None, name: name.to_owned() }
    };
    vec![call("count", vec![]), call("sum", vec![column(0)]), call("max", vec![column(0)])]
}

/// Rows whose times go up with jitter; some have none.
fn random_rows(rng: &mut StdRng) -> ChangeBatch {
    let (mut text, mut now) = (String::new(), rng.random_range(0..300));
    for _ in 0..rng.random_range(0..40) {
        now += rng.random_range(0..20);
        let time = (now + rng.random_range(-30..30)).max(0);
        let time = format!("{:02}:{:02}:{:02}", time / 3600, time / 60 % 60, time % 60);
        let time = if rng.random_bool(0.05) { "NULL" } else { &time };
        writeln!(text, "+1 | {} | {time}", rng.random_range(0..4)).unwrap();
    }
    ChangeBatch::parse(&timed(), &text).unwrap()
}

fn random_emission(rng: &mut StdRng) -> WindowEmission {
    [WindowEmission::Changes, WindowEmission::OnWatermark, WindowEmission::OnClose][rng.random_range(0..3)]
}

fn random_shape(rng: &mut StdRng) -> WindowShape {
    let (size, slide) = ([30, 60][rng.random_range(0..2)] * SECOND, 15 * SECOND);
    let kind = match rng.random_range(0..3) {
        0 => WindowKind::Tumbling { size },
        1 => WindowKind::Hopping { size, slide },
        _ => WindowKind::Cumulating { step: slide, size },
    };
    WindowShape { kind, unit: WindowUnit::Nanos { offset: 0, zone: None } }
}

fn random_window(rng: &mut StdRng, dag: &mut DagBuilder, input: NodeId) -> NodeId {
    let lag = dag.properties(input).time_column(1).map_or(0, |time| time.lag);
    let (keys, names) = if rng.random_bool(0.7) { (vec![column(0)], vec!["a"]) } else { (vec![], vec![]) };
    let (emission, lateness) = (random_emission(rng), rng.random_range(0..2) * 20 * SECOND);
    let (time, time_lag, aggregates) = (1, lag, aggregates());
    if rng.random_bool(0.3) {
        let gap = rng.random_range(5..30) * SECOND;
        let partition = if rng.random_bool(0.3) { 0 } else { keys.len() };
        let spec = SessionSpec { gap, time, time_lag, keys, partition, aggregates, emission, lateness };
        dag.session("session", input, &names, spec)
    } else {
        let shape = random_shape(rng);
        dag.window("window", input, &names, WindowSpec { shape, time, time_lag, keys, aggregates, emission, lateness })
    }
}

fn random_case(rng: &mut StdRng) -> Case {
    let mut dag = DagBuilder::new();
    let mut sources = Vec::new();
    for _ in 0..rng.random_range(1..4) {
        let delay = rng.random_range(0..40) * SECOND;
        // Of the four values that come, some may find no room.
        let per_key = rng.random_bool(0.4).then(|| watermarked_per_key(delay, rng.random_range(2..6)));
        let source = dag.source("source", timed(), per_key.unwrap_or_else(|| watermarked(delay)));
        sources.push((source, random_rows(rng)));
    }
    let ids: Vec<NodeId> = sources.iter().map(|(id, _)| *id).collect();
    let all = if ids.len() > 1 { dag.union("union", &ids) } else { ids[0] };
    let some = dag.filter("filter", all, greater(0, 0));
    let mut listened = Vec::new();
    for input in [all, some, ids[0]] {
        let window = random_window(rng, &mut dag, input);
        listened.push(dag.view("view", window));
    }
    // Windows of a stream's rows joined with a table that changes meanwhile.
    let names = dag.source("names", pairs(), SourceSpec::TIMELESS);
    sources.push((names, ChangeBatch::parse(&pairs(), "+1 | 1 | 10 ; +1 | 2 | 20 ; +1 | 2 | 21").unwrap()));
    let spec = JoinSpec::inner(vec![column(0)], vec![Column::new(&pairs(), 0)]);
    let joined = dag.join("join", some, names, spec);
    listened.push(dag.view("joined", joined));
    Case { nodes: dag.finish().unwrap(), sources, listened }
}

#[test]
fn cuts_turns_and_restarts_change_neither_windows_nor_what_is_late() {
    for seed in 0..rounds() {
        let rng = &mut StdRng::seed_from_u64(seed);
        random_case(rng).check(rng, seed);
    }
}
