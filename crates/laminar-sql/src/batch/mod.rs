//! A query run once over stored rows: what an ad-hoc SELECT is. DataFusion does the work.

mod asof_joins;
mod change;
mod computed_arguments;
mod equalities;
mod event_nanos;
mod exact_sums;
mod exclusions;
mod insert;
mod memory;
mod named_keys;
mod row_expression;
mod select;
mod shifts;
mod texts_by_order;
mod window_lists;
mod windows;

pub use change::ChangedRows;
pub use equalities::{Constant, Equality, Readings};
pub use insert::InsertTarget;
pub use select::{SnapshotRelation, SnapshotTables, refuse_too_many_views, relations_in, within_view};
