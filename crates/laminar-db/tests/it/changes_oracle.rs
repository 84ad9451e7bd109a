//! Random INSERT, UPDATE, DELETE and ON CONFLICT against a model in a few lines of Rust, and every view against its own query.

use std::collections::BTreeMap;

use laminar_db::{Code, Database, StatementOutcome};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A number or NULL.
type Cell = Option<i64>;

/// The queries of the views: each must hold what its query answers.
const VIEWS: [&str; 4] = [
    "SELECT g, count(*) AS n, sum(v) AS v, max(k) AS k FROM t GROUP BY g",
    "SELECT t.k, t.v, p.v AS w FROM t JOIN p ON t.g = p.g",
    "SELECT g, count(v) AS n, min(v) AS v FROM p GROUP BY g",
    "SELECT count(*) AS n, sum(t.v * p.v) AS v FROM t JOIN p ON t.g = p.g WHERE t.v > 0",
];

/// What the two tables hold.
#[derive(Default, Clone)]
struct Model {
    /// `t (k PRIMARY KEY, g, v)`.
    keyed: BTreeMap<i64, (Cell, Cell)>,
    /// `p (g, v)`, equal rows as often as they are there.
    plain: Vec<(Cell, Cell)>,
}

/// A statement, and what it must do to the model: how many rows it counts, or that it is refused.
struct Case {
    sql: String,
    expected: Option<(u64, Model)>,
}

struct Cases {
    random: StdRng,
}

impl Cases {
    fn below(&mut self, bound: i64) -> i64 {
        self.random.random_range(0..bound)
    }

    fn cell(&mut self, bound: i64) -> Cell {
        if self.below(6) == 0 { None } else { Some(self.below(bound) - bound / 3) }
    }

    fn keyed_rows(&mut self) -> Vec<(i64, Cell, Cell)> {
        (0..1 + self.below(4)).map(|_| (self.below(12), self.cell(4), self.cell(9))).collect()
    }

    fn next(&mut self, model: &Model) -> Case {
        match self.below(12) {
            0 | 1 => self.insert(model),
            2 => self.do_nothing(model),
            3 => self.do_update(model),
            4 => self.set_keyed(model),
            5 => self.move_keys(model),
            6 => self.set_from_other(model),
            7 => self.delete_keyed(model),
            8 | 9 => self.insert_plain(model),
            10 => self.set_plain(model),
            _ => self.delete_plain(model),
        }
    }

    /// A row replaces the one with its key.
    fn insert(&mut self, model: &Model) -> Case {
        let rows = self.keyed_rows();
        let mut after = model.clone();
        after.keyed.extend(rows.iter().map(|(k, g, v)| (*k, (*g, *v))));
        Case { sql: format!("INSERT INTO t VALUES {}", values(&rows)), expected: Some((rows.len() as u64, after)) }
    }

    fn do_nothing(&mut self, model: &Model) -> Case {
        let rows = self.keyed_rows();
        let (mut after, mut count) = (model.clone(), 0);
        for (k, g, v) in &rows {
            if !after.keyed.contains_key(k) {
                after.keyed.insert(*k, (*g, *v));
                count += 1;
            }
        }
        Case { sql: format!("INSERT INTO t VALUES {} ON CONFLICT DO NOTHING", values(&rows)), expected: Some((count, after)) }
    }

    fn do_update(&mut self, model: &Model) -> Case {
        let (rows, bound) = (self.keyed_rows(), self.below(6));
        let sql = format!(
            "INSERT INTO t VALUES {} ON CONFLICT (k) DO UPDATE SET v = coalesce(t.v, 0) + excluded.v, g = excluded.g WHERE excluded.v < {bound}",
            values(&rows)
        );
        let (mut after, mut count) = (model.clone(), 0);
        for (at, (k, g, v)) in rows.iter().enumerate() {
            if rows[..at].iter().any(|(other, ..)| other == k) {
                return Case { sql, expected: None };
            }
            let Some(old) = after.keyed.get_mut(k) else {
                after.keyed.insert(*k, (*g, *v));
                count += 1;
                continue;
            };
            if v.is_some_and(|v| v < bound) {
                *old = (*g, v.map(|v| old.1.unwrap_or(0) + v));
                count += 1;
            }
        }
        Case { sql, expected: Some((count, after)) }
    }

