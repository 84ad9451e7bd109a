//! The results of rows before a step and after it, and which of them are others.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::interleave::interleave;

use crate::changelog::consolidate;
use crate::operator::aggregate::and_equal;
use crate::state::{OrderedArrangement, RowId};
use crate::{ChangeBatch, Result};

/// Results of rows, in the order of these.
pub(super) struct Results {
    /// Each copy of a row for itself.
    pub(super) row_ids: Vec<RowId>,
    /// One column a call.
    pub(super) columns: Vec<ArrayRef>,
    /// Why one could not be computed.
    pub(super) faults: Vec<Option<String>>,
}

/// Rows with other results than before.
#[derive(Default)]
pub(super) struct ChangedResults {
    /// Results before (0) or after (1), and the row among them.
    rows: Vec<(usize, usize)>,
    weights: Vec<i64>,
    /// Rows after that could not be computed for a reason that they did not have before.
    pub(super) faulty: Vec<usize>,
    /// Whether no two of them can be equal.
    consolidated: bool,
}

impl ChangedResults {
    /// What changed from `old` to `new`, the results of the same rows but for some that are in one of them alone.
    pub(super) fn between(old: &Results, new: &Results, stored: &OrderedArrangement) -> Result<Self> {
        let pairs = paired(&old.row_ids, &new.row_ids, |row_id| stored.is_gone(row_id));
        let both: Vec<(u32, u32)> = pairs.iter().filter_map(|(old, new)| Some(((*old)? as u32, (*new)? as u32))).collect();
        let (old_rows, new_rows): (Vec<u32>, Vec<u32>) = both.into_iter().unzip();
        let mut equal = vec![true; old_rows.len()];
        for (old, new) in old.columns.iter().zip(&new.columns) {
            and_equal((old, &old_rows), (new, &new_rows), &mut equal)?;
        }
        let has_copies = |row_ids: &[RowId]| row_ids.windows(2).any(|pair| pair[0] == pair[1]);
        let is_exact = new.columns.iter().all(|column| has_one_form(column.data_type()));
        let consolidated = is_exact && !has_copies(&old.row_ids) && !has_copies(&new.row_ids);
        let mut changed = Self { consolidated, ..Self::default() };
        let mut equal = equal.into_iter();
        for (old_row, new_row) in pairs {
            let is_same = old_row.is_some() && new_row.is_some() && equal.next().unwrap_or_default();
            if !is_same {
                changed.rows.extend(old_row.map(|row| (0, row)).into_iter().chain(new_row.map(|row| (1, row))));
                changed.weights.extend(old_row.map(|_| -1).into_iter().chain(new_row.map(|_| 1)));
            }
            let fault = |results: &Results, row: Option<usize>| row.and_then(|row| results.faults[row].clone());
            changed.faulty.extend(new_row.filter(|row| new.faults[*row].is_some() && fault(old, old_row) != new.faults[*row]));
        }
        Ok(changed)
    }

    /// −1 what was and +1 what is, in rows of `schema`.
    pub(super) fn changes(&self, results: [&Results; 2], stored: &OrderedArrangement, schema: &SchemaRef) -> Result<ChangeBatch> {
        let row_ids: Vec<RowId> = self.rows.iter().map(|(index, row)| results[*index].row_ids[*row]).collect();
        let mut columns = stored.gather(&row_ids)?.columns().to_vec();
        for (old, new) in results[0].columns.iter().zip(&results[1].columns) {
            columns.push(interleave(&[old.as_ref(), new.as_ref()], &self.rows)?);
        }
        let changes = ChangeBatch::new(RecordBatch::try_new(schema.clone(), columns)?, self.weights.clone());
        if self.consolidated { Ok(changes.known_consolidated()) } else { consolidate(&changes) }
    }
}

/// Whether values that count as equal are the same to the bit.
fn has_one_form(data_type: &DataType) -> bool {
    data_type.is_integer()
        || data_type.is_temporal() && !matches!(data_type, DataType::Interval(_))
        || data_type.is_decimal()
        || matches!(data_type, DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null)
}

/// Each row of `old` beside that of `new`, where it is in both: they are in the same order, and a row of `old` alone is gone.
fn paired(old: &[RowId], new: &[RowId], is_gone: impl Fn(RowId) -> bool) -> Vec<(Option<usize>, Option<usize>)> {
    let copies = |rows: &[RowId], from: usize| {
        let own = rows.get(from);
        from..from + rows[from..].iter().take_while(|row| Some(*row) == own).count()
    };
    let mut pairs = Vec::with_capacity(old.len().max(new.len()));
    let (mut from_old, mut from_new) = (0, 0);
    loop {
        let (is_old, is_new) = match (old.get(from_old), new.get(from_new)) {
            (None, None) => return pairs,
            (Some(old), Some(new)) if old == new => (true, true),
            (Some(old), Some(_)) => (is_gone(*old), !is_gone(*old)),
            (old, new) => (old.is_some(), new.is_some()),
        };
        let mut old_copies = if is_old { copies(old, from_old) } else { from_old..from_old };
        let mut new_copies = if is_new { copies(new, from_new) } else { from_new..from_new };
        (from_old, from_new) = (old_copies.end, new_copies.end);
        while !old_copies.is_empty() || !new_copies.is_empty() {
            pairs.push((old_copies.next(), new_copies.next()));
        }
    }
}
