//! Aggregates, and what a query groups by.

use super::expression::{Column, Scope};
use super::generate::Maker;
use super::tree::{Expr, Group, Kind, Part};

/// What an aggregate of a kind can be: its text, and the kind of what it is about.
fn aggregates(kind: Kind) -> &'static [(&'static str, Kind)] {
    match kind {
        Kind::Int => &[
            ("count({})", Kind::Int),
            ("count({})", Kind::Text),
            ("count(DISTINCT {})", Kind::Int),
            ("count(DISTINCT {})", Kind::Text),
            ("count(DISTINCT {})", Kind::Time),
            ("CAST(sum({})@ AS BIGINT)", Kind::Int),
            ("CAST(sum(DISTINCT {})@ AS BIGINT)", Kind::Int),
            ("min({})", Kind::Int),
            ("max({})", Kind::Int),
        ],
        Kind::Decimal => &[
            ("sum({})", Kind::Decimal),
            ("min({})", Kind::Decimal),
            ("max({})", Kind::Decimal),
            ("round(CAST(avg({})@ AS DECIMAL(20, 8)), 3)", Kind::Int),
            ("round(avg({})@, 3)", Kind::Decimal),
        ],
        Kind::Double => &[
            ("sum({})", Kind::Double),
            ("avg({})", Kind::Double),
            ("min({})", Kind::Double),
            ("percentile_cont(0.5) WITHIN GROUP (ORDER BY {})", Kind::Double),
        ],
        Kind::Text => &[("min({})", Kind::Text), ("max({})", Kind::Text)],
        Kind::Bool => &[("bool_and({})", Kind::Bool), ("bool_or({})", Kind::Bool), ("every({})", Kind::Bool)],
        Kind::Date => &[("min({})", Kind::Date), ("max({})", Kind::Date)],
        Kind::Time => &[("min({})", Kind::Time), ("max({})", Kind::Time)],
    }
}

impl Maker<'_> {
    /// An aggregate over rows of `columns`.
    pub(super) fn aggregate(&mut self, kind: Kind, columns: &[Column]) -> Expr {
        // Of outer columns alone it would be an aggregate of the outer query.
        let scope = Scope { columns: columns.to_vec(), queries: self.chance(0.15), ..Scope::default() };
        let (call, mut parts) = match kind {
            Kind::Int if self.chance(0.2) => ("count(*)", Vec::new()),
            Kind::Text if self.chance(0.5) => self.ordered(&scope),
            kind => {
                let (call, of) = self.one_of(aggregates(kind));
                (call, vec![Part::Expr(self.expr(of, &scope, 2))])
            }
        };
        let filter = if self.chance(0.25) {
            parts.push(Part::Expr(self.expr(Kind::Bool, &scope, 2)));
            " FILTER (WHERE {})"
        } else {
            ""
        };
        // What is written around an aggregate stands behind its FILTER.
        let template = if call.contains('@') { call.replace('@', filter) } else { format!("{call}{filter}") };
        Expr::of(kind, &template, parts)
    }

    /// One that depends on the order of its rows, which is the order of what it is about.
    fn ordered(&mut self, scope: &Scope) -> (&'static str, Vec<Part>) {
        let (call, of) = self.one_of(&[
            ("string_agg({}, ',' ORDER BY {})", Kind::Text),
            ("string_agg({}, ',' ORDER BY {} DESC)", Kind::Text),
            ("string_agg(DISTINCT {}, ',' ORDER BY {})", Kind::Text),
            ("CAST(array_agg({} ORDER BY {})@ AS VARCHAR)", Kind::Int),
            ("CAST(array_agg({} ORDER BY {} DESC NULLS LAST)@ AS VARCHAR)", Kind::Int),
            ("CAST(array_agg(DISTINCT {} ORDER BY {})@ AS VARCHAR)", Kind::Int),
        ]);
        let about = match scope.columns.iter().filter(|column| column.1 == of).collect::<Vec<_>>() {
            none if none.is_empty() => self.constant(of).to_string(),
            columns => columns[self.below(columns.len())].0.clone(),
        };
        (call, [about.clone(), about].map(Part::Text).into())
    }

    /// Keys of a GROUP BY, and what can be named behind it.
    pub(super) fn group(&mut self, columns: &[Column], outer: &[Column]) -> (Group, Scope) {
        let mut scope = Scope { outer: outer.to_vec(), queries: true, ..Scope::default() };
        let mut keys: Vec<Expr> = Vec::new();
        for _ in 0..=self.below(3) {
            let (text, kind) = columns[self.below(columns.len())].clone();
            let key = if self.chance(0.75) { Expr::leaf(kind, text.as_str()) } else { self.computed_key(kind, text.as_str()) };
            if keys.iter().any(|other| other.to_string() == key.to_string()) {
                continue;
            }
            if key.is_leaf() {
                scope.columns.push((text, kind));
            }
            scope.ready.push(key.clone());
            keys.push(key);
        }
        // PostgreSQL 15 makes `p` of NOT (NOT p), which is no key any more, and then looks at any row.
        let is_negated = |key: &Expr| key.to_string().starts_with("(NOT ");
        if self.chance(0.8) || keys.iter().any(is_negated) {
            return (Group::Keys(keys), scope);
        }
        let of = self.below(keys.len());
        scope.ready.push(Expr::of(Kind::Int, "grouping({})", [Part::Expr(keys[of].clone())]));
        let group = match self.below(3) {
            0 => Group::Spread("ROLLUP", keys),
            1 => Group::Spread("CUBE", keys),
            _ => {
                let sets = 1 + self.below(3);
                let mut sets: Vec<Vec<usize>> =
                    (0..sets).map(|_| (0..keys.len()).filter(|_| self.chance(0.5)).collect()).collect();
                // Each key is in one of them, or it would be no key.
                sets.push((0..keys.len()).collect());
                Group::Sets(keys, sets)
            }
        };
        (group, scope)
    }

    fn computed_key(&mut self, kind: Kind, column: &str) -> Expr {
        let template = match kind {
            Kind::Int => self.one_of(&["({} % 2)", "({} + 1)", "coalesce({}, 0)"]),
            Kind::Text => self.one_of(&["upper({})", "left({}, 1)"]),
            Kind::Time => "date_trunc('minute', {})",
            Kind::Bool => "(NOT {})",
            Kind::Date => "({} + 1)",
            Kind::Decimal => "round({}, 0)",
            Kind::Double => "floor({})",
        };
        Expr::of(kind, template, [Part::Text(column.to_owned())])
    }
}
