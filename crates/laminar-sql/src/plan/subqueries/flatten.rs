//! Finds sub-queries in the expressions of a plan and joins them to the rows that they belong to.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchemaRef, ExprSchema, Result, ScalarValue, Spans, not_impl_err, plan_err};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, FetchType, Filter, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, ScalarUDF, SkipType, Sort,
    SortExpr, Subquery, Window, lit,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use super::domain::{Domain, columns_in, same, shown_columns};
use super::push::{is_row_by_row, push};
use super::references::{has_subquery, is_plain, outer_columns};
use crate::functions::{Only, Quantified, Quantifier};
use crate::plan::rules::numbered;

/// `plan` without correlated sub-queries in its expressions.
pub(in crate::plan) fn flatten(plan: LogicalPlan) -> Result<LogicalPlan> {
    flatten_with(plan, Uncorrelated::StaysInside)
}

/// `plan` without sub-queries in its expressions, but for an IN or EXISTS of which DataFusion makes a join.
pub(in crate::plan) fn flatten_to_joins(plan: LogicalPlan) -> Result<LogicalPlan> {
    flatten_with(plan, Uncorrelated::IsJoined)
}

fn flatten_with(plan: LogicalPlan, uncorrelated: Uncorrelated) -> Result<LogicalPlan> {
    let flat = Flattening { names: 0, uncorrelated }.plan(plan)?;
    // Such as in an ORDER BY over columns that the result does not have.
    if !outer_columns(&flat)?.is_empty() {
        return not_impl_err!("a sub-query that reads columns which are not there where it stands");
    }
    Ok(flat)
}

/// What becomes of a value that is the same for all rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Uncorrelated {
    /// It is a sub-query still, which is computed once.
    StaysInside,
    /// It is a column of each row.
    IsJoined,
}

/// Numbers the relations that it adds.
struct Flattening {
    names: usize,
    uncorrelated: Uncorrelated,
}

impl Flattening {
    fn plan(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        Ok(plan.transform_up(|node| self.node(node))?.data)
    }

    fn name(&mut self, what: &str) -> String {
        self.names += 1;
        format!("__{what}_{}", self.names)
    }

    fn node(&mut self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        // What stands behind LATERAL and reads nothing of what is before it, or no longer, is a relation as any other.
        if let LogicalPlan::Subquery(subquery) = &node
            && outer_columns(&subquery.subquery)?.is_empty()
        {
            return Ok(Transformed::yes(subquery.subquery.as_ref().clone()));
        }
        if let LogicalPlan::Join(join) = &node
            && !outer_columns(&join.right)?.iter().any(|column| join.left.schema().has_column(column))
            && !join.filter.as_ref().is_some_and(has_subquery)
        {
            return Ok(Transformed::no(node));
        }
        let joins = matches!(node, LogicalPlan::Join(_));
        if !joins && !node.expressions().iter().any(has_subquery) {
            return Ok(Transformed::no(node));
        }
        Ok(Transformed::yes(match node {
            LogicalPlan::Filter(filter) => self.filter(filter)?,
            LogicalPlan::Projection(projection) => {
                let (mut input, order) = apart_from_order(Arc::unwrap_or_clone(projection.input));
                let exprs = self.named_exprs(projection.expr, &mut input)?;
                let rows = LogicalPlanBuilder::from(input);
                let rows = if order.is_empty() { rows } else { rows.sort(order)? };
                rows.project(exprs)?.build()?
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate)?,
            LogicalPlan::Sort(sort) => self.sort(sort)?,
            LogicalPlan::Join(join) => self.join(join)?,
            LogicalPlan::Window(window) => self.window(window)?,
            LogicalPlan::Distinct(Distinct::On(distinct)) => self.plan(numbered(distinct)?)?,
            LogicalPlan::Values(values) => {
                let mut rows = Vec::with_capacity(values.values.len());
                for row in values.values {
                    let mut input = LogicalPlanBuilder::empty(true).build()?;
                    let row = row.into_iter().map(|expr| self.value(expr, &mut input)).collect::<Result<Vec<_>>>()?;
                    let names = values.schema.fields().iter().zip(row);
                    let row: Vec<Expr> = names.map(|(field, expr)| expr.alias(field.name())).collect();
                    rows.push(LogicalPlanBuilder::from(input).project(row)?.build()?);
                }
                let mut rows = rows.into_iter();
                let Some(first) = rows.next() else { return plan_err!("VALUES without rows") };
                rows.try_fold(LogicalPlanBuilder::from(first), |all, row| all.union(row))?.build()?
            }
            other => {
                let kind = other.display().to_string();
                let kind = kind.split([':', ' ']).next().unwrap_or_default().to_uppercase();
                return not_impl_err!("a sub-query inside of {kind}");
            }
        }))
    }

