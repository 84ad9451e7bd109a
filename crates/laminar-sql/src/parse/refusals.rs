//! What sqlparser reads and nothing below would look at: brought into another form or refused, never dropped in silence.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Join, JoinConstraint, JoinOperator, LimitClause, Query, Select, SetExpr, Spanned, TableFactor, TableVersion,
    TableWithJoins, Value, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer;
use laminar_core::{Code, Error, Result};

use super::names;
use super::position::LineIndex;
use super::rewrite::with_ties;
use crate::ast_walk::walk_mut;

/// Goes through a query and all that is nested in it.
///
/// # Errors
/// The first clause that would be lost.
pub(super) fn refuse(query: &mut Query, lines: &LineIndex<'_>) -> Result<()> {
    match walk_mut(query, &mut Refusals { lines }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Words of clauses: without quotes they name nothing, as in `SELECT a FROM WHERE b`.
pub(super) const RESERVED: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "JOIN",
    "ON",
    "USING",
    "WHEN",
    "THEN",
    "ELSE",
    "AND",
    "OR",
    "AS",
];

struct Refusals<'a> {
    lines: &'a LineIndex<'a>,
}

impl VisitorMut for Refusals<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if !query.locks.is_empty() {
            let error = self.not_built("FOR UPDATE", "leave it out: a query never waits for writers", query.body.span());
            return ControlFlow::Break(error);
        }
        if matches!(query.body.as_ref(), SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)) {
            let instead = "write the statement by itself, with its queries in FROM, USING or sub-queries";
            return ControlFlow::Break(self.not_built("a statement inside of a query", instead, query.body.span()));
        }
        if query.for_clause.is_some() {
            return ControlFlow::Break(self.not_built("FOR XML or FOR JSON", "leave it out", query.body.span()));
        }
        self.fetch_as_limit(query)
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if let Some(into) = &select.into {
            let error = self.not_built("SELECT INTO", "write INSERT INTO … SELECT, or CREATE MATERIALIZED VIEW", into.span());
            return ControlFlow::Break(error);
        }
        if !select.connect_by.is_empty() {
            let place = select.select_token.0.span;
            return ControlFlow::Break(self.not_built("CONNECT BY", "write WITH RECURSIVE", place));
        }
        select.from.iter().try_for_each(|table| self.joins(table))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let place = factor.span();
        let not_built = |what: &str, hint: &str| ControlFlow::Break(self.not_built(what, hint, place));
        match factor {
            TableFactor::Table { version: Some(version), .. } if !matches!(version, TableVersion::ForSystemTimeAsOf(_)) => {
                not_built("this form of AS OF", "write FOR SYSTEM_TIME AS OF")
            }
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
                not_built("TABLESAMPLE", "filter with WHERE")
            }
            TableFactor::Table { with_ordinality: true, .. }
            | TableFactor::Function { with_ordinality: true, .. }
            | TableFactor::UNNEST { with_ordinality: true, .. } => {
                not_built("WITH ORDINALITY", "number the rows with row_number() OVER (…)")
            }
            TableFactor::Table { with_hints, .. } if !with_hints.is_empty() => {
                not_built("WITH (…) behind a table", "leave it out")
            }
            TableFactor::Table { partitions, .. } if !partitions.is_empty() => {
                not_built("PARTITION behind a table", "leave it out")
            }
            TableFactor::Table { index_hints, .. } if !index_hints.is_empty() => not_built("a hint for an index", "leave it out"),
            TableFactor::Table { name, .. } => match name.0.as_slice() {
                [schema, _] if schema.as_ident().is_some_and(|schema| names::of_ident(schema) == "public") => {
                    ControlFlow::Continue(())
                }
                [schema, .., table] => {
                    let schema = schema.as_ident().map(names::of_ident).unwrap_or_default();
                    let hint = match schema.as_str() {
                        "information_schema" | "pg_catalog" => {
                            "SHOW ALL lists what there is, DESCRIBE name its columns".to_owned()
                        }
                        _ => format!("write '{table}' alone"),
                    };
                    let error = Error::new(Code::NotSupported, "there are no schemas but 'public'").with_hint(hint);
                    ControlFlow::Break(self.at(error, name.span()))
                }
                [part] => part.as_ident().map_or(ControlFlow::Continue(()), |ident| self.not_reserved(ident, "a table")),
                _ => ControlFlow::Continue(()),
            },
            TableFactor::NestedJoin { table_with_joins, .. } => self.joins(table_with_joins),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match expr {
            Expr::Identifier(ident) => self.not_reserved(ident, "an expression"),
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Refusals<'_> {
    /// `FETCH FIRST 5 ROWS ONLY` is `LIMIT 5`; with ties it is a condition.
    fn fetch_as_limit(&self, query: &mut Query) -> ControlFlow<Error> {
        let Some(fetch) = query.fetch.take() else { return ControlFlow::Continue(()) };
        let quantity = fetch.quantity.unwrap_or_else(|| Expr::Value(Value::Number("1".to_owned(), false).with_empty_span()));
        let place = quantity.span();
        if fetch.percent {
            let instead = "write the number of rows, or QUALIFY percent_rank() OVER (ORDER BY …) <= 0.1";
            return ControlFlow::Break(self.not_built("FETCH … PERCENT", instead, place));
        }
        if fetch.with_ties {
            return match with_ties(query, quantity) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(self.at(error, place)),
            };
        }
        match &mut query.limit_clause {
            None => query.limit_clause = Some(LimitClause::LimitOffset { limit: Some(quantity), offset: None, limit_by: vec![] }),
            Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = Some(quantity),
            Some(_) => {
                let error = Error::new(Code::Syntax, "LIMIT and FETCH say the same").with_hint("write one of them");
                return ControlFlow::Break(self.at(error, quantity.span()));
            }
        }
        ControlFlow::Continue(())
    }

    fn joins(&self, table: &TableWithJoins) -> ControlFlow<Error> {
        table.joins.iter().try_for_each(|join| self.join(join))
    }

    fn join(&self, join: &Join) -> ControlFlow<Error> {
        use JoinOperator as J;
        let place = join.relation.span();
        if join.global {
            return ControlFlow::Break(self.not_built("GLOBAL JOIN", "leave GLOBAL out", place));
        }
        match &join.join_operator {
            J::Join(JoinConstraint::None)
            | J::Inner(JoinConstraint::None)
            | J::Left(JoinConstraint::None)
            | J::LeftOuter(JoinConstraint::None)
            | J::Right(JoinConstraint::None)
            | J::RightOuter(JoinConstraint::None)
            | J::FullOuter(JoinConstraint::None) => {
                let error = Error::new(Code::Syntax, "the join does not say which rows belong together");
                ControlFlow::Break(self.at(error.with_hint("write ON or USING behind it, or CROSS JOIN"), place))
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn not_reserved(&self, ident: &Ident, expected: &str) -> ControlFlow<Error> {
        if ident.quote_style.is_some() || !RESERVED.iter().any(|word| word.eq_ignore_ascii_case(&ident.value)) {
            return ControlFlow::Continue(());
        }
        let error = Error::new(Code::Syntax, format!("expected {expected}, but found '{}'", ident.value));
        ControlFlow::Break(
            self.at(error.with_hint(format!("if it is a name, quote it: \"{}\"", names::of_ident(ident))), ident.span),
        )
    }

    fn not_built(&self, what: &str, hint: &str, place: tokenizer::Span) -> Error {
        let error = Error::new(Code::NotSupported, format!("{what} is not built yet")).with_hint(hint);
        self.at(error, place)
    }

    fn at(&self, error: Error, place: tokenizer::Span) -> Error {
        match self.lines.span(place).filter(|span| span.end > span.start) {
            Some(span) => error.at(span),
            None => error,
        }
    }
}
