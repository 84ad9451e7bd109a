//! A core: a thread that owns a reactor of its own, with queues in front of it and behind it, and nothing shared with others.
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{Int64Array, RecordBatch};
//! use arrow_schema::{DataType, Field, Schema};
//! use laminar_core::ChangeBatch;
//! use laminar_core::dag::{DagBuilder, SourceSpec};
//! use laminar_core::expr::Column;
//! use laminar_core::tpc::{CoreConfig, CoreHandle, Event};
//!
//! # fn main() -> laminar_core::Result<()> {
//! let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Int64, true)]));
//! let rows_schema = schema.clone();
//!
//! let mut core = CoreHandle::spawn(CoreConfig { numa_aware: true, ..CoreConfig::new(0) })?;
//! core.attach(move || {
//!     // SELECT b FROM numbers, by hand; it is built on the core's thread.
//!     let mut dag = DagBuilder::new();
//!     let numbers = dag.source("numbers", schema.clone(), SourceSpec::TIMELESS);
//!     let projected = dag.project("b", numbers, vec![("b", Column::new(&schema, 1))]);
//!     dag.output("b", projected);
//!     dag.finish()
//! })?;
//!
//! let columns = [vec![1, 2], vec![10, 20]].map(|column| Arc::new(Int64Array::from(column)) as _);
//! let rows = ChangeBatch::append(RecordBatch::try_new(rows_schema, columns.to_vec())?);
//! core.submit(Event::new(core.source("numbers")?, rows))?;
//!
//! let mut seen = Vec::new();
//! core.shutdown(|output| seen.extend(output.changes().map(ChangeBatch::print)))?;
//! assert_eq!(seen, ["+1 | 10\n+1 | 20"]);
//! # Ok(())
//! # }
//! ```
//!
//! * [`config`]: what a core is told at its start. [`event`]: what goes in and comes out.
//! * [`handle`]: the caller's side. [`thread`]: the core's side; [`shared`]: what both see.
//! * [`schedule`]: which of the three lanes has its turn; [`lane`]: what waits in one lane; [`results`]: the way back.
//!
//! **How a core waits.** When it has nothing to do, it looks at its queues up to `spin_looks` times (some 20 µs, about twice what
//! sleeping and waking take), then sleeps until somebody wakes it: whoever puts something into a queue looks whether the core
//! sleeps, which costs one atomic read when it does not. A core with a timer sleeps until that is due.

mod config;
mod event;
mod handle;
mod lane_queue;
mod metrics;
mod results;
mod schedule;
mod shared;
mod thread;

pub use config::{CoreConfig, LaneBudgets};
pub use event::{CoreOutput, Emitted, Event, Lane};
pub use handle::CoreHandle;
pub use metrics::CoreMetrics;

pub(super) use config::looks_for;
pub(super) use handle::{Source, find_source};
