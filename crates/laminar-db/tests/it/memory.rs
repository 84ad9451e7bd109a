//! `memory_limit` in a program whose allocator cannot put state out: rows are no longer taken in, and nothing is lost.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use laminar_core::alloc::MemoryLimit;
use laminar_db::{Code, Database};

/// Rows of which each has a kilobyte.
fn rows(from: i64) -> RecordBatch {
    let ids = Int64Array::from_iter_values(from..from + 1_000);
    let texts = StringArray::from_iter_values((0..1_000).map(|row| format!("{row:>1000}")));
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("text", DataType::Utf8, true)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(ids), Arc::new(texts)]).unwrap()
}

fn number(database: &Database, query: &str) -> i64 {
    database.query(query).unwrap().to_strings().concat().concat().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_process_at_its_limit_takes_no_more_rows_keeps_those_it_took_and_goes_on_when_there_is_room() {
    let database = Database::builder().build();
    let limit = MemoryLimit::usage().resident + (96 << 20);
    database.execute("SET push_timeout = '50 ms'").unwrap();
    database.execute(&format!("SET temp_directory = '{}'", env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let outcome = database.execute(&format!("SET memory_limit = {limit}")).unwrap();
    let notices: Vec<String> = outcome.iter().flat_map(|outcome| outcome.notices()).map(ToString::to_string).collect();
    assert!(notices.iter().any(|notice| notice.contains("state cannot leave memory in this program")), "{notices:?}");
    database.execute("CREATE TABLE t (id BIGINT, text VARCHAR); CREATE MATERIALIZED VIEW v AS SELECT id, text FROM t").unwrap();
    let mut taken = 0;
    let error = loop {
        match database.push("t", rows(taken)) {
            Ok(()) => taken += 1_000,
            Err(error) => break error,
        }
        assert!(taken < 1_000_000, "a gigabyte was taken in, with a limit of {limit}");
    };
    assert_eq!(error.code(), Code::LimitReached);
    assert!(error.message().ends_with("is reached: 't' takes no more rows"), "{error}");
    assert!(error.detail().unwrap_or_default().contains("most is held by 't'"), "{error:?}");
    let inserted = database.execute("INSERT INTO t VALUES (-1, 'x')");
    assert_eq!(inserted.map(|_| ()).unwrap_err().code(), Code::LimitReached);
    assert_eq!(number(&database, "SELECT COUNT(*) FROM v"), taken);
    assert_eq!(number(&database, "SELECT COUNT(*) FROM t WHERE id < 0"), 0);
    // What frees memory works, and more memory is room at once.
    database.execute("DELETE FROM t WHERE id = 0").unwrap();
    database.execute("RESET memory_limit").unwrap();
    let begin = std::time::Instant::now();
    while database.push("t", rows(taken)).is_err() {
        assert!(begin.elapsed().as_secs() < 60, "it takes nothing although there is no limit");
    }
    assert_eq!(number(&database, "SELECT COUNT(*) FROM v"), taken + 999);
}
