//! Lets the first rows through that come, and no others.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{RecordBatch, UInt64Array};

use super::{Operator, OperatorContext};
use crate::graph::LimitSpec;
use crate::state::{Imaged, Ownership, StateImage};
use crate::{ChangeBatch, Port, Result};

/// Counts the rows that came.
#[derive(Debug)]
pub struct Limit {
    skip: u64,
    /// Rows after which nothing more is let through.
    until: u64,
    came: u64,
}

impl Limit {
    /// The operator for `spec`.
    pub fn new(spec: &LimitSpec) -> Self {
        let until = spec.fetch.map_or(u64::MAX, |fetch| spec.skip.saturating_add(fetch));
        Self { skip: spec.skip, until, came: 0 }
    }
}

impl Operator for Limit {
    fn on_changes(&mut self, _: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let first = self.came;
        // What is left out at the end needs not be counted, so the count never overflows.
        self.came = self.until.min(first.saturating_add(changes.len() as u64));
        // Both lie within the batch.
        let (from, to) = (self.skip.clamp(first, self.came) - first, self.came - first);
        cx.emit(changes.slice(from as usize, (to - from) as usize));
        Ok(())
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(self)
    }
}

impl Imaged for Limit {
    fn image(&mut self) -> Result<StateImage> {
        let mut image = StateImage::default();
        image.push("came", RecordBatch::try_from_iter([("rows", Arc::new(UInt64Array::from(vec![self.came])) as _)])?);
        Ok(image)
    }

    fn restore(&mut self, parts: &[&StateImage], _: &Ownership) -> Result<()> {
        for image in parts {
            self.came += image.get("came")?.column(0).as_primitive::<UInt64Type>().value(0);
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        0
    }

    fn bytes(&self) -> usize {
        0
    }
}
