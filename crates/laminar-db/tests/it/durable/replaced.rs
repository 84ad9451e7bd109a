//! Queries that get another text while others read from them: everything above shows what it would show if it had been made over the new query, and
//! readers are told exactly what differs; with other statements between, on several workers, and when the directory is opened again.

use std::collections::BTreeMap;

use laminar_db::{Code, Database};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Folder, execute, rows};

const TABLES: &str = "
    CREATE TABLE t (id BIGINT PRIMARY KEY, k BIGINT, v BIGINT);
    CREATE TABLE u (k BIGINT, w BIGINT);
    CREATE TABLE log (k BIGINT, v BIGINT) APPEND ONLY;";

/// What the view `picked` can be: all with the columns that others read.
const PICKED: [&str; 7] = [
    "SELECT k, id, v FROM t",
    "SELECT k, v FROM t",
    "SELECT k, v FROM t WHERE v > 2",
    "SELECT k, sum(v) AS v FROM t GROUP BY k",
    "SELECT t.k, u.w AS v FROM t JOIN u ON t.k = u.k",
    "SELECT k, w AS v FROM u UNION ALL SELECT k, v FROM t WHERE id > 5",
    "SELECT DISTINCT k, v % 3 AS v FROM t LEFT JOIN (SELECT w FROM u) AS x ON x.w = t.v",
];

/// What the materialized view `base` can be: with more columns, what reads from it is made anew.
const BASE: [&str; 6] = [
    "SELECT v, k, 'x' AS x FROM picked",
    "SELECT k, v FROM picked",
    "SELECT k, v + 1 AS v FROM picked WHERE k IS NOT NULL",
    "SELECT k, max(v) AS v FROM picked GROUP BY k",
    "SELECT k, v FROM t EXCEPT SELECT k, w FROM u",
    "SELECT k, v FROM t WHERE k IN (SELECT k FROM u)",
];

/// What the materialized view `raw` can be, whose rows are only ever added.
const RAW: [&str; 3] = ["SELECT k, v FROM log", "SELECT k, v FROM log WHERE v > 2", "SELECT v AS k, k AS v FROM log"];

/// What reads from `base` and `raw`, near and far, and stays as it is.
const ABOVE: [(&str, &str); 7] = [
    ("sums", "SELECT k, count(*) AS n, sum(v) AS v FROM base GROUP BY k"),
    ("joined", "SELECT b.k, b.v, u.w FROM base b LEFT JOIN u ON b.k = u.k"),
    ("most", "SELECT k, v FROM base WHERE v IS NOT NULL ORDER BY v DESC, k LIMIT 3"),
    ("ranked", "SELECT k, v, rank() OVER (PARTITION BY k ORDER BY v) AS r FROM base"),
    ("total", "SELECT count(*) AS groups, sum(n) AS n, max(v) AS v FROM sums"),
    ("logged", "SELECT k, count(*) AS n FROM raw GROUP BY k"),
    ("both", "SELECT s.k, s.n, j.w FROM sums s JOIN joined j ON s.k = j.k"),
];

struct Run {
    random: StdRng,
    /// Which query `picked`, `base` and `raw` have.
    picked: usize,
    base: usize,
    raw: usize,
    /// What the readers of each view have been told, added up.
    told: BTreeMap<&'static str, BTreeMap<Vec<String>, i64>>,
}

impl Run {
    fn below(&mut self, bound: i64) -> i64 {
        self.random.random_range(0..bound)
    }

    fn cell(&mut self, bound: i64) -> String {
        if self.below(6) == 0 { "NULL".to_owned() } else { self.below(bound).to_string() }
    }

    fn change_rows(&mut self) -> String {
        match self.below(8) {
            7 => format!("INSERT INTO log VALUES ({}, {})", self.cell(4), self.cell(7)),
            0..=2 => format!("INSERT INTO t VALUES ({}, {}, {})", self.below(20), self.cell(4), self.cell(7)),
            3 | 4 => format!("INSERT INTO u VALUES ({}, {})", self.cell(4), self.cell(7)),
            5 => format!("DELETE FROM t WHERE id % 7 = {}", self.below(7)),
            _ => format!("DELETE FROM u WHERE w = {}", self.below(7)),
        }
    }

