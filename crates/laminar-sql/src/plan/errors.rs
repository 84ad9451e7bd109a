//! DataFusion's errors in our words: a code, the position in the statement, and the nearest name that exists.

use std::ops::ControlFlow;

use datafusion::common::{Column, DataFusionError, SchemaError, Spans};
use datafusion::sql::sqlparser::ast::{self, Expr, Query};
use datafusion::sql::sqlparser::tokenizer::Location;
use laminar_core::{Code, Error, Span};

use super::function_errors::{failed_call, no_overload};
use super::names::{UNKNOWN_TABLE, UNKNOWN_TABLE_FUNCTION};
use super::plain_words::in_plain_words;
use super::rules::LOOKUP_TABLE_ALONE;
use crate::ast_walk::{walk_expressions, walk_relations};
use crate::diagnostic::nearest;
use crate::functions::FailedCall;
use crate::parse::{changes_of_name, names};

/// The error without a position, where no statement is at hand.
pub(crate) fn from_datafusion(error: DataFusionError) -> Error {
    explain(&error, None)
}

/// The same of an error that stays where it is.
pub(crate) fn explained(error: &DataFusionError) -> Error {
    explain(error, None)
}

/// What is known of the query that failed.
pub(crate) struct Failed<'a> {
    /// Its syntax tree.
    pub(crate) query: &'a Query,
    /// The statement's text, into which positions point.
    pub(crate) text: &'a str,
    /// All relations.
    pub(crate) relations: Vec<String>,
    /// All functions.
    pub(crate) functions: Vec<String>,
}

/// The error with its position.
pub(crate) fn from_datafusion_in(error: &DataFusionError, failed: &Failed<'_>) -> Error {
    explain(error, Some(failed))
}

fn explain(error: &DataFusionError, failed: Option<&Failed<'_>>) -> Error {
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let ours = explain(inner, failed);
            match (ours.span(), failed, diagnostic.span) {
                (None, Some(failed), Some(span)) => {
                    ours.at(span_of(failed.text, span.start.line, span.start.column, span.end.line, span.end.column))
                }
                _ => ours,
            }
        }
        DataFusionError::Context(_, inner) => explain(inner, failed),
        DataFusionError::Shared(inner) => explain(inner, failed),
        DataFusionError::Collection(errors) if !errors.is_empty() => explain(&errors[0], failed),
        DataFusionError::SchemaError(schema, _) => explain_schema(schema, failed),
        DataFusionError::Plan(message) => no_overload(message, failed).unwrap_or_else(|| explain_plan(message, failed)),
        DataFusionError::NotImplemented(message) => in_plain_words(message)
            .unwrap_or_else(|| Error::new(Code::NotSupported, format!("{} (not built yet)", first_line(message)))),
        DataFusionError::ArrowError(arrow, _) => plain_arrow(arrow),
        DataFusionError::External(inner) => match inner.downcast_ref::<FailedCall>() {
            Some(call) => failed_call(call, failed),
            None => {
                from_outside(inner.as_ref()).unwrap_or_else(|| Error::new(Code::InvalidQuery, first_line(&inner.to_string())))
            }
        },
        DataFusionError::Execution(message) | DataFusionError::Internal(message) if message.contains("Function '") => {
            no_overload(message, failed).unwrap_or_else(|| Error::new(Code::Arithmetic, first_line(message)))
        }
        DataFusionError::Execution(message) => {
            in_plain_words(message).unwrap_or_else(|| Error::new(Code::Arithmetic, first_line(message)))
        }
        DataFusionError::ResourcesExhausted(message) => Error::new(Code::LimitReached, first_line(message)),
        DataFusionError::IoError(io) => Error::new(Code::Io, io.to_string()),
        // What people wrote, although DataFusion takes it for a mistake of its own.
        DataFusionError::Internal(message) if message.starts_with("Failed to coerce types") => {
            Error::new(Code::TypeMismatch, first_line(message))
                .with_hint("convert one value to the type of the other: CAST(x AS …)")
        }
        DataFusionError::Internal(message) => Error::internal(first_line(message)),
        other => Error::new(Code::InvalidQuery, first_line(&other.strip_backtrace())),
    }
}

