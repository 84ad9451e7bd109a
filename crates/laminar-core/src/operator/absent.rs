//! Rows that were taken back and are not there: their source was wrong about them, and only who keeps rows finds out.

use arrow_array::UInt32Array;

use super::{OperatorContext, RejectReason, RejectedRows};
use crate::changelog::take_rows;
use crate::{ChangeBatch, Result};

const REASON: &str = "a row was taken back that is not there";

/// The changes without the rows `absent`, which are rejected.
pub(super) fn without_absent(changes: ChangeBatch, absent: Vec<u32>, cx: &mut OperatorContext<'_>) -> Result<ChangeBatch> {
    if absent.is_empty() {
        return Ok(changes);
    }
    let mut is_there = vec![true; changes.len()];
    absent.iter().for_each(|row| is_there[*row as usize] = false);
    reject_absent(&changes, absent, cx)?;
    changes.filter(&is_there.into())
}

/// Rejects the rows `absent` of `changes`; everything else goes on.
pub(super) fn reject_absent(changes: &ChangeBatch, absent: Vec<u32>, cx: &mut OperatorContext<'_>) -> Result<()> {
    if absent.is_empty() {
        return Ok(());
    }
    let reasons = vec![REASON.to_owned(); absent.len()];
    let rows = take_rows(changes.rows(), &UInt32Array::from(absent))?;
    cx.reject(RejectedRows { reason: RejectReason::Error, rows, reasons });
    Ok(())
}
