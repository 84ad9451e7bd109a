//! The rule that gives two operands the type at which PostgreSQL lets them meet, and makes operators that compute functions.

use std::sync::Arc;

use arrow_schema::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{AggregateFunction, Between, Case, InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Cast as PlainCast, Distinct, Expr, LogicalPlan, LogicalPlanBuilder, Operator, Union, lit,
};
use datafusion::optimizer::AnalyzerRule;

use super::arithmetic::{ArithmeticOp, arithmetic, operator_of, result_type};
use super::cast;
use super::common_type::common_type;
use super::interval::{by_length, is_interval};
use super::meeting::{binary, cast_to, compare, compares, type_of};
use super::operands::compute;
use super::untyped::{beside, constant_as, is_text, untyped_text, widest_instant};

/// Runs before DataFusion's own coercion, which then finds little left to do.
#[derive(Debug, Default)]
pub(crate) struct CoercionRule;

impl AnalyzerRule for CoercionRule {
    fn name(&self) -> &str {
        "postgres_coercion"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(coerce_node)?.data)
    }
}

fn coerce_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = input_schema(&plan)?;
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let saved = names.save(&expr);
        let coerced = expr.transform_up(|expr| coerce(expr, &schema))?;
        Ok(coerced.update_data(|expr| saved.restore(expr)))
    })?
    .map_data(|plan| coerce_plan(plan, &schema))?
    .map_data(|plan| plan.recompute_schema())
}

/// All columns that the expressions of `plan` can name.
pub(super) fn input_schema(plan: &LogicalPlan) -> Result<DFSchema> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = plan {
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    Ok(schema)
}

/// What a node compares, sorts or joins without an expression that says so.
fn coerce_plan(plan: LogicalPlan, schema: &DFSchema) -> Result<LogicalPlan> {
    let names = NamePreserver::new(&plan);
    match plan {
        LogicalPlan::Join(mut join) => {
            let pairs =
                std::mem::take(&mut join.on).into_iter().map(|(left, right)| match compare(left, Operator::Eq, right, schema)? {
                    Expr::BinaryExpr(BinaryExpr { left, right, .. }) => Ok((*left, *right)),
                    other => plan_err!("a join over {other}"),
                });
            join.on = pairs.collect::<Result<_>>()?;
            Ok(LogicalPlan::Join(join))
        }
        LogicalPlan::Sort(mut sort) => {
            for key in &mut sort.expr {
                key.expr = comparable(key.expr.clone(), schema);
            }
            Ok(LogicalPlan::Sort(sort))
        }
        LogicalPlan::Aggregate(mut aggregate) => {
            let grouped = std::mem::take(&mut aggregate.group_expr).into_iter().map(|expr| {
                let saved = names.save(&expr);
                saved.restore(comparable(expr, schema))
            });
            aggregate.group_expr = grouped.collect();
            Ok(LogicalPlan::Aggregate(aggregate))
        }
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let columns = input.schema().columns();
            if !columns
                .iter()
                .any(|column| type_of(&Expr::Column(column.clone()), input.schema()).is_some_and(|t| is_interval(&t)))
            {
                return Ok(LogicalPlan::Distinct(Distinct::All(input)));
            }
            let exprs = columns.into_iter().map(|column| {
                let (relation, name) = (column.relation.clone(), column.name.clone());
                match comparable(Expr::Column(column), input.schema()) {
                    plain @ Expr::Column(_) => plain,
                    comparable => comparable.alias_qualified(relation, name),
                }
            });
            let exprs: Vec<Expr> = exprs.collect();
            LogicalPlanBuilder::from(input.as_ref().clone()).project(exprs)?.distinct()?.build()
        }
        // The columns' types were settled when the cells had other ones.
        LogicalPlan::Values(values) => LogicalPlanBuilder::values(values.values)?.build(),
        LogicalPlan::Union(union) => coerce_union(union).map(LogicalPlan::Union),
        other => Ok(other),
    }
}

