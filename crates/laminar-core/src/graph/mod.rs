//! The shape of a query: nodes, edges, what holds on each edge, and how it is spread over workers. Nothing here runs.
//!
//! [`DagBuilder`] makes a graph by hand and derives what holds on its edges ([`derive()`]); [`validate`] looks for mistakes,
//! [`distribute`] decides where rows move between workers, [`explain`] prints it, and [`keeps`] tells what it will remember. What these four know of a kind of node
//! stands in `nodes/`, one file a kind.

mod builder;
mod derive;
mod distribute;
mod edge;
mod exchange;
mod explain;
mod kept;
mod node;
mod nodes;
mod pieces;
mod validate;

pub use builder::DagBuilder;
pub use derive::derive;
pub use distribute::{Distributed, StatePlace, distribute};
pub use edge::{ChangeKind, EdgeProperties, Partitioning, TimeColumn};
pub use exchange::Exchange;
pub use explain::{explain, explain_distributed, explain_node};
pub use kept::{Extent, Kept, NodeKeeps, keeps};
pub use node::{Node, NodeKind};
pub use nodes::{
    AggregateSpec, AsofDirection, AsofJoinSpec, AssignSpec, ChangesSpec, ComputeSpec, ConstantSpec, EmitSpec, EmitWhen, Exclude,
    Frame, FrameBound, FrameUnit, IndexSpec, JoinSpec, JoinType, LimitSpec, Lookup, MissingElements, OutputSpec, OverCall,
    OverFunction, OverSpec, Pick, RecursionSpec, SessionSpec, SourceSpec, TemporalFilterSpec, TermInput, TermNode, TimeBound,
    TopNSpec, UnnestColumn, UnnestSpec, WindowEmission, WindowSpec, can_be_sent, is_asof_type, late_schema,
};
pub use pieces::takes_pieces;
pub use validate::validate;
