//! A scan reads from the node of another object.

use datafusion::logical_expr::TableScan;
use laminar_core::dag::{ComputeSpec, EdgeProperties, NodeKind, Partitioning};
use laminar_core::expr::Column;
use laminar_core::{Code, Error, Result};

use super::{Lowered, Lowering, edge_schema};
use crate::lower::compute::keep_columns;
use crate::plan::{RelationKind, RelationSource};

impl Lowering {
    pub(super) fn scan(&mut self, scan: &TableScan) -> Result<Lowered> {
        let Some(relation) = RelationSource::of(&scan.source) else {
            return Err(Error::new(Code::NotSupported, format!("{} in a continuous query is not built yet", scan.table_name))
                .with_hint("table functions can be used in ad-hoc SELECTs"));
        };
        if !self.reads.contains(&relation.node) {
            self.reads.push(relation.node);
        }
        let streams = matches!(relation.kind, RelationKind::Source | RelationKind::Stream);
        let read = Lowered { node: relation.node, edge: relation.properties.clone(), streams };
        let Some(columns) = &scan.projection else { return Ok(read) };
        if columns.iter().copied().eq(0..read.edge.schema.fields().len()) {
            return Ok(read);
        }
        let projection = columns.iter().map(|column| Column::new(&read.edge.schema, *column)).collect();
        let (changes, time_columns) = keep_columns(&read.edge, &columns.iter().map(|column| Some(*column)).collect::<Vec<_>>());
        let edge = EdgeProperties {
            schema: edge_schema(&scan.projected_schema),
            changes,
            partitioning: Partitioning::Any,
            time_columns,
        };
        Ok(self.add(NodeKind::Compute(ComputeSpec { filter: None, projection: Some(projection) }), &[&read], edge))
    }
}
