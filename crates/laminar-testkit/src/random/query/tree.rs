//! The tree of a query, and its text.

use std::fmt::{self, Display};

/// What the values of an expression are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Decimal,
    Double,
    Text,
    Bool,
    Date,
    Time,
}

impl Kind {
    pub(super) const ALL: [Kind; 7] = [Kind::Int, Kind::Decimal, Kind::Double, Kind::Text, Kind::Bool, Kind::Date, Kind::Time];

    /// The type to which a NULL is cast.
    pub(super) fn sql(self) -> &'static str {
        match self {
            Kind::Int => "BIGINT",
            Kind::Decimal => "DECIMAL(12, 2)",
            Kind::Double => "DOUBLE PRECISION",
            Kind::Text => "VARCHAR",
            Kind::Bool => "BOOLEAN",
            Kind::Date => "DATE",
            Kind::Time => "TIMESTAMP",
        }
    }
}

/// A query, with everything that can stand around its body.
#[derive(Debug, Clone)]
pub struct Query {
    pub(super) with: Vec<(String, Query)>,
    pub(super) body: Body,
    pub(super) order: Option<Order>,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    Select(Box<Select>),
    /// `op` is UNION, INTERSECT or EXCEPT, with or without ALL.
    Set {
        left: Box<Query>,
        op: &'static str,
        right: Box<Query>,
    },
    Values(Vec<Vec<Expr>>),
}

/// ORDER BY all columns, and what is cut off behind it.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// One for each column, over again if there are more columns.
    pub(super) directions: Vec<&'static str>,
    /// Only so many columns are ordered by; which needs `cut` to keep ties.
    pub(super) columns: Option<usize>,
    /// LIMIT, OFFSET, FETCH.
    pub(super) cut: String,
}

#[derive(Debug, Clone)]
pub(super) struct Select {
    pub(super) distinct: Distinct,
    pub(super) items: Vec<Expr>,
    pub(super) from: Option<From>,
    pub(super) filter: Option<Expr>,
    pub(super) group: Group,
    pub(super) having: Option<Expr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Distinct {
    No,
    Yes,
    /// The first row of each value of the first item; the query has an order.
    OnFirst,
}

#[derive(Debug, Clone)]
pub(super) enum Group {
    /// No GROUP BY; there may be aggregates over all rows.
    No,
    Keys(Vec<Expr>),
    /// ROLLUP or CUBE of the keys.
    Spread(&'static str, Vec<Expr>),
    /// GROUPING SETS, each a list of places among the keys.
    Sets(Vec<Expr>, Vec<Vec<usize>>),
}

#[derive(Debug, Clone)]
pub(super) enum From {
    Table {
        name: String,
        alias: String,
    },
    Derived {
        lateral: bool,
        query: Box<Query>,
        alias: String,
    },
    /// A call that gives rows of one column, `c0`.
    Call {
        call: Expr,
        alias: String,
    },
    Join {
        left: Box<From>,
        kind: &'static str,
        right: Box<From>,
        how: JoinedBy,
    },
}

/// Which rows of a join belong together.
#[derive(Debug, Clone)]
pub(super) enum JoinedBy {
    /// All: it is a CROSS JOIN.
    Nothing,
    On(Expr),
    Using(Vec<String>),
    /// NATURAL.
    SharedNames,
}

/// An expression: text with other expressions and queries in it.
#[derive(Debug, Clone)]
pub(super) struct Expr {
    pub(super) kind: Kind,
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Clone)]
pub(super) enum Part {
    Text(String),
    Expr(Expr),
    Query(Box<Query>),
}

impl Expr {
    pub(super) fn leaf(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, parts: vec![Part::Text(text.into())] }
    }

    /// `template` with the parts in place of its `{}`.
    pub(super) fn of(kind: Kind, template: &str, parts: impl IntoIterator<Item = Part>) -> Self {
        let mut parts = parts.into_iter();
        let mut all = Vec::new();
        for (number, text) in template.split("{}").enumerate() {
            if number > 0 {
                all.extend(parts.next());
            }
            all.push(Part::Text(text.to_owned()));
        }
        Self { kind, parts: all }
    }

    pub(super) fn is_leaf(&self) -> bool {
        matches!(self.parts.as_slice(), [Part::Text(_)])
    }
}

