//! The caller's side of a core: submit, poll, ask, end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::config::CoreConfig;
use super::event::{CoreOutput, Event};
use super::lane_queue::{Entry, LaneQueue};
use super::metrics::CoreMetrics;
use super::results::Results;
use super::shared::Shared;
use super::thread::{Command, Core};
use crate::graph::{EdgeProperties, Node, NodeKind};
use crate::numa::NumaTopology;
use crate::runtime::{Lane, Reactor, SourceInput, fitted};
use crate::thread::backpressure::wait_a_little;
use crate::thread::spsc::{Consumer, Producer};
use crate::thread::{CreditMetrics, OverflowStrategy, SpscQueue, affinity};
use crate::time::Watermark;
use crate::{ChangeBatch, Code, Error, NodeId, Result};

/// How often a caller that waits for an answer looks whether the core is still there.
const ANSWER_LOOK: Duration = Duration::from_millis(10);

/// A running core. It ends when this is dropped; [`shutdown`](Self::shutdown) lets it finish first.
///
/// If its graph fails, by an error or a panic, the core ends with what it had handed out by then. From then on
/// [`submit`](Self::submit) and [`poll`](Self::poll) say why, and no caller waits for it.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{Int64Array, RecordBatch};
/// use arrow_schema::{DataType, Field, Schema};
/// use laminar_core::ChangeBatch;
/// use laminar_core::dag::{DagBuilder, SourceSpec};
/// use laminar_core::expr::Column;
/// use laminar_core::tpc::{CoreConfig, CoreHandle, Event};
///
/// # fn main() -> laminar_core::Result<()> {
/// let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Int64, true)]));
/// let rows_schema = schema.clone();
///
/// let mut core = CoreHandle::spawn(CoreConfig { numa_aware: true, ..CoreConfig::new(0) })?;
/// core.attach(move || {
///     // SELECT b FROM numbers, by hand; it is built on the core's thread.
///     let mut dag = DagBuilder::new();
///     let numbers = dag.source("numbers", schema.clone(), SourceSpec::TIMELESS);
///     let projected = dag.project("b", numbers, vec![("b", Column::new(&schema, 1))]);
///     dag.output("b", projected);
///     dag.finish()
/// })?;
///
/// let columns = [vec![1, 2], vec![10, 20]].map(|column| Arc::new(Int64Array::from(column)) as _);
/// let rows = ChangeBatch::append(RecordBatch::try_new(rows_schema, columns.to_vec())?);
/// core.submit(Event::new(core.source("numbers")?, rows))?;
///
/// let mut seen = Vec::new();
/// core.shutdown(|output| seen.extend(output.changes().map(ChangeBatch::print)))?;
/// assert_eq!(seen, ["+1 | 10\n+1 | 20"]);
/// # Ok(())
/// # }
/// ```
pub struct CoreHandle {
    core: usize,
    strategy: OverflowStrategy,
    results_max: usize,
    inputs: [Producer<Entry>; 3],
    commands: Option<Producer<Command>>,
    sources: Vec<Source>,
    results: Vec<(NodeId, Consumer<CoreOutput>)>,
    /// Results that were taken in while the caller waited for credits.
    held: VecDeque<CoreOutput>,
    failure_reported: bool,
    rows_in: u64,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the caller knows of a source.
#[derive(Debug, Clone)]
pub(in crate::api) struct Source {
    pub(in crate::api) id: NodeId,
    pub(in crate::api) name: String,
    pub(in crate::api) output: EdgeProperties,
    ended: bool,
}

impl Source {
    /// Whether they take the same rows under the same name.
    pub(in crate::api) fn is_like(&self, other: &Source) -> bool {
        (self.id, &self.name, &self.output.schema) == (other.id, &other.name, &other.output.schema)
    }
}

impl CoreHandle {
    /// Starts a core with an empty graph; [`attach`](Self::attach) gives it one.
    ///
    /// Fails if a setting cannot be, if it may not run on the processor that was chosen, or if no thread can be started.
    pub fn spawn(config: CoreConfig) -> Result<Self> {
        config.check()?;
        let (core, strategy) = (config.core, config.backpressure.overflow_strategy());
        let (results_max, name) = (config.results_max, config.thread_name.clone());
        let shared = Arc::new(Shared::new(&config.backpressure));
        let (commands, commands_in) = SpscQueue::with_capacity(4).split();
        let (started, is_started) = mpsc::channel();
        let on_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name(name).spawn(move || {
            // The thread in `spawn` listens.
            let _ = match pin(&config) {
                Err(error) => started.send(Err(error)),
                Ok(()) => {
                    // Made here, so that its memory is taken where the core runs.
                    let (inputs, lanes) = lanes(config.events_max, &on_thread);
                    let sent = started.send(Ok(inputs));
                    Core::new(&config, commands_in, lanes, on_thread).run();
                    sent
                }
            };
        });
        let thread = thread.map_err(|error| {
            Error::new(Code::LimitReached, format!("the thread of core {core} could not be started: {error}"))
                .with_hint("use fewer cores, or raise the limit of threads")
        })?;
        let inputs = is_started.recv().map_err(|_| Error::internal(format!("core {core} ended at its start")))??;
        Ok(Self {
            core,
            strategy,
            results_max,
            inputs,
            commands: Some(commands),
            sources: Vec::new(),
            results: Vec::new(),
            held: VecDeque::new(),
            failure_reported: false,
            rows_in: 0,
            shared,
            thread: Some(thread),
        })
    }

