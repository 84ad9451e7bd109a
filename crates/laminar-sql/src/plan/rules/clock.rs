//! Where a continuous query may ask for the time: in conditions that it turns once for each row.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan};
use laminar_core::{Code, Error, Result};

use crate::expr::{conditions, shown, tells_time, trend};
use crate::plan::errors::from_datafusion;

/// Fails if `node` computes something from the time, or has a condition that it may turn more than once. Those of joins are looked at when it
/// is known where they end up.
pub(super) fn check_clock(node: &LogicalPlan) -> Result<()> {
    match node {
        LogicalPlan::Filter(filter) => {
            let schema = filter.input.schema();
            let may_turn_back = |condition: &&Expr| conditions(condition).iter().any(|part| trend(part, schema).is_none());
            let turning = split_conjunction(&filter.predicate).into_iter().find(may_turn_back);
            turning.map_or(Ok(()), |condition| Err(turns_more_than_once(condition)))
        }
        LogicalPlan::Join(_) => Ok(()),
        other if other.expressions().iter().any(tells_time) => Err(Error::new(
            Code::NotSupported,
            "now() in a continuous query is for conditions: a column with it would change all the time",
        )
        .with_hint("compare it in WHERE or HAVING, as in ts > now() - INTERVAL '5 minutes', or say it in the ad-hoc SELECT that reads the view")),
        _ => Ok(()),
    }
}

/// Whether `plan` depends on the time.
pub(crate) fn reads_clock(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= node.expressions().iter().any(tells_time);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })
    .map_err(from_datafusion)?;
    Ok(found)
}

/// The error for a condition that is not of the form that a temporal filter takes.
pub(crate) fn turns_more_than_once(condition: &Expr) -> Error {
    let text = shown(condition).unwrap_or_else(|_| condition.to_string());
    Error::new(Code::NotSupported, format!("it cannot be told when the condition '{text}' becomes true or false as time goes by"))
        .with_hint("compare now() with columns: ts > now() - INTERVAL '5 minutes', now() BETWEEN valid_from AND valid_to")
}

/// The error for a condition about the time on which it depends whether a row of an outer join has partners.
pub(crate) fn decides_partners(condition: &Expr) -> Error {
    let text = shown(condition).unwrap_or_else(|_| condition.to_string());
    Error::new(Code::NotSupported, format!("the condition '{text}' about the time in ON of such a join is not built yet"))
        .with_hint(
            "write it into WHERE, or into a sub-query that is joined: JOIN (SELECT … WHERE ts > now() - INTERVAL '5 minutes')",
        )
}
