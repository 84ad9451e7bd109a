//! A scan reads from the node of another object.

use datafusion::logical_expr::TableScan;
use laminar_core::dag::{ChangesSpec, ComputeSpec, NodeKind};
use laminar_core::expr::Column;
use laminar_core::{Code, Error, Result};

use super::{Lowered, Lowering, edge_schema};
use crate::plan::RelationSource;

impl Lowering {
    pub(super) fn scan(&mut self, scan: &TableScan) -> Result<Lowered> {
        let Some(relation) = RelationSource::of(&scan.source) else {
            return Err(Error::new(Code::NotSupported, format!("{} in a continuous query is not built yet", scan.table_name))
                .with_hint("table functions can be used in ad-hoc SELECTs"));
        };
        if !self.reads.contains(&relation.node) {
            self.reads.push(relation.node);
        }
        let read = match &relation.changes_of {
            None => Lowered { node: relation.node, edge: relation.properties.clone() },
            Some(changes) => {
                let changes = Lowered { node: relation.node, edge: changes.clone() };
                self.add(NodeKind::Changes(ChangesSpec), &[&changes], relation.properties.schema.clone())
            }
        };
        let Some(columns) = &scan.projection else { return Ok(read) };
        if columns.iter().copied().eq(0..read.edge.schema.fields().len()) {
            return Ok(read);
        }
        let projection = columns.iter().map(|column| Column::new(&read.edge.schema, *column)).collect();
        let schema = edge_schema(&scan.projected_schema);
        Ok(self.add(NodeKind::Compute(ComputeSpec { filter: None, projection: Some(projection) }), &[&read], schema))
    }
}
