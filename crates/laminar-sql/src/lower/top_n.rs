//! The first rows of each partition.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use datafusion::logical_expr::Sort;
use laminar_core::Result;
use laminar_core::dag::{NodeKind, TopNSpec};

use super::key_columns::KeyColumns;
use super::{Lowered, Lowering, edge_schema};

impl Lowering {
    /// ORDER BY … LIMIT … OFFSET: all rows are one partition.
    pub(super) fn top_n(&mut self, sort: &Sort, skip: u64, fetch: Option<u64>) -> Result<Lowered> {
        let below = self.plan(&sort.input)?;
        let (width, schema) = (below.edge.schema.fields().len(), edge_schema(sort.input.schema()));
        let mut keys = KeyColumns::new(sort.input.schema());
        let order = sort.expr.iter().map(|key| keys.sort_key(key)).collect();
        let keyed = self.with_keys(below, &keys)?;
        let rows = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
        let (offset, limit) = (rows(skip), fetch.map_or(i64::MAX, rows));
        let top =
            self.first(&keyed, TopNSpec { partition: Vec::new(), order, offset, limit, with_ties: false, row_number: None });
        Ok(self.picked(top, &(0..width).collect::<Vec<_>>(), schema))
    }

    pub(super) fn first(&mut self, below: &Lowered, spec: TopNSpec) -> Lowered {
        let number = spec.row_number.iter().map(|name| Arc::new(Field::new(name, DataType::Int64, false)));
        let schema = Arc::new(Schema::new(below.edge.schema.fields().iter().cloned().chain(number).collect::<Vec<_>>()));
        self.add(NodeKind::TopN(spec), &[below], schema)
    }
}
