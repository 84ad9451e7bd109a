//! Arguments, exit codes, and what goes to which stream.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::{finished, laminar, run_script};

#[track_caller]
fn refused(arguments: &[&str], code: i32, message: &str) {
    let ran = finished(laminar().args(arguments).output().expect("the binary runs"));
    assert_eq!(ran.code, code, "{}", ran.err);
    assert!(ran.err.contains(message), "{}", ran.err);
    assert_eq!(ran.out, "", "standard output is for results alone");
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    refused(&["run", "x.sql", "--workers", "0"], 2, "0 is not in 1..=256");
    refused(&["run", "x.sql", "--var", "NAME"], 2, "write --var NAME=VALUE");
    refused(&["run", "no-such-file.sql"], 2, "the script 'no-such-file.sql' cannot be read");
}

#[test]
fn help_shows_examples_and_the_version_is_told() {
    let help = finished(laminar().arg("--help").output().expect("the binary runs"));
    assert!(help.code == 0 && help.out.contains("laminar run examples/flights/flights.sql"), "{}", help.out);
    let version = finished(laminar().arg("--version").output().expect("the binary runs"));
    assert_eq!(version.out, format!("laminar {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn results_go_to_standard_output_alone_in_three_formats() {
    let script = "CREATE TABLE t (a BIGINT, b VARCHAR); INSERT INTO t VALUES (1, 'x'), (2, NULL); SELECT * FROM t ORDER BY a;";
    let table = run_script(script, &[]);
    assert_eq!(table.out, "a | b\n--+--\n1 | x\n2 |\n");
    assert!(table.err.contains("CREATE TABLE t\nINSERT 2\n"), "{}", table.err);
    let changes = "CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1), (1), (2); UPDATE t SET a = 3 WHERE a = 1; DELETE FROM t WHERE a = 2; TRUNCATE t";
    let told = run_script(changes, &[]).err;
    assert!(told.contains("INSERT 3\nUPDATE 2\nDELETE 1\nTRUNCATE TABLE t\n"), "{told}");
    assert_eq!(run_script(script, &["--format", "csv"]).out, "a,b\n1,x\n2,\n");
    let json = run_script(script, &["--format", "json", "--quiet"]);
    assert_eq!(json.out, "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":null}\n");
    assert_eq!(json.err, "", "--quiet says nothing but errors");
}

#[test]
fn variables_come_from_the_command_line_then_from_the_environment() {
    let ran = run_script("SELECT '${WHO}' AS who, '${NOT_SET:-nobody}' AS other;", &["--format", "csv", "--var", "WHO=ada"]);
    assert_eq!(ran.out, "who,other\nada,nobody\n", "{}", ran.err);
    let missing = run_script("SELECT '${NOT_SET_AT_ALL}';", &[]);
    assert!(missing.code == 1 && missing.err.contains("NOT_SET_AT_ALL"), "{}", missing.err);
}

#[test]
fn an_interrupt_completes_outputs_and_a_run_without_end_stops() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = "CREATE SOURCE ticks (id BIGINT) FROM GENERATOR (rate = 100000);
         CREATE SINK file AS SELECT * FROM ticks INTO FILE (path = 'ticks.parquet');";
    std::fs::write(folder.path().join("script.sql"), script).expect("the script of the test");
    let mut command = laminar();
    command.current_dir(folder.path()).args(["run", "script.sql"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary runs");
    // The sink's file appears with its first rows; only then is there something to complete.
    for _ in 0..500 {
        if folder.path().join("ticks.parquet.partial").exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
    let ran = finished(child.wait_with_output().expect("the binary stops"));
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert!(ran.err.contains("rows to sinks"), "{}", ran.err);
    let again = "CREATE SOURCE x FROM FILE (path = 'ticks.parquet'); CREATE MATERIALIZED VIEW v AS SELECT count(*) > 0 AS some FROM x; SELECT * FROM v;";
    std::fs::write(folder.path().join("script.sql"), again).expect("the script of the test");
    let mut command = laminar();
    command.current_dir(folder.path()).args(["run", "script.sql", "--format", "csv"]);
    assert_eq!(finished(command.output().expect("the binary runs")).out, "some\ntrue\n");
}
