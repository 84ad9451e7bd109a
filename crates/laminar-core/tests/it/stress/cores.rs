//! Runtimes whose cores may fail, with little room, callers that change and an end at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch};
use laminar_core::dag::{DagBuilder, Node, SourceSpec};
use laminar_core::expr::Column;
use laminar_core::tpc::{
    BackpressureConfig, CoreHandle, CoreOutput, Event, KeyRouter, KeySpec, Lane, OverflowStrategy, ThreadPerCoreRuntime,
    TpcConfig,
};
use laminar_core::{ChangeBatch, Code, Error, NodeId, Result};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::graphs::exprs::panics_at;
use crate::graphs::graph::pairs;
use crate::random::{for_each_case, stress_cases};

/// The key at which a core panics.
const POISON: i64 = -1;

/// Rows are a key and a number of their own; the core that sees [`POISON`] fails.
fn nodes() -> Result<Vec<Node>> {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let checked = dag.project("p", source, vec![("a", panics_at(0, POISON)), ("b", Column::new(&pairs(), 1))]);
    dag.output("o", checked);
    dag.finish()
}

fn batch(keys: Vec<i64>, numbers: Vec<i64>) -> ChangeBatch {
    let columns = [keys, numbers].map(|column| Arc::new(Int64Array::from(column)) as _);
    ChangeBatch::append(RecordBatch::try_new(pairs(), columns.to_vec()).unwrap())
}

fn numbers(changes: &ChangeBatch) -> &[i64] {
    changes.column(1).as_primitive::<Int64Type>().values()
}

/// What became of the rows of a call of `submit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Taken,
    Refused,
    /// A core failed meanwhile: those of other cores may have been taken.
    Unsure,
}

/// A row as it was submitted.
#[derive(Debug, Clone, Copy)]
struct Row {
    core: usize,
    ring: Lane,
    fate: Fate,
}

/// A runtime, and all that went in and came out.
struct Bed {
    runtime: ThreadPerCoreRuntime,
    source: NodeId,
    router: KeyRouter,
    strategy: OverflowStrategy,
    rows: Vec<Row>,
    /// By core: the numbers that came out, in their order.
    seen: Vec<Vec<i64>>,
    /// The core that was sent the poison, and the number of that row.
    poisoned: Option<(usize, i64)>,
    failure: Option<Error>,
    buffer: Vec<CoreOutput>,
}

impl Bed {
    fn random(rng: &mut StdRng) -> Self {
        use OverflowStrategy as S;
        let (cores, strategy) =
            (rng.random_range(1..=4), [S::Block, S::DropNewest, S::DropOldest, S::Error][rng.random_range(0..4)]);
        let credits = BackpressureConfig::builder()
            .exclusive_credits(rng.random_range(1..100))
            .floating_credits(rng.random_range(0..100))
            .overflow_strategy(strategy);
        let config = TpcConfig::builder()
            .num_cores(cores)
            .key(KeySpec::ColumnIndices(vec![0]))
            .backpressure(credits.build().unwrap())
            .events_max(rng.random_range(1..32))
            .results_max(rng.random_range(1..32))
            .checked(rng.random_bool(0.5));
        let runtime = ThreadPerCoreRuntime::with_factory(config.build().unwrap(), |_| nodes()).unwrap();
        let (source, router) = (runtime.source("s").unwrap(), KeyRouter::new(&KeySpec::ColumnIndices(vec![0]), &pairs(), cores));
        let (rows, seen, router) = (Vec::new(), vec![Vec::new(); cores], router.unwrap());
        Self { runtime, source, router, strategy, rows, seen, poisoned: None, failure: None, buffer: Vec::new() }
    }

    /// Does something.
    fn act(&mut self, rng: &mut StdRng) {
        match rng.random_range(0..40) {
            0..25 => self.submit_random(rng),
            25..33 => self.poll(),
            33 => self.ask(rng),
            34 => self.attach_and_detach(),
            35 => self.look_at_metrics(),
            36 => thread::sleep(std::time::Duration::from_micros(rng.random_range(0..200))),
            _ => thread::yield_now(),
        }
    }

