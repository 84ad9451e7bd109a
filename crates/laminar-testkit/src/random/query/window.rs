//! Calls with OVER.

use super::expression::Scope;
use super::generate::Maker;
use super::tree::{Expr, Kind, Part};

impl Maker<'_> {
    /// A call with OVER whose value no tie leaves open: equal rows of all columns have equal values, or are exchangeable.
    pub(super) fn over(&mut self, kind: Kind, scope: &Scope) -> Expr {
        let scope = Scope { queries: false, ready: Vec::new(), outer: Vec::new(), ..scope.clone() };
        let argument = Part::Expr(self.expr(kind, &scope, 1));
        let (call, by_place) = match self.below(10) {
            0..3 if kind == Kind::Int => {
                (self.one_of(&["row_number()", "rank()", "dense_rank()", "ntile(3)", "count(*)"]).to_owned(), true)
            }
            0..3 if kind == Kind::Double => (self.one_of(&["percent_rank()", "cume_dist()"]).to_owned(), true),
            3..6 => {
                let call = self.one_of(&[
                    "lag({})",
                    "lead({})",
                    "lag({}, 2)",
                    "lead({}, 2)",
                    "first_value({})",
                    "last_value({})",
                    "nth_value({}, 2)",
                ]);
                (call.to_owned(), true)
            }
            _ if kind == Kind::Bool => ("bool_or({})".to_owned(), false),
            6 if matches!(kind, Kind::Double | Kind::Decimal) => ("sum({})".to_owned(), false),
            6 if kind == Kind::Int => ("count({})".to_owned(), false),
            _ => (self.one_of(&["min({})", "max({})"]).to_owned(), false),
        };
        let has_frame =
            !["row_number", "rank", "dense", "ntile", "percent", "cume", "lag", "lead"].iter().any(|name| call.starts_with(name));
        let window = self.window(&scope, by_place, has_frame);
        let picks = ["first_value", "last_value", "nth_value"].iter().any(|name| call.starts_with(name));
        // PostgreSQL finds nothing beyond the row's peers there, other than the standard and DuckDB.
        let misses_itself = ["UNBOUNDED PRECEDING AND 1 PRECEDING", "1 FOLLOWING AND UNBOUNDED FOLLOWING"];
        let is_told_apart = picks && misses_itself.iter().any(|frame| window.contains(frame));
        let window = if is_told_apart { window.replace(" EXCLUDE TIES", "") } else { window };
        let parts = if call.contains("{}") { vec![argument] } else { Vec::new() };
        Expr::of(kind, &format!("{call} OVER ({window})"), parts)
    }

    fn window(&mut self, scope: &Scope, by_place: bool, has_frame: bool) -> String {
        let columns: Vec<String> = scope.columns.iter().map(|column| column.0.clone()).collect();
        let places = by_place || self.chance(0.5);
        let rows = if places {
            // Equal rows can stand in another order in each window: all calls of a SELECT that tell them apart have the same one.
            match self.places.take() {
                Some(rows) => rows,
                None => self.partition(&columns) + &self.ordered_by(columns),
            }
        } else {
            let partition = self.partition(&columns);
            if self.chance(0.3) {
                return partition;
            }
            let first = self.below(columns.len());
            partition + &self.ordered_by(vec![columns[first].clone()])
        };
        if places {
            self.places = Some(rows.clone());
        }
        if !has_frame || self.chance(0.4) {
            return rows;
        }
        let frame = self.frame(places);
        let exclude = self.one_of(&["", "", "", " EXCLUDE NO OTHERS", " EXCLUDE CURRENT ROW", " EXCLUDE GROUP", " EXCLUDE TIES"]);
        format!("{rows} {frame}{exclude}")
    }

    fn partition(&mut self, columns: &[String]) -> String {
        if self.chance(0.5) { format!("PARTITION BY {} ", columns[self.below(columns.len())]) } else { String::new() }
    }

    fn ordered_by(&mut self, mut columns: Vec<String>) -> String {
        for at in (1..columns.len()).rev() {
            let other = self.below(at + 1);
            columns.swap(at, other);
        }
        let order: Vec<String> = columns
            .iter()
            .map(|column| format!("{column}{}", self.one_of(&["", "", " DESC", " NULLS FIRST", " DESC NULLS LAST"])))
            .collect();
        format!("ORDER BY {}", order.join(", "))
    }

    /// A frame; one in rows only where all rows have places.
    fn frame(&mut self, places: bool) -> &'static str {
        let rows = self.one_of(&[
            "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
            "ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING",
            "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING",
            "ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING",
            "ROWS 2 PRECEDING",
        ]);
        let peers = self.one_of(&[
            "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
            "RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
            "GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
            "GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING",
            "RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
        ]);
        if places && self.chance(0.5) { rows } else { peers }
    }
}