/// The branches of a UNION, each with columns at the types at which all branches meet, and with the names of the first branch: where all
/// others are empty, DataFusion looks for them in the one that is left.
fn coerce_union(mut union: Union) -> Result<Union> {
    let width = union.inputs.first().map_or(0, |input| input.schema().fields().len());
    let targets: Vec<Option<DataType>> = (0..width)
        .map(|column| {
            let type_in = |input: &Arc<LogicalPlan>| Some(input.schema().fields().get(column)?.data_type().clone());
            let (untyped, typed): (Vec<_>, Vec<_>) = union.inputs.iter().partition(|input| is_untyped(input, column));
            // A text without a type becomes what stands beside it, as in PostgreSQL.
            let becomes = !untyped.is_empty() && typed.iter().any(|input| type_in(input).is_some_and(|t| !t.is_null()));
            let inputs = if becomes { typed } else { union.inputs.iter().collect() };
            meeting_type(inputs.into_iter().filter_map(type_in)).map(|(target, _)| target)
        })
        .collect();
    let Some(first) = union.inputs.first().map(|first| Arc::clone(first.schema())) else { return Ok(union) };
    let settled = |input: &Arc<LogicalPlan>| {
        input.schema().fields().iter().zip(&targets).all(|(field, target)| target.as_ref().is_none_or(|t| t == field.data_type()))
    };
    if union.inputs.iter().all(settled) && !union.inputs.iter().any(|input| has_other_names(input, &first)) {
        return Ok(union);
    }
    union.inputs = union.inputs.iter().map(|input| branch(input, &targets, &first).map(Arc::new)).collect::<Result<_>>()?;
    // DataFusion's own rule comes after this one, when expressions above have been typed already.
    Union::try_new_with_loose_types(union.inputs)
}

/// Whether a column of a branch is a text in quotes.
fn is_untyped(input: &LogicalPlan, column: usize) -> bool {
    let LogicalPlan::Projection(projection) = input else { return false };
    projection.expr.get(column).is_some_and(|expr| untyped_text(&expr.clone().unalias()).is_some())
}

/// Whether a column of `input` is called otherwise than that of `first`.
fn has_other_names(input: &LogicalPlan, first: &DFSchema) -> bool {
    input.schema().fields().iter().zip(first.fields()).any(|(own, first)| own.name() != first.name())
}

/// A branch of a UNION with columns of the types `targets`, as far as these are known.
fn branch(input: &LogicalPlan, targets: &[Option<DataType>], first: &DFSchema) -> Result<LogicalPlan> {
    let renamed = has_other_names(input, first);
    let columns = input.schema().columns().into_iter().zip(input.schema().fields()).zip(first.fields()).zip(targets);
    let exprs = columns.map(|(((column, field), first), target)| {
        let (relation, name) = (column.relation.clone(), if renamed { first.name().clone() } else { column.name.clone() });
        match target {
            Some(target) if target != field.data_type() => {
                cast_to(Expr::Column(column), field.data_type(), target).alias_qualified(relation, name)
            }
            _ if renamed => Expr::Column(column).alias(name),
            _ => Expr::Column(column),
        }
    });
    let exprs: Vec<Expr> = exprs.collect();
    LogicalPlanBuilder::from(input.clone()).project(exprs)?.build()
}

/// An interval in the form in which equal ones are the same; other expressions as they are.
fn comparable(expr: Expr, schema: &DFSchema) -> Expr {
    match type_of(&expr, schema) {
        Some(DataType::Interval(_)) => by_length(expr),
        _ => expr,
    }
}

/// One expression whose parts are coerced already.
fn coerce(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let coerced = match arithmetic_op(op) {
                Some(op) => compute(*left, op, *right, schema)?,
                None if compares(op) => compare(*left, op, *right, schema)?,
                None => Expr::BinaryExpr(BinaryExpr { left, op, right }),
            };
            Transformed::yes(coerced)
        }
        Expr::Negative(inner) => Transformed::yes(negative(*inner, schema)),
        // DataFusion runs these as comparisons, which it takes for nullable then and not before.
        Expr::IsUnknown(inner) => Transformed::yes(Expr::IsNull(inner)),
        Expr::IsNotUnknown(inner) => Transformed::yes(Expr::IsNotNull(inner)),
        Expr::IsTrue(inner) => Transformed::yes(binary(*inner, Operator::IsNotDistinctFrom, lit(true))),
        Expr::IsFalse(inner) => Transformed::yes(binary(*inner, Operator::IsNotDistinctFrom, lit(false))),
        Expr::IsNotTrue(inner) => Transformed::yes(binary(*inner, Operator::IsDistinctFrom, lit(true))),
        Expr::IsNotFalse(inner) => Transformed::yes(binary(*inner, Operator::IsDistinctFrom, lit(false))),
        Expr::Cast(PlainCast { expr, field }) => match (untyped_text(&expr), field.data_type()) {
            (Some(text), DataType::Timestamp(TimeUnit::Nanosecond, zone)) => {
                let value = widest_instant(&ScalarValue::Utf8(Some(text.to_owned())), zone.clone())?;
                Transformed::yes(Expr::Literal(value, None))
            }
            (Some(text), target) if cast::is_ours(&DataType::Utf8, target) => {
                let value = cast::convert_value(&ScalarValue::Utf8(Some(text.to_owned())), target)?;
                Transformed::yes(Expr::Literal(value, None))
            }
            _ => Transformed::no(Expr::Cast(PlainCast { expr, field })),
        },
        Expr::Literal(ScalarValue::Decimal256(..), _) => {
            return plan_err!("a number has at most 38 digits");
        }
        Expr::Between(between) => between_coerced(between, schema)?,
        Expr::InList(list) => Transformed::yes(in_list(list, schema)?),
        Expr::Case(case) => Transformed::yes(case_coerced(case, schema)?),
        Expr::ScalarFunction(call) if operator_of(&call).is_some() => computed_anew(call, schema)?,
        Expr::ScalarFunction(mut call) if picks_an_argument(&call) => {
            call.args = unified(call.args, schema)?;
            Transformed::yes(Expr::ScalarFunction(call))
        }
        Expr::AggregateFunction(mut call) => {
            aggregate_arguments(&mut call, schema);
            Transformed::yes(Expr::AggregateFunction(call))
        }
        other => Transformed::no(other),
    })
}

