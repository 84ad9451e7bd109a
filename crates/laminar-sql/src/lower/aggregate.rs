//! GROUP BY without windows.

use datafusion::logical_expr::Aggregate;
use laminar_core::Result;
use laminar_core::dag::{AggregateSpec, ChangeKind, EdgeProperties, NodeKind, Partitioning, TimeColumn};

use super::{Lowered, Lowering, edge_schema, repeated_column};
use crate::expr::{aggregate_call, scalar};

impl Lowering {
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Lowered> {
        let below = self.plan(&aggregate.input)?;
        let schema = aggregate.input.schema();
        let time = below.edge.time_columns.first().map(|time| time.column);
        let keys = aggregate.group_expr.iter().map(|key| scalar(&key.clone().unalias(), schema)).collect::<Result<Vec<_>>>()?;
        let calls = aggregate.aggr_expr.iter().map(|call| aggregate_call(call, schema, time));
        let spec = AggregateSpec { keys, aggregates: calls.collect::<Result<Vec<_>>>()? };
        let key_columns: Vec<usize> = (0..aggregate.group_expr.len()).collect();
        // A group whose key is a time changes only while rows of that time come.
        let times =
            aggregate.group_expr.iter().enumerate().filter_map(|(column, key)| {
                Some(TimeColumn { column, ..below.edge.time_column(repeated_column(key, schema)?)? })
            });
        let edge = EdgeProperties {
            schema: edge_schema(&aggregate.schema),
            changes: ChangeKind::Upsert(key_columns.clone()),
            partitioning: if key_columns.is_empty() { Partitioning::Single } else { Partitioning::Hash(key_columns) },
            time_columns: times.collect(),
        };
        Ok(self.add(NodeKind::Aggregate(spec), &[&below], edge))
    }
}
