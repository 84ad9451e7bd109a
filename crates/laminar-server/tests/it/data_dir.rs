//! `laminar run --data-dir`: a run goes on where the last one stopped, however it did.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use super::{Ran, finished, laminar};

const SCRIPT: &str = "
    CREATE SOURCE readings (id BIGINT, device BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) FROM FILE (path = 'in.csv');
    CREATE TABLE names (device BIGINT PRIMARY KEY, name VARCHAR);
    INSERT INTO names SELECT n, 'device ' || n FROM generate_series(0, 6) AS g(n);
    CREATE MATERIALIZED VIEW totals AS SELECT name, count(*) AS n, sum(id) AS ids FROM readings JOIN names ON readings.device = names.device GROUP BY name;
    CREATE STREAM minutes AS SELECT device, window_start, count(*) AS n FROM readings GROUP BY device, TUMBLE(ts, INTERVAL '1' MINUTE) EMIT ON WINDOW CLOSE;
    CREATE SINK out FROM minutes INTO FILE (path = 'out.csv');
    CREATE SINK even AS SELECT id FROM readings WHERE id % 2 = 0 INTO FILE (path = 'even.ndjson');
    SELECT * FROM totals ORDER BY name;
";

fn input(rows: i64) -> String {
    (0..rows).fold("id,device,ts\n".to_owned(), |mut text, row| {
        writeln!(text, "{row},{},2024-01-01T{:02}:{:02}:{:02}", row % 7, row / 36_000, row / 600 % 60, row / 10 % 60).unwrap();
        text
    })
}

fn run(folder: &Path, script: &str, arguments: &[&str]) -> Ran {
    std::fs::write(folder.join("script.sql"), script).unwrap();
    let mut command = laminar();
    command.current_dir(folder).args(["run", "script.sql", "--format", "csv"]).args(arguments);
    finished(command.output().unwrap())
}

/// The lines of the sinks' files. How steps are cut decides only in which order windows that close together stand there.
fn files(folder: &Path) -> [Vec<String>; 2] {
    ["out.csv", "even.ndjson"].map(|name| {
        let mut lines: Vec<String> = std::fs::read_to_string(folder.join(name)).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    })
}

#[test]
fn a_script_that_is_killed_and_run_again_ends_with_the_same_results_and_files() {
    let whole = tempfile::tempdir().unwrap();
    std::fs::write(whole.path().join("in.csv"), input(200_000)).unwrap();
    let expected = run(whole.path(), SCRIPT, &[]);
    assert_eq!(expected.code, 0, "{}", expected.err);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.csv"), input(200_000)).unwrap();
    std::fs::write(folder.path().join("script.sql"), format!("SET checkpoint_interval = '20 ms';{SCRIPT}")).unwrap();
    let kills = std::env::var("LAMINAR_CRASHES").ok().and_then(|kills| kills.parse().ok()).unwrap_or(12);
    for kill in 0..kills {
        let mut command = laminar();
        command.current_dir(folder.path()).args(["run", "script.sql", "--data-dir", "state", "--quiet"]);
        // The bytes are the same, whichever way they are written.
        command.args(["--set", ["io_method=io_uring", "io_method=sync"][kill as usize % 2]]);
        let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(15 + 37 * (kill % 11)));
        let _ = child.kill();
        child.wait().unwrap();
    }
    let ran = run(folder.path(), &format!("SET checkpoint_interval = '20 ms';{SCRIPT}"), &["--data-dir", "state"]);
    assert_eq!((ran.code, &ran.out), (0, &expected.out), "{}", ran.err);
    for (pieces, whole) in files(folder.path()).into_iter().zip(files(whole.path())) {
        assert_eq!(pieces.len(), whole.len());
        assert!(pieces == whole, "the sinks' files hold what those of one run hold");
    }
    let again = run(folder.path(), &format!("SET checkpoint_interval = '20 ms';{SCRIPT}"), &["--data-dir", "state"]);
    assert_eq!((again.code, &again.out), (0, &expected.out), "{}", again.err);
    assert!(again.err.contains("7 statements of this script were done by an earlier run: going on behind them"), "{}", again.err);
    let checked = finished(laminar().current_dir(folder.path()).args(["check", "state"]).output().unwrap());
    assert!(checked.code == 0 && checked.err.contains("all is whole"), "{}{}", checked.out, checked.err);
}

