//! Tumbling, hopping and cumulating windows, with late rows, in every emission.
//!
//! The batch side says with plain SQL what a window is: which rows are in time is decided by each row's `arrival`.

use laminar_testkit::oracle::{Query, Test};

use crate::graph::check_graph;
use crate::tables::events;

/// A kind of window, said twice.
struct Windows {
    /// For `GROUP BY`.
    call: &'static str,
    /// Each event once for each of its windows, with `window_start` and `window_end`.
    batch: &'static str,
}

const TUMBLING: Windows = Windows {
    call: "TUMBLE(ts, INTERVAL '10' SECOND)",
    batch: "SELECT *, date_bin(INTERVAL '10 seconds', ts, TIMESTAMP '1970-01-01') AS window_start, \
            date_bin(INTERVAL '10 seconds', ts, TIMESTAMP '1970-01-01') + INTERVAL '10 seconds' AS window_end FROM e \
            WHERE ts IS NOT NULL",
};

const HOPPING: Windows = Windows {
    call: "HOP(ts, INTERVAL '4' SECOND, INTERVAL '10' SECOND)",
    batch: "SELECT * FROM (SELECT *, date_bin(INTERVAL '4 seconds', ts, TIMESTAMP '1970-01-01') - back AS window_start, \
            date_bin(INTERVAL '4 seconds', ts, TIMESTAMP '1970-01-01') - back + INTERVAL '10 seconds' AS window_end FROM e \
            CROSS JOIN (VALUES (INTERVAL '0 seconds'), (INTERVAL '4 seconds'), (INTERVAL '8 seconds')) AS hops(back)) AS hopped \
            WHERE ts < window_end",
};

const CUMULATING: Windows = Windows {
    call: "CUMULATE(ts, INTERVAL '5' SECOND, INTERVAL '15' SECOND)",
    batch: "SELECT * FROM (SELECT *, date_bin(INTERVAL '15 seconds', ts, TIMESTAMP '1970-01-01') AS window_start, \
            date_bin(INTERVAL '15 seconds', ts, TIMESTAMP '1970-01-01') + length AS window_end FROM e \
            CROSS JOIN (VALUES (INTERVAL '5 seconds'), (INTERVAL '10 seconds'), (INTERVAL '15 seconds')) AS steps(length)) AS grown \
            WHERE ts < window_end",
};

/// When windows are shown, said twice: the clauses, the lateness, and which windows are there.
const EMISSIONS: &[(&str, &str, &str)] = &[
    ("", "0 seconds", "true"),
    ("EMIT CHANGES", "0 seconds", "true"),
    ("EMIT ON UPDATE ALLOW LATENESS INTERVAL '7' SECOND", "7 seconds", "true"),
    ("EMIT ON WATERMARK", "0 seconds", "window_end <= (SELECT e FROM progress)"),
    ("EMIT ON WATERMARK ALLOW LATENESS INTERVAL '7' SECOND", "7 seconds", "window_end <= (SELECT e FROM progress)"),
    ("EMIT ON WINDOW CLOSE", "0 seconds", "window_end <= (SELECT e FROM progress)"),
    (
        "EMIT ON WINDOW CLOSE ALLOW LATENESS INTERVAL '7' SECOND",
        "7 seconds",
        "window_end + INTERVAL '7 seconds' <= (SELECT e FROM progress)",
    ),
    ("EMIT FINAL", "0 seconds", "window_end <= (SELECT e FROM progress)"),
];

/// Keys and aggregates.
const GROUPS: &[(&str, &str)] = &[
    ("k, ", "COUNT(*) AS n, SUM(a) AS total, MIN(f) AS least"),
    ("", "COUNT(*) AS n, AVG(f) AS mean, COUNT(DISTINCT a) AS different"),
    ("k, ", "MAX(a) AS most, COUNT(*) FILTER (WHERE a > 0) AS positive"),
    ("a % 3, ", "STDDEV(f) AS deviation, BOOL_OR(a > 5) AS high"),
];

fn queries(windows: &Windows) -> Vec<Query> {
    let each = |emission: &(&str, &str, &str), (keys, aggregates): &(&str, &str)| {
        let (emit, lateness, shown) = emission;
        let named = if keys.is_empty() { String::new() } else { format!("{} AS key, ", keys.trim_end_matches(", ")) };
        let streaming =
            format!("SELECT {named}window_start, window_end, {aggregates} FROM e GROUP BY {keys}{} {emit}", windows.call);
        let batch = format!(
            "SELECT {named}window_start, window_end, {aggregates} FROM ({}) AS windowed \
             WHERE (arrival IS NULL OR window_end + INTERVAL '{lateness}' > arrival) AND {shown} \
             GROUP BY {keys}window_start, window_end",
            windows.batch,
        );
        Query::pair(streaming, batch)
    };
    EMISSIONS.iter().flat_map(|emission| GROUPS.iter().map(move |group| each(emission, group))).collect()
}

#[test]
fn tumbling_windows_agree_with_the_oracle() {
    check_graph(&Test::new(vec![events("e", 5)], queries(&TUMBLING)));
}

#[test]
fn hopping_windows_agree_with_the_oracle() {
    check_graph(&Test::new(vec![events("e", 5)], queries(&HOPPING)));
}

#[test]
fn cumulating_windows_agree_with_the_oracle() {
    check_graph(&Test::new(vec![events("e", 5)], queries(&CUMULATING)));
}

#[test]
fn windows_as_tables_and_over_other_operators_agree_with_the_oracle() {
    let late = "(arrival IS NULL OR window_end > arrival)";
    let tumbled = TUMBLING.batch;
    let pairs = [
        (
            "SELECT k, a, window_start, window_end FROM TUMBLE(e, ts, INTERVAL '10' SECOND)".to_owned(),
            // Only a result that is complete can be too late to change: a row alone never is.
            format!("SELECT k, a, window_start, window_end FROM ({tumbled}) AS w"),
        ),
        (
            "SELECT window_start, SUM(a) AS total FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(ts), INTERVAL '10' SECOND)) \
             GROUP BY window_start, window_end"
                .to_owned(),
            format!("SELECT window_start, SUM(a) AS total FROM ({tumbled}) AS w WHERE {late} GROUP BY window_start"),
        ),
        (
            "SELECT window_start, COUNT(*) AS n FROM (SELECT a * 2 AS x, ts FROM e WHERE a > 0) AS positive \
             GROUP BY TUMBLE(ts, INTERVAL '10' SECOND)"
                .to_owned(),
            format!("SELECT window_start, COUNT(*) AS n FROM ({tumbled}) AS w WHERE a > 0 AND {late} GROUP BY window_start"),
        ),
        (
            "SELECT n, COUNT(*) AS windows FROM (SELECT window_start, COUNT(*) AS n FROM e \
             GROUP BY TUMBLE(ts, INTERVAL '10' SECOND)) AS counted GROUP BY n"
                .to_owned(),
            format!(
                "SELECT n, COUNT(*) AS windows FROM (SELECT window_start, COUNT(*) AS n FROM ({tumbled}) AS w \
                 WHERE {late} GROUP BY window_start) AS counted GROUP BY n"
            ),
        ),
    ];
    let queries = pairs.iter().map(|(streaming, batch)| Query::pair(streaming, batch)).collect();
    check_graph(&Test { share: 4, ..Test::new(vec![events("e", 5)], queries) });
}