    fn change_query(&mut self) -> String {
        let alters = self.below(2) == 0;
        let (kind, name, query) = match self.below(5) {
            0 | 1 => {
                self.picked = self.below(PICKED.len() as i64) as usize;
                ("VIEW", "picked", PICKED[self.picked])
            }
            2 | 3 => {
                self.base = self.below(BASE.len() as i64) as usize;
                ("MATERIALIZED VIEW", "base", BASE[self.base])
            }
            _ => {
                self.raw = self.below(RAW.len() as i64) as usize;
                ("MATERIALIZED VIEW", "raw", RAW[self.raw])
            }
        };
        let verb = if alters { "ALTER" } else { "CREATE OR REPLACE" };
        format!("{verb} {kind} {name} AS {query}")
    }

    /// What each view must show: its query, over the queries below it as they are now.
    fn check(&mut self, db: &Database, what: &str) {
        let picked = PICKED[self.picked];
        let with = format!("WITH picked AS ({picked}), base AS ({}), raw AS ({})", BASE[self.base], RAW[self.raw]);
        let with = ABOVE[..2].iter().fold(with, |with, (name, query)| format!("{with}, {name} AS ({query})"));
        assert_eq!(rows(db, "SELECT * FROM base"), rows(db, &format!("{with} SELECT * FROM base")), "base after {what}");
        for (name, query) in ABOVE {
            let shown = rows(db, &format!("SELECT * FROM {name}"));
            let asked = if ["sums", "joined"].contains(&name) {
                format!("{with} SELECT * FROM {name}")
            } else {
                format!("{with} SELECT * FROM ({query}) AS q")
            };
            assert_eq!(shown, rows(db, &asked), "{name} after {what}");
            self.follow(db, name, &shown, what);
        }
    }

    /// What the reader of a view is told adds up to what it shows, and says of no row that it went and came in one step.
    fn follow(&mut self, db: &Database, name: &'static str, shown: &[Vec<String>], what: &str) {
        let told = db.query(&format!("FETCH ALL FROM read_{name}")).unwrap().to_strings();
        let mut signs: BTreeMap<(String, Vec<String>), Vec<i64>> = BTreeMap::new();
        for row in &told {
            let weight = if row[1].starts_with('+') { 1 } else { -1 };
            signs.entry((row[0].clone(), row[2..].to_vec())).or_default().push(weight);
            *self.told.entry(name).or_default().entry(row[2..].to_vec()).or_default() += weight;
        }
        let both = signs.iter().find(|(_, weights)| weights.contains(&1) && weights.contains(&-1));
        assert_eq!(both, None, "{name} after {what}: a row went and came");
        if !told.is_empty() {
            execute(db, &format!("ACK read_{name}"));
        }
        let of_view = self.told.entry(name).or_default();
        of_view.retain(|_, weight| *weight != 0);
        let added: Vec<Vec<String>> =
            of_view.iter().flat_map(|(row, weight)| vec![row.clone(); usize::try_from(*weight).unwrap()]).collect();
        assert_eq!(added, shown, "what the reader of {name} was told until {what}");
    }
}