    /// IN and EXISTS that are conjuncts of a filter stay where DataFusion makes a join of them.
    fn filter(&mut self, filter: Filter) -> Result<LogicalPlan> {
        let mut input = Arc::unwrap_or_clone(filter.input);
        let kept = shown_columns(input.schema());
        // A sub-query is computed for the values of the rows that the other conditions leave.
        let decides = |conjunct: &&Expr| !has_subquery(conjunct) && !conjunct.contains_outer();
        let (first, rest): (Vec<&Expr>, Vec<&Expr>) = split_conjunction(&filter.predicate).into_iter().partition(decides);
        if let Some(first) = conjunction(first.into_iter().cloned()) {
            input = LogicalPlan::Filter(Filter::try_new(first, Arc::new(input))?);
        }
        let mut conjuncts = Vec::new();
        for conjunct in rest {
            conjuncts.push(match self.joinable(conjunct, &input)? {
                Some(joinable) => joinable,
                None => self.value(conjunct.clone(), &mut input)?,
            });
        }
        let predicate = conjunction(conjuncts).unwrap_or(lit(true));
        let filter = LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?);
        narrowed(filter, kept)
    }

    /// The conjunct with its sub-query flattened inside, if DataFusion can take it from there.
    fn joinable(&mut self, conjunct: &Expr, input: &LogicalPlan) -> Result<Option<Expr>> {
        let of = |subquery: &Subquery, plan: LogicalPlan| Subquery {
            outer_ref_columns: plan.all_out_ref_exprs(),
            subquery: Arc::new(plan),
            spans: subquery.spans.clone(),
        };
        Ok(match conjunct {
            Expr::Not(inner) => match inner.as_ref() {
                Expr::Exists(exists) => {
                    let exists = Expr::Exists(Exists { subquery: exists.subquery.clone(), negated: !exists.negated });
                    self.joinable(&exists, input)?
                }
                Expr::InSubquery(found) => {
                    let found = InSubquery { negated: !found.negated, ..found.clone() };
                    self.joinable(&Expr::InSubquery(found), input)?
                }
                _ => None,
            },
            Expr::Exists(exists) => {
                let plan = self.plan(any_row(exists.subquery.subquery.as_ref().clone())?)?;
                let plan = self.with_names_of_its_own(plan)?;
                is_plain(&plan, input.schema())?
                    .then(|| Expr::Exists(Exists { subquery: of(&exists.subquery, plan), negated: exists.negated }))
            }
            Expr::InSubquery(found) if !has_subquery(&found.expr) => {
                let plan = with_head(self.plan(found.subquery.subquery.as_ref().clone())?)?;
                let plan = self.with_names_of_its_own(plan)?;
                let uncorrelated = outer_columns(&plan)?.is_empty();
                // NOT IN is a join by the value; one that is the same for all rows is no key, and NULL would not be seen in one that is made so.
                let is_key = varies(&found.expr, input.schema()) && !makes_null(&found.expr, input.schema(), plan.schema());
                let plain = if found.negated { uncorrelated && is_key } else { is_plain(&plan, input.schema())? };
                plain.then(|| Expr::InSubquery(InSubquery { subquery: of(&found.subquery, plan), ..found.clone() }))
            }
            Expr::SetComparison(found) => match (found.op, &found.quantifier) {
                (Operator::Eq, SetQuantifier::Any) => self.joinable(&membership(found, false), input)?,
                (Operator::NotEq, SetQuantifier::All) => self.joinable(&membership(found, true), input)?,
                _ => None,
            },
            _ => None,
        })
    }

    /// What `plan` selects under new names: DataFusion puts the columns that its conditions read beside those.
    fn with_names_of_its_own(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let LogicalPlan::Projection(projection) = plan else { return Ok(plan) };
        let name = self.name("selected");
        let exprs = projection.expr.into_iter().enumerate();
        let exprs = exprs.map(|(index, expr)| expr.unalias().alias(format!("{name}_{index}")));
        LogicalPlanBuilder::from(Arc::unwrap_or_clone(projection.input)).project(exprs.collect::<Vec<_>>())?.build()
    }

    fn aggregate(&mut self, aggregate: Aggregate) -> Result<LogicalPlan> {
        let mut input = Arc::unwrap_or_clone(aggregate.input);
        let groups = self.named_exprs(aggregate.group_expr, &mut input)?;
        let calls = self.named_exprs(aggregate.aggr_expr, &mut input)?;
        LogicalPlanBuilder::from(input).aggregate(groups, calls)?.build()
    }

    fn window(&mut self, window: Window) -> Result<LogicalPlan> {
        let kept = columns_in(&window.schema);
        let mut input = Arc::unwrap_or_clone(window.input);
        let calls = self.named_exprs(window.window_expr, &mut input)?;
        narrowed(LogicalPlan::Window(Window::try_new(calls, Arc::new(input))?), kept)
    }

    fn sort(&mut self, mut sort: Sort) -> Result<LogicalPlan> {
        let mut input = Arc::unwrap_or_clone(sort.input);
        let kept = shown_columns(input.schema());
        for key in &mut sort.expr {
            key.expr = self.value(key.expr.clone(), &mut input)?;
        }
        narrowed(LogicalPlan::Sort(Sort { input: Arc::new(input), ..sort }), kept)
    }

    /// An inner join whose condition has sub-queries is a filter over pairs; a side that reads the other one is LATERAL.
    fn join(&mut self, mut join: datafusion::logical_expr::Join) -> Result<LogicalPlan> {
        let kept = columns_in(&join.schema);
        let condition = join.filter.as_ref().is_some_and(has_subquery);
        if condition && join.join_type != JoinType::Inner {
            return not_impl_err!("a sub-query in the ON of an outer join");
        }
        let behind = if condition { join.filter.take() } else { None };
        let on = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
        let mut conditions: Vec<Expr> = on.chain(join.filter).collect();
        let left = Arc::unwrap_or_clone(join.left);
        let mut right = Arc::unwrap_or_clone(join.right);
        let read: Vec<Column> = outer_columns(&right)?.into_iter().filter(|column| left.schema().has_column(column)).collect();
        if !read.is_empty() {
            if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
                return not_impl_err!("LATERAL on the right side of a {} join", join.join_type);
            }
            if join.join_type == JoinType::Inner && behind.is_none() && is_row_by_row(&right) {
                return narrowed(self.beside_its_row(&left, right, conditions)?, kept);
            }
            let outer = read.iter().cloned().map(Expr::Column).collect();
            let domain = Domain::new(&left, read, self.name("domain"))?;
            right = push(right, &domain)?;
            conditions.extend(same(outer, domain.columns()));
        }
        let joined = LogicalPlanBuilder::from(left).join_on(right, join.join_type, conditions)?.build()?;
        let joined = narrowed(joined, kept)?;
        match behind {
            Some(predicate) => self.filter(Filter::try_new(predicate, Arc::new(joined))?),
            None => Ok(joined),
        }
    }

    /// The rows of `left`, each beside those that `right` gives for it.
    fn beside_its_row(&mut self, left: &LogicalPlan, right: LogicalPlan, conditions: Vec<Expr>) -> Result<LogicalPlan> {
        let domain = Domain::of_rows(left, self.name("rows"))?;
        let own = columns_in(right.schema());
        let names = domain.columns().into_iter().zip(left.schema().iter());
        let named = names.map(|(column, (relation, field))| column.alias_qualified(relation.cloned(), field.name()));
        let rows = LogicalPlanBuilder::from(push(right, &domain)?).project(named.chain(own).collect::<Vec<_>>())?;
        match conjunction(conditions) {
            Some(condition) => rows.filter(condition)?.build(),
            None => rows.build(),
        }
    }

    /// The expressions without sub-queries, under their old names.
    fn named_exprs(&mut self, exprs: Vec<Expr>, input: &mut LogicalPlan) -> Result<Vec<Expr>> {
        let named = |expr: Expr| {
            if !has_subquery(&expr) {
                return Ok(expr);
            }
            let (relation, name) = expr.qualified_name();
            Ok(self.value(expr, input)?.unalias().alias_qualified(relation, name))
        };
        exprs.into_iter().map(named).collect()
    }

    /// `expr` with a column of `input`, which gets a join for it, instead of each sub-query.
    fn value(&mut self, expr: Expr, input: &mut LogicalPlan) -> Result<Expr> {
        let flat = expr.transform_up(|part| {
            Ok(match part {
                Expr::Exists(Exists { subquery, negated }) => {
                    let rows = AggregateFunction::new_udf(count_udaf(), vec![lit(1_i64)], false, None, vec![], None);
                    let subquery = Subquery { subquery: Arc::new(any_row(subquery.subquery.as_ref().clone())?), ..subquery };
                    let count = self.collected(&subquery, |_| rows.clone(), input)?;
                    let zero = lit(0_i64);
                    Transformed::yes(if negated { count.eq(zero) } else { count.gt(zero) })
                }
                Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                    let found = self.compared(*expr, Operator::Eq, Quantifier::Any, &subquery, input)?;
                    Transformed::yes(if negated { Expr::Not(Box::new(found)) } else { found })
                }
                Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
                    let quantifier = if quantifier == SetQuantifier::Any { Quantifier::Any } else { Quantifier::All };
                    Transformed::yes(self.compared(*expr, op, quantifier, &subquery, input)?)
                }
                Expr::ScalarSubquery(subquery) => Transformed::yes(self.single(&subquery, input)?),
                other => Transformed::no(other),
            })
        })?;
        Ok(flat.data)
    }

    fn compared(
        &mut self,
        value: Expr,
        op: Operator,
        quantifier: Quantifier,
        subquery: &Subquery,
        input: &mut LogicalPlan,
    ) -> Result<Expr> {
        let Some(function) = Quantified::over_query(op, quantifier) else {
            return plan_err!("ANY and ALL compare by =, <>, <, <=, > and >=, not by {op}");
        };
        let list = self.collected(subquery, |column| all_of(column, true), input)?;
        Ok(function.call(vec![value, list]))
    }

    /// The one value of a scalar sub-query: more than one row is an error, no row is NULL.
    fn single(&mut self, subquery: &Subquery, input: &mut LogicalPlan) -> Result<Expr> {
        let plan = self.plan(subquery.subquery.as_ref().clone())?;
        one_column(&plan)?;
        if gives_one_row(&plan) {
            return self.joined(plan, input);
        }
        // DataFusion takes the value for one that is never NULL if the column is not, or will not be when constants are folded; without a row it is.
        let collected = aggregate_of(plan, |column| all_of(column, false))?;
        let list = self.joined(collected, input)?;
        Ok(ScalarUDF::new_from_impl(Only::new()).call(vec![list]))
    }

    /// The aggregate `call` over the only column of a sub-query.
    fn collected(
        &mut self,
        subquery: &Subquery,
        call: impl Fn(Expr) -> AggregateFunction,
        input: &mut LogicalPlan,
    ) -> Result<Expr> {
        let plan = self.plan(subquery.subquery.as_ref().clone())?;
        self.joined(aggregate_of(plan, call)?, input)
    }

    /// The value of `plan`, which has one row and one column for each combination of outer values.
    fn joined(&mut self, plan: LogicalPlan, input: &mut LogicalPlan) -> Result<Expr> {
        let outer = outer_columns(&plan)?;
        if outer.is_empty() && self.uncorrelated == Uncorrelated::IsJoined {
            return self.beside(plan, input);
        }
        if outer.is_empty() {
            let subquery = Subquery { subquery: Arc::new(plan), outer_ref_columns: vec![], spans: Spans::new() };
            return Ok(Expr::ScalarSubquery(subquery));
        }
        let own: Vec<Column> = outer.into_iter().filter(|column| input.schema().has_column(column)).collect();
        let (domain, name) = (Domain::new(input, own.clone(), self.name("domain"))?, self.name("value"));
        let pushed = if own.is_empty() { plan } else { push(plan, &domain)? };
        let columns = columns_in(pushed.schema()).into_iter().enumerate();
        let plain: Vec<Expr> = columns.map(|(index, column)| column.alias(format!("v{index}"))).collect();
        let values = LogicalPlanBuilder::from(pushed).project(plain)?.alias(name.clone())?.build()?;
        let mut columns = columns_in(values.schema());
        let Some(value) = columns.pop() else { return plan_err!("a sub-query without columns") };
        let mut conditions = same(own.into_iter().map(Expr::Column).collect(), columns);
        if conditions.is_empty() {
            // It reads columns of a query further out alone, and is the same for all rows here.
            conditions.push(lit(true));
        }
        *input = LogicalPlanBuilder::from(input.clone()).join_on(values, JoinType::Left, conditions)?.build()?;
        Ok(value)
    }

    /// The value of `plan`, which has one row and one column, beside all rows.
    fn beside(&mut self, plan: LogicalPlan, input: &mut LogicalPlan) -> Result<Expr> {
        let column = one_column(&plan)?.alias("v0");
        let value = LogicalPlanBuilder::from(plan).project(vec![column])?.alias(self.name("value"))?.build()?;
        let column = one_column(&value)?;
        let rows = input.clone();
        *input = match rows {
            LogicalPlan::EmptyRelation(nothing) if nothing.produce_one_row => value,
            rows => LogicalPlanBuilder::from(rows).cross_join(value)?.build()?,
        };
        Ok(column)
    }
}

