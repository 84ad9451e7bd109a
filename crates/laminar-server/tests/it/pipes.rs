//! Rows through standard input, and what is left when a run is interrupted.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Ran, finished, laminar};

const ROWS: usize = 20_000;

/// Runs a script with `input` on standard input.
fn run_with_input(script: &str, input: &str) -> Ran {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("script.sql"), script).expect("the script of the test");
    let mut command = laminar();
    command.current_dir(folder.path()).args(["run", "script.sql", "--format", "csv", "--quiet"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    let writer = std::thread::Builder::new().spawn(move || drop(pipe.write_all(input.as_bytes()))).expect("a thread");
    let ran = finished(child.wait_with_output().expect("the binary stops"));
    writer.join().expect("the writer ends");
    ran
}

fn ndjson() -> String {
    (1..=ROWS).map(|id| format!("{{\"id\":{id}}}\n")).collect()
}

fn csv() -> String {
    (1..=ROWS).fold("id\n".to_owned(), |text, id| text + &format!("{id}\n"))
}

#[test]
fn every_row_of_standard_input_is_read_once() {
    for (format, input) in [("ndjson", ndjson()), ("csv", csv())] {
        for columns in ["", "(id BIGINT)"] {
            let from = format!("{columns} FROM FILE (path = '/dev/stdin', format = '{format}')");
            let view = format!(
                "CREATE SOURCE s {from};
                 CREATE MATERIALIZED VIEW n AS SELECT count(*) AS rows_read, min(id) AS lo, max(id) AS hi FROM s;
                 CREATE MATERIALIZED VIEW odd AS SELECT count(*) AS odd FROM s WHERE id % 2 = 1;
                 SELECT * FROM n; SELECT * FROM odd; SELECT count(*) AS bad FROM s$errors;"
            );
            let ran = run_with_input(&view, &input);
            assert_eq!(ran.out, "rows_read,lo,hi\n20000,1,20000\n\nodd\n10000\n\nbad\n0\n", "{}", ran.err);
            if columns.is_empty() {
                // A table has to declare its columns.
                continue;
            }
            let table = format!("CREATE TABLE t {from}; SELECT count(*) AS rows_read, min(id) AS lo, max(id) AS hi FROM t;");
            let ran = run_with_input(&table, &input);
            assert_eq!(ran.out, "rows_read,lo,hi\n20000,1,20000\n", "{}", ran.err);
        }
    }
}

#[test]
fn a_view_that_would_miss_the_beginning_of_a_pipe_is_refused() {
    let script = "CREATE SOURCE s (id BIGINT) FROM FILE (path = '/dev/stdin', format = 'csv');
         CREATE MATERIALIZED VIEW a AS SELECT count(*) AS n FROM s;
         SELECT * FROM a;
         CREATE MATERIALIZED VIEW b AS SELECT count(*) AS n FROM s;
         SELECT * FROM b;";
    let ran = run_with_input(script, &csv());
    assert_eq!((ran.out.as_str(), ran.code), ("n\n20000\n", 1), "{}", ran.err);
    assert!(ran.err.contains("'s' reads a pipe, which can be read only once, and reading has begun"), "{}", ran.err);
}

#[test]
fn what_reads_from_views_of_a_pipe_can_come_later() {
    let script = "CREATE SOURCE s (id BIGINT) FROM FILE (path = '/dev/stdin', format = 'csv');
         CREATE VIEW even AS SELECT id FROM s WHERE id % 2 = 0;
         CREATE MATERIALIZED VIEW a AS SELECT count(*) AS n FROM even;
         SELECT * FROM a;
         CREATE MATERIALIZED VIEW b AS SELECT n + 1 AS more FROM a;
         SELECT * FROM b;
         CREATE MATERIALIZED VIEW e AS SELECT raw FROM s$errors;
         SELECT * FROM e;
         CREATE MATERIALIZED VIEW c AS SELECT count(*) AS n FROM even;";
    let ran = run_with_input(script, "id\n1\nx\n2\n");
    assert_eq!((ran.out.as_str(), ran.code), ("n\n1\n\nmore\n2\n\nraw\nx\n", 1), "{}", ran.err);
    assert!(ran.err.contains("script.sql:9:"), "{}", ran.err);
}

#[test]
fn two_sources_do_not_share_a_pipe() {
    let script = "CREATE SOURCE s (id BIGINT) FROM FILE (path = '/dev/stdin', format = 'csv');
         CREATE SOURCE t (id BIGINT) FROM FILE (path = '/dev/stdin', format = 'csv');";
    let ran = run_with_input(script, "id\n1\n");
    assert!(ran.code == 1 && ran.err.contains("'/dev/stdin' is read already, and can be read only once"), "{}", ran.err);
}

#[test]
fn what_is_no_whole_row_when_a_run_is_interrupted_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = "CREATE SOURCE s (id BIGINT, name VARCHAR) FROM FILE (path = 'a.csv', follow = 'true', poll_interval = '10 ms');
         CREATE SINK rows AS SELECT * FROM s INTO FILE (path = 'rows.csv');
         CREATE SINK errors AS SELECT raw FROM s$errors INTO FILE (path = 'errors.csv', publish = 'at_end');";
    std::fs::write(folder.path().join("script.sql"), script).expect("the script of the test");
    std::fs::write(folder.path().join("a.csv"), "id,name\n1,a\n2,\"b\n3,c\n4").expect("the file of the test");
    let mut command = laminar();
    command.current_dir(folder.path()).args(["run", "script.sql", "--quiet"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary runs");
    let read = || std::fs::read_to_string(folder.path().join("rows.csv")).unwrap_or_default();
    for _ in 0..500 {
        if read().ends_with("1,a\n") {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
    let ran = finished(child.wait_with_output().expect("the binary stops"));
    assert_eq!(read(), "id,name\n1,a\n", "{}", ran.err);
    let errors = std::fs::read_to_string(folder.path().join("errors.csv")).expect("the sink is completed");
    assert!(errors.ends_with("\"2,\"\"b\"\n\"3,c\"\n4\n"), "{errors}");
}
