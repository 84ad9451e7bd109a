//! WITH RECURSIVE in continuous queries: the rows of a recursion get the number of their round as a column, which the recursive term keeps.
//!
//! The term of SQL reads the rows of one round and gives those of the next. With the round among the columns, one plan does so for all rounds at once:
//! what joins two of its inputs that both have rounds joins within a round, and what groups rows groups within a round.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError, Result};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, Extension, Filter, Join, JoinType, LogicalPlan, Projection, RecursiveQuery,
    SubqueryAlias, TableScan, Unnest,
};
use laminar_core::{Code, Error};

use crate::parse::rewrite::TERM;
use crate::plan::nodes::{ROUND, Recursion, Rounds};
use crate::semantics::cast::type_name;

/// Puts a [`Recursion`] in the place of each WITH RECURSIVE.
pub(crate) fn recursions(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut number = 0;
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::RecursiveQuery(query) => {
            number += 1;
            Ok(Transformed::yes(recursion(query, number)?))
        }
        // The columns below may be NULL where they were not before.
        other if number > 0 => Ok(Transformed::no(other.recompute_schema()?)),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(plan.data)
}

fn recursion(query: RecursiveQuery, number: usize) -> Result<LogicalPlan> {
    let RecursiveQuery { name, static_term, recursive_term, is_distinct, schema } = query;
    let rounds = RoundsOf { name, number };
    let columns = columns(recursive_term.schema());
    let (term, round) = rounds.with_round(&recursive_term)?;
    let term = projection(columns.into_iter().chain([Expr::Column(round)]).collect(), term)?;
    let nullable =
        schema.iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::new(field.as_ref().clone().with_nullable(true))));
    let schema = Arc::new(DFSchema::new_with_metadata(nullable.collect(), Default::default())?);
    let node = Recursion::new(number, Arc::unwrap_or_clone(static_term), term, is_distinct, schema);
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

