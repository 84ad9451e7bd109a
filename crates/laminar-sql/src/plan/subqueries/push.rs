//! Pushes a domain down a plan: the result has the domain's columns before those of the plan, and holds for each combination of
//! outer values the rows that the plan gives for it.

use std::sync::Arc;

use datafusion::common::{Column, DFSchema, NullEquality, Result, ScalarValue, TableReference, not_impl_err, plan_err};
use datafusion::functions::expr_fn::coalesce;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{
    Aggregate, Distinct, EmptyRelation, Expr, ExprFunctionExt, ExprSchemable, FetchType, Filter, GroupingSet, Join, JoinType,
    Limit, LogicalPlan, LogicalPlanBuilder, Operator, Projection, SkipType, SortExpr, SubqueryAlias, Union, Window, binary_expr,
    lit, when,
};

use super::domain::{Domain, columns_in, is_set_number, same, shown_columns};
use super::references::outer_columns;
use crate::parse::rewrite::SetOperation;
use crate::plan::rules::numbered;

/// As many sets as in PostgreSQL.
const CUBE_KEYS_MAX: usize = 12;

/// `plan` for every row of `domain`.
pub(super) fn push(plan: LogicalPlan, domain: &Domain) -> Result<LogicalPlan> {
    // The one row of a SELECT without FROM adds nothing.
    if let LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: true, .. }) = &plan {
        return Ok(domain.plan.clone());
    }
    if !depends(&plan, domain)? {
        return LogicalPlanBuilder::from(domain.plan.clone()).cross_join(without_set_number(plan)?)?.build();
    }
    match plan {
        LogicalPlan::Projection(projection) => {
            let shown = projection.expr.into_iter().filter(is_shown);
            let exprs = shown.map(|expr| domain.bind(expr)).collect::<Result<Vec<_>>>()?;
            let input = push(Arc::unwrap_or_clone(projection.input), domain)?;
            LogicalPlanBuilder::from(input).project(domain.columns().into_iter().chain(exprs).collect::<Vec<_>>())?.build()
        }
        LogicalPlan::Filter(filter) => {
            let input = push(Arc::unwrap_or_clone(filter.input), domain)?;
            Ok(LogicalPlan::Filter(Filter::try_new(domain.bind_unnamed(filter.predicate)?, Arc::new(input))?))
        }
        LogicalPlan::SubqueryAlias(alias) => {
            if SetOperation::of_marker(alias.alias.table()).is_some() {
                return of_sides(alias, domain);
            }
            let schema = Arc::clone(&alias.schema);
            named(push(Arc::unwrap_or_clone(alias.input), domain)?, domain, &schema)
        }
        LogicalPlan::Subquery(subquery) => push(Arc::unwrap_or_clone(subquery.subquery), domain),
        LogicalPlan::Aggregate(aggregate) => aggregated(aggregate, domain),
        LogicalPlan::Join(join) => joined(join, domain),
        LogicalPlan::Union(union) => united(union, domain),
        LogicalPlan::Distinct(Distinct::All(input)) => {
            LogicalPlanBuilder::from(push(Arc::unwrap_or_clone(input), domain)?).distinct()?.build()
        }
        LogicalPlan::Distinct(Distinct::On(distinct)) => push(numbered(distinct)?, domain),
        // Without a LIMIT the order of a sub-query means nothing.
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => push(Arc::unwrap_or_clone(sort.input), domain),
        LogicalPlan::Limit(limit) => limited(limit, domain),
        LogicalPlan::Window(window) => windowed(window, domain),
        LogicalPlan::Unnest(unnest) => {
            let input = push(Arc::unwrap_or_clone(unnest.input), domain)?;
            LogicalPlanBuilder::from(input).unnest_columns_with_options(unnest.exec_columns, unnest.options)?.build()
        }
        other => {
            let kind = other.display().to_string();
            let kind = kind.split([':', ' ']).next().unwrap_or_default().to_owned();
            not_impl_err!("a correlated sub-query over {kind}")
        }
    }
}

/// Whether `plan`, which reads from nothing but outer values, works on each combination of them for itself.
pub(super) fn is_row_by_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        LogicalPlan::SubqueryAlias(alias) => {
            SetOperation::of_marker(alias.alias.table()).is_none() && is_row_by_row(&alias.input)
        }
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::Unnest(_) => is_row_by_row(plan.inputs()[0]),
        LogicalPlan::Subquery(subquery) => is_row_by_row(&subquery.subquery),
        _ => false,
    }
}

fn depends(plan: &LogicalPlan, domain: &Domain) -> Result<bool> {
    Ok(outer_columns(plan)?.iter().any(|column| domain.outer.contains(column)))
}