    /// Builds a graph on the core's thread and adds it to what the core runs, between two steps. What all its outputs emit comes back
    /// by [`poll`](Self::poll). Returns the numbers of the nodes, for [`detach`](Self::detach).
    ///
    /// Fails if `build` does, or if the nodes do not fit together; then nothing is added.
    pub fn attach(&mut self, build: impl FnOnce() -> Result<Vec<Node>> + Send + 'static) -> Result<Vec<NodeId>> {
        let (core, results_max, shared) = (self.core, self.results_max, Arc::clone(&self.shared));
        let attached = self.with_reactor(move |reactor| attach(reactor, build()?, core, results_max, &shared))?;
        let Attached { nodes, sources, results } = attached.map_err(|error| error.within(format!("core {core}")))?;
        self.sources.extend(sources);
        self.results.extend(results);
        Ok(nodes)
    }

    /// Takes nodes out between two steps; results of theirs that have not been polled are dropped. Fails if other nodes read from them.
    pub fn detach(&mut self, nodes: Vec<NodeId>) -> Result<()> {
        let gone = nodes.clone();
        self.with_reactor(move |reactor| reactor.detach(&gone))??;
        self.sources.retain(|source| !nodes.contains(&source.id));
        self.results.retain(|(node, _)| !nodes.contains(node));
        Ok(())
    }

