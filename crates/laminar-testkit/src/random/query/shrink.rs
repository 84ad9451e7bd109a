//! Smaller queries: one part taken out, or a part of it in place of the whole.

use super::statement::{ChangeKind, Statement};
use super::tree::{Body, Distinct, Expr, From, Group, JoinedBy, Kind, Part, Query, Select};

/// Counts the places at which something can be taken out, until the one that is meant.
struct Place(usize);

impl Place {
    /// True once: at the place that is meant.
    fn is_here(&mut self) -> bool {
        let here = self.0 == 0;
        self.0 = self.0.wrapping_sub(1);
        here
    }
}

impl Query {
    /// The query with its part number `number` taken out; `None` if it has no such part. It can be one that means nothing.
    pub fn smaller(&self, number: usize) -> Option<Query> {
        let mut inner = Vec::new();
        self.queries_within(&mut inner);
        if let Some(query) = inner.get(number) {
            return Some((*query).clone());
        }
        let mut smaller = self.clone();
        smaller.take_out(&mut Place(number - inner.len())).then_some(smaller)
    }

    fn queries_within<'a>(&'a self, found: &mut Vec<&'a Query>) {
        let mut add = |query: &'a Query| {
            found.push(query);
            query.queries_within(found);
        };
        self.with.iter().for_each(|(_, query)| add(query));
        match &self.body {
            Body::Set { left, right, .. } => [left, right].into_iter().for_each(|query| add(query)),
            Body::Select(select) => select.from.iter().for_each(|from| from.queries_within(&mut add)),
            Body::Values(_) => {}
        }
    }

    fn take_out(&mut self, place: &mut Place) -> bool {
        for number in 0..self.with.len() {
            if place.is_here() {
                self.with.remove(number);
                return true;
            }
        }
        if self.order.is_some() && place.is_here() {
            self.order = None;
            return true;
        }
        if self.width() > 1 {
            for column in 0..self.width() {
                if place.is_here() {
                    self.drop_column(column);
                    return true;
                }
            }
        }
        if let Body::Set { left, right, .. } = &self.body {
            let side = [left, right].into_iter().find(|_| place.is_here()).map(|side| side.as_rows_of());
            if let Some(side) = side {
                self.body = Body::Select(Box::new(side));
                return true;
            }
        }
        self.with.iter_mut().any(|(_, query)| query.take_out(place))
            || match &mut self.body {
                Body::Select(select) => select.take_out(place),
                Body::Set { left, right, .. } => left.take_out(place) || right.take_out(place),
                Body::Values(rows) => {
                    for row in (1..rows.len()).rev() {
                        if place.is_here() {
                            rows.remove(row);
                            return true;
                        }
                    }
                    rows.iter_mut().flatten().any(|value| value.take_out(place))
                }
            }
    }

    /// The query as the only relation of another, which has its columns.
    fn as_rows_of(&self) -> Select {
        let alias = "side".to_owned();
        let items = (0..self.width()).map(|column| Expr::leaf(Kind::Int, format!("side.c{column}"))).collect();
        let from = From::Derived { lateral: false, query: Box::new(self.clone()), alias };
        Select { distinct: Distinct::No, items, from: Some(from), filter: None, group: Group::No, having: None }
    }

    fn drop_column(&mut self, column: usize) {
        match &mut self.body {
            Body::Select(select) => _ = select.items.remove(column),
            Body::Set { left, right, .. } => {
                left.drop_column(column);
                right.drop_column(column);
            }
            Body::Values(rows) => rows.iter_mut().for_each(|row| _ = row.remove(column)),
        }
    }
}

impl Statement {
    /// The statement with its part number `number` taken out, as of a query.
    pub fn smaller(&self, number: usize) -> Option<Statement> {
        let mut smaller = self.clone();
        smaller.take_out(&mut Place(number)).then_some(smaller)
    }

    fn take_out(&mut self, place: &mut Place) -> bool {
        match &mut self.change {
            ChangeKind::Update { set, filter } => {
                if filter.is_some() && place.is_here() {
                    *filter = None;
                    return true;
                }
                if set.len() > 1
                    && let Some(column) = (0..set.len()).find(|_| place.is_here())
                {
                    set.remove(column);
                    return true;
                }
                set.iter_mut().map(|(_, value)| value).chain(filter).any(|expr| expr.take_out(place))
            }
            ChangeKind::Delete { filter } => {
                if filter.is_some() && place.is_here() {
                    *filter = None;
                    return true;
                }
                filter.as_mut().is_some_and(|filter| filter.take_out(place))
            }
            ChangeKind::Insert { query, .. } => {
                // One that has lost columns is refused, and no smaller one that fails in the same way.
                query.take_out(place)
            }
        }
    }
}