/// Whether an expression of a projection is more than the column by which an aggregate below tells its sets apart.
fn is_shown(expr: &Expr) -> bool {
    !matches!(expr, Expr::Column(column) if is_set_number(column.relation.as_ref(), &column.name))
}

/// `plan`, whose first columns are the domain's, with the names that `schema` gives to the others.
fn named(plan: LogicalPlan, domain: &Domain, schema: &DFSchema) -> Result<LogicalPlan> {
    let mut columns = columns_in(plan.schema());
    let own = columns.split_off(domain.width());
    let shown = schema.iter().filter(|(qualifier, field)| !is_set_number(*qualifier, field.name()));
    let own = own.into_iter().zip(shown);
    let own = own.map(|(column, (qualifier, field))| column.alias_qualified(qualifier.cloned(), field.name()));
    let exprs: Vec<Expr> = domain.named(columns).into_iter().chain(own).collect();
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}

/// Groups within each combination of outer values. Without GROUP BY there is a row for each, also where nothing is aggregated.
fn aggregated(aggregate: Aggregate, domain: &Domain) -> Result<LogicalPlan> {
    let Aggregate { input, group_expr, aggr_expr, schema, .. } = aggregate;
    let bound = |exprs: Vec<Expr>| exprs.into_iter().map(|expr| domain.bind(expr)).collect::<Result<Vec<_>>>();
    let calls = bound(aggr_expr.clone())?;
    let pushed = LogicalPlanBuilder::from(push(Arc::unwrap_or_clone(input), domain)?);
    let grouped = match group_expr.as_slice() {
        [Expr::GroupingSet(sets)] => {
            let sets = sets_of(sets)?.into_iter().map(bound).collect::<Result<Vec<_>>>()?;
            let over_nothing = sets.iter().filter(|set| set.is_empty()).count();
            let keyed = sets.into_iter().map(|set| domain.columns().into_iter().chain(set).collect()).collect();
            let sets = vec![Expr::GroupingSet(GroupingSet::GroupingSets(keyed))];
            let grouped = without_set_number(pushed.aggregate(sets, calls)?.build()?)?;
            match over_nothing {
                0 => return named(grouped, domain, &schema),
                1 => grouped,
                _ => return not_impl_err!("a correlated sub-query in which several sets of GROUPING SETS are empty"),
            }
        }
        _ => {
            let is_scalar = group_expr.is_empty();
            let groups: Vec<Expr> = domain.columns().into_iter().chain(bound(group_expr)?).collect();
            let grouped = pushed.aggregate(groups, calls)?.build()?;
            if !is_scalar {
                return named(grouped, domain, &schema);
            }
            grouped
        }
    };
    with_a_row_for_nothing(grouped, &aggr_expr, domain, &schema)
}

/// `grouped`, whose last columns are those of `calls`, with a row for each combination of outer values that has none.
fn with_a_row_for_nothing(grouped: LogicalPlan, calls: &[Expr], domain: &Domain, schema: &DFSchema) -> Result<LogicalPlan> {
    let found = TableReference::bare("__found");
    let mut columns = columns_in(grouped.schema());
    let results = columns.split_off(domain.width());
    let exprs: Vec<Expr> = domain.named_as(columns, &found).into_iter().chain(results).collect();
    let grouped = LogicalPlanBuilder::from(grouped).project(exprs)?.build()?;
    let conditions = same(domain.columns(), domain.columns_of(&found));
    let all = LogicalPlanBuilder::from(domain.plan.clone()).join_on(grouped, JoinType::Left, conditions)?.build()?;
    let results = all.schema().columns().into_iter().skip(2 * domain.width());
    let keys = results.len() - calls.len();
    let results = results.enumerate().map(|(index, column)| match index.checked_sub(keys) {
        Some(call) => of_nothing(column, &calls[call], all.schema()),
        None => Ok(Expr::Column(column)),
    });
    let exprs: Vec<Expr> = domain.columns().into_iter().map(Ok).chain(results).collect::<Result<_>>()?;
    named(LogicalPlanBuilder::from(all).project(exprs)?.build()?, domain, schema)
}

/// The result of an aggregate in `column`, where NULL can mean that there was no row: a count of nothing is 0, and it has no keys.
fn of_nothing(column: Column, call: &Expr, schema: &DFSchema) -> Result<Expr> {
    let instead = match call.clone().unalias() {
        Expr::AggregateFunction(call) => match call.func.name() {
            "count" | "regr_count" | "approx_distinct" => Some(0),
            "grouping" => Some((1 << call.params.args.len()) - 1),
            _ => None,
        },
        _ => None,
    };
    let name = column.name.clone();
    let column = Expr::Column(column);
    let Some(instead) = instead else { return Ok(column) };
    let instead = ScalarValue::Int64(Some(instead)).cast_to(&column.get_type(schema)?)?;
    Ok(when(column.clone().is_null(), lit(instead)).otherwise(column)?.alias(name))
}

