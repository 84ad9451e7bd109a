//! What DataFusion's planner would lose when it reads the syntax tree: exact numbers, lengths of texts, FLOAT as DOUBLE.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, CharacterLength, DataType, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, Query, Value, VisitMut,
};
use laminar_core::{Code, Error, Result};

use crate::ast_walk::walk_expressions_mut;
use crate::plan::errors::from_sqlparser;

/// The digits that a DECIMAL can have.
const DIGITS_MAX: usize = 38;

/// Rewrites `query` so that DataFusion reads numbers and types as PostgreSQL does. `text` is the statement's, for positions.
///
/// * A number with an exponent is a DOUBLE; one with a point alone is exact, and has 38 digits at most.
/// * `FLOAT` is DOUBLE (`FLOAT(24)` and less is REAL).
/// * `CAST(x AS VARCHAR(n))` keeps the first `n` characters.
pub(crate) fn exact_syntax(query: &mut Query, text: &str) -> Result<()> {
    exact(query, text)
}

/// The same for one expression.
pub(crate) fn exact_expression(expr: &mut Expr, text: &str) -> Result<()> {
    exact(expr, text)
}

fn exact(part: &mut impl VisitMut, text: &str) -> Result<()> {
    let found = walk_expressions_mut(part, |expr| match rewrite(expr, text) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    });
    match found {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn rewrite(expr: &mut Expr, text: &str) -> Result<()> {
    match expr {
        Expr::Value(value) => {
            let Value::Number(number, _) = &value.value else { return Ok(()) };
            if number.contains(['e', 'E']) {
                *expr = double(number);
            } else if number.bytes().filter(u8::is_ascii_digit).count() > DIGITS_MAX && significant(number) > DIGITS_MAX {
                let span = from_sqlparser(text, value.span);
                return Err(Error::new(Code::Arithmetic, "a number has at most 38 digits")
                    .with_hint("write a DOUBLE with an exponent, as in 1e40")
                    .at(span));
            }
        }
        Expr::Cast { data_type, .. } => {
            if let DataType::Float(info) = data_type {
                let is_real = matches!(info, ExactNumberInfo::Precision(1..=24));
                *data_type = if is_real { DataType::Real } else { DataType::Double(ExactNumberInfo::None) };
            } else if let Some(length) = length_of(data_type) {
                *expr = left(expr.clone(), length);
            }
        }
        _ => {}
    }
    Ok(())
}

/// The digits of a number without zeros in front.
fn significant(number: &str) -> usize {
    number.chars().filter(char::is_ascii_digit).skip_while(|digit| *digit == '0').count()
}

fn double(number: &str) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::value(Value::SingleQuotedString(number.to_owned()))),
        data_type: DataType::Double(ExactNumberInfo::None),
        array: false,
        format: None,
    }
}

/// How many characters a text of this type can have.
pub(crate) fn length_of(data_type: &DataType) -> Option<u64> {
    use DataType as D;
    match data_type {
        D::Varchar(length) | D::CharacterVarying(length) | D::CharVarying(length) | D::Char(length) | D::Character(length) => {
            match length {
                Some(CharacterLength::IntegerLength { length, .. }) => Some(*length),
                _ => None,
            }
        }
        _ => None,
    }
}

/// `left(text, length)`.
fn left(text: Expr, length: u64) -> Expr {
    let arg = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
    let args = vec![arg(text), arg(Expr::value(Value::Number(length.to_string(), false)))];
    Expr::Function(Function {
        name: ObjectName::from(Ident::new("left")),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: vec![] }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}
