//! Rows that are found by key against the same rows, looked for among all: random statements over a table with indexes and one without, and random
//! queries whose conditions say plainly what a column is equal to, or so that no index is of use.

use laminar_db::Database;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const OBJECTS: [(&str, [&str; 3]); 4] =
    [("t", ["id", "a", "b"]), ("n", ["id", "a", "b"]), ("v", ["a", "b", "c"]), ("j", ["a", "b", "c"])];

/// `t` is found by key and by indexes, `u` is the same without; `v` and `j` are views over `t`, `n` takes the same row several times.
const SETUP: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, a BIGINT, b VARCHAR);
    CREATE TABLE u (id BIGINT, a BIGINT, b VARCHAR);
    CREATE TABLE n (id BIGINT, a BIGINT, b VARCHAR);
    CREATE MATERIALIZED VIEW v AS SELECT a, b, count(*) AS c FROM t GROUP BY a, b;
    CREATE MATERIALIZED VIEW j AS SELECT t.a, t.b, n.id AS c FROM t LEFT JOIN n ON t.a = n.a";

struct Cases {
    random: StdRng,
    indexes: Vec<String>,
    made: usize,
}

impl Cases {
    fn below(&mut self, bound: i64) -> i64 {
        self.random.random_range(0..bound)
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as i64) as usize]
    }

    fn number(&mut self) -> String {
        if self.below(5) == 0 { "NULL".to_owned() } else { (self.below(6) - 1).to_string() }
    }

    fn text(&mut self) -> String {
        if self.below(5) == 0 { "NULL".to_owned() } else { format!("'{}'", self.pick(&["x", "y", "it''s", ""])) }
    }

    fn row(&mut self) -> String {
        format!("({}, {}, {})", self.below(12), self.number(), self.text())
    }

    fn rows(&mut self) -> String {
        (0..1 + self.below(4)).map(|_| self.row()).collect::<Vec<_>>().join(", ")
    }

    /// What a column is equal to: said plainly, and so that only a look at each row tells.
    fn equal(&mut self, column: &str, of: &str) -> [String; 2] {
        let column_of = format!("{of}{column}");
        let (hidden, mut value): (String, Box<dyn FnMut(&mut Self) -> String>) = match column {
            "b" => (format!("{column_of} || ''"), Box::new(|cases| format!("'{}'", cases.pick(&["x", "y", "it''s", ""])))),
            _ => (format!("{column_of} + 0"), Box::new(|cases| (cases.below(12) - 1).to_string())),
        };
        match self.below(3) {
            0 => {
                let values: Vec<String> = (0..1 + self.below(3)).map(|_| value(self)).collect();
                let values = values.join(", ");
                [format!("{column_of} IN ({values})"), format!("{hidden} IN ({values})")]
            }
            1 => {
                let value = value(self);
                [format!("{value} = {column_of}"), format!("{value} = {hidden}")]
            }
            _ => {
                let value = value(self);
                [format!("{column_of} = {value}"), format!("{hidden} = {value}")]
            }
        }
    }

    /// A condition over some columns, in both ways.
    fn condition(&mut self, columns: &[&str], of: &str) -> [String; 2] {
        let mut both = [String::new(), String::new()];
        for _ in 0..1 + self.below(3) {
            let column = self.pick(columns);
            let said = if self.below(6) == 0 {
                let other = format!("{of}{column} IS NOT NULL");
                [other.clone(), other]
            } else {
                self.equal(column, of)
            };
            for (condition, said) in both.iter_mut().zip(said) {
                let and = if condition.is_empty() { "" } else { " AND " };
                *condition = format!("{condition}{and}({said})");
            }
        }
        both
    }

    /// A query in both ways.
    fn query(&mut self) -> [String; 2] {
        let (object, columns) = OBJECTS[self.below(4) as usize];
        let (other, other_columns) = OBJECTS[self.below(4) as usize];
        let join = self.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
        match self.below(4) {
            0 => {
                let on = format!("q.{} = r.{}", self.pick(&["a", columns[0]]), self.pick(&["a", other_columns[0]]));
                let of = self.pick(&["q.", "r."]);
                let condition = self.condition(if of == "q." { &columns } else { &other_columns }, of);
                condition.map(|said| format!("SELECT * FROM {object} AS q {join} {other} AS r ON {on} WHERE {said}"))
            }
            1 => {
                let condition = self.condition(&columns, "");
                let not = self.pick(&["", "NOT "]);
                condition.map(|said| format!("SELECT * FROM u WHERE {not}EXISTS (SELECT 1 FROM {object} WHERE {said})"))
            }
            _ => self.condition(&columns, "").map(|said| format!("SELECT * FROM {object} WHERE {said}")),
        }
    }

    /// A change of `t` and the same of `u`, or a change of something else.
    fn change(&mut self) -> Vec<String> {
        let condition = self.condition(&["id", "a", "b"], "");
        let [plain, hidden] = &condition;
        match self.below(8) {
            0 | 1 => {
                let row = self.row();
                let id = row[1..].split(',').next().unwrap_or_default().to_owned();
                let set = self.pick(&["a = excluded.a", "b = t.b, a = coalesce(t.a, 0) + 1"]);
                let in_u = set.replace("t.b", "u.b").replace("t.a", "u.a");
                let upsert =
                    |table: &str, on: &str, set: &str| format!("INSERT INTO {table} VALUES {row} {on} DO UPDATE SET {set}");
                // `u` has no key to meet by.
                let update = in_u.replace("excluded.a", row.split(", ").nth(1).unwrap_or_default());
                vec![
                    upsert("t", "ON CONFLICT (id)", set),
                    format!("UPDATE u SET {update} WHERE id + 0 = {id}"),
                    format!(
                        "INSERT INTO u SELECT * FROM (VALUES {row}) AS new (id, a, b) WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.id + 0 = {id})"
                    ),
                ]
            }
            2 => {
                let row = self.row();
                let id = row[1..].split(',').next().unwrap_or_default().to_owned();
                vec![
                    format!("INSERT INTO t VALUES {row}"),
                    format!("DELETE FROM u WHERE id = {id}"),
                    format!("INSERT INTO u VALUES {row}"),
                ]
            }
            3 => vec![format!("DELETE FROM t WHERE {plain}"), format!("DELETE FROM u WHERE {hidden}")],
            4 | 5 => {
                let set = self.pick(&["a = a + 1", "b = 'x'", "a = NULL, b = b || 'y'", "a = id % 4"]);
                vec![format!("UPDATE t SET {set} WHERE {plain}"), format!("UPDATE u SET {set} WHERE {hidden}")]
            }
            6 => vec![format!("INSERT INTO n VALUES {}", self.rows())],
            _ => vec![format!("DELETE FROM n WHERE {plain}")],
        }
    }

    /// Makes an index, or drops one.
    fn indexes(&mut self) -> String {
        if self.indexes.len() < 6 || self.below(2) == 0 {
            let (object, mut columns) = OBJECTS[self.below(4) as usize];
            let turn = self.below(3) as usize;
            columns.rotate_left(turn);
            let some = &columns[..1 + self.below(3) as usize];
            let name = format!("i{}", self.made);
            self.made += 1;
            let text = format!("CREATE INDEX {name} ON {object} ({})", some.join(", "));
            self.indexes.push(name);
            return text;
        }
        let at = self.below(self.indexes.len() as i64) as usize;
        format!("DROP INDEX {}", self.indexes.swap_remove(at))
    }
}

