//! Turns joins with markers in their conditions into nodes: ASOF joins, joins with a version of a table, joins with a table as it is.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError, Diagnostic, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Extension, Filter, Join, JoinType, LogicalPlan, Operator};
use laminar_core::dag::is_asof_type;
use laminar_core::{Code, Error};

use crate::parse::rewrite::{ASOF, ASOF_NEAREST, LOOKUP, TEMPORAL};
use crate::plan::catalog::RelationSource;
use crate::plan::nodes::{AsofJoin, Direction, LookupJoin, Match};
use crate::plan::rules::asof_tolerance::{Limit, limit_of};
use crate::plan::rules::lookup_tables::{by_key, lookup_table_of};

/// Replaces every join with a marker.
pub(crate) fn joins_by_time(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) => {
            Ok(replaced(&join)?.map_or_else(|| Transformed::no(LogicalPlan::Join(join)), Transformed::yes))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(plan.data)
}

fn replaced(join: &Join) -> Result<Option<LogicalPlan>> {
    let Some(filter) = &join.filter else { return Ok(None) };
    let Some((name, arguments)) = marker_of(filter) else { return refuse_hidden_marker(filter).map(|()| None) };
    match (name, arguments) {
        (ASOF, [condition]) => asof(join, conditions(condition)).map(Some),
        (TEMPORAL, [time, condition]) => temporal(join, time, condition).map(Some),
        (LOOKUP, [condition]) => {
            let join = lookup(join, condition)?;
            Ok(Some(LogicalPlan::Extension(Extension { node: Arc::new(LookupJoin { join }) })))
        }
        _ => Err(refused("this join has two conditions that exclude each other", filter, "join one after the other")),
    }
}

fn marker_of(expr: &Expr) -> Option<(&str, &[Expr])> {
    let Expr::ScalarFunction(call) = expr else { return None };
    [ASOF, TEMPORAL, LOOKUP].contains(&call.name()).then(|| (call.name(), call.args.as_slice()))
}

