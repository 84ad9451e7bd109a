//! Tries every call that has constants among its arguments once, before any row comes: a unit, pattern, format or position with which it could never
//! give a value is a mistake of the statement, and no fault of each row.
//!
//! The other arguments are NULL for the trial. A call that fails then, although it takes NULL everywhere, fails because of its constants. Functions that look
//! at their constants only when there is something to do are tried with a value too, if they take every value of its type.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError, ScalarValue};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, Volatility};
use datafusion::physical_expr::create_physical_expr;
use datafusion::sql::sqlparser::ast::{self, Query};
use laminar_core::panics::caught;
use laminar_core::{Code, Error, Result, Span};

use crate::ast_walk::walk_expressions;
use crate::plan::errors::{explained, from_datafusion, from_sqlparser};

/// A function that is configured by some of its arguments.
struct Configured {
    name: &'static str,
    /// The arguments that are no configuration: what [`sample`] gives is taken there.
    data: &'static [usize],
    /// What to write where it is configured wrongly.
    hint: &'static str,
}

const fn configured(name: &'static str, data: &'static [usize], hint: &'static str) -> Configured {
    Configured { name, data, hint }
}

const CONFIGURED: &[Configured] = &[
    configured(
        "date_trunc",
        &[1],
        "the units are: microsecond, millisecond, second, minute, hour, day, week, month, quarter, year",
    ),
    configured(
        "date_part",
        &[1],
        "the parts are: epoch, year, isoyear, quarter, month, week, day, doy, dow, isodow, hour, minute, second, millisecond, microsecond, nanosecond",
    ),
    configured("date_bin", &[1, 2], "write an interval of a fixed length that is not zero, such as INTERVAL '15 minutes'"),
    configured("to_char", &[0], ""),
    configured("date_format", &[0], ""),
    configured("split_part", &[0, 1], "fields are counted from 1, or from -1 at the end"),
    configured("regexp_like", &[0], REGEX),
    configured("regexp_match", &[0], REGEX),
    configured("regexp_replace", &[0, 2], REGEX),
    configured("regexp_count", &[0], REGEX),
    configured("regexp_instr", &[0], REGEX),
    configured("substr", &[0, 1], "a length is not negative"),
    configured("substring", &[0, 1], "a length is not negative"),
    configured("encode", &[0], "the encodings are: base64, hex"),
    configured("decode", &[0], "the encodings are: base64, hex"),
    configured("generate_series", &[0, 1], "the step is not zero"),
    configured("range", &[0, 1], "the step is not zero"),
    configured("digest", &[0], "the algorithms are: md5, sha224, sha256, sha384, sha512, blake2s, blake2b, blake3"),
    configured("timezone", &[], ZONE),
    configured("overlay", &[0, 1], "characters are counted from 1"),
    configured("width_bucket", &[0], "there is at least one bucket, and its bounds differ"),
];

const ZONE: &str = "write the name of a zone, such as 'Europe/Berlin', or an offset, such as '+02:00'";
const REGEX: &str = "check its brackets and flags; a backslash before a character takes it as it is";

/// Fails if a call in `plan` can never give a value because of its constants. `query` and `text` tell where it stands.
pub(crate) fn check_constant_arguments(plan: &LogicalPlan, state: &SessionState, query: &Query, text: &str) -> Result<()> {
    let mut trials = Trials { state, seen: HashSet::new(), fault: None };
    let walked = plan.apply_with_subqueries(|node| {
        let mut schema = None;
        for expr in node.expressions() {
            expr.apply(|part| {
                if trials.fault.is_none() && is_candidate(part) {
                    let schema = schema.get_or_insert_with(|| merge_schema(&node.inputs()));
                    trials.check(part, schema);
                }
                Ok(if trials.fault.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })?;
        }
        Ok(if trials.fault.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.map_err(from_datafusion)?;
    match trials.fault {
        Some(fault) => Err(fault.error(query, text)),
        None => Ok(()),
    }
}

/// Whether `expr` has arguments that could be wrong for every row.
fn is_candidate(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => {
            call.func.signature().volatility == Volatility::Immutable
                && !call.func.name().starts_with("__")
                && call.args.iter().any(is_constant)
                // With a NULL beside them constants are never looked at: the answer is NULL.
                && !call.args.iter().any(is_null)
        }
        Expr::BinaryExpr(binary) => is_regex(binary.op) && is_constant(&binary.right),
        Expr::SimilarTo(like) | Expr::Like(like) => is_constant(&like.pattern),
        Expr::Cast(cast) => names_zone(cast.field.data_type()),
        Expr::TryCast(cast) => names_zone(cast.field.data_type()),
        _ => false,
    }
}

fn is_regex(op: Operator) -> bool {
    matches!(op, Operator::RegexMatch | Operator::RegexIMatch | Operator::RegexNotMatch | Operator::RegexNotIMatch)
}

fn names_zone(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, Some(_)))
}

/// Whether `expr` has the same value for every row, and is not NULL as written.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => !value.is_null(),
        Expr::Cast(cast) => is_constant(&cast.expr),
        Expr::Negative(inner) => is_constant(inner),
        Expr::Alias(alias) => is_constant(&alias.expr),
        _ => false,
    }
}