    fn submit_random(&mut self, rng: &mut StdRng) {
        let keys: Vec<i64> = (0..rng.random_range(0..60)).map(|_| rng.random_range(0..50)).collect();
        self.submit(keys, Lane::ALL[rng.random_range(0..3)]);
    }

    fn submit(&mut self, keys: Vec<i64>, ring: Lane) {
        let first = self.rows.len() as i64;
        let changes = batch(keys.clone(), (first..first + keys.len() as i64).collect());
        let event = Event::new(self.source, changes.clone()).on(ring);
        let fate = match self.runtime.submit(event) {
            Ok(()) => Fate::Taken,
            Err(error) if error.code() == Code::LimitReached => {
                assert_eq!(self.strategy, OverflowStrategy::Error, "{error}");
                Fate::Refused
            }
            Err(error) => {
                self.note_failure(error);
                Fate::Unsure
            }
        };
        self.rows.resize(self.rows.len() + keys.len(), Row { core: usize::MAX, ring, fate });
        for (core, part) in self.router.route(changes).unwrap() {
            numbers(&part).iter().for_each(|number| self.rows[*number as usize].core = core);
        }
    }

    /// Sends the row at which its core panics.
    fn poison(&mut self) {
        let number = self.rows.len() as i64;
        let owner = self.router.route(batch(vec![POISON], vec![number])).unwrap()[0].0;
        self.poisoned = Some((owner, number));
        self.submit(vec![POISON], Lane::Main);
    }

    fn poll(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let polled = self.runtime.poll_into(&mut buffer).map(|_| ());
        buffer.drain(..).for_each(|output| see(&mut self.seen, &output));
        self.buffer = buffer;
        polled.unwrap_or_else(|error| self.note_failure(error));
    }

    fn ask(&mut self, rng: &mut StdRng) {
        let core = rng.random_range(0..self.seen.len());
        match self.runtime.cores_mut()[core].with_reactor(|reactor| reactor.graph().nodes().count()) {
            Ok(nodes) => assert_eq!(nodes, 3),
            Err(error) => self.note_failure(error),
        }
    }

    /// Adds a second graph to all cores and takes it away again.
    fn attach_and_detach(&mut self) {
        for place in 0..self.seen.len() {
            let core = &mut self.runtime.cores_mut()[place];
            let second = || {
                let mut dag = DagBuilder::starting_at(NodeId(100));
                let source = dag.source("t", pairs(), SourceSpec::TIMELESS);
                dag.output("u", source);
                dag.finish()
            };
            if let Err(error) = core.attach(second).and_then(|nodes| core.detach(nodes)) {
                self.note_failure(error);
            }
        }
    }

    fn look_at_metrics(&self) {
        for (core, (credits, metrics)) in self.runtime.credit_metrics().iter().zip(self.runtime.metrics()).enumerate() {
            assert!(credits.in_use <= credits.capacity, "core {core}: {credits:?}");
            assert!(metrics.rows_done <= metrics.rows_in, "core {core}: {metrics:?}");
        }
    }

    /// Only a core that was sent the poison fails, and only by it.
    fn note_failure(&mut self, error: Error) {
        let owner = self.poisoned.map(|(core, _)| core);
        let expected = owner.map(|core| format!("core {core}: reads from 'p', which failed: panicked: saw {POISON}"));
        assert_eq!(Some(error.message()), expected.as_deref());
        self.failure = Some(error);
    }

    /// Polls until every core that goes on has worked off all that it has.
    fn settle(&mut self) {
        while !self.runtime.cores().iter().all(is_settled) {
            self.poll();
            thread::yield_now();
        }
    }

