//! What is said beside an answer: that something has stopped, so that rows are missing, and that rows of a side output are forgotten.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_db::connectors::{
    Accepts, BadRow, Connector, Position, Registry, Sink, SinkRequest, Source, SourcePoll, SourceRequest,
};
use laminar_db::{ChangeBatch, Code, Database, Error, NoticeKind, Result, StatementOutcome};

/// `FROM faulty (rows = '3', bad = '2', fails = 'true')`: so many rows and bad rows, then the end or a failure.
struct Faulty;

struct FaultySource {
    schema: SchemaRef,
    batches: Vec<(i64, usize)>,
    fails: bool,
}

impl Connector for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn open_source(&self, mut request: SourceRequest) -> Result<Box<dyn Source>> {
        let mut number = |name: &str| request.options.take(name).and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
        let (rows, bad, fails) = (number("rows"), number("bad"), number("fails") > 0);
        // Many batches, as a reader of a file would give.
        let batches =
            (0..bad.div_ceil(500).max(1)).map(|n| (if n == 0 { rows as i64 } else { 0 }, (bad - n * 500).min(500))).collect();
        let own = || Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        Ok(Box::new(FaultySource { schema: request.schema.unwrap_or_else(own), batches, fails }))
    }

    fn sink_accepts(&self, _: &SinkRequest) -> Result<Option<Accepts>> {
        Ok(None)
    }

    fn open_sink(&self, _: SinkRequest) -> Result<Box<dyn Sink>> {
        Err(Error::new(Code::NotSupported, "there are no sinks"))
    }

    fn replayable(&self) -> bool {
        true
    }
}

impl Source for FaultySource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn poll(&mut self, _: usize) -> Result<SourcePoll> {
        if self.batches.is_empty() {
            let failed = Error::new(Code::BadData, "the file 'a.csv' is damaged").with_hint("write it anew");
            return if self.fails { Err(failed) } else { Ok(SourcePoll::End) };
        }
        let (rows, bad) = self.batches.remove(0);
        let values: ArrayRef = Arc::new((0..rows).collect::<Int64Array>());
        let rows =
            if rows == 0 { RecordBatch::new_empty(self.schema()) } else { RecordBatch::try_new(self.schema(), vec![values])? };
        let bad = (0..bad).map(|n| BadRow {
            raw: format!("{n:0100}"),
            reason: "'x' is not a BIGINT".into(),
            position: "a.csv:1".into(),
        });
        Ok(SourcePoll::Rows { changes: ChangeBatch::append(rows), bad: bad.collect() })
    }

    fn position(&self) -> Position {
        Position::default()
    }

    fn seek(&mut self, _: &Position) -> Result<()> {
        Ok(())
    }

    fn describe_position(&self) -> String {
        "a.csv".into()
    }

    fn is_bounded(&self) -> bool {
        true
    }
}

fn database() -> Database {
    let mut registry = Registry::with_builtin();
    registry.add(Box::new(Faulty));
    Database::builder().connectors(registry).checked().build()
}

/// Reads everything after `script`.
fn read(script: &str) -> Database {
    let db = database();
    db.execute(script).expect("the script is fine");
    db.run_until_finished(&false.into()).expect("reading ends");
    db
}

/// The kinds of the notices beside the answer of the last statement.
#[track_caller]
fn check(db: &Database, sql: &str, expected: &[NoticeKind]) -> Vec<String> {
    let outcome = db.execute(sql).expect("an answer").pop().expect("one outcome");
    let kinds: Vec<NoticeKind> = outcome.notices().iter().map(|notice| notice.kind()).collect();
    assert_eq!(kinds, expected, "{sql}");
    outcome.notices().iter().map(ToString::to_string).collect()
}

const STOPPED: &str = "CREATE SOURCE s FROM faulty (rows = '3', fails = '1');
    CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM s;
    CREATE MATERIALIZED VIEW w AS SELECT n + 1 AS n FROM v;
    CREATE VIEW x AS SELECT n FROM w;
    CREATE TABLE t (n BIGINT);";

