//! What the catalog holds is enough: to have the same catalog again from its changes, and the same database from its statements.

use std::fmt::Write;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::catalog::{Catalog, CatalogChange, ObjectId, kind_name};
use crate::{Code, Database};

/// A database with something of everything, of which some was dropped again.
fn database(folder: &Path) -> Database {
    let path = |name: &str| folder.join(name).display().to_string();
    std::fs::write(folder.join("in.csv"), "a,ts\n1,2024-01-01T00:00:00\n2,2024-01-01T00:01:00\n").unwrap();
    let db = Database::open(":memory:").unwrap();
    db.execute(&format!(
        "CREATE TABLE gone (a BIGINT);
         CREATE VIEW gone_too AS SELECT a FROM gone;
         CREATE SOURCE trades (symbol VARCHAR(9) NOT NULL, price BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
         CREATE SOURCE readings (a BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts WITH (strategy = 'periodic', every = '1 second'))
           FROM FILE (path = '{input}') WITH (watermark_alignment_group = 'g', watermark_alignment_max_drift = '1 minute');
         CREATE SOURCE \"Odd name\" FROM FILE (path = '{input}');
         CREATE TABLE names (symbol VARCHAR(9) PRIMARY KEY, name VARCHAR DEFAULT 'none' CHECK (name <> ''),
           at TIMESTAMPTZ DEFAULT now(), size BIGINT GENERATED ALWAYS AS (length(name)) STORED, CONSTRAINT short CHECK (size < 99));
         CREATE TABLE late_rows (symbol VARCHAR, ts TIMESTAMP, reason VARCHAR);
         CREATE SINK late_file INTO FILE (path = '{late}');
         CREATE SINK waiting INTO FILE (path = '{waiting}');
         DROP TABLE gone CASCADE;
         CREATE TABLE old_name (a VARCHAR(3) CHECK (a <> ''));
         ALTER TABLE old_name RENAME TO \"new Name\";
         CREATE TABLE made AS SELECT 1 AS a, 'x' AS \"B c\", CAST('2024-01-01' AS TIMESTAMP) AS at, NULL AS note;
         CREATE STREAM bars AS SELECT symbol, window_start, sum(price) AS total FROM trades
           GROUP BY symbol, TUMBLE(ts, INTERVAL '1 minute') EMIT ON WINDOW CLOSE LATE DATA TO late_rows;
         CREATE MATERIALIZED VIEW counts WITH (history = '9 steps') AS SELECT window_start, count(*) AS n FROM readings
           GROUP BY TUMBLE(ts, INTERVAL '1 minute') LATE DATA TO late_file;
         CREATE VIEW shown AS SELECT b.symbol, n.name, b.total FROM bars b JOIN names n ON n.symbol = b.symbol;
         CREATE VIEW shown_above AS SELECT * FROM shown;
         CREATE VIEW late_view AS SELECT symbol FROM names;
         CREATE OR REPLACE VIEW shown AS SELECT b.symbol, n.name, b.total, l.symbol AS late FROM bars b
           JOIN names n ON n.symbol = b.symbol JOIN late_view l ON l.symbol = b.symbol;
         CREATE MATERIALIZED VIEW totals AS SELECT name, sum(total) AS total FROM shown GROUP BY name;
         CREATE STREAM lost AS SELECT reason FROM bars$late;
         CREATE SUBSCRIPTION reader ON totals WITH (history = '9 steps');
         CREATE INDEX ON totals (total, name); CREATE INDEX \"Odd index\" ON names (name);
         CREATE SINK out FROM totals INTO FILE (path = '{out}', changelog = 'true');
         CREATE SINK out_of_query AS SELECT a FROM \"Odd name\" WHERE a > 1 INTO FILE (path = '{other}')",
        input = path("in.csv"),
        late = path("late.csv"),
        waiting = path("waiting.csv"),
        out = path("out.csv"),
        other = path("other.csv"),
    ))
    .unwrap();
    db
}

/// The statements of all objects, each after those that it needs.
fn statements(catalog: &Catalog) -> Vec<String> {
    let mut made: Vec<ObjectId> = Vec::new();
    let mut statements = Vec::new();
    while statements.len() < catalog.names().len() {
        let next = catalog.iter().filter(|object| !made.contains(&object.id));
        let ready = |id: ObjectId| catalog.object(id).is_some_and(|object| object.needs().all(|needed| made.contains(&needed)));
        let next = next.map(|object| object.id).find(|id| ready(*id)).expect("no object needs itself");
        statements.push(catalog.object(next).unwrap().sql.clone());
        made.push(next);
    }
    statements
}

/// What a user can see of the definitions.
fn shown(db: &Database) -> String {
    let names = db.lock().catalog.names();
    let of_name = |name: &String| {
        let quoted = format!("\"{name}\"");
        ["SHOW CREATE", "DESCRIBE", "EXPLAIN SELECT * FROM"].map(|what| format!("{what} {quoted}"))
    };
    let questions =
        ["SHOW ALL", "SHOW SINKS", "SHOW TABLES"].map(str::to_owned).into_iter().chain(names.iter().flat_map(of_name));
    questions.fold(String::new(), |mut text, question| {
        let answer = db.query(&question).map_or_else(|error| error.to_string(), |rows| format!("{:#?}", rows.to_strings()));
        writeln!(text, "{question}: {answer}").unwrap();
        text
    })
}

#[test]
fn every_object_can_be_explained_and_verified_or_says_why_not_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(folder.path());
    let before = db.lock().internals();
    let names = db.lock().catalog.names();
    for name in &names {
        for what in ["EXPLAIN WHY", "EXPLAIN STATE", "EXPLAIN ANALYZE", "VERIFY VIEW"] {
            match db.query(&format!("{what} \"{name}\"")) {
                Ok(rows) => assert!(!rows.to_strings().is_empty(), "{what} {name}"),
                Err(error) => assert_ne!(error.code(), Code::Internal, "{what} {name}: {error}"),
            }
        }
    }
    assert_eq!(before, db.lock().internals());
}