    /// Lets the cores finish and holds what came out against what went in.
    fn finish(mut self, settled: bool) {
        let dropped: Vec<u64> = self.runtime.cores().iter().map(dropped).collect();
        let seen = &mut self.seen;
        let ended = self.runtime.shutdown(|output| see(seen, output));
        let failed = ended.is_err().then(|| self.poisoned.map(|(core, _)| core)).flatten();
        assert!(
            self.failure.is_none() || ended.as_ref().err() == self.failure.as_ref(),
            "who has failed says so again: {ended:?}"
        );
        assert!(ended.is_ok() || failed.is_some(), "{ended:?}");
        check_each(&self.rows, &self.seen);
        // Where the oldest rows are dropped, only the core knows how many, until it has nothing more to do.
        let counted = self.strategy != OverflowStrategy::DropOldest || settled;
        for core in (0..self.seen.len()).filter(|core| counted && Some(*core) != failed) {
            check_whole(core, &self.rows, &self.seen[core], dropped[core]);
        }
        let poison = self.poisoned.map(|(_, number)| self.rows[number as usize].fate);
        let drops = matches!(self.strategy, OverflowStrategy::DropNewest | OverflowStrategy::DropOldest);
        assert!(drops || poison != Some(Fate::Taken) || failed.is_some(), "the poison was taken and did nothing");
    }
}

fn see(seen: &mut [Vec<i64>], output: &CoreOutput) {
    seen[output.core].extend(output.changes().map_or(&[][..], numbers));
}

/// Rows that were dropped because there was no room.
fn dropped(core: &CoreHandle) -> u64 {
    Lane::ALL.iter().map(|ring| core.credit_metrics_of(*ring).dropped).sum()
}

/// Whether the core has failed, or has worked off all that it has: then all credits are back.
fn is_settled(core: &CoreHandle) -> bool {
    let metrics = core.metrics();
    let in_use: usize = Lane::ALL.iter().map(|ring| core.credit_metrics_of(*ring).in_use).sum();
    let counted = metrics.rows_done == metrics.rows_in || metrics.rows_done + dropped(core) == metrics.rows_in;
    core.failure().is_some() || (in_use == 0 && counted && metrics.results_held == 0)
}

/// Whatever came out was put in, for this core and not before, and rows of one ring kept their order.
fn check_each(rows: &[Row], seen: &[Vec<i64>]) {
    let mut once = BTreeSet::new();
    for (core, seen) in seen.iter().enumerate() {
        let mut last = BTreeMap::new();
        for number in seen {
            let row = &rows[*number as usize];
            assert!(once.insert(*number), "row {number} came out twice");
            assert!(row.core == core && row.fate != Fate::Refused, "row {number} of core {core}: {row:?}");
            let before = last.insert(row.ring as usize, *number);
            assert!(before < Some(*number), "row {number} of core {core} after row {before:?}");
        }
    }
}

/// Whatever was taken for this core came out or was dropped.
fn check_whole(core: usize, rows: &[Row], seen: &[i64], dropped: u64) {
    let count = |fate| rows.iter().filter(|row| row.core == core && row.fate == fate).count() as u64;
    let (taken, unsure, accounted) = (count(Fate::Taken), count(Fate::Unsure), seen.len() as u64 + dropped);
    assert!(
        (taken..=taken + unsure).contains(&accounted),
        "core {core}: {taken} taken, {unsure} unsure, {accounted} accounted for"
    );
}

#[test]
fn every_row_comes_out_once_or_is_accounted_for_whatever_fails_or_ends() {
    for_each_case(stress_cases(150), |rng| {
        let mut bed = Bed::random(rng);
        let (acts, poisoned) = (rng.random_range(0..120), rng.random_bool(0.4));
        let poisoned_at = if poisoned { rng.random_range(0..=acts) } else { usize::MAX };
        let mut act_all = |bed: &mut Bed, acts: std::ops::Range<usize>| {
            for at in acts {
                if at == poisoned_at {
                    bed.poison();
                }
                bed.act(rng);
            }
        };
        act_all(&mut bed, 0..acts / 2);
        // Another thread goes on: a handle may move.
        thread::scope(|threads| threads.spawn(|| act_all(&mut bed, acts / 2..acts)).join().unwrap());
        match rng.random_range(0..4) {
            0 => {
                drop(bed.runtime);
                check_each(&bed.rows, &bed.seen);
            }
            1 => {
                bed.settle();
                bed.finish(true);
            }
            _ => bed.finish(false),
        }
    });
}