    fn set_keyed(&mut self, model: &Model) -> Case {
        let (g, by) = (self.below(4), self.below(5));
        let (mut after, mut count) = (model.clone(), 0);
        for (k, row) in &mut after.keyed {
            if row.0 == Some(g) {
                *row = (Some(k % 4), row.1.map(|v| v + by));
                count += 1;
            }
        }
        Case { sql: format!("UPDATE t SET v = v + {by}, g = k % 4 WHERE g = {g}"), expected: Some((count, after)) }
    }

    /// Keys move to others, which is refused where two rows would meet.
    fn move_keys(&mut self, model: &Model) -> Case {
        let (from, to) = (self.below(12), self.below(12));
        let (sql, moved): (String, Box<dyn Fn(i64) -> i64>) = match self.below(3) {
            0 => (format!("UPDATE t SET k = k + 1 WHERE k >= {from}"), Box::new(move |k| if k >= from { k + 1 } else { k })),
            1 => (
                format!("UPDATE t SET k = {} - k WHERE k IN ({from}, {to})", from + to),
                Box::new(move |k| if k == from || k == to { from + to - k } else { k }),
            ),
            _ => (format!("UPDATE t SET k = {to} WHERE k = {from}"), Box::new(move |k| if k == from { to } else { k })),
        };
        let touched: Vec<i64> = match sql.contains(">=") {
            true => model.keyed.keys().copied().filter(|k| *k >= from).collect(),
            false if sql.contains("IN") => model.keyed.keys().copied().filter(|k| *k == from || *k == to).collect(),
            false => model.keyed.keys().copied().filter(|k| *k == from).collect(),
        };
        let keyed: BTreeMap<i64, (Cell, Cell)> = model.keyed.iter().map(|(k, row)| (moved(*k), *row)).collect();
        let expected =
            (keyed.len() == model.keyed.len()).then(|| (touched.len() as u64, Model { keyed, plain: model.plain.clone() }));
        Case { sql, expected }
    }

    fn set_from_other(&mut self, model: &Model) -> Case {
        let bound = self.below(8);
        let mut after = model.clone();
        let mut count = 0;
        for row in after.keyed.values_mut() {
            let of_group = |(g, _): &&(Cell, Cell)| g.is_some() && *g == row.0;
            if row.1.is_some_and(|v| v < bound) && model.plain.iter().any(|other| of_group(&other)) {
                row.1 = model.plain.iter().filter(of_group).filter_map(|(_, v)| *v).min();
                count += 1;
            }
        }
        let sql = format!(
            "UPDATE t SET v = (SELECT min(p.v) FROM p WHERE p.g = t.g) FROM p AS other WHERE other.g = t.g AND t.v < {bound}"
        );
        Case { sql, expected: Some((count, after)) }
    }

    fn delete_keyed(&mut self, model: &Model) -> Case {
        let (sql, goes): (String, Box<dyn Fn(&i64, &(Cell, Cell)) -> bool>) = match self.below(2) {
            0 => {
                let k = self.below(12);
                (format!("DELETE FROM t WHERE k = {k} OR v IS NULL"), Box::new(move |key, row| *key == k || row.1.is_none()))
            }
            _ => {
                let v = self.below(6);
                let groups: Vec<Cell> = model.plain.iter().filter(|row| row.1 == Some(v)).map(|row| row.0).collect();
                (
                    format!("DELETE FROM t USING p WHERE p.g = t.g AND p.v = {v}"),
                    Box::new(move |_, row| row.0.is_some() && groups.contains(&row.0)),
                )
            }
        };
        let mut after = model.clone();
        after.keyed.retain(|key, row| !goes(key, row));
        Case { sql, expected: Some(((model.keyed.len() - after.keyed.len()) as u64, after)) }
    }

    fn insert_plain(&mut self, model: &Model) -> Case {
        let rows: Vec<(Cell, Cell)> = (0..1 + self.below(4)).map(|_| (self.cell(4), self.cell(4))).collect();
        let text: Vec<String> = rows.iter().map(|(g, v)| format!("({}, {})", text(*g), text(*v))).collect();
        let mut after = model.clone();
        after.plain.extend(&rows);
        Case { sql: format!("INSERT INTO p VALUES {}", text.join(", ")), expected: Some((rows.len() as u64, after)) }
    }

