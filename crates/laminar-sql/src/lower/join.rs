//! Joins of all types, and NOT IN.

use datafusion::common::{DFSchema, NullEquality};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{self as df, Expr, ExprSchemable, Join, build_join_schema, lit, when};
use laminar_core::dag::{JoinSpec, JoinType, NodeKind};
use laminar_core::expr::ExprRef;
use laminar_core::{Code, Error, Result};

use super::time_bound::{apart_alone, time_bound};
use super::{Lowered, Lowering, edge_schema};
use crate::expr::{scalar, tells_time};
use crate::plan::decides_partners;
use crate::plan::errors::from_datafusion;

impl Lowering {
    pub(super) fn join(&mut self, join: &Join) -> Result<Lowered> {
        if join.null_aware {
            return self.not_in(join);
        }
        let (timeless, timed) = without_clock(join)?;
        let (left, right) = (self.plan(&join.left)?, self.plan(&join.right)?);
        let spec = self.join_spec(&timeless, &left, &right)?;
        let pairs = self.add(NodeKind::Join(spec), &[&left, &right], edge_schema(&join.schema));
        timed.map_or(Ok(pairs.clone()), |timed| self.temporal_filter(pairs, &timed, &join.schema))
    }

    pub(super) fn join_spec(&self, join: &Join, left: &Lowered, right: &Lowered) -> Result<JoinSpec> {
        let keys = |pick: fn(&(Expr, Expr)) -> &Expr, schema: &DFSchema| {
            join.on.iter().map(|pair| scalar(pick(pair), schema)).collect::<Result<Vec<_>>>()
        };
        Ok(JoinSpec {
            join_type: type_of(join)?,
            left_keys: keys(|pair| &pair.0, join.left.schema())?,
            right_keys: keys(|pair| &pair.1, join.right.schema())?,
            null_equals_null: join.null_equality == NullEquality::NullEqualsNull,
            residual: residual(join)?,
            time_bound: time_bound(join, &left.edge, &right.edge)?,
            lookup: None,
        })
    }

    /// `value NOT IN (members)` is true if no member equals the value, and either there are no members or all of them and the
    /// value are known: three joins, of which the first alone is spread by the value. The others look for one row, at most.
    fn not_in(&mut self, join: &Join) -> Result<Lowered> {
        let (value, member) = value_and_member(join)?;
        let (left_schema, right_schema) = (join.left.schema(), join.right.schema());
        let (left, right) = (self.plan(&join.left)?, self.plan(&join.right)?);
        let mut anti = |left: &Lowered, left_key: ExprRef, right_key: ExprRef| {
            let spec = JoinSpec { join_type: JoinType::LeftAnti, ..JoinSpec::inner(vec![left_key], vec![right_key]) };
            self.add(NodeKind::Join(spec), &[left, &right], edge_schema(&join.schema))
        };
        let mut rest = anti(&left, scalar(&value, left_schema)?, scalar(&member, right_schema)?);
        let nullable = |expr: &Expr, schema: &DFSchema| expr.nullable(schema).map_err(from_datafusion);
        let (always_left, always_right) = (scalar(&lit(true), left_schema)?, scalar(&lit(true), right_schema)?);
        if nullable(&member, right_schema)? {
            rest = anti(&rest, always_left, scalar(&where_null(member)?, right_schema)?);
        }
        if nullable(&value, left_schema)? {
            rest = anti(&rest, scalar(&where_null(value)?, left_schema)?, always_right);
        }
        Ok(rest)
    }
}

/// An inner join without its conditions about the clock, and these: its pairs come and go by them.
fn without_clock(join: &Join) -> Result<(Join, Option<Expr>)> {
    let conditions: Vec<Expr> = join.filter.iter().flat_map(split_conjunction).cloned().collect();
    let (timed, still): (Vec<Expr>, Vec<Expr>) = conditions.into_iter().partition(tells_time);
    match timed.first() {
        None => Ok((join.clone(), None)),
        Some(condition) if join.join_type != df::JoinType::Inner => Err(decides_partners(condition)),
        Some(_) => Ok((Join { filter: conjunction(still), ..join.clone() }, conjunction(timed))),
    }
}

fn type_of(join: &Join) -> Result<JoinType> {
    Ok(match join.join_type {
        df::JoinType::Inner => JoinType::Inner,
        df::JoinType::Left => JoinType::Left,
        df::JoinType::Right => JoinType::Right,
        df::JoinType::Full => JoinType::Full,
        df::JoinType::LeftSemi => JoinType::LeftSemi,
        df::JoinType::RightSemi => JoinType::RightSemi,
        df::JoinType::LeftAnti => JoinType::LeftAnti,
        df::JoinType::RightAnti => JoinType::RightAnti,
        df::JoinType::LeftMark => JoinType::LeftMark,
        // Only plans that are about to run have it.
        df::JoinType::RightMark => return Err(Error::internal("a right mark join in a plan that is to be lowered")),
    })
}

/// The condition beside the keys, over the columns of both sides.
fn residual(join: &Join) -> Result<Option<ExprRef>> {
    let Some(filter) = &join.filter else { return Ok(None) };
    let both = build_join_schema(join.left.schema(), join.right.schema(), &df::JoinType::Inner).map_err(from_datafusion)?;
    let condition = scalar(filter, &both)?;
    let apart = apart_alone(filter, &both, &condition.display());
    Ok(Some(apart.unwrap_or(condition)))
}

/// The two sides of the one comparison that NOT IN makes.
fn value_and_member(join: &Join) -> Result<(Expr, Expr)> {
    match (join.on.as_slice(), &join.filter) {
        ([pair], None) => Ok(pair.clone()),
        _ => Err(Error::new(Code::NotSupported, "NOT IN with other conditions in a continuous query is not built yet")
            .with_hint("write it as NOT EXISTS (… WHERE …)")),
    }
}

/// TRUE where `expr` is NULL, and NULL elsewhere: as a key it finds the rows without a value.
fn where_null(expr: Expr) -> Result<Expr> {
    when(expr.is_null(), lit(true)).end().map_err(from_datafusion)
}
