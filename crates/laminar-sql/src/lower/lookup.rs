//! Joins with a table as it is when a row comes, and with rows that stand elsewhere.

use datafusion::common::{Column, DFSchema, NullEquality};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, Join};
use laminar_core::Result;
use laminar_core::dag::{JoinSpec, Lookup, NodeKind};

use super::{Lowered, Lowering, edge_schema};
use crate::expr::scalar;
use crate::plan::errors::from_datafusion;
use crate::plan::nodes::LookupJoin;
use crate::plan::{LOOKUP_COLUMNS, Relation, lookup_table_of};

impl Lowering {
    pub(super) fn lookup_join(&mut self, lookup: &LookupJoin) -> Result<Lowered> {
        let join = &lookup.join;
        debug_assert_eq!(join.null_equality, NullEquality::NullEqualsNothing, "as ON says");
        if let Some(table) = lookup_table_of(&join.right) {
            return self.cached_lookup(join, table);
        }
        let (left, right) = (self.plan(&join.left)?, self.plan(&join.right)?);
        let spec = JoinSpec { lookup: Some(Lookup::Stored), time_bound: None, ..self.join_spec(join, &left, &right)? };
        Ok(self.add(NodeKind::Join(spec), &[&left, &right], edge_schema(&join.schema)))
    }

    /// A join with the rows of `table` that have been asked for. A key of which there is no row elsewhere is there with a row that is not found.
    fn cached_lookup(&mut self, join: &Join, table: &Relation) -> Result<Lowered> {
        let (left, right) = (self.plan(&join.left)?, self.read(table));
        let columns = right.edge.schema.fields();
        let (shown, known) = columns.split_at(columns.len() - LOOKUP_COLUMNS.len());
        let known = DFSchema::from_unqualified_fields(known.iter().cloned().collect(), Default::default());
        let both = join.left.schema().join(join.right.schema()).and_then(|both| both.join(&known?)).map_err(from_datafusion)?;
        let is_found = Expr::Column(Column::from_name(LOOKUP_COLUMNS[0]));
        let residual = conjunction(join.filter.clone().into_iter().chain([is_found]));
        let timeless = Join { filter: None, ..join.clone() };
        let spec = JoinSpec {
            lookup: Some(Lookup::Cached),
            residual: residual.map(|residual| scalar(&residual, &both)).transpose()?,
            time_bound: None,
            ..self.join_spec(&timeless, &left, &right)?
        };
        let first = left.edge.schema.fields().len();
        let schema = spec.join_type.output_schema(&left.edge.schema, &right.edge.schema);
        let shown: Vec<usize> = (0..first + shown.len()).collect();
        let joined = self.add(NodeKind::Join(spec), &[&left, &right], schema.into());
        Ok(self.picked(joined, &shown, edge_schema(&join.schema)))
    }
}
