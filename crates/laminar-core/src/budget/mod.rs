//! Fairness: how long a task may keep a core before the others have their turn.
//!
//! * [`TaskBudget`]: measures a task by the clock and says when it should yield; [`BudgetMetrics`]: how often it did not.

mod task_budget;

pub use task_budget::{BudgetMetrics, TaskBudget};
