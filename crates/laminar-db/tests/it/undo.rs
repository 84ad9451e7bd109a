//! A statement that fails leaves nothing behind, wherever it fails.

use laminar_db::{Code, Database, Row};

#[derive(Row)]
struct Trade {
    symbol: String,
    price: i64,
    ts: i64,
}

/// Everything that a statement could leave behind.
fn picture(db: &Database) -> String {
    let shown = ["SHOW ALL", "SHOW JOBS"]
        .map(|sql| db.query(sql).map_or_else(|e| e.to_string(), |rows| format!("{:?}", rows.to_strings())));
    format!("{shown:?} {}", db.internals())
}

/// A database with some of everything.
fn database(folder: &std::path::Path) -> Database {
    let input = folder.join("in.csv");
    std::fs::write(&input, "a,ts\n1,2024-01-01T00:00:00\nx,y\n2,2024-01-01T00:01:00\n").unwrap();
    let db = Database::open(":memory:").unwrap();
    db.execute(
        "CREATE SOURCE trades (symbol VARCHAR NOT NULL, price BIGINT NOT NULL, ts BIGINT NOT NULL);
         CREATE TABLE names (symbol VARCHAR PRIMARY KEY, name VARCHAR);
         INSERT INTO names VALUES ('a', 'A'), ('b', 'B');
         CREATE MATERIALIZED VIEW totals WITH (history = '9 steps') AS SELECT symbol, sum(price) AS total FROM trades GROUP BY symbol;
         CREATE VIEW shown AS SELECT symbol, total FROM totals;
         CREATE MATERIALIZED VIEW alone AS SELECT count(*) AS n FROM trades;
         CREATE TABLE items (symbol VARCHAR, name VARCHAR); INSERT INTO items VALUES ('a', 'A'), ('b', 'B');
         CREATE VIEW inside AS SELECT symbol, name FROM items;
         CREATE MATERIALIZED VIEW named AS SELECT symbol, name FROM inside;
         CREATE MATERIALIZED VIEW above AS SELECT count(name) AS n FROM named;
         CREATE TABLE late_rows (a BIGINT, ts TIMESTAMP, reason VARCHAR)",
    )
    .unwrap();
    db.execute(&format!(
        "CREATE SOURCE readings (a BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) FROM FILE (path = '{}');
         CREATE SINK late_file INTO FILE (path = '{}')",
        input.display(),
        folder.join("late.csv").display()
    ))
    .unwrap();
    db.push_rows("trades", &[Trade { symbol: "a".into(), price: 7, ts: 1 }]).unwrap();
    db
}

fn statements(folder: &std::path::Path) -> Vec<String> {
    let path = |name: &str| folder.join(name).display().to_string();
    vec![
        "CREATE SOURCE s (a BIGINT)".into(),
        "CREATE TABLE t (a BIGINT PRIMARY KEY)".into(),
        "CREATE TABLE t (a BIGINT DEFAULT 1 CHECK (a > 0), b BIGINT GENERATED ALWAYS AS (a + 1) STORED, at TIMESTAMPTZ DEFAULT now())".into(),
        "CREATE TABLE v AS SELECT symbol, total FROM totals".into(),
        format!("CREATE TABLE t FROM FILE (path = '{}')", path("in.csv")),
        format!("CREATE SOURCE s FROM FILE (path = '{}')", path("in.csv")),
        "CREATE VIEW v AS SELECT total + 1 AS more FROM shown".into(),
        "CREATE OR REPLACE VIEW shown AS SELECT symbol, total, 1 AS one FROM totals".into(),
        "CREATE OR REPLACE MATERIALIZED VIEW alone WITH (history = '3 steps') AS SELECT max(n.name) AS m FROM shown s JOIN names n ON n.symbol = s.symbol".into(),
        "CREATE OR REPLACE MATERIALIZED VIEW named AS SELECT symbol, upper(name) AS name FROM items WHERE symbol > 'a'".into(),
        "CREATE OR REPLACE VIEW inside AS SELECT symbol, upper(name) AS name FROM items WHERE symbol > 'a'".into(),
        "CREATE OR REPLACE MATERIALIZED VIEW named AS SELECT symbol, upper(name) AS name, 1 AS one FROM items WHERE symbol > 'a'".into(),
        "CREATE STREAM v AS SELECT a FROM readings WHERE a > 1".into(),
        "CREATE MATERIALIZED VIEW v WITH (history = '10 steps') AS SELECT n.name, s.total FROM shown s JOIN names n ON n.symbol = s.symbol".into(),
        "CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM readings$errors".into(),
        "CREATE STREAM v AS SELECT window_start, count(*) AS n FROM readings GROUP BY TUMBLE(ts, INTERVAL '1 minute') LATE DATA TO late_rows".into(),
        "CREATE STREAM v AS SELECT window_start, count(*) AS n FROM readings GROUP BY TUMBLE(ts, INTERVAL '1 minute') LATE DATA TO late_file".into(),
        format!("CREATE SINK v FROM trades INTO FILE (path = '{}')", path("out.csv")),
        format!("CREATE SINK v AS SELECT a FROM readings INTO FILE (path = '{}')", path("out.csv")),
        format!("CREATE SINK v FROM readings$errors INTO FILE (path = '{}')", path("out.csv")),
        format!("CREATE SINK v INTO FILE (path = '{}')", path("out.csv")),
        "CREATE SUBSCRIPTION v ON totals".into(),
        "CREATE INDEX ON totals (total)".into(),
        "CREATE SUBSCRIPTION v ON names WITH (snapshot = false, history = '9 steps')".into(),
        "SUBSCRIBE totals".into(),
        "SUBSCRIBE readings$errors".into(),
        "SUBSCRIBE (SELECT a + 1 AS b FROM readings)".into(),
        "SELECT a FROM readings".into(),
    ]
}

