//! Calls that no function answers: which types it takes, and where the call stands.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self, Expr};
use laminar_core::{Code, Error};

use super::errors::{Failed, from_sqlparser};
use crate::ast_walk::walk_expressions;
use crate::functions::{FailedCall, HINT, NO_OVERLOAD};

/// The error of a function of ours, with the position of its call.
pub(super) fn failed_call(call: &FailedCall, failed: Option<&Failed<'_>>) -> Error {
    at_call(call.error.clone(), &call.function, failed)
}

/// DataFusion's message for arguments that fit no overload, in our words.
pub(super) fn no_overload(message: &str, failed: Option<&Failed<'_>>) -> Option<Error> {
    if let Some(ours) = message.split(NO_OVERLOAD).nth(1) {
        let (message, hint) = ours.split_once(HINT).unwrap_or((ours, ""));
        let function = message.strip_prefix("there is no function ").and_then(|call| call.split('(').next()).unwrap_or_default();
        return Some(at_call(Error::new(Code::TypeMismatch, message).with_hint(hint), function, failed));
    }
    // `No function matches the given name and argument types 'f(Utf8)'. …`, then lines with what there is.
    let (_, rest) = message.split_once("argument types '")?;
    let (call, rest) = rest.split_once("'. ")?;
    let function = call.split('(').next().unwrap_or_default();
    let known: Vec<String> = rest.lines().skip(2).map(|line| plain_types(line.trim())).filter(|line| !line.is_empty()).collect();
    if let Some(right) = function.strip_prefix("__any_").and_then(|_| call.trim_end_matches(')').rsplit(", ").next()) {
        let text = format!("ANY and ALL look into an array or a sub-query, and not into a {}", plain_types(right));
        return Some(Error::new(Code::TypeMismatch, text).with_hint("write x = ANY(ARRAY[1, 2]), or x IN (1, 2)"));
    }
    let error = Error::new(Code::TypeMismatch, format!("there is no function {}", plain_types(call)));
    let has_types = !known.is_empty() && !known.iter().any(|line| line.contains("UserDefined"));
    let error = if has_types { error.with_hint(format!("there is {}", known.join(", "))) } else { error };
    Some(at_call(error, function, failed))
}

/// DataFusion's names of types as people write them.
pub(super) fn plain_types(call: &str) -> String {
    const NAMES: &[(&str, &str)] = &[
        ("LargeUtf8", "VARCHAR"),
        ("Utf8View", "VARCHAR"),
        ("Utf8", "VARCHAR"),
        ("Float64", "DOUBLE"),
        ("Float32", "REAL"),
        ("UInt64", "BIGINT UNSIGNED"),
        ("UInt32", "INT UNSIGNED"),
        ("UInt16", "SMALLINT UNSIGNED"),
        ("UInt8", "TINYINT UNSIGNED"),
        ("Int64", "BIGINT"),
        ("Int32", "INT"),
        ("Int16", "SMALLINT"),
        ("Int8", "TINYINT"),
        ("Boolean", "BOOLEAN"),
        ("Binary", "BYTEA"),
        ("Date32", "DATE"),
        ("Timestamp(ns, \"+00:00\")", "TIMESTAMPTZ"),
        ("Timestamp(ns)", "TIMESTAMP"),
        ("Time64(ns)", "TIME"),
        ("Decimal128", "DECIMAL"),
        ("NullAry()", ""),
        ("Interval(MonthDayNano)", "INTERVAL"),
    ];
    NAMES.iter().fold(call.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}

/// Points at the one call of `function`; where there are several, nothing says which it was.
fn at_call(error: Error, function: &str, failed: Option<&Failed<'_>>) -> Error {
    let Some(failed) = failed.filter(|_| error.span().is_none()) else { return error };
    let mut spans = Vec::new();
    let _ = walk_expressions(failed.query, |expr| {
        if let Expr::Function(call) = expr
            && let Some(ast::ObjectNamePart::Identifier(ident)) = call.name.0.last()
            && ident.value.eq_ignore_ascii_case(function)
        {
            spans.push(ident.span);
        }
        ControlFlow::<()>::Continue(())
    });
    match spans.as_slice() {
        [span] => error.at(from_sqlparser(failed.text, *span)),
        _ => error,
    }
}
