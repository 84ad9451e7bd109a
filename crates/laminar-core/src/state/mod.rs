//! Memory: what operators keep, and its images.

mod ahead;
mod arrangement;
mod contents;
pub mod image;
mod key_chains;
mod keyed_rows;
mod row_store;
mod row_table;

pub(crate) use ahead::{ask_for, ask_for_groups};
pub use arrangement::{Arrangement, Matches, ProbeCursor};
pub use contents::{Contents, Outcome};
pub use image::{ImageTable, Imaged, StateImage};
