//! The shape of a query: nodes, edges, what holds on each edge, and the executor of one step.
//!
//! [`DagBuilder`] makes a graph by hand and derives what holds on its edges ([`derive`]); [`validate`] looks for mistakes,
//! [`explain`] prints it, and the [`Executor`] runs it. Outside, an [`Outlet`] listens to what comes out.

mod builder;
mod components;
mod derive;
mod edge;
mod executor;
mod explain;
mod node;
mod outlet;
mod pending;
mod promise;
mod slot;
mod status;
mod validate;

pub use builder::DagBuilder;
pub use derive::derive;
pub use edge::{ChangeKind, EdgeProperties, Partitioning, TimeColumn};
pub use executor::{Executor, GraphImage, SourceInput};
pub use explain::explain;
pub use node::{
    AggregateSpec, AssignSpec, ComputeSpec, EmitSpec, EmitWhen, JoinSpec, Node, NodeKind, OutputSpec, SessionSpec, SourceSpec,
    WindowEmission, WindowSpec,
};
pub use outlet::{Outlet, OutletId};
pub use promise::{Holds, Promise};
pub use slot::NodeImage;
pub use status::{NodeMetrics, NodeStatus};
pub use validate::validate;
