//! How rows move between workers on their way into a node.

use std::fmt;

use crate::expr::ExprRef;

/// How rows move between workers on their way into one input of a node. All of them keep the order of the rows that one worker
/// gets: what comes from worker 0 stands before what comes from worker 1.
#[derive(Debug, Clone)]
pub enum Exchange {
    /// The first worker, which has all rows, deals them out in runs of equal length.
    Deal,
    /// Rows with equal values of these expressions come to the same worker.
    Hash(Vec<ExprRef>),
    /// All rows come to the first worker.
    Gather,
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exchange::Deal => write!(f, "dealt out to all workers"),
            Exchange::Hash(keys) => {
                write!(f, "by ({})", keys.iter().map(|key| key.display()).collect::<Vec<_>>().join(", "))
            }
            Exchange::Gather => write!(f, "to one worker"),
        }
    }
}
