//! What holds for any text: it becomes statements, plans and graphs, or errors that have a place in it and are not ours.
//!
//! The fuzz targets of `fuzz/` run these functions over whatever they come upon, the tests below over random queries of fixed
//! seeds. Parsing alone is tested with random words beside the parser.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use laminar_core::dag::{DagBuilder, SourceSpec};
use laminar_core::time::watermark::{WatermarkRule, WatermarkSpec};
use laminar_core::{Code, Error, NodeId};
use laminar_sql::diagnostic::render;
use laminar_sql::lower::lower;
use laminar_sql::parse::{Statement, StreamQuery, SubscribeInput, parse_script, parse_statement};
use laminar_sql::plan::{Catalog, Planner, Purpose, Relation, RelationKind};

/// Reads the text as statements and carries every query as far as it goes.
pub(crate) fn parse_and_plan(text: &str) {
    for statement in parse_script(text) {
        match statement {
            Err(error) => assert_error(&error, text),
            Ok(parsed) => {
                for query in queries_of(&parsed.statement) {
                    plan(query, &parsed.text);
                }
            }
        }
    }
}

/// Reads the text as the length of a window.
pub(crate) fn interval(text: &str) {
    let quoted = text.replace('\'', "''");
    for length in [format!("INTERVAL '{quoted}'"), format!("INTERVAL '{quoted}' MINUTE"), format!("'{quoted}'"), text.to_owned()]
    {
        let sql = format!("SELECT count(*) FROM trades GROUP BY TUMBLE(ts, {length})");
        match parse_statement(&sql) {
            Err(error) => assert_error(&error, &sql),
            Ok(parsed) => queries_of(&parsed.statement).into_iter().for_each(|query| plan(query, &parsed.text)),
        }
    }
}

/// Every error can be shown; a mistake of ours is a find.
fn assert_error(error: &Error, text: &str) {
    assert_ne!(error.code(), Code::Internal, "{error} {text:?}");
    if let Some(span) = error.span() {
        assert!(span.start <= span.end && span.end <= text.len(), "{error} {span:?} {text:?}");
    }
    render(error, text, None);
}

