//! Sessions: rows of a key that are at most the gap apart, found in a batch as islands; some rows are late.
//!
//! The rows are those of a UNION ALL, so that each is judged by itself: that can be said in SQL. Which rows of one source are late is
//! compared with a model in `laminar-core/tests/it/windows`.

use laminar_testkit::oracle::{Query, Test};

use crate::graph::check_graph;
use crate::tables::events;

/// Each event that is in time with the number of its session within its key. A row is in time if its own time plus the lateness
/// is not behind the watermark at its arrival.
fn islands(key: &str, lateness: &str) -> String {
    format!(
        "SELECT *, SUM(CASE WHEN ts <= before + INTERVAL '6 seconds' THEN 0 ELSE 1 END) \
         OVER (PARTITION BY {key} ORDER BY ts ROWS UNBOUNDED PRECEDING) AS island \
         FROM (SELECT *, LAG(ts) OVER (PARTITION BY {key} ORDER BY ts) AS before FROM e \
         WHERE ts IS NOT NULL AND (arrival IS NULL OR ts + INTERVAL '{lateness}' >= arrival)) AS marked"
    )
}

/// Emission, lateness, and which sessions are there. One whose end equals the watermark can still get a row.
const EMISSIONS: &[(&str, &str, &str)] = &[
    ("", "0 seconds", "true"),
    ("EMIT CHANGES ALLOW LATENESS INTERVAL '20' SECOND", "20 seconds", "true"),
    ("EMIT ON WATERMARK", "0 seconds", "MAX(ts) + INTERVAL '6 seconds' < (SELECT e FROM progress)"),
    (
        "EMIT ON WATERMARK ALLOW LATENESS INTERVAL '20' SECOND",
        "20 seconds",
        "MAX(ts) + INTERVAL '6 seconds' < (SELECT e FROM progress)",
    ),
    ("EMIT ON WINDOW CLOSE", "0 seconds", "MAX(ts) + INTERVAL '6 seconds' < (SELECT e FROM progress)"),
    (
        "EMIT ON WINDOW CLOSE ALLOW LATENESS INTERVAL '20' SECOND",
        "20 seconds",
        "MAX(ts) + INTERVAL '26 seconds' < (SELECT e FROM progress)",
    ),
];

const GROUPS: &[(&str, &str)] = &[
    ("k", "COUNT(*) AS n, SUM(a) AS total"),
    ("k", "MIN(f) AS least, MAX(f) AS most, COUNT(DISTINCT a) AS different"),
    ("a > 0", "COUNT(*) AS n, AVG(f) AS mean"),
];

#[test]
fn sessions_agree_with_the_oracle() {
    let bounds = "MIN(ts) AS window_start, MAX(ts) + INTERVAL '6 seconds' AS window_end";
    let mut queries = Vec::new();
    for ((key, aggregates), (emit, lateness, shown)) in GROUPS.iter().flat_map(|group| EMISSIONS.iter().map(move |e| (group, e)))
    {
        let streaming = format!(
            "SELECT {key} AS key, window_start, window_end, {aggregates} FROM (SELECT * FROM e UNION ALL SELECT * FROM e WHERE false) AS e \
             GROUP BY {key}, SESSION(ts, INTERVAL '6' SECOND) {emit}"
        );
        let islands = islands(key, lateness);
        let batch = format!(
            "SELECT {key} AS key, {bounds}, {aggregates} FROM ({islands}) AS grouped GROUP BY {key}, island HAVING {shown}"
        );
        queries.push(Query::pair(streaming, batch));
    }
    check_graph(&Test::new(vec![events("e", 5)], queries));
}
