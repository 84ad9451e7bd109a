//! ASOF joins, and joins with a table FOR SYSTEM_TIME AS OF a time, as plain joins whose condition is the argument of a marker. A rule of
//! the planner turns that into a node (`plan/rules/joins_by_time.rs`); no marker is ever evaluated.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Join, JoinConstraint, JoinOperator,
    Select, Spanned, TableFactor, TableVersion, TableWithJoins,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use laminar_core::{Code, Error};

use crate::parse::asof::{ASOF_INNER, ASOF_LEFT, ASOF_OTHER};
use crate::parse::syntax;

/// `__asof(condition)`: the join of the nearest right row.
pub(crate) const ASOF: &str = "__asof";
/// `__asof_nearest(left >= right)` inside of it: in whatever direction.
pub(crate) const ASOF_NEAREST: &str = "__asof_nearest";
/// `__temporal(time, condition)`: the join with the right rows that were valid at that time.
pub(crate) const TEMPORAL: &str = "__temporal";
/// `__lookup(condition)`: the join with the right rows that are there when a left row comes.
pub(crate) const LOOKUP: &str = "__lookup";

/// What is refused, and where it stands.
type Refused = (Error, Span);

/// Rewrites the joins of a SELECT.
pub(super) fn rewrite(select: &mut Select) -> ControlFlow<Refused> {
    select.from.iter_mut().try_for_each(table)
}

fn table(table_with_joins: &mut TableWithJoins) -> ControlFlow<Refused> {
    nested(&mut table_with_joins.relation)?;
    for join in &mut table_with_joins.joins {
        nested(&mut join.relation)?;
        match &join.join_operator {
            JoinOperator::AsOf { .. } => asof(join)?,
            _ => versioned(join)?,
        }
    }
    ControlFlow::Continue(())
}

fn nested(factor: &mut TableFactor) -> ControlFlow<Refused> {
    match factor {
        TableFactor::NestedJoin { table_with_joins, .. } => table(table_with_joins),
        _ => ControlFlow::Continue(()),
    }
}

/// A version of a relation that no join has taken.
pub(super) fn refuse_version(factor: &TableFactor) -> ControlFlow<Refused> {
    let TableFactor::Table { version: Some(_), .. } = factor else { return ControlFlow::Continue(()) };
    let error = Error::new(Code::NotSupported, "FOR SYSTEM_TIME AS OF is built for what stands behind JOIN and LEFT JOIN alone")
        .with_hint("write l JOIN t FOR SYSTEM_TIME AS OF l.ts ON l.k = t.k, or read the table as it is now");
    ControlFlow::Break((error, factor.span()))
}

fn asof(join: &mut Join) -> ControlFlow<Refused> {
    let place = join.relation.span();
    let JoinOperator::AsOf { match_condition, constraint } = &mut join.join_operator else { return ControlFlow::Continue(()) };
    if kind_of(match_condition) == ASOF_OTHER {
        let error = Error::new(Code::NotSupported, "an ASOF JOIN that is neither inner nor LEFT is not built yet");
        let hint = "begin with the side of which all rows are kept: r ASOF LEFT JOIN l";
        return ControlFlow::Break((error.with_hint(hint), place));
    }
    let on = match std::mem::replace(constraint, JoinConstraint::None) {
        JoinConstraint::On(condition) => Some(condition),
        JoinConstraint::None => None,
        using @ JoinConstraint::Using(_) => {
            // Which columns these are is known where names are resolved (`plan/shapes/using.rs`).
            *constraint = using;
            return ControlFlow::Continue(());
        }
        JoinConstraint::Natural => {
            let error = Error::new(Code::NotSupported, "NATURAL ASOF JOIN is not built yet");
            return ControlFlow::Break((error.with_hint("write USING (k, ts), or ON l.k = r.k AND l.ts >= r.ts"), place));
        }
    };
    join.join_operator = asof_on(match_condition.clone(), on);
    ControlFlow::Continue(())
}

/// What the parser says of an ASOF JOIN without a MATCH_CONDITION of its own.
fn kind_of(match_condition: &Expr) -> &str {
    match match_condition {
        Expr::Identifier(Ident { value, quote_style: None, .. }) => value.as_str(),
        _ => "",
    }
}

