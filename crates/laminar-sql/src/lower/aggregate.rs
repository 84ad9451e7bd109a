//! GROUP BY without windows.

use datafusion::logical_expr::Aggregate;
use laminar_core::Result;
use laminar_core::dag::{AggregateSpec, NodeKind};

use super::{Lowered, Lowering, edge_schema};
use crate::expr::{aggregate_call, scalar};

impl Lowering {
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Lowered> {
        let below = self.plan(&aggregate.input)?;
        let schema = aggregate.input.schema();
        let time = below.edge.time_columns.first().map(|time| time.column);
        let keys = aggregate.group_expr.iter().map(|key| scalar(&key.clone().unalias(), schema)).collect::<Result<Vec<_>>>()?;
        let calls = aggregate.aggr_expr.iter().map(|call| aggregate_call(call, schema, time));
        let spec = AggregateSpec { keys, aggregates: calls.collect::<Result<Vec<_>>>()? };
        Ok(self.add(NodeKind::Aggregate(spec), &[&below], edge_schema(&aggregate.schema)))
    }
}
