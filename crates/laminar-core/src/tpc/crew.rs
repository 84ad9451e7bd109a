//! One thread for each worker of a shared graph: a step goes out to all of them, and within it they exchange rows directly.
//!
//! A worker's share of the graph travels with the order to its thread and back with the report, so that whoever stands between
//! two steps has all of it, and nothing is ever locked. Queues between threads are [`SpscQueue`]s.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::affinity;
use super::signal::Signal;
use super::spsc::{Consumer, Producer, SpscQueue};
use crate::dag::{Crew, Executor, Links, Parcel, StepOrder, run_in_turn};
use crate::limits::{PARCELS_MAX, SPIN_LOOKS};
use crate::{Code, Error, Result, hot_path};

/// How threads work together.
#[derive(Debug, Clone)]
pub struct CrewConfig {
    /// How many threads.
    pub workers: usize,
    /// Whether each thread stays on a processor of its own, as far as there are enough.
    pub pinned: bool,
    /// A step with at most this many new rows is run by the caller alone: waking threads would take longer. 0: never.
    pub rows_alone_max: usize,
}

/// Threads, one for each worker.
pub struct Threads {
    members: Vec<Member>,
    signals: Arc<[Signal]>,
    looks: u32,
    rows_alone_max: usize,
    /// Shares whose step the caller ran alone.
    done: Vec<Box<Executor>>,
}

/// What the caller keeps of a thread.
struct Member {
    orders: Option<Producer<(Box<Executor>, StepOrder)>>,
    reports: Consumer<Box<Executor>>,
    thread: Option<JoinHandle<()>>,
}

impl Threads {
    /// Starts the threads; they end when this is dropped.
    pub fn start(config: &CrewConfig) -> Result<Self> {
        let workers = config.workers.max(1);
        let signals: Arc<[Signal]> = (0..=workers).map(|_| Signal::default()).collect();
        let processors = thread::available_parallelism().map_or(1, usize::from);
        // Who looks without end takes the processor from those it waits for, unless there are enough.
        let looks = if workers < processors { SPIN_LOOKS } else { SPIN_LOOKS / 64 };
        let mut members = Vec::with_capacity(workers);
        for (worker, ends) in all_to_all(workers).into_iter().enumerate() {
            let links = ThreadLinks { worker, looks, signals: Arc::clone(&signals), ends };
            let processor = (config.pinned && workers <= processors).then_some(worker);
            members.push(start_member(links, processor)?);
        }
        Ok(Self { members, signals, looks, rows_alone_max: config.rows_alone_max, done: Vec::new() })
    }
}

fn start_member(links: ThreadLinks, processor: Option<usize>) -> Result<Member> {
    let (orders, orders_in) = SpscQueue::with_capacity(1).split();
    let (reports_out, reports) = SpscQueue::with_capacity(1).split();
    let name = format!("laminar-{}", links.worker);
    let thread = thread::Builder::new().name(name).spawn(move || {
        if let Some(processor) = processor {
            // A processor that this process may not use is no reason not to work: answers are the same anywhere.
            let _ = affinity::pin_current_thread(processor);
        }
        work(links, &orders_in, &reports_out);
    });
    let thread = thread.map_err(|error| {
        Error::new(Code::LimitReached, format!("a worker thread could not be started: {error}"))
            .with_hint("use fewer workers, or raise the limit of threads")
    })?;
    Ok(Member { orders: Some(orders), reports, thread: Some(thread) })
}

/// The life of a worker's thread: an order, a step, a report.
fn work(mut links: ThreadLinks, orders: &Consumer<(Box<Executor>, StepOrder)>, reports: &Producer<Box<Executor>>) {
    let signals = Arc::clone(&links.signals);
    let caller = signals.len() - 1;
    loop {
        let next = signals[links.worker].wait(links.looks, || match orders.pop() {
            None if orders.is_closed() => Some(None),
            None => None,
            order => Some(order),
        });
        let Some((mut share, order)) = next else { return };
        // Operators and exchanges are guarded one by one, so a panic here is a mistake in the engine itself: nothing of the
        // share can be trusted any more, and the others must not wait for what will not come.
        let run = catch_unwind(AssertUnwindSafe(|| {
            hot_path!("worker step");
            share.run_share(&order, &mut links);
        }));
        if let Err(panic) = run {
            share.fail_all(&*panic);
            links.ends.to.iter_mut().for_each(|end| *end = None);
        }
        if reports.push(share).is_err() {
            return;
        }
        signals[caller].wake();
    }
}

impl Crew for Threads {
    fn start(&mut self, mut shares: Vec<Box<Executor>>, order: &StepOrder) {
        if (1..=self.rows_alone_max).contains(&order.rows()) {
            run_in_turn(&mut shares, order);
            self.done = shares;
            return;
        }
        for (worker, (member, share)) in self.members.iter().zip(shares).enumerate() {
            let sent = member.orders.as_ref().map(|orders| orders.push((share, order.clone())).is_ok());
            assert!(sent == Some(true), "a worker has one order at a time");
            self.signals[worker].wake();
        }
    }

    fn finish(&mut self) -> Vec<Box<Executor>> {
        if !self.done.is_empty() {
            return std::mem::take(&mut self.done);
        }
        let caller = &self.signals[self.members.len()];
        self.members.iter().map(|member| caller.wait(self.looks, || member.reports.pop())).collect()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        for (member, signal) in self.members.iter_mut().zip(self.signals.iter()) {
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
    signals: Arc<[Signal]>,
    ends: Ends,
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
                    self.signals[peer].wake();
                }
            }
        }
        let mut received = Vec::with_capacity(self.ends.from.len());
        for consumer in &self.ends.from {
            received.push(match consumer {
                None => own.take().unwrap_or_default(),
                Some(consumer) => self.signals[self.worker].wait(self.looks, || receive(consumer)),
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
    match consumer.pop() {
        None if consumer.is_closed() => Some(Parcel::failed(Error::internal("another worker has stopped"))),
        parcel => parcel,
    }
}
