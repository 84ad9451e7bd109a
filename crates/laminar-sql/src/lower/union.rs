//! UNION ALL: the rows of all inputs. (UNION is this under an aggregate without functions.)

use datafusion::logical_expr::Union;
use laminar_core::Result;
use laminar_core::dag::{ComputeSpec, NodeKind};
use laminar_core::expr::Column;

use super::{Lowered, Lowering, edge_schema};

/// Inputs of one node: a port is a byte. More of them are united in several nodes.
const INPUTS_MAX: usize = 128;

impl Lowering {
    pub(super) fn union(&mut self, union: &Union) -> Result<Lowered> {
        let schema = edge_schema(&union.schema);
        let mut inputs = Vec::with_capacity(union.inputs.len());
        for input in &union.inputs {
            let below = self.plan(input)?;
            inputs.push(self.renamed(below, &schema));
        }
        Ok(self.united(inputs, &schema))
    }

    /// The rows of `inputs`, which have the columns of `schema`.
    pub(super) fn united(&mut self, mut inputs: Vec<Lowered>, schema: &arrow_schema::SchemaRef) -> Lowered {
        while inputs.len() > INPUTS_MAX {
            inputs = inputs.chunks(INPUTS_MAX).map(|some| self.rows_of_all(some, schema)).collect();
        }
        self.rows_of_all(&inputs, schema)
    }

    fn rows_of_all(&mut self, inputs: &[Lowered], schema: &arrow_schema::SchemaRef) -> Lowered {
        self.add(NodeKind::Union, &inputs.iter().collect::<Vec<_>>(), schema.clone())
    }

    /// `below` with the names and nullability of `schema`; the types are the same already.
    pub(super) fn renamed(&mut self, below: Lowered, schema: &arrow_schema::SchemaRef) -> Lowered {
        if below.edge.schema == *schema {
            return below;
        }
        let projection = Some(Column::all(&below.edge.schema));
        self.add(NodeKind::Compute(ComputeSpec { filter: None, projection }), &[&below], schema.clone())
    }
}
