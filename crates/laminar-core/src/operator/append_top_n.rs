//! The first rows of each partition, of rows that only come: as [`TopN`](super::top_n::TopN), with less to keep and to look at.

use arrow_schema::SchemaRef;

use super::top_n::ShownRows;
use super::{Operator, OperatorContext};
use crate::graph::{EdgeProperties, TopNSpec};
use crate::state::{FirstRows, FirstRowsBefore, Imaged};
use crate::{ChangeBatch, Port, Result};

/// The longest list that a row's place is looked for in, one row after the other.
const LIMIT_MAX: i64 = 64;

/// Rows that are first for now.
#[derive(Debug)]
pub struct AppendTopN {
    output: SchemaRef,
    limit: i64,
    /// Whether the last column is the number of the row in its partition.
    with_number: bool,
    rows: FirstRows,
    /// The changes of this step.
    waiting: Vec<ChangeBatch>,
}

impl AppendTopN {
    /// Whether rows of `input` only come, and the first ones of `spec` are few and no others.
    pub fn serves(spec: &TopNSpec, input: &EdgeProperties) -> bool {
        input.changes.is_append() && spec.offset == 0 && !spec.with_ties && (0..=LIMIT_MAX).contains(&spec.limit)
    }

    /// The operator of `spec`, which it [serves](Self::serves), over `input`.
    pub fn new(spec: &TopNSpec, input: &EdgeProperties, output: SchemaRef) -> Result<Self> {
        let rows = FirstRows::new(input.schema.clone(), &spec.partition, &spec.order, spec.limit as u32)?;
        let with_number = spec.row_number.is_some();
        Ok(Self { output, limit: spec.limit, with_number, rows, waiting: Vec::new() })
    }

    /// What changed, after a step before which partitions had the rows of `before`.
    fn changed(&mut self, before: &FirstRowsBefore) -> ShownRows {
        let mut changed = ShownRows::default();
        self.rows.each_touched(before, |rows, before, after| {
            if self.with_number {
                return changed.push_numbered(1, before, after, |one, other| rows.are_equal(one, other));
            }
            before.iter().filter(|row_id| rows.is_gone(**row_id)).for_each(|row_id| changed.push(*row_id, -1));
            // What stays keeps its order.
            let mut stays = before.iter().filter(|row_id| !rows.is_gone(**row_id)).peekable();
            for row_id in after {
                if stays.next_if_eq(&row_id).is_none() {
                    changed.push(*row_id, 1);
                }
            }
        });
        changed
    }
}

impl Operator for AppendTopN {
    fn on_changes(&mut self, _port: Port, changes: ChangeBatch, _cx: &mut OperatorContext<'_>) -> Result<()> {
        self.waiting.push(changes.without_arrivals());
        Ok(())
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mut before = FirstRowsBefore::default();
        for changes in std::mem::take(&mut self.waiting) {
            self.rows.add(&changes, &mut before)?;
        }
        let changed = self.changed(&before);
        // Of several rows of a partition without numbers, two can be equal.
        let consolidated = self.limit == 1 || self.with_number;
        changed.emit(&self.output, |row_ids| self.rows.gather(row_ids), consolidated, cx)?;
        self.rows.compact()
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(&mut self.rows)
    }
}
