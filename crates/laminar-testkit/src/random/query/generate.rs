//! Random queries: bodies, relations and joins.

use super::expression::{Column, Scope};
use super::tree::{Body, Distinct, Expr, From, Group, JoinedBy, Kind, Order, Part, Query, Select};
use crate::random::{Random, Table, Values, from_seed};

/// Levels of queries within queries.
const LEVELS_MAX: usize = 3;
/// Selects of one query, over which nothing new begins.
const SELECTS_MAX: usize = 7;

/// The query over `tables` that belongs to `seed`.
pub fn random_query(tables: &[Table], seed: u64) -> Query {
    let mut random = from_seed(seed);
    Maker::new(&mut random, tables).whole()
}

/// Whether a join may be by the names that its sides share.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Shared,
    Apart,
}

pub(super) struct Maker<'a> {
    pub(super) random: &'a mut Random,
    tables: &'a [Table],
    /// Names and columns of what WITH has defined so far.
    ctes: Vec<(String, Vec<Kind>)>,
    names: usize,
    level: usize,
    selects: usize,
    /// PARTITION BY and ORDER BY of the calls with OVER of this SELECT that tell equal rows apart.
    pub(super) places: Option<String>,
}

impl<'a> Maker<'a> {
    pub(super) fn new(random: &'a mut Random, tables: &'a [Table]) -> Self {
        Self { random, tables, ctes: Vec::new(), names: 0, level: 0, selects: 0, places: None }
    }
}

