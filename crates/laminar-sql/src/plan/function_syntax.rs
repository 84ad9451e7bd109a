//! SQL's own syntax for functions as calls, as PostgreSQL's grammar does it: `x AT TIME ZONE z` is `timezone(z, x)`.
//!
//! Behind this DataFusion's planner finds calls of functions that `functions/` defines, whatever way they were written.

use std::ops::ControlFlow;

use arrow_array::types::IntervalMonthDayNano;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, Ident, Interval, ObjectName, Query, Spanned, TrimWhereField, UnaryOperator, Value,
    VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use laminar_core::{Error, Result};

use super::errors::from_sqlparser;
use crate::ast_walk::walk_mut;
use crate::functions::{SIMILAR_TO, TO_INTERVAL, interval_text};

/// Turns every special syntax in `query` into a call. `text` is the statement's text, for positions.
pub(crate) fn as_calls(query: &mut Query, text: &str) -> Result<()> {
    match walk_mut(query, &mut Rewrite { text }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Rewrite<'a> {
    text: &'a str,
}

impl VisitorMut for Rewrite<'_> {
    type Break = Error;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let span = expr.span();
        match self.rewritten(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) if error.span().is_none() && span != Span::empty() => {
                ControlFlow::Break(error.at(from_sqlparser(self.text, span)))
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Rewrite<'_> {
    fn rewritten(&self, expr: &mut Expr) -> Result<()> {
        let span = expr.span();
        // The expression is taken out, so that its parts can be moved into the call.
        let taken = std::mem::replace(expr, Expr::Value(Value::Null.into()));
        *expr = match taken {
            Expr::SimilarTo { negated, expr, pattern, escape_char } => {
                let escape = escape_char.map(Expr::Value);
                negated_if(negated, call(SIMILAR_TO, span, [Some(*expr), Some(*pattern), escape]))
            }
            Expr::AtTimeZone { timestamp, time_zone } => call("timezone", span, [Some(*time_zone), Some(*timestamp)]),
            Expr::Extract { field, expr, .. } => {
                let field = field.to_string().trim_matches('\'').to_lowercase();
                call("extract", span, [Some(string(field)), Some(*expr)])
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let from = substring_from.map(|from| *from);
                let from = from.or_else(|| substring_for.is_some().then(|| number("1")));
                call("substring", span, [Some(*expr), from, substring_for.map(|length| *length)])
            }
            Expr::Position { expr, r#in } => call("strpos", span, [Some(*r#in), Some(*expr)]),
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                call("overlay", span, [Some(*expr), Some(*overlay_what), Some(*overlay_from), overlay_for.map(|length| *length)])
            }
            Expr::Trim { expr, trim_where, trim_what, trim_characters } => {
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    _ => "btrim",
                };
                let chars = trim_what.map(|what| *what).or_else(|| trim_characters.and_then(|mut chars| chars.pop()));
                call(name, span, [Some(*expr), chars])
            }
            Expr::Interval(interval) => interval_literal(interval)?,
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr,
                data_type: DataType::Interval { .. },
                array: false,
                format: None,
            } => match text_of(&expr) {
                Some(text) => canonical(interval_text::parse(text)?),
                None => call(TO_INTERVAL, span, [Some(*expr)]),
            },
            // The planner reads the elements of a literal without the queries around it.
            Expr::Array(array) => call("make_array", span, array.elem.into_iter().map(Some)),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => negative(*expr),
            Expr::BinaryOp { left, op, right } => binary(*left, op, *right, span),
            Expr::Function(function) => Expr::Function(with_constant_orders(with_defaults(function))),
            other => other,
        };
        Ok(())
    }
}

fn call(name: &str, span: Span, args: impl IntoIterator<Item = Option<Expr>>) -> Expr {
    let args = args.into_iter().flatten().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: ObjectName::from(Ident::with_span(span, name)),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: vec![] }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

fn string(text: String) -> Expr {
    Expr::Value(Value::SingleQuotedString(text).into())
}

fn number(text: &str) -> Expr {
    Expr::Value(Value::Number(text.to_owned(), false).into())
}

fn negated_if(negated: bool, expr: Expr) -> Expr {
    if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) } } else { expr }
}

fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
            _ => None,
        },
        Expr::Nested(inner) => text_of(inner),
        _ => None,
    }
}

/// An interval's literal in the one form that DataFusion reads without a doubt.
fn interval_literal(interval: Interval) -> Result<Expr> {
    let is_plain = interval.leading_precision.is_none() && interval.fractional_seconds_precision.is_none();
    let text = match (&*interval.value, text_of(&interval.value)) {
        (_, Some(text)) => text.to_owned(),
        (Expr::Value(value), None) => match &value.value {
            Value::Number(text, _) => text.clone(),
            _ => return Ok(Expr::Interval(interval)),
        },
        _ => return Ok(Expr::Interval(interval)),
    };
    if !is_plain {
        return Ok(Expr::Interval(interval));
    }
    let (first, last) =
        (interval.leading_field.map(|field| field.to_string()), interval.last_field.map(|field| field.to_string()));
    Ok(canonical(interval_text::parse_in(&text, first.as_deref(), last.as_deref())?))
}

