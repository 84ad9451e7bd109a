//! GROUP BY without windows.

use arrow_schema::SchemaRef;
use datafusion::logical_expr::{Aggregate, Expr};
use laminar_core::Result;
use laminar_core::dag::{AggregateSpec, NodeKind};

use super::{Lowered, Lowering, edge_schema};
use crate::expr::{aggregate_call, scalar};

impl Lowering {
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Lowered> {
        let below = self.plan(&aggregate.input)?;
        if let [Expr::GroupingSet(sets)] = aggregate.group_expr.as_slice() {
            return self.grouping_sets(&below, aggregate, sets);
        }
        let keys: Vec<&Expr> = aggregate.group_expr.iter().collect();
        self.groups(&below, aggregate, &keys, &aggregate.aggr_expr, edge_schema(&aggregate.schema))
    }

    /// The rows of `below`, which is the aggregate's input, by `keys`.
    pub(super) fn groups(
        &mut self,
        below: &Lowered,
        aggregate: &Aggregate,
        keys: &[&Expr],
        calls: &[Expr],
        output: SchemaRef,
    ) -> Result<Lowered> {
        let schema = aggregate.input.schema();
        let time = below.edge.time_columns.first().map(|time| time.column);
        let keys = keys.iter().map(|key| scalar(&(*key).clone().unalias(), schema)).collect::<Result<Vec<_>>>()?;
        let calls = calls.iter().map(|call| aggregate_call(call, schema, time));
        let spec = AggregateSpec { keys, aggregates: calls.collect::<Result<Vec<_>>>()? };
        Ok(self.add(NodeKind::Aggregate(spec), &[below], output))
    }
}
