//! Memory: what operators keep, and its images.

mod ahead;
mod arrangement;
mod contents;
pub mod image;
mod key_chains;
mod keyed_rows;
mod row_store;
mod row_table;

pub(crate) use ahead::{Ahead, ROWS_AHEAD};
pub use arrangement::{Arrangement, Matches, ProbeCursor};
pub use contents::{Contents, Outcome};
pub use image::{ImageTable, Imaged, StateImage};