fn canonical(interval: IntervalMonthDayNano) -> Expr {
    let text = format!("{} months {} days {} nanoseconds", interval.months, interval.days, interval.nanoseconds);
    Expr::Interval(Interval {
        value: Box::new(string(text)),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}

/// `-3 ^ 2` is `(-3) ^ 2`, since a sign binds more tightly than a power; and the sign of an interval is that of all its parts.
fn negative(expr: Expr) -> Expr {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::PGExp, right } => {
            Expr::BinaryOp { left: Box::new(negative(*left)), op: BinaryOperator::PGExp, right }
        }
        Expr::Interval(interval) => match negated(&interval) {
            Some(value) => canonical(value),
            None => Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(Expr::Interval(interval)) },
        },
        other => Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(other) },
    }
}

/// The opposite of an interval that [`canonical`] has written.
fn negated(interval: &Interval) -> Option<IntervalMonthDayNano> {
    let mut words = text_of(&interval.value)?.split(' ').step_by(2);
    let (months, days, nanos) = (words.next()?, words.next()?, words.next()?);
    let (months, days, nanos): (i32, i32, i64) = (months.parse().ok()?, days.parse().ok()?, nanos.parse().ok()?);
    Some(IntervalMonthDayNano::new(months.checked_neg()?, days.checked_neg()?, nanos.checked_neg()?))
}

/// Operators that match regular expressions are calls too, so that they read the same expressions as `regexp_match`.
fn binary(left: Expr, op: BinaryOperator, right: Expr, span: Span) -> Expr {
    let (negated, flags) = match op {
        BinaryOperator::PGRegexMatch => (false, None),
        BinaryOperator::PGRegexIMatch => (false, Some(string("i".to_owned()))),
        BinaryOperator::PGRegexNotMatch => (true, None),
        BinaryOperator::PGRegexNotIMatch => (true, Some(string("i".to_owned()))),
        op => return Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) },
    };
    negated_if(negated, call("regexp_like", span, [Some(left), Some(right), flags]))
}

/// A number in the ORDER BY of an aggregate is a constant, and no column of the result.
fn with_constant_orders(mut function: Function) -> Function {
    let within_group = function.within_group.iter_mut();
    let clauses = match &mut function.args {
        FunctionArguments::List(list) => list.clauses.as_mut_slice(),
        _ => &mut [],
    };
    let ordered = clauses.iter_mut().flat_map(|clause| match clause {
        FunctionArgumentClause::OrderBy(keys) => keys.as_mut_slice(),
        _ => &mut [],
    });
    for key in ordered.chain(within_group) {
        if matches!(&key.expr, Expr::Value(value) if matches!(value.value, Value::Number(..))) {
            let number = std::mem::replace(&mut key.expr, Expr::Value(Value::Null.into()));
            key.expr = Expr::Nested(Box::new(number));
        }
    }
    function
}

/// The parameters of `make_interval`, all of which may be left out.
const MAKE_INTERVAL: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];

/// Puts in what PostgreSQL's functions have as defaults: named arguments of `make_interval`, today's date for `age`.
fn with_defaults(mut function: Function) -> Function {
    let name = function.name.to_string().to_lowercase();
    let FunctionArguments::List(list) = &mut function.args else { return function };
    if name == "age" && list.args.len() == 1 {
        let today = call("current_date", Span::empty(), []);
        list.args.insert(0, FunctionArg::Unnamed(FunctionArgExpr::Expr(today)));
    }
    if name == "make_interval" && list.args.iter().any(|arg| !matches!(arg, FunctionArg::Unnamed(_))) {
        let mut args: Vec<FunctionArg> =
            MAKE_INTERVAL.iter().map(|_| FunctionArg::Unnamed(FunctionArgExpr::Expr(number("0")))).collect();
        for (index, arg) in list.args.iter().enumerate() {
            let (position, value) = match arg {
                FunctionArg::Named { name, arg, .. } => {
                    (MAKE_INTERVAL.iter().position(|known| name.value.eq_ignore_ascii_case(known)), arg)
                }
                FunctionArg::ExprNamed { name, arg, .. } => {
                    (MAKE_INTERVAL.iter().position(|known| name.to_string().eq_ignore_ascii_case(known)), arg)
                }
                FunctionArg::Unnamed(arg) => (Some(index), arg),
            };
            // A name that is not there is left to the planner to refuse.
            let Some(slot) = position.and_then(|position| args.get_mut(position)) else { return function };
            *slot = FunctionArg::Unnamed(value.clone());
        }
        list.args = args;
    }
    function
}
