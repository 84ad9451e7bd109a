//! The windows of `GROUP BY`: the call becomes two group keys, and what speaks of the window becomes the same markers.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, OrderBy, OrderByKind, Query, Select, SelectItem, Spanned, Value, VisitMut, VisitorMut,
};
use laminar_core::{Code, Error, Result};

use super::call::{self, Part, Window, is_marker, place};
use crate::ast_walk::walk_mut;
use crate::parse::names;
use crate::parse::position::LineIndex;

/// Rewrites a `SELECT` of which `GROUP BY` has a window, and the `ORDER BY` of its query.
pub(super) fn rewrite(select: &mut Select, order_by: Option<&mut OrderBy>, lines: &LineIndex<'_>) -> Result<()> {
    let GroupByExpr::Expressions(items, _) = &mut select.group_by else { return Ok(()) };
    let mut keys = Keys { projection: &select.projection, lines, window: None };
    keys.replace(items)?;
    let Some(window) = keys.window else { return Ok(()) };
    let mut names = Replacer { window: &window, lines, queries: 0, markers: 0, leave_names: false };
    for item in &mut select.projection {
        names.in_item(item)?;
    }
    if let Some(Distinct::On(exprs)) = &mut select.distinct {
        names.in_all(exprs)?;
    }
    names.in_all(&mut select.having)?;
    names.in_all(&mut select.qualify)?;
    names.in_all(&mut select.named_window)?;
    if let Some(OrderBy { kind: OrderByKind::Expressions(exprs), .. }) = order_by {
        // A column of the result goes before the window: `SELECT window_start AS w, price AS window_start … ORDER BY window_start`.
        names.leave_names = select.projection.iter().any(is_named_like_a_window);
        names.in_all(exprs)?;
    }
    Ok(())
}

fn is_named_like_a_window(item: &SelectItem) -> bool {
    matches!(item, SelectItem::ExprWithAlias { alias, .. } if part_of(alias).is_some())
}

/// The keys of `GROUP BY`, in which a window is looked for.
struct Keys<'a> {
    projection: &'a [SelectItem],
    lines: &'a LineIndex<'a>,
    window: Option<Window>,
}

impl Keys<'_> {
    fn replace(&mut self, items: &mut Vec<Expr>) -> Result<()> {
        let mut keys = Vec::with_capacity(items.len() + 1);
        let mut has_window = false;
        for mut item in items.drain(..) {
            if let Some(window) = self.window_of(&item)? {
                self.note(&window, &item)?;
                // The same window twice is one key.
                if !has_window {
                    keys.extend([Part::Start, Part::End].map(|part| window.marker(part, item.span())));
                }
                has_window = true;
                continue;
            }
            if let Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) = &mut item {
                sets.iter_mut().try_for_each(|set| self.replace(set))?;
                item = with_single_keys(item);
            } else if let Expr::Tuple(exprs) = &mut item {
                self.replace(exprs)?;
            }
            keys.push(item);
        }
        *items = keys;
        Ok(())
    }

    /// The window that a key is: a call, or the name or number of a call in the select list.
    fn window_of(&self, key: &Expr) -> Result<Option<Window>> {
        match key {
            Expr::Nested(inner) => self.window_of(inner),
            Expr::Function(function) => match call::named(function) {
                Some((family, _)) => call::read(family, function, self.lines).map(Some),
                None => Ok(None),
            },
            Expr::Identifier(name) => match self.projection.iter().find_map(|item| aliased(item, name)) {
                Some(Expr::Function(function)) => self.window_of(&Expr::Function(function.clone())),
                _ => Ok(None),
            },
            Expr::Value(value) => match self.item_of(&value.value) {
                Some(Expr::Function(function)) => self.window_of(&Expr::Function(function.clone())),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn item_of(&self, number: &Value) -> Option<&Expr> {
        let Value::Number(number, _) = number else { return None };
        match self.projection.get(number.parse::<usize>().ok()?.checked_sub(1)?)? {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
            _ => None,
        }
    }

    fn note(&mut self, window: &Window, key: &Expr) -> Result<()> {
        match &self.window {
            Some(other) if !other.is_same(window) => {
                let error = Error::new(Code::InvalidWindow, "GROUP BY has more than one window");
                Err(place(
                    error.with_hint("compute the shorter one in a view or a sub-query, and the longer one over its window_start"),
                    key,
                    self.lines,
                ))
            }
            _ => {
                self.window = Some(window.clone());
                Ok(())
            }
        }
    }
}

/// ROLLUP and CUBE of which an element has several keys, as a window has, as the sets that they mean: DataFusion has only those of single
/// keys.
fn with_single_keys(item: Expr) -> Expr {
    // More sets are refused where they are counted.
    const KEYS_MAX: usize = 12;
    let united = |parts: Vec<&Vec<Expr>>| parts.into_iter().flatten().cloned().collect();
    match item {
        Expr::Rollup(parts) if parts.iter().any(|part| part.len() != 1) => {
            Expr::GroupingSets((0..=parts.len()).rev().map(|first| united(parts[..first].iter().collect())).collect())
        }
        Expr::Cube(parts) if parts.iter().any(|part| part.len() != 1) && parts.len() <= KEYS_MAX => {
            let chosen = |bits: usize| (0..parts.len()).filter(|part| bits >> part & 1 == 0).map(|part| &parts[part]).collect();
            Expr::GroupingSets((0..1 << parts.len()).map(|bits| united(chosen(bits))).collect())
        }
        other => other,
    }
}

fn aliased<'a>(item: &'a SelectItem, name: &Ident) -> Option<&'a Expr> {
    match item {
        SelectItem::ExprWithAlias { expr, alias } if names::of_ident(alias) == names::of_ident(name) => Some(expr),
        _ => None,
    }
}