#[test]
fn the_changes_of_a_catalog_make_the_same_catalog_again() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(folder.path());
    let engine = db.lock();
    let (mut replayed, mut states) = (Catalog::default(), Vec::new());
    for changes in &engine.committed {
        let before = replayed.clone();
        replayed.apply(changes).unwrap();
        assert!(replayed.version() > before.version() && replayed != before);
        states.push(before);
    }
    assert_eq!(replayed, engine.catalog);
    for object in engine.catalog.iter() {
        assert_eq!(replayed.dependants(object.id), engine.catalog.dependants(object.id), "{}", object.name);
    }
    // A snapshot stays as it was, whatever happens to the catalog that it was taken of.
    let mut again = Catalog::default();
    for (state, changes) in states.iter().zip(&engine.committed) {
        assert_eq!(*state, again);
        again.apply(changes).unwrap();
    }
    // What is refused changes nothing: ids of the past are given no more, and no change drops them again.
    let is_alter = |change: &CatalogChange| matches!(change, CatalogChange::Alter(_) | CatalogChange::Replace(_));
    for changes in engine.committed.iter().filter(|changes| !changes.iter().all(is_alter)) {
        replayed.apply(changes).unwrap_err();
    }
    assert_eq!(replayed, engine.catalog);
}

#[test]
fn the_statements_of_a_catalog_make_the_same_database_again() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(folder.path());
    let statements = statements(&db.lock().catalog);
    let before = shown(&db);
    assert!(!before.contains("LDB-9"), "{before}");
    drop(db);
    let again = Database::open(":memory:").unwrap();
    for statement in &statements {
        again.execute(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    assert_eq!(shown(&again), before);
}

#[test]
fn an_id_is_never_given_twice() {
    let db = Database::open(":memory:").unwrap();
    let id = |name: &str| db.lock().catalog.id_of(name).unwrap();
    db.execute("CREATE TABLE a (x BIGINT); CREATE TABLE b (x BIGINT)").unwrap();
    let (a, b) = (id("a"), id("b"));
    db.execute("DROP TABLE b; CREATE TABLE b (x BIGINT); DROP TABLE a, b; CREATE TABLE c (x BIGINT)").unwrap();
    db.execute("CREATE TABLE d AS SELECT nothing FROM c").err().unwrap();
    assert!(a < b && b < id("c"));
    assert_eq!(id("c"), ObjectId(b.0 + 2));
}

/// A random statement over few names, so that most of them mean something and many of them are refused.
fn random_statement(random: &mut StdRng, catalog: &Catalog) -> String {
    const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "\"F f\""];
    const KINDS: [&str; 5] = ["SOURCE", "TABLE", "VIEW", "STREAM", "MATERIALIZED VIEW"];
    let mut one_of = |names: &[&'static str]| names[random.random_range(0..names.len())];
    let (name, other, kind) = (one_of(&NAMES), one_of(&NAMES), one_of(&KINDS));
    let column = one_of(&["x", "x", "x", "y"]);
    let kind_of = |name: &str| catalog.get(name.trim_matches('"')).map(|object| kind_name(object.kind()));
    match one_of(&["table", "source", "as", "query", "query", "query", "replace", "rename", "rename", "drop", "cascade"]) {
        "table" => format!("CREATE TABLE {name} (x BIGINT DEFAULT 1 CHECK (x > 0), y BIGINT)"),
        "source" => format!("CREATE SOURCE {name} (x BIGINT, y VARCHAR(3))"),
        "as" => format!("CREATE TABLE {name} AS SELECT 1 AS x, {column} AS \"Y y\" FROM {other}"),
        "query" => format!("CREATE {kind} {name} AS SELECT {column}, x AS z FROM {other} WHERE x > 0"),
        "replace" => format!(
            "CREATE OR REPLACE {} {name} AS SELECT {column}, 1 AS x2 FROM {other}",
            kind_of(name).filter(|_| column == "x").unwrap_or("VIEW")
        ),
        "rename" => format!("ALTER {} {name} RENAME TO {other}", kind_of(name).unwrap_or(kind)),
        "drop" => format!("DROP {} {name}", kind_of(name).unwrap_or(kind)),
        _ => format!("DROP {kind} {name} CASCADE"),
    }
}

#[test]
fn after_any_statements_catalog_and_instances_belong_together_and_can_be_had_again() {
    let cases = std::env::var("LAMINAR_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40);
    for seed in 0..cases {
        let mut random = StdRng::seed_from_u64(seed);
        let db = Database::open(":memory:").unwrap();
        let mut done = Vec::new();
        for _ in 0..40 {
            let before = db.lock().catalog.clone();
            let statement = random_statement(&mut random, &before);
            let behind = db.internals();
            match db.execute(&statement) {
                Ok(_) => done.push(statement),
                Err(error) => {
                    assert!(!error.to_string().contains("LDB-9"), "seed {seed}: {statement}: {error} after {done:#?}");
                    assert_eq!(db.lock().catalog, before, "seed {seed}: {statement} after {done:#?}");
                    assert_eq!(db.internals(), behind, "seed {seed}: {statement} after {done:#?}");
                }
            }
            let engine = db.lock();
            let defined: Vec<ObjectId> = {
                let mut ids: Vec<ObjectId> = engine.catalog.iter().map(|object| object.id).collect();
                ids.sort_unstable();
                ids
            };
            assert_eq!(engine.instances.iter().map(|(id, _)| id).collect::<Vec<_>>(), defined, "seed {seed}: {done:#?}");
        }
        let mut replayed = Catalog::default();
        db.lock().committed.iter().for_each(|changes| replayed.apply(changes).unwrap());
        assert_eq!(replayed, db.lock().catalog, "seed {seed}: {done:#?}");
        let again = Database::open(":memory:").unwrap();
        let statements = statements(&replayed);
        for statement in &statements {
            again.execute(statement).unwrap_or_else(|error| panic!("seed {seed}: {statement}: {error} after {done:#?}"));
        }
        assert_eq!(shown(&again), shown(&db), "seed {seed}: {done:#?}");
    }
}