/// Whether all conditions of an ASOF JOIN stand in its ON or USING.
pub(crate) fn has_no_match_condition(match_condition: &Expr) -> bool {
    matches!(kind_of(match_condition), ASOF_INNER | ASOF_LEFT)
}

/// An ASOF JOIN with what its MATCH_CONDITION and its ON say, as a plain join.
pub(crate) fn asof_on(match_condition: Expr, on: Option<Expr>) -> JoinOperator {
    let (is_left, conditions) = match kind_of(&match_condition) {
        ASOF_INNER => (false, vec![on]),
        ASOF_LEFT => (true, vec![on]),
        _ => (true, vec![Some(match_condition), on]),
    };
    let conditions: Vec<Expr> = conditions.into_iter().flatten().collect();
    let condition = conditions.into_iter().map(with_nearest).reduce(and).unwrap_or_else(|| syntax::boolean(true));
    let constraint = JoinConstraint::On(syntax::call(Ident::new(ASOF), vec![condition]));
    if is_left { JoinOperator::LeftOuter(constraint) } else { JoinOperator::Inner(constraint) }
}

fn and(left: Expr, right: Expr) -> Expr {
    // A condition may hold an OR.
    let nested = |expr: Expr| Expr::Nested(Box::new(expr));
    Expr::BinaryOp { left: Box::new(nested(left)), op: BinaryOperator::And, right: Box::new(nested(right)) }
}

/// `NEAREST(l.ts, r.ts)` as a marker over a comparison, so that both get one type.
fn with_nearest(condition: Expr) -> Expr {
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            Expr::BinaryOp { left: Box::new(with_nearest(*left)), op: BinaryOperator::And, right: Box::new(with_nearest(*right)) }
        }
        Expr::Nested(inner) => Expr::Nested(Box::new(with_nearest(*inner))),
        other => match nearest_of(&other) {
            Some([left, right]) => {
                let compared = Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::GtEq, right: Box::new(right) };
                syntax::call(Ident::new(ASOF_NEAREST), vec![compared])
            }
            None => other,
        },
    }
}

fn nearest_of(expr: &Expr) -> Option<[Expr; 2]> {
    let Expr::Function(function) = expr else { return None };
    let arguments = plain_call(function, &["nearest"])?;
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(left)), FunctionArg::Unnamed(FunctionArgExpr::Expr(right))] = arguments
    else {
        return None;
    };
    Some([left.clone(), right.clone()])
}

/// The arguments of a call of one of these functions, unquoted.
fn plain_call<'a>(function: &'a Function, names: &[&str]) -> Option<&'a [FunctionArg]> {
    let [part] = function.name.0.as_slice() else { return None };
    let name = part.as_ident().filter(|ident| ident.quote_style.is_none())?;
    let is_one = names.iter().any(|known| name.value.eq_ignore_ascii_case(known));
    match &function.args {
        FunctionArguments::List(list) if is_one => Some(&list.args),
        FunctionArguments::None if is_one => Some(&[]),
        _ => None,
    }
}

/// A join with a version of a table.
fn versioned(join: &mut Join) -> ControlFlow<Refused> {
    let place = join.relation.span();
    let TableFactor::Table { version: version @ Some(TableVersion::ForSystemTimeAsOf(_)), .. } = &mut join.relation else {
        return ControlFlow::Continue(());
    };
    use JoinOperator as J;
    let (J::Join(constraint) | J::Inner(constraint) | J::Left(constraint) | J::LeftOuter(constraint)) = &mut join.join_operator
    else {
        // Refused with everything that has a version and is not joined so.
        return ControlFlow::Continue(());
    };
    let JoinConstraint::On(condition) = constraint else {
        let error = Error::new(Code::NotSupported, "a join FOR SYSTEM_TIME AS OF without ON is not built yet");
        return ControlFlow::Break((error.with_hint("write ON l.k = t.k"), place));
    };
    let Some(TableVersion::ForSystemTimeAsOf(time)) = version.take() else { return ControlFlow::Continue(()) };
    let is_now =
        matches!(&time, Expr::Function(call) if plain_call(call, &["proctime", "now", "current_timestamp"]) == Some(&[]));
    *condition = match is_now {
        true => syntax::call(Ident::new(LOOKUP), vec![condition.clone()]),
        false => syntax::call(Ident::new(TEMPORAL), vec![time, condition.clone()]),
    };
    ControlFlow::Continue(())
}
