//! The workloads by name: where the rows come from and what is asked about them.

use super::input::Source;
use super::nexmark::QUERIES;

/// One thing to measure.
pub(super) struct Workload {
    /// What it is called on the command line.
    pub(super) name: &'static str,
    /// What it shows, for people.
    pub(super) about: &'static str,
    /// Where its rows come from.
    pub(super) source: Source,
    /// Statements that come before the query.
    pub(super) setup: &'static str,
    /// The query. Lines of comment stand before it, and when the stream shows results, which the batch engine is not told, on a
    /// line behind it.
    pub(super) sql: &'static str,
    /// The same question in DuckDB's words, if it can be asked there.
    pub(super) duckdb: Option<&'static str>,
    /// Rows of a run that says nothing about them.
    pub(super) rows: usize,
    /// Whether single rows are timed instead of all rows together.
    pub(super) kind: Kind,
    /// What runs in the same database meanwhile, on a thread of its own: sources that are read, and a query over them.
    pub(super) beside: Option<&'static str>,
}

/// What of a workload is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Rows a second.
    Throughput,
    /// The time from a row's moment to its result.
    Latency,
}

impl Workload {
    /// The statement that keeps the answer up to date.
    pub(super) fn stream(&self) -> String {
        format!("CREATE STREAM result AS {}", self.query())
    }

    /// The query on one line, without comments.
    pub(super) fn query(&self) -> String {
        lines(self.sql, |line| !line.starts_with("--"))
    }

    /// The same as the batch engine takes it: without EMIT, and with tables as they are.
    pub(super) fn select(&self) -> String {
        batch_select(self.sql)
    }

    /// The same as DuckDB takes it.
    pub(super) fn duckdb_select(&self) -> Option<String> {
        self.duckdb.map(batch_select)
    }

    /// Rows a second of a run that says nothing about it.
    pub(super) fn rate_by_default(&self) -> u32 {
        if self.beside.is_some() { 1_000 } else { 100_000 }
    }
}

fn batch_select(sql: &str) -> String {
    let select = lines(sql, |line| !line.starts_with("--") && !line.starts_with("EMIT"));
    select.replace(" FOR SYSTEM_TIME AS OF PROCTIME()", "")
}

fn lines(sql: &str, keep: impl Fn(&str) -> bool) -> String {
    sql.lines().filter(|line| keep(line)).map(str::trim).collect::<Vec<_>>().join(" ")
}

/// The workloads that `name` means: one, or all queries of Nexmark.
pub(super) fn find(name: &str) -> Vec<&'static Workload> {
    if name == NEXMARK { QUERIES.iter().collect() } else { workloads().filter(|workload| workload.name == name).collect() }
}

/// All of them in the order in which they are listed: those of latency last.
pub(super) fn workloads() -> impl Iterator<Item = &'static Workload> {
    let latency = WORKLOADS.iter().filter(|workload| workload.kind == Kind::Latency);
    WORKLOADS.iter().filter(|workload| workload.kind == Kind::Throughput).chain(&QUERIES).chain(latency)
}

/// What all queries of Nexmark are called together.
pub(super) const NEXMARK: &str = "nexmark";
/// What the measurements of a directory are called together.
pub(super) const DURABILITY: &str = "durability";
/// Rows of a run that takes a second or so.
const ROWS: usize = 10_000_000;
const TUMBLE: &str = "SELECT k, window_start, count(*) AS n, sum(v) AS total FROM events \
                      GROUP BY k, TUMBLE(ts, INTERVAL '1' MINUTE)\n\
                      EMIT ON WINDOW CLOSE";
const TUMBLE_DUCKDB: &str = "SELECT k, date_trunc('minute', ts) AS window_start, count(*) AS n, \
                             CAST(sum(v) AS BIGINT) AS total FROM events GROUP BY k, window_start";

const fn tumble(name: &'static str, about: &'static str, source: Source) -> Workload {
    Workload {
        name,
        about,
        source,
        setup: "",
        sql: TUMBLE,
        duckdb: Some(TUMBLE_DUCKDB),
        rows: ROWS,
        kind: Kind::Throughput,
        beside: None,
    }
}

const fn latency(name: &'static str, about: &'static str, setup: &'static str, sql: &'static str) -> Workload {
    let (source, kind) = (Source::Events { keys: 1_000 }, Kind::Latency);
    Workload { name, about, source, setup, sql, duckdb: None, rows: 200_000, kind, beside: None }
}

