//! What follows from rejected rows, within the step that rejected them.

use super::GraphHost;
use crate::operator::RejectedRows;
use crate::{ChangeBatch, Error, NodeId, Result};

/// Takes what operators rejected in a step. Rows that it gives to sources take part in the same step, so that readers of an object and
/// readers of what it rejected see one cut.
pub trait RejectedRowsHandler {
    /// Takes the rows with the nodes that rejected them; gives the rows that sources get because of it.
    fn handle(&mut self, graph: &GraphHost, rejected: Vec<(NodeId, RejectedRows)>) -> Result<Vec<(NodeId, ChangeBatch)>>;

    /// Learns that `source` did not take the rows.
    fn refused(&mut self, source: NodeId, rows: &ChangeBatch, error: Error) -> Result<()>;
}
