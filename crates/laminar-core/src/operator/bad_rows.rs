//! Rejects the rows of a batch for which an expression has no value.

use arrow_array::BooleanArray;
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::filter_record_batch;

use super::{OperatorContext, RejectReason, RejectedRows};
use crate::expr::BadRow;
use crate::{ChangeBatch, Result};

/// True for every row that is not bad.
pub(super) fn all_but(bad: &[BadRow], rows: usize) -> BooleanArray {
    let mut bad = bad.iter().map(|bad| bad.row).peekable();
    let keep = BooleanBuffer::collect_bool(rows, |row| bad.next_if_eq(&row).is_none());
    BooleanArray::new(keep, None)
}

/// Rejects the bad rows, in ascending order. Their retractions were reported when they came, so those only vanish.
pub(super) fn reject_bad(changes: &ChangeBatch, mut bad: Vec<BadRow>, cx: &mut OperatorContext<'_>) -> Result<()> {
    bad.retain(|bad| changes.weight(bad.row) > 0);
    if bad.is_empty() {
        return Ok(());
    }
    let keep = all_but(&bad, changes.len());
    let rows = filter_record_batch(changes.rows(), &BooleanArray::new(!keep.values(), None))?;
    cx.reject(RejectedRows { reason: RejectReason::Error, rows, reasons: bad.into_iter().map(|bad| bad.reason).collect() });
    Ok(())
}
