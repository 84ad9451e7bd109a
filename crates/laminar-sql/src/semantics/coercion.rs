//! The rule that gives two operands the type at which PostgreSQL lets them meet, and makes operators that compute functions.

use std::sync::Arc;

use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{AggregateFunction, Between, Case, InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Cast as PlainCast, Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Union, lit,
};
use datafusion::optimizer::AnalyzerRule;

use super::arithmetic::{ArithmeticOp, arithmetic, result_type};
use super::cast;
use super::common_type::{common_type, digits, digits_of, finer};
use super::interval::{by_length, is_interval};
use super::untyped::{
    beside, constant_as, fitted, is_text, length_of, narrowed_instant, untyped_text, whole_constant, widest_instant,
};

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const TIME: DataType = DataType::Time64(TimeUnit::Nanosecond);
const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

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

/// The branches of a UNION, each with columns at the types at which all branches meet.
fn coerce_union(mut union: Union) -> Result<Union> {
    let width = union.inputs.first().map_or(0, |input| input.schema().fields().len());
    let targets: Vec<Option<DataType>> = (0..width)
        .map(|column| {
            let types = union
                .inputs
                .iter()
                .filter_map(|input| input.schema().fields().get(column))
                .map(|field| field.data_type().clone());
            meeting_type(types).and_then(|(target, is_ours)| is_ours.then_some(target))
        })
        .collect();
    if targets.iter().all(Option::is_none) {
        return Ok(union);
    }
    let inputs = union.inputs.iter().map(|input| {
        let exprs =
            input.schema().columns().into_iter().zip(input.schema().fields()).zip(&targets).map(|((column, field), target)| {
                let (relation, name) = (column.relation.clone(), column.name.clone());
                match target {
                    Some(target) if target != field.data_type() => {
                        cast_to(Expr::Column(column), field.data_type(), target).alias_qualified(relation, name)
                    }
                    _ => Expr::Column(column),
                }
            });
        let exprs: Vec<Expr> = exprs.collect();
        LogicalPlanBuilder::from(input.as_ref().clone()).project(exprs)?.build().map(Arc::new)
    });
    union.inputs = inputs.collect::<Result<_>>()?;
    Union::try_new(union.inputs)
}

/// An interval in the form in which equal ones are the same; other expressions as they are.
fn comparable(expr: Expr, schema: &DFSchema) -> Expr {
    match type_of(&expr, schema) {
        Some(DataType::Interval(_)) => by_length(expr),
        _ => expr,
    }
}

fn type_of(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    expr.get_type(schema).ok()
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
        Expr::Literal(ScalarValue::UInt64(Some(value)), _) => {
            let exact = ScalarValue::Decimal128(Some(i128::from(value)), 38, 0);
            Transformed::yes(Expr::Literal(fitted(&exact), None))
        }
        Expr::Literal(ScalarValue::Decimal256(..), _) => {
            return plan_err!("a number has at most 38 digits");
        }
        Expr::Between(between) => between_coerced(between, schema)?,
        Expr::InList(list) => Transformed::yes(in_list(list, schema)?),
        Expr::Case(case) => Transformed::yes(case_coerced(case, schema)?),
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

/// Whether `op` says how two values stand to each other.
pub(super) fn compares(op: Operator) -> bool {
    use Operator as O;
    matches!(op, O::Eq | O::NotEq | O::Lt | O::LtEq | O::Gt | O::GtEq | O::IsDistinctFrom | O::IsNotDistinctFrom)
}

fn plain_op(op: ArithmeticOp) -> Operator {
    match op {
        ArithmeticOp::Add => Operator::Plus,
        ArithmeticOp::Subtract => Operator::Minus,
        ArithmeticOp::Multiply => Operator::Multiply,
        ArithmeticOp::Divide => Operator::Divide,
        ArithmeticOp::Modulo => Operator::Modulo,
    }
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) })
}

