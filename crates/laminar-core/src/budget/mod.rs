//! Fairness: how long a task may keep a core before the others have their turn.
//!
//! * [`TaskBudget`]: measures a task by the clock and says when it should yield; [`BudgetMetrics`]: how often it did not.
//! * [`PieceRows`]: how large a piece of its work may be so that it does.

mod piece;
mod task_budget;

pub use piece::PieceRows;
pub use task_budget::{BudgetMetrics, TaskBudget};
