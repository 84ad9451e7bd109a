//! UNIQUE against a model that looks at all rows each time: random statements and pushes, in tables with a primary key, without one and APPEND ONLY,
//! in directories that are opened again.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::{ChangeBatch, Code, Database};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// `id, a, b, c, d`.
type Line = [Option<i64>; 5];

/// The columns of each constraint, and whether NULLs are distinct.
const UNIQUE: [(&[usize], bool); 3] = [(&[1], true), (&[2, 3], true), (&[4], false)];
const CONSTRAINTS: &str =
    "a BIGINT UNIQUE, b BIGINT, c BIGINT, d BIGINT, UNIQUE (b, c), CONSTRAINT one_null UNIQUE NULLS NOT DISTINCT (d)";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Keyed,
    Plain,
    AppendOnly,
}

/// What the table holds.
#[derive(Debug, Clone)]
struct Model {
    kind: Kind,
    rows: Vec<Line>,
}

/// The key of a row; `None`: it has none.
fn key(row: &Line, (columns, nulls_distinct): (&[usize], bool)) -> Option<Vec<Option<i64>>> {
    let key: Vec<Option<i64>> = columns.iter().map(|column| row[*column]).collect();
    if nulls_distinct && key.contains(&None) { None } else { Some(key) }
}

impl Model {
    fn holds(&self) -> bool {
        UNIQUE.iter().all(|constraint| {
            let mut keys: Vec<_> = self.rows.iter().filter_map(|row| key(row, *constraint)).collect();
            let all = keys.len();
            keys.sort();
            keys.dedup();
            keys.len() == all
        })
    }

    fn has_two_of_an_id(&self) -> bool {
        self.kind == Kind::Keyed && (1..self.rows.len()).any(|at| self.rows[..at].iter().any(|row| row[0] == self.rows[at][0]))
    }

    fn owner(&self, row: &Line, constraint: (&[usize], bool)) -> Option<usize> {
        let key_of_row = key(row, constraint)?;
        self.rows.iter().position(|other| key(other, constraint).as_ref() == Some(&key_of_row))
    }

    /// As INSERT does it: a row replaces the one with its primary key.
    fn insert(&mut self, row: Line) {
        if self.kind == Kind::Keyed {
            self.rows.retain(|other| other[0] != row[0]);
        }
        self.rows.push(row);
    }

    fn push(&mut self, changes: &[(Line, i64)]) {
        if self.kind == Kind::Keyed {
            for (row, weight) in changes {
                if *weight > 0 { self.insert(*row) } else { self.rows.retain(|other| other[0] != row[0]) }
            }
            return;
        }
        let mut net: Vec<(Line, i64)> = Vec::new();
        for (row, weight) in changes {
            match net.iter_mut().find(|(other, _)| other == row) {
                Some((_, sum)) => *sum += weight,
                None => net.push((*row, *weight)),
            }
        }
        for (row, weight) in net {
            let there = self.rows.iter().filter(|other| **other == row).count() as i64;
            if there + weight >= 0 {
                self.rows.retain(|other| *other != row);
                (0..there + weight).for_each(|_| self.rows.push(row));
            }
        }
    }
}

struct Cases {
    random: StdRng,
}

/// What is done, and what the table must hold then: nothing else than before if it is `None`, with an error.
struct Case {
    text: String,
    pushed: Option<Vec<(Line, i64)>>,
    after: Option<Model>,
}

impl Cases {
    fn below(&mut self, bound: i64) -> i64 {
        self.random.random_range(0..bound)
    }

    fn cell(&mut self, bound: i64) -> Option<i64> {
        if self.below(4) == 0 { None } else { Some(self.below(bound)) }
    }

    fn line(&mut self) -> Line {
        [Some(self.below(8)), self.cell(9), self.cell(3), self.cell(4), self.cell(12)]
    }

    fn lines(&mut self) -> Vec<Line> {
        (0..1 + self.below(3)).map(|_| self.line()).collect()
    }

    fn next(&mut self, model: &Model) -> Case {
        let changes = model.kind != Kind::AppendOnly;
        match self.below(if changes { 11 } else { 5 }) {
            0 | 1 => self.insert(model),
            2 => self.push(model, changes),
            3 => self.do_nothing(model),
            4 => self.do_nothing_by(model, [(0, "a"), (1, "c, b"), (2, "d")]),
            5 | 6 => self.do_update(model),
            7 | 8 => self.update(model),
            _ => self.delete(model),
        }
    }