#[test]
fn what_reads_a_query_that_gets_another_text_shows_and_tells_what_differs() {
    let seeds = std::env::var("LAMINAR_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(6);
    for seed in 0..seeds {
        let folder = Folder::new();
        let mut run = Run { random: StdRng::seed_from_u64(seed), picked: 0, base: 0, raw: 0, told: BTreeMap::new() };
        let mut db = folder.open_with(1 + (seed % 4) as usize);
        execute(&db, TABLES);
        execute(&db, &format!("CREATE VIEW picked AS {}; CREATE MATERIALIZED VIEW base AS {}", PICKED[0], BASE[0]));
        execute(&db, &format!("CREATE MATERIALIZED VIEW raw AS {}", RAW[0]));
        for (name, query) in ABOVE {
            execute(&db, &format!("CREATE MATERIALIZED VIEW {name} AS {query}; CREATE SUBSCRIPTION read_{name} ON {name}"));
        }
        for turn in 0..40 {
            let what = match run.below(12) {
                0..=5 => run.change_rows(),
                6..=8 => run.change_query(),
                9 => "CHECKPOINT".to_owned(),
                10 => format!("SET workers = {}", 1 + run.below(4)),
                _ => {
                    let workers = 1 + run.below(4) as usize;
                    drop(db);
                    db = folder.open_with(workers);
                    "CREATE TABLE IF NOT EXISTS u (k BIGINT)".to_owned()
                }
            };
            db.execute(&what).map(|_| ()).unwrap_or_else(|error| panic!("seed {seed}, turn {turn}: {what}: {error}"));
            run.check(&db, &format!("seed {seed}, turn {turn}: {what}"));
        }
    }
}

/// A file gets the rows that differ, and no others.
#[test]
fn a_file_behind_a_query_that_gets_another_text_is_given_what_differs() {
    let folder = Folder::new();
    let path = folder.file("out.ndjson");
    {
        let db = folder.open();
        execute(
            &db,
            "CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT); INSERT INTO t VALUES (1, 10), (2, 20), (3, 30);
             CREATE MATERIALIZED VIEW low AS SELECT k, v FROM t WHERE v < 25;
             CREATE MATERIALIZED VIEW twice AS SELECT k, v * 2 AS v FROM low",
        );
        execute(&db, &format!("CREATE SINK s FROM twice INTO FILE (path = '{path}', changelog = 'true') FORMAT NDJSON"));
        execute(&db, "CHECKPOINT; ALTER MATERIALIZED VIEW low AS SELECT k, v FROM t WHERE v > 15; CHECKPOINT");
    }
    let written = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.len(), 4, "{written}");
    assert!(lines[..2].iter().all(|line| line.contains("+I")), "{written}");
    let mut after: Vec<&str> = lines[2..].to_vec();
    after.sort_unstable();
    assert!(after.iter().any(|line| line.contains("-D") && line.contains("20")), "{written}");
    assert!(after.iter().any(|line| line.contains("+I") && line.contains("60")), "{written}");
    let db = folder.open();
    assert_eq!(rows(&db, "SELECT * FROM twice"), [["2", "40"], ["3", "60"]]);
}

#[test]
fn a_query_whose_readers_cannot_go_on_is_refused_with_the_reason_and_stays() {
    let db = Database::open(":memory:").unwrap();
    execute(
        &db,
        "CREATE SOURCE pushed (k BIGINT, v BIGINT); CREATE TABLE t (k BIGINT, v BIGINT NOT NULL); INSERT INTO t VALUES (1, 2);
         CREATE TABLE log (k BIGINT, at TIMESTAMP, WATERMARK FOR at AS at) APPEND ONLY;
         CREATE MATERIALIZED VIEW sums AS SELECT k, sum(v) AS v FROM t GROUP BY k; CREATE SUBSCRIPTION s ON sums;
         CREATE MATERIALIZED VIEW above AS SELECT k, v FROM sums;
         CREATE MATERIALIZED VIEW kept AS SELECT k, at FROM log; CREATE STREAM above_kept AS SELECT k FROM kept;
         CREATE STREAM passing AS SELECT k, v FROM t; CREATE MATERIALIZED VIEW above_passing AS SELECT k, v FROM passing;
         CREATE MATERIALIZED VIEW held WITH (history = '9 steps') AS SELECT k, v FROM t;
         CREATE MATERIALIZED VIEW above_held AS SELECT k, v FROM held",
    );
    let followed = "; its changes are followed, or kept for who comes";
    let stream = "a stream keeps no rows that the new ones could be compared with";
    for (sql, reason) in [
        (
            "MATERIALIZED VIEW sums AS SELECT k, v, 1 AS one FROM t",
            format!("its columns are (k Int64, v Int64), and would be (k Int64, v Int64, one Int64){followed}"),
        ),
        (
            "MATERIALIZED VIEW sums AS SELECT k, sum(v) AS v FROM pushed GROUP BY k",
            "'pushed' keeps no rows from which it could be computed".to_owned(),
        ),
        (
            "MATERIALIZED VIEW sums AS SELECT k, v FROM t EMIT ON UPDATE",
            format!("one of the queries says EMIT ON UPDATE and the other does not{followed}"),
        ),
        (
            "MATERIALIZED VIEW kept AS SELECT k + 1 AS k, at FROM log",
            format!("its rows are only ever added, and some go when its query changes; above_kept: {stream}"),
        ),
        ("STREAM passing AS SELECT k, v + 1 AS v FROM t", stream.to_owned()),
        (
            "MATERIALIZED VIEW held WITH (history = '5 steps') AS SELECT k, v FROM t",
            format!("another part of its changes would be kept as its history{followed}"),
        ),
    ] {
        let error = db.execute(&format!("CREATE OR REPLACE {sql}")).err().unwrap();
        assert_eq!((error.code(), error.detail()), (Code::ObjectInUse, Some(reason.as_str())), "{sql}: {error}");
        assert!(error.message().contains("which cannot go on with the new query"), "{error}");
        let told = db.query(&format!("EXPLAIN ALTER {sql}")).unwrap().to_strings();
        assert!(told.iter().any(|row| row[1].starts_with("refuses the statement: ")), "{told:?}");
    }
    // What is not said of its history stays.
    execute(&db, "ALTER MATERIALIZED VIEW held AS SELECT k, v + 1 AS v FROM t");
    assert_eq!(rows(&db, "SELECT * FROM above_held"), [["1", "3"]]);
    let made = rows(&db, "SHOW CREATE held").remove(0).remove(1);
    assert_eq!(made, "CREATE OR REPLACE MATERIALIZED VIEW held WITH (history = '9 steps') AS SELECT k, v + 1 AS v FROM t");
    assert_eq!(rows(&db, "SELECT * FROM above"), [["1", "2"]]);
}