fn arithmetic_op(op: Operator) -> Option<ArithmeticOp> {
    Some(match op {
        Operator::Plus => ArithmeticOp::Add,
        Operator::Minus => ArithmeticOp::Subtract,
        Operator::Multiply => ArithmeticOp::Multiply,
        Operator::Divide => ArithmeticOp::Divide,
        Operator::Modulo => ArithmeticOp::Modulo,
        _ => return None,
    })
}

/// `-expr`, checked: the least whole number has no negative.
fn negative(inner: Expr, schema: &DFSchema) -> Expr {
    match type_of(&inner, schema) {
        Some(whole) if whole.is_integer() => match ScalarValue::new_zero(&whole) {
            Ok(zero) => arithmetic(ArithmeticOp::Subtract, lit(zero), inner),
            Err(_) => Expr::Negative(Box::new(inner)),
        },
        _ => Expr::Negative(Box::new(inner)),
    }
}

/// An operator whose operands have got other types since it was read: those of a CASE are known only now.
fn computed_anew(call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if let (Some(op), [left, right]) = (operator_of(&call), call.args.as_slice())
        && let (Some(left_type), Some(right_type)) = (type_of(left, schema), type_of(right, schema))
        && result_type(op, &left_type, &right_type).is_none()
    {
        return compute(left.clone(), op, right.clone(), schema).map(Transformed::yes);
    }
    Ok(Transformed::no(Expr::ScalarFunction(call)))
}

/// `expr BETWEEN low AND high` as two comparisons, if one of them needs a type of its own.
fn between_coerced(between: Between, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let plain = |from: &Expr, to: &Expr| {
        let types = (type_of(from, schema), type_of(to, schema));
        match types {
            (Some(left), Some(right)) => left == right && !matches!(left, DataType::Interval(_)),
            _ => true,
        }
    };
    if plain(&between.expr, &between.low) && plain(&between.expr, &between.high) {
        return Ok(Transformed::no(Expr::Between(between)));
    }
    let expr = *between.expr;
    let (low, high) = if between.negated { (Operator::Lt, Operator::Gt) } else { (Operator::GtEq, Operator::LtEq) };
    let low = compare(expr.clone(), low, *between.low, schema)?;
    let high = compare(expr, high, *between.high, schema)?;
    Ok(Transformed::yes(if between.negated { low.or(high) } else { low.and(high) }))
}

fn in_list(list: InList, schema: &DFSchema) -> Result<Expr> {
    let mut all = vec![*list.expr];
    all.extend(list.list);
    let mut all = unified(all, schema)?;
    if all.iter().any(|expr| matches!(type_of(expr, schema), Some(DataType::Interval(_)))) {
        all = all.into_iter().map(by_length).collect();
    }
    let expr = all.remove(0);
    Ok(if all.iter().all(is_constant) {
        Expr::InList(InList { expr: Box::new(expr), list: all, negated: list.negated })
    } else {
        equal_to_one_of(&expr, all, list.negated)
    })
}

/// Whether an element of a list is the same for all rows.
fn is_constant(element: &Expr) -> bool {
    let differs = |expr: &Expr| {
        Ok(matches!(
            expr,
            Expr::Column(_) | Expr::OuterReferenceColumn(..) | Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_)
        ))
    };
    !element.exists(differs).unwrap_or(true)
}

/// `expr = a OR expr IN (constants)`: DataFusion's list takes for constant what gives one value for no row, as CASE does over columns.
fn equal_to_one_of(expr: &Expr, list: Vec<Expr>, negated: bool) -> Expr {
    let (constant, computed): (Vec<Expr>, Vec<Expr>) = list.into_iter().partition(is_constant);
    let constant = (!constant.is_empty()).then(|| expr.clone().in_list(constant, false));
    let is_one = constant.into_iter().chain(computed.into_iter().map(|element| expr.clone().eq(element))).reduce(Expr::or);
    let is_one = is_one.unwrap_or_else(|| lit(false));
    if negated { !is_one } else { is_one }
}

