//! State larger than memory: the same answers, and the process takes what it may.

use super::run_script;

/// Rows with long texts and keys that hardly ever come twice.
fn sources(rows: u64) -> String {
    let source = |name: &str, seed: u64| {
        format!(
            "CREATE SOURCE {name} (id BIGINT, k BIGINT, text VARCHAR, x BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts)
             FROM GENERATOR (rows = {rows}, seed = {seed}, 'fields.id.kind' = 'sequence', 'fields.k.max' = '100000',
                             'fields.text.length' = '700');"
        )
    };
    format!("{}{}", source("a", 1), source("b", 2))
}

/// Runs the view's query with and without a limit: the answers, and the bytes that the first run took at most and had of state.
fn check(view: &str) {
    const LIMIT: u64 = 128 << 20;
    let directory = env!("CARGO_TARGET_TMPDIR");
    let script = format!("{}CREATE MATERIALIZED VIEW v AS {view}; SELECT * FROM v; SHOW MEMORY;", sources(200_000));
    let limited = format!("SET temp_directory = '{directory}'; SET memory_limit = {LIMIT}; {script}");
    let (limited, free) = (run_script(&limited, &["--format", "csv"]), run_script(&script, &["--format", "csv"]));
    assert_eq!((limited.code, free.code), (0, 0), "{}\n{}", limited.err, free.err);
    let answer = |out: &str| out.lines().take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(answer(&limited.out), answer(&free.out), "{view}");
    let of = |out: &str, name: &str| {
        let line = out.lines().find_map(|line| line.strip_prefix(&format!("{name},")));
        line.and_then(|bytes| bytes.parse::<u64>().ok()).unwrap_or_default()
    };
    assert!(of(&limited.out, "file in temp_directory") > LIMIT, "{view}: no more state than memory\n{}", limited.out);
    // Where all cores are busy the thread that puts pages out comes late: the state in memory is bounded all the same.
    assert!(of(&limited.out, "in memory") <= LIMIT + LIMIT / 2, "{view}: {}", limited.out);
    assert_eq!(of(&free.out, "state that can leave memory"), 0);
}

#[test]
fn a_join_an_aggregate_over_and_sessions_answer_the_same_with_more_state_than_memory() {
    check("SELECT COUNT(*) AS n, SUM(b.x) AS x, MAX(a.text) AS t FROM a JOIN b ON a.k = b.k");
    check(
        "SELECT COUNT(*) AS n, SUM(c) AS c, SUM(length(t)) AS t FROM (SELECT id, MAX(text) AS t, COUNT(*) AS c FROM a GROUP BY id) AS g",
    );
    check(
        "SELECT COUNT(*) AS n, SUM(s) AS s, MAX(r) AS r, SUM(length(text)) AS t FROM (
            SELECT text, SUM(x) OVER (PARTITION BY k ORDER BY id ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) AS s,
                   rank() OVER (PARTITION BY k ORDER BY id) AS r FROM a) AS o",
    );
    check(
        "SELECT COUNT(*) AS n, SUM(c) AS c, SUM(length(t)) AS t FROM (
            SELECT id, window_start, COUNT(*) AS c, MAX(text) AS t FROM a GROUP BY id, SESSION(ts, INTERVAL '1' HOUR)) AS w",
    );
}

#[test]
fn what_cannot_leave_memory_stops_the_run_with_an_error_that_names_it() {
    let directory = env!("CARGO_TARGET_TMPDIR");
    // The limit is about what the program itself takes.
    let script = format!(
        "SET temp_directory = '{directory}'; SET memory_limit = '64 MB'; SET push_timeout = '50 ms';
         {}CREATE MATERIALIZED VIEW v AS SELECT id, MAX(text) AS t FROM a GROUP BY id; SELECT COUNT(*) FROM v;",
        sources(50_000)
    );
    let ran = run_script(&script, &[]);
    if ran.code == 0 {
        // A program of fewer pages: then the answer is right.
        assert!(ran.out.contains("50000"), "{}", ran.out);
    } else {
        assert!(ran.err.contains("error[LDB-4001]: memory_limit (64 MiB) is reached: 'a' takes no more rows"), "{}", ran.err);
    }
}

#[test]
fn a_directory_that_is_memory_or_not_there_is_refused() {
    let ran = run_script("SET temp_directory = '/not/there'; SET memory_limit = '1 GB';", &[]);
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("error[LDB-3001]: state cannot be put out to '/not/there'"), "{}", ran.err);
    if std::path::Path::new("/dev/shm").is_dir() {
        let ran = run_script("SET temp_directory = '/dev/shm'; SET memory_limit = '1 GB';", &[]);
        assert!(ran.code != 0 && ran.err.contains("it is in memory itself (tmpfs)"), "{}", ran.err);
    }
}

#[test]
fn a_temp_directory_that_would_not_count_any_more_is_refused() {
    let directory = env!("CARGO_TARGET_TMPDIR");
    let ran = run_script(
        &format!("SET temp_directory = '{directory}'; SET memory_limit = '1 GB'; SET temp_directory = '/elsewhere';"),
        &[],
    );
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("error[LDB-1006]: temp_directory cannot change any more"), "{}", ran.err);
    assert!(ran.err.contains("set temp_directory before memory_limit"), "{}", ran.err);
}

#[test]
fn settings_can_be_given_before_a_directory_is_brought_back() {
    let directory = env!("CARGO_TARGET_TMPDIR");
    let set = format!("temp_directory={directory}");
    let ran = run_script("SHOW memory_limit;", &["--set", &set, "--set", "memory_limit=1GB", "--format", "csv"]);
    assert_eq!((ran.code, ran.out.lines().last()), (0, Some("1 GiB")), "{}{}", ran.out, ran.err);
    let ran = run_script("SELECT 1;", &["--set", "memory_limit"]);
    assert!(ran.code == 2 && ran.err.contains("write --set NAME=VALUE"), "{}", ran.err);
    let ran = run_script("SELECT 1;", &["--set", "memory=1"]);
    assert!(ran.code == 1 && ran.err.contains("there is no setting 'memory'"), "{}", ran.err);
}