/// What failed is mended by another query, with all that failed with it.
#[test]
fn a_view_that_has_failed_goes_on_with_another_query() {
    let db = Database::open(":memory:").unwrap();
    execute(
        &db,
        "CREATE TABLE t (v BIGINT);
         CREATE MATERIALIZED VIEW counted AS WITH RECURSIVE r (n) AS (SELECT v FROM t UNION ALL SELECT n + 1 FROM r) SELECT n FROM r;
         CREATE MATERIALIZED VIEW above AS SELECT max(n) AS n FROM counted",
    );
    let _ = db.execute("INSERT INTO t VALUES (1)");
    let error = db.query("SELECT * FROM above").unwrap_err();
    assert!(error.to_string().contains("counted"), "{error}");
    execute(&db, "ALTER MATERIALIZED VIEW counted AS SELECT v AS n FROM t");
    assert_eq!(rows(&db, "SELECT * FROM above"), [["1"]]);
    execute(&db, "INSERT INTO t VALUES (5)");
    assert_eq!(rows(&db, "SELECT * FROM above"), [["5"]]);
}

#[test]
fn a_reader_without_a_name_goes_on_with_what_differs() {
    let db = Database::open(":memory:").unwrap();
    execute(
        &db,
        "CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT); INSERT INTO t VALUES (1, 1), (2, 2);
         CREATE MATERIALIZED VIEW shown AS SELECT k, v FROM t WHERE v < 2",
    );
    let mut reader = db.subscribe("shown").unwrap();
    let mut next = || reader.try_next().unwrap().map(|changes| changes.changes.print());
    assert_eq!(next().map(|text| text.lines().count()), Some(1));
    execute(&db, "CREATE OR REPLACE MATERIALIZED VIEW shown AS SELECT k, v FROM t WHERE v <= 2");
    let told = next().unwrap();
    assert!(told.contains('2') && told.lines().count() == 1, "{told}");
    execute(&db, "INSERT INTO t VALUES (3, 0)");
    assert!(next().unwrap().contains('3'));
}

/// Whether a column can be NULL, and the key by which rows replace each other, are what readers were made for.
#[test]
fn a_query_of_which_other_things_hold_is_made_anew_and_refused_where_its_changes_are_followed() {
    let folder = Folder::new();
    let db = folder.open();
    execute(
        &db,
        "CREATE TABLE t (k BIGINT, v BIGINT); INSERT INTO t VALUES (1, 2), (NULL, 3);
         CREATE MATERIALIZED VIEW a AS SELECT k, sum(v) AS v FROM t GROUP BY k; CREATE MATERIALIZED VIEW b AS SELECT sum(k) AS k FROM a;
         CREATE MATERIALIZED VIEW followed AS SELECT k, sum(v) AS v FROM t GROUP BY k; CREATE SUBSCRIPTION s ON followed",
    );
    for (query, reason) in [
        ("SELECT coalesce(k, 7) AS k, sum(v) AS v FROM t GROUP BY 1", "its column 'k' can be NULL, and could not be then"),
        ("SELECT k, v FROM t", "its rows would replace each other by another key than now"),
    ] {
        let error = db.execute(&format!("ALTER MATERIALIZED VIEW followed AS {query}")).err().unwrap();
        assert!(error.detail().is_some_and(|detail| detail.starts_with(reason)), "{error}");
    }
    execute(&db, "ALTER MATERIALIZED VIEW a AS SELECT coalesce(k, 7) AS k, sum(v) AS v FROM t GROUP BY 1; CHECKPOINT");
    assert_eq!(rows(&db, "SELECT * FROM b"), [["8"]]);
    execute(&db, "ALTER MATERIALIZED VIEW a AS SELECT k, v FROM t; INSERT INTO t VALUES (5, 5)");
    drop(db);
    for _ in 0..2 {
        let db = folder.open_with(2);
        assert_eq!(rows(&db, "SELECT * FROM b"), [["6"]]);
        execute(&db, "CHECKPOINT");
    }
}

