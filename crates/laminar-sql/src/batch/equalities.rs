//! Which rows of its tables a query can need at most: what its WHERE says of columns that are equal to constants.
//!
//! Only what holds whatever the rest of the query does: in a row that WHERE keeps, such a column has such a value, also behind outer joins. So a
//! query answers the same over those rows of the table alone, as long as it reads the table nowhere else, and no other row of it says which rows
//! are joined, as in an ASOF join.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Join, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Select, TableFactor, TableWithJoins,
    UnaryOperator, Value, Visitor,
};

use crate::ast_walk::{walk, walk_expressions};
use crate::parse::StreamQuery;
use crate::parse::names;
use crate::parse::rewrite::{ASOF, ASOF_NEAREST, LOOKUP, TEMPORAL};

/// A column that is equal to one of some constants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equality {
    /// Its name. The relation need not have it: then it is another one's.
    pub column: String,
    /// The constants.
    pub values: Vec<Constant>,
}

/// A constant as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constant {
    /// A whole number.
    Whole(i128),
    /// A text without a type.
    Text(String),
    /// TRUE or FALSE.
    Boolean(bool),
}

/// How a statement reads relations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readings {
    /// How often each name stands in FROM.
    pub times: BTreeMap<String, usize>,
    /// Of a name: columns that are equal to constants where it is read, all at once.
    pub equalities: BTreeMap<String, Vec<Equality>>,
}

impl Readings {
    /// How `queries` read relations.
    pub fn of<'a>(queries: impl IntoIterator<Item = &'a StreamQuery>) -> Self {
        let mut readings = Self::default();
        for query in queries {
            let _ = walk(&query.query, &mut readings);
        }
        readings
    }

    /// Columns that are equal to constants in every row of the relation `name` that is needed; none if it is read in several places.
    pub fn equalities_of(&self, name: &str) -> &[Equality] {
        match (self.times.get(name), self.equalities.get(name)) {
            (Some(1), Some(equalities)) => equalities,
            _ => &[],
        }
    }
}

impl Visitor for Readings {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if let Some(name) = last_name(relation) {
            *self.times.entry(name).or_default() += 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let Some(condition) = &select.selection else { return ControlFlow::Continue(()) };
        let factors = |table: &TableWithJoins| 1 + table.joins.len();
        let alone = select.from.iter().map(factors).sum::<usize>() == 1;
        let judged = select.from.iter().filter(|table| table.joins.iter().all(joins_each_pair));
        let judged =
            judged.flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)));
        for factor in judged {
            let Some((relation, called)) = plain_table(factor) else { continue };
            let mut found = Vec::new();
            let reading = Reading { called: &called, alone };
            reading.collect(condition, &mut found);
            if !found.is_empty() {
                self.equalities.entry(relation).or_default().extend(found);
            }
        }
        ControlFlow::Continue(())
    }
}

/// A relation in FROM, as its columns are named.
struct Reading<'a> {
    called: &'a str,
    /// Nothing else is in FROM, so that columns need not say whose they are.
    alone: bool,
}

impl Reading<'_> {
    /// Adds what `condition` says of columns of the relation.
    fn collect(&self, condition: &Expr, found: &mut Vec<Equality>) {
        match condition {
            Expr::Nested(inner) => self.collect(inner, found),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.collect(left, found);
                self.collect(right, found);
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                let one =
                    |column: &Expr, value: &Expr| Some(Equality { column: self.column(column)?, values: vec![constant(value)?] });
                found.extend(one(left, right).or_else(|| one(right, left)));
            }
            Expr::InList { expr, list, negated: false } => {
                let values: Option<Vec<Constant>> = list.iter().map(constant).collect();
                found.extend(self.column(expr).zip(values).map(|(column, values)| Equality { column, values }));
            }
            _ => {}
        }
    }

    fn column(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Nested(inner) => self.column(inner),
            Expr::Identifier(column) if self.alone => Some(names::of_ident(column)),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, column] if names::of_ident(table) == self.called => Some(names::of_ident(column)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Whether each pair of rows is joined or not whatever other rows there are, and the rows of both sides can be read behind the join.
fn joins_each_pair(join: &Join) -> bool {
    let (JoinOperator::Join(on)
    | JoinOperator::Inner(on)
    | JoinOperator::Left(on)
    | JoinOperator::LeftOuter(on)
    | JoinOperator::Right(on)
    | JoinOperator::RightOuter(on)
    | JoinOperator::FullOuter(on)
    | JoinOperator::CrossJoin(on)) = &join.join_operator
    else {
        return false;
    };
    let JoinConstraint::On(condition) = on else { return true };
    let looks_at_others = |expr: &Expr| match expr {
        Expr::Function(call) => {
            let name = last_name(&call.name);
            name.is_some_and(|name| [ASOF, ASOF_NEAREST, TEMPORAL, LOOKUP].contains(&name.as_str()))
        }
        _ => false,
    };
    let found =
        walk_expressions(
            condition,
            |expr| if looks_at_others(expr) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) },
        );
    found.is_continue()
}

/// The name of a table in FROM, and what it is called there, if that is all.
fn plain_table(factor: &TableFactor) -> Option<(String, String)> {
    let TableFactor::Table { name, alias, args: None, version: None, .. } = factor else { return None };
    let relation = last_name(name)?;
    let called = match alias {
        None => relation.clone(),
        Some(alias) if alias.columns.is_empty() => names::of_ident(&alias.name),
        Some(_) => return None,
    };
    Some((relation, called))
}

fn last_name(name: &ObjectName) -> Option<String> {
    match name.0.last() {
        Some(ObjectNamePart::Identifier(ident)) => Some(names::of_ident(ident)),
        _ => None,
    }
}

fn constant(expr: &Expr) -> Option<Constant> {
    match expr {
        Expr::Nested(inner) => constant(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match constant(expr)? {
            Constant::Whole(number) => Some(Constant::Whole(number.checked_neg()?)),
            _ => None,
        },
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.to_string().parse().ok().map(Constant::Whole),
            Value::SingleQuotedString(text) => Some(Constant::Text(text.clone())),
            Value::Boolean(value) => Some(Constant::Boolean(*value)),
            _ => None,
        },
        _ => None,
    }
}
