//! An object goes on under another name: what runs for it, who reads from it, and what is said of it.

use std::sync::{Arc, Mutex};

use laminar_db::{Database, Row, SlowReader, SubscribeOptions};

#[derive(Row)]
struct Number {
    n: i64,
}

fn rows(db: &Database, sql: &str) -> Vec<Vec<String>> {
    db.query(sql).unwrap_or_else(|error| panic!("{sql}: {error}")).to_strings()
}

#[test]
fn a_source_takes_rows_and_a_stream_gives_them_under_their_new_names() {
    let db = Database::builder().workers_in_turn(3).build();
    db.execute("CREATE SOURCE lonely (n BIGINT NOT NULL)").unwrap();
    db.push_rows("lonely", &[Number { n: 1 }]).unwrap();
    let seen = Arc::new(Mutex::new(0));
    let to_count = Arc::clone(&seen);
    let _callback = db.on_changes("lonely", move |changes| *to_count.lock().unwrap() += changes.len()).unwrap();
    db.execute("ALTER SOURCE lonely RENAME TO numbers").unwrap();
    let error = db.push_rows("lonely", &[Number { n: 1 }]).unwrap_err();
    assert_eq!(error.message(), "there is no source, table, stream, view or sink 'lonely'");
    db.push_rows("numbers", &[Number { n: 2 }]).unwrap();
    assert_eq!(*seen.lock().unwrap(), 1);
    db.execute("CREATE MATERIALIZED VIEW sums AS SELECT n % 2 AS k, sum(10 / (n - 5)) AS s FROM numbers GROUP BY n % 2").unwrap();
    let mut subscription = db.subscribe("sums").unwrap();
    let mut errors = db.subscribe("sums$errors").unwrap();
    db.execute("ALTER MATERIALIZED VIEW sums RENAME TO totals").unwrap();
    db.push_rows("numbers", &[Number { n: 6 }, Number { n: 5 }]).unwrap();
    assert_eq!(subscription.try_next().unwrap().unwrap().changes.len(), 1);
    assert_eq!(errors.try_next().unwrap().unwrap().changes.len(), 1);
    assert_eq!(rows(&db, "SELECT s FROM totals"), [["10"]]);
    assert_eq!(rows(&db, "SELECT raw FROM totals$errors").len(), 1);
    assert!(db.query("SELECT raw FROM sums$errors").is_err());
    let state = rows(&db, "SHOW STATE");
    assert!(state.iter().all(|row| row[0] != "sums") && state.iter().any(|row| row[0] == "totals"), "{state:?}");
    assert_eq!(db.status().object("totals").unwrap().errors, 1);
    // A new object has nothing of the one that had its name.
    db.execute("CREATE MATERIALIZED VIEW sums AS SELECT count(*) AS n FROM numbers").unwrap();
    assert_eq!(rows(&db, "SELECT raw FROM sums$errors").len(), 0);
    db.execute("DROP MATERIALIZED VIEW totals").err().into_iter().for_each(|error| panic!("{error}"));
    for (reader, name) in [(&mut subscription, "totals"), (&mut errors, "totals$errors")] {
        let error = reader.try_next().unwrap_err();
        assert!(error.to_string().contains(&format!("'{name}' was dropped")), "{error}");
    }
}

#[test]
fn who_holds_back_what_is_said_by_the_new_names() {
    let db = Database::open(":memory:").unwrap();
    db.execute("SET push_timeout = '10 ms'; CREATE TABLE a (n BIGINT NOT NULL); CREATE STREAM b AS SELECT n FROM a").unwrap();
    let options = SubscribeOptions { slow_reader: SlowReader::Block, capacity: 1, ..SubscribeOptions::default() };
    let _slow = db.subscribe_with("b", options).unwrap();
    db.execute("ALTER STREAM b RENAME TO c").unwrap();
    db.push_rows("a", &[Number { n: 1 }]).unwrap();
    let error = db.push_rows("a", &[Number { n: 2 }]).unwrap_err();
    assert_eq!(error.message(), "'a' is held back by a subscription to 'c': 1 steps wait to be read");
}

#[test]
fn a_sink_and_its_files_keep_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv").display().to_string();
    let db = Database::open(":memory:").unwrap();
    db.execute(&format!("CREATE SOURCE t (n BIGINT); CREATE SINK s FROM t INTO FILE (path = '{path}')")).unwrap();
    db.execute("ALTER SINK s RENAME TO r").unwrap();
    let error = db.execute(&format!("CREATE SOURCE s FROM FILE (path = '{path}')")).err().unwrap();
    assert!(error.message().starts_with("sink 'r' writes"), "{error}");
    let error = db.execute("ALTER SOURCE t RENAME TO u").err().unwrap();
    assert_eq!(error.message(), "'t' is used by r");
    db.execute("INSERT INTO t VALUES (7); DROP SINK r; ALTER SOURCE t RENAME TO u").unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "n\n7\n");
}
