//! The first rows of each partition, of rows that only come: as [`TopN`](super::top_n::TopN), with less to keep and to look at.

use arrow_schema::SchemaRef;

use super::{Operator, OperatorContext};
use crate::graph::{EdgeProperties, TopNSpec};
use crate::limits::BATCH_ROWS_MAX;
use crate::state::{FirstRows, FirstRowsChange, Imaged, RowId};
use crate::{ChangeBatch, Port, Result};

/// The longest list that a row's place is looked for in, one row after the other.
const LIMIT_MAX: i64 = 64;

/// Rows that are first for now.
#[derive(Debug)]
pub struct AppendTopN {
    output: SchemaRef,
    limit: i64,
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
        Ok(Self { output, limit: spec.limit, rows, waiting: Vec::new() })
    }

    fn emit(&self, rows: &[(RowId, i64)], cx: &mut OperatorContext<'_>) -> Result<()> {
        for rows in rows.chunks(BATCH_ROWS_MAX) {
            let (row_ids, weights): (Vec<RowId>, Vec<i64>) = rows.iter().copied().unzip();
            let changes = ChangeBatch::new(self.rows.gather(&row_ids)?, weights);
            // Of several rows of a partition, two can be equal.
            let changes = if self.limit == 1 { changes.known_consolidated() } else { changes };
            cx.emit(changes.with_schema(&self.output)?);
        }
        Ok(())
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
        let mut change = FirstRowsChange::default();
        for changes in std::mem::take(&mut self.waiting) {
            self.rows.add(&changes, &mut change)?;
        }
        let (gone, come) = change.rows();
        let gone = gone.into_iter().map(|row_id| (row_id, -1));
        let rows: Vec<(RowId, i64)> = gone.chain(come.into_iter().map(|row_id| (row_id, 1))).collect();
        self.emit(&rows, cx)?;
        self.rows.compact()
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(&mut self.rows)
    }
}
