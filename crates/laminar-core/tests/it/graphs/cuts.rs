//! Runs one graph over one input in random cuts and turns, with restarts and with ever other numbers of workers.

use laminar_core::changelog::Integral;
use laminar_core::dag::Node;
use laminar_core::time::Clock;
use laminar_core::{ChangeBatch, NodeId};
use rand::RngExt;
use rand::rngs::StdRng;

use super::graph::{Ear, Graph, SECOND};

/// A graph and all that its sources will ever say, in their order.
pub(crate) struct Case {
    pub(crate) nodes: Vec<Node>,
    pub(crate) sources: Vec<(NodeId, ChangeBatch)>,
    pub(crate) listened: Vec<NodeId>,
}

/// What a run has shown.
pub(crate) struct Shown {
    pub(crate) ears: Vec<Ear>,
    /// The rows rejected, as text, sorted.
    pub(crate) rejected: Vec<String>,
}

impl Case {
    /// Runs the case with cuts and turns of the sources as `rng` wants them, and with `changes` to how it runs.
    pub(crate) fn run(&self, rng: &mut StdRng, changes: Changes) -> Shown {
        let workers = random_workers(rng, changes);
        let mut graph = Graph::on_workers(self.nodes.clone(), workers.0, workers.1);
        let mut shown = Shown { ears: self.listened.iter().map(|id| graph.listen(*id)).collect(), rejected: Vec::new() };
        let mut waiting: Vec<(NodeId, ChangeBatch)> = self.sources.clone();
        let restarts = changes.restarts && rng.random_bool(0.3);
        while !waiting.is_empty() {
            self.push_some(rng, &mut graph, &mut waiting);
            self.poll(rng, &mut graph);
            if restarts && rng.random_bool(0.2) {
                graph = self.restarted(graph, random_workers(rng, changes), &mut shown);
            }
            if changes.rescales && rng.random_bool(0.3) {
                let (workers, threads) = random_workers(rng, changes);
                graph.set_workers(workers, threads);
            }
        }
        graph.run();
        shown.collect_rejected(&mut graph);
        shown.rejected.sort();
        self.check_contents(&graph, &shown);
        shown
    }

    /// Pushes the next rows of one of the sources; after the last of them it ends.
    fn push_some(&self, rng: &mut StdRng, graph: &mut Graph, waiting: &mut Vec<(NodeId, ChangeBatch)>) {
        let turn = rng.random_range(0..waiting.len());
        let (source, changes) = &mut waiting[turn];
        let now = rng.random_range(0..=changes.len());
        graph.reactor.push(*source, changes.slice(0, now)).unwrap();
        *changes = changes.slice(now, changes.len() - now);
        if changes.is_empty() {
            graph.reactor.end(*source).unwrap();
            waiting.swap_remove(turn);
        }
    }

    fn poll(&self, rng: &mut StdRng, graph: &mut Graph) {
        match rng.random_range(0..8) {
            7 => drop(graph.reactor.copy_ahead(rng.random_range(0..5)).unwrap()),
            0..3 => drop(graph.reactor.poll_rows(rng.random_range(1..20)).unwrap()),
            3 => graph.reactor.defer(self.sources[rng.random_range(0..self.sources.len())].0).unwrap(),
            4 => drop(graph.reactor.poll_urgent(Some(self.sources[0].0), None).unwrap()),
            5 => graph.clock.advance(SECOND),
            _ => {
                let mut tasks = Vec::new();
                graph.reactor.component_tasks(&mut tasks).unwrap();
                let ready: Vec<_> = tasks.into_iter().filter(|task| task.ready).collect();
                if !ready.is_empty() {
                    let component = ready[rng.random_range(0..ready.len())].id;
                    let started = graph.reactor.start_component(component, rng.random_range(1..20)).unwrap();
                    graph.reactor.finish_poll(started, None).unwrap();
                }
            }
        }
    }

    /// A new graph that goes on where the old one stood, heard by the same ears.
    fn restarted(&self, mut old: Graph, workers: (usize, bool), shown: &mut Shown) -> Graph {
        old.run();
        shown.collect_rejected(&mut old);
        let image = old.reactor.image().unwrap();
        let mut new = Graph::at(old.clock.now(), self.nodes.clone(), workers.0, workers.1);
        new.reactor.restore(image).unwrap();
        for (id, ear) in self.listened.iter().zip(&shown.ears) {
            new.reactor.subscribe(*id, Box::new(ear.clone()), false).unwrap();
        }
        new
    }

    /// Fails unless stored nodes hold what their readers were shown.
    fn check_contents(&self, graph: &Graph, shown: &Shown) {
        for (id, ear) in self.listened.iter().zip(&shown.ears) {
            if let Some(contents) = graph.reactor.graph().contents(*id) {
                expect_same(&contents, &ear.seen().changes, &format!("contents of {id}"));
            }
        }
    }

    /// Fails unless a run with every change shows what one worker without any shows, whatever the cuts.
    pub(crate) fn check(&self, rng: &mut StdRng, seed: u64) -> Shown {
        let (one, other) = (self.run(rng, Changes::NONE), self.run(rng, Changes::ALL));
        for ((one, other), node) in one.ears.iter().zip(&other.ears).zip(&self.listened) {
            expect_same(&one.seen().changes, &other.seen().changes, &format!("seed {seed}, {node} in other cuts"));
        }
        assert_eq!(one.rejected, other.rejected, "seed {seed}: rows rejected");
        one
    }
}

/// What changes while a case runs.
#[derive(Clone, Copy)]
pub(crate) struct Changes {
    /// There are several workers, and now and then another number of them.
    pub(crate) rescales: bool,
    /// The graph goes on from an image.
    pub(crate) restarts: bool,
}

impl Changes {
    pub(crate) const NONE: Changes = Changes { rescales: false, restarts: false };
    pub(crate) const ALL: Changes = Changes { rescales: true, restarts: true };
}

/// How many workers, and whether they have threads.
fn random_workers(rng: &mut StdRng, changes: Changes) -> (usize, bool) {
    if changes.rescales { (rng.random_range(1..=4), rng.random_bool(0.1)) } else { (1, false) }
}

impl Shown {
    fn collect_rejected(&mut self, graph: &mut Graph) {
        self.rejected.extend(graph.rejected().lines().map(str::to_owned));
    }
}

/// Fails unless both come to the same rows.
pub(crate) fn expect_same(one: &[ChangeBatch], other: &[ChangeBatch], place: &str) {
    let Some(schema) = one.iter().chain(other).map(ChangeBatch::schema).next() else { return };
    let sum = |batches| Integral::of(schema.clone(), batches).unwrap();
    let difference = sum(one).difference(&sum(other)).unwrap();
    assert!(difference.is_none(), "{place}: {}", difference.unwrap_or_default());
}

/// How many random cases to look at: `LAMINAR_ROUNDS`, or as many as fit into a normal test run.
pub(crate) fn rounds() -> u64 {
    std::env::var("LAMINAR_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(300)
}
