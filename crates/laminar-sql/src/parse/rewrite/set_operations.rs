//! `INTERSECT` and `EXCEPT`, with ALL or without: a `UNION ALL` of both sides under a name that says what is meant.
//!
//! So the planner brings both sides to the same types, as it does for UNION; `plan/rules/set_operations.rs` replaces
//! the name by the operation, and continuous queries refuse what has ALL by that name.

use datafusion::sql::sqlparser::ast::{
    Ident, Query, SelectItem, SetExpr, SetOperator, SetQuantifier, TableAlias, TableFactor, WildcardAdditionalOptions,
};

use crate::parse::syntax;

/// An operation on two sets or bags of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetOperation {
    Intersect,
    IntersectAll,
    Except,
    ExceptAll,
}

impl SetOperation {
    const ALL: [SetOperation; 4] = [Self::Intersect, Self::IntersectAll, Self::Except, Self::ExceptAll];

    /// As SQL writes it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Intersect => "INTERSECT",
            Self::IntersectAll => "INTERSECT ALL",
            Self::Except => "EXCEPT",
            Self::ExceptAll => "EXCEPT ALL",
        }
    }

    /// The name under which the parser leaves it.
    const fn marker(self) -> &'static str {
        match self {
            Self::Intersect => "__intersect",
            Self::IntersectAll => "__intersect_all",
            Self::Except => "__except",
            Self::ExceptAll => "__except_all",
        }
    }

    /// The operation that a relation of this name stands for.
    pub(crate) fn of_marker(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.marker() == name)
    }

    fn of(op: SetOperator, quantifier: SetQuantifier) -> Option<Self> {
        match (op, quantifier) {
            (SetOperator::Intersect, SetQuantifier::All) => Some(Self::IntersectAll),
            (SetOperator::Intersect, SetQuantifier::None | SetQuantifier::Distinct) => Some(Self::Intersect),
            (SetOperator::Except, SetQuantifier::All) => Some(Self::ExceptAll),
            (SetOperator::Except, SetQuantifier::None | SetQuantifier::Distinct) => Some(Self::Except),
            _ => None,
        }
    }
}

/// Rewrites the set operations of a query's own body.
pub(super) fn rewrite(query: &mut Query) {
    body(&mut query.body);
}

fn body(expr: &mut SetExpr) {
    let SetExpr::SetOperation { op, set_quantifier, left, right } = expr else { return };
    body(left);
    body(right);
    let Some(operation) = SetOperation::of(*op, *set_quantifier) else { return };
    (*op, *set_quantifier) = (SetOperator::Union, SetQuantifier::All);
    let star = SelectItem::Wildcard(WildcardAdditionalOptions::default());
    let alias = TableAlias { explicit: true, name: Ident::new(operation.marker()), columns: vec![], at: None };
    let mut both = syntax::query_of(syntax::select_of(vec![], syntax::table_of(Ident::new("").into())));
    std::mem::swap(both.body.as_mut(), expr);
    let from = TableFactor::Derived { lateral: false, subquery: Box::new(both), alias: Some(alias), sample: None };
    *expr = SetExpr::Select(Box::new(syntax::select_of(vec![star], from)));
}