    /// Lets the core's thread do something with its reactor, between two steps, and waits for it: for contents, images, counters.
    ///
    /// Fails if the core has ended. If `ask` panics, the core fails.
    pub fn with_reactor<R: Send + 'static>(&mut self, ask: impl FnOnce(&mut Reactor) -> R + Send + 'static) -> Result<R> {
        let (answer, answered) = mpsc::channel();
        self.command(Command::Ask(Box::new(move |reactor| {
            // The caller no longer listens only if it has panicked.
            let _ = answer.send(ask(reactor));
        })))?;
        loop {
            match answered.recv_timeout(ANSWER_LOOK) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Timeout) if self.shared.failure().is_none() => {}
                // It panicked, or the core ended before it came to it.
                Err(_) => {
                    self.wait_for_end();
                    return answered.try_recv().map_err(|_| self.reason());
                }
            }
        }
    }

    /// The number of the source with this name.
    pub fn source(&self, name: &str) -> Result<NodeId> {
        find_source(&self.sources, name)
    }

    pub(in crate::api) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Puts an event into its lane. Rows for which there is no credit are treated as the [`OverflowStrategy`] says: with `Block` this waits,
    /// and keeps meanwhile what comes out of the core, so that it cannot wait for ever; with `DropOldest` it waits only while the lane
    /// itself is full, until the core has looked at it. Promises about time are never dropped.
    ///
    /// Fails, having put nothing in, if the rows do not fit the source, if the source has ended, if the core has failed or ended (with its
    /// reason), and, with the strategy `Error`, if there is no room for all rows.
    pub fn submit(&mut self, event: Event) -> Result<()> {
        let Event { source, lane, input } = event;
        match input {
            SourceInput::Changes(changes) => {
                let changes = self.fitted(source, changes)?;
                self.send(source, lane, changes)
            }
            SourceInput::Watermark(watermark) if watermark.is_end() => self.end(source),
            SourceInput::Watermark(watermark) => {
                self.expect_running(source)?;
                self.put(lane, Entry { source, input: SourceInput::Watermark(watermark), admitted: true })
            }
        }
    }

    /// Says that nothing more will be submitted for `source`: behind all that is there in all lanes.
    pub fn end(&mut self, source: NodeId) -> Result<()> {
        self.expect_running(source)?;
        for lane in Lane::ALL {
            self.put(lane, Entry { source, input: SourceInput::Watermark(Watermark::END), admitted: true })?;
        }
        self.sources.iter_mut().filter(|known| known.id == source).for_each(|known| known.ended = true);
        Ok(())
    }

    /// Takes out the results that are there. If the core has failed, that is said once as soon as it is found, and again whenever no
    /// results are left.
    pub fn poll(&mut self) -> Result<Vec<CoreOutput>> {
        self.report_failure()?;
        let mut outputs = Vec::new();
        match self.poll_into(&mut outputs) {
            Err(error) if outputs.is_empty() => Err(error),
            _ => Ok(outputs),
        }
    }

    /// Fails if the core has failed, once.
    pub(in crate::api) fn report_failure(&mut self) -> Result<()> {
        match self.failure() {
            Some(error) if !std::mem::replace(&mut self.failure_reported, true) => Err(error),
            _ => Ok(()),
        }
    }

    /// Appends the results that are there to `outputs`, a buffer that can be used again; returns how many. Nothing is allocated
    /// as long as the buffer has room.
    ///
    /// Fails if the core has failed, after it has appended what was left.
    pub fn poll_into(&mut self, outputs: &mut Vec<CoreOutput>) -> Result<usize> {
        let (before, failure) = (outputs.len(), self.failure());
        outputs.extend(self.held.drain(..));
        for (_, queue) in &self.results {
            queue.pop_batch(outputs, usize::MAX);
        }
        self.wake_after_poll(outputs.len() - before);
        failure.map_or(Ok(outputs.len() - before), Err)
    }

    /// Shows the results that are there to `show`, one by one; returns how many. Nothing is allocated.
    ///
    /// Fails if the core has failed, after it has shown what was left.
    pub fn poll_each(&mut self, mut show: impl FnMut(&CoreOutput)) -> Result<usize> {
        let (mut count, failure) = (0, self.failure());
        let queued = self.results.iter().flat_map(|(_, queue)| std::iter::from_fn(|| queue.pop()));
        for output in self.held.drain(..).chain(queued) {
            show(&output);
            count += 1;
        }
        self.wake_after_poll(count);
        failure.map_or(Ok(count), Err)
    }

    /// Lets the core work off all that has been submitted, shows its last results to `show`, and ends it. Sources that have not ended
    /// stay so: windows that are open are not shown.
    ///
    /// Fails if the core has failed, after it has shown what was left.
    pub fn shutdown(mut self, mut show: impl FnMut(&CoreOutput)) -> Result<()> {
        self.begin_shutdown();
        self.finish_shutdown(&mut show)
    }

    /// The first half of [`shutdown`](Self::shutdown), so that several cores can finish at once.
    pub(in crate::api) fn begin_shutdown(&mut self) {
        // A core that has ended already needs no order.
        let _ = self.command(Command::Finish);
    }

    pub(in crate::api) fn finish_shutdown(&mut self, show: &mut impl FnMut(&CoreOutput)) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        loop {
            let ended = shared.failure().is_some();
            let polled = self.poll_each(&mut *show);
            if ended {
                self.join();
                // What was put in between the last look and the end.
                let _ = self.poll_each(&mut *show);
                return polled.map(|_| ());
            }
            let has_input = || shared.failure().is_some() || self.results.iter().any(|(_, queue)| !queue.is_empty());
            shared.caller.wait(0, || has_input().then_some(()));
        }
    }

    /// Whether the main lane is under pressure, see [`BackpressureConfig`](crate::thread::BackpressureConfig).
    pub fn is_backpressured(&self) -> bool {
        self.shared.gate(Lane::Main).is_backpressured()
    }

    /// Rows for which the main lane has room.
    pub fn available_credits(&self) -> usize {
        self.shared.gate(Lane::Main).available()
    }

    /// The counters of the main lane's credits: rows taken in, dropped and refused.
    pub fn credit_metrics(&self) -> CreditMetrics {
        self.credit_metrics_of(Lane::Main)
    }

    /// The counters of any lane's credits.
    pub fn credit_metrics_of(&self, lane: Lane) -> CreditMetrics {
        self.shared.gate(lane).metrics()
    }

    /// What the core has done.
    pub fn metrics(&self) -> CoreMetrics {
        let metrics = self.shared.board.read();
        let replaced: u64 = match self.strategy {
            OverflowStrategy::DropOldest => self.shared.gates.iter().map(|gate| gate.metrics().dropped).sum(),
            _ => 0,
        };
        let lost = self.rows_in.saturating_sub(metrics.rows_done + replaced);
        CoreMetrics {
            rows_in: self.rows_in,
            rows_lost: if self.shared.failure().is_some() { lost } else { 0 },
            results_held: (self.held.len() + self.shared.held.load(Ordering::Relaxed)) as u64,
            ..metrics
        }
    }

    pub(in crate::api) fn strategy(&self) -> OverflowStrategy {
        self.strategy
    }

    /// Its number.
    pub fn core(&self) -> usize {
        self.core
    }

    /// Why the core failed; `None` while it works and after a shutdown.
    pub fn failure(&self) -> Option<Error> {
        self.shared.failure().filter(|error| error.code() != Code::Closed).map(|_| self.reason())
    }

    /// Why nothing is taken in any more.
    fn reason(&self) -> Error {
        let error = self.shared.failure().cloned().unwrap_or_else(|| Error::new(Code::Closed, "it is closed"));
        error.within(format!("core {}", self.core))
    }

    pub(in crate::api) fn expect_alive(&self) -> Result<()> {
        if self.shared.failure().is_some() { Err(self.reason()) } else { Ok(()) }
    }

    pub(in crate::api) fn expect_running(&self, source: NodeId) -> Result<&Source> {
        self.expect_alive()?;
        let known = self.sources.iter().find(|known| known.id == source);
        let known = known.ok_or_else(|| no_source(&self.sources, &source.to_string()))?;
        if known.ended {
            return Err(Error::new(Code::Closed, format!("the source '{}' has ended", known.name)));
        }
        Ok(known)
    }

    /// The rows with the source's own schema, if they fit it.
    pub(in crate::api) fn fitted(&self, source: NodeId, changes: ChangeBatch) -> Result<ChangeBatch> {
        fitted(&self.expect_running(source)?.output, changes)
    }

    /// Takes credits and a place for rows that must not wait and not be dropped (the strategy `Error`).
    pub(in crate::api) fn reserve(&self, lane: Lane, rows: usize) -> Result<()> {
        let input = &self.inputs[lane.index()];
        if input.len() == input.capacity() {
            let text = format!("no room for one more event in core {}: {} wait", self.core, input.capacity());
            return Err(
                Error::new(Code::LimitReached, text).with_hint("send again later, send more rows at once, or raise events_max")
            );
        }
        self.shared.gate(lane).offer(rows).map(|_| ())
    }

    /// Gives back what was reserved.
    pub(in crate::api) fn unreserve(&self, lane: Lane, rows: usize) {
        self.shared.gate(lane).release(rows);
    }

    /// Sends rows for which credits and a place are reserved.
    pub(in crate::api) fn send_reserved(&mut self, source: NodeId, lane: Lane, changes: ChangeBatch) -> Result<()> {
        self.rows_in += changes.len() as u64;
        self.put(lane, Entry { source, input: SourceInput::Changes(changes), admitted: true })
    }

    /// Sends rows that fit, as the strategy says.
    pub(in crate::api) fn send(&mut self, source: NodeId, lane: Lane, changes: ChangeBatch) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        if self.strategy == OverflowStrategy::Error {
            self.reserve(lane, changes.len())?;
            return self.send_reserved(source, lane, changes);
        }
        let rows_max = self.shared.gate(lane).config().credits();
        for start in (0..changes.len()).step_by(rows_max) {
            self.send_part(source, lane, changes.slice(start, rows_max.min(changes.len() - start)))?;
        }
        Ok(())
    }

    /// Sends rows that are not more than there are credits in all.
    fn send_part(&mut self, source: NodeId, lane: Lane, changes: ChangeBatch) -> Result<()> {
        let rows = changes.len();
        let input = SourceInput::Changes(changes);
        let gate = Arc::clone(&self.shared.gates[lane.index()]);
        let full = |handle: &Self| handle.inputs[lane.index()].len() == handle.inputs[lane.index()].capacity();
        let admitted = match self.strategy {
            OverflowStrategy::DropNewest if full(self) || !gate.try_acquire(rows) => {
                gate.count_dropped(rows);
                return Ok(());
            }
            OverflowStrategy::DropOldest => gate.try_acquire(rows),
            OverflowStrategy::DropNewest => true,
            OverflowStrategy::Block | OverflowStrategy::Error => {
                self.wait_until(&gate, |_| gate.try_acquire(rows))?;
                true
            }
        };
        self.rows_in += rows as u64;
        self.put(lane, Entry { source, input, admitted })
    }

    /// Puts an entry into its lane; waits while that is full.
    fn put(&mut self, lane: Lane, entry: Entry) -> Result<()> {
        let gate = Arc::clone(&self.shared.gates[lane.index()]);
        let mut entry = Some(entry);
        self.wait_until(&gate, |handle| {
            entry = entry.take().and_then(|entry| handle.inputs[lane.index()].push(entry).err());
            entry.is_none()
        })?;
        self.shared.core.wake();
        Ok(())
    }

    /// Tries until it works or the core has ended. Meanwhile results are taken in, so that the core gets on.
    fn wait_until(&mut self, gate: &crate::thread::CreditGate, mut works: impl FnMut(&Self) -> bool) -> Result<()> {
        let mut rounds = 0;
        while !works(self) {
            self.expect_alive()?;
            if rounds == 0 {
                gate.count_blocked();
            }
            self.take_results_in();
            wait_a_little(rounds);
            rounds += 1;
        }
        Ok(())
    }

    fn take_results_in(&mut self) {
        let before = self.held.len();
        for (_, queue) in &self.results {
            self.held.extend(std::iter::from_fn(|| queue.pop()));
        }
        self.wake_after_poll(self.held.len() - before);
    }

    /// Results are taken out: a core that had no room for more goes on.
    fn wake_after_poll(&self, count: usize) {
        if count > 0 {
            self.shared.polled.store(true, Ordering::Release);
            self.shared.core.wake();
        }
    }

    fn command(&self, command: Command) -> Result<()> {
        let commands = self.commands.as_ref().ok_or_else(|| self.reason())?;
        if commands.is_closed() || commands.push(command).is_err() {
            return Err(self.reason());
        }
        self.shared.core.wake();
        Ok(())
    }

    fn wait_for_end(&self) {
        self.shared.caller.wait(0, || self.shared.failure().map(|_| ()));
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // All panics are caught on the thread itself.
            let _ = thread.join();
        }
    }
}