/// Whether `expr` is NULL as written.
fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.is_null(),
        Expr::Cast(cast) => is_null(&cast.expr),
        Expr::Alias(alias) => is_null(&alias.expr),
        _ => false,
    }
}

/// A call that can never give a value.
struct Fault {
    error: DataFusionError,
    /// The function, if it is one.
    function: Option<String>,
    hint: &'static str,
    constants: Vec<String>,
}

struct Trials<'a> {
    state: &'a SessionState,
    /// What was tried before: the same calls stand in several nodes of a plan.
    seen: HashSet<Expr>,
    fault: Option<Fault>,
}

impl Trials<'_> {
    fn check(&mut self, expr: &Expr, schema: &DFSchema) {
        let Some(trial) = Trial::of(expr, schema) else { return };
        let is_of_time = |field: &Arc<Field>| matches!(field.data_type(), DataType::Timestamp(..) | DataType::Date32);
        if matches!(expr, Expr::Cast(_) | Expr::TryCast(_)) && !trial.schema.fields().iter().all(is_of_time) {
            return;
        }
        if !self.seen.insert(trial.expr.clone()) {
            return;
        }
        self.fault = self.tried(&trial).map(|error| {
            let (function, hint) = match expr {
                Expr::ScalarFunction(call) => (Some(call.func.name().to_owned()), of(call.func.name()).map_or("", |of| of.hint)),
                Expr::Cast(_) | Expr::TryCast(_) => (None, ZONE),
                _ => (None, REGEX),
            };
            Fault { error, function, hint, constants: trial.constants }
        });
    }

    /// Why the call can never give a value, if it cannot.
    fn tried(&self, trial: &Trial) -> Option<DataFusionError> {
        if let Some(values) = trial.takes_every_value().then(|| trial.values()).flatten()
            && let Some(error) = self.failure(&trial.expr, &trial.schema, values)
        {
            return Some(error);
        }
        if trial.schema.fields().is_empty() {
            return None;
        }
        let error = self.failure(&trial.expr, &trial.schema, nulls(&trial.schema)?)?;
        let (without, schema) = trial.without_constants()?;
        let fails_anyway = self.failure(&without, &schema, nulls(&schema)?).is_some();
        (!fails_anyway).then_some(error)
    }

    /// How `expr` fails over one row of `values`. What is a mistake of ours counts for nothing.
    fn failure(&self, expr: &Expr, schema: &Schema, values: Vec<ScalarValue>) -> Option<DataFusionError> {
        let evaluated = caught(|| Ok(self.evaluated(expr, schema, &values)));
        match evaluated.ok()?.err()?.find_root() {
            DataFusionError::Internal(_) => None,
            DataFusionError::NotImplemented(what) => Some(DataFusionError::NotImplemented(what.clone())),
            root => Some(DataFusionError::External(Box::new(explained(root)))),
        }
    }

    fn evaluated(&self, expr: &Expr, schema: &Schema, values: &[ScalarValue]) -> Result<(), DataFusionError> {
        let columns = values.iter().map(ScalarValue::to_array).collect::<Result<Vec<_>, _>>()?;
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(1));
        let batch = RecordBatch::try_new_with_options(Arc::new(schema.clone()), columns, &options)?;
        let schema = DFSchema::try_from(schema.clone())?;
        let planning = PhysicalPlanningContext::default();
        let physical = create_physical_expr(expr, &schema, self.state.execution_props(), &planning)?;
        physical.evaluate(&batch)?.into_array(1).map(drop)
    }
}

/// A call with columns for whatever is not constant.
struct Trial {
    expr: Expr,
    schema: Schema,
    /// Which arguments are columns now.
    variable: Vec<usize>,
    constants: Vec<String>,
}