    fn insert(&mut self, model: &Model) -> Case {
        let (lines, mut after) = (self.lines(), model.clone());
        lines.iter().for_each(|line| after.insert(*line));
        case(format!("INSERT INTO t VALUES {}", values(&lines)), after)
    }

    fn push(&mut self, model: &Model, changes: bool) -> Case {
        let mut lines: Vec<(Line, i64)> = self.lines().into_iter().map(|line| (line, 1)).collect();
        for _ in 0..self.below(4) {
            // A row that is there, one that is hardly there, or one of the same push.
            let line = match self.below(3) {
                0 if !model.rows.is_empty() => model.rows[self.below(model.rows.len() as i64) as usize],
                1 => self.line(),
                _ => lines[self.below(lines.len() as i64) as usize].0,
            };
            let at = self.below(lines.len() as i64 + 1) as usize;
            if changes {
                lines.insert(at, (line, if self.below(4) == 0 { 1 } else { -1 }));
            }
        }
        let mut after = model.clone();
        after.push(&lines);
        Case { text: format!("push {lines:?}"), pushed: Some(lines), after: after.holds().then_some(after) }
    }

    fn do_nothing(&mut self, model: &Model) -> Case {
        let (lines, mut after) = (self.lines(), model.clone());
        for line in &lines {
            let has_id = model.kind == Kind::Keyed && after.rows.iter().any(|row| row[0] == line[0]);
            if !has_id && UNIQUE.iter().all(|constraint| after.owner(line, *constraint).is_none()) {
                after.rows.push(*line);
            }
        }
        case(format!("INSERT INTO t VALUES {} ON CONFLICT DO NOTHING", values(&lines)), after)
    }

    fn do_nothing_by(&mut self, model: &Model, keys: [(usize, &str); 3]) -> Case {
        let (number, columns) = keys[self.below(3) as usize];
        let (lines, mut after) = (self.lines(), model.clone());
        for line in &lines {
            if after.owner(line, UNIQUE[number]).is_none() {
                after.rows.push(*line);
            }
        }
        case(format!("INSERT INTO t VALUES {} ON CONFLICT ({columns}) DO NOTHING", values(&lines)), after)
    }

    fn do_update(&mut self, model: &Model) -> Case {
        let (lines, mut after) = (self.lines(), model.clone());
        let text = format!(
            "INSERT INTO t VALUES {} ON CONFLICT (a) DO UPDATE SET b = excluded.c, d = excluded.d WHERE excluded.b IS NOT NULL",
            values(&lines)
        );
        for (at, line) in lines.iter().enumerate() {
            if lines[..at].iter().any(|other| line[1].is_some() && other[1] == line[1]) {
                return Case { text, pushed: None, after: None };
            }
            match model.owner(line, UNIQUE[0]) {
                None => after.rows.push(*line),
                Some(owner) if line[2].is_some() => (after.rows[owner][2], after.rows[owner][4]) = (line[3], line[4]),
                Some(_) => {}
            }
        }
        case(text, after)
    }

    fn update(&mut self, model: &Model) -> Case {
        let (from, by) = (self.below(8), 1 + self.below(2));
        let (set, column, change): (String, usize, Box<dyn Fn(Option<i64>) -> Option<i64>>) = match self.below(5) {
            0 => (format!("a = a + {by}"), 1, Box::new(move |a| a.map(|a| a + by))),
            1 => (format!("a = {by} - a"), 1, Box::new(move |a| a.map(|a| by - a))),
            2 => ("d = NULL".to_owned(), 4, Box::new(|_| None)),
            3 => (format!("c = {by}"), 3, Box::new(move |_| Some(by))),
            _ => (format!("id = id + {by}"), 0, Box::new(move |id| id.map(|id| id + by))),
        };
        let mut after = model.clone();
        after.rows.iter_mut().filter(|row| row[0] >= Some(from)).for_each(|row| row[column] = change(row[column]));
        case(format!("UPDATE t SET {set} WHERE id >= {from}"), after)
    }