impl Maker<'_> {
    fn whole(&mut self) -> Query {
        let mut with = Vec::new();
        if self.chance(0.15) {
            for _ in 0..=self.below(2) {
                let kinds = self.kinds(3);
                let query = self.query(&kinds, &[]);
                let name = self.name("w");
                self.ctes.push((name.clone(), kinds));
                with.push((name, query));
            }
        }
        let kinds = self.kinds(4);
        let query = self.query(&kinds, &[]);
        Query { with, ..query }
    }

    fn kinds(&mut self, most: usize) -> Vec<Kind> {
        (0..=self.below(most)).map(|_| self.any_kind()).collect()
    }

    fn name(&mut self, letter: &str) -> String {
        self.names += 1;
        format!("{letter}{}", self.names)
    }

    /// Whether another query can begin here.
    pub(super) fn may_nest(&self) -> bool {
        self.level < LEVELS_MAX && self.selects < SELECTS_MAX
    }

    /// A query with columns of these kinds, which may name `outer`.
    pub(super) fn query(&mut self, kinds: &[Kind], outer: &[Column]) -> Query {
        self.level += 1;
        self.selects += 1;
        let mut query = match self.below(20) {
            0..3 if self.may_nest() => {
                let op = self.one_of(&["UNION", "UNION ALL", "UNION ALL", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"]);
                let [left, right] = [(), ()].map(|()| Box::new(self.query(kinds, outer)));
                Query::plain(Body::Set { left, op, right })
            }
            3 => {
                let rows = 1 + self.below(4);
                Query::plain(Body::Values((0..rows).map(|_| kinds.iter().map(|kind| self.constant(*kind)).collect()).collect()))
            }
            _ => Query::plain(Body::Select(Box::new(self.select(kinds, outer)))),
        };
        let needs_order = matches!(&query.body, Body::Select(select) if select.distinct == Distinct::OnFirst);
        if needs_order || self.chance(0.12) {
            query.order = Some(self.order(kinds.len(), needs_order));
        }
        self.level -= 1;
        query
    }

    fn order(&mut self, columns: usize, is_distinct_on: bool) -> Order {
        let directions = (0..3).map(|_| self.one_of(&["", "", " DESC", " NULLS FIRST", " DESC NULLS LAST"])).collect();
        let (offset, rows) = (self.below(3), 1 + self.below(4));
        let (columns, cut) = match self.below(5) {
            0 if is_distinct_on => (None, String::new()),
            0 => (Some(1 + self.below(columns)), format!(" FETCH FIRST {rows} ROWS WITH TIES")),
            1 => (None, format!(" LIMIT {rows} OFFSET {offset}")),
            2 => (None, format!(" OFFSET {offset}")),
            _ => (None, format!(" LIMIT {rows}")),
        };
        Order { directions, columns, cut }
    }

    /// A query that gives at most one row with one column.
    pub(super) fn scalar_query(&mut self, kind: Kind, outer: &[Column]) -> Query {
        if self.chance(0.25) {
            let query = self.query(&[kind], outer);
            let directions = vec![self.one_of(&["", " DESC"])];
            return Query { order: Some(Order { directions, columns: None, cut: " LIMIT 1".to_owned() }), ..query };
        }
        self.level += 1;
        self.selects += 1;
        let (from, columns) = self.from(outer);
        let scope = Scope { columns: columns.clone(), outer: outer.to_vec(), ready: Vec::new(), queries: true };
        let filter = self.chance(0.7).then(|| self.correlated(&scope));
        let items = vec![self.aggregate(kind, &columns)];
        self.level -= 1;
        let select = Select { distinct: Distinct::No, items, from: Some(from), filter, group: Group::No, having: None };
        Query::plain(Body::Select(Box::new(select)))
    }

    fn select(&mut self, kinds: &[Kind], outer: &[Column]) -> Select {
        if self.chance(0.03) {
            let scope = Scope { outer: outer.to_vec(), queries: true, ..Scope::default() };
            let items = kinds.iter().map(|kind| self.expr(*kind, &scope, 2)).collect();
            return Select { distinct: Distinct::No, items, from: None, filter: None, group: Group::No, having: None };
        }
        let (from, columns) = self.from(outer);
        let mut scope = Scope { columns, outer: outer.to_vec(), ready: Vec::new(), queries: true };
        let filter = self.chance(0.6).then(|| self.correlated(&scope));
        let mut group = Group::No;
        let mut having = None;
        match self.below(10) {
            0..4 => {
                let columns = scope.columns.clone();
                (group, scope) = self.group(&columns, outer);
                if self.chance(0.1) {
                    (group, scope.ready) = (Group::No, Vec::new());
                    scope.columns.clear();
                }
                for kind in kinds {
                    let aggregate = self.aggregate(*kind, &columns);
                    scope.ready.push(aggregate);
                }
                if self.chance(0.3) {
                    let aggregate = self.aggregate(Kind::Int, &columns);
                    scope.ready.push(aggregate);
                    having = Some(self.expr(Kind::Bool, &scope, 2));
                }
            }
            4 | 5 => {
                self.places = None;
                for kind in kinds {
                    let call = self.over(*kind, &scope);
                    scope.ready.push(call);
                }
            }
            _ => {}
        }
        let whole_table = matches!(group, Group::No) && scope.columns.is_empty();
        let mut items: Vec<Expr> = kinds.iter().map(|kind| self.expr(*kind, &scope, 2)).collect();
        if whole_table {
            // Without an aggregate it would be a row for each row.
            items[0] = scope.ready[0].clone();
        }
        let distinct = match self.below(12) {
            0 => Distinct::Yes,
            1 if items[0].is_leaf() && scope.columns.iter().any(|column| column.0 == items[0].to_string()) => Distinct::OnFirst,
            _ => Distinct::No,
        };
        Select { distinct, items, from: Some(from), filter, group, having }
    }

    /// A condition that, within a sub-query, mostly says how its rows belong to those around.
    fn correlated(&mut self, scope: &Scope) -> Expr {
        let pair = if scope.outer.is_empty() || self.chance(0.3) { None } else { self.pair(&scope.columns, &scope.outer) };
        match pair {
            Some((pair, _)) if self.chance(0.5) => pair,
            Some((pair, _)) => {
                Expr::of(Kind::Bool, "({} AND {})", [Part::Expr(pair), Part::Expr(self.expr(Kind::Bool, scope, 2))])
            }
            None => self.expr(Kind::Bool, scope, 3),
        }
    }

    /// A comparison of a column of one side with one of the other; whether it is an equality.
    fn pair(&mut self, left: &[Column], right: &[Column]) -> Option<(Expr, bool)> {
        let pairs: Vec<(&Column, &Column)> =
            left.iter().flat_map(|a| right.iter().filter(|b| b.1 == a.1).map(move |b| (a, b))).collect();
        if pairs.is_empty() {
            return None;
        }
        let (a, b) = pairs[self.below(pairs.len())];
        let op = self.one_of(&["=", "=", "=", "=", "=", "=", "<", ">=", "<>", "IS NOT DISTINCT FROM"]);
        let sides = [a, b].map(|column| Part::Expr(Expr::leaf(column.1, column.0.as_str())));
        Some((Expr::of(Kind::Bool, &format!("({{}} {op} {{}})"), sides), op == "="))
    }

    fn from(&mut self, outer: &[Column]) -> (From, Vec<Column>) {
        let (mut from, mut columns) = self.relation(&[], outer);
        let mut more = self.one_of(&[0, 0, 0, 1, 1, 1, 2]);
        if self.selects >= SELECTS_MAX {
            more = 0;
        }
        for left in (0..more).rev() {
            // Names that a join merges could be those of relations that come behind it.
            let names = if left == 0 { Names::Shared } else { Names::Apart };
            let (joined, all) = self.join(from, &columns, outer, names);
            (from, columns) = (joined, all);
        }
        (from, columns)
    }

    fn join(&mut self, left: From, left_columns: &[Column], outer: &[Column], names: Names) -> (From, Vec<Column>) {
        let mut kind = self.one_of(&["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"]);
        let is_lateral = matches!(kind, "JOIN" | "LEFT JOIN" | "CROSS JOIN") && self.may_nest() && self.chance(0.12);
        let (right, right_columns) = if is_lateral {
            let around: Vec<Column> = left_columns.iter().chain(outer).cloned().collect();
            self.derived(true, &around)
        } else {
            self.relation(left_columns, outer)
        };
        let right = match right {
            plain @ From::Table { .. } if self.chance(0.1) => {
                let (joined, columns) = self.join(plain, &right_columns, &[], Names::Apart);
                return self.joined(left, left_columns, "LEFT JOIN", joined, columns, &[]);
            }
            other => other,
        };
        if matches!(right, From::Call { .. }) {
            kind = "CROSS JOIN";
        }
        if kind != "CROSS JOIN"
            && !is_lateral
            && names == Names::Shared
            && self.chance(0.2)
            && let Some(using) = self.shared_names(left_columns, &right_columns)
        {
            return joined_by_names(left, left_columns, kind, right, right_columns, using);
        }
        self.joined(left, left_columns, kind, right, right_columns, outer)
    }

    fn joined(
        &mut self,
        left: From,
        left_columns: &[Column],
        kind: &'static str,
        right: From,
        right_columns: Vec<Column>,
        outer: &[Column],
    ) -> (From, Vec<Column>) {
        let columns: Vec<Column> = left_columns.iter().chain(&right_columns).cloned().collect();
        let on = (kind != "CROSS JOIN").then(|| {
            let scope = Scope { columns: columns.clone(), outer: outer.to_vec(), ready: Vec::new(), queries: false };
            match self.pair(left_columns, &right_columns) {
                // PostgreSQL knows a FULL JOIN only by equality.
                Some((pair, true)) if kind == "FULL JOIN" || self.chance(0.7) => pair,
                Some((pair, _)) if kind != "FULL JOIN" => {
                    Expr::of(Kind::Bool, "({} AND {})", [Part::Expr(pair), Part::Expr(self.expr(Kind::Bool, &scope, 2))])
                }
                _ if kind == "FULL JOIN" => Expr::leaf(Kind::Bool, "true"),
                _ => self.expr(Kind::Bool, &scope, 2),
            }
        });
        (
            From::Join { left: Box::new(left), kind, right: Box::new(right), how: on.map_or(JoinedBy::Nothing, JoinedBy::On) },
            columns,
        )
    }

    /// A name that both sides have once, or all of them; none if not all values of one name can be compared.
    fn shared_names(&mut self, left: &[Column], right: &[Column]) -> Option<JoinedBy> {
        let shared: Vec<&Column> = right.iter().filter(|column| left.iter().any(|other| plain(other) == plain(column))).collect();
        let fits = |column: &Column| {
            let mut same = left.iter().filter(|other| plain(other) == plain(column));
            same.next().is_some_and(|other| other.1 == column.1) && same.next().is_none()
        };
        if !shared.is_empty() && shared.iter().all(|column| fits(column)) && self.chance(0.5) {
            return Some(JoinedBy::SharedNames);
        }
        let mut fitting: Vec<String> =
            shared.into_iter().filter(|column| fits(column)).map(|column| plain(column).to_owned()).collect();
        if fitting.is_empty() {
            return None;
        }
        if self.chance(0.6) {
            fitting = vec![fitting.swap_remove(self.below(fitting.len()))];
        }
        Some(JoinedBy::Using(fitting))
    }

    /// `beside` are the columns of what stands before it in FROM, which a call can name.
    fn relation(&mut self, beside: &[Column], outer: &[Column]) -> (From, Vec<Column>) {
        match self.below(20) {
            0..4 if self.may_nest() => self.derived(false, &[]),
            4 if self.may_nest() && !outer.is_empty() => self.derived(false, outer),
            5 | 6 if !self.ctes.is_empty() => {
                let cte = self.below(self.ctes.len());
                let (name, kinds) = self.ctes[cte].clone();
                let alias = self.name("r");
                let columns = named(&alias, kinds);
                (From::Table { name, alias }, columns)
            }
            7 => {
                let scope = Scope { columns: beside.to_vec(), ..Scope::default() };
                let [a, b] = [(), ()].map(|()| Part::Expr(self.leaf(Kind::Int, &scope)));
                let call = match self.below(2) {
                    0 => Expr::of(Kind::Int, "unnest(ARRAY[{}, {}, 2])", [a, b]),
                    _ => Expr::leaf(Kind::Int, format!("generate_series(1, {})", 1 + self.below(4))),
                };
                let alias = self.name("r");
                let columns = named(&alias, vec![Kind::Int]);
                (From::Call { call, alias }, columns)
            }
            _ => {
                let table = &self.tables[self.below(self.tables.len())];
                let alias = self.name("r");
                let columns = table.columns.iter().map(|column| (format!("{alias}.{}", column.name), kind_of(&column.values)));
                (From::Table { name: table.name.clone(), alias: alias.clone() }, columns.collect())
            }
        }
    }

    fn derived(&mut self, lateral: bool, outer: &[Column]) -> (From, Vec<Column>) {
        let kinds = self.kinds(3);
        let query = Box::new(self.query(&kinds, outer));
        let alias = self.name("r");
        let columns = named(&alias, kinds);
        (From::Derived { lateral, query, alias }, columns)
    }
}

/// The name of a column without its relation.
fn plain(column: &Column) -> &str {
    column.0.rsplit('.').next().unwrap_or_default()
}

/// A join by names: each of them can be read without a relation, and stands before those of one relation.
fn joined_by_names(
    left: From,
    left_columns: &[Column],
    kind: &'static str,
    right: From,
    right_columns: Vec<Column>,
    how: JoinedBy,
) -> (From, Vec<Column>) {
    let merged: Vec<Column> = right_columns
        .iter()
        .filter(|column| match &how {
            JoinedBy::Using(names) => names.iter().any(|name| name == plain(column)),
            _ => left_columns.iter().any(|other| plain(other) == plain(column)),
        })
        .map(|column| (plain(column).to_owned(), column.1))
        .collect();
    let columns = merged.into_iter().chain(left_columns.iter().cloned()).chain(right_columns).collect();
    (From::Join { left: Box::new(left), kind, right: Box::new(right), how }, columns)
}

fn named(alias: &str, kinds: Vec<Kind>) -> Vec<Column> {
    kinds.into_iter().enumerate().map(|(column, kind)| (format!("{alias}.c{column}"), kind)).collect()
}

pub(super) fn kind_of(values: &Values) -> Kind {
    match values {
        Values::Bool => Kind::Bool,
        Values::Int(..) | Values::BigInt(..) => Kind::Int,
        Values::Double(_) => Kind::Double,
        Values::Decimal(_) => Kind::Decimal,
        Values::Text(_) => Kind::Text,
        Values::Date(_) => Kind::Date,
        Values::Time(_) => Kind::Time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Changes;

    fn tables() -> Vec<Table> {
        vec![Table::new("t", Changes::Any, [("a", Values::Int(0, 3)), ("b", Values::Text(3)), ("c", Values::Date(3))])]
    }

    #[test]
    fn a_seed_repeats_its_query_and_others_give_others() {
        let text = |seed| random_query(&tables(), seed).to_string();
        assert_eq!(text(7), text(7));
        let mut all: Vec<String> = (0..500).map(text).collect();
        all.sort();
        all.dedup();
        assert!(all.len() > 480, "{} of 500 are different", all.len());
    }

    #[test]
    fn taking_parts_out_ends() {
        for seed in 0..100 {
            let mut query = random_query(&tables(), seed);
            let mut taken = 0;
            while let Some(smaller) = query.smaller(0) {
                (query, taken) = (smaller, taken + 1);
                assert!(taken < 1_000, "seed {seed} does not end at {query}");
            }
        }
    }
}
