//! Memory: what operators keep, and its images.

mod arrangement;
mod contents;
mod first_rows;
pub mod image;
mod key_chains;
mod key_prefix;
mod keyed_rows;
mod ordered;
mod ownership;
mod prefetch;
mod rank_tree;
mod row_numbers;
mod row_order;
mod row_store;
mod row_table;
mod row_values;
mod scheduled;
mod time_index;
mod timed;
mod tree_bytes;

pub use arrangement::{Arrangement, Matches, ProbeCursor, Within};
pub use contents::{Contents, Outcome};
pub(crate) use first_rows::{FirstRows, FirstRowsBefore};
pub use image::{CopiedAhead, ImageTable, Imaged, StateImage, TableVersion};
pub(crate) use ordered::Changed;
pub use ordered::{OrderedArrangement, OrderedView};
pub use ownership::Ownership;
pub(crate) use prefetch::{prefetch, prefetch_groups};
pub(crate) use rank_tree::{RankTree, Ranked};
pub(crate) use row_store::RowId;
pub(crate) use scheduled::{NEVER, ScheduledRows};
pub use timed::TimedArrangement;
pub(crate) use timed::{TimedChanges, Timeline};
pub(crate) use tree_bytes::{map_bytes, set_bytes, tree_bytes};
