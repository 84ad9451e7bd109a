//! The workloads by name: where the rows come from and what is asked about them.

use super::input::Source;

/// One thing to measure.
pub(super) struct Workload {
    /// What it is called on the command line.
    pub(super) name: &'static str,
    /// What it shows, for people.
    pub(super) about: &'static str,
    /// Where its rows come from.
    pub(super) source: Source,
    /// The query, as the stream and the batch engine both take it.
    pub(super) select: &'static str,
    /// When the stream shows results; the batch engine has no such clause.
    pub(super) emit: &'static str,
    /// The same question in DuckDB's words, if it can be asked in one pass.
    pub(super) duckdb: Option<&'static str>,
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
        format!("CREATE STREAM result AS {} {}", self.select, self.emit).trim_end().to_owned()
    }

    /// Rows of a run that says nothing about them.
    pub(super) fn rows_by_default(&self) -> usize {
        match self.kind {
            Kind::Throughput => 10_000_000,
            Kind::Latency if self.beside.is_some() => 10_000,
            Kind::Latency => 200_000,
        }
    }

    /// Rows a second of a run that says nothing about it.
    pub(super) fn rate_by_default(&self) -> u32 {
        if self.beside.is_some() { 1_000 } else { 100_000 }
    }
}

/// The workload called `name`.
pub(super) fn find(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}

const ON_CLOSE: &str = "EMIT ON WINDOW CLOSE";
const TUMBLE: &str =
    "SELECT k, window_start, count(*) AS n, sum(v) AS total FROM events GROUP BY k, TUMBLE(ts, INTERVAL '1' MINUTE)";
const TUMBLE_DUCKDB: &str = "SELECT k, date_trunc('minute', ts) AS window_start, count(*) AS n, \
                             CAST(sum(v) AS BIGINT) AS total FROM events GROUP BY k, window_start";

const fn tumble(name: &'static str, about: &'static str, source: Source) -> Workload {
    Workload {
        name,
        about,
        source,
        select: TUMBLE,
        emit: ON_CLOSE,
        duckdb: Some(TUMBLE_DUCKDB),
        kind: Kind::Throughput,
        beside: None,
    }
}

const fn nexmark(name: &'static str, about: &'static str, select: &'static str, emit: &'static str) -> Workload {
    Workload { name, about, source: Source::Bids, select, emit, duckdb: None, kind: Kind::Throughput, beside: None }
}

/// All of them, in the order in which they are listed.
pub(super) static WORKLOADS: [Workload; 16] = [
    tumble("tumble-1k", "tumbling count and sum, 1,000 keys", Source::Events { keys: 1_000 }),
    tumble("tumble-10k", "tumbling count and sum, 10,000 keys", Source::Events { keys: 10_000 }),
    tumble("tumble-1m", "tumbling count and sum, 1,000,000 keys", Source::Events { keys: 1_000_000 }),
    tumble("tumble-text", "tumbling count and sum by a text, 1,000 keys", Source::Named { keys: 1_000 }),
    Workload {
        name: "tumble-pair",
        about: "tumbling count and sum by a text and a number, 10,000 keys",
        source: Source::Named { keys: 1_000 },
        select: "SELECT k, part, window_start, count(*) AS n, sum(v) AS total FROM events \
                 GROUP BY k, part, TUMBLE(ts, INTERVAL '1' MINUTE)",
        emit: ON_CLOSE,
        duckdb: Some(
            "SELECT k, part, date_trunc('minute', ts) AS window_start, count(*) AS n, \
             CAST(sum(v) AS BIGINT) AS total FROM events GROUP BY k, part, window_start",
        ),
        kind: Kind::Throughput,
        beside: None,
    },
    Workload {
        name: "hop-60",
        about: "hopping windows of 60 panes, 1,000 keys",
        source: Source::Events { keys: 1_000 },
        select: "SELECT k, window_start, count(*) AS n, sum(v) AS total FROM events \
                 GROUP BY k, HOP(ts, INTERVAL '1' SECOND, INTERVAL '60' SECOND)",
        emit: ON_CLOSE,
        duckdb: None,
        kind: Kind::Throughput,
        beside: None,
    },
    Workload {
        name: "session",
        about: "sessions that end after 100 ms of silence, 1,000 keys",
        source: Source::Events { keys: 1_000 },
        select: "SELECT k, window_start, window_end, count(*) AS n, sum(v) AS total FROM events \
                 GROUP BY k, SESSION(ts, INTERVAL '100' MILLISECOND)",
        emit: ON_CLOSE,
        duckdb: None,
        kind: Kind::Throughput,
        beside: None,
    },
    Workload {
        name: "running-agg",
        about: "count and sum since the beginning with an update after every batch, 10,000 keys",
        source: Source::Events { keys: 10_000 },
        select: "SELECT k, count(*) AS n, sum(v) AS total FROM events GROUP BY k",
        emit: "",
        duckdb: Some("SELECT k, count(*) AS n, CAST(sum(v) AS BIGINT) AS total FROM events GROUP BY k"),
        kind: Kind::Throughput,
        beside: None,
    },
    Workload {
        name: "filter-project",
        about: "half of the rows with a computed column",
        source: Source::Events { keys: 1_000 },
        select: "SELECT k, v * 2 AS doubled, ts FROM events WHERE v < 500",
        emit: "",
        duckdb: Some("SELECT k, v * 2 AS doubled, ts FROM events WHERE v < 500"),
        kind: Kind::Throughput,
        beside: None,
    },
    nexmark("nexmark-q0", "bids as they are", "SELECT auction, bidder, price, date_time FROM bid", ""),
    nexmark("nexmark-q1", "bids in another currency", "SELECT auction, bidder, price * 0.908 AS price, date_time FROM bid", ""),
    nexmark("nexmark-q2", "bids on some auctions", "SELECT auction, price FROM bid WHERE auction % 123 = 0", ""),
    nexmark(
        "nexmark-q5",
        "bids on each auction in the last 10 seconds, every 2 seconds (the counting half)",
        "SELECT auction, window_start, window_end, count(*) AS bids FROM bid \
         GROUP BY auction, HOP(date_time, INTERVAL '2' SECOND, INTERVAL '10' SECOND)",
        ON_CLOSE,
    ),
    nexmark(
        "nexmark-q12",
        "bids of each bidder in every 10 seconds",
        "SELECT bidder, window_start, window_end, count(*) AS bids FROM bid \
         GROUP BY bidder, TUMBLE(date_time, INTERVAL '10' SECOND)",
        ON_CLOSE,
    ),
    Workload {
        name: "latency",
        about: "one row a push at a fixed rate (--rate) through filter and running aggregate, 1,000 keys",
        source: Source::Events { keys: 1_000 },
        select: "SELECT k, count(*) AS n, sum(v) AS total FROM events WHERE v < 900 GROUP BY k",
        emit: "",
        duckdb: None,
        kind: Kind::Latency,
        beside: None,
    },
    Workload {
        name: "latency-beside-load",
        about: "the same at 1,000 rows a second while another thread reads a source into a join of 20 rows for each and an aggregate",
        source: Source::Events { keys: 1_000 },
        select: "SELECT k, count(*) AS n, sum(v) AS total FROM events WHERE v < 900 GROUP BY k",
        emit: "",
        duckdb: None,
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
