//! State of which a checkpoint writes what has changed: tables large enough for blocks of their own.

use laminar_db::Database;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Folder, execute, rows};

const VIEWS: [(&str, &str); 6] = [
    ("sums", "SELECT g, count(*) AS n, sum(v) AS v, max(s) AS s FROM t GROUP BY g"),
    ("texts", "SELECT s, count(*) AS n FROM t GROUP BY s"),
    ("pairs", "SELECT t.k, t.v, p.v AS w FROM t JOIN p ON t.g = p.g"),
    ("padded", "SELECT t.k, p.v AS w FROM t LEFT JOIN p ON t.g = p.g AND p.v > 2"),
    ("ranks", "SELECT k, row_number() OVER (PARTITION BY g % 100 ORDER BY v, k) AS r FROM t"),
    ("least", "SELECT k, v FROM t ORDER BY v, k LIMIT 10"),
];

fn make(db: &Database) {
    execute(db, "CREATE TABLE t (k BIGINT PRIMARY KEY, g BIGINT, v BIGINT, s VARCHAR); CREATE TABLE p (g BIGINT, v BIGINT)");
    VIEWS.iter().for_each(|(name, query)| execute(db, &format!("CREATE MATERIALIZED VIEW {name} AS {query}")));
}

/// A statement that changes many rows, or few.
fn statement(random: &mut StdRng) -> String {
    let first = random.random_range(0..40_000);
    let last = first + if random.random_bool(0.5) { random.random_range(0..20) } else { random.random_range(0..15_000) };
    let add = random.random_range(0..1000);
    match random.random_range(0..5) {
        0 | 1 => format!(
            "INSERT INTO t SELECT x, x / 3, (x * 7919 + {add}) % 1000, 'some text ' || (x / 2) FROM generate_series({first}, {last}) AS g (x)
             ON CONFLICT (k) DO UPDATE SET v = excluded.v"
        ),
        2 => format!("UPDATE t SET v = v + {add}, g = g + 1 WHERE k BETWEEN {first} AND {last}"),
        3 => format!("DELETE FROM t WHERE k BETWEEN {first} AND {last}"),
        _ => format!("INSERT INTO p SELECT x / 7, x % 5 FROM generate_series({}, {}) AS g (x)", first / 2, last.min(first + 3000) / 2),
    }
}

fn assert_same(db: &Database, other: &Database) {
    for table in ["t", "p"] {
        assert!(rows(db, &format!("SELECT * FROM {table}")) == rows(other, &format!("SELECT * FROM {table}")), "{table} differs");
    }
    for (view, _) in VIEWS {
        let found = db.query(&format!("VERIFY VIEW {view}")).unwrap().to_strings();
        assert!(found.len() == 1 && found[0][0].starts_with("equal, "), "{view}: {found:?}");
    }
}

#[test]
fn large_state_is_what_it_was_after_many_checkpoints_and_restarts() {
    let (folder, other, mut random) = (Folder::new(), Database::builder().checked().build(), StdRng::seed_from_u64(7));
    let mut db = folder.open();
    make(&db);
    make(&other);
    for round in 0..14 {
        for _ in 0..random.random_range(1..5) {
            let statement = statement(&mut random);
            execute(&db, &statement);
            execute(&other, &statement);
            if random.random_bool(0.6) {
                execute(&db, "CHECKPOINT");
            }
        }
        if random.random_bool(0.6) {
            drop(db);
            db = folder.open_with([1, 1, 2, 3][round % 4]);
            assert_same(&db, &other);
        }
    }
    assert_same(&db, &other);
}

/// Bytes of the blocks that checkpoints have, and those of the newest.
fn bytes_of_blocks(folder: &Folder) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for directory in std::fs::read_dir(folder.path().join("data/blocks")).unwrap() {
        for block in std::fs::read_dir(directory.unwrap().path()).unwrap() {
            let block = block.unwrap();
            found.push((block.file_name().to_string_lossy().into_owned(), block.metadata().unwrap().len()));
        }
    }
    found
}

#[test]
fn a_checkpoint_writes_what_has_changed_since_the_last_one() {
    let folder = Folder::new();
    let db = folder.open();
    execute(&db, "CREATE TABLE t (k BIGINT PRIMARY KEY, g BIGINT, v BIGINT)");
    execute(&db, "CREATE MATERIALIZED VIEW sums AS SELECT g, count(*) AS n, sum(v) AS v FROM t GROUP BY g");
    execute(&db, "INSERT INTO t SELECT x, x / 2, x % 100 FROM generate_series(1, 200000) AS g (x)");
    execute(&db, "CHECKPOINT");
    let all = bytes_of_blocks(&folder);
    let whole: u64 = all.iter().map(|(_, bytes)| bytes).sum();
    assert!(whole > 8_000_000, "{whole} bytes");
    for k in [17, 60_000, 150_000] {
        let before = bytes_of_blocks(&folder);
        execute(&db, &format!("UPDATE t SET v = v + 1 WHERE k = {k}"));
        execute(&db, "CHECKPOINT");
        let after = bytes_of_blocks(&folder);
        let written: u64 = after.iter().filter(|block| !before.contains(block)).map(|(_, bytes)| bytes).sum();
        // A chunk of the table and one of the view, the rest of each, and one group.
        assert!(written < 1_300_000, "{written} of {whole} bytes");
    }
    drop(db);
    let db = folder.open();
    assert_eq!(rows(&db, "SELECT sum(v) FROM t"), [["9900003"]]);
    assert_eq!(rows(&db, "SELECT g, n, v FROM sums WHERE g IN (8, 30000)"), [["30000", "2", "2"], ["8", "2", "34"]]);
    assert_eq!(rows(&db, "SELECT count(*), sum(n), sum(v) FROM sums"), [["100001", "200000", "9900003"]]);
}
