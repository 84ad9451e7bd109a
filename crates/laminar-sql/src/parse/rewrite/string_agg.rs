//! `string_agg(a, b)` where `b` is no constant: each value behind its own delimiter, and the first delimiter taken off.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    ObjectName, Subscript, Value,
};
use laminar_core::{Code, Error, Result};

use crate::parse::syntax;

/// Rewrites a `string_agg` whose delimiter comes from the rows. The other form is a function of DataFusion.
pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let Expr::Function(call) = &*expr else { return Ok(()) };
    let Some((value, delimiter)) = arguments(call) else { return Ok(()) };
    let FunctionArguments::List(list) = &call.args else { return Ok(()) };
    if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
        return Err(Error::new(Code::NotSupported, "string_agg(DISTINCT …) with a delimiter of each row is not built yet")
            .with_hint("give the delimiter as a constant"));
    }
    let delimiter = syntax::call(Ident::new("coalesce"), vec![delimiter.clone(), syntax::string(String::new())]);
    let both = binary(delimiter.clone(), BinaryOperator::StringConcat, value.clone());
    let pieces = collected(call, both, value);
    let joined = syntax::call(Ident::new("array_to_string"), vec![pieces, syntax::string(String::new())]);
    let first = Expr::CompoundFieldAccess {
        root: Box::new(Expr::Nested(Box::new(collected(call, delimiter, value)))),
        access_chain: vec![AccessExpr::Subscript(Subscript::Index { index: syntax::number(1) })],
    };
    let behind = binary(syntax::call(Ident::new("character_length"), vec![first]), BinaryOperator::Plus, syntax::number(1));
    *expr = syntax::call(Ident::new("substr"), vec![joined, behind]);
    Ok(())
}

/// The value and the delimiter of a `string_agg` whose delimiter is no constant.
fn arguments(call: &Function) -> Option<(&Expr, &Expr)> {
    if !call.name.to_string().eq_ignore_ascii_case("string_agg") {
        return None;
    }
    let FunctionArguments::List(list) = &call.args else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(value)), FunctionArg::Unnamed(FunctionArgExpr::Expr(delimiter))] => {
            let is_text = |value: &Value| {
                matches!(value, Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_) | Value::DollarQuotedString(_))
            };
            let constant = matches!(delimiter, Expr::Value(text) if is_text(&text.value));
            (!constant).then_some((value, delimiter))
        }
        _ => None,
    }
}

/// `array_agg(element ORDER BY …) FILTER (WHERE value IS NOT NULL AND …) OVER …`, with the clauses of `call`.
fn collected(call: &Function, element: Expr, value: &Expr) -> Expr {
    let mut collected = call.clone();
    collected.name = ObjectName::from(Ident::new("array_agg"));
    if let FunctionArguments::List(list) = &mut collected.args {
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(element))];
    }
    let present = Expr::IsNotNull(Box::new(value.clone()));
    collected.filter = Some(Box::new(match collected.filter.take() {
        Some(filter) => binary(*filter, BinaryOperator::And, present),
        None => present,
    }));
    Expr::Function(collected)
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::Nested(Box::new(Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }))
}
