//! FORMAT UPSERT and FORMAT DEBEZIUM from the file to the view: with a key and without, and what is wrong is read in `$errors`.

use std::sync::atomic::AtomicBool;

use laminar_db::{Code, Database};
use tempfile::TempDir;

struct Place {
    folder: TempDir,
    db: Database,
}

impl Place {
    fn new(workers: usize) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), db: Database::builder().workers_in_turn(workers).build() }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Runs a script and reads everything to its end.
    fn run(&self, sql: &str) {
        self.db.execute(sql).unwrap();
        self.db.run_until_finished(&AtomicBool::new(false)).unwrap();
    }

    fn rows(&self, sql: &str) -> Vec<String> {
        self.db.query(sql).unwrap().to_strings().into_iter().map(|row| row.join(" ")).collect()
    }
}

const PEOPLE: &str = r#"{"before":null,"after":{"id":1,"city":"Rome"},"op":"r"}
{"before":null,"after":{"id":2,"city":"Rome"},"op":"c"}
{"before":null,"after":{"id":3,"city":"Oslo"},"op":"c"}
{"before":{"id":1,"city":"Rome"},"after":{"id":1,"city":"Oslo"},"op":"u"}
{"before":{"id":3,"city":"Oslo"},"after":null,"op":"d"}
"#;

#[test]
fn a_table_elsewhere_is_followed_through_debezium() {
    for workers in [1, 2, 4] {
        for key in [" PRIMARY KEY", ""] {
            let place = Place::new(workers);
            let file = place.file("people.json", PEOPLE);
            place.run(&format!(
                "CREATE SOURCE people (id BIGINT{key}, city VARCHAR) FROM FILE (path = '{file}') FORMAT DEBEZIUM ENCODE JSON;
                 CREATE MATERIALIZED VIEW by_city AS SELECT city, COUNT(*) AS n FROM people GROUP BY city"
            ));
            assert_eq!(place.rows("SELECT * FROM by_city ORDER BY city"), ["Oslo 1", "Rome 1"], "{workers} workers,{key}");
            assert_eq!(place.rows("SELECT reason FROM people$errors"), Vec::<String>::new());
        }
    }
}

#[test]
fn rows_before_that_are_not_told_are_known_by_the_key() {
    let place = Place::new(2);
    let text = PEOPLE.replace(r#"{"id":1,"city":"Rome"},"after":{"id":1,"#, r#"null,"after":{"id":1,"#).replace(
        r#"{"before":{"id":3,"city":"Oslo"},"after":null,"op":"d"}"#,
        r#"{"before":{"id":3},"after":null,"op":"d"}
{"before":{"id":9},"after":null,"op":"d"}
{"before":null,"after":null,"op":"d"}"#,
    );
    let file = place.file("people.json", &text);
    place.run(&format!(
        "CREATE SOURCE people (id BIGINT PRIMARY KEY, city VARCHAR NOT NULL) FROM FILE (path = '{file}') FORMAT DEBEZIUM;
         CREATE MATERIALIZED VIEW all_people AS SELECT * FROM people"
    ));
    assert_eq!(place.rows("SELECT * FROM all_people ORDER BY id"), ["1 Oslo", "2 Rome"]);
    assert_eq!(
        place.rows("SELECT reason FROM people$errors ORDER BY 1"),
        ["a deletion without 'before', which has the key of the row", "there is no row with this key to delete"]
    );
}

#[test]
fn a_changelog_that_was_written_is_read_back_by_its_key() {
    let place = Place::new(1);
    let out = place.folder.path().join("out.csv").display().to_string();
    place.run(&format!(
        "CREATE TABLE t (k BIGINT PRIMARY KEY, v VARCHAR);
         CREATE SINK out FROM t INTO FILE (path = '{out}', changelog = 'true');
         INSERT INTO t VALUES (1, 'a'), (2, 'b');
         UPDATE t SET v = 'c' WHERE k = 1; DELETE FROM t WHERE k = 2; INSERT INTO t VALUES (3, 'd')"
    ));
    place.db.close_sinks();
    place.run(&format!(
        "CREATE SOURCE again (k BIGINT PRIMARY KEY, v VARCHAR) FROM FILE (path = '{out}') FORMAT UPSERT;
         CREATE MATERIALIZED VIEW copy AS SELECT * FROM again"
    ));
    assert_eq!(place.rows("SELECT * FROM copy ORDER BY k"), place.rows("SELECT * FROM t ORDER BY k"));
    assert_eq!(place.rows("SELECT * FROM copy ORDER BY k"), ["1 c", "3 d"]);
}

#[test]
fn a_table_is_not_filled_with_changes() {
    let place = Place::new(1);
    let file = place.file("people.json", PEOPLE);
    let sql = format!("CREATE TABLE t (id BIGINT PRIMARY KEY, city VARCHAR) FROM FILE (path = '{file}') FORMAT DEBEZIUM");
    let error = place.db.execute(&sql).err().unwrap();
    assert_eq!((error.code(), error.hint().is_some()), (Code::NotSupported, true), "{error}");
}
