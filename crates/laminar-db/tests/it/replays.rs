//! REPLAY: rejected records and late rows once more, into what takes them; what goes leaves the side output, what stays says why.

use std::sync::atomic::AtomicBool;

use laminar_db::Database;
use tempfile::TempDir;

struct Place {
    folder: TempDir,
    db: Database,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), db: Database::open(":memory:").unwrap() }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn run(&self, sql: &str) {
        self.db.execute(sql).unwrap();
        self.db.run_until_finished(&AtomicBool::new(false)).unwrap();
    }

    fn rows(&self, sql: &str) -> Vec<String> {
        self.db.query(sql).unwrap().to_strings().into_iter().map(|row| row.join(" | ")).collect()
    }

    fn refused(&self, sql: &str) -> String {
        self.db.execute(sql).err().unwrap().to_string()
    }
}

#[test]
fn records_of_json_are_read_with_the_columns_of_the_target() {
    let place = Place::new();
    let file = place.file(
        "trades.ndjson",
        "{\"k\":1,\"price\":10}\n{\"k\":2,\"price\":\"n/a\"}\n{\"k\":3,\"price\":1.5}\n{\"k\":\"x\",\"price\":2}\n{broken\n",
    );
    place.run(&format!(
        "CREATE SOURCE trades (k BIGINT, price BIGINT) FROM FILE (path = '{file}');
         CREATE SOURCE fixed (k BIGINT, price DOUBLE);
         CREATE MATERIALIZED VIEW before AS SELECT * FROM trades;
         CREATE MATERIALIZED VIEW after AS SELECT * FROM fixed"
    ));
    assert_eq!(place.rows("SELECT raw FROM trades$errors").len(), 4);
    let told = place.rows("REPLAY trades$errors INTO fixed");
    assert_eq!((told.len(), told[0].as_str()), (4, "went | 1 | "), "{told:?}");
    assert!(told[1..].iter().all(|line| line.starts_with("stayed | 1 | ")), "{told:?}");
    assert_eq!(place.rows("SELECT * FROM after"), ["3 | 1.5"]);
    assert_eq!(
        place.rows("SELECT raw FROM trades$errors"),
        ["{\"k\":2,\"price\":\"n/a\"}", "{\"k\":\"x\",\"price\":2}", "{broken"]
    );
    // Nothing was forgotten, so no answer lacks rows; the counts of what was rejected stay.
    assert!(place.db.query("SELECT * FROM trades$errors").unwrap().notices.is_empty());
    place.run("CREATE TABLE texts (k VARCHAR PRIMARY KEY, price VARCHAR)");
    assert_eq!(place.rows("REPLAY trades$errors INTO texts")[0], "went | 2 | ");
    assert_eq!(place.rows("SELECT * FROM texts ORDER BY k"), ["2 | n/a", "x | 2"]);
    assert_eq!(place.rows("SELECT raw FROM trades$errors"), ["{broken"]);
}

#[test]
fn records_of_csv_need_the_names_of_their_fields_where_the_header_had_them() {
    let place = Place::new();
    let file = place.file("trades.csv", "price,k\n10,1\nn/a,2\n1.5,3\n7,4,5\n");
    place.run(&format!(
        "CREATE SOURCE trades (k BIGINT, price BIGINT) FROM FILE (path = '{file}');
         CREATE TABLE fixed (k BIGINT, price DOUBLE);
         CREATE MATERIALIZED VIEW before AS SELECT * FROM trades"
    ));
    let refused = place.refused("REPLAY trades$errors INTO fixed");
    assert!(
        refused.contains("stood in the header") && refused.contains("REPLAY object$errors (k, price) INTO source"),
        "{refused}"
    );
    assert_eq!(place.rows("REPLAY trades$errors (price, k) INTO fixed")[0], "went | 1 | ");
    assert_eq!(place.rows("SELECT * FROM fixed"), ["3 | 1.5"]);
    assert_eq!(place.rows("SELECT raw FROM trades$errors"), ["n/a,2", "7,4,5"]);
}

#[test]
fn rows_that_break_a_rule_of_the_target_stay_one_by_one() {
    let place = Place::new();
    let file = place.file("trades.ndjson", "{\"k\":1.5}\n{\"k\":2.5}\n{\"k\":-3.5}\n");
    place.run(&format!(
        "CREATE SOURCE trades (k BIGINT) FROM FILE (path = '{file}');
         CREATE TABLE fixed (k DOUBLE CHECK (k > 0));
         CREATE MATERIALIZED VIEW before AS SELECT * FROM trades"
    ));
    let told = place.rows("REPLAY trades$errors INTO fixed");
    assert_eq!((told[0].as_str(), told.len()), ("went | 2 | ", 2), "{told:?}");
    assert_eq!(place.rows("SELECT * FROM fixed ORDER BY k"), ["1.5", "2.5"]);
    assert_eq!(place.rows("SELECT raw FROM trades$errors"), ["{\"k\":-3.5}"]);
}

#[test]
fn late_rows_go_by_the_names_of_their_columns() {
    let place = Place::new();
    place.run(
        "CREATE SOURCE trades (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
         CREATE MATERIALIZED VIEW bars AS SELECT k, COUNT(*) AS n FROM trades GROUP BY k, TUMBLE(ts, INTERVAL '1' MINUTE);
         CREATE TABLE corrections (ts TIMESTAMP NOT NULL, k BIGINT, note VARCHAR);
         INSERT INTO trades VALUES (1, 1, '2024-01-01 00:10:00'), (2, 2, '2024-01-01 00:01:00'), (3, 3, '2024-01-01 00:02:00')",
    );
    assert_eq!(place.rows("REPLAY bars$late INTO corrections"), ["went | 2 | "]);
    assert_eq!(place.rows("SELECT k, note FROM corrections ORDER BY k"), ["2 | NULL", "3 | NULL"]);
    assert_eq!(place.rows("SELECT * FROM bars$late"), Vec::<String>::new());
    assert_eq!(place.rows("REPLAY bars$late INTO corrections"), ["went | 0 | "]);
}

#[test]
fn what_is_no_record_is_refused_or_stays() {
    let place = Place::new();
    place.run(
        "CREATE SOURCE keyed (k BIGINT PRIMARY KEY); CREATE MATERIALIZED VIEW v AS SELECT 1 / k AS x FROM keyed;
         INSERT INTO keyed VALUES (0), (NULL); CREATE TABLE t (k BIGINT)",
    );
    for (sql, expected) in [
        ("REPLAY v$errors INTO t", "are rows within its query"),
        ("REPLAY keyed$errors INTO t", "rows that a program pushed"),
        ("REPLAY keyed INTO t", "REPLAY keyed$errors or REPLAY keyed$late"),
        ("REPLAY nothing$errors INTO t", "nothing"),
        ("REPLAY keyed$late INTO v", "rows cannot be pushed into materialized view 'v'"),
        ("REPLAY keyed$late (k) INTO t", "their fields need no names"),
    ] {
        let refused = place.refused(sql);
        assert!(refused.contains(expected), "{sql}: {refused}");
    }
}