    fn delete(&mut self, model: &Model) -> Case {
        let (id, mut after) = (self.below(8), model.clone());
        after.rows.retain(|row| row[0] != Some(id));
        case(format!("DELETE FROM t WHERE id = {id}"), after)
    }
}

fn case(text: String, after: Model) -> Case {
    let is_refused = !after.holds() || after.has_two_of_an_id();
    Case { text, pushed: None, after: (!is_refused).then_some(after) }
}

fn values(lines: &[Line]) -> String {
    let cell = |cell: &Option<i64>| cell.map_or("NULL".to_owned(), |cell| cell.to_string());
    let line = |line: &Line| format!("({})", line.iter().map(cell).collect::<Vec<_>>().join(", "));
    lines.iter().map(line).collect::<Vec<_>>().join(", ")
}

fn batch(changes: &[(Line, i64)]) -> ChangeBatch {
    let column = |column: usize| -> ArrayRef { Arc::new(changes.iter().map(|(line, _)| line[column]).collect::<Int64Array>()) };
    let columns = ["id", "a", "b", "c", "d"].into_iter().enumerate().map(|(at, name)| (name, column(at), true));
    let rows = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    ChangeBatch::new(rows, changes.iter().map(|(_, weight)| *weight).collect::<Vec<_>>())
}

/// Columns that may be NULL have the table's schema only if they say so, but a primary key never may.
fn push(db: &Database, changes: &[(Line, i64)]) -> laminar_db::Result<()> {
    let (batch, schema) = (batch(changes), db.schema_of("t")?);
    db.push_changes("t", batch.with_columns(schema, batch.rows().columns().to_vec())?)
}

fn contents(db: &Database) -> Vec<Line> {
    let cell = |text: &String| text.parse().ok();
    let mut rows: Vec<Line> = db
        .query("SELECT * FROM t")
        .unwrap()
        .to_strings()
        .iter()
        .map(|row| [cell(&row[0]), cell(&row[1]), cell(&row[2]), cell(&row[3]), cell(&row[4])])
        .collect();
    rows.sort_unstable();
    rows
}

fn run(seed: u64, kind: Kind, workers: usize) {
    // Every fourth stands in a directory, which takes its time.
    let folder = (seed % 4 == 0).then(|| tempfile::tempdir().unwrap());
    let path = folder.as_ref().map_or(":memory:".to_owned(), |folder| folder.path().join("data").display().to_string());
    let open = || Database::builder().workers_in_turn(workers).open(&path).unwrap();
    let mut db = open();
    let (key, behind) = match kind {
        Kind::Keyed => (" PRIMARY KEY", ""),
        Kind::Plain => ("", ""),
        Kind::AppendOnly => ("", " APPEND ONLY"),
    };
    db.execute(&format!("CREATE TABLE t (id BIGINT{key}, {CONSTRAINTS}){behind}")).unwrap();
    let mut cases = Cases { random: StdRng::seed_from_u64(seed) };
    let mut model = Model { kind, rows: Vec::new() };
    for _ in 0..40 {
        let Case { text, pushed, after } = cases.next(&model);
        let outcome = match &pushed {
            Some(changes) => push(&db, changes),
            None => db.execute(&text).map(|_| ()),
        };
        match (outcome, after) {
            (Ok(()), Some(after)) => model = after,
            (Err(error), None) => assert_eq!(error.code(), Code::BadData, "{text}: {error}"),
            (Ok(()), None) => panic!("{text} is to be refused: {:?}", model.rows),
            (Err(error), Some(_)) => panic!("{text}: {error}\n{:?}", model.rows),
        }
        let mut expected = model.rows.clone();
        expected.sort_unstable();
        assert_eq!(contents(&db), expected, "{text}");
        match cases.below(20) {
            _ if folder.is_none() => {}
            0 => db.execute("CHECKPOINT").map(|_| ()).unwrap(),
            1 => {
                drop(db);
                db = open();
            }
            _ => {}
        }
    }
}

