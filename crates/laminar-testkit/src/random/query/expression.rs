//! Expressions of one kind over the columns that can be seen.

use rand::RngExt;

use super::generate::Maker;
use super::tree::{Expr, Kind, Part};

/// A column: how it is written, and what it holds.
pub(super) type Column = (String, Kind);

/// What an expression can name.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// Columns of the query's own relations; behind GROUP BY, those it groups by.
    pub(super) columns: Vec<Column>,
    /// Columns of the queries around it.
    pub(super) outer: Vec<Column>,
    /// Whole expressions that have a value here: aggregates, keys, calls with OVER.
    pub(super) ready: Vec<Expr>,
    /// Whether there can be sub-queries.
    pub(super) queries: bool,
}

impl Scope {
    /// Everything that a sub-query within can name of what is around it: a name without its relation could be its own.
    pub(super) fn around(&self) -> Vec<Column> {
        self.columns.iter().chain(&self.outer).filter(|column| column.0.contains('.')).cloned().collect()
    }
}

/// Templates by kind: `{i}` is an expression of whole numbers, `{n}` a decimal, `{f}` a double, `{t}` a text, `{b}` a condition, `{d}` a
/// date, `{s}` a timestamp.
fn templates(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Int => &[
            "({i} + {i})",
            "({i} - {i})",
            "({i} * 2)",
            "({i} % 3)",
            "({i} / nullif({i}, 0))",
            "(- {i})",
            "abs({i})",
            "length({t})",
            "coalesce({i}, {i})",
            "nullif({i}, {i})",
            "CASE WHEN {b} THEN {i} ELSE {i} END",
            "CASE WHEN {b} THEN {i} END",
            "CASE {i} WHEN {i} THEN {i} WHEN 2 THEN {i} ELSE {i} END",
            "CAST(extract(DAY FROM {d}) AS BIGINT)",
            "CAST(extract(DOW FROM {d}) AS BIGINT)",
            "CAST(extract(HOUR FROM {s}) AS BIGINT)",
            "greatest({i}, {i})",
            "least({i}, {i}, 2)",
            "CAST({n} AS BIGINT)",
            "CAST({b} AS INTEGER)",
            "CAST(CAST({i} AS VARCHAR) AS BIGINT)",
            "strpos({t}, {t})",
            "({d} - {d})",
        ],
        Kind::Decimal => &[
            "({n} + {n})",
            "({n} - {n})",
            "({n} * 1.5)",
            "round({n}, 1)",
            "round({n} / nullif({n}, 0), 2)",
            "abs({n})",
            "trunc({n})",
            "coalesce({n}, {n})",
            "CASE WHEN {b} THEN {n} ELSE {n} END",
            "CAST({i} AS DECIMAL(12, 2))",
            "greatest({n}, {n})",
        ],
        Kind::Double => &[
            "({f} + {f})",
            "({f} - {f})",
            "({f} * 2)",
            "abs({f})",
            "floor({f})",
            "coalesce({f}, {f})",
            "CASE WHEN {b} THEN {f} ELSE {f} END",
            "CAST({i} AS DOUBLE PRECISION)",
            "least({f}, {f})",
        ],
        Kind::Text => &[
            "({t} || {t})",
            "({t} || {i})",
            "upper({t})",
            "lower({t})",
            "substring({t} FROM 2 FOR 2)",
            "replace({t}, 'a', 'xy')",
            "coalesce({t}, {t})",
            "nullif({t}, {t})",
            "CAST({i} AS VARCHAR)",
            "CAST({b} AS VARCHAR)",
            "CASE WHEN {b} THEN {t} ELSE {t} END",
            "CASE WHEN {b} THEN {t} WHEN {b} THEN {t} END",
            "left({t}, 2)",
            "right({t}, 2)",
            "trim({t})",
            "reverse({t})",
            "concat({t}, {i}, {t})",
            "to_char({d}, 'YYYY-MM-DD')",
            "to_char({s}, 'HH24:MI')",
            "lpad({t}, 3, 'z')",
            "split_part({t}, ' ', 2)",
            "greatest({t}, {t})",
        ],
        Kind::Bool => &[
            "({i} = {i})",
            "({i} < {i})",
            "({i} >= {i})",
            "({i} <> {i})",
            "({n} > {n})",
            "({f} <= {f})",
            "({t} = {t})",
            "({t} < {t})",
            "({d} >= {d})",
            "({s} < {s})",
            "({b} AND {b})",
            "({b} AND {b})",
            "({b} OR {b})",
            "({b} OR {b})",
            "(NOT {b})",
            "({i} IS NULL)",
            "({t} IS NOT NULL)",
            "({d} IS NULL)",
            "({i} IS DISTINCT FROM {i})",
            "({t} IS NOT DISTINCT FROM {t})",
            "({b} IS TRUE)",
            "({b} IS NOT FALSE)",
            "({b} IS UNKNOWN)",
            "({t} LIKE '%a%')",
            "({t} NOT LIKE '_')",
            "({i} BETWEEN {i} AND {i})",
            "({i} NOT BETWEEN 1 AND {i})",
            "({i} IN ({i}, 2, {i}))",
            "({i} NOT IN (1, {i}))",
            "({t} IN ('a', {t}))",
            "(({i}, {t}) = ({i}, {t}))",
            "(({i}, {i}) < ({i}, {i}))",
            "({i} = ANY (ARRAY[{i}, 3]))",
            "CASE WHEN {b} THEN {b} ELSE {b} END",
            "coalesce({b}, {b})",
            "starts_with({t}, 'a')",
        ],
        Kind::Date => &[
            "({d} + 1)",
            "({d} - {i})",
            "CAST({s} AS DATE)",
            "CAST(date_trunc('month', {s}) AS DATE)",
            "coalesce({d}, {d})",
            "CASE WHEN {b} THEN {d} ELSE {d} END",
            "greatest({d}, {d})",
        ],
        Kind::Time => &[
            "({s} + INTERVAL '1 hour')",
            "({s} - INTERVAL '1 day')",
            "date_trunc('minute', {s})",
            "CAST({d} AS TIMESTAMP)",
            "coalesce({s}, {s})",
            "CASE WHEN {b} THEN {s} ELSE {s} END",
            "least({s}, {s})",
        ],
    }
}

