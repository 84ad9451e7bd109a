//! One thread for each worker of a shared graph: a step goes out to all of them, and within it they exchange rows directly.
//!
//! A worker's part of the graph travels with the order to its thread and back with the report, so that the caller has all of
//! it between two steps, and nothing is ever locked. Queues between threads are [`SpscQueue`]s.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::exchange::Parcel;
use super::step::{Links, StepOrder, run_inline};
use super::worker_graph::WorkerGraph;
use super::worker_pool::WorkerPool;
use crate::limits::{PARCELS_MAX, SPIN_LOOKS};
use crate::thread::affinity;
use crate::thread::signal::{Patience, Signal};
use crate::thread::spsc::{Consumer, Producer, SpscQueue};
use crate::{Code, Error, Result, hot_path};

/// How threads work together.
#[derive(Debug, Clone)]
pub struct ThreadPoolConfig {
    /// How many threads.
    pub workers: usize,
    /// Whether each thread stays on a processor of its own, as far as there are enough.
    pub pinned: bool,
    /// A step with at most this many new rows is run by the caller alone: waking threads would take longer. 0: never.
    pub rows_alone_max: usize,
}

/// Threads, one for each worker. A caller that waits for the end of a step is the first worker itself: then as many threads are
/// busy as there are workers, and one less has to be woken.
pub struct ThreadPool {
    members: Vec<Member>,
    signals: Arc<Signals>,
    /// The caller's, when it waits for the end of a step.
    patience: Patience,
    rows_alone_max: usize,
    /// Graphs whose step the caller ran alone.
    #[expect(clippy::vec_box, reason = "a graph travels to its thread and back in every step: a pointer does, not the whole")]
    done: Vec<Box<WorkerGraph>>,
}

/// What the caller keeps of a thread.
struct Member {
    orders: Option<Producer<Task>>,
    reports: Consumer<(Box<WorkerGraph>, ThreadLinks)>,
    /// The worker's ends of the queues; `None` while its thread works.
    links: Option<ThreadLinks>,
    thread: Option<JoinHandle<()>>,
}

/// A worker's part of a step.
struct Task {
    graph: Box<WorkerGraph>,
    order: StepOrder,
    links: ThreadLinks,
}

/// Which thread waits, and for what. No thread waits for two things at once.
struct Signals {
    /// By worker: for orders.
    orders: Vec<Signal>,
    /// By worker: within a step, for parcels of the others.
    parcels: Vec<Signal>,
    /// For reports.
    caller: Signal,
}

impl ThreadPool {
    /// Starts the threads; they end when this is dropped.
    pub fn start(config: &ThreadPoolConfig) -> Result<Self> {
        let workers = config.workers.max(1);
        let each = || (0..workers).map(|_| Signal::default()).collect();
        let signals = Arc::new(Signals { orders: each(), parcels: each(), caller: Signal::default() });
        let processors = thread::available_parallelism().map_or(1, usize::from);
        // Who looks without end takes the processor from those it waits for, unless there are enough.
        let looks = if workers <= processors { SPIN_LOOKS } else { SPIN_LOOKS / 64 };
        let patience = Patience::of(looks * STEP_SPINS);
        let members = Vec::with_capacity(workers);
        // Should a thread not start, those before it end with this.
        let mut threads = Self { members, signals, patience, rows_alone_max: config.rows_alone_max, done: Vec::new() };
        for (worker, ends) in all_to_all(workers).into_iter().enumerate() {
            let links = ThreadLinks { worker, looks, signals: Arc::clone(&threads.signals), ends };
            let processor = (config.pinned && workers <= processors).then_some(worker);
            threads.members.push(start_member(links, processor)?);
        }
        Ok(threads)
    }

    /// Whether the caller should run this step alone.
    fn is_small(&self, order: &StepOrder) -> bool {
        (1..=self.rows_alone_max).contains(&order.rows())
    }

    /// Lets the thread of `worker` run its part of a step.
    fn send(&mut self, worker: usize, graph: Box<WorkerGraph>, order: &StepOrder) {
        let member = &mut self.members[worker];
        let task = member.links.take().map(|links| Task { graph, order: order.clone(), links });
        let sent = task.zip(member.orders.as_ref()).map(|(task, orders)| orders.push(task).is_ok());
        assert!(sent == Some(true), "a worker has one order at a time");
        self.signals.orders[worker].wake();
    }

    /// Waits for the report of the thread of `worker`.
    fn receive(&mut self, worker: usize) -> Box<WorkerGraph> {
        let member = &mut self.members[worker];
        let (graph, links) = self.patience.wait(&self.signals.caller, || member.reports.pop());
        member.links = Some(links);
        graph
    }
}