/// Refuses a recursion whose second part would lose something by becoming the type of its first part.
pub(crate) fn refuse_lossy_terms(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        let LogicalPlan::RecursiveQuery(query) = node else { return Ok(TreeNodeRecursion::Continue) };
        let LogicalPlan::Projection(term) = query.recursive_term.as_ref() else { return Ok(TreeNodeRecursion::Continue) };
        for (column, expr) in term.expr.iter().enumerate() {
            if let Expr::Cast(cast) = expr.clone().unalias()
                && let Expr::Column(Column { relation: Some(relation), .. }) = cast.expr.as_ref()
                && relation.table() == TERM
            {
                let (from, to) = (cast.expr.get_type(term.input.schema())?, cast.field.data_type());
                if !keeps_values(&from, to) {
                    return Err(lossy(&query.name, column, &from, to));
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Whether values are the same in the other type, or an error.
fn keeps_values(from: &DataType, to: &DataType) -> bool {
    use DataType::{Date32, Decimal128, Float32, Float64, Null, Timestamp};
    match (from, to) {
        (Null, _) => true,
        (Decimal128(_, from), Decimal128(_, to)) => to >= from,
        (from, Float64) => from.is_integer() || *from == Float32,
        (from, Decimal128(..)) => from.is_integer(),
        (Date32, Timestamp(..)) => true,
        (from, to) if from.is_string() || to.is_string() => from.is_string() && to.is_string(),
        (from, to) => from.is_integer() && to.is_integer(),
    }
}

fn lossy(name: &str, column: usize, from: &DataType, to: &DataType) -> DataFusionError {
    let column = column + 1;
    let text =
        format!("column {column} of '{name}' is {} in its first part and {} in the second", type_name(to), type_name(from));
    let error = Error::new(Code::TypeMismatch, text).with_detail("the first part of a recursive query gives the types");
    DataFusionError::External(Box::new(error.with_hint("convert it in the first part: CAST(… AS …), with room for what follows")))
}

/// The recursion whose term gets rounds.
struct RoundsOf {
    name: String,
    number: usize,
}

/// A plan with rounds, and the column that holds them.
type WithRound = (LogicalPlan, Column);

impl RoundsOf {
    fn reads(&self, plan: &LogicalPlan) -> Result<bool> {
        let mut found = false;
        plan.apply_with_subqueries(|node| {
            found |= matches!(node, LogicalPlan::TableScan(scan) if self.is_scan(scan));
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        Ok(found)
    }

    fn is_scan(&self, scan: &TableScan) -> bool {
        let provider = source_as_provider(&scan.source).ok();
        let table = provider.as_ref().and_then(|provider| provider.downcast_ref::<CteWorkTable>());
        table.is_some_and(|table| table.name() == self.name)
    }

    /// `plan`, which reads the recursion, with the round of each of its rows.
    fn with_round(&self, plan: &LogicalPlan) -> Result<WithRound> {
        match plan {
            LogicalPlan::TableScan(scan) if self.is_scan(scan) => self.rounds(scan),
            LogicalPlan::SubqueryAlias(alias) => {
                let (input, round) = self.with_round(&alias.input)?;
                let alias = SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?;
                let round = Column::new(Some(alias.alias.clone()), round.name);
                Ok((LogicalPlan::SubqueryAlias(alias), round))
            }
            LogicalPlan::Projection(projected) => {
                let (input, round) = self.with_round(&projected.input)?;
                let exprs = projected.expr.iter().cloned().chain([Expr::Column(round.clone())]).collect();
                Ok((projection(exprs, input)?, round))
            }
            LogicalPlan::Filter(filter) => {
                let (input, round) = self.with_round(&filter.input)?;
                Ok((LogicalPlan::Filter(Filter::try_new(filter.predicate.clone(), Arc::new(input))?), round))
            }
            // The rows of a view have no order.
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.with_round(&sort.input),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let (input, round) = self.with_round(input)?;
                Ok((LogicalPlan::Distinct(Distinct::All(Arc::new(input))), round))
            }
            LogicalPlan::Unnest(unnest) => {
                let (input, round) = self.with_round(&unnest.input)?;
                let (columns, options) = (unnest.exec_columns.clone(), unnest.options.clone());
                Ok((LogicalPlan::Unnest(Unnest::try_new(Arc::new(input), columns, options)?), round))
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Limit(_) => Err(self.not_built("LIMIT", "bound the number of rounds: WHERE depth < 100")),
            LogicalPlan::Union(_) => Err(self
                .not_built("a UNION or another set operation", "write one SELECT with a condition for both parts: … ON a OR b")),
            LogicalPlan::Window(_) => Err(self.not_built("OVER", "compute it behind the recursion")),
            LogicalPlan::Distinct(_) => Err(self.not_built("DISTINCT ON", "choose the rows behind the recursion")),
            _ => Err(self.not_built("this form", "write it as a join of the recursion with other tables")),
        }
    }

    fn rounds(&self, scan: &TableScan) -> Result<WithRound> {
        let rounds = Rounds::try_new(self.number, scan.table_name.clone(), &scan.projected_schema)?;
        let round = Column::new(Some(scan.table_name.clone()), ROUND);
        Ok((LogicalPlan::Extension(Extension { node: Arc::new(rounds) }), round))
    }

    fn aggregate(&self, aggregate: &Aggregate) -> Result<WithRound> {
        let is_plain = !aggregate.group_expr.is_empty() && !matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]);
        if !is_plain {
            return Err(
                self.not_built("an aggregate without GROUP BY, or with GROUPING SETS,", "compute it behind the recursion")
            );
        }
        let (input, round) = self.with_round(&aggregate.input)?;
        let groups = aggregate.group_expr.iter().cloned().chain([Expr::Column(round.clone())]).collect();
        let whole = Aggregate::try_new(Arc::new(input), groups, aggregate.aggr_expr.clone())?;
        Ok((LogicalPlan::Aggregate(whole), round))
    }

    fn join(&self, join: &Join) -> Result<WithRound> {
        use JoinType::{Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightMark, RightSemi};
        let keeps_left = matches!(join.join_type, Inner | Left | LeftSemi | LeftAnti | LeftMark);
        let keeps_right = matches!(join.join_type, Inner | Right | RightSemi | RightAnti | RightMark);
        let (left, right, on, round) = match (self.reads(&join.left)?, self.reads(&join.right)?) {
            (true, false) if keeps_left => {
                let (left, round) = self.with_round(&join.left)?;
                (left, join.right.as_ref().clone(), None, round)
            }
            (false, true) if keeps_right => {
                let (right, round) = self.with_round(&join.right)?;
                (join.left.as_ref().clone(), right, None, round)
            }
            (true, true) if keeps_left => {
                let ((left, round), (right, other)) = (self.with_round(&join.left)?, self.with_round(&join.right)?);
                let (right, other) = renamed(right, &other)?;
                (left, right, Some((Expr::Column(round.clone()), Expr::Column(other))), round)
            }
            _ => {
                let hint = format!("write '{}' on the side of which all rows stay", self.name);
                return Err(
                    self.not_built("the recursion on the side of an outer join that may be NULL, or in a sub-query,", &hint)
                );
            }
        };
        let on = join.on.iter().cloned().chain(on).collect();
        let Join { filter, join_type, join_constraint, null_equality, null_aware, .. } = join.clone();
        let (left, right) = (Arc::new(left), Arc::new(right));
        let join = Join::try_new(left, right, on, filter, join_type, join_constraint, null_equality, null_aware)?;
        Ok((LogicalPlan::Join(join), round))
    }

    fn not_built(&self, what: &str, hint: &str) -> DataFusionError {
        let text = format!("{what} in the recursive part of '{}' in a continuous query is not built yet", self.name);
        DataFusionError::External(Box::new(Error::new(Code::NotSupported, text).with_hint(hint)))
    }
}

fn projection(exprs: Vec<Expr>, input: LogicalPlan) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?))
}

fn columns(schema: &DFSchema) -> Vec<Expr> {
    schema.columns().into_iter().map(Expr::Column).collect()
}

/// The plan with its rounds under a name that no other side of a join has.
fn renamed(plan: LogicalPlan, round: &Column) -> Result<WithRound> {
    let name = format!("{ROUND}_{}", plan.schema().fields().len());
    let columns = plan.schema().columns().into_iter().map(|column| match column == *round {
        true => Expr::Column(column).alias(&name),
        false => Expr::Column(column),
    });
    let columns = columns.collect();
    Ok((projection(columns, plan)?, Column::from_name(name)))
}