/// Sub-queries as conditions: `{q}` gives one column of whole numbers, `{p}` one of texts, `{r}` both, `{a}` any columns.
const QUESTIONS: [&str; 14] = [
    "EXISTS ({a})",
    "(NOT EXISTS ({a}))",
    "({i} IN ({q}))",
    "({i} NOT IN ({q}))",
    "({t} IN ({p}))",
    "({t} NOT IN ({p}))",
    "(({i}, {t}) IN ({r}))",
    "({i} = ANY ({q}))",
    "({i} < ALL ({q}))",
    "({i} >= ANY ({q}))",
    "({i} <> ALL ({q}))",
    "({t} > ALL ({p}))",
    "(({i} IN ({q})) IS NULL)",
    "(({t} = ANY ({p})) IS NOT TRUE)",
];

impl Maker<'_> {
    /// An expression with at most `depth` levels below it.
    pub(super) fn expr(&mut self, kind: Kind, scope: &Scope, depth: usize) -> Expr {
        if depth == 0 || self.chance(0.35) {
            return self.leaf(kind, scope);
        }
        if scope.queries && self.may_nest() && self.chance(if kind == Kind::Bool { 0.16 } else { 0.06 }) {
            return self.sub_query(kind, scope, depth);
        }
        let template = self.one_of(templates(kind));
        self.fill(kind, template, scope, depth)
    }

    fn sub_query(&mut self, kind: Kind, scope: &Scope, depth: usize) -> Expr {
        if kind == Kind::Bool && self.chance(0.9) {
            let template = self.one_of(&QUESTIONS);
            return self.fill(kind, template, scope, depth);
        }
        let query = self.scalar_query(kind, &scope.around());
        Expr::of(kind, "({})", [Part::Query(Box::new(query))])
    }

    /// The template with random expressions in place of its letters.
    fn fill(&mut self, kind: Kind, template: &str, scope: &Scope, depth: usize) -> Expr {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            let (text, hole) = (&rest[..at], &rest[at + 1..at + 2]);
            parts.push(Part::Text(text.to_owned()));
            parts.push(self.filled(hole, scope, depth));
            rest = &rest[at + 3..];
        }
        parts.push(Part::Text(rest.to_owned()));
        Expr { kind, parts }
    }

    fn filled(&mut self, hole: &str, scope: &Scope, depth: usize) -> Part {
        let kinds: &[Kind] = match hole {
            "q" => &[Kind::Int],
            "p" => &[Kind::Text],
            "r" => &[Kind::Int, Kind::Text],
            "a" => &[Kind::Bool],
            letter => {
                let at = "inftbds".find(letter).unwrap_or(0);
                return Part::Expr(self.expr(Kind::ALL[at], scope, depth.saturating_sub(1)));
            }
        };
        Part::Query(Box::new(self.query(kinds, &scope.around())))
    }

    pub(super) fn leaf(&mut self, kind: Kind, scope: &Scope) -> Expr {
        let ready: Vec<&Expr> = scope.ready.iter().filter(|expr| expr.kind == kind).collect();
        if !ready.is_empty() && self.chance(0.6) {
            return ready[self.below(ready.len())].clone();
        }
        for (columns, chance) in [(&scope.outer, 0.3), (&scope.columns, 0.85)] {
            let columns: Vec<&Column> = columns.iter().filter(|column| column.1 == kind).collect();
            if !columns.is_empty() && self.chance(chance) {
                return Expr::leaf(kind, columns[self.below(columns.len())].0.as_str());
            }
        }
        self.constant(kind)
    }

    pub(super) fn constant(&mut self, kind: Kind) -> Expr {
        if self.chance(0.08) {
            return Expr::leaf(kind, format!("CAST(NULL AS {})", kind.sql()));
        }
        let text: &str = match kind {
            Kind::Int => self.one_of(&["0", "1", "2", "3", "4", "(-1)"]),
            Kind::Decimal => self.one_of(&["0.5", "1.25", "(-2.5)", "2.00"]),
            Kind::Double => self.one_of(&["CAST(0.5 AS DOUBLE PRECISION)", "CAST(2 AS DOUBLE PRECISION)"]),
            Kind::Text => self.one_of(&["'a'", "''", "'über'", "'s5'", "'zz'"]),
            Kind::Bool => self.one_of(&["true", "false"]),
            Kind::Date => self.one_of(&["DATE '2024-01-02'", "DATE '2023-12-31'"]),
            Kind::Time => self.one_of(&["TIMESTAMP '2024-01-01 00:00:10'", "TIMESTAMP '2024-01-02 12:30:00'"]),
        };
        Expr::leaf(kind, text)
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.random.random_bool(probability)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.random.random_range(0..bound)
    }

    pub(super) fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub(super) fn any_kind(&mut self) -> Kind {
        self.one_of(&[
            Kind::Int,
            Kind::Int,
            Kind::Int,
            Kind::Text,
            Kind::Text,
            Kind::Decimal,
            Kind::Double,
            Kind::Bool,
            Kind::Date,
            Kind::Time,
        ])
    }
}
