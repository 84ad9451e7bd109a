//! The runtime: rows by key to cores, the same answers as one core gives, and refusals that help.

use std::sync::atomic::{AtomicUsize, Ordering};

use laminar_core::changelog::assert_same;
use laminar_core::dag::{DagBuilder, Node, SourceSpec, WindowEmission, WindowSpec};
use laminar_core::expr::Column;
use laminar_core::operator::window::{CountAggregator, WindowAggregator};
use laminar_core::time::Watermark;
use laminar_core::time::windows::{WindowKind, WindowShape, WindowUnit};
use laminar_core::tpc::{Event, KeySpec, Lane, OverflowStrategy, ThreadPerCoreRuntime, TpcConfig, TpcConfigBuilder};
use laminar_core::{ChangeBatch, Code, Error, Result};
use rand::RngExt;
use rand::rngs::StdRng;

use super::standing_core::{credits, row, rows};
use crate::graphs::graph::{Graph, SECOND, pairs, timed, watermarked};
use crate::random::for_each_case;

/// `SELECT #0, count(*) GROUP BY #0`
fn counts() -> Result<Vec<Node>> {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let counted = dag.aggregate("c", source, vec![("k", Column::new(&pairs(), 0))], vec![CountAggregator::new().call()?]);
    dag.output("o", counted);
    dag.finish()
}

fn by_first(cores: usize) -> TpcConfigBuilder {
    TpcConfig::builder().num_cores(cores).key(KeySpec::ColumnIndices(vec![0])).checked(true)
}

fn counted_inline(batches: &[ChangeBatch]) -> Vec<ChangeBatch> {
    let nodes = counts().unwrap();
    let (source, output) = (nodes[0].id, nodes[2].id);
    let mut graph = Graph::new(nodes);
    let ear = graph.listen(output);
    for batch in batches {
        graph.reactor.push(source, batch.clone()).unwrap();
        graph.run();
    }
    std::mem::take(&mut ear.seen().changes)
}

#[test]
fn any_number_of_cores_gives_the_answers_of_one() {
    for_each_case(12, |rng: &mut StdRng| {
        let cores = rng.random_range(1..=5);
        let config = by_first(cores).results_max(4).backpressure(credits(64, OverflowStrategy::Block));
        let mut runtime = ThreadPerCoreRuntime::with_factory(config.build().unwrap(), |_| counts()).unwrap();
        let source = runtime.source("s").unwrap();
        let (mut batches, mut seen, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rng.random_range(1..40) {
            let first = rng.random_range(0..50);
            let batch = rows(first..first + rng.random_range(1..100));
            let lane = Lane::ALL[rng.random_range(0..3)];
            runtime.submit(Event::new(source, batch.clone()).on(lane)).unwrap();
            batches.push(batch);
            if rng.random_bool(0.3) {
                runtime.poll_into(&mut buffer).unwrap();
                seen.extend(buffer.drain(..).filter_map(|output| output.changes().cloned()));
            }
        }
        runtime.shutdown(|output| seen.extend(output.changes().cloned())).unwrap();
        assert_same(&counted_inline(&batches), &seen);
    });
}

#[test]
fn promises_about_time_go_to_all_cores() {
    let config = TpcConfig::builder().num_cores(4).key(KeySpec::ColumnIndices(vec![0])).checked(true).build().unwrap();
    let mut runtime = ThreadPerCoreRuntime::with_factory(config, |_| {
        let mut dag = DagBuilder::new();
        let source = dag.source("s", timed(), watermarked(0));
        let spec = WindowSpec {
            shape: WindowShape { kind: WindowKind::Tumbling { size: SECOND }, unit: WindowUnit::Nanos { offset: 0, zone: None } },
            time: 1,
            time_lag: 0,
            keys: vec![Column::new(&timed(), 0)],
            aggregates: vec![CountAggregator::new().call()?],
            emission: WindowEmission::OnClose,
            lateness: 0,
        };
        let windows = dag.window("w", source, &["k"], spec);
        dag.output("o", windows);
        dag.finish()
    })
    .unwrap();
    let source = runtime.source("s").unwrap();
    let text: Vec<String> = (0..40).map(|key| format!("+1 | {key} | 00:00:00.5")).collect();
    runtime.submit(Event::new(source, ChangeBatch::parse(&timed(), &text.join(" ; ")).unwrap())).unwrap();
    runtime.submit(Event::watermark(source, Watermark(SECOND))).unwrap();
    let (mut seen, mut cores) = (0, std::collections::BTreeSet::new());
    runtime
        .shutdown(|output| {
            seen += output.changes().map_or(0, ChangeBatch::len);
            cores.insert(output.core);
        })
        .unwrap();
    assert_eq!((seen, cores.len()), (40, 4), "all windows have closed, on all cores");
}

#[test]
fn with_errors_for_pressure_all_parts_are_taken_or_none() {
    let config = by_first(3).backpressure(credits(40, OverflowStrategy::Error)).build().unwrap();
    let mut runtime = ThreadPerCoreRuntime::with_factory(config, |_| counts()).unwrap();
    let source = runtime.source("s").unwrap();
    let error = runtime.submit(Event::new(source, rows(0..1_000))).unwrap_err();
    assert_eq!(error.code(), Code::LimitReached);
    runtime.submit(Event::new(source, row(1))).unwrap();
    let mut seen = 0;
    let metrics = runtime.credit_metrics();
    assert_eq!(metrics.iter().map(|metrics| metrics.refused > 0).filter(|refused| *refused).count(), 1, "{metrics:?}");
    runtime.shutdown(|output| seen += output.changes().map_or(0, ChangeBatch::len)).unwrap();
    assert_eq!(seen, 1);
}

#[test]
fn a_graph_that_one_core_cannot_have_none_has() {
    let mut runtime = ThreadPerCoreRuntime::new(by_first(3).build().unwrap()).unwrap();
    let refuse = |core: usize| if core == 2 { Err(Error::new(Code::InvalidQuery, "not here")) } else { counts() };
    assert_eq!(runtime.attach(refuse).unwrap_err().to_string(), "LDB-1011: core 2: not here");
    assert_eq!(runtime.source("s").unwrap_err().hint(), Some("give the core a graph with `attach`"));
    let other_sources = |core: usize| {
        let mut dag = DagBuilder::new();
        let source = dag.source(if core == 1 { "t" } else { "s" }, pairs(), SourceSpec::TIMELESS);
        dag.output("o", source);
        dag.finish()
    };
    let error = runtime.attach(other_sources).unwrap_err().to_string();
    assert!(error.starts_with("LDB-1006: the graph of core 1 has other sources than that of core 0; hint: build"), "{error}");
    let built = AtomicUsize::new(0);
    runtime
        .attach(move |_| {
            built.fetch_add(1, Ordering::SeqCst);
            counts()
        })
        .unwrap();
    runtime.submit(Event::new(runtime.source("s").unwrap(), row(1))).unwrap();
    let mut seen = Vec::new();
    runtime.shutdown(|output| seen.extend(output.changes().map(ChangeBatch::print))).unwrap();
    assert_eq!(seen, ["+1 | 1 | 1"]);
}

#[test]
fn a_key_that_a_source_does_not_have_is_refused() {
    let config = TpcConfig::builder().num_cores(2).key_columns(vec!["user"]).build().unwrap();
    let error = ThreadPerCoreRuntime::with_factory(config, |_| counts()).err().unwrap().to_string();
    assert!(
        error.starts_with("LDB-1003: source 's': there is no column 'user' to route rows by; hint: the columns are"),
        "{error}"
    );
}