#[test]
fn why_a_view_shows_nothing_new_names_the_source_that_has_stopped() {
    let why = |db: &Database| db.query("EXPLAIN WHY w").unwrap().to_strings().swap_remove(0);
    let [at, finding, advice] = why(&read(STOPPED)).try_into().unwrap();
    assert_eq!(at, "source s");
    assert!(finding.starts_with("cannot be read any more") && finding.contains("the file 'a.csv' is damaged"), "{finding}");
    assert!(advice.contains("DROP and CREATE"), "{advice}");
    let bad = read(&STOPPED.replace("rows = '3', fails = '1'", "rows = '0', bad = '2'"));
    let [at, finding, _] = why(&bad).try_into().unwrap();
    assert_eq!(at, "source s");
    assert!(finding.contains("without a row, and 2 rows could not be read"), "{finding}");
}

#[test]
fn an_answer_after_a_source_has_stopped_says_that_it_is_partial_and_why() {
    let db = read(STOPPED);
    for sql in [
        "SELECT * FROM v",
        "SELECT * FROM w",
        "SELECT * FROM x",
        "SELECT 1 FROM t, v",
        "SELECT * FROM s$errors",
        "INSERT INTO t SELECT n FROM x",
    ] {
        let said = check(&db, sql, &[NoticeKind::Partial]);
        let expected =
            "the answer is partial: source 's' has stopped: LDB-3002: the file 'a.csv' is damaged; hint: write it anew";
        assert_eq!(said, [expected], "{sql}");
    }
    assert_eq!(db.query("SELECT * FROM v").unwrap().to_strings(), [["3"]], "what there is can be read");
    for sql in ["SUBSCRIBE v", "SUBSCRIBE TO SELECT * FROM w", "CREATE MATERIALIZED VIEW y AS SELECT * FROM w"] {
        check(&db, sql, &[NoticeKind::Partial]);
    }
}

#[test]
fn an_answer_that_has_nothing_to_do_with_what_stopped_says_nothing() {
    let db = read(&format!(
        "{STOPPED} CREATE SOURCE fine FROM faulty (rows = '2'); CREATE MATERIALIZED VIEW f AS SELECT count(*) AS n FROM fine;"
    ));
    for sql in
        ["SELECT * FROM t", "SELECT * FROM f", "SELECT 1 AS a", "INSERT INTO t SELECT n FROM f", "SHOW JOBS", "SUBSCRIBE f"]
    {
        check(&db, sql, &[]);
    }
    db.execute("DROP SOURCE s CASCADE").unwrap();
    check(&db, "SELECT * FROM t", &[]);
}

#[test]
fn a_table_that_gets_the_late_rows_of_what_stopped_is_partial_too() {
    let db = read(
        "CREATE SOURCE s (a BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) FROM faulty (fails = '1');
         CREATE TABLE late (a BIGINT, reason VARCHAR);
         CREATE MATERIALIZED VIEW v AS SELECT window_start, count(*) AS n FROM s GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE) LATE DATA TO late;",
    );
    check(&db, "SELECT * FROM late", &[NoticeKind::Partial]);
}

#[test]
fn an_iterator_ends_with_the_failure_of_what_it_reads() {
    for what in ["s", "v", "x", "SELECT a FROM s", "SELECT n FROM v"] {
        let db = database();
        db.execute(STOPPED).unwrap();
        if what == "x" {
            continue;
        }
        let changes: Vec<Result<_>> = db.subscribe(what).unwrap().collect();
        let (last, before) = changes.split_last().expect("something comes");
        assert!(before.iter().all(Result::is_ok) && !before.is_empty(), "{what}");
        let error = last.as_ref().map(|_| ()).expect_err("the source has stopped");
        assert_eq!((error.code(), error.message()), (Code::BadData, "'s' has stopped: the file 'a.csv' is damaged"), "{what}");
    }
}

fn number(db: &Database, sql: &str) -> u64 {
    db.query(sql).unwrap().to_strings()[0][0].parse().unwrap()
}

#[test]
fn all_rows_in_error_are_kept_while_there_is_room() {
    let db = read(
        "CREATE SOURCE s FROM faulty (rows = '1', bad = '12000'); CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM s",
    );
    check(&db, "SELECT count(*) FROM s$errors", &[]);
    assert_eq!(number(&db, "SELECT count(*) FROM s$errors"), 12_000);
    assert_eq!(number(&db, "SELECT count(DISTINCT raw) FROM s$errors"), 500);
}