#[test]
fn random_changes_keep_what_is_unique() {
    let runs = |seed| {
        for (kind, workers) in [(Kind::Keyed, 1), (Kind::Keyed, 3), (Kind::Plain, 1), (Kind::Plain, 3), (Kind::AppendOnly, 1)] {
            println!("LAMINAR_ORACLE_SEED={seed} repeats this: {kind:?} on {workers} workers");
            run(seed, kind, workers);
        }
    };
    if let Some(seed) = std::env::var("LAMINAR_ORACLE_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return runs(seed);
    }
    let cases: u64 = std::env::var("LAMINAR_ORACLE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(3);
    (0..cases).for_each(runs);
}

#[test]
fn rows_of_files_and_late_rows_that_would_break_unique_are_in_error_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.csv");
    std::fs::write(&path, "id,email\n1,a\n2,b\n1,b\n3,a\n1,c\n4,a\n5,\n6,\n").unwrap();
    let db = Database::open(":memory:").unwrap();
    db.execute(&format!(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, email VARCHAR UNIQUE) FROM FILE (path = '{}');
         CREATE TABLE late (n BIGINT UNIQUE);
         CREATE SOURCE s (n BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
         CREATE STREAM w AS SELECT window_start, sum(n) AS n FROM s GROUP BY TUMBLE(ts, INTERVAL '1' SECOND) LATE DATA TO late",
        path.display()
    ))
    .unwrap();
    db.run_until_finished(&AtomicBool::new(false)).unwrap();
    let rows = |sql: &str| db.query(sql).unwrap().to_strings();
    // (1, c) frees 'a', which (4, a) takes.
    assert_eq!(rows("SELECT id FROM t WHERE email IS NULL ORDER BY id"), [["5"], ["6"]]);
    assert_eq!(rows("SELECT * FROM t WHERE email IS NOT NULL ORDER BY id"), [["1", "c"], ["2", "b"], ["4", "a"]]);
    let reason =
        |key: &str| [format!("two rows of 't' would have the key (email) = ({key}), which breaks the constraint 't_email_key'")];
    assert_eq!(rows("SELECT reason FROM t$errors"), [reason("b"), reason("a")]);
    assert_eq!(db.execute("INSERT INTO t VALUES (7, 'a')").err().unwrap().code(), Code::BadData);
    db.execute("INSERT INTO s VALUES (1, '2024-01-02'), (2, '2024-01-01'), (2, '2024-01-01'), (3, '2024-01-01')").unwrap();
    db.execute("INSERT INTO s VALUES (3, '2024-01-01'), (4, '2024-01-01')").unwrap();
    assert_eq!(rows("SELECT n FROM late ORDER BY n"), [["2"], ["3"], ["4"]]);
    let reason =
        |key: i64| [format!("two rows of 'late' would have the key (n) = ({key}), which breaks the constraint 'late_n_key'")];
    assert_eq!(rows("SELECT reason FROM late$errors"), [reason(2), reason(3)]);
    assert!(db.execute("INSERT INTO late VALUES (4)").is_err());
}

#[test]
fn a_table_that_is_renamed_knows_its_keys() {
    let db = Database::open(":memory:").unwrap();
    db.execute("CREATE TABLE t (a BIGINT UNIQUE); INSERT INTO t VALUES (1); ALTER TABLE t RENAME TO u").unwrap();
    let error = db.execute("INSERT INTO u VALUES (1)").err().unwrap();
    assert!(error.message().contains("'u_a_key'"), "{error}");
    db.execute("DELETE FROM u; INSERT INTO u VALUES (1)").unwrap();
}

#[test]
fn an_insert_looks_at_no_other_row() {
    let db = Database::open(":memory:").unwrap();
    db.execute("CREATE TABLE t (a BIGINT PRIMARY KEY, b BIGINT UNIQUE, c VARCHAR UNIQUE)").unwrap();
    db.execute("INSERT INTO t SELECT x, x, 'a text of more than fifteen bytes ' || x FROM generate_series(1, 200000) AS g (x)")
        .unwrap();
    // Each of these would take milliseconds if all rows were looked at, and the test minutes.
    for n in 0..20_000 {
        let error = db.execute(&format!("INSERT INTO t VALUES (0, {}, NULL)", n + 1)).err().unwrap();
        assert_eq!(error.code(), Code::BadData);
    }
    let usage = db.query("SHOW STATE").unwrap().to_strings();
    assert!(usage.iter().any(|row| row[..3] == ["t", "unique keys", "400000"]), "{usage:?}");
}