/// All of them but those of Nexmark.
static WORKLOADS: [Workload; 14] = [
    tumble("tumble-1k", "tumbling count and sum, 1,000 keys", Source::Events { keys: 1_000 }),
    tumble("tumble-10k", "tumbling count and sum, 10,000 keys", Source::Events { keys: 10_000 }),
    tumble("tumble-1m", "tumbling count and sum, 1,000,000 keys", Source::Events { keys: 1_000_000 }),
    tumble("tumble-text", "tumbling count and sum by a text, 1,000 keys", Source::Named { keys: 1_000 }),
    Workload {
        name: "tumble-pair",
        about: "tumbling count and sum by a text and a number, 10,000 keys",
        source: Source::Named { keys: 1_000 },
        setup: "",
        sql: "SELECT k, part, window_start, count(*) AS n, sum(v) AS total FROM events \
                 GROUP BY k, part, TUMBLE(ts, INTERVAL '1' MINUTE)\n\
                 EMIT ON WINDOW CLOSE",
        duckdb: Some(
            "SELECT k, part, date_trunc('minute', ts) AS window_start, count(*) AS n, \
             CAST(sum(v) AS BIGINT) AS total FROM events GROUP BY k, part, window_start",
        ),
        rows: ROWS,
        kind: Kind::Throughput,
        beside: None,
    },
    Workload {
        name: "hop-60",
        about: "hopping windows of 60 panes, 1,000 keys",
        source: Source::Events { keys: 1_000 },
        setup: "",
        sql: "SELECT k, window_start, count(*) AS n, sum(v) AS total FROM events \
                 GROUP BY k, HOP(ts, INTERVAL '1' SECOND, INTERVAL '60' SECOND)\n\
                 EMIT ON WINDOW CLOSE",
        duckdb: None,
        rows: ROWS,
        kind: Kind::Throughput,
        beside: None,
    },
    Workload {
        name: "session",
        about: "sessions that end after 100 ms of silence, 1,000 keys",
        source: Source::Events { keys: 1_000 },
        setup: "",
        sql: "SELECT k, window_start, window_end, count(*) AS n, sum(v) AS total FROM events \
                 GROUP BY k, SESSION(ts, INTERVAL '100' MILLISECOND)\n\
                 EMIT ON WINDOW CLOSE",
        duckdb: None,
        rows: ROWS,
        kind: Kind::Throughput,
        beside: None,
    },
    Workload {
        name: "running-agg",
        about: "count and sum since the beginning with an update after every batch, 10,000 keys",
        source: Source::Events { keys: 10_000 },
        setup: "",
        sql: "SELECT k, count(*) AS n, sum(v) AS total FROM events GROUP BY k",
        duckdb: Some("SELECT k, count(*) AS n, CAST(sum(v) AS BIGINT) AS total FROM events GROUP BY k"),
        rows: ROWS,
        kind: Kind::Throughput,
        beside: None,
    },
    Workload {
        name: "filter-project",
        about: "half of the rows with a computed column",
        source: Source::Events { keys: 1_000 },
        setup: "",
        sql: "SELECT k, v * 2 AS doubled, ts FROM events WHERE v < 500",
        duckdb: Some("SELECT k, v * 2 AS doubled, ts FROM events WHERE v < 500"),
        rows: ROWS,
        kind: Kind::Throughput,
        beside: None,
    },
    Workload {
        name: "latency",
        about: "one row a push at a fixed rate (--rate) through filter and running aggregate, 1,000 keys",
        source: Source::Events { keys: 1_000 },
        setup: "",
        sql: "SELECT k, count(*) AS n, sum(v) AS total FROM events WHERE v < 900 GROUP BY k",
        duckdb: None,
        rows: 200_000,
        kind: Kind::Latency,
        beside: None,
    },
    latency(
        "latency-filter",
        "the same through a filter with a computed column",
        "",
        "SELECT k, v * 2 AS doubled, ts FROM events WHERE v < 900",
    ),
    latency(
        "latency-join",
        "the same through a join with the rows that came before and a table of 1,000 rows, which may change",
        "CREATE TABLE names (k BIGINT, name VARCHAR); \
         INSERT INTO names SELECT x, 'name ' || x FROM generate_series(0, 999) AS g (x)",
        "SELECT events.k, name, v FROM events JOIN names ON events.k = names.k",
    ),
    latency(
        "latency-top-10",
        "the same through the ten greatest",
        "",
        "SELECT k, v, ts FROM events ORDER BY v DESC, ts, k LIMIT 10",
    ),
    Workload {
        name: "latency-beside-load",
        about: "the same at 1,000 rows a second while another thread reads a source into a join of 20 rows for each and an aggregate",
        source: Source::Events { keys: 1_000 },
        setup: "",
        sql: "SELECT k, count(*) AS n, sum(v) AS total FROM events WHERE v < 900 GROUP BY k",
        duckdb: None,
        rows: 10_000,
        kind: Kind::Latency,
        beside: Some(LOAD),
    },
];

/// A source without end, each row of which meets twenty rows of a table.
const LOAD: &str = "CREATE TABLE tags (g BIGINT, tag BIGINT);
INSERT INTO tags VALUES (0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (0, 6), (0, 7), (0, 8), (0, 9),
  (0, 10), (0, 11), (0, 12), (0, 13), (0, 14), (0, 15), (0, 16), (0, 17), (0, 18), (0, 19);
CREATE SOURCE load (g BIGINT, k BIGINT, v BIGINT)
  FROM GENERATOR ('fields.g.max' = '0', 'fields.k.max' = '999', 'fields.v.max' = '999');
CREATE STREAM heavy AS
  SELECT tag, k, count(*) AS n, sum(v) AS total FROM load JOIN tags ON load.g = tags.g GROUP BY tag, k";