impl Select {
    fn take_out(&mut self, place: &mut Place) -> bool {
        if self.distinct != Distinct::No && place.is_here() {
            self.distinct = Distinct::No;
            return true;
        }
        for clause in [&mut self.filter, &mut self.having] {
            if clause.is_some() && place.is_here() {
                *clause = None;
                return true;
            }
        }
        self.from.as_mut().is_some_and(|from| from.take_out(place))
            || self.group.take_out(place)
            || self.items.iter_mut().chain(&mut self.filter).chain(&mut self.having).any(|expr| expr.take_out(place))
    }
}

impl Group {
    fn take_out(&mut self, place: &mut Place) -> bool {
        match self {
            Group::No => false,
            Group::Keys(keys) => {
                for key in 0..keys.len() {
                    if place.is_here() {
                        keys.remove(key);
                        if keys.is_empty() {
                            *self = Group::No;
                        }
                        return true;
                    }
                }
                false
            }
            Group::Spread(_, keys) => {
                if place.is_here() {
                    *self = Group::Keys(std::mem::take(keys));
                    return true;
                }
                let drop = (1..keys.len()).rev().find(|_| place.is_here());
                drop.map(|key| keys.remove(key)).is_some()
            }
            Group::Sets(keys, sets) => {
                if place.is_here() {
                    *self = Group::Keys(std::mem::take(keys));
                    return true;
                }
                let drop = (1..sets.len()).rev().find(|_| place.is_here());
                drop.map(|set| sets.remove(set)).is_some()
            }
        }
    }
}

impl From {
    fn queries_within<'a>(&'a self, add: &mut impl FnMut(&'a Query)) {
        match self {
            From::Derived { query, .. } => add(query),
            From::Join { left, right, .. } => [left, right].into_iter().for_each(|from| from.queries_within(add)),
            From::Table { .. } | From::Call { .. } => {}
        }
    }

    fn take_out(&mut self, place: &mut Place) -> bool {
        match self {
            From::Table { .. } => false,
            From::Call { call, .. } => call.take_out(place),
            From::Derived { query, .. } => query.take_out(place),
            From::Join { left, right, how, kind } => {
                let side = [&*left, &*right].into_iter().find(|_| place.is_here()).map(|side| side.as_ref().clone());
                if let Some(side) = side {
                    *self = side;
                    return true;
                }
                if *kind != "JOIN" && *kind != "CROSS JOIN" && place.is_here() {
                    *kind = "JOIN";
                    return true;
                }
                left.take_out(place)
                    || right.take_out(place)
                    || match how {
                        JoinedBy::On(on) => on.take_out(place),
                        JoinedBy::Using(names) if names.len() > 1 && place.is_here() => names.pop().is_some(),
                        _ => false,
                    }
            }
        }
    }
}

impl Expr {
    fn take_out(&mut self, place: &mut Place) -> bool {
        if self.is_leaf() {
            return false;
        }
        for part in &self.parts {
            if let Part::Expr(inner) = part
                && inner.kind == self.kind
                && place.is_here()
            {
                *self = inner.clone();
                return true;
            }
        }
        for simple in self.kind.simple() {
            if place.is_here() {
                *self = Expr::leaf(self.kind, simple);
                return true;
            }
        }
        self.parts.iter_mut().any(|part| match part {
            Part::Text(_) => false,
            Part::Expr(expr) => expr.take_out(place),
            Part::Query(query) => query.take_out(place),
        })
    }
}

impl Kind {
    /// Values that are simpler than any expression.
    fn simple(self) -> Vec<String> {
        let value = match self {
            Kind::Int => "1",
            Kind::Decimal => "1.5",
            Kind::Double => "CAST(1 AS DOUBLE PRECISION)",
            Kind::Text => "'a'",
            Kind::Bool => "true",
            Kind::Date => "DATE '2024-01-02'",
            Kind::Time => "TIMESTAMP '2024-01-01 00:00:00'",
        };
        vec![value.to_owned(), format!("CAST(NULL AS {})", self.sql())]
    }
}