#[test]
fn a_statement_that_fails_at_any_point_leaves_nothing_behind() {
    for number in 0..statements(std::path::Path::new("")).len() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(folder.path());
        let sql = statements(folder.path()).swap_remove(number);
        let before = picture(&db);
        let mut points = 0;
        loop {
            db.fail_statements_at(Some(points + 1));
            match db.execute(&sql) {
                Ok(outcomes) => {
                    drop(outcomes);
                    break;
                }
                Err(error) => {
                    assert_eq!((error.code(), error.message()), (Code::Io, "the failure that a test asked for"), "{sql}")
                }
            }
            points += 1;
            assert_eq!(picture(&db), before, "{sql} failed when it had done {points} things");
        }
        assert!(points > 0, "{sql} has points at which it can fail");
        db.fail_statements_at(None);
        // What failed so often can still be done, and gives what it would have given.
        db.run_until_finished(&false.into()).unwrap();
        if let Ok(rows) = db.query("SELECT count(*) FROM v") {
            assert_eq!(rows.to_strings().len(), 1, "{sql}");
        }
        assert_eq!(db.query("SELECT total FROM totals").unwrap().to_strings(), [["7"]], "{sql}");
        let above = if sql.contains("upper") { "1" } else { "2" };
        assert_eq!(db.query("SELECT n FROM above").unwrap().to_strings(), [[above]], "{sql}");
    }
}

#[test]
fn explaining_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(folder.path());
    let before = picture(&db);
    for sql in statements(folder.path())
        .iter()
        .filter(|sql| sql.contains(" AS SELECT ") && !sql.contains("CREATE VIEW") && !sql.contains("CREATE TABLE"))
    {
        db.execute(&format!("EXPLAIN GRAPH {sql}")).unwrap();
        assert_eq!(picture(&db), before, "{sql}");
    }
}

#[test]
fn a_query_that_cannot_be_run_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(folder.path());
    let before = picture(&db);
    for sql in [
        "CREATE STREAM v AS SELECT nothing FROM readings",
        "CREATE STREAM v AS SELECT window_start, count(*) AS n FROM trades GROUP BY TUMBLE(ts, INTERVAL '1 minute')",
        "CREATE STREAM v AS SELECT a, a FROM readings",
        "CREATE MATERIALIZED VIEW v WITH (history = 'x') AS SELECT a FROM readings",
        "CREATE SINK v AS SELECT a, count(*) AS n FROM readings GROUP BY a INTO FILE (path = 'never.csv')",
        "CREATE SINK v AS SELECT a FROM readings INTO FILE (path = 'never.csv', delimitre = ';')",
        "SUBSCRIBE (SELECT a + 'x' FROM readings)",
    ] {
        db.execute(sql).err().unwrap_or_else(|| panic!("{sql} cannot be run"));
        assert_eq!(picture(&db), before, "{sql}");
    }
}

#[test]
fn several_objects_are_dropped_together_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(folder.path());
    let before = picture(&db);
    for sql in ["DROP TABLE names, nothing", "DROP TABLE late_rows, totals", "DROP MATERIALIZED VIEW totals"] {
        db.execute(sql).err().unwrap_or_else(|| panic!("{sql} cannot be run"));
        assert_eq!(picture(&db), before, "{sql}");
    }
    // A subscription's own query reads from the view, so the view stays, and so do those before it.
    let subscription = db.subscribe("SELECT total + 1 AS more FROM totals").unwrap();
    let before = picture(&db);
    let error = db.execute("DROP SOURCE trades CASCADE").err().unwrap();
    assert_eq!(error.code(), Code::ObjectInUse);
    assert_eq!(picture(&db), before);
    drop(subscription);
    db.execute("DROP SOURCE trades CASCADE; DROP TABLE names, late_rows; DROP TABLE items CASCADE").unwrap();
    assert_eq!(db.query("SHOW TABLES").unwrap().to_strings().len(), 0);
}

#[test]
fn objects_that_read_from_each_other_can_be_dropped_in_any_order_if_all_are_named() {
    let db = Database::open(":memory:").unwrap();
    db.execute("CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a FROM t; CREATE VIEW w AS SELECT a FROM v").unwrap();
    db.execute("DROP VIEW v, w").unwrap();
    assert_eq!(db.query("SHOW VIEWS").unwrap().to_strings().len(), 0);
}
