//! Inner joins.

use datafusion::common::NullEquality;
use datafusion::logical_expr::{Expr, Join, JoinType};
use laminar_core::dag::{JoinSpec, NodeKind};
use laminar_core::{Code, Error, Result};

use super::{Lowered, Lowering, edge_schema};
use crate::expr::scalar;

impl Lowering {
    pub(super) fn join(&mut self, join: &Join) -> Result<Lowered> {
        if join.join_type != JoinType::Inner {
            return Err(Error::new(
                Code::NotSupported,
                format!("a {} join in a continuous query is not built yet", join.join_type),
            )
            .with_hint("inner joins run today"));
        }
        if join.null_equality == NullEquality::NullEqualsNull && !join.on.is_empty() {
            return Err(Error::new(Code::NotSupported, "joining on IS NOT DISTINCT FROM is not built yet")
                .with_hint("join on = (NULLs then match nothing)"));
        }
        let (left, right) = (self.plan(&join.left)?, self.plan(&join.right)?);
        let side = |pick: fn(&(Expr, Expr)) -> &Expr, schema: &datafusion::common::DFSchemaRef| {
            join.on.iter().map(|pair| scalar(pick(pair), schema)).collect::<Result<Vec<_>>>()
        };
        let left_keys = side(|pair| &pair.0, join.left.schema())?;
        let right_keys = side(|pair| &pair.1, join.right.schema())?;
        let residual = join.filter.as_ref().map(|filter| scalar(filter, &join.schema)).transpose()?;
        let spec = JoinSpec { left_keys, right_keys, residual };
        Ok(self.add(NodeKind::Join(spec), &[&left, &right], edge_schema(&join.schema)))
    }
}