/// `plan` without the order of its rows, and that order, which a join would not keep: DISTINCT ON has it below what it selects.
fn apart_from_order(plan: LogicalPlan) -> (LogicalPlan, Vec<SortExpr>) {
    match plan {
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => (Arc::unwrap_or_clone(sort.input), sort.expr),
        // Keys with sub-queries have columns that are hidden again above the sort.
        LogicalPlan::Projection(hides) if hides.expr.iter().all(|shown| matches!(shown, Expr::Column(_))) => {
            match hides.input.as_ref() {
                LogicalPlan::Sort(sort) if sort.fetch.is_none() => (sort.input.as_ref().clone(), sort.expr.clone()),
                _ => (LogicalPlan::Projection(hides), Vec::new()),
            }
        }
        other => (other, Vec::new()),
    }
}

/// Whether `expr` may have another value in other rows of `schema`, once constants are folded.
fn varies(expr: &Expr, schema: &DFSchemaRef) -> bool {
    let context = SimplifyContext::builder().with_schema(Arc::clone(schema)).build();
    let folded = ExprSimplifier::new(context).simplify(expr.clone());
    !folded.as_ref().unwrap_or(expr).column_refs().is_empty()
}

/// Whether `expr` may be NULL although none of its columns is, nor what it is compared with: DataFusion looks at columns alone to tell whether NOT IN
/// meets NULL.
fn makes_null(expr: &Expr, schema: &DFSchemaRef, compared: &DFSchemaRef) -> bool {
    let is_never_null = |column: &Column| schema.field_from_column(column).is_ok_and(|field| !field.is_nullable());
    let has_null = compared.fields().iter().any(|field| field.is_nullable());
    let of_its_own = |part: &Expr| {
        let calls_nullif = matches!(part, Expr::ScalarFunction(call) if call.name() == "nullif");
        Ok(calls_nullif || matches!(part, Expr::Case(_) | Expr::Literal(ScalarValue::Null, _)))
    };
    !has_null && expr.column_refs().into_iter().all(is_never_null) && expr.exists(of_its_own).unwrap_or(true)
}

