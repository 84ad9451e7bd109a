//! The kinds of node, one file each: what a kind is told, and all that the graph must know of it.

mod aggregate;
mod asof_join;
mod assign_window;
mod compute;
mod constant;
mod emit;
mod join;
mod limit;
mod output;
mod over;
mod session;
mod source;
mod temporal_filter;
mod time_bound;
mod top_n;
mod union;
mod unnest;
mod window;

pub use aggregate::{AggregateSpec, can_be_sent};
pub use asof_join::{AsofDirection, AsofJoinSpec, is_asof_type};
pub use assign_window::AssignSpec;
pub use compute::ComputeSpec;
pub use constant::ConstantSpec;
pub use emit::{EmitSpec, EmitWhen};
pub use join::{JoinSpec, JoinType};
pub use limit::LimitSpec;
pub use output::OutputSpec;
pub use over::{Frame, FrameBound, FrameUnit, OverCall, OverFunction, OverSpec, Pick};
pub use session::SessionSpec;
pub use source::SourceSpec;
pub use temporal_filter::TemporalFilterSpec;
pub use time_bound::{TimeBound, late_schema};
pub use top_n::TopNSpec;
pub(super) use union::UnionSpec;
pub use unnest::{MissingElements, UnnestColumn, UnnestSpec};
pub use window::{WindowEmission, WindowSpec};
