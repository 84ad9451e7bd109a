//! Arguments, exit codes, and what goes to which stream.

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
    refused(&["run", "x.sql", "--workers", "4"], 2, "--workers is not built yet");
    refused(&["run", "x.sql", "--data-dir", "d"], 2, "--data-dir is not built yet");
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