impl Drop for CoreHandle {
    fn drop(&mut self) {
        self.commands = None;
        self.shared.core.wake();
        self.join();
    }
}

/// Puts the current thread where the settings want it.
fn pin(config: &CoreConfig) -> Result<()> {
    let pinned = match config.cpu {
        Some(cpu) => affinity::pin_current_thread(cpu),
        None if config.numa_aware => stay_on_a_node(config.core),
        None => Ok(()),
    };
    match pinned {
        // Answers are the same anywhere.
        Err(error) if error.code() == Code::NotSupported => Ok(()),
        pinned => pinned.map_err(|error| error.within(format!("core {}", config.core))),
    }
}

/// Keeps the current thread on one memory node: cores are dealt out to the nodes that have processors for us.
fn stay_on_a_node(core: usize) -> Result<()> {
    let topology = NumaTopology::detect();
    let Some(allowed) = affinity::allowed_cpus().filter(|_| !topology.is_single_node()) else { return Ok(()) };
    let ours = |cpus: &Vec<usize>| cpus.iter().copied().filter(|cpu| allowed.contains(cpu)).collect::<Vec<_>>();
    let nodes: Vec<Vec<usize>> = topology.nodes().iter().map(|node| ours(&node.cpus)).filter(|cpus| !cpus.is_empty()).collect();
    if nodes.is_empty() { Ok(()) } else { affinity::keep_current_thread_on(&nodes[core % nodes.len()]) }
}

