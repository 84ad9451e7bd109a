//! What a run writes: nothing that is read back as another value, no key twice, nothing over its own input, and into a
//! closed pipe only until it is closed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Ran, finished, laminar, run_script};

#[track_caller]
fn prints(script: &str, format: &str, expected: &str) {
    let ran = run_script(script, &["--format", format, "--quiet"]);
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.code), (expected, "", 0));
}

#[test]
fn null_is_told_from_the_empty_text_in_every_format() {
    let script = "SELECT NULL AS a, '' AS b, 1 AS c;";
    prints(script, "csv", "a,b,c\n,\"\",1\n");
    prints(script, "json", "{\"a\":null,\"b\":\"\",\"c\":1}\n");
    prints(script, "table", "a | b | c\n--+---+--\n  |   | 1\n");
    prints("SELECT NULL AS a;", "csv", "a\n\n");
}

#[test]
fn what_is_no_number_is_not_null() {
    let script = "SELECT CAST('NaN' AS DOUBLE) AS a, CAST('-Infinity' AS REAL) AS b, CAST('Infinity' AS DOUBLE) AS c;";
    prints(script, "csv", "a,b,c\nNaN,-Infinity,Infinity\n");
    prints(script, "json", "{\"a\":\"NaN\",\"b\":\"-Infinity\",\"c\":\"Infinity\"}\n");
}

#[test]
fn a_list_shows_where_its_items_end() {
    let script = "SELECT make_array('a,b', 'c', NULL, '') AS l, make_array(make_array(1), NULL) AS n;";
    prints(script, "csv", "l,n\n\"[\"\"a,b\"\",\"\"c\"\",null,\"\"\"\"]\",\"[[1],null]\"\n");
    prints(script, "json", "{\"l\":[\"a,b\",\"c\",null,\"\"],\"n\":[[1],null]}\n");
}

#[test]
fn no_object_holds_a_key_twice() {
    let tables = "CREATE TABLE a (id INT PRIMARY KEY, x INT);
         CREATE TABLE b (id INT PRIMARY KEY, x INT, x_2 INT);
         INSERT INTO a VALUES (1, 2);
         INSERT INTO b VALUES (1, 3, 4);";
    let join = "SELECT * FROM a JOIN b ON a.id = b.id;";
    prints(&format!("{tables}{join}"), "json", "{\"id\":1,\"x\":2,\"id_2\":1,\"x_3\":3,\"x_2\":4}\n");
    prints(&format!("{tables}{join}"), "csv", "id,x,id,x,x_2\n1,2,1,3,4\n");
    let changes = "CREATE TABLE t (id INT PRIMARY KEY, step INT, op VARCHAR);
         INSERT INTO t VALUES (1, 7, 'paint');
         SUBSCRIBE t;";
    let ran = run_script(changes, &["--format", "json", "--quiet"]);
    assert!(ran.out.ends_with("\"op\":\"+I\",\"id\":1,\"step_2\":7,\"op_2\":\"paint\"}\n"), "{}{}", ran.out, ran.err);
    let sink = "CREATE TABLE t (id INT PRIMARY KEY, op VARCHAR);
         CREATE SINK k FROM t INTO stdout (format = 'json');
         INSERT INTO t VALUES (1, 'paint');";
    prints(sink, "json", "{\"op\":\"+I\",\"id\":1,\"op_2\":\"paint\"}\n");
}

