//! Many cores with the same graph each, and rows dealt out to them by key: nothing is shared, so nothing is waited for.
//!
//! Cores share no time either: each core's sources see the rows that came to it, and make their watermarks from these. Where all
//! should have the same watermark, say it with [`Event::watermark`], which goes to all cores. (A graph that several workers run in
//! lock-step, with exchanges and one watermark for each source, is [`GraphHost`](crate::runtime::GraphHost).)

mod config;

use std::sync::Arc;

use super::core::{Source, find_source};
use super::{CoreHandle, CoreMetrics, CoreOutput, Event, Lane};
use crate::graph::Node;
use crate::runtime::SourceInput;
use crate::thread::{CreditMetrics, KeyRouter, OverflowStrategy};
use crate::{ChangeBatch, Code, Error, NodeId, Result};

pub use config::{TpcConfig, TpcConfigBuilder};

/// Cores that run the same graph on different rows. They end when this is dropped; [`shutdown`](Self::shutdown) lets them finish first.
///
/// A core whose graph fails ends alone: the others go on, and rows for them are still taken.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{Int64Array, RecordBatch};
/// use arrow_schema::{DataType, Field, Schema};
/// use laminar_core::ChangeBatch;
/// use laminar_core::dag::{DagBuilder, SourceSpec};
/// use laminar_core::expr::Column;
/// use laminar_core::operator::window::{CountAggregator, WindowAggregator};
/// use laminar_core::tpc::{Event, ThreadPerCoreRuntime, TpcConfig};
///
/// # fn main() -> laminar_core::Result<()> {
/// // SELECT user, count(*) FROM clicks GROUP BY user: each core counts the users that are its own.
/// let schema = Arc::new(Schema::new(vec![Field::new("user", DataType::Int64, false)]));
/// let config = TpcConfig::builder().num_cores(4).key_columns(vec!["user"]).cpu_pinning(true).build()?;
/// let mut runtime = ThreadPerCoreRuntime::new(config)?;
/// let of_core = schema.clone();
/// runtime.attach(move |_core| {
///     let mut dag = DagBuilder::new();
///     let clicks = dag.source("clicks", of_core.clone(), SourceSpec::TIMELESS);
///     let user = vec![("user", Column::new(&of_core, 0))];
///     let counts = dag.aggregate("counts", clicks, user, vec![CountAggregator::new().call()?]);
///     dag.output("counts", counts);
///     dag.finish()
/// })?;
///
/// let users = Arc::new(Int64Array::from(vec![7, 8, 7, 9])) as _;
/// let clicks = ChangeBatch::append(RecordBatch::try_new(schema, vec![users])?);
/// runtime.submit(Event::new(runtime.source("clicks")?, clicks))?;
/// let mut rows = 0;
/// runtime.shutdown(|output| rows += output.changes().map_or(0, ChangeBatch::len))?;
/// assert_eq!(rows, 3, "one for each user");
/// # Ok(())
/// # }
/// ```
pub struct ThreadPerCoreRuntime {
    config: TpcConfig,
    cores: Vec<CoreHandle>,
    routers: Vec<(NodeId, KeyRouter)>,
}

impl ThreadPerCoreRuntime {
    /// Starts the cores, with empty graphs; [`attach`](Self::attach) gives them one.
    pub fn new(config: TpcConfig) -> Result<Self> {
        let cores = config.cores().into_iter().map(CoreHandle::spawn).collect::<Result<_>>()?;
        Ok(Self { config, cores, routers: Vec::new() })
    }

    /// Starts the cores with the graph that `factory` builds, see [`attach`](Self::attach).
    pub fn with_factory(config: TpcConfig, factory: impl Fn(usize) -> Result<Vec<Node>> + Send + Sync + 'static) -> Result<Self> {
        let mut runtime = Self::new(config)?;
        runtime.attach(factory)?;
        Ok(runtime)
    }