fn start_member(links: ThreadLinks, processor: Option<usize>) -> Result<Member> {
    let (orders, orders_in) = SpscQueue::with_capacity(1).split();
    let (reports_out, reports) = SpscQueue::with_capacity(1).split();
    let (worker, signals, patience) = (links.worker, Arc::clone(&links.signals), Patience::of(links.looks * STEP_SPINS));
    let thread = thread::Builder::new().name(format!("laminar-{worker}")).spawn(move || {
        if let Some(processor) = processor {
            // A processor that this process may not use is no reason not to work: answers are the same anywhere.
            let _ = affinity::pin_current_thread(processor);
        }
        work(worker, &signals, patience, &orders_in, &reports_out);
    });
    let thread = thread.map_err(|error| {
        Error::new(Code::LimitReached, format!("a worker thread could not be started: {error}"))
            .with_hint("use fewer workers, or raise the limit of threads")
    })?;
    Ok(Member { orders: Some(orders), reports, links: Some(links), thread: Some(thread) })
}

/// The life of a worker's thread: an order, a step, a report.
fn work(
    worker: usize,
    signals: &Signals,
    mut patience: Patience,
    orders: &Consumer<Task>,
    reports: &Producer<(Box<WorkerGraph>, ThreadLinks)>,
) {
    loop {
        let next = patience.wait(&signals.orders[worker], || next_or_end(orders));
        let Some(Task { mut graph, order, mut links }) = next else { return };
        hot_path!("worker step");
        run_part(&mut graph, &order, &mut links);
        if reports.push((graph, links)).is_err() {
            return;
        }
        signals.caller.wake();
    }
}

/// Runs a worker's part of a step. Operators and exchanges are guarded one by one, so a panic here is a mistake in the engine itself:
/// nothing of the graph can be trusted any more, and the others must not wait for what will not come.
fn run_part(graph: &mut WorkerGraph, order: &StepOrder, links: &mut ThreadLinks) {
    let run = catch_unwind(AssertUnwindSafe(|| graph.run_step(order, links)));
    if let Err(panic) = run {
        graph.fail_all(&*panic);
        links.stop();
    }
}

impl WorkerPool for ThreadPool {
    fn start(&mut self, mut graphs: Vec<Box<WorkerGraph>>, order: &StepOrder) {
        if self.is_small(order) {
            run_inline(&mut graphs, order);
            self.done = graphs;
            return;
        }
        graphs.into_iter().enumerate().for_each(|(worker, graph)| self.send(worker, graph, order));
    }

    fn finish(&mut self) -> Vec<Box<WorkerGraph>> {
        if !self.done.is_empty() {
            return std::mem::take(&mut self.done);
        }
        (0..self.members.len()).map(|worker| self.receive(worker)).collect()
    }

    fn run(&mut self, mut graphs: Vec<Box<WorkerGraph>>, order: &StepOrder) -> Vec<Box<WorkerGraph>> {
        if self.is_small(order) {
            run_inline(&mut graphs, order);
            return graphs;
        }
        // The last one first, so that the order of workers is that of the graphs that are left.
        for worker in (1..self.members.len()).rev() {
            if let Some(graph) = graphs.pop() {
                self.send(worker, graph, order);
            }
        }
        if let (Some(own), Some(links)) = (graphs.first_mut(), &mut self.members[0].links) {
            run_part(own, order, links);
        }
        graphs.extend((1..self.members.len()).map(|worker| self.receive(worker)));
        graphs
    }
}

/// How much longer a worker looks for the next step than for a parcel within one: the caller takes rows in between.
const STEP_SPINS: u32 = 8;

impl Drop for ThreadPool {
    fn drop(&mut self) {
        for (member, signal) in self.members.iter_mut().zip(&self.signals.orders) {
            member.orders = None;
            signal.wake();
        }
        for member in &mut self.members {
            if let Some(thread) = member.thread.take() {
                // A thread that panicked has said so on its way out.
                let _ = thread.join();
            }
        }
    }
}

/// One worker's ends of the queues between all workers; `None` for itself.
struct Ends {
    to: Vec<Option<Producer<Parcel>>>,
    from: Vec<Option<Consumer<Parcel>>>,
}