/// One of our own errors that went through DataFusion or Arrow, wrapped as often as it came by.
fn from_outside(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    if let Some(ours) = error.downcast_ref::<Error>() {
        return Some(ours.clone());
    }
    if let Some(datafusions) = error.downcast_ref::<DataFusionError>() {
        return Some(explain(datafusions, None));
    }
    error.downcast_ref::<arrow_schema::ArrowError>().map(plain_arrow)
}

/// Arrow's errors without their prefixes: these are what people see in `<object>$errors`.
pub(crate) fn plain_arrow(error: &arrow_schema::ArrowError) -> Error {
    use arrow_schema::ArrowError as A;
    match error {
        A::ExternalError(inner) => {
            from_outside(inner.as_ref()).unwrap_or_else(|| Error::new(Code::Arithmetic, first_line(&inner.to_string())))
        }
        A::DivideByZero => Error::new(Code::Arithmetic, "division by zero"),
        A::ArithmeticOverflow(what) => Error::new(Code::Arithmetic, first_line(what)),
        A::CastError(what) | A::ComputeError(what) | A::ParseError(what) => {
            in_plain_words(what).unwrap_or_else(|| Error::new(Code::Arithmetic, first_line(what)))
        }
        A::InvalidArgumentError(what) => in_plain_words(what).unwrap_or_else(|| Error::new(Code::TypeMismatch, first_line(what))),
        other => Error::from(A::ComputeError(other.to_string())),
    }
}

/// The first line with a small first letter, without a full stop.
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default().trim_end_matches('.');
    // What is wrong with a regular expression stands below a picture of it.
    let last = message.lines().last().and_then(|last| last.strip_prefix("error: ")).filter(|_| line.ends_with(':'));
    let joined = last.map(|last| format!("{line} {last}"));
    let line = joined.as_deref().unwrap_or(line);
    let line = line.strip_prefix("Error during planning: ").unwrap_or(line);
    let mut chars = line.chars();
    let first_word_is_plain = line.split(' ').next().is_some_and(|word| !word.chars().skip(1).any(char::is_uppercase));
    match chars.next() {
        Some(first) if first_word_is_plain => first.to_lowercase().chain(chars).collect(),
        _ => line.to_owned(),
    }
}

fn explain_schema(schema: &SchemaError, failed: Option<&Failed<'_>>) -> Error {
    match schema {
        SchemaError::FieldNotFound { field, valid_fields } => unknown_column(field, valid_fields, failed),
        // Nothing refers to it: it is the plan's own columns that have one name.
        SchemaError::AmbiguousReference { field } if field.spans.first().is_none() => {
            match failed.and_then(|f| read_plainly(f, &field.name)) {
                Some(span) => in_several_tables(&field.name).at(span),
                None => repeated_name(&field.name),
            }
        }
        SchemaError::AmbiguousReference { field } => place(in_several_tables(&field.name), &field.spans, failed),
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            if failed.is_some_and(casts_within_calls) { calls_of_casts(name) } else { repeated_name(name) }
        }
    }
}

fn in_several_tables(name: &str) -> Error {
    Error::new(Code::UnknownColumn, format!("column '{name}' is in more than one table"))
        .with_hint(format!("write the table before it: table.{name}"))
}

/// Where the SELECT list has the column `name` without its table, if no other column of the result is called so: then it is that one which can be
/// several.
fn read_plainly(failed: &Failed<'_>, name: &str) -> Option<Span> {
    let items = &failed.query.body.as_select()?.projection;
    let called = items.iter().filter(|item| match item {
        ast::SelectItem::UnnamedExpr(Expr::Identifier(ident)) | ast::SelectItem::ExprWithAlias { alias: ident, .. } => {
            names::of_ident(ident) == name
        }
        ast::SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
            parts.last().is_some_and(|last| names::of_ident(last) == name)
        }
        ast::SelectItem::UnnamedExpr(_) => false,
        _ => true,
    });
    match called.collect::<Vec<_>>().as_slice() {
        [ast::SelectItem::UnnamedExpr(Expr::Identifier(ident))] => Some(from_sqlparser(failed.text, ident.span)),
        _ => None,
    }
}