    /// Lets `factory` build each core's graph, on the core's own thread; it gets the number of the core, and must build the same sources
    /// for all. What all outputs emit comes back by [`poll`](Self::poll).
    ///
    /// Fails if `factory` does for any core, if the nodes do not fit together, or if a source does not have the key's columns; then
    /// no core has the graph.
    pub fn attach(&mut self, factory: impl Fn(usize) -> Result<Vec<Node>> + Send + Sync + 'static) -> Result<()> {
        let factory = Arc::new(factory);
        let known = self.cores.first().map_or(0, |core| core.sources().len());
        let mut attached = Vec::with_capacity(self.cores.len());
        let outcome = self.attach_all(&factory, known, &mut attached);
        if outcome.is_err() {
            for (core, nodes) in self.cores.iter_mut().zip(attached) {
                // A core that has failed has no graph either.
                let _ = core.detach(nodes);
            }
        }
        self.routers.extend(outcome?);
        Ok(())
    }

    fn attach_all<F>(
        &mut self,
        factory: &Arc<F>,
        known: usize,
        attached: &mut Vec<Vec<NodeId>>,
    ) -> Result<Vec<(NodeId, KeyRouter)>>
    where
        F: Fn(usize) -> Result<Vec<Node>> + Send + Sync + 'static,
    {
        for core in &mut self.cores {
            let (factory, number) = (Arc::clone(factory), core.core());
            attached.push(core.attach(move || factory(number))?);
        }
        let new = |core: &CoreHandle| core.sources()[known..].to_vec();
        let sources = self.cores.first().map(new).unwrap_or_default();
        for core in &self.cores {
            expect_alike(&sources, &new(core), core.core())?;
        }
        let router = |source: &Source| Ok((source.id, self.router(source)?));
        sources.iter().map(router).collect()
    }

    fn router(&self, source: &Source) -> Result<KeyRouter> {
        let router = KeyRouter::new(self.config.key(), &source.output.schema, self.cores.len());
        router.map_err(|error| error.within(format!("source '{}'", source.name)))
    }

    /// The number of the source with this name.
    pub fn source(&self, name: &str) -> Result<NodeId> {
        find_source(self.cores.first().map_or(&[], CoreHandle::sources), name)
    }

    /// Puts rows into the lane of the core that their key belongs to, and promises about time into those of all cores. Rows
    /// for which there is no credit are treated by each core as [`CoreHandle::submit`] says.
    ///
    /// Fails, having put nothing in, where [`CoreHandle::submit`] does for any of the cores that the rows belong to. Only if a core fails
    /// while this waits for it may the parts of cores before it have been put in.
    pub fn submit(&mut self, event: Event) -> Result<()> {
        let Event { source, lane, input } = event;
        match input {
            SourceInput::Changes(changes) => self.submit_changes(source, lane, changes),
            SourceInput::Watermark(watermark) => {
                self.cores.iter().try_for_each(|core| core.expect_running(source).map(|_| ()))?;
                self.cores.iter_mut().try_for_each(|core| core.submit(Event::watermark(source, watermark).on(lane)))
            }
        }
    }

    fn submit_changes(&mut self, source: NodeId, lane: Lane, changes: ChangeBatch) -> Result<()> {
        let first = self.cores.iter().find(|core| core.failure().is_none()).or(self.cores.first());
        let changes = first.ok_or_else(no_cores)?.fitted(source, changes)?;
        let (_, router) = self.routers.iter_mut().find(|(id, _)| *id == source).ok_or_else(no_cores)?;
        let parts = router.route(changes)?;
        parts.iter().try_for_each(|(core, _)| self.cores[*core].expect_alive())?;
        if self.cores[0].strategy() == OverflowStrategy::Error {
            return self.submit_all_or_none(source, lane, parts);
        }
        parts.into_iter().try_for_each(|(core, changes)| self.cores[core].send(source, lane, changes))
    }

    fn submit_all_or_none(&mut self, source: NodeId, lane: Lane, parts: Vec<(usize, ChangeBatch)>) -> Result<()> {
        for (index, (core, changes)) in parts.iter().enumerate() {
            if let Err(error) = self.cores[*core].reserve(lane, changes.len()) {
                parts[..index].iter().for_each(|(core, changes)| self.cores[*core].unreserve(lane, changes.len()));
                return Err(error);
            }
        }
        parts.into_iter().try_for_each(|(core, changes)| self.cores[core].send_reserved(source, lane, changes))
    }