fn lanes(events_max: usize, shared: &Shared) -> ([Producer<Entry>; 3], [LaneQueue; 3]) {
    let [latency, main, poll] = Lane::ALL.map(|lane| {
        let (producer, consumer) = SpscQueue::with_capacity(events_max).split();
        (producer, LaneQueue::new(consumer, Arc::clone(&shared.gates[lane.index()])))
    });
    ([latency.0, main.0, poll.0], [latency.1, main.1, poll.1])
}

/// What the caller gets to know of a graph.
struct Attached {
    nodes: Vec<NodeId>,
    sources: Vec<Source>,
    results: Vec<(NodeId, Consumer<CoreOutput>)>,
}

/// On the core's thread: adds the nodes and listens at their outputs.
fn attach(reactor: &mut Reactor, nodes: Vec<Node>, core: usize, results_max: usize, shared: &Arc<Shared>) -> Result<Attached> {
    let source = |node: &Node| Source { id: node.id, name: node.name.clone(), output: node.output.clone(), ended: false };
    let sources = nodes.iter().filter(|node| matches!(node.kind, NodeKind::Source(_))).map(source).collect();
    let outputs: Vec<NodeId> = nodes.iter().filter(|node| matches!(node.kind, NodeKind::Output(_))).map(|node| node.id).collect();
    let ids = nodes.iter().map(|node| node.id).collect();
    reactor.attach(nodes)?;
    let mut results = Vec::with_capacity(outputs.len());
    for node in outputs {
        let (queue, taken) = SpscQueue::with_capacity(results_max).split();
        reactor.subscribe(node, Box::new(Results::new(core, node, queue, Arc::clone(shared))), false)?;
        results.push((node, taken));
    }
    Ok(Attached { nodes: ids, sources, results })
}

pub(in crate::api) fn find_source(sources: &[Source], name: &str) -> Result<NodeId> {
    let found = sources.iter().find(|source| source.name == name);
    found.map(|source| source.id).ok_or_else(|| no_source(sources, &format!("'{name}'")))
}

fn no_source(sources: &[Source], which: &str) -> Error {
    let error = Error::new(Code::UnknownObject, format!("there is no source {which}"));
    match sources {
        [] => error.with_hint("give the core a graph with `attach`"),
        _ => {
            let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
            error.with_hint(format!("the sources are {}", names.join(", ")))
        }
    }
}
