//! `FILL (…)`: what stands in windows without rows. The parser has left a call in HAVING (`parse/fill.rs`); here it becomes the marker that
//! `plan/rules/fill_windows.rs` reads: where it stands, how many columns the SELECT has, and for each value its kind and itself.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Select, SelectItem, Spanned,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use laminar_core::{Code, Error};

use crate::parse::fill::FILL_CLAUSE;
use crate::parse::position::LineIndex;
use crate::parse::syntax;

/// `__fill_windows(start, end, columns, kind, value, …)`: the condition that stands for a FILL clause.
pub(crate) const FILL: &str = "__fill_windows";

/// What a value of FILL is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FillKind {
    /// A constant, which stands behind it.
    Value,
    /// That of the last window with rows.
    Previous,
    /// That of the next window with rows.
    Next,
    /// On the line between both.
    Linear,
}

impl FillKind {
    const ALL: [(&'static str, Self); 5] = [
        ("value", Self::Value),
        ("previous", Self::Previous),
        ("prev", Self::Previous),
        ("next", Self::Next),
        ("linear", Self::Linear),
    ];

    /// The kind of a name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, kind)| *kind)
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("value", |(name, _)| name)
    }
}

/// Rewrites the FILL of a SELECT.
pub(super) fn rewrite(select: &mut Select, lines: &LineIndex<'_>) -> ControlFlow<(Error, Span)> {
    let columns = select.projection.len();
    let has_star =
        select.projection.iter().any(|item| !matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }));
    let Some(clause) = select.having.as_mut().and_then(clause_in) else { return ControlFlow::Continue(()) };
    let place = clause.span();
    let refused = |message: &str, hint: &str| ControlFlow::Break((Error::new(Code::Syntax, message).with_hint(hint), place));
    if has_star {
        return refused(
            "FILL gives values to columns of the SELECT list, but the list has a *",
            "write the names of the columns",
        );
    }
    let Expr::Function(call) = &*clause else { return ControlFlow::Continue(()) };
    let FunctionArguments::List(list) = &call.args else { return ControlFlow::Continue(()) };
    if list.args.is_empty() {
        return refused("FILL says nothing of what stands in windows without rows", USAGE);
    }
    let (start, end) = lines.span(place).map_or((0, 0), |span| (span.start, span.end));
    let mut args = [start, end, columns].map(|number| syntax::number(number as i64)).to_vec();
    for arg in &list.args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = arg else {
            return refused("FILL takes a list of values", USAGE);
        };
        let kind = match value {
            Expr::Identifier(name) if name.quote_style.is_none() => match FillKind::of(&name.value) {
                Some(kind) if kind != FillKind::Value => kind,
                _ => return refused(&format!("FILL does not know '{}'", name.value), USAGE),
            },
            _ => FillKind::Value,
        };
        let value = if kind == FillKind::Value { value.clone() } else { syntax::null() };
        args.extend([syntax::string(kind.name().to_owned()), value]);
    }
    *clause = syntax::call(Ident::with_span(place, FILL), args);
    ControlFlow::Continue(())
}

const USAGE: &str = "write FILL (PREVIOUS), FILL (NEXT), FILL (LINEAR), FILL (NULL), or a value: one for all columns with aggregates, or one for each";

/// The call of the clause in a HAVING, where the parser has put it: alone, or behind the last AND.
fn clause_in(having: &mut Expr) -> Option<&mut Expr> {
    if is_clause(having) {
        return Some(having);
    }
    match having {
        Expr::BinaryOp { op: BinaryOperator::And, right, .. } if is_clause(right) => Some(right),
        _ => None,
    }
}

fn is_clause(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(Function { name, .. }) if name.to_string() == FILL_CLAUSE)
}