/// The keys of each set, first the one with all keys: their order is that of the columns.
fn sets_of(sets: &GroupingSet) -> Result<Vec<Vec<Expr>>> {
    Ok(match sets {
        GroupingSet::GroupingSets(sets) => sets.clone(),
        GroupingSet::Rollup(keys) => (0..=keys.len()).rev().map(|length| keys[..length].to_vec()).collect(),
        GroupingSet::Cube(keys) if keys.len() > CUBE_KEYS_MAX => {
            return plan_err!("CUBE of {} keys has more than {} sets", keys.len(), 1_u32 << CUBE_KEYS_MAX);
        }
        GroupingSet::Cube(keys) => {
            let set = |chosen: u32| {
                keys.iter().enumerate().filter(|(key, _)| chosen >> key & 1 == 1).map(|(_, key)| key.clone()).collect()
            };
            (0..1_u32 << keys.len()).rev().map(set).collect()
        }
    })
}

/// Grouped rows without the column by which GROUPING tells sets apart: it is the aggregate's own.
fn without_set_number(grouped: LogicalPlan) -> Result<LogicalPlan> {
    let columns = shown_columns(grouped.schema());
    if columns.len() == grouped.schema().fields().len() {
        return Ok(grouped);
    }
    LogicalPlanBuilder::from(grouped).project(columns)?.build()
}

/// A join needs the domain on the sides that read it, and on each side whose rows are kept without a partner.
fn joined(join: Join, domain: &Domain) -> Result<LogicalPlan> {
    use JoinType as J;
    let (left_reads, right_reads) = (depends(&join.left, domain)?, depends(&join.right, domain)?);
    let (on_left, on_right) = match join.join_type {
        J::Inner => (left_reads || !right_reads, right_reads),
        J::Left | J::LeftSemi | J::LeftAnti | J::LeftMark => (true, right_reads),
        J::Right | J::RightSemi | J::RightAnti | J::RightMark => (left_reads, true),
        J::Full => (true, true),
    };
    let other = TableReference::bare("__other");
    let (left, right) = (Arc::unwrap_or_clone(join.left), Arc::unwrap_or_clone(join.right));
    let left = if on_left { push(left, domain)? } else { left };
    let right = if on_right { push(right, domain)? } else { right };
    let right = if on_left && on_right { renamed(right, domain, &other)? } else { right };
    let equal = if join.null_equality == NullEquality::NullEqualsNull { Operator::IsNotDistinctFrom } else { Operator::Eq };
    let on = join.on.into_iter().map(|(left, right)| binary_expr(left, equal, right));
    let mut conditions = on.chain(join.filter).map(|expr| domain.bind_unnamed(expr)).collect::<Result<Vec<_>>>()?;
    if on_left && on_right {
        conditions.extend(same(domain.columns(), domain.columns_of(&other)));
    }
    let joined = LogicalPlanBuilder::from(left).join_on(right, join.join_type, conditions)?.build()?;
    let own = match (join.join_type, on_left && on_right) {
        (J::Full, _) => {
            let pairs = domain.columns().into_iter().zip(domain.columns_of(&other));
            pairs.map(|(left, right)| coalesce(vec![left, right])).collect()
        }
        (J::Right | J::RightSemi | J::RightAnti | J::RightMark, true) => domain.columns_of(&other),
        _ => domain.columns(),
    };
    let rest = shown_columns(&join.schema);
    LogicalPlanBuilder::from(joined).project(domain.named(own).into_iter().chain(rest).collect::<Vec<_>>())?.build()
}

/// A pushed plan with another name for the domain's columns.
fn renamed(plan: LogicalPlan, domain: &Domain, name: &TableReference) -> Result<LogicalPlan> {
    let mut columns = columns_in(plan.schema());
    let rest = columns.split_off(domain.width());
    let exprs: Vec<Expr> = domain.named_as(columns, name).into_iter().chain(rest).collect();
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}

fn united(union: Union, domain: &Domain) -> Result<LogicalPlan> {
    let schema = Arc::clone(&union.schema);
    named(union_of(union, domain)?, domain, &schema)
}

