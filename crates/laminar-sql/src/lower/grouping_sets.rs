//! GROUPING SETS, ROLLUP and CUBE: the same rows aggregated once for each set, with NULL for the keys that a set leaves out.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Aggregate, Expr, GroupingSet, lit};
use laminar_core::Result;
use laminar_core::dag::{ComputeSpec, NodeKind};
use laminar_core::expr::{Column, ExprRef};

use super::{Lowered, Lowering, edge_schema};
use crate::expr::scalar;
use crate::plan::errors::from_datafusion;
use crate::plan::{GroupingId, numbered_sets};

impl Lowering {
    /// `below` are the rows of the aggregate's input.
    pub(super) fn grouping_sets(&mut self, below: &Lowered, aggregate: &Aggregate, sets: &GroupingSet) -> Result<Lowered> {
        let keys = sets.distinct_expr();
        let schema = edge_schema(&aggregate.schema);
        let parts = numbered_sets(sets, &keys)?;
        let parts = parts.iter().map(|(set, id)| self.one_set(below, aggregate, &keys, set, *id)).collect::<Result<Vec<_>>>()?;
        Ok(self.united(parts, &schema))
    }

    /// The groups of one set with all columns of the aggregate.
    fn one_set(
        &mut self,
        below: &Lowered,
        aggregate: &Aggregate,
        keys: &[&Expr],
        set: &[usize],
        id: GroupingId,
    ) -> Result<Lowered> {
        let schema = edge_schema(&aggregate.schema);
        let own: Vec<&Expr> = set.iter().map(|key| keys[*key]).collect();
        let calls = &schema.fields()[keys.len() + 1..];
        let mut fields: Vec<Arc<Field>> =
            set.iter().map(|key| schema.fields()[*key].clone()).chain(calls.iter().cloned()).collect();
        // A group needs a column.
        let groups = if fields.is_empty() {
            fields.push(Arc::new(Field::new("rows", DataType::Int64, false)));
            self.groups(below, aggregate, &own, &[count(lit(1_i64))], Arc::new(Schema::new(fields)))?
        } else {
            self.groups(below, aggregate, &own, &aggregate.aggr_expr, Arc::new(Schema::new(fields)))?
        };
        let mut columns = Vec::with_capacity(schema.fields().len());
        for (key, field) in schema.fields()[..keys.len()].iter().enumerate() {
            columns.push(match set.iter().position(|own| *own == key) {
                Some(place) => Column::new(&groups.edge.schema, place),
                None => constant(ScalarValue::try_from(field.data_type()).map_err(from_datafusion)?)?,
            });
        }
        columns.push(constant(id.value(schema.field(keys.len()).data_type())?)?);
        columns.extend((0..calls.len()).map(|call| Column::new(&groups.edge.schema, set.len() + call)));
        Ok(self.add(NodeKind::Compute(ComputeSpec { filter: None, projection: Some(columns) }), &[&groups], schema))
    }
}

fn constant(value: ScalarValue) -> Result<ExprRef> {
    scalar(&Expr::Literal(value, None), &DFSchema::empty())
}
