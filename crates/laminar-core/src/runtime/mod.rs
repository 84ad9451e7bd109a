//! Graphs at work: nodes with their operators, steps over them, and the loop that runs steps over whatever is waiting.
//!
//! * [`Reactor`]: inboxes in front of the sources, timers, budgets; it decides when a step runs and over what.
//! * [`Scheduler`]: what works next, for whom a reactor and what feeds it are not all that a thread has to do.
//! * [`GraphHost`]: one graph on one or several workers; it hands rows in and out between two steps.
//! * `worker_graph`: what one worker has of the graph, and its part of a step; `node_state`: one node of it, with its operator.
//! * `exchange`: rows that move between workers within a step; [`WorkerPool`]: who runs the workers, [`ThreadPool`] on threads of their own.
//! * `image`: the state of a graph; `rescale`: how it comes back, and how a graph goes on with another number of workers; `replace`: how one query
//!   takes the place of another.
//! * [`Outlet`]: where changes leave the graph.

mod components;
mod exchange;
mod host;
mod image;
mod lookup_keys;
mod node_state;
mod order;
mod outlet;
mod pending;
mod reactor;
mod rejected;
mod replace;
mod rescale;
mod scheduler;
mod status;
mod step;
mod thread_pool;
mod worker_graph;
mod worker_pool;

pub use exchange::Parcel;
pub use host::GraphHost;
pub use image::{GraphImage, NodeImage, NodeImages};
pub use outlet::{Outlet, OutletId};
pub(crate) use reactor::fitted;
pub use reactor::{Poll, Reactor, Started};
pub use rejected::RejectedRowsHandler;
pub use replace::ReplacedQuery;
pub use scheduler::{Lane, LaneBudgets, Piece, Scheduler, Task, Work};
pub use status::{NodeMetrics, NodeStatus, NodeWaits, TimedRuns};
pub use step::{Links, StepOrder};
pub use thread_pool::{ThreadPool, ThreadPoolConfig};
pub use worker_graph::{SourceInput, WorkerGraph};
pub use worker_pool::{InlinePool, WorkerPool};
