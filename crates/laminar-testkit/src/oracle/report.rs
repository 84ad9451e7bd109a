//! What an oracle test has found, for people.

use std::fmt;

/// The outcome of a test that found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Histories that were tried.
    pub histories: usize,
    /// Contents that were compared: one after each step, one at the end of each new cut.
    pub comparisons: usize,
    /// How many of these had at least one row.
    pub with_rows: usize,
}

/// A history after which the engine and the oracle disagree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The number to repeat it with.
    pub seed: u64,
    /// How many changes it has.
    pub changes: usize,
    /// The step (from 1) and the cut after which they disagree, or that could not be run.
    pub place: String,
    /// The statements of the engine.
    pub statements: Vec<String>,
    /// The query of the oracle.
    pub batch: String,
    /// The history.
    pub history: String,
    /// The differences, or the error.
    pub differences: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the engine and the oracle disagree {}", self.place)?;
        writeln!(f, "repeat with LAMINAR_ORACLE_SEED={}", self.seed)?;
        self.statements.iter().try_for_each(|statement| writeln!(f, "engine: {statement};"))?;
        writeln!(f, "oracle: {};", self.batch)?;
        write!(f, "{}", self.history)?;
        writeln!(f, "differences (missing: only the oracle has it; extra: only the engine has it)")?;
        write!(f, "{}", self.differences)
    }
}