#[test]
fn a_statement_with_comments_is_kept_as_it_can_be_said_again() {
    let folder = Folder::new();
    let db = folder.open();
    execute(&db, "CREATE TABLE t (a BIGINT); CREATE MATERIALIZED VIEW held WITH (history = '9 steps') AS SELECT a FROM t");
    for (written, kept) in [
        ("held AS /* as before */ SELECT a FROM t", "held WITH (history = '9 steps') AS /* as before */ SELECT a FROM t"),
        (
            "held (a) -- as it was\nAS SELECT a + 1 FROM t",
            "held (a) -- as it was\nWITH (history = '9 steps') AS SELECT a + 1 FROM t",
        ),
        (
            "held /* as */ AS -- it was\n SELECT a FROM t",
            "held /* as */ WITH (history = '9 steps') AS -- it was\n SELECT a FROM t",
        ),
    ] {
        execute(&db, &format!("ALTER MATERIALIZED VIEW {written}"));
        assert_eq!(rows(&db, "SHOW CREATE held")[0][1], format!("CREATE OR REPLACE MATERIALIZED VIEW {kept}"));
    }
    execute(&db, "INSERT INTO t VALUES (1); CHECKPOINT");
    drop(db);
    assert_eq!(rows(&folder.open(), "SELECT * FROM held"), [["1"]]);
}

/// What had ended because its inputs had goes on with those that have not.
#[test]
fn a_query_over_ended_inputs_goes_on_over_others() {
    let folder = Folder::new();
    let input = folder.file("in.csv");
    std::fs::write(&input, "a\n1\n").unwrap();
    let db = folder.open();
    execute(&db, &format!("CREATE SOURCE f (a BIGINT) FROM FILE (path = '{input}')"));
    execute(
        &db,
        "CREATE MATERIALIZED VIEW raw AS SELECT a FROM f; CREATE MATERIALIZED VIEW sums AS SELECT sum(a) AS a FROM raw;
         CREATE MATERIALIZED VIEW above AS SELECT a FROM sums; CREATE TABLE t (a BIGINT)",
    );
    db.run_until_finished(&false.into()).unwrap();
    assert_eq!(rows(&db, "SELECT * FROM above"), [["1"]]);
    execute(&db, "ALTER MATERIALIZED VIEW sums AS SELECT sum(a) AS a FROM t; INSERT INTO t VALUES (5)");
    let mut reader = db.subscribe("above").unwrap();
    execute(&db, "INSERT INTO t VALUES (6)");
    assert_eq!(rows(&db, "SELECT * FROM above"), [["11"]]);
    assert!(reader.try_next().unwrap().is_some() && !reader.is_finished());
}

/// What had failed and is said again as it was runs, also after the directory was opened again.
#[test]
fn the_same_query_said_again_after_a_failure_is_in_the_log() {
    let folder = Folder::new();
    let query = "WITH RECURSIVE r (n) AS (SELECT v FROM t UNION ALL SELECT n + 1 FROM r WHERE n > 0) SELECT n FROM r";
    let db = folder.open();
    execute(&db, &format!("CREATE TABLE t (v BIGINT); CREATE OR REPLACE MATERIALIZED VIEW counted AS {query}"));
    execute(&db, "CREATE MATERIALIZED VIEW above AS SELECT max(n) AS n FROM counted");
    let _ = db.execute("INSERT INTO t VALUES (1)");
    assert!(db.query("SELECT * FROM above").is_err());
    execute(&db, &format!("DELETE FROM t; INSERT INTO t VALUES (-4); CREATE OR REPLACE MATERIALIZED VIEW counted AS {query}"));
    assert_eq!(rows(&db, "SELECT * FROM above"), [["-4"]]);
    drop(db);
    assert_eq!(rows(&folder.open(), "SELECT * FROM above"), [["-4"]]);
}
