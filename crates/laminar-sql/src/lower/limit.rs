//! LIMIT and OFFSET without an order.

use datafusion::logical_expr::{FetchType, Limit, SkipType};
use laminar_core::dag::{LimitSpec, NodeKind};
use laminar_core::{Code, Error, Result};

use super::{Lowered, Lowering};
use crate::plan::errors::from_datafusion;

impl Lowering {
    pub(super) fn limit(&mut self, limit: &Limit) -> Result<Lowered> {
        let skip = match limit.get_skip_type().map_err(from_datafusion)? {
            SkipType::Literal(rows) => rows,
            SkipType::UnsupportedExpr => return Err(not_constant("OFFSET")),
        };
        let fetch = match limit.get_fetch_type().map_err(from_datafusion)? {
            FetchType::Literal(rows) => rows,
            FetchType::UnsupportedExpr => return Err(not_constant("LIMIT")),
        };
        let below = self.plan(&limit.input)?;
        let spec = LimitSpec { skip: skip as u64, fetch: fetch.map(|rows| rows as u64) };
        let schema = below.edge.schema.clone();
        Ok(self.add(NodeKind::Limit(spec), &[&below], schema))
    }
}

fn not_constant(clause: &str) -> Error {
    Error::new(Code::NotSupported, format!("{clause} in a continuous query must be a constant")).with_hint("write a number")
}
