//! Holds what an operator emits against what its edge promises: schema, weights, keys and time. For tests; a violation is a
//! mistake of ours, which fails the node and the step.

mod time;
mod totals;

use arrow_array::Array;

use crate::graph::{ChangeKind, EdgeProperties, Node};
use crate::time::Watermark;
use crate::{ChangeBatch, Error, NodeId, Result};
use totals::Totals;

/// Watches the output of one node.
pub struct Checker {
    id: NodeId,
    output: EdgeProperties,
    /// What has been promised about time; rows of the next step must keep it.
    promised: Watermark,
    /// Whether rows behind the watermark must say so.
    follows_watermark: bool,
    /// All that was emitted, added up; `None` if that cannot be known.
    totals: Option<Totals>,
    violated: bool,
}

impl Checker {
    /// Watches `node`. `follows_watermark`: whether every row behind the watermark must have been marked so by its source.
    /// `has_all`: whether a retraction comes by here whenever its row did.
    pub fn new(node: &Node, follows_watermark: bool, has_all: bool) -> Self {
        Self {
            id: node.id,
            output: node.output.clone(),
            promised: Watermark::START,
            follows_watermark,
            totals: if has_all { Totals::new(&node.output) } else { None },
            violated: false,
        }
    }

    /// Takes what the node emitted in one step and what it promises after it.
    pub fn after_step(&mut self, out: &[ChangeBatch], promise: Watermark) -> Result<()> {
        let checked = self.check(out, promise);
        self.violated |= checked.is_err();
        self.promised = promise;
        checked.map_err(|error| error.within(format!("{} broke a promise", self.id)))
    }

    /// Whether a promise was broken.
    pub fn violated(&self) -> bool {
        self.violated
    }

    /// Starts over from a restored state. What was emitted is known only if it is stored.
    pub fn restart(&mut self, promised: Watermark, contents: Option<Vec<ChangeBatch>>) {
        self.promised = promised;
        self.totals = contents.and_then(|contents| {
            let mut totals = Totals::new(&self.output)?;
            totals.add(&contents).ok()?;
            Some(totals)
        });
    }

    fn check(&mut self, out: &[ChangeBatch], promise: Watermark) -> Result<()> {
        if promise < self.promised {
            return Err(Error::internal(format!("the watermark went back from {} to {promise}", self.promised)));
        }
        for changes in out {
            self.check_batch(changes)?;
        }
        match &mut self.totals {
            Some(totals) => totals.add(out),
            None => Ok(()),
        }
    }

    fn check_batch(&self, changes: &ChangeBatch) -> Result<()> {
        changes.check_schema(&self.output.schema)?;
        for (field, column) in self.output.schema.fields().iter().zip(changes.rows().columns()) {
            if !field.is_nullable() && column.null_count() > 0 {
                return Err(Error::internal(format!("NULL in column {}, which has none", field.name())));
            }
        }
        let append = (0..changes.len()).all(|row| changes.weight(row) == 1);
        if self.output.changes == ChangeKind::Append && !append {
            return Err(Error::internal("a weight other than +1 on an append edge"));
        }
        if self.follows_watermark { time::check(&self.output, changes, self.promised) } else { Ok(()) }
    }
}
