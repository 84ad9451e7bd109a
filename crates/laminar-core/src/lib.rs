//! The river of LaminarDB: changes flow through a graph of operators in steps, and every step boundary is a consistent cut.
//!
//! Read the modules in this order; each needs only those above it.
//!
//! 1. [`alloc`]: memory on the hot path. Guards that see allocations, pools and rings that make none.
//! 2. [`changelog`]: what flows. Arrow rows with integer weights (Z-sets).
//! 3. [`expr`]: what operators evaluate, aggregate functions too. Traits only; SQL implements them elsewhere.
//! 4. [`time`]: when. Event time, watermarks, windows, timers, the only clock.
//! 5. [`graph`]: the shape. Nodes, edges and their properties, validation, how it is spread over workers.
//! 6. [`state`]: memory. Keyed tables, arrangements, images.
//! 7. [`operator`]: behaviour. One file per operator.
//! 8. [`budget`], [`thread`], [`numa`], [`io_uring`]: how long a task may keep its core; queues, signals and credits between threads; where memory lies;
//!    files through the kernel's rings.
//! 9. [`runtime`]: graphs at work. Steps, exchanges, workers, and the reactor that runs steps over what waits.
//! 10. [`row`], [`api`]: typed rows and typed doors for programs in Rust.
//!
//! This crate knows Arrow and nothing else: no SQL, no DataFusion, no async runtime, no sockets.

pub mod error;
pub mod id;
pub mod limits;
pub mod panics;

pub mod alloc;

pub mod changelog;
pub mod expr;
pub mod time;

pub mod graph;

pub mod state;

pub mod operator;

pub mod budget;

pub mod thread;

pub mod numa;

pub mod io_uring;

pub mod runtime;

pub mod row;

pub mod api;

/// Graphs under one name: their shape ([`graph`]), and what runs them ([`runtime`]).
pub mod dag {
    pub use crate::graph::*;
    pub use crate::operator::DueWindow;
    pub use crate::runtime::{
        GraphHost, GraphImage, InlinePool, Links, NodeImage, NodeImages, NodeMetrics, NodeStatus, NodeWaits, Outlet, OutletId,
        Parcel, ReplacedQuery, SourceInput, StepOrder, TimedRuns, WorkerGraph, WorkerPool,
    };
    pub use crate::time::watermark::{Holds, Promise};
}

/// One core's loop, and what decides what it does next.
pub mod reactor {
    pub use crate::runtime::{Lane, LaneBudgets, Piece, Poll, Reactor, RejectedRowsHandler, Scheduler, Started, Task, Work};
}

/// Many cores: what one pinned thread per core needs ([`thread`]), and the doors to it ([`api`]).
pub mod tpc {
    pub use crate::api::*;
    pub use crate::runtime::{ThreadPool, ThreadPoolConfig};
    pub use crate::thread::*;
}

pub use changelog::{ChangeBatch, Weights};
pub use error::{Code, Error, Result, Span};
pub use id::{NodeId, Port, StepId};