fn sorted(db: &Database, query: &str) -> Vec<Vec<String>> {
    let mut rows = db.query(query).unwrap_or_else(|error| panic!("{query}: {error}")).to_strings();
    rows.sort();
    rows
}

fn run(seed: u64, workers: usize) {
    let folder = (seed % 3 == 0).then(|| tempfile::tempdir().unwrap());
    let path = folder.as_ref().map_or(":memory:".to_owned(), |folder| folder.path().join("data").display().to_string());
    let open = |workers| Database::builder().workers_in_turn(workers).open(&path).unwrap();
    let mut db = open(workers);
    db.execute(SETUP).unwrap();
    let mut cases = Cases { random: StdRng::seed_from_u64(seed), indexes: Vec::new(), made: 0 };
    let mut said: Vec<String> = Vec::new();
    for _ in 0..60 {
        let statements = if cases.below(4) == 0 { vec![cases.indexes()] } else { cases.change() };
        for statement in statements {
            said.push(statement.clone());
            db.execute(&statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        let said = || said.join(";\n");
        assert_eq!(sorted(&db, "SELECT * FROM t"), sorted(&db, "SELECT * FROM u"), "{}", said());
        let [plain, hidden] = cases.query();
        assert_eq!(sorted(&db, &plain), sorted(&db, &hidden), "{plain}, after\n{}", said());
        let workers = 1 + cases.below(4);
        match cases.below(12) {
            0 => db.execute(&format!("SET workers = {workers}")).map(|_| ()).unwrap(),
            _ if folder.is_none() => {}
            1 => db.execute("CHECKPOINT").map(|_| ()).unwrap(),
            2 => {
                drop(db);
                db = open(workers as usize);
            }
            _ => {}
        }
    }
}

#[test]
fn what_is_found_by_key_is_what_a_look_at_all_rows_finds() {
    let runs = |seed| {
        for workers in [1, 3] {
            println!("LAMINAR_ORACLE_SEED={seed} repeats this, on {workers} workers");
            run(seed, workers);
        }
    };
    if let Some(seed) = std::env::var("LAMINAR_ORACLE_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return runs(seed);
    }
    let cases: u64 = std::env::var("LAMINAR_ORACLE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(6);
    (0..cases).for_each(runs);
}

#[test]
fn rows_that_hide_others_in_a_join_are_looked_at() {
    let db = Database::open(":memory:").unwrap();
    db.execute(
        "CREATE TABLE trades (id BIGINT PRIMARY KEY, symbol VARCHAR, ts TIMESTAMP);
         CREATE TABLE quotes (id BIGINT PRIMARY KEY, symbol VARCHAR, price BIGINT, ts TIMESTAMP);
         CREATE INDEX ON quotes (price);
         INSERT INTO trades VALUES (1, 'a', '2024-01-01 00:00:05');
         INSERT INTO quotes VALUES (1, 'a', 100, '2024-01-01 00:00:01'), (2, 'a', 101, '2024-01-01 00:00:04')",
    )
    .unwrap();
    let on = "t.symbol = q.symbol AND t.ts >= q.ts";
    for join in [
        format!("ASOF JOIN quotes q ON {on}"),
        format!("ASOF LEFT JOIN quotes q ON {on}"),
        "ASOF JOIN quotes q USING (symbol, ts)".to_owned(),
        "ASOF JOIN quotes q MATCH_CONDITION (t.ts >= q.ts) ON t.symbol = q.symbol".to_owned(),
    ] {
        for (condition, expected) in [("q.id = 1", 0), ("q.price = 100", 0), ("q.id = 2", 1), ("q.price = 101 AND t.id = 1", 1)] {
            let rows = db.query(&format!("SELECT t.id, q.price FROM trades t {join} WHERE {condition}")).unwrap();
            assert_eq!(rows.to_strings().len(), expected, "{join}, {condition}");
        }
    }
    // A name that the join hides is another one's.
    let anti = "SELECT u.id FROM trades AS u WHERE EXISTS (SELECT 1 FROM trades a LEFT ANTI JOIN quotes AS u ON a.symbol = u.symbol AND u.price = 101 WHERE u.id = 1)";
    assert_eq!(db.query(anti).unwrap().to_strings().len(), 0);
}

#[test]
fn indexes_are_shown_and_found_by_statements() {
    let db = Database::open(":memory:").unwrap();
    db.execute(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, a BIGINT);
         INSERT INTO t SELECT n, n % 10 FROM generate_series(1, 1000) AS g (n);
         CREATE INDEX ON t (a)",
    )
    .unwrap();
    let shown = db.query("SHOW INDEXES").unwrap().to_strings();
    assert_eq!(shown[0][..4], ["t_a_idx", "t", "a", "1000"]);
    assert!(shown[0][4].parse::<usize>().unwrap() > 10_000, "{shown:?}");
    let plan = |query: &str| db.query(&format!("EXPLAIN {query}")).unwrap().to_strings().concat().pop().unwrap();
    assert_eq!(plan("SELECT * FROM t WHERE a = 3"), "ad hoc, rows of t are found by index t_a_idx (a)");
    assert_eq!(plan("SELECT * FROM t WHERE id = 3"), "ad hoc, rows of t are found by PRIMARY KEY (id)");
    let state = db.query("SHOW STATE").unwrap().to_strings();
    assert!(state.iter().any(|row| row[..3] == ["t_a_idx", "index", "1000"]), "{state:?}");
}
