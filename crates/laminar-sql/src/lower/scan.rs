//! A scan reads from the node of another object.

use datafusion::logical_expr::TableScan;
use laminar_core::dag::{ChangesSpec, ComputeSpec, NodeKind};
use laminar_core::expr::Column;
use laminar_core::{Code, Error, Result};

use super::{Lowered, Lowering, edge_schema};
use crate::plan::{Relation, RelationKind, RelationSource};

impl Lowering {
    /// The node of another object.
    pub(super) fn read(&mut self, relation: &Relation) -> Lowered {
        let edge = relation.changes_of.as_ref().unwrap_or(&relation.properties).clone();
        let read = Lowered { node: relation.node, edge };
        if !self.reads.iter().any(|known| known.node == read.node) {
            self.reads.push(read.clone());
        }
        read
    }

    pub(super) fn scan(&mut self, scan: &TableScan) -> Result<Lowered> {
        let Some(relation) = RelationSource::of(&scan.source) else {
            return Err(Error::new(Code::NotSupported, format!("{} in a continuous query is not built yet", scan.table_name))
                .with_hint("table functions can be used in ad-hoc SELECTs"));
        };
        if relation.kind == RelationKind::Lookup {
            return Err(Error::internal(format!("lookup table '{}' is read and not looked up", relation.name)));
        }
        let read = self.read(relation);
        let read = match &relation.changes_of {
            None => read,
            Some(_) => self.add(NodeKind::Changes(ChangesSpec), &[&read], relation.properties.schema.clone()),
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
