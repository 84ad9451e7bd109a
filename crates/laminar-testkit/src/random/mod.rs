//! Random tables, rows and histories of changes, each reproducible from its seed.

use rand::SeedableRng;
use rand::rngs::StdRng;

mod cell;
mod history;
pub mod query;
mod table;

pub use cell::{Cell, Row, cells_of, column_of};
pub use history::{Change, Contents, History, Sizes, Step};
pub use table::{Changes, Column, EventTimes, Table, Values};

/// The random numbers of everything here.
pub type Random = StdRng;

/// The random numbers that belong to `seed`.
pub fn from_seed(seed: u64) -> Random {
    StdRng::seed_from_u64(seed)
}