impl Trial {
    fn of(expr: &Expr, schema: &DFSchema) -> Option<Self> {
        let (mut fields, mut constants, mut variable, mut index) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let replaced = expr.clone().map_children(|child| {
            index += 1;
            if is_constant(&child) {
                constants.push(text_of(&child));
                return Ok(Transformed::no(child));
            }
            let name = format!("v{}", fields.len());
            fields.push(Field::new(&name, child.get_type(schema)?, true));
            variable.push(index - 1);
            Ok(Transformed::yes(Expr::Column(Column::new_unqualified(name))))
        });
        Some(Self { expr: replaced.ok()?.data, schema: Schema::new(fields), variable, constants })
    }

    /// Whether the call takes every value where its columns stand, so that it is its constants that are wrong if it fails.
    fn takes_every_value(&self) -> bool {
        match &self.expr {
            Expr::ScalarFunction(call) => {
                of(call.func.name()).is_some_and(|configured| self.variable.iter().all(|index| configured.data.contains(index)))
            }
            _ => true,
        }
    }

    /// A value for each column; none if there is a type of which none is known.
    fn values(&self) -> Option<Vec<ScalarValue>> {
        self.schema.fields().iter().map(|field| sample(field.data_type())).collect()
    }

    /// The same call with columns in place of its constants too.
    fn without_constants(&self) -> Option<(Expr, Schema)> {
        let before = DFSchema::try_from(self.schema.clone()).ok()?;
        let mut fields = Vec::new();
        let replaced = self.expr.clone().map_children(|child| {
            let name = format!("v{}", fields.len());
            fields.push(Field::new(&name, child.get_type(&before)?, true));
            Ok(Transformed::yes(Expr::Column(Column::new_unqualified(name))))
        });
        Some((replaced.ok()?.data, Schema::new(fields)))
    }
}

fn nulls(schema: &Schema) -> Option<Vec<ScalarValue>> {
    schema.fields().iter().map(|field| ScalarValue::try_from(field.data_type()).ok()).collect()
}

/// A value that is nothing special.
fn sample(data_type: &DataType) -> Option<ScalarValue> {
    // Right as hexadecimal digits and in base 64 too.
    let text = || ScalarValue::Utf8(Some("abcd".to_owned()));
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => text().cast_to(data_type).ok(),
        DataType::Timestamp(..) => ScalarValue::TimestampSecond(Some(946_684_800), None).cast_to(data_type).ok(),
        DataType::Date32 => Some(ScalarValue::Date32(Some(10_957))),
        DataType::Time32(_) | DataType::Time64(_) => ScalarValue::Time64Nanosecond(Some(0)).cast_to(data_type).ok(),
        DataType::Boolean => Some(ScalarValue::Boolean(Some(true))),
        DataType::Interval(_) => ScalarValue::new_one(data_type).ok().or_else(|| ScalarValue::new_default(data_type).ok()),
        other if other.is_numeric() => ScalarValue::new_one(other).ok(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            ScalarValue::Binary(Some(b"a".to_vec())).cast_to(data_type).ok()
        }
        _ => None,
    }
}

/// A constant as it may stand in the statement.
fn text_of(constant: &Expr) -> String {
    match constant {
        Expr::Literal(value, _) => value.to_string(),
        Expr::Cast(cast) => text_of(&cast.expr),
        Expr::Negative(inner) => text_of(inner),
        Expr::Alias(alias) => text_of(&alias.expr),
        other => other.to_string(),
    }
}

impl Fault {
    fn error(&self, query: &Query, text: &str) -> Error {
        let found = explained(&self.error);
        let code = match found.code() {
            Code::NotSupported | Code::LimitReached | Code::TypeMismatch => found.code(),
            _ => Code::InvalidQuery,
        };
        // DataFusion lists what there is behind the fault.
        let message = found.message().split(". Supported values are").next().unwrap_or_default();
        let name = self.function.as_deref().map(|name| format!("{name}: ")).unwrap_or_default();
        let message = if message.contains(name.trim_end_matches(": ")) { message.to_owned() } else { format!("{name}{message}") };
        let error = Error::new(code, message).with_detail("so no row could ever have a value here");
        let error = match self.hint {
            "" => error,
            hint => error.with_hint(hint),
        };
        match self.function.as_deref().and_then(|name| position(query, text, name, &self.constants)) {
            Some(span) => error.at(span),
            None => error,
        }
    }
}

