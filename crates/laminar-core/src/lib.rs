//! The river of LaminarDB: changes flow through a graph of operators in steps, and every step boundary is a consistent cut.
//!
//! Read the modules in this order; each needs only those above it.
//!
//! 1. [`changelog`]: what flows. Arrow rows with integer weights (Z-sets).
//! 2. [`time`]: when. Event time, watermarks, windows, timers, the only clock.
//! 3. [`expr`]: what operators evaluate. Traits only; SQL implements them elsewhere.
//! 4. [`dag`]: the shape. Nodes, edges and their properties, validation, explain, the executor of one step.
//! 5. [`state`]: memory. Keyed tables, arrangements, images.
//! 6. [`operator`]: behaviour. One file per operator.
//! 7. [`reactor`]: one core's loop. Inboxes, timers, steps.
//! 8. [`tpc`]: many cores. Queues between pinned threads.
//! 9. [`alloc`]: memory on the hot path. Guards that see allocations, pools and rings that make none.
//! 10. [`budget`]: fairness. How long a task may keep its core.
//! 11. [`numa`]: where memory lies on machines with several memory controllers.
//! 12. [`row`]: typed rows for programs in Rust.
//!
//! This crate knows Arrow and nothing else: no SQL, no DataFusion, no async runtime, no sockets.

pub mod alloc;
pub mod budget;
pub mod changelog;
pub mod dag;
pub mod error;
pub mod expr;
pub mod id;
pub mod limits;
pub mod numa;
pub mod operator;
pub mod panics;
pub mod reactor;
pub mod row;
pub mod state;
pub mod time;
pub mod tpc;

pub use changelog::{ChangeBatch, Weights};
pub use error::{Code, Error, Result, Span};
pub use id::{NodeId, Port, StepId};