/// `expr` at the type `target`: a constant is converted here and now, if it fits.
pub(super) fn cast_to(expr: Expr, from: &DataType, target: &DataType) -> Expr {
    if from == target {
        return expr;
    }
    if let Some(constant) = constant_as(&expr, target) {
        return constant;
    }
    match (from, target) {
        // DataFusion would take such a cast off again and cut the constant beside it instead.
        (DataType::Timestamp(..), DataType::Timestamp(..)) => cast::cast(expr, target.clone(), false),
        (DataType::Duration(_), DataType::Interval(_)) => by_length(expr),
        _ => Expr::Cast(PlainCast::new(Box::new(expr), target.clone())),
    }
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

/// A constant without type beside a value with one: the constant takes its type.
fn typed_pair(left: Expr, right: Expr, schema: &DFSchema) -> Result<(Expr, Expr)> {
    let typed = |text: &Expr, other: &Expr| -> Result<Option<Expr>> {
        match (untyped_text(text), type_of(other, schema)) {
            (Some(text), Some(other)) if !is_text(&other) => beside(text, &other),
            _ => Ok(None),
        }
    };
    if let Some(typed) = typed(&left, &right)? {
        return Ok((typed, right));
    }
    match typed(&right, &left)? {
        Some(typed) => Ok((left, typed)),
        None => Ok((left, right)),
    }
}

fn compare(left: Expr, op: Operator, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let (left, right) = typed_pair(left, right, schema)?;
    let (Some(left_type), Some(right_type)) = (type_of(&left, schema), type_of(&right, schema)) else {
        return Ok(binary(left, op, right));
    };
    let (left, right) = comparable_pair(left, &left_type, right, &right_type);
    Ok(binary(left, op, right))
}

/// Both sides of a comparison at a type at which neither loses anything.
fn comparable_pair(left: Expr, left_type: &DataType, right: Expr, right_type: &DataType) -> (Expr, Expr) {
    use DataType as D;
    match (left_type, right_type) {
        (D::Duration(_), D::Duration(_)) => meet(left, left_type, right, right_type),
        (D::Duration(unit), D::Interval(_)) => match as_duration(&right, *unit) {
            Some(right) => (left, right),
            None => (by_length(left), by_length(right)),
        },
        (D::Interval(_), D::Duration(unit)) => match as_duration(&left, *unit) {
            Some(left) => (left, right),
            None => (by_length(left), by_length(right)),
        },
        (D::Interval(_), D::Interval(_)) => (by_length(left), by_length(right)),
        (D::Timestamp(left_unit, _), D::Timestamp(right_unit, _)) if left_unit != right_unit => {
            let left = narrowed_constant(left, *right_unit);
            let right = narrowed_constant(right, *left_unit);
            let types = (constant_type(&left, left_type), constant_type(&right, right_type));
            meet_instants(left, &types.0, right, &types.1)
        }
        _ => meet(left, left_type, right, right_type),
    }
}

fn meet(left: Expr, left_type: &DataType, right: Expr, right_type: &DataType) -> (Expr, Expr) {
    match common_type(left_type, right_type) {
        Some(target) => (cast_to(left, left_type, &target), cast_to(right, right_type, &target)),
        None => (left, right),
    }
}

/// Instants meet at the finer unit. A constant that the finer unit cannot hold lies beyond all values of it, so there the
/// coarser unit tells as much.
fn meet_instants(left: Expr, left_type: &DataType, right: Expr, right_type: &DataType) -> (Expr, Expr) {
    let Some(target) = common_type(left_type, right_type) else { return (left, right) };
    for (expr, own, other) in [(&left, left_type, right_type), (&right, right_type, left_type)] {
        if matches!(expr, Expr::Literal(..)) && own != &target && constant_as(expr, &target).is_none() {
            let (DataType::Timestamp(unit, _), DataType::Timestamp(_, zone)) = (own, other) else { continue };
            let coarse = DataType::Timestamp(*unit, zone.clone());
            return (cast_to(left.clone(), left_type, &coarse), cast_to(right.clone(), right_type, &coarse));
        }
    }
    (cast_to(left, left_type, &target), cast_to(right, right_type, &target))
}

fn narrowed_constant(expr: Expr, unit: TimeUnit) -> Expr {
    match expr {
        Expr::Literal(value, metadata) => Expr::Literal(narrowed_instant(&value, unit), metadata),
        other => other,
    }
}

fn constant_type(expr: &Expr, otherwise: &DataType) -> DataType {
    match expr {
        Expr::Literal(value, _) => value.data_type(),
        _ => otherwise.clone(),
    }
}

/// An interval constant as a distance in `unit`, if it has a whole number of them.
fn as_duration(expr: &Expr, unit: TimeUnit) -> Option<Expr> {
    let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(span)), _) = expr else { return None };
    let nanos = length_of(*span)?;
    let per_unit = 10_i64.pow(9 - digits(unit));
    let count = (nanos % per_unit == 0).then_some(nanos / per_unit);
    Some(Expr::Literal(
        match unit {
            TimeUnit::Second => ScalarValue::DurationSecond(Some(count?)),
            TimeUnit::Millisecond => ScalarValue::DurationMillisecond(Some(count?)),
            TimeUnit::Microsecond => ScalarValue::DurationMicrosecond(Some(count?)),
            TimeUnit::Nanosecond => ScalarValue::DurationNanosecond(Some(count?)),
        },
        None,
    ))
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
    let expr = Box::new(all.remove(0));
    Ok(Expr::InList(InList { expr, list: all, negated: list.negated }))
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
    if !is_ours && !has_text {
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

/// `left op right` as a function that checks what it computes; `None`: DataFusion computes it.
pub(super) fn computed(left: Expr, op: ArithmeticOp, right: Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    match compute(left, op, right, schema)? {
        Expr::BinaryExpr(_) => Ok(None),
        function => Ok(Some(function)),
    }
}

/// `left op right`, as a function that checks what it computes where the types are numbers, days, times or intervals.
fn compute(left: Expr, op: ArithmeticOp, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let (left, right) = typed_operands(left, op, right, schema)?;
    let (Some(left_type), Some(right_type)) = (type_of(&left, schema), type_of(&right, schema)) else {
        return Ok(binary(left, plain_op(op), right));
    };
    Ok(match operands(left, left_type, op, right, right_type) {
        Operands::Ours(left, right) => arithmetic(op, left, right),
        Operands::DataFusions(left, right) => binary(left, plain_op(op), right),
    })
}

/// A constant without type takes that of the other operand; added to a time it is an interval.
fn typed_operands(left: Expr, op: ArithmeticOp, right: Expr, schema: &DFSchema) -> Result<(Expr, Expr)> {
    let is_time = |expr: &Expr| matches!(type_of(expr, schema), Some(DataType::Timestamp(..) | DataType::Date32));
    if let (Some(text), true, ArithmeticOp::Add) = (untyped_text(&right), is_time(&left), op)
        && let Some(interval) = beside(text, &INTERVAL)?
    {
        return Ok((left, interval));
    }
    typed_pair(left, right, schema)
}

/// Two operands at types that fit each other, and who computes with them.
enum Operands {
    Ours(Expr, Expr),
    DataFusions(Expr, Expr),
}

fn operands(left: Expr, left_type: DataType, op: ArithmeticOp, right: Expr, right_type: DataType) -> Operands {
    let is_number = |data_type: &DataType| data_type.is_numeric() && !matches!(data_type, DataType::Decimal256(..));
    if is_number(&left_type) && is_number(&right_type) {
        return numbers(left, &left_type, right, &right_type);
    }
    temporal(left, left_type, op, right, right_type)
}

fn numbers(left: Expr, left_type: &DataType, right: Expr, right_type: &DataType) -> Operands {
    use DataType as D;
    let both = |target: D, left: Expr, right: Expr| {
        Operands::Ours(cast_to(left, left_type, &target), cast_to(right, right_type, &target))
    };
    match (left_type, right_type) {
        (same, other) if same == other => Operands::Ours(left, right),
        (l, r) if l.is_floating() || r.is_floating() => both(D::Float64, left, right),
        (D::Decimal128(..), _) | (_, D::Decimal128(..)) => Operands::Ours(exact(left, left_type), exact(right, right_type)),
        (l, r) => match whole_type(l, r) {
            Some(target) => both(target, left, right),
            None => Operands::Ours(exact(left, left_type), exact(right, right_type)),
        },
    }
}

/// A whole number as a decimal; decimals as they are.
fn exact(expr: Expr, data_type: &DataType) -> Expr {
    if !data_type.is_integer() {
        return expr;
    }
    whole_constant(&expr).unwrap_or_else(|| cast_to(expr, data_type, &DataType::Decimal128(digits_of(data_type), 0)))
}

/// The whole type that holds all values of both; `None` if there is none.
fn whole_type(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType as D;
    let bytes = |data_type: &DataType| data_type.primitive_width().unwrap_or(8);
    let (signed, unsigned) = match (left.is_signed_integer(), right.is_signed_integer()) {
        (true, true) | (false, false) => return Some(if bytes(left) >= bytes(right) { left.clone() } else { right.clone() }),
        (true, false) => (left, right),
        (false, true) => (right, left),
    };
    Some(match bytes(signed).max(2 * bytes(unsigned)) {
        2 => D::Int16,
        4 => D::Int32,
        8 => D::Int64,
        _ => return None,
    })
}

fn temporal(left: Expr, left_type: DataType, op: ArithmeticOp, right: Expr, right_type: DataType) -> Operands {
    use ArithmeticOp::{Add, Divide, Multiply, Subtract};
    use DataType as D;
    match (&left_type, op, &right_type) {
        (D::Date32, Add | Subtract, whole) if whole.is_integer() => Operands::Ours(left, cast_to(right, whole, &D::Int64)),
        (whole, Add, D::Date32) if whole.is_integer() => Operands::Ours(right, cast_to(left, whole, &D::Int64)),
        (D::Date32, Subtract, D::Date32) => Operands::Ours(left, right),
        (D::Date32, Add | Subtract, span) if is_interval(span) => {
            instant_and_interval(cast_to(left, &D::Date32, &MICROS), &MICROS, right, span)
        }
        (span, Add, D::Date32) if is_interval(span) => {
            instant_and_interval(cast_to(right, &D::Date32, &MICROS), &MICROS, left, span)
        }
        (D::Date32, Add, time) if *time == TIME => Operands::Ours(cast_to(left, &D::Date32, &MICROS), right),
        (time, Add, D::Date32) if *time == TIME => Operands::Ours(cast_to(right, &D::Date32, &MICROS), left),
        (D::Date32, Subtract, instant @ D::Timestamp(..)) => Operands::DataFusions(cast_to(left, &D::Date32, instant), right),
        (instant @ D::Timestamp(..), Subtract, D::Date32) => Operands::DataFusions(left, cast_to(right, &D::Date32, instant)),
        (D::Timestamp(..), Subtract, D::Timestamp(..)) => {
            let (left, right) = meet(left, &left_type, right, &right_type);
            Operands::DataFusions(left, right)
        }
        (instant @ D::Timestamp(..), Add | Subtract, span) if is_interval(span) => {
            instant_and_interval(left, instant, right, span)
        }
        (span, Add, instant @ D::Timestamp(..)) if is_interval(span) => instant_and_interval(right, instant, left, span),
        (time, Add | Subtract, span) if *time == TIME && is_interval(span) => {
            Operands::Ours(left, cast_to(right, span, &INTERVAL))
        }
        (span, Add, time) if *time == TIME && is_interval(span) => Operands::Ours(right, cast_to(left, span, &INTERVAL)),
        (time, Subtract, other) if *time == TIME && *other == TIME => Operands::Ours(left, right),
        (span, Multiply | Divide, number) if is_interval(span) && number.is_numeric() => {
            interval_and_number(left, span, op, right, number)
        }
        (number, Multiply, span) if is_interval(span) && number.is_numeric() => {
            interval_and_number(right, span, op, left, number)
        }
        (l, Add | Subtract, r) if is_interval(l) && is_interval(r) => {
            let (left, right) = meet(left, l, right, r);
            Operands::DataFusions(left, right)
        }
        (l, _, r) if result_type(op, l, r).is_some() => Operands::Ours(left, right),
        _ => Operands::DataFusions(left, right),
    }
}

/// An instant and an interval, the instant at a unit that the sum needs.
fn instant_and_interval(instant: Expr, instant_type: &DataType, span: Expr, span_type: &DataType) -> Operands {
    let DataType::Timestamp(unit, zone) = instant_type else { return Operands::DataFusions(instant, span) };
    let needed = match (&span, span_type) {
        (Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(span)), _), _) => unit_of(span.nanoseconds),
        (_, DataType::Duration(unit)) => *unit,
        _ => TimeUnit::Microsecond,
    };
    let target = DataType::Timestamp(finer(*unit, needed), zone.clone());
    let instant = cast_to(instant, instant_type, &target);
    let span = match (span_type, &target) {
        (DataType::Duration(_), DataType::Timestamp(unit, _)) => cast_to(span, span_type, &DataType::Duration(*unit)),
        _ => cast_to(span, span_type, &INTERVAL),
    };
    Operands::DataFusions(instant, span)
}

/// The coarsest unit that divides `nanos`.
fn unit_of(nanos: i64) -> TimeUnit {
    match nanos {
        nanos if nanos % 1_000_000_000 == 0 => TimeUnit::Second,
        nanos if nanos % 1_000_000 == 0 => TimeUnit::Millisecond,
        nanos if nanos % 1_000 == 0 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

fn interval_and_number(span: Expr, span_type: &DataType, op: ArithmeticOp, number: Expr, number_type: &DataType) -> Operands {
    let span = cast_to(span, span_type, &INTERVAL);
    let whole = number_type.is_integer() && op == ArithmeticOp::Multiply && *number_type != DataType::UInt64;
    let target = if whole { DataType::Int64 } else { DataType::Float64 };
    Operands::Ours(span, cast_to(number, number_type, &target))
}