    /// Says that nothing more will be submitted for `source`.
    pub fn end(&mut self, source: NodeId) -> Result<()> {
        self.cores.iter().try_for_each(|core| core.expect_running(source).map(|_| ()))?;
        self.cores.iter_mut().try_for_each(|core| core.end(source))
    }

    /// Takes out the results that are there, core by core; those of one output of one core are in their order. That a core has failed is said
    /// once as soon as it is found, and again whenever no results are left.
    pub fn poll(&mut self) -> Result<Vec<CoreOutput>> {
        self.cores.iter_mut().try_for_each(CoreHandle::report_failure)?;
        let mut outputs = Vec::new();
        match self.poll_into(&mut outputs) {
            Err(error) if outputs.is_empty() => Err(error),
            _ => Ok(outputs),
        }
    }

    /// Appends the results that are there to `outputs`, a buffer that can be used again; returns how many.
    ///
    /// Fails if a core has failed, after it has appended all that was left.
    pub fn poll_into(&mut self, outputs: &mut Vec<CoreOutput>) -> Result<usize> {
        let before = outputs.len();
        let failures = self.cores.iter_mut().map(|core| core.poll_into(outputs).map(|_| ()));
        first_failure(failures)?;
        Ok(outputs.len() - before)
    }

    /// Shows the results that are there to `show`, one by one; returns how many. Nothing is allocated.
    ///
    /// Fails if a core has failed, after it has shown all that was left.
    pub fn poll_each(&mut self, mut show: impl FnMut(&CoreOutput)) -> Result<usize> {
        let mut count = 0;
        let mut counted = |output: &CoreOutput| {
            count += 1;
            show(output);
        };
        first_failure(self.cores.iter_mut().map(|core| core.poll_each(&mut counted).map(|_| ())))?;
        Ok(count)
    }

    /// Lets all cores work off what has been submitted, shows their last results to `show`, and ends them. Sources that have not ended stay
    /// so: windows that are open are not shown.
    ///
    /// Fails if a core has failed, after it has shown all that was left.
    pub fn shutdown(mut self, mut show: impl FnMut(&CoreOutput)) -> Result<()> {
        self.cores.iter_mut().for_each(CoreHandle::begin_shutdown);
        first_failure(self.cores.iter_mut().map(|core| core.finish_shutdown(&mut show)))
    }

    /// Whether the main lane of any core is under pressure.
    pub fn is_backpressured(&self) -> bool {
        self.cores.iter().any(CoreHandle::is_backpressured)
    }

    /// Rows that the core with the least room has room for in its main lane.
    pub fn available_credits(&self) -> usize {
        self.cores.iter().map(CoreHandle::available_credits).min().unwrap_or(0)
    }

    /// The counters of the main lane's credits, by core.
    pub fn credit_metrics(&self) -> Vec<CreditMetrics> {
        self.cores.iter().map(CoreHandle::credit_metrics).collect()
    }

    /// What the cores have done, by core.
    pub fn metrics(&self) -> Vec<CoreMetrics> {
        self.cores.iter().map(CoreHandle::metrics).collect()
    }

    /// The cores, for what concerns only one of them.
    pub fn cores(&self) -> &[CoreHandle] {
        &self.cores
    }

    /// The same, to ask something of a core's reactor.
    pub fn cores_mut(&mut self) -> &mut [CoreHandle] {
        &mut self.cores
    }
}

/// The first failure, after all have been asked.
fn first_failure(outcomes: impl Iterator<Item = Result<()>>) -> Result<()> {
    let mut first = Ok(());
    for outcome in outcomes {
        first = first.and(outcome);
    }
    first
}

fn expect_alike(ours: &[Source], theirs: &[Source], core: usize) -> Result<()> {
    if ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a.is_like(b)) {
        return Ok(());
    }
    Err(Error::new(Code::InvalidOption, format!("the graph of core {core} has other sources than that of core 0"))
        .with_hint("build the same sources for every core, in the same order"))
}

fn no_cores() -> Error {
    Error::internal("a runtime without cores, or a source without a router")
}