/// Runs a script until `lines` lines are read, then closes the pipe.
fn read_lines(script: &str, files: &[(&str, &str)], lines: usize) -> (Vec<String>, Ran, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file for the test");
    }
    std::fs::write(folder.path().join("script.sql"), script).expect("the script of the test");
    let mut command = laminar();
    command.current_dir(folder.path()).args(["run", "script.sql", "--format", "csv", "--quiet"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let out = BufReader::new(child.stdout.take().expect("its output"));
    let read = out.lines().take(lines).collect::<Result<_, _>>().expect("lines");
    (read, finished(child.wait_with_output().expect("the binary stops")), folder)
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let numbers: String = (0..300_000).map(|n| format!("{n}\n")).collect();
    let input = format!("n\n{numbers}");
    let files = [("n.csv", input.as_str())];
    let source = "CREATE SOURCE s (n BIGINT) FROM FILE (path = 'n.csv');";
    for script in [
        "SELECT x FROM generate_series(1, 300000) AS g(x); SELECT 1;".to_owned(),
        format!("{source} SUBSCRIBE SELECT n FROM s;"),
        format!("{source} CREATE SINK k FROM s INTO stdout (format = 'csv');"),
        "CREATE SOURCE g (id BIGINT) FROM GENERATOR (rate = 1000000); CREATE SINK k FROM g INTO stdout (format = 'csv');"
            .to_owned(),
    ] {
        let (lines, ran, _) = read_lines(&script, &files, 2);
        assert_eq!((lines.len(), ran.err.as_str(), ran.code), (2, "", 0), "{script}");
    }
}

#[test]
fn sinks_go_on_when_nobody_reads_the_results() {
    let numbers: String = (0..200_000).map(|n| format!("{n}\n")).collect();
    let script = "CREATE SOURCE s (n BIGINT) FROM FILE (path = 'n.csv');
         CREATE SINK k FROM s INTO FILE (path = 'copy.csv');
         CREATE SINK p FROM s INTO FILE (path = 'copy.parquet');
         SELECT x FROM generate_series(1, 300000) AS g(x);
         CREATE SINK later FROM s INTO FILE (path = 'later.csv');";
    let input = format!("n\n{numbers}");
    let (_, ran, folder) = read_lines(script, &[("n.csv", input.as_str())], 1);
    assert_eq!((ran.err.as_str(), ran.code), ("", 0));
    for name in ["copy.csv", "later.csv"] {
        let copy = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(copy == input, "{name} has {} bytes", copy.len());
    }
    assert!(folder.path().join("copy.parquet").exists());
}

const INPUT: &str = "a\n1\n2\n3\n";

/// Runs a script beside `in/a.csv` and links to it, and expects that it is refused without touching any file.
#[track_caller]
fn refused(script: &str, message: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(at("in")).unwrap();
    std::fs::write(at("in/a.csv"), INPUT).unwrap();
    std::fs::hard_link(at("in/a.csv"), at("hard.csv")).unwrap();
    let linked = Command::new("ln").current_dir(folder.path()).args(["-s", "in/a.csv", "soft.csv"]).status();
    assert!(linked.expect("ln runs").success());
    std::fs::write(at("script.sql"), script).unwrap();
    let mut command = laminar();
    command.current_dir(folder.path()).args(["run", "script.sql", "--quiet"]);
    let ran = finished(command.output().expect("the binary runs"));
    assert_eq!(ran.code, 1, "{}", ran.err);
    let told = ran.err.lines().next().unwrap_or_default();
    assert_eq!(told, format!("error[LDB-2002]: {message}"), "{script}\n{}", ran.err);
    assert_eq!(std::fs::read_to_string(at("in/a.csv")).unwrap(), INPUT);
    let files = |path: &Path| std::fs::read_dir(path).unwrap().count();
    assert_eq!((files(folder.path()), files(&at("in"))), (4, 1), "nothing was written");
}

#[test]
fn a_sink_is_never_over_its_own_input() {
    let sink = |source: &str, path: &str| {
        format!(
            "CREATE SOURCE s (a BIGINT) FROM FILE (path = '{source}'); CREATE SINK k AS SELECT a FROM s INTO FILE (path = '{path}');"
        )
    };
    for (source, path) in [
        ("in/a.csv", "in/a.csv"),
        ("in/a.csv", "./in/../in/a.csv"),
        ("in/a.csv", "soft.csv"),
        ("in/a.csv", "hard.csv"),
        ("soft.csv", "in/a.csv"),
        ("in", "in/a.csv"),
        ("in", "in/new.csv"),
        ("in/*.csv", "in/new.csv"),
        ("*/*.csv", "in/new.csv"),
    ] {
        refused(&sink(source, path), &format!("the sink would write over '{path}', which source 's' reads"));
    }
    let follow = "CREATE SOURCE s (a BIGINT) FROM FILE (path = 'in', follow = 'true', format = 'csv');
         CREATE SINK k AS SELECT a FROM s INTO FILE (path = 'in/new.csv');";
    refused(follow, "the sink would write over 'in/new.csv', which source 's' reads");
    let at_end = "CREATE SOURCE s (a BIGINT) FROM FILE (path = 'in/a.csv');
         CREATE SINK k AS SELECT a FROM s INTO FILE (path = 'in/a.csv', publish = 'at_end');";
    refused(at_end, "the sink would write over 'in/a.csv', which source 's' reads");
}

#[test]
fn a_sink_is_over_no_file_of_another_object() {
    let table = "CREATE TABLE t (a BIGINT) FROM FILE (path = 'in/a.csv');";
    refused(
        &format!("{table} CREATE SINK k FROM t INTO FILE (path = 'soft.csv', changelog = 'true');"),
        "the sink would write over 'soft.csv', which table 't' reads",
    );
    let other = "CREATE SOURCE s (a BIGINT) FROM FILE (path = 'in/a.csv'); CREATE TABLE t (a BIGINT);";
    refused(
        &format!("{other} CREATE SINK k FROM t INTO FILE (path = 'in/a.csv', changelog = 'true');"),
        "the sink would write over 'in/a.csv', which source 's' reads",
    );
    refused(
        &format!("{other} CREATE SINK k INTO FILE (path = 'in/a.csv');"),
        "the sink would write over 'in/a.csv', which source 's' reads",
    );
    let two = "CREATE SOURCE s (a BIGINT); CREATE SINK one FROM s INTO FILE (path = 'new.csv');";
    refused(
        &format!("{two} CREATE SINK two FROM s INTO FILE (path = './new.csv');"),
        "the sink would write over './new.csv', which sink 'one' writes",
    );
    refused(
        &format!("{two} CREATE SOURCE again (a BIGINT) FROM FILE (path = 'new.csv');"),
        "sink 'one' writes 'new.csv', which this would read",
    );
    refused(
        "CREATE SOURCE s (a BIGINT); CREATE SINK one FROM s INTO FILE (path = 'in/new.csv'); CREATE SOURCE again FROM FILE (path = 'in');",
        "sink 'one' writes 'in/new.csv', which this would read",
    );
}

#[test]
fn a_file_is_free_again_when_its_object_is_gone_or_its_output_complete() {
    let script = "CREATE SOURCE s (a BIGINT) FROM FILE (path = 'in.csv');
         CREATE SINK one FROM s INTO FILE (path = 'out.csv');
         CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM s;
         SELECT * FROM n;
         CREATE SOURCE again (a BIGINT) FROM FILE (path = 'out.csv');
         CREATE MATERIALIZED VIEW m AS SELECT sum(a) AS total FROM again;
         SELECT * FROM m;
         DROP SINK one;
         DROP MATERIALIZED VIEW m;
         DROP SOURCE again;
         CREATE TABLE t (a BIGINT);
         CREATE SINK two FROM t INTO FILE (path = 'out.csv', changelog = 'true');";
    let ran = super::run_with_files(script, &[("in.csv", b"a\n1\n2\n")], &["--format", "csv", "--quiet"]);
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.code), ("n\n2\n\ntotal\n3\n", "", 0));
}