fn all_to_all(workers: usize) -> Vec<Ends> {
    let none = || Ends { to: (0..workers).map(|_| None).collect(), from: (0..workers).map(|_| None).collect() };
    let mut ends: Vec<Ends> = (0..workers).map(|_| none()).collect();
    for sender in 0..workers {
        for receiver in (0..workers).filter(|receiver| *receiver != sender) {
            let (producer, consumer) = SpscQueue::with_capacity(PARCELS_MAX).split();
            ends[sender].to[receiver] = Some(producer);
            ends[receiver].from[sender] = Some(consumer);
        }
    }
    ends
}

struct ThreadLinks {
    worker: usize,
    looks: u32,
    signals: Arc<Signals>,
    ends: Ends,
}

impl ThreadLinks {
    /// Sends nothing and takes nothing in any more, and tells those who wait for a parcel.
    fn stop(&mut self) {
        self.ends.to.iter_mut().for_each(|end| *end = None);
        let gone = || SpscQueue::with_capacity(1).split().1;
        self.ends.from.iter_mut().flatten().for_each(|end| *end = gone());
        self.signals.parcels.iter().for_each(Signal::wake);
    }
}

impl Links for ThreadLinks {
    fn exchange(&mut self, parcels: Vec<Parcel>) -> Vec<Parcel> {
        let mut own = None;
        for (peer, parcel) in parcels.into_iter().enumerate() {
            match &self.ends.to[peer] {
                None if peer == self.worker => own = Some(parcel),
                None => {}
                Some(producer) => {
                    send(producer, parcel);
                    self.signals.parcels[peer].wake();
                }
            }
        }
        let mut received = Vec::with_capacity(self.ends.from.len());
        for consumer in &self.ends.from {
            received.push(match consumer {
                None => own.take().unwrap_or_default(),
                Some(consumer) => self.signals.parcels[self.worker].wait(self.looks, || receive(consumer)),
            });
        }
        received
    }
}

/// A full queue means that the peer is many nodes behind; it gets on, because it waits only for parcels that are there already.
fn send(producer: &Producer<Parcel>, mut parcel: Parcel) {
    while let Err(back) = producer.push(parcel) {
        if producer.is_closed() {
            return;
        }
        parcel = back;
        thread::yield_now();
    }
}

fn receive(consumer: &Consumer<Parcel>) -> Option<Parcel> {
    let next = next_or_end(consumer)?;
    Some(next.unwrap_or_else(|| Parcel::failed(Error::internal("another worker has stopped"))))
}

/// What comes next, if it has come; `Some(None)` if nothing will come any more. The end is asked for first: something can come right before it.
fn next_or_end<T>(consumer: &Consumer<T>) -> Option<Option<T>> {
    let ended = consumer.is_closed();
    let next = consumer.pop();
    (next.is_some() || ended).then_some(next)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn links(workers: usize) -> Vec<ThreadLinks> {
        let each = || (0..workers).map(|_| Signal::default()).collect();
        let signals = Arc::new(Signals { orders: each(), parcels: each(), caller: Signal::default() });
        let link = |(worker, ends)| ThreadLinks { worker, looks: 0, signals: Arc::clone(&signals), ends };
        all_to_all(workers).into_iter().enumerate().map(link).collect()
    }

    #[test]
    fn no_worker_waits_for_one_that_has_stopped() {
        let [mut stops, mut goes_on] = <[_; 2]>::try_from(links(2)).ok().expect("two of them");
        let (answer, answered) = mpsc::channel();
        let thread = thread::Builder::new().spawn(move || {
            // More than the queue holds: what is sent is not taken out, either.
            (0..=PARCELS_MAX).for_each(|_| answer.send(goes_on.exchange(vec![Parcel::default(); 2])).unwrap());
        });
        assert!(answered.recv_timeout(Duration::from_millis(50)).is_err(), "it sleeps");
        stops.stop();
        for _ in 0..=PARCELS_MAX {
            let parcels = answered.recv_timeout(Duration::from_secs(10)).expect("the other one goes on");
            let failed = parcels.iter().map(|parcel| format!("{parcel:?}").contains("another worker has stopped"));
            assert_eq!(failed.collect::<Vec<_>>(), [true, false]);
        }
        thread.unwrap().join().unwrap();
    }

    #[test]
    fn what_comes_right_before_the_end_is_not_missed() {
        for round in 0..5_000 {
            let (producer, consumer) = SpscQueue::with_capacity(1).split();
            thread::scope(|threads| {
                let last = threads.spawn(move || Signal::default().wait(u32::MAX, || next_or_end(&consumer)));
                producer.push(round).unwrap();
                drop(producer);
                assert_eq!(last.join().unwrap(), Some(round));
            });
        }
    }
}
