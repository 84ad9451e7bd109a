//! UNION ALL: the rows of all inputs. (UNION is this under an aggregate without functions.)

use datafusion::logical_expr::Union;
use laminar_core::Result;
use laminar_core::dag::{ChangeKind, ComputeSpec, EdgeProperties, NodeKind, Partitioning, TimeColumn};
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
        while inputs.len() > INPUTS_MAX {
            inputs = inputs.chunks(INPUTS_MAX).map(|some| self.rows_of_all(some, &schema)).collect();
        }
        Ok(self.rows_of_all(&inputs, &schema))
    }

    fn rows_of_all(&mut self, inputs: &[Lowered], schema: &arrow_schema::SchemaRef) -> Lowered {
        let append = inputs.iter().all(|input| input.edge.changes.is_append());
        let changes = if append { ChangeKind::Append } else { ChangeKind::Retract };
        let (partitioning, time_columns) = (Partitioning::Any, common_times(inputs));
        let edge = EdgeProperties { schema: schema.clone(), changes, partitioning, time_columns };
        self.add(NodeKind::Union, &inputs.iter().collect::<Vec<_>>(), edge)
    }

    /// `below` with the names and nullability of `schema`; the types are the same already.
    fn renamed(&mut self, below: Lowered, schema: &arrow_schema::SchemaRef) -> Lowered {
        if below.edge.schema == *schema {
            return below;
        }
        let projection = Some(Column::all(&below.edge.schema));
        let edge = EdgeProperties { schema: schema.clone(), ..below.edge.clone() };
        self.add(NodeKind::Compute(ComputeSpec { filter: None, projection }), &[&below], edge)
    }
}

/// The columns that follow the watermark in every input, as far behind as the slowest.
fn common_times(inputs: &[Lowered]) -> Vec<TimeColumn> {
    let Some(first) = inputs.first() else { return Vec::new() };
    let lag_in_all = |column: usize| {
        let lags = inputs.iter().map(|input| input.edge.time_column(column).map(|time| time.lag));
        lags.collect::<Option<Vec<_>>>()?.into_iter().max()
    };
    let columns = first.edge.time_columns.iter().map(|time| time.column);
    columns.filter_map(|column| Some(TimeColumn { column, lag: lag_in_all(column)?, mixed: true })).collect()
}
