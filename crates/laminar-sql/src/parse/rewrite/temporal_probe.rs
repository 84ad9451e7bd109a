//! TEMPORAL PROBE JOIN: each left row beside what the right side knew at several distances from the left row's time.
//!
//! The left rows come once for each offset, as a UNION ALL, with the time of the probe beside them; an ASOF join finds the right rows. So nothing below
//! knows of probes, and what an ASOF join forgets and takes back holds for them too.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, JoinConstraint, JoinOperator, Query, Select,
    SelectItem, SetExpr, SetOperator, SetQuantifier, Spanned, TableAlias, TableFactor, Value, ValueWithSpan, VisitorMut,
    WildcardAdditionalOptions,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use laminar_core::{Code, Error};

use super::joins_by_time::ASOF;
use crate::ast_walk::walk_mut;
use crate::parse::probe::{OFFSETS_MAX, PROBE};
use crate::parse::{names, syntax};

type Refused = (Error, Span);

/// The columns that a probe has.
const OFFSET: &str = "offset_ms";
const TIME: &str = "probe_time";

/// Rewrites the probes in FROM of a query and of the parts of its set operations.
pub(super) fn rewrite(query: &mut Query) -> ControlFlow<Refused> {
    let mut probes = Vec::new();
    in_body(&mut query.body, &mut probes)?;
    for (probe, left) in probes {
        // ORDER BY speaks of the probe as well.
        let _ = walk_mut(query, &mut OfLeft { probe: names::of_ident(&probe), left });
    }
    ControlFlow::Continue(())
}

fn in_body(body: &mut SetExpr, probes: &mut Vec<(Ident, Ident)>) -> ControlFlow<Refused> {
    match body {
        SetExpr::Select(select) => in_select(select, probes),
        SetExpr::SetOperation { left, right, .. } => {
            in_body(left, probes)?;
            in_body(right, probes)
        }
        _ => ControlFlow::Continue(()),
    }
}

/// Rewrites each probe, and gives its name and that of the left side, which has its columns now.
fn in_select(select: &mut Select, probes: &mut Vec<(Ident, Ident)>) -> ControlFlow<Refused> {
    for tables in &mut select.from {
        for (number, join) in tables.joins.iter_mut().enumerate() {
            let Some(probe) = Probe::of(&join.join_operator) else { continue };
            let place = join.relation.span();
            let refused = |text: &str, hint: &str| {
                let error = Error::new(Code::NotSupported, text).with_hint(hint);
                ControlFlow::Break((error, place))
            };
            if number > 0 {
                let hint = "put what stands before it into a view, or into FROM (…) AS l";
                return refused("a TEMPORAL PROBE JOIN behind another join is not built yet", hint);
            }
            if !(1..=OFFSETS_MAX).contains(&probe.offsets.len()) {
                let hint = "write RANGE FROM 0s TO 30s STEP 5s, or LIST (0s, 1s, 5s)";
                return refused(&format!("a probe has 1 to {OFFSETS_MAX} offsets"), hint);
            }
            let (Some(left), Some(right)) = (name_of(&tables.relation), name_of(&join.relation)) else {
                return refused("a TEMPORAL PROBE JOIN needs tables with names", "write AS name behind them");
            };
            tables.relation = probe.left(&tables.relation, &left);
            let condition = probe.condition(&left, &right);
            join.join_operator = JoinOperator::LeftOuter(JoinConstraint::On(syntax::call(Ident::new(ASOF), vec![condition])));
            probes.push((probe.name, left));
        }
    }
    ControlFlow::Continue(())
}

/// The name by which expressions know a relation.
fn name_of(factor: &TableFactor) -> Option<Ident> {
    match factor {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(alias.name.clone())
        }
        TableFactor::Table { name, .. } => name.0.last()?.as_ident().cloned(),
        _ => None,
    }
}

/// A probe as it is written.
struct Probe {
    name: Ident,
    left_time: Expr,
    right_time: Expr,
    /// In milliseconds.
    offsets: Vec<String>,
    keys: Expr,
}