#[test]
fn a_row_that_cannot_be_written_is_in_error_and_the_others_are_written() {
    let script = "CREATE SOURCE s (id BIGINT, x VARCHAR) FROM FILE (path = 'in.ndjson');
         CREATE SINK k FROM s INTO FILE (path = 'out.csv', quote = 'none', null = 'NA');
         CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM s;
         SELECT * FROM n;
         SELECT raw, reason FROM k$errors;
         CREATE SOURCE again (id BIGINT, x VARCHAR) FROM FILE (path = 'out.csv', quote = 'none', null = 'NA');
         CREATE MATERIALIZED VIEW v AS SELECT * FROM again;
         SELECT * FROM v ORDER BY id;";
    let lines = [r#"{"id":1,"x":"say \"hi\""}"#, r#"{"id":2,"x":"a,b"}"#, r#"{"id":3,"x":null}"#, r#"{"id":4,"x":""}"#];
    let input = lines.join("\n") + "\n{\"id\":5,\"x\":\"NA\"}\n{\"id\":6,\"x\":\"two\\nlines\"}\n";
    let ran = super::run_with_files(script, &[("in.ndjson", input.as_bytes())], &["--format", "csv"]);
    let expected = "n
6

raw,reason
\"id=2, x=a,b\",\"column 'x': the value holds the delimiter, which without quotes would end it (quote = 'none')\"
\"id=4, x=\",\"column 'x': the value is empty, which without quotes means NULL (quote = 'none')\"
\"id=5, x=NA\",column 'x': the value means NULL without quotes (quote = 'none')
\"id=6, x=two\nlines\",\"column 'x': the value holds a line end, which without quotes would end it (quote = 'none')\"

id,x
1,\"say \"\"hi\"\"\"
3,
";
    assert_eq!((ran.out.as_str(), ran.code), (expected, 0), "{}", ran.err);
    assert!(ran.err.contains("2 rows to sinks") && ran.err.contains("4 rows in error: SELECT * FROM k$errors"), "{}", ran.err);
}