/// Whether a call has a cast in it, which is no part of the name by which the planner tells calls apart.
fn casts_within_calls(failed: &Failed<'_>) -> bool {
    let is_cast =
        |part: &Expr| if matches!(part, Expr::Cast { .. }) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let in_call = |part: &Expr| match part {
        Expr::Function(call) => walk_expressions(call, is_cast),
        _ => ControlFlow::Continue(()),
    };
    walk_expressions(failed.query, in_call).is_break()
}

fn calls_of_casts(name: &str) -> Error {
    Error::new(Code::NotSupported, format!("two calls '{name}' that differ in their casts alone are not built yet"))
        .with_hint("cast below: SELECT sum(x), sum(y) FROM (SELECT a::INT AS x, a::BIGINT AS y FROM …) AS q")
}

fn repeated_name(name: &str) -> Error {
    Error::new(Code::InvalidQuery, format!("two output columns are called '{name}'"))
        .with_hint("give one of them another name with AS")
}

fn unknown_column(field: &Column, valid: &[Column], failed: Option<&Failed<'_>>) -> Error {
    let of = field.relation.as_ref().map(|relation| format!(" in '{}'", relation.table())).unwrap_or_default();
    let error = Error::new(Code::UnknownColumn, format!("there is no column '{}'{of}", field.name));
    let names: Vec<&str> = valid.iter().map(|column| column.name.as_str()).filter(|name| !name.starts_with("__")).collect();
    let error = match nearest(&field.name, names.iter().copied()) {
        Some(name) => error.with_hint(format!("did you mean '{name}'?")),
        None if names.is_empty() => error,
        None => error.with_hint(format!("the columns are: {}", names.join(", "))),
    };
    place(error, &field.spans, failed)
}

/// Puts the first span, if there is one, on the error.
fn place(error: Error, spans: &Spans, failed: Option<&Failed<'_>>) -> Error {
    match (spans.first(), failed) {
        (Some(span), Some(failed)) => {
            error.at(span_of(failed.text, span.start.line, span.start.column, span.end.line, span.end.column))
        }
        _ => error,
    }
}

fn explain_plan(message: &str, failed: Option<&Failed<'_>>) -> Error {
    if let Some(table) = message.strip_prefix(UNKNOWN_TABLE) {
        return unknown_table(table, failed);
    }
    if let Some(table) = message.strip_prefix(LOOKUP_TABLE_ALONE) {
        return lookup_table_alone(table, failed);
    }
    if let Some(function) = message.strip_prefix(UNKNOWN_TABLE_FUNCTION) {
        return Error::new(Code::UnknownFunction, format!("there is no table function '{function}'"))
            .with_hint("the table functions are: TUMBLE, HOP, CUMULATE, SESSION, generate_series, range");
    }
    if let Some(error) = failed.and_then(unknown_function) {
        return error;
    }
    not_grouped(message, failed)
        .or_else(|| in_plain_words(message))
        .unwrap_or_else(|| Error::new(Code::InvalidQuery, first_line(message)))
}

/// A column that a grouped query reads outside of aggregates. DataFusion lists all that it could have read, our markers of windows among it.
fn not_grouped(message: &str, failed: Option<&Failed<'_>>) -> Option<Error> {
    let (before, _) = message.split_once("\" must appear in the GROUP BY clause")?;
    let (_, column) = before.rsplit_once("column \"")?;
    let name = column.rsplit('.').next().unwrap_or(column);
    let error = Error::new(Code::InvalidQuery, format!("column '{name}' is neither in GROUP BY nor in an aggregate"));
    let error = error.with_hint(format!("add it to GROUP BY, or take one of its values: max({name})"));
    let place = failed.and_then(|failed| column_span(failed, name));
    Some(match place {
        Some(span) => error.at(span),
        None => error,
    })
}

/// Where the query first reads a column called `name`.
fn column_span(failed: &Failed<'_>, name: &str) -> Option<Span> {
    let found = walk_expressions(failed.query, |expr| {
        let ident = match expr {
            Expr::Identifier(ident) => Some(ident),
            Expr::CompoundIdentifier(parts) => parts.last(),
            _ => None,
        };
        match ident.filter(|ident| names::of_ident(ident) == name) {
            Some(ident) => ControlFlow::Break(ident.span),
            None => ControlFlow::Continue(()),
        }
    });
    let ControlFlow::Break(span) = found else { return None };
    Some(from_sqlparser(failed.text, span))
}

