//! Counts matches: of the rows that come in, and of the stored rows that they meet.

use arrow_array::{Array, BooleanArray};

use crate::changelog::add_weights;
use crate::limits::BATCH_ROWS_MAX;
use crate::state::{Arrangement, Matches, RowId};
use crate::{ChangeBatch, Result};

/// What one batch of changes has met so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How many rows match each of the changes, if the join keeps counts.
    own: Option<Vec<i64>>,
    /// Stored rows that were met, with their matches before that: each at its first place, perhaps more than once.
    touched: Vec<(RowId, i64)>,
    /// How many of these there were when they were last looked through.
    looked_through: usize,
}

impl Tally {
    /// Nothing counted yet.
    pub(super) fn of_changes(rows: usize) -> Self {
        Self { own: Some(vec![0; rows]), ..Self::default() }
    }

    /// Adds the pairs `found` that are `met` (`None`: all).
    pub(super) fn add(
        &mut self,
        found: &Matches,
        met: Option<&BooleanArray>,
        changes: &ChangeBatch,
        stored: &mut Arrangement,
    ) -> Result<()> {
        let counts_stored = stored.has_match_counts();
        if self.own.is_none() && !counts_stored {
            return Ok(());
        }
        let is_met = |pair: usize| met.is_none_or(|met| met.is_valid(pair) && met.value(pair));
        let pairs = found.rows.iter().zip(&found.row_ids).enumerate();
        for (_, (row, row_id)) in pairs.filter(|(pair, _)| is_met(*pair)) {
            if let Some(own) = &mut self.own {
                let count = &mut own[*row as usize];
                *count = add_weights(*count, stored.weight(*row_id))?;
            }
            if counts_stored {
                let before = stored.add_matches(*row_id, changes.weight(*row as usize))?;
                self.touched.push((*row_id, before));
            }
        }
        if self.touched.len() > 2 * self.looked_through + BATCH_ROWS_MAX {
            self.look_through();
        }
        Ok(())
    }

    /// How many rows match each of the changes.
    pub(super) fn own(&self) -> Option<&[i64]> {
        self.own.as_deref()
    }

    /// The stored rows that have their first match now or have lost their last one, with whether they have one.
    pub(super) fn turned(mut self, stored: &Arrangement) -> Vec<(RowId, bool)> {
        self.look_through();
        let touched = self.touched.into_iter().map(|(row_id, before)| (row_id, before, stored.matches_of(row_id)));
        touched
            .filter(|(_, before, after)| has_match(*before) != has_match(*after))
            .map(|(row, _, n)| (row, has_match(n)))
            .collect()
    }

    /// Keeps each row's first number.
    fn look_through(&mut self) {
        self.touched.sort_by_key(|(row_id, _)| *row_id);
        self.touched.dedup_by_key(|(row_id, _)| *row_id);
        self.looked_through = self.touched.len();
    }
}

/// Whether so many rows are a match. Within a step a retraction may come before its insertion.
pub(super) fn has_match(count: i64) -> bool {
    count > 0
}
