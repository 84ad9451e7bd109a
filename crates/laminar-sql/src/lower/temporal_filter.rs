//! Conditions about the wall clock: a temporal filter above the other conditions, which are the same at all times.

use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use laminar_core::Result;
use laminar_core::dag::{ComputeSpec, NodeKind, TemporalFilterSpec};

use super::{Lowered, Lowering};
use crate::expr::{Turn, conditions, scalar, tells_time, turn};
use crate::plan::turns_more_than_once;

impl Lowering {
    /// The rows of `below`, whose columns are those of `schema`, for which `predicate`, which depends on the clock, is true.
    pub(super) fn temporal_filter(&mut self, below: Lowered, predicate: &Expr, schema: &DFSchema) -> Result<Lowered> {
        let (timed, still): (Vec<Expr>, Vec<Expr>) = conditions(predicate).into_iter().partition(tells_time);
        let columns = below.edge.schema.clone();
        let below = match conjunction(still) {
            Some(still) => {
                let filter = Some(scalar(&still, schema)?);
                self.add(NodeKind::Compute(ComputeSpec { filter, projection: None }), &[&below], columns.clone())
            }
            None => below,
        };
        let mut spec = TemporalFilterSpec { from: Vec::new(), until: Vec::new() };
        for condition in timed {
            match turn(&condition, schema)?.ok_or_else(|| turns_more_than_once(&condition))? {
                Turn::From(moment) => spec.from.push(moment),
                Turn::Until(moment) => spec.until.push(moment),
            }
        }
        Ok(self.add(NodeKind::TemporalFilter(spec), &[&below], columns))
    }
}