fn unknown_table(table: &str, failed: Option<&Failed<'_>>) -> Error {
    // CHANGES(table) is read under a name of its own.
    let table = changes_of_name(table).unwrap_or(table);
    let error = Error::new(Code::UnknownObject, format!("there is no source, table, stream or view '{table}'"));
    let Some(failed) = failed else { return error };
    let error = match nearest(table, failed.relations.iter().map(String::as_str)) {
        Some(name) => error.with_hint(format!("did you mean '{name}'?")),
        None if failed.relations.is_empty() => error.with_hint("nothing exists yet: begin with CREATE SOURCE or CREATE TABLE"),
        None => error.with_hint(format!("there are: {}", failed.relations.join(", "))),
    };
    match relation_span(failed, table) {
        Some(span) => error.at(span),
        None => error,
    }
}

/// A lookup table in another place than behind JOIN … FOR SYSTEM_TIME AS OF PROCTIME().
fn lookup_table_alone(table: &str, failed: Option<&Failed<'_>>) -> Error {
    let text = format!("'{table}' is a lookup table: its rows stand elsewhere, and are asked for by key when a row comes");
    let error = Error::new(Code::InvalidQuery, text)
        .with_hint(format!("write … [LEFT] JOIN {table} FOR SYSTEM_TIME AS OF PROCTIME() ON …, with its whole key in ON"));
    match failed.and_then(|failed| relation_span(failed, table)) {
        Some(span) => error.at(span),
        None => error,
    }
}

/// Where the query names relation `table`.
fn relation_span(failed: &Failed<'_>, table: &str) -> Option<Span> {
    let found = walk_relations(failed.query, |name| match name.0.last() {
        Some(ast::ObjectNamePart::Identifier(ident)) if names::of_ident(ident) == table => ControlFlow::Break(ident.span),
        _ => ControlFlow::Continue(()),
    });
    let ControlFlow::Break(span) = found else { return None };
    Some(from_sqlparser(failed.text, span))
}

/// The first function of the query that does not exist.
fn unknown_function(failed: &Failed<'_>) -> Option<Error> {
    let found = walk_expressions(failed.query, |expr| {
        let Expr::Function(call) = expr else { return ControlFlow::Continue(()) };
        match call.name.0.last() {
            Some(ast::ObjectNamePart::Identifier(ident)) if !is_known(failed, &ident.value) => ControlFlow::Break(ident.clone()),
            _ => ControlFlow::Continue(()),
        }
    });
    let ControlFlow::Break(ident) = found else { return None };
    let error = Error::new(Code::UnknownFunction, format!("there is no function '{}'", ident.value))
        .at(from_sqlparser(failed.text, ident.span));
    if ident.value.eq_ignore_ascii_case("array") {
        return Some(error.with_hint("a list of a sub-query's rows is (SELECT array_agg(x) FROM …)"));
    }
    let names = failed.functions.iter().map(String::as_str).filter(|name| !name.starts_with("__"));
    Some(match nearest(&ident.value.to_lowercase(), names) {
        Some(name) => error.with_hint(format!("did you mean '{name}'?")),
        None => error,
    })
}

fn is_known(failed: &Failed<'_>, function: &str) -> bool {
    let lower = function.to_lowercase();
    failed.functions.contains(&lower)
        || matches!(lower.as_str(), "struct" | "row" | "position" | "extract" | "grouping" | "unnest")
}

/// sqlparser's span as bytes of `text`.
pub(crate) fn from_sqlparser(text: &str, span: datafusion::sql::sqlparser::tokenizer::Span) -> Span {
    let Location { line, column } = span.start;
    span_of(text, line, column, span.end.line, span.end.column)
}

fn span_of(text: &str, line: u64, column: u64, end_line: u64, end_column: u64) -> Span {
    let start = offset_of(text, line, column);
    Span { start, end: offset_of(text, end_line, end_column).max(start) }
}

/// The byte at which character `column` of line `line` begins, both counted from 1.
fn offset_of(text: &str, line: u64, column: u64) -> usize {
    let (line, column) = (usize::try_from(line).unwrap_or(1).max(1), usize::try_from(column).unwrap_or(1).max(1));
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let rest = &text[start..];
    let within = rest.char_indices().nth(column - 1).map_or(rest.trim_end_matches('\n').len(), |(index, _)| index);
    start + within
}