#[test]
fn a_query_over_rows_of_which_some_are_forgotten_says_how_many_are_kept() {
    let db = read(
        "SET side_output_memory = '64 KiB'; CREATE SOURCE s FROM faulty (rows = '1', bad = '12000');
         CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM s; CREATE VIEW e AS SELECT raw FROM s$errors; CREATE TABLE t (raw VARCHAR)",
    );
    let kept = number(&db, "SELECT count(*) FROM s$errors");
    assert!((100..1000).contains(&kept), "{kept} rows in 64 KiB");
    for sql in [
        "SELECT * FROM s$errors",
        "SELECT * FROM e",
        "SELECT 1 FROM e, s$errors",
        "INSERT INTO t SELECT raw FROM e",
        "SUBSCRIBE s$errors",
        "CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM s$errors",
    ] {
        let said = check(&db, sql, &[NoticeKind::Forgotten]);
        let expected = format!("of the 12000 rows of s$errors the newest {kept} are kept, within 64 KiB (side_output_memory)");
        assert!(said[0].starts_with(&expected), "{sql}: {said:?}");
    }
    assert_eq!(number(&db, "SELECT n FROM m"), kept);
    check(&db, "SELECT * FROM v", &[]);
    assert_eq!(db.status().object("s").map(|source| source.errors), Some(12_000), "all are counted");
}

#[test]
fn a_time_that_nanoseconds_cannot_hold_is_told_once() {
    let db = database();
    db.execute(
        "CREATE SOURCE s (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);
         CREATE MATERIALIZED VIEW w AS SELECT window_start, count(*) AS n FROM s GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)",
    )
    .unwrap();
    let times = arrow_array::TimestampMillisecondArray::from(vec![Some(1_000), Some(253_402_300_799_000), None]);
    let keys: ArrayRef = Arc::new(arrow_array::Int32Array::from(vec![1, 2, 3]));
    db.push("s", RecordBatch::try_new(db.schema_of("s").unwrap(), vec![keys, Arc::new(times)]).unwrap()).unwrap();
    db.end_source("s").unwrap();
    assert_eq!([number(&db, "SELECT count(*) FROM s$late"), number(&db, "SELECT count(*) FROM w$late")], [2, 0]);
    assert_eq!(number(&db, "SELECT sum(n) FROM w"), 1);
}

#[test]
fn statements_that_have_no_rows_answer_with_what_they_did() {
    let db = database();
    match db.execute("CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1), (2)").unwrap().as_slice() {
        [StatementOutcome::Done { what, .. }, StatementOutcome::Inserted { rows: 2, .. }] => assert_eq!(what, "CREATE TABLE t"),
        _ => panic!("two outcomes"),
    }
}

#[test]
fn an_order_that_nothing_keeps_is_noticed() {
    let db = database();
    db.execute("CREATE TABLE t (a BIGINT PRIMARY KEY, b BIGINT)").expect("a table");
    let said = check(&db, "CREATE MATERIALIZED VIEW ordered AS SELECT a FROM t ORDER BY b", &[NoticeKind::Ignored]);
    assert_eq!(said, ["a view has no order: its ORDER BY has no effect; hint: write the ORDER BY in the SELECT that reads it"]);
    check(&db, "CREATE MATERIALIZED VIEW largest AS SELECT a FROM t ORDER BY b LIMIT 3", &[]);
    check(&db, "CREATE MATERIALIZED VIEW newest AS SELECT DISTINCT ON (b) a, b FROM t ORDER BY b, a DESC", &[]);
}

#[test]
fn a_view_that_is_made_again_over_what_keeps_no_rows_says_what_is_gone() {
    let db = database();
    db.execute("CREATE SOURCE pushed (a BIGINT); CREATE TABLE t (a BIGINT); CREATE MATERIALIZED VIEW v AS SELECT a FROM pushed")
        .unwrap();
    let said = check(&db, "CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT a + 1 AS a FROM pushed", &[NoticeKind::BeginsAnew]);
    assert_eq!(
        said,
        ["'v' begins with what comes from now on, since 'pushed' keeps no rows: what it showed is gone; \
          hint: keep the rows of 'pushed' in a table or materialized view; EXPLAIN ALTER tells this before"]
    );
    check(&db, "CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT a FROM t", &[]);
    check(&db, "CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT a, 1 AS one FROM t", &[]);
}
