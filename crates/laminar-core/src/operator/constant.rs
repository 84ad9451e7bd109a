//! Emits its rows in the first step, and nothing after.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{BooleanArray, RecordBatch};

use super::{Operator, OperatorContext};
use crate::graph::ConstantSpec;
use crate::state::{Imaged, Ownership, StateImage};
use crate::{ChangeBatch, Error, Port, Result};

/// Rows that never change.
#[derive(Debug)]
pub struct Constant {
    rows: ChangeBatch,
    shown: bool,
}

impl Constant {
    /// The operator for `spec`.
    pub fn new(spec: &ConstantSpec) -> Self {
        Self { rows: ChangeBatch::append(spec.rows.clone()), shown: false }
    }
}

impl Operator for Constant {
    fn on_changes(&mut self, _: Port, _: ChangeBatch, _: &mut OperatorContext<'_>) -> Result<()> {
        Err(Error::internal("constants read from nothing"))
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        if !std::mem::replace(&mut self.shown, true) {
            cx.emit(self.rows.clone());
        }
        Ok(())
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(self)
    }
}

impl Imaged for Constant {
    fn image(&mut self) -> Result<StateImage> {
        let mut image = StateImage::default();
        image.push("shown", RecordBatch::try_from_iter([("shown", Arc::new(BooleanArray::from(vec![self.shown])) as _)])?);
        Ok(image)
    }

    fn restore(&mut self, parts: &[&StateImage], _: &Ownership) -> Result<()> {
        for image in parts {
            self.shown |= image.get("shown")?.column(0).as_boolean().value(0);
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