impl Query {
    pub(super) fn plain(body: Body) -> Self {
        Self { with: Vec::new(), body, order: None }
    }

    /// How many columns it has.
    pub fn width(&self) -> usize {
        match &self.body {
            Body::Select(select) => select.items.len(),
            Body::Set { left, .. } => left.width(),
            Body::Values(rows) => rows.first().map_or(0, Vec::len),
        }
    }

    /// The query with a name, and names for its columns.
    fn named(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        write!(f, "{name}({})", Listed((0..self.width()).map(|column| format!("c{column}"))))
    }
}

/// Things with commas between.
pub(super) struct Listed<I>(pub(super) I);

impl<I: Iterator<Item: Display> + Clone> Display for Listed<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, item) in self.0.clone().enumerate() {
            write!(f, "{}{item}", if number > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (name, query)) in self.with.iter().enumerate() {
            f.write_str(if number == 0 { "WITH " } else { ", " })?;
            query.named(f, name)?;
            write!(f, " AS ({query})")?;
        }
        if !self.with.is_empty() {
            f.write_str(" ")?;
        }
        match &self.body {
            Body::Select(select) => select.fmt(f)?,
            Body::Set { left, op, right } => write!(f, "({left}) {op} ({right})")?,
            Body::Values(rows) => write!(f, "VALUES {}", Listed(rows.iter().map(|row| format!("({})", Listed(row.iter())))))?,
        }
        let Some(order) = &self.order else { return Ok(()) };
        let columns = order.columns.unwrap_or(usize::MAX).min(self.width());
        let keys = (1..=columns).zip(order.directions.iter().cycle()).map(|(column, direction)| format!("{column}{direction}"));
        write!(f, " ORDER BY {}{}", Listed(keys), order.cut)
    }
}

impl Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SELECT ")?;
        match (self.distinct, self.items.first()) {
            (Distinct::Yes, _) => f.write_str("DISTINCT ")?,
            (Distinct::OnFirst, Some(first)) => write!(f, "DISTINCT ON ({first}) ")?,
            _ => {}
        }
        write!(f, "{}", Listed(self.items.iter().enumerate().map(|(number, item)| format!("{item} AS c{number}"))))?;
        if let Some(from) = &self.from {
            write!(f, " FROM {from}")?;
        }
        if let Some(filter) = &self.filter {
            write!(f, " WHERE {filter}")?;
        }
        write!(f, "{}", self.group)?;
        if let Some(having) = &self.having {
            write!(f, " HAVING {having}")?;
        }
        Ok(())
    }
}

impl Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Group::No => Ok(()),
            Group::Keys(keys) => write!(f, " GROUP BY {}", Listed(keys.iter())),
            Group::Spread(how, keys) => write!(f, " GROUP BY {how} ({})", Listed(keys.iter())),
            Group::Sets(keys, sets) => {
                let set = |set: &Vec<usize>| format!("({})", Listed(set.iter().filter_map(|key| keys.get(*key))));
                write!(f, " GROUP BY GROUPING SETS ({})", Listed(sets.iter().map(set)))
            }
        }
    }
}

impl Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            From::Table { name, alias } => write!(f, "{name} AS {alias}"),
            From::Call { call, alias } => write!(f, "{call} AS {alias}(c0)"),
            From::Derived { lateral, query, alias } => {
                write!(f, "{}({query}) AS ", if *lateral { "LATERAL " } else { "" })?;
                query.named(f, alias)
            }
            From::Join { left, kind, right, how } => {
                let natural = if matches!(how, JoinedBy::SharedNames) { "NATURAL " } else { "" };
                write!(f, "{left} {natural}{kind} ")?;
                match right.as_ref() {
                    From::Join { .. } => write!(f, "({right})")?,
                    other => write!(f, "{other}")?,
                }
                match how {
                    JoinedBy::On(on) => write!(f, " ON {on}"),
                    JoinedBy::Using(names) => write!(f, " USING ({})", Listed(names.iter())),
                    JoinedBy::Nothing | JoinedBy::SharedNames => Ok(()),
                }
            }
        }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Expr(expr) => expr.fmt(f),
            Part::Query(query) => query.fmt(f),
        })
    }
}