/// A condition that was moved beside the marker, as out of a sub-query that reads outer columns.
fn refuse_hidden_marker(filter: &Expr) -> Result<()> {
    let mut found = false;
    filter.apply(|part| {
        found |= marker_of(part).is_some();
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    match found {
        true => Err(refused(
            "an ASOF or temporal join in a sub-query that reads outer columns is not built yet",
            filter,
            "join outside of it",
        )),
        false => Ok(()),
    }
}

fn conditions(condition: &Expr) -> Vec<Expr> {
    split_conjunction_owned(condition.clone())
}

/// An error about `expr`, where its first column stands in the statement.
pub(super) fn refused(text: &str, expr: &Expr, hint: &str) -> DataFusionError {
    let error = Error::new(Code::InvalidQuery, text).with_hint(hint);
    let span = expr
        .column_refs()
        .iter()
        .filter_map(|column| column.spans.first())
        .min_by_key(|span| (span.start.line, span.start.column));
    let ours = DataFusionError::External(Box::new(error));
    match span {
        Some(span) => DataFusionError::Diagnostic(Box::new(Diagnostic::new_error(text, Some(span))), Box::new(ours)),
        None => ours,
    }
}

/// Which input all columns of an expression are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    Both,
    Neither,
}

fn side_of(expr: &Expr, join: &Join) -> Side {
    let columns = expr.column_refs();
    let all_in = |schema: &DFSchema| columns.iter().all(|column| schema.maybe_index_of_column(column).is_some());
    match (columns.is_empty(), all_in(join.left.schema()), all_in(join.right.schema())) {
        (true, ..) => Side::Neither,
        (_, true, _) => Side::Left,
        (_, _, true) => Side::Right,
        _ => Side::Both,
    }
}

/// What the conditions of an ASOF join say.
#[derive(Debug, Default)]
struct Said {
    keys: Vec<(Expr, Expr)>,
    /// Comparisons of a left and a right time: left, operator as seen from it, right.
    compared: Vec<(Expr, Operator, Expr)>,
    nearest: Option<(Expr, Expr)>,
    /// Other conditions over both sides, of which one may be the tolerance.
    others: Vec<Expr>,
    /// Conditions on right rows alone: others do not count.
    of_right: Vec<Expr>,
}

const FORM: &str = "write ON l.k = r.k AND l.ts >= r.ts, perhaps with a tolerance: AND l.ts - r.ts <= INTERVAL '5' SECOND";

fn asof(join: &Join, conditions: Vec<Expr>) -> Result<LogicalPlan> {
    let mut said = Said::default();
    for condition in conditions {
        said.add(condition, join)?;
    }
    let ((left, right), direction, strict) = said.matched()?;
    let tolerance = said.tolerance(&left, &right, direction)?;
    let both = [left.get_type(join.left.schema())?, right.get_type(join.right.schema())?];
    if both[0] != both[1] || !is_asof_type(&both[0]) {
        let text = format!("an ASOF join compares times or whole numbers of one type, not {} with {}", both[0], both[1]);
        return Err(refused(&text, &left, "cast both to TIMESTAMP or BIGINT"));
    }
    build(join, said.keys, (left, right), Match { direction, strict, tolerance }, said.of_right)
}

fn build(join: &Join, keys: Vec<(Expr, Expr)>, times: (Expr, Expr), how: Match, of_right: Vec<Expr>) -> Result<LogicalPlan> {
    let is_outer = match join.join_type {
        JoinType::Inner => false,
        JoinType::Left => true,
        other => return Err(refused(&format!("a {other} join by time is not built yet"), &times.0, "use JOIN or LEFT JOIN")),
    };
    let right = match conjunction(of_right) {
        Some(filter) => Arc::new(LogicalPlan::Filter(Filter::try_new(filter, join.right.clone())?)),
        None => join.right.clone(),
    };
    let node = AsofJoin::try_new([join.left.clone(), right], is_outer, keys, times, how)?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

impl Said {
    fn add(&mut self, condition: Expr, join: &Join) -> Result<()> {
        match side_of(&condition, join) {
            Side::Right => {
                self.of_right.push(condition);
                return Ok(());
            }
            Side::Neither if condition == datafusion::logical_expr::lit(true) => return Ok(()),
            Side::Left | Side::Neither => {
                let text = "an ASOF join has no condition on left rows alone";
                return Err(refused(text, &condition, "write it in WHERE, or in a sub-query on the left side"));
            }
            Side::Both => {}
        }
        if let Expr::ScalarFunction(call) = &condition
            && call.name() == ASOF_NEAREST
            && let [Expr::BinaryExpr(BinaryExpr { left, right, .. })] = call.args.as_slice()
        {
            let (one, other) = (left.as_ref().clone(), right.as_ref().clone());
            let pair = match (side_of(&one, join), side_of(&other, join)) {
                (Side::Left, Side::Right) => (one, other),
                (Side::Right, Side::Left) => (other, one),
                _ => {
                    return Err(refused("NEAREST compares a time of the left side with one of the right side", &condition, FORM));
                }
            };
            return match self.nearest.replace(pair) {
                None => Ok(()),
                Some(_) => Err(refused("an ASOF join has one NEAREST", &condition, FORM)),
            };
        }
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &condition else {
            self.others.push(condition);
            return Ok(());
        };
        let (one, op, other) = match (side_of(left, join), side_of(right, join)) {
            (Side::Left, Side::Right) => (left, Some(*op), right),
            (Side::Right, Side::Left) => (right, op.swap(), left),
            _ => {
                self.others.push(condition);
                return Ok(());
            }
        };
        match op {
            Some(Operator::Eq) => self.keys.push((one.as_ref().clone(), other.as_ref().clone())),
            Some(op @ (Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)) => {
                self.compared.push((one.as_ref().clone(), op, other.as_ref().clone()));
            }
            _ => self.others.push(condition),
        }
        Ok(())
    }

    /// The comparison by which right rows are chosen; the others are tolerances.
    fn matched(&mut self) -> Result<((Expr, Expr), Direction, bool)> {
        if let Some(pair) = self.nearest.clone() {
            return Ok((pair, Direction::Nearest, false));
        }
        let is_plain = |expr: &Expr| !matches!(expr, Expr::BinaryExpr(_));
        let plain: Vec<usize> =
            (0..self.compared.len()).filter(|at| is_plain(&self.compared[*at].0) && is_plain(&self.compared[*at].2)).collect();
        let at = match (plain.as_slice(), self.compared.len()) {
            ([only], _) => *only,
            (_, 1) => 0,
            (_, 0) => {
                let some = self.keys.first().map(|(left, _)| left.clone()).or_else(|| self.others.first().cloned());
                let some = some.unwrap_or_else(|| datafusion::logical_expr::lit(true));
                return Err(refused("an ASOF join compares a time of the left side with one of the right side", &some, FORM));
            }
            _ => {
                let (left, ..) = &self.compared[1];
                return Err(refused("an ASOF join chooses its rows by one comparison, and this one has two", left, FORM));
            }
        };
        let (left, op, right) = self.compared.remove(at);
        let direction = if matches!(op, Operator::Gt | Operator::GtEq) { Direction::Backward } else { Direction::Forward };
        Ok(((left, right), direction, matches!(op, Operator::Gt | Operator::Lt)))
    }

    /// The greatest distance that the other conditions allow.
    fn tolerance(&self, left: &Expr, right: &Expr, direction: Direction) -> Result<Option<i64>> {
        let compared =
            self.compared.iter().map(|(one, op, other)| datafusion::logical_expr::binary_expr(one.clone(), *op, other.clone()));
        let (mut before, mut after): (Option<i64>, Option<i64>) = (None, None);
        let narrower = |known: Option<i64>, limit: i64| Some(known.map_or(limit, |known| known.min(limit)));
        for condition in self.others.iter().cloned().chain(compared) {
            let limits = limit_of(&condition, left, right);
            let wrong = || refused("this condition of an ASOF join is neither an equality nor the tolerance", &condition, FORM);
            for limit in limits.ok_or_else(wrong)? {
                match limit {
                    // How far the right row may be before the left one, and after it.
                    Limit::Before(limit) if limit >= 0 && direction != Direction::Forward => before = narrower(before, limit),
                    Limit::After(limit) if limit >= 0 && direction != Direction::Backward => after = narrower(after, limit),
                    // What the comparison says already.
                    Limit::Before(0..) | Limit::After(0..) => {}
                    _ => return Err(wrong()),
                }
            }
        }
        match direction {
            Direction::Backward => Ok(before),
            Direction::Forward => Ok(after),
            Direction::Nearest if before == after => Ok(before),
            Direction::Nearest => {
                let text = "the tolerance of NEAREST is the same before and after";
                Err(refused(text, left, "write r.ts BETWEEN l.ts - INTERVAL '5' SECOND AND l.ts + INTERVAL '5' SECOND"))
            }
        }
    }
}

/// The right rows that were valid at a time: of each key the last one that is not after it.
fn temporal(join: &Join, time: &Expr, condition: &Expr) -> Result<LogicalPlan> {
    if let Some(table) = lookup_table_of(&join.right) {
        let text = format!("lookup table '{}' has no rows of the past: it is asked when a row comes", table.name);
        return Err(refused(&text, time, "write FOR SYSTEM_TIME AS OF PROCTIME()"));
    }
    let Some((right_time, append)) = event_time_of(&join.right) else {
        let text = "FOR SYSTEM_TIME AS OF a time needs a source or stream whose rows have an event time";
        let hint = "declare one: WATERMARK FOR ts AS ts; or join with the rows as they are now: FOR SYSTEM_TIME AS OF PROCTIME(); \
                    or choose by a column: ASOF JOIN t MATCH_CONDITION (l.ts >= t.ts) ON l.k = t.k";
        return Err(refused(text, time, hint));
    };
    if !append {
        let text = "FOR SYSTEM_TIME AS OF a time reads versions that are added, and rows of this relation are also taken back";
        return Err(refused(text, time, "join with the rows as they are now: FOR SYSTEM_TIME AS OF PROCTIME()"));
    }
    if side_of(time, join) != Side::Left {
        return Err(refused(
            "FOR SYSTEM_TIME AS OF needs a time of the left side, or PROCTIME()",
            time,
            "write FOR SYSTEM_TIME AS OF l.ts",
        ));
    }
    let mut said = Said::default();
    conditions(condition).into_iter().try_for_each(|condition| said.add(condition, join))?;
    let more = said.others.first().or_else(|| said.compared.first().map(|(left, ..)| left));
    if let Some(more) = more {
        let text = "a join FOR SYSTEM_TIME AS OF has equalities of both sides alone in ON";
        return Err(refused(text, more, "write other conditions in WHERE"));
    }
    if let Some(of_right) = said.of_right.first() {
        // A version that fails is valid all the same: an older one must not take its place.
        let text = "a join FOR SYSTEM_TIME AS OF has no condition on the right rows alone in ON";
        return Err(refused(text, of_right, "write it in WHERE"));
    }
    let compared = datafusion::logical_expr::binary_expr(time.clone(), Operator::GtEq, Expr::Column(right_time.clone()));
    let (left_type, right_type) =
        (time.get_type(join.left.schema())?, Expr::Column(right_time.clone()).get_type(join.right.schema())?);
    if left_type != right_type {
        let text = format!("the version of a row is found by times of one type, not {left_type} and {right_type}");
        return Err(refused(&text, &compared, "cast the time behind AS OF"));
    }
    let how = Match { direction: Direction::Backward, strict: false, tolerance: None };
    build(join, said.keys, (time.clone(), Expr::Column(right_time)), how, Vec::new())
}

/// The same join by plain conditions.
fn lookup(join: &Join, condition: &Expr) -> Result<Join> {
    let (mut on, mut others) = (Vec::new(), Vec::new());
    for condition in conditions(condition) {
        match &condition {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (side_of(left, join), side_of(right, join)) {
                (Side::Left, Side::Right) => on.push((left.as_ref().clone(), right.as_ref().clone())),
                (Side::Right, Side::Left) => on.push((right.as_ref().clone(), left.as_ref().clone())),
                _ => others.push(condition),
            },
            _ => others.push(condition),
        }
    }
    if let Some(table) = lookup_table_of(&join.right) {
        on = by_key(table, on, &mut others, condition)?;
    }
    Ok(Join { on, filter: conjunction(others), ..join.clone() })
}

/// The event time of the source that `plan` reads, and whether its rows are only added.
fn event_time_of(plan: &LogicalPlan) -> Option<(Column, bool)> {
    let mut inner = plan;
    while let LogicalPlan::SubqueryAlias(alias) = inner {
        inner = &alias.input;
    }
    let LogicalPlan::TableScan(scan) = inner else { return None };
    let properties = &RelationSource::of(&scan.source)?.properties;
    let time = properties.time_columns.first()?;
    // The scan is not optimised: it has all columns.
    let column = Column::from(plan.schema().qualified_field(time.column));
    Some((column, properties.changes.is_append()))
}

/// Refuses what only a continuous query can do.
pub(crate) fn refuse_lookups(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.apply_with_subqueries(|node| match node {
        LogicalPlan::Extension(extension) if extension.node.as_any().is::<LookupJoin>() => {
            let error = Error::new(
                Code::InvalidQuery,
                "FOR SYSTEM_TIME AS OF PROCTIME() asks when each row came, which an ad-hoc SELECT does not know",
            );
            Err(DataFusionError::External(Box::new(error.with_hint("leave it out: the SELECT reads the table as it is now"))))
        }
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    Ok(plan)
}
