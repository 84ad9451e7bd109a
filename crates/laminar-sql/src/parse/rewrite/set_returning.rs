//! `SELECT n, generate_series(1, n) FROM t`: a row for each value. The function gives an array, which `unnest` takes apart.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, Select, SelectItem, Spanned, TableAlias,
    TableAliasColumnDef, TableFactor, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use laminar_core::{Code, Error};

use crate::ast_walk::{walk, walk_expressions, walk_mut};
use crate::parse::syntax;

/// A mistake, and where it stands.
type Refused = ControlFlow<(Error, Span)>;

/// Unpacks the set-returning functions of a SELECT list, and refuses them where PostgreSQL does.
pub(super) fn rewrite(select: &mut Select) -> Refused {
    let conditions = [("WHERE", &select.selection), ("HAVING", &select.having)];
    conditions.into_iter().try_for_each(|(clause, condition)| match condition {
        Some(condition) => walk(condition, &mut Refusing { nested: 0, clause, names: &["generate_series", "unnest"] }),
        None => ControlFlow::Continue(()),
    })?;
    // The planner takes `unnest` apart in GROUP BY, but would group by the array of a series.
    walk(&select.group_by, &mut Refusing { nested: 0, clause: "GROUP BY", names: &["generate_series"] })?;
    select.projection.iter_mut().try_for_each(item)
}

/// `LATERAL UNNEST(…)` is UNNEST: what it reads stands beside it with or without the word.
pub(super) fn without_lateral(factor: &mut TableFactor) {
    let TableFactor::Function { lateral: true, name, args, with_ordinality, alias } = factor else { return };
    let value = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    if let Some(array_exprs) = args.iter().map(value).collect::<Option<Vec<_>>>()
        && name.to_string().eq_ignore_ascii_case("unnest")
    {
        let (alias, with_ordinality) = (alias.take(), *with_ordinality);
        *factor = TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_offset_alias: None, with_ordinality };
    }
}

/// `generate_series(1, t.n)` in FROM, which reads what stands before it, is UNNEST of the array that the function of that name gives.
pub(super) fn series_of_columns(factor: &mut TableFactor) {
    let (name, args, alias) = match &mut *factor {
        TableFactor::Table { name, args: Some(args), alias, .. } => (name, &args.args, alias),
        TableFactor::Function { name, args, alias, .. } => (name, &*args, alias),
        _ => return,
    };
    let value = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    let Some(values) = args.iter().map(value).collect::<Option<Vec<_>>>() else { return };
    let reads = |expr: &Expr| {
        walk_expressions(expr, |part| match part {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .is_break()
    };
    if !name.to_string().eq_ignore_ascii_case("generate_series") || !values.iter().any(reads) {
        return;
    }
    // Its column is called as the relation is.
    let mut alias = alias.take().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::new("generate_series"),
        columns: vec![],
        at: None,
    });
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
    *factor = TableFactor::UNNEST {
        alias: Some(alias),
        array_exprs: vec![syntax::call(Ident::new("generate_series"), values)],
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    };
}

fn item(item: &mut SelectItem) -> Refused {
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = &mut *item else {
        return ControlFlow::Continue(());
    };
    let own_name = series_name(expr);
    walk(&*expr, &mut Guarding { nested: 0, guards: Vec::new() })?;
    let _ = walk_mut(expr, &mut Unpacking { nested: 0 });
    if let (SelectItem::UnnamedExpr(expr), Some(name)) = (&mut *item, own_name) {
        let expr = std::mem::replace(expr, syntax::null());
        *item = SelectItem::ExprWithAlias { expr, alias: name };
    }
    ControlFlow::Continue(())
}

/// The name of a call of a set-returning function whose array form the planner knows under the same name.
fn series_name(expr: &Expr) -> Option<Ident> {
    let Expr::Function(call) = expr else { return None };
    let [part] = call.name.0.as_slice() else { return None };
    let ident = part.as_ident()?;
    ident.value.eq_ignore_ascii_case("generate_series").then(|| Ident::with_span(ident.span, "generate_series"))
}

fn returns_set(expr: &Expr) -> Option<String> {
    let Expr::Function(call) = expr else { return None };
    let name = call.name.to_string().to_lowercase();
    matches!(name.as_str(), "generate_series" | "unnest").then_some(name)
}

fn refused(message: String, span: Span, hint: &str) -> Refused {
    ControlFlow::Break((Error::new(Code::InvalidQuery, message).with_hint(hint), span))
}

/// Wraps each series of a SELECT item, outside of nested queries, in `unnest`.
struct Unpacking {
    nested: usize,
}

impl VisitorMut for Unpacking {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.nested += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.nested -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.nested > 0 {
            return ControlFlow::Continue(());
        }
        if series_name(expr).is_some() {
            let series = std::mem::replace(expr, syntax::null());
            *expr = syntax::call(Ident::new("unnest"), vec![series]);
        } else if let Some(inner) = twice_unpacked(expr) {
            *expr = inner;
        }
        ControlFlow::Continue(())
    }
}

/// `unnest(generate_series(…))` as people write it for DataFusion: it was unpacked once already.
fn twice_unpacked(expr: &Expr) -> Option<Expr> {
    let inner = unnested(expr)?;
    series_name(unnested(inner)?).map(|_| inner.clone())
}

fn unnested(expr: &Expr) -> Option<&Expr> {
    let Expr::Function(call) = expr else { return None };
    let FunctionArguments::List(list) = &call.args else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))] if call.name.to_string().eq_ignore_ascii_case("unnest") => Some(arg),
        _ => None,
    }
}

/// Refuses sets inside of what picks one of its arguments or collects rows: a row for each value would change the others.
struct Guarding {
    nested: usize,
    guards: Vec<&'static str>,
}

fn guard_of(expr: &Expr) -> Option<&'static str> {
    match expr {
        Expr::Case { .. } => Some("CASE"),
        Expr::Function(call) => match call.name.to_string().to_lowercase().as_str() {
            "coalesce" => Some("COALESCE"),
            "nullif" => Some("NULLIF"),
            "sum" | "count" | "avg" | "min" | "max" | "array_agg" | "string_agg" => Some("an aggregate"),
            _ => None,
        },
        _ => None,
    }
}

impl Visitor for Guarding {
    type Break = (Error, Span);

    fn pre_visit_query(&mut self, _: &Query) -> Refused {
        self.nested += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> Refused {
        self.nested -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Refused {
        if self.nested > 0 {
            return ControlFlow::Continue(());
        }
        if let (Some(name), Some(guard)) = (returns_set(expr), self.guards.last()) {
            let message = format!("{name} gives a row for each value and cannot stand inside of {guard}");
            return refused(message, expr.span(), "write it in FROM");
        }
        self.guards.extend(guard_of(expr));
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> Refused {
        if self.nested == 0 && guard_of(expr).is_some() {
            self.guards.pop();
        }
        ControlFlow::Continue(())
    }
}

/// Refuses sets in a condition, which has one value for a row.
struct Refusing {
    nested: usize,
    clause: &'static str,
    names: &'static [&'static str],
}

impl Visitor for Refusing {
    type Break = (Error, Span);

    fn pre_visit_query(&mut self, _: &Query) -> Refused {
        self.nested += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> Refused {
        self.nested -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Refused {
        match returns_set(expr) {
            Some(name) if self.nested == 0 && self.names.contains(&name.as_str()) => {
                let message = format!("{name} gives a row for each value and cannot stand in {}", self.clause);
                refused(message, expr.span(), "write it in FROM")
            }
            _ => ControlFlow::Continue(()),
        }
    }
}