/// Replaces what speaks of the window of `GROUP BY` in other clauses.
struct Replacer<'a> {
    window: &'a Window,
    lines: &'a LineIndex<'a>,
    /// How many sub-queries deep: their `window_start` is their own.
    queries: usize,
    /// How many markers deep: the time of a window is no place for a window.
    markers: usize,
    /// Whether `window_start` is the name of a column of the result here.
    leave_names: bool,
}

impl Replacer<'_> {
    fn in_item(&mut self, item: &mut SelectItem) -> Result<()> {
        if let SelectItem::UnnamedExpr(expr) = item
            && let Some(part) = self.part(expr)?
        {
            let alias = Ident::new(if part == Part::End { "window_end" } else { "window_start" });
            *item = SelectItem::ExprWithAlias { expr: self.window.marker(part, expr.span()), alias };
            return Ok(());
        }
        self.in_all(item)
    }

    fn in_all(&mut self, place: &mut impl VisitMut) -> Result<()> {
        match walk_mut(place, self) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    /// Which part of the window an expression is, if it is one.
    fn part(&self, expr: &Expr) -> Result<Option<Part>> {
        match expr {
            Expr::Identifier(ident) if !self.leave_names => Ok(part_of(ident)),
            Expr::Function(function) => match call::named(function) {
                Some((family, part)) => self.same_window(family, function, expr).map(|()| Some(part)),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// Refuses `TUMBLE_START(…)` of another window than that of `GROUP BY`. Without arguments only the kind must fit.
    fn same_window(&self, family: call::Family, function: &datafusion::sql::sqlparser::ast::Function, expr: &Expr) -> Result<()> {
        let has_args =
            matches!(&function.args, datafusion::sql::sqlparser::ast::FunctionArguments::List(list) if !list.args.is_empty());
        let is_same =
            if has_args { call::read(family, function, self.lines)?.is_same(self.window) } else { family == self.window.family };
        if is_same {
            return Ok(());
        }
        let error = Error::new(Code::InvalidWindow, format!("{} is not the window of GROUP BY", function.name));
        Err(place(error.with_hint("write window_start or window_end"), expr, self.lines))
    }
}

fn part_of(ident: &Ident) -> Option<Part> {
    match names::of_ident(ident).as_str() {
        "window_start" => Some(Part::Start),
        "window_end" => Some(Part::End),
        _ => None,
    }
}

impl VisitorMut for Replacer<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if self.queries == 0 && self.markers == 0 {
            match self.part(expr) {
                Ok(Some(part)) => *expr = self.window.marker(part, expr.span()),
                Ok(None) => {}
                Err(error) => return ControlFlow::Break(error),
            }
        }
        self.markers += usize::from(is_marker(expr));
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        self.markers -= usize::from(is_marker(expr));
        ControlFlow::Continue(())
    }
}