fn queries_of(statement: &Statement) -> Vec<&StreamQuery> {
    match statement {
        Statement::CreateStream(create) | Statement::CreateMaterializedView(create) | Statement::CreateView(create) => {
            vec![&create.query]
        }
        Statement::Select(query) => vec![query],
        Statement::Subscribe(subscribe) => match &subscribe.input {
            SubscribeInput::Query(query) => vec![query],
            SubscribeInput::Object(_) => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn plan(query: &StreamQuery, text: &str) {
    thread_local! {
        static WORLD: (Planner, Objects) = (Planner::new(), Objects::new());
    }
    WORLD.with(|(planner, objects)| {
        for purpose in [Purpose::View, Purpose::Stream] {
            let lowered =
                planner.plan_continuous(query, purpose, text, objects).and_then(|plan| lower(&plan, "query", NodeId(100)));
            if let Err(error) = lowered {
                assert_error(&error, text);
            }
        }
    });
}

/// A source `trades` with a watermark, and a table `rates`.
struct Objects(Vec<Relation>);

impl Objects {
    fn new() -> Self {
        let mut dag = DagBuilder::new();
        let column = |name: &str, data_type| Field::new(name, data_type, true);
        let trades = Schema::new(vec![
            column("symbol", DataType::Utf8),
            column("price", DataType::Float64),
            column("volume", DataType::Int64),
            column("ts", DataType::Timestamp(TimeUnit::Nanosecond, None)),
        ]);
        let rates = Schema::new(vec![column("symbol", DataType::Utf8), column("rate", DataType::Decimal128(10, 4))]);
        let rule = WatermarkRule::BoundedOutOfOrderness { delay: 5_000_000_000 };
        let spec = SourceSpec { watermark: Some(WatermarkSpec::new(3, rule)), idle_timeout: None };
        let source = dag.source("trades", Arc::new(trades), spec);
        let (_, table) = dag.table("rates", Arc::new(rates), Some(vec![0]));
        let relation = |name: &str, kind, node| Relation {
            name: name.to_owned(),
            kind,
            node,
            properties: dag.properties(node).clone(),
            changes_of: None,
            inlined: None,
        };
        Self(vec![relation("trades", RelationKind::Source, source), relation("rates", RelationKind::Table, table)])
    }
}

impl Catalog for Objects {
    fn relation(&self, name: &str) -> Option<Relation> {
        self.0.iter().find(|relation| relation.name == name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|relation| relation.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::seq::IndexedRandom;
    use rand::{RngExt, SeedableRng};

    fn check(usual: u64, text: impl Fn(&mut StdRng) -> String, body: fn(&str)) {
        let rounds = std::env::var("LAMINAR_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usual);
        for seed in 0..rounds {
            let text = text(&mut StdRng::seed_from_u64(seed));
            // Whatever fails is told with the text, so that it can become a test of its own.
            if let Err(panic) = std::panic::catch_unwind(|| body(&text)) {
                #[expect(clippy::print_stderr, reason = "a failing test may speak")]
                {
                    eprintln!("seed {seed}: {text}");
                }
                std::panic::resume_unwind(panic);
            }
        }
    }

    fn one_of(random: &mut StdRng, choices: &[&'static str]) -> &'static str {
        choices.choose(random).expect("there is a choice")
    }

    /// An expression: mostly one that has a type.
    fn expression(random: &mut StdRng, depth: u32) -> String {
        if depth == 0 {
            const LEAVES: &[&str] = &[
                "symbol",
                "price",
                "volume",
                "ts",
                "rate",
                "t.symbol",
                "window_start",
                "window_end",
                "nothing",
                "1",
                "0",
                "-1",
                "2.5",
                "NULL",
                "'a'",
                "true",
                "9223372036854775807",
                "99999999999999999999",
                "TIMESTAMP '2026-01-01'",
                "INTERVAL '1 minute'",
                "*",
            ];
            return one_of(random, LEAVES).to_owned();
        }
        let shallower = random.random_range(0..depth);
        let (a, b) = (expression(random, depth - 1), expression(random, shallower));
        match random.random_range(0..12) {
            0..3 => format!("{a} {} {b}", one_of(random, &["+", "-", "*", "/", "%", "||", "=", "<", "<>", "AND", "OR", "LIKE"])),
            3..6 => {
                format!("{}({a})", one_of(random, &["sum", "count", "min", "avg", "array_agg", "abs", "upper", "length", "NOT"]))
            }
            6 => format!("{}({a}, {b})", one_of(random, &["coalesce", "nullif", "date_bin", "corr", "concat", "power"])),
            7 => format!("CASE WHEN {a} THEN {b} ELSE {a} END"),
            8 => format!(
                "CAST({a} AS {})",
                one_of(random, &["BIGINT", "VARCHAR", "TIMESTAMP", "DECIMAL(5, 2)", "DATE", "BOOLEAN"])
            ),
            9 => format!("{a} {}", one_of(random, &["IS NULL", "IN (1, 2)", "BETWEEN 1 AND 2", "= ANY(ARRAY[1])", "::INT"])),
            10 => format!("count(DISTINCT {a}) FILTER (WHERE {b})"),
            _ => format!("({})", one_of(random, &["SELECT max(rate) FROM rates", "SELECT 1", "SELECT * FROM trades"])),
        }
    }

    fn query(random: &mut StdRng) -> String {
        let columns: Vec<String> = (0..random.random_range(1..4)).map(|_| expression(random, 2)).collect();
        const FROM: &[&str] = &[
            "trades",
            "trades",
            "trades AS t",
            "rates",
            "trades AS t JOIN rates AS r ON t.symbol = r.symbol",
            "trades, rates",
            "TABLE(TUMBLE(TABLE trades, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) AS t",
            "(SELECT * FROM trades WHERE volume > 1) AS t",
            "trades AS t LEFT JOIN rates USING (symbol)",
            "nowhere",
        ];
        let mut sql = format!("SELECT {} FROM {}", columns.join(", "), one_of(random, FROM));
        if random.random_bool(0.4) {
            sql += &format!(" WHERE {}", expression(random, 2));
        }
        if random.random_bool(0.6) {
            const WINDOWS: &[&str] = &[
                "TUMBLE(ts, INTERVAL '1' MINUTE)",
                "HOP(ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)",
                "SESSION(ts, INTERVAL '1' MINUTE)",
                "CUMULATE(ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)",
                "symbol",
                "1",
                "t.symbol",
                "ROLLUP(symbol)",
            ];
            sql += &format!(" GROUP BY {}, {}", one_of(random, WINDOWS), expression(random, 1));
        }
        const CLAUSES: &[&str] =
            &["", "", "", " HAVING count(*) > 1", " ORDER BY 1 LIMIT 3", " UNION ALL SELECT symbol FROM rates", " OFFSET 1"];
        sql += one_of(random, CLAUSES);
        const EMITS: &[&str] =
            &["", "", "", " EMIT ON WINDOW CLOSE", " EMIT CHANGES", " EMIT FINAL", " EMIT EVERY INTERVAL '1' SECOND"];
        sql += one_of(random, EMITS);
        one_of(random, &["", "", "CREATE STREAM s AS ", "CREATE MATERIALIZED VIEW v AS ", "SUBSCRIBE ", "EXPLAIN "]).to_owned()
            + &sql
    }

    #[test]
    fn any_query_becomes_a_graph_or_an_error_with_a_place() {
        check(2_000, query, super::parse_and_plan);
    }

    #[test]
    fn any_text_is_a_length_of_a_window_or_an_error_with_a_place() {
        const PIECES: &[&str] = &[
            "1",
            "-",
            "+",
            " ",
            "90",
            ".",
            "5",
            "99999999999999999999",
            "e9",
            "minute",
            "minutes",
            "s",
            "ms",
            "hour",
            "day",
            "month",
            "year",
            "fortnight",
            ":",
            "'",
            "INTERVAL ",
            "MINUTE",
            "TO",
            "ts",
            "(",
            ")",
            "NULL",
            "\u{e9}",
            "\u{0}",
            "P1DT2H",
        ];
        let text = |random: &mut StdRng| (0..random.random_range(1..7)).map(|_| one_of(random, PIECES)).collect::<String>();
        check(3_000, text, super::interval);
    }
}
