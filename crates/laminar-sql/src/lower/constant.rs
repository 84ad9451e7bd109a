//! Rows that are written in the query: VALUES, or the one row of a SELECT without FROM.

use arrow_array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::concat;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{EmptyRelation, Expr, Values};
use laminar_core::Result;
use laminar_core::dag::{ConstantSpec, NodeKind};

use super::{Lowered, Lowering, edge_schema};
use crate::expr::scalar;

impl Lowering {
    pub(super) fn empty(&mut self, empty: &EmptyRelation) -> Result<Lowered> {
        let schema = edge_schema(&empty.schema);
        let rows = if empty.produce_one_row { one_row()? } else { RecordBatch::new_empty(schema) };
        Ok(self.constant(rows))
    }

    pub(super) fn values(&mut self, values: &Values) -> Result<Lowered> {
        let nothing = one_row()?;
        let value = |expr: &Expr| scalar(expr, &DFSchema::empty())?.evaluate(&nothing);
        let column = |at| {
            let values = values.values.iter().map(|row: &Vec<Expr>| value(&row[at])).collect::<Result<Vec<_>>>()?;
            Ok(concat(&values.iter().map(|value| value.as_ref()).collect::<Vec<_>>())?)
        };
        let schema = edge_schema(&values.schema);
        let columns = (0..schema.fields().len()).map(column).collect::<Result<Vec<_>>>()?;
        Ok(self.constant(RecordBatch::try_new(schema, columns)?))
    }

    fn constant(&mut self, rows: RecordBatch) -> Lowered {
        let schema = rows.schema();
        self.add(NodeKind::Constant(ConstantSpec { rows }), &[], schema)
    }
}

/// One row without columns.
fn one_row() -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    Ok(RecordBatch::try_new_with_options(edge_schema(&DFSchema::empty()), vec![], &options)?)
}
