//! What works next, where several have something to do: three lanes, and in each of them tasks that have their turns. A pure decider: it knows
//! neither threads nor graphs, and a clock that is moved by hand makes it repeat itself. A core of [`api`](crate::api) and the loop of the
//! database give their work to the same one.
//!
//! * [`Lane`]: the lanes and their rule; [`LaneBudgets`]: how long each may work. [`Work`]: what a scheduler asks of what it schedules.
//! * [`Scheduler`]: gives each lane its turn. `turns`: whose turn it is within a lane, and how many rows a piece may have.

mod lane;
mod lanes;
mod turns;
mod work;

pub use lane::{Lane, LaneBudgets};
pub use lanes::Scheduler;
pub use work::{Piece, Task, Work};
