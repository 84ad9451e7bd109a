//! `laminar crash-test`: what it compares, what it never writes, what it refuses, and that it sees a difference.

use std::fmt::Write;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;

use super::{Ran, finished, laminar};

const SCRIPT: &str = "
    CREATE SOURCE readings (id BIGINT, device BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) FROM FILE (path = '${IN}');
    CREATE SOURCE made (id BIGINT, v DOUBLE) FROM GENERATOR (rows = 3000);
    CREATE TABLE names (device BIGINT PRIMARY KEY, name VARCHAR);
    INSERT INTO names SELECT n, 'device ' || n FROM generate_series(0, 6) AS g(n);
    CREATE TABLE loaded (at TIMESTAMP);
    INSERT INTO loaded VALUES (now());
    CREATE MATERIALIZED VIEW totals AS SELECT name, count(*) AS n, sum(id) AS ids FROM readings JOIN names ON readings.device = names.device GROUP BY name;
    CREATE MATERIALIZED VIEW made_sum AS SELECT count(*) AS n, sum(v) AS v FROM made;
    CREATE STREAM minutes AS SELECT device, window_start, count(*) AS n FROM readings GROUP BY device, TUMBLE(ts, INTERVAL '1' MINUTE) EMIT ON WINDOW CLOSE;
    CREATE STREAM unread AS SELECT id FROM made;
    CREATE SINK windows FROM minutes INTO FILE (path = 'windows.csv.gz');
    CREATE SINK changes FROM totals INTO FILE (path = 'changes.ndjson', changelog = 'true');
    CREATE SINK rows AS SELECT id FROM readings WHERE id % 2 = 0 INTO FILE (path = 'rows.parquet');
    CREATE SINK shown FROM minutes INTO STDOUT;
    SELECT * FROM totals ORDER BY name;
";

fn input(rows: i64) -> String {
    (0..rows).fold("id,device,ts\n".to_owned(), |mut text, row| {
        writeln!(text, "{row},{},2024-01-01T{:02}:{:02}:{:02}", row % 7, row / 36_000, row / 600 % 60, row / 10 % 60).unwrap();
        text
    })
}

fn crash_test(folder: &Path, script: &str, arguments: &[&str]) -> Ran {
    std::fs::write(folder.join("script.sql"), script).unwrap();
    let mut command = laminar();
    command.current_dir(folder).args(["crash-test", "script.sql"]).args(arguments);
    finished(command.output().unwrap())
}

#[test]
fn a_script_is_killed_and_compared_and_its_own_files_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.csv"), input(20_000)).unwrap();
    std::fs::write(folder.path().join("changes.ndjson"), "mine").unwrap();
    let ran = crash_test(
        folder.path(),
        SCRIPT,
        &["--kills", "4", "--seed", "3", "--var", "IN=in.csv", "--workers", "2", "--set", "io_method=io_uring"],
    );
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.starts_with("killed 4 times in "), "{}", ran.out);
    for line in [
        "  materialized view made_sum: 1 row\n",
        "  materialized view totals: 7 rows\n",
        "  sink changes (changes.ndjson): 7 rows\n",
        "  sink rows (rows.parquet): 10,000 rows\n",
        "  sink windows (windows.csv.gz): 239 rows\n",
        "  table names: 7 rows\n",
        "not compared:\n  table 'loaded' depends on the moment (now())\n  stream 'unread' keeps no rows, and nothing that does reads from it\n",
        "  sink 'shown' writes into stdout, which prints rows since the last checkpoint again\n",
    ] {
        assert!(ran.out.contains(line), "{line} is not in:\n{}", ran.out);
    }
    assert_eq!(ran.err.matches("killed after").count(), 4, "{}", ran.err);
    let mut left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["changes.ndjson", "in.csv", "script.sql"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("changes.ndjson")).unwrap(), "mine");
}

/// The input grows while the script is tested, so that later runs have more rows than the one that was not killed.
#[test]
fn rows_that_differ_are_shown_with_the_command_that_repeats_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.csv"), "a\n1\n").unwrap();
    let script = "CREATE SOURCE s FROM FILE (path = 'in.csv'); CREATE MATERIALIZED VIEW v AS SELECT a FROM s;";
    std::fs::write(folder.path().join("script.sql"), script).unwrap();
    let mut command = laminar();
    command.current_dir(folder.path()).args(["crash-test", "script.sql", "--kills", "60", "--seed", "7", "--data-dir", "test"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    told.read_line(&mut first).unwrap();
    assert!(first.starts_with("without kills: "), "{first}");
    std::fs::write(folder.path().join("in.csv"), "a\n1\n2\n").unwrap();
    let mut err = String::new();
    told.read_to_string(&mut err).unwrap();
    let ran = finished(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.out.as_str()), (1, "materialized view v: 1 row differs\n  too much: 2\n"), "{err}");
    assert!(err.contains("ended with other rows") && err.contains("than a run without kills"), "{err}");
    assert!(err.contains("repeat it with: laminar crash-test script.sql --kills 60 --seed 7\n"), "{err}");
    assert!(folder.path().join("test/whole/data/FORMAT").exists(), "what failed can be looked at");
}

#[track_caller]
fn refused(script: &str, arguments: &[&str], code: i32, message: &str) {
    let folder = tempfile::tempdir().unwrap();
    let ran = crash_test(folder.path(), script, arguments);
    assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{}", ran.err);
    assert!(ran.err.contains(message), "{message} is not in: {}", ran.err);
}

#[test]
fn what_cannot_be_tested_is_refused_by_name() {
    let endless = "CREATE SOURCE g (a BIGINT) FROM GENERATOR (rate = 5); CREATE SOURCE f FROM FILE (path = 'f.csv', follow)";
    refused(endless, &[], 2, "'g' has no end; 'f' follows its files and has no end");
    refused(endless, &[], 2, "FROM GENERATOR (rows = 100000, …)");
    refused("CREATE TABLE t (a BIGINT", &[], 2, "script.sql:1");
    refused("SELECT 1", &["--data-dir", "."], 2, "is not empty");
    refused("SELECT 1", &["--kills", "0"], 2, "0 is not in 1..");
    refused("SELECT 1", &[], 1, "nothing that this script leaves can be compared");
    refused("SELECT a FROM nowhere", &[], 1, "the script fails without being killed:\nerror");
}
