//! The shape of a query: nodes, edges, what holds on each edge, and the executor of one step.
//!
//! [`DagBuilder`] makes a graph by hand and derives what holds on its edges ([`derive`]); [`validate`] looks for mistakes,
//! [`explain`] prints it, and the [`Executor`] runs it. Outside, an [`Outlet`] listens to what comes out.

mod builder;
mod components;
mod derive;
mod distribute;
mod edge;
mod exchange;
mod executor;
mod explain;
mod node;
mod outlet;
mod pending;
mod ready;
mod shared_step;
mod slot;
mod status;
mod validate;
mod workers;

pub use crate::time::watermark::{Holds, Promise};
pub use builder::DagBuilder;
pub use derive::derive;
pub use distribute::{Distributed, distribute};
pub use edge::{ChangeKind, EdgeProperties, Partitioning, TimeColumn};
pub use exchange::{Exchange, Parcel};
pub use executor::{Executor, GraphImage, SourceInput};
pub use explain::{explain, explain_distributed};
pub use node::{
    AggregateSpec, AssignSpec, ComputeSpec, EmitSpec, EmitWhen, JoinSpec, Node, NodeKind, OutputSpec, SessionSpec, SourceSpec,
    WindowEmission, WindowSpec,
};
pub use outlet::{Outlet, OutletId};
pub use shared_step::{Links, StepOrder, run_inline};
pub use slot::NodeImage;
pub use status::{NodeMetrics, NodeStatus};
pub use validate::validate;
pub use workers::{InlinePool, WorkerPool, Workers};
