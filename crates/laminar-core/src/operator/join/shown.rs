//! What is shown of a row because it has a match or because it has none.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{Field, SchemaRef};

use crate::graph::JoinType;
use crate::limits::BATCH_ROWS_MAX;
use crate::operator::OperatorContext;
use crate::state::{Arrangement, RowId};
use crate::{ChangeBatch, Port, Result};

/// How the rows of one side are shown by themselves.
#[derive(Debug)]
pub(super) struct Shown {
    port: Port,
    form: Form,
    output: SchemaRef,
    /// Columns of the side's input.
    width: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A row with a match.
    Matched,
    /// A row without a match.
    Unmatched,
    /// A row without a match, beside NULLs for the other side's columns.
    Padded,
    /// Every row, with a column that says whether it has a match.
    Marked,
}

impl Shown {
    /// What is shown of rows of `width` columns that come in at `port`; `None`: nothing but pairs.
    pub(super) fn new(join_type: JoinType, port: Port, width: usize, output: &SchemaRef) -> Option<Self> {
        use JoinType as J;
        let form = match join_type {
            _ if !join_type.depends_on_matches(port) => return None,
            J::LeftSemi | J::RightSemi => Form::Matched,
            J::LeftAnti | J::RightAnti => Form::Unmatched,
            J::LeftMark => Form::Marked,
            J::Inner | J::Left | J::Right | J::Full => Form::Padded,
        };
        Some(Self { port, form, output: output.clone(), width })
    }

    /// Whether a row may be shown until its match comes.
    pub(super) fn takes_back(&self) -> bool {
        self.form != Form::Matched
    }

    /// Shows changes of the side's own rows; `matched` says which of the rows have a match.
    pub(super) fn changed(&self, changes: &ChangeBatch, matched: BooleanArray, cx: &mut OperatorContext<'_>) -> Result<()> {
        let kept = match self.form {
            Form::Marked => None,
            Form::Matched => Some(matched.clone()),
            Form::Unmatched | Form::Padded => Some(negated(&matched)),
        };
        match kept {
            None => self.emit(changes.rows().columns(), changes.weights().to_vec(changes.len()), Some(matched), cx),
            Some(kept) if kept.true_count() == 0 => Ok(()),
            Some(kept) => {
                let changes = changes.filter(&kept)?;
                self.emit(changes.rows().columns(), changes.weights().to_vec(changes.len()), None, cx)
            }
        }
    }

    /// Shows stored rows anew that have got their first match (true) or have lost their last one (false).
    pub(super) fn turned(&self, stored: &Arrangement, rows: &[(RowId, bool)], cx: &mut OperatorContext<'_>) -> Result<()> {
        for rows in rows.chunks(BATCH_ROWS_MAX) {
            let row_ids: Vec<RowId> = rows.iter().map(|(row_id, _)| *row_id).collect();
            let matched: BooleanArray = rows.iter().map(|(_, matched)| Some(*matched)).collect();
            let columns = stored.gather(&row_ids, self.width)?;
            let weights = |shown: &dyn Fn(bool) -> bool| {
                let signed = |(row_id, matched): &(RowId, bool)| {
                    if shown(*matched) { stored.weight(*row_id) } else { -stored.weight(*row_id) }
                };
                rows.iter().map(signed).collect::<Vec<i64>>()
            };
            match self.form {
                Form::Matched => self.emit(&columns, weights(&|matched| matched), None, cx)?,
                Form::Unmatched | Form::Padded => self.emit(&columns, weights(&|matched| !matched), None, cx)?,
                Form::Marked => {
                    self.emit(&columns, weights(&|_| false), Some(negated(&matched)), cx)?;
                    self.emit(&columns, weights(&|_| true), Some(matched), cx)?;
                }
            }
        }
        Ok(())
    }

    /// Emits rows of which the first columns are the side's own.
    fn emit(
        &self,
        columns: &[ArrayRef],
        weights: Vec<i64>,
        mark: Option<BooleanArray>,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        let mut columns = columns[..self.width].to_vec();
        columns.extend(mark.map(|mark| Arc::new(mark) as ArrayRef));
        if self.form == Form::Padded {
            let nulls = |fields: &[Arc<Field>]| -> Vec<ArrayRef> {
                fields.iter().map(|field| new_null_array(field.data_type(), weights.len())).collect()
            };
            let fields = self.output.fields();
            columns = match self.port {
                Port::LEFT => [columns, nulls(&fields[self.width..])].concat(),
                _ => [nulls(&fields[..fields.len() - self.width]), columns].concat(),
            };
        }
        let options = RecordBatchOptions::new().with_row_count(Some(weights.len()));
        cx.emit(ChangeBatch::new(RecordBatch::try_new_with_options(self.output.clone(), columns, &options)?, weights));
        Ok(())
    }
}

fn negated(values: &BooleanArray) -> BooleanArray {
    debug_assert_eq!(values.null_count(), 0, "whether there is a match is known");
    BooleanArray::new(!values.values(), None)
}
