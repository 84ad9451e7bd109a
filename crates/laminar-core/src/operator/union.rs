//! All rows of all inputs, as one edge.

use arrow_schema::SchemaRef;

use super::{Operator, OperatorContext};
use crate::{ChangeBatch, Port, Result};

/// `UNION ALL`. Rows pass by with their weights and arrivals; only the columns' names become those of the output.
#[derive(Debug)]
pub struct Union {
    output: SchemaRef,
}

impl Union {
    /// A union whose output has the columns `output`.
    pub fn new(output: SchemaRef) -> Self {
        Self { output }
    }
}

impl Operator for Union {
    fn on_changes(&mut self, _port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        cx.emit(changes.with_schema(&self.output)?);
        Ok(())
    }
}