/// INTERSECT and EXCEPT of rows with the outer values before them: rows of other combinations are other rows.
fn of_sides(alias: SubqueryAlias, domain: &Domain) -> Result<LogicalPlan> {
    let schema = Arc::clone(&alias.schema);
    let LogicalPlan::Union(union) = Arc::unwrap_or_clone(alias.input) else {
        return plan_err!("{} has lost its sides", alias.alias);
    };
    let sides = LogicalPlanBuilder::from(union_of(union, domain)?).alias(alias.alias)?.build()?;
    named(sides, domain, &schema)
}

fn union_of(union: Union, domain: &Domain) -> Result<LogicalPlan> {
    let mut all: Option<LogicalPlanBuilder> = None;
    for input in union.inputs {
        let pushed = push(Arc::unwrap_or_clone(input), domain)?;
        let columns = columns_in(pushed.schema()).into_iter().enumerate();
        let plain: Vec<Expr> = columns.map(|(index, column)| column.alias(format!("u{index}"))).collect();
        let pushed = LogicalPlanBuilder::from(pushed).project(plain)?.build()?;
        all = Some(match all {
            Some(all) => all.union(pushed)?,
            None => LogicalPlanBuilder::from(pushed),
        });
    }
    let Some(all) = all else { return not_impl_err!("a correlated sub-query over a union of nothing") };
    all.build()
}

/// The first rows for each combination of outer values.
fn limited(limit: Limit, domain: &Domain) -> Result<LogicalPlan> {
    let (SkipType::Literal(skip), FetchType::Literal(fetch)) = (limit.get_skip_type()?, limit.get_fetch_type()?) else {
        return not_impl_err!("a correlated sub-query with a LIMIT that is no constant");
    };
    let (input, order) = match Arc::unwrap_or_clone(limit.input) {
        // The order is known below a projection.
        LogicalPlan::Projection(projection) => {
            let below = LogicalPlan::Limit(Limit { skip: limit.skip, fetch: limit.fetch, input: projection.input });
            let projection = Projection::try_new_with_schema(projection.expr, Arc::new(below), projection.schema)?;
            return push_projection(projection, domain);
        }
        LogicalPlan::Distinct(Distinct::On(distinct)) => {
            let input = Arc::new(numbered(distinct)?);
            return limited(Limit { skip: limit.skip, fetch: limit.fetch, input }, domain);
        }
        LogicalPlan::Sort(sort) => (Arc::unwrap_or_clone(sort.input), sort.expr),
        other => (other, Vec::new()),
    };
    let pushed = push(input, domain)?;
    let kept = columns_in(pushed.schema());
    let order = order.into_iter().map(|sort| Ok(SortExpr { expr: domain.bind_unnamed(sort.expr)?, ..sort }));
    let order = order.collect::<Result<Vec<_>>>()?;
    let number = row_number().partition_by(domain.columns());
    let number = if order.is_empty() { number.build()? } else { number.order_by(order).build()? };
    let position = Expr::Column(Column::new_unqualified(number.schema_name().to_string()));
    let after = position.clone().gt(lit(skip as u64));
    let wanted = match fetch {
        Some(fetch) => after.and(position.lt_eq(lit((skip + fetch) as u64))),
        None => after,
    };
    LogicalPlanBuilder::from(pushed).window([number])?.filter(wanted)?.project(kept)?.build()
}

fn push_projection(projection: Projection, domain: &Domain) -> Result<LogicalPlan> {
    let exprs = projection.expr.into_iter().map(|expr| domain.bind(expr)).collect::<Result<Vec<_>>>()?;
    let LogicalPlan::Limit(limit) = Arc::unwrap_or_clone(projection.input) else {
        return not_impl_err!("a correlated sub-query with LIMIT");
    };
    let input = limited(limit, domain)?;
    LogicalPlanBuilder::from(input).project(domain.columns().into_iter().chain(exprs).collect::<Vec<_>>())?.build()
}

/// OVER sees the rows of one combination of outer values at a time.
fn windowed(window: Window, domain: &Domain) -> Result<LogicalPlan> {
    let schema = Arc::clone(&window.schema);
    let input = push(Arc::unwrap_or_clone(window.input), domain)?;
    let exprs = window.window_expr.into_iter().map(|expr| {
        let expr = domain.bind_unnamed(expr.unalias())?;
        let Expr::WindowFunction(mut call) = expr else { return not_impl_err!("a correlated sub-query with OVER") };
        let WindowFunction { params, .. } = call.as_mut();
        params.partition_by = domain.columns().into_iter().chain(std::mem::take(&mut params.partition_by)).collect();
        Ok(Expr::WindowFunction(call))
    });
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    named(LogicalPlan::Window(Window::try_new(exprs, Arc::new(input))?), domain, &schema)
}