/// `plan` where nothing is asked but whether there is a row: neither its order matters nor a LIMIT that leaves one.
fn any_row(plan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => any_row(Arc::unwrap_or_clone(sort.input)),
        LogicalPlan::Limit(limit) => match (limit.get_skip_type()?, limit.get_fetch_type()?) {
            (SkipType::Literal(0), FetchType::Literal(fetch)) if fetch.is_none_or(|fetch| fetch > 0) => {
                any_row(Arc::unwrap_or_clone(limit.input))
            }
            _ => Ok(LogicalPlan::Limit(limit)),
        },
        other => Ok(other),
    }
}

/// `plan` with a column that DataFusion finds at its head, which it does not in VALUES.
fn with_head(plan: LogicalPlan) -> Result<LogicalPlan> {
    if plan.head_output_expr()?.is_some() {
        return Ok(plan);
    }
    let columns = columns_in(plan.schema());
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// `x = ANY (…)` as `x IN (…)`, and `x <> ALL (…)` as `x NOT IN (…)`.
fn membership(found: &SetComparison, negated: bool) -> Expr {
    Expr::InSubquery(InSubquery { expr: found.expr.clone(), subquery: found.subquery.clone(), negated })
}

fn all_of(column: Expr, distinct: bool) -> AggregateFunction {
    AggregateFunction::new_udf(array_agg_udaf(), vec![column], distinct, None, vec![], None)
}

fn one_column(plan: &LogicalPlan) -> Result<Expr> {
    match columns_in(plan.schema()).as_slice() {
        [column] => Ok(column.clone()),
        columns => plan_err!("a sub-query that stands for one value has {} columns", columns.len()),
    }
}

/// `SELECT call(column) FROM plan`.
fn aggregate_of(plan: LogicalPlan, call: impl Fn(Expr) -> AggregateFunction) -> Result<LogicalPlan> {
    let column = columns_in(plan.schema()).into_iter().next().unwrap_or(lit(ScalarValue::Null));
    let call = Expr::AggregateFunction(call(column)).alias("collected");
    LogicalPlanBuilder::from(plan).aggregate(Vec::<Expr>::new(), vec![call])?.build()
}

/// Whether `plan` is an aggregate without groups, perhaps under a projection.
fn gives_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => gives_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => gives_one_row(&alias.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        _ => false,
    }
}

/// `plan` without the columns that joins have added.
fn narrowed(plan: LogicalPlan, kept: Vec<Expr>) -> Result<LogicalPlan> {
    if plan.schema().fields().len() == kept.len() {
        return Ok(plan);
    }
    LogicalPlanBuilder::from(plan).project(kept)?.build()
}
