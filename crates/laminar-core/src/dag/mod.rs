//! The shape of a query: nodes, edges, what holds on each edge, and the executor of one step.

mod edge;
mod node;

pub use edge::{ChangeKind, EdgeProperties, Partitioning, TimeColumn};
pub use node::{
    AggregateSpec, AssignSpec, ComputeSpec, EmitSpec, EmitWhen, JoinSpec, Node, NodeKind, OutputSpec, SessionSpec, SourceSpec,
    WindowEmission, WindowSpec,
};