    fn set_plain(&mut self, model: &Model) -> Case {
        let (g, v) = (self.cell(4), self.below(4));
        let (mut after, mut count) = (model.clone(), 0);
        for row in &mut after.plain {
            if row.1.is_some_and(|old| old <= v) {
                *row = (g, Some(v));
                count += 1;
            }
        }
        Case { sql: format!("UPDATE p SET g = {}, v = {v} WHERE v <= {v}", text(g)), expected: Some((count, after)) }
    }

    fn delete_plain(&mut self, model: &Model) -> Case {
        let (g, v) = (self.below(4), self.below(4));
        let mut after = model.clone();
        after.plain.retain(|row| !(row.0 == Some(g) && row.1 == Some(v)) && !(row.0.is_none() && row.1.is_none()));
        let sql = format!("DELETE FROM p WHERE (g, v) = ({g}, {v}) OR (g IS NULL AND v IS NULL)");
        Case { sql, expected: Some(((model.plain.len() - after.plain.len()) as u64, after)) }
    }
}

fn text(cell: Cell) -> String {
    cell.map_or_else(|| "NULL".to_owned(), |value| value.to_string())
}

fn values(rows: &[(i64, Cell, Cell)]) -> String {
    rows.iter().map(|(k, g, v)| format!("({k}, {}, {})", text(*g), text(*v))).collect::<Vec<_>>().join(", ")
}

fn sorted(db: &Database, sql: &str) -> Vec<Vec<String>> {
    let mut rows = db.query(sql).unwrap_or_else(|error| panic!("{sql}: {error}")).to_strings();
    rows.sort();
    rows
}

impl Model {
    fn check(&self, db: &Database, sql: &str) {
        let mut keyed: Vec<Vec<String>> = self.keyed.iter().map(|(k, (g, v))| vec![k.to_string(), text(*g), text(*v)]).collect();
        let mut plain: Vec<Vec<String>> = self.plain.iter().map(|(g, v)| vec![text(*g), text(*v)]).collect();
        keyed.sort();
        plain.sort();
        assert_eq!(sorted(db, "SELECT * FROM t"), keyed, "t after {sql}");
        assert_eq!(sorted(db, "SELECT * FROM p"), plain, "p after {sql}");
        for (number, query) in VIEWS.iter().enumerate() {
            assert_eq!(sorted(db, &format!("SELECT * FROM v{number}")), sorted(db, query), "{query} after {sql}");
        }
    }
}

fn run(seed: u64, workers: usize, statements: usize) {
    let db = Database::builder().workers_in_turn(workers).build();
    db.execute("CREATE TABLE t (k BIGINT PRIMARY KEY, g BIGINT, v BIGINT); CREATE TABLE p (g BIGINT, v BIGINT)").unwrap();
    for (number, query) in VIEWS.iter().enumerate() {
        db.execute(&format!("CREATE MATERIALIZED VIEW v{number} AS {query}")).unwrap();
    }
    let mut cases = Cases { random: StdRng::seed_from_u64(seed) };
    let mut model = Model::default();
    for _ in 0..statements {
        let Case { sql, expected } = cases.next(&model);
        let outcome = db.execute(&sql).map(|mut outcomes| outcomes.pop());
        match (outcome, expected) {
            (
                Ok(Some(
                    StatementOutcome::Inserted { rows, .. }
                    | StatementOutcome::Updated { rows, .. }
                    | StatementOutcome::Deleted { rows, .. },
                )),
                Some((count, after)),
            ) => {
                assert_eq!(rows, count, "{sql}");
                model = after;
            }
            (Err(error), None) => assert_eq!(error.code(), Code::BadData, "{sql}: {error}"),
            (Ok(_), None) => panic!("{sql} is to be refused"),
            (Ok(_), _) => panic!("{sql} does not count"),
            (Err(error), _) => panic!("{sql}: {error}"),
        }
        model.check(&db, &sql);
    }
}

#[test]
fn random_changes_of_tables_do_what_a_model_does_and_every_view_follows() {
    if let Some(seed) = std::env::var("LAMINAR_ORACLE_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return [1, 3].into_iter().for_each(|workers| run(seed, workers, 40));
    }
    let cases = std::env::var("LAMINAR_ORACLE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(3);
    for seed in 0..cases {
        for workers in [1, 3] {
            println!("LAMINAR_ORACLE_SEED={seed} repeats this on {workers} workers");
            run(seed, workers, 40);
        }
    }
}