fn case_coerced(mut case: Case, schema: &DFSchema) -> Result<Expr> {
    if let Some(base) = case.expr.take() {
        let mut compared = vec![*base];
        compared.extend(case.when_then_expr.iter().map(|(when, _)| when.as_ref().clone()));
        let mut compared = unified(compared, schema)?;
        if compared.iter().any(|expr| matches!(type_of(expr, schema), Some(DataType::Interval(_)))) {
            compared = compared.into_iter().map(by_length).collect();
        }
        case.expr = Some(Box::new(compared.remove(0)));
        for ((when, _), coerced) in case.when_then_expr.iter_mut().zip(compared) {
            **when = coerced;
        }
    }
    let branches = case.when_then_expr.iter().map(|(_, then)| then.as_ref()).chain(case.else_expr.as_deref());
    let mut branches = unified(branches.cloned().collect(), schema)?.into_iter();
    for (_, then) in &mut case.when_then_expr {
        if let Some(branch) = branches.next() {
            **then = branch;
        }
    }
    if let (Some(otherwise), Some(branch)) = (&mut case.else_expr, branches.next()) {
        **otherwise = branch;
    }
    Ok(Expr::Case(case))
}

/// Whether a function gives back one of its arguments, so that these must have one type.
fn picks_an_argument(call: &ScalarFunction) -> bool {
    matches!(call.func.name(), "coalesce" | "nvl" | "ifnull" | "nullif" | "greatest" | "least" | "make_array")
}

/// Expressions at the type at which all meet, if DataFusion's choice would lose something.
pub(super) fn unified(exprs: Vec<Expr>, schema: &DFSchema) -> Result<Vec<Expr>> {
    let types = |exprs: &[Expr]| exprs.iter().map(|expr| type_of(expr, schema)).collect::<Vec<_>>();
    let typed = exprs.iter().filter(|expr| untyped_text(expr).is_none());
    let Some((typed, _)) = meeting_type(typed.filter_map(|expr| type_of(expr, schema))) else { return Ok(exprs) };
    let mut has_text = false;
    let with_types = exprs.into_iter().map(|expr| match untyped_text(&expr) {
        Some(text) if !is_text(&typed) => {
            has_text = true;
            Ok(beside(text, &typed)?.unwrap_or(expr))
        }
        _ => Ok(expr),
    });
    let exprs: Vec<Expr> = with_types.collect::<Result<_>>()?;
    let types = types(&exprs);
    let Some((target, is_ours)) = meeting_type(types.iter().flatten().cloned()) else { return Ok(exprs) };
    // Functions around it are chosen by the type that the first one has, before DataFusion would widen it.
    let is_widened = target.is_integer() && types.iter().flatten().any(|own| !own.is_null() && *own != target);
    if !is_ours && !has_text && !is_widened {
        return Ok(exprs);
    }
    let unify = |(expr, data_type): (Expr, Option<DataType>)| match data_type {
        Some(DataType::Null) | None => expr,
        Some(own) => cast_to(expr, &own, &target),
    };
    Ok(exprs.into_iter().zip(types).map(unify).collect())
}

/// The type at which values of all `types` meet, and whether it is one that DataFusion would not choose.
fn meeting_type(types: impl Iterator<Item = DataType>) -> Option<(DataType, bool)> {
    let mut types = types.filter(|data_type| !data_type.is_null());
    let mut target = types.next()?;
    let mut is_ours = false;
    for other in types {
        if other == target {
            continue;
        }
        target = match common_type(&target, &other) {
            Some(common) => {
                is_ours = true;
                common
            }
            None => type_union_coercion(&target, &other)?,
        };
    }
    Some((target, is_ours))
}

/// Intervals are told apart and ordered by their lengths in aggregates too.
fn aggregate_arguments(call: &mut AggregateFunction, schema: &DFSchema) {
    let compares = call.params.distinct || matches!(call.func.name(), "min" | "max");
    if compares {
        for arg in &mut call.params.args {
            *arg = comparable(arg.clone(), schema);
        }
    }
    for key in &mut call.params.order_by {
        key.expr = comparable(key.expr.clone(), schema);
    }
    // These read their numbers from the plan, and want them as DOUBLE.
    if call.func.name().contains("percentile") || call.func.name().contains("quantile") {
        for arg in &mut call.params.args {
            if let Expr::Literal(ScalarValue::Decimal128(..), _) = arg
                && let Some(double) = constant_as(arg, &DataType::Float64)
            {
                *arg = double;
            }
        }
    }
}