impl Probe {
    fn of(operator: &JoinOperator) -> Option<Self> {
        let JoinOperator::AsOf { match_condition: Expr::Function(call), constraint: JoinConstraint::On(keys) } = operator else {
            return None;
        };
        let FunctionArguments::List(list) = &call.args else { return None };
        if !call.name.0.last()?.as_ident().is_some_and(|name| name.value == PROBE) {
            return None;
        }
        let mut arguments = list.args.iter().filter_map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        });
        let Expr::Identifier(name) = arguments.next()? else { return None };
        let (left_time, right_time) = (arguments.next()?.clone(), arguments.next()?.clone());
        let text = |expr: &Expr| match expr {
            Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text.clone()),
            _ => None,
        };
        let offsets = arguments.filter_map(text).collect();
        Some(Self { name: name.clone(), left_time, right_time, offsets, keys: keys.clone() })
    }

    /// `(SELECT *, offset AS offset_ms, time + offset AS probe_time FROM left UNION ALL …) AS left`.
    fn left(&self, relation: &TableFactor, name: &Ident) -> TableFactor {
        let one = |offset: &String| {
            let interval = syntax::interval(format!("{offset} milliseconds"));
            let time = binary(self.left_time.clone(), BinaryOperator::Plus, interval);
            let offset = syntax::number(offset.parse().unwrap_or_default());
            let column = |expr: Expr, name: &str| SelectItem::ExprWithAlias { expr, alias: Ident::new(name) };
            let all = SelectItem::Wildcard(WildcardAdditionalOptions::default());
            let select = syntax::select_of(vec![all, column(offset, OFFSET), column(time, TIME)], relation.clone());
            SetExpr::Select(Box::new(select))
        };
        let all = |left: SetExpr, right: SetExpr| SetExpr::SetOperation {
            op: SetOperator::Union,
            set_quantifier: SetQuantifier::All,
            left: Box::new(left),
            right: Box::new(right),
        };
        let body = balanced(self.offsets.iter().map(one).collect(), &all);
        let alias = TableAlias { explicit: true, name: name.clone(), columns: vec![], at: None };
        let subquery = Box::new(syntax::query_of_body(body));
        TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None }
    }

    /// The keys of both sides are equal, and the right row is not behind the probe.
    fn condition(&self, left: &Ident, right: &Ident) -> Expr {
        let of = |relation: &Ident, column: &Ident| Expr::CompoundIdentifier(vec![relation.clone(), column.clone()]);
        let qualified = |relation: &Ident, time: &Expr| match time {
            Expr::Identifier(column) => of(relation, column),
            other => other.clone(),
        };
        let time = Ident::new(TIME);
        let known = binary(of(left, &time), BinaryOperator::GtEq, qualified(right, &self.right_time));
        let equal = |column: &Ident| binary(of(left, column), BinaryOperator::Eq, of(right, column));
        let columns: Option<Vec<&Ident>> = match &self.keys {
            Expr::Nested(inner) => match inner.as_ref() {
                Expr::Identifier(column) => Some(vec![column]),
                _ => None,
            },
            Expr::Tuple(columns) => columns
                .iter()
                .map(|column| match column {
                    Expr::Identifier(column) => Some(column),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        match columns {
            Some(columns) => columns.into_iter().map(equal).fold(known, |all, one| binary(all, BinaryOperator::And, one)),
            None => binary(known, BinaryOperator::And, self.keys.clone()),
        }
    }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// All parts in one tree that is not deep.
fn balanced(mut parts: Vec<SetExpr>, both: &dyn Fn(SetExpr, SetExpr) -> SetExpr) -> SetExpr {
    while parts.len() > 1 {
        let mut rest = parts.into_iter();
        let mut pairs = Vec::new();
        while let Some(left) = rest.next() {
            pairs.push(match rest.next() {
                Some(right) => both(left, right),
                None => left,
            });
        }
        parts = pairs;
    }
    parts.remove(0)
}

/// Turns columns of the probe into columns of the left side.
struct OfLeft {
    probe: String,
    left: Ident,
}

impl VisitorMut for OfLeft {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let [relation, column] = parts.as_mut_slice()
            && names::of_ident(relation) == self.probe
            && [OFFSET, TIME].contains(&names::of_ident(column).as_str())
        {
            relation.clone_from(&self.left);
        }
        ControlFlow::Continue(())
    }
}