/// How a function is configured, if it is.
fn of(function: &str) -> Option<&'static Configured> {
    CONFIGURED.iter().find(|configured| configured.name == function)
}

/// Where the function is called with these constants; or where it is called at all, if that is once.
fn position(query: &Query, text: &str, name: &str, constants: &[String]) -> Option<Span> {
    let (mut calls, mut meant) = (Vec::new(), None);
    let _ = walk_expressions(query, |expr| {
        if let ast::Expr::Function(call) = expr
            && let Some(ast::ObjectNamePart::Identifier(ident)) = call.name.0.last()
            && ident.value.eq_ignore_ascii_case(name)
        {
            calls.push(ident.span);
            if meant.is_none() && constants.iter().any(|constant| mentions(call, constant)) {
                meant = Some(ident.span);
            }
        }
        ControlFlow::<()>::Continue(())
    });
    let only = if calls.len() == 1 { calls.pop() } else { None };
    meant.or(only).map(|span| from_sqlparser(text, span))
}

/// Whether a literal with this text is among the arguments of `call`.
fn mentions(call: &ast::Function, constant: &str) -> bool {
    let found = walk_expressions(&call.args, |expr| match expr {
        ast::Expr::Value(value) if value.value.to_string().trim_matches('\'') == constant => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

#[cfg(test)]
mod tests {
    use datafusion::execution::session_state::SessionStateBuilder;
    use datafusion::logical_expr::ScalarUDF;

    use super::*;

    fn state() -> SessionState {
        SessionStateBuilder::new().with_default_features().build()
    }

    /// Constants of a type with which functions may be called.
    fn constants(data_type: &DataType) -> Vec<ScalarValue> {
        let text = |text: &str| ScalarValue::Utf8(Some(text.to_owned())).cast_to(data_type);
        let number = |number: i64| ScalarValue::Int64(Some(number)).cast_to(data_type);
        let values: Vec<_> = match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                ["a", "day", "hex", "%Y", "md5", "1", "", "2024-01-01"].map(text).into()
            }
            other if other.is_numeric() => [1, 0, 2, -1].map(number).into(),
            _ => Vec::new(),
        };
        values.into_iter().filter_map(Result::ok).chain(sample(data_type)).collect()
    }

    /// `function` with constants everywhere but at `variable`, where column `v` stands.
    fn calls(function: &Arc<ScalarUDF>, types: &[DataType], variable: usize) -> Vec<Expr> {
        let mut calls: Vec<Vec<Expr>> = vec![Vec::new()];
        for (index, data_type) in types.iter().enumerate() {
            let args: Vec<Expr> = match index == variable {
                true => vec![Expr::Column(Column::new_unqualified("v"))],
                false => constants(data_type).into_iter().map(|value| Expr::Literal(value, None)).collect(),
            };
            calls = calls.iter().flat_map(|call| args.iter().map(|arg| [call.as_slice(), &[arg.clone()]].concat())).collect();
            calls.truncate(100);
        }
        calls.into_iter().map(|args| function.call(args)).collect()
    }

    /// A call that gives a value, or NULL, for some value of its column is not refused, whichever function it is.
    #[test]
    fn no_call_that_works_for_some_row_is_refused() {
        let state = state();
        let (mut tried, mut worked) = (0, 0);
        for (name, function) in state.scalar_functions() {
            if function.signature().volatility != Volatility::Immutable || ["repeat", "lpad", "rpad"].contains(&name.as_str()) {
                continue;
            }
            for types in function.signature().type_signature.get_example_types().iter().filter(|types| types.len() > 1).take(12) {
                for variable in 0..types.len() {
                    let schema = Schema::new(vec![Field::new("v", types[variable].clone(), true)]);
                    let df_schema = DFSchema::try_from(schema.clone()).unwrap();
                    for call in calls(function, types, variable) {
                        tried += 1;
                        let mut trials = Trials { state: &state, seen: HashSet::new(), fault: None };
                        let works = constants(&types[variable])
                            .into_iter()
                            .any(|value| caught(|| Ok(trials.evaluated(&call, &schema, &[value]).is_ok())) == Ok(true));
                        if works && is_candidate(&call) {
                            worked += 1;
                            trials.check(&call, &df_schema);
                            let fault = trials.fault.as_ref().map(|fault| fault.error.to_string());
                            assert_eq!(fault, None, "{name}: {call}");
                        }
                    }
                }
            }
        }
        assert!(worked > 500, "{worked} of {tried} calls work");
    }
}