#[test]
fn statements_are_added_at_the_end_and_another_script_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = "CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1);";
    assert_eq!(run(folder.path(), first, &["--data-dir", "state"]).code, 0);
    let longer = format!("{first} INSERT INTO t VALUES (2); SELECT a FROM t ORDER BY a;");
    let ran = run(folder.path(), &longer, &["--data-dir", "state"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "a\n1\n2\n"), "{}", ran.err);
    let other = run(folder.path(), "CREATE TABLE other (a BIGINT);", &["--data-dir", "state"]);
    assert_eq!(other.code, 1);
    assert!(other.err.contains("the directory was made by another script: its statement 1 was another one"), "{}", other.err);
    assert!(other.err.contains("it was: CREATE TABLE t (a BIGINT)"), "{}", other.err);
}

#[test]
fn what_is_no_directory_of_a_database_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("state"), "something else").unwrap();
    let ran = run(folder.path(), "SELECT 1;", &["--data-dir", "state"]);
    assert!(ran.code == 1 && ran.err.contains("state"), "{}", ran.err);
    let checked = finished(laminar().current_dir(folder.path()).args(["check", "nowhere"]).output().unwrap());
    assert!(checked.code == 1 && checked.err.contains("nowhere"), "{}", checked.err);
}

#[test]
fn a_directory_is_backed_up_and_restored_and_a_damaged_backup_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let script = "CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1); SELECT a FROM t;";
    assert_eq!(run(folder.path(), script, &["--data-dir", "state"]).code, 0);
    let say = |arguments: &[&str]| finished(laminar().current_dir(folder.path()).args(arguments).output().unwrap());
    let made = say(&["backup", "state", "copy"]);
    assert!(made.code == 0 && made.err.contains("state is copied to copy: checkpoint 1"), "{}", made.err);
    assert_eq!(say(&["check", "copy"]).code, 0);
    let again = say(&["backup", "state", "copy"]);
    assert!(again.code == 1 && again.err.contains("'copy' is not empty"), "{}", again.err);
    let restored = say(&["restore", "copy", "back"]);
    assert!(restored.code == 0 && restored.err.contains("copy is restored to back"), "{}", restored.err);
    let ran = run(folder.path(), script, &["--data-dir", "back"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "a\n1\n"), "{}", ran.err);
    let manifest = folder.path().join("copy/checkpoints/0000000001/MANIFEST");
    let mut bytes = std::fs::read(&manifest).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&manifest, bytes).unwrap();
    let damaged = say(&["restore", "copy", "other"]);
    assert!(damaged.code == 1 && damaged.err.contains("MANIFEST"), "{}", damaged.err);
    assert!(!folder.path().join("other").exists());
    let nothing = say(&["restore", "nowhere", "other"]);
    assert!(nothing.code == 1 && nothing.err.contains("there is no database in 'nowhere'"), "{}", nothing.err);
}

#[test]
fn a_select_sees_all_of_its_inputs_however_often_checkpoints_are_made() {
    let script = "
        SET checkpoint_interval = '10 ms';
        CREATE SOURCE g (id BIGINT, k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
            FROM GENERATOR (rows = 60000, 'fields.id.max' = '30000', 'fields.k.max' = '999');
        CREATE MATERIALIZED VIEW a AS SELECT id, count(*) AS n, sum(k) AS s FROM g GROUP BY id;
        CREATE MATERIALIZED VIEW w AS SELECT k, window_start, count(*) AS n FROM g GROUP BY k, TUMBLE(ts, INTERVAL '1' MINUTE) EMIT ON WINDOW CLOSE;
        SELECT sum(n) AS n FROM w;
    ";
    for round in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let ran = run(folder.path(), script, &["--data-dir", "state"]);
        assert_eq!((ran.code, ran.out.as_str()), (0, "n\n60000\n"), "round {round}: {}", ran.err);
    }
}
