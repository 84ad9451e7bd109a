//! Random text: parsing answers with statements or errors that can be shown, and never panics.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "BY",
    "ORDER",
    "HAVING",
    "TUMBLE",
    "HOP",
    "SESSION",
    "CUMULATE",
    "TUMBLE_START",
    "window_start",
    "(",
    "(",
    ")",
    ")",
    ",",
    ",",
    ";",
    ".",
    "*",
    "=",
    "-",
    "::",
    "[",
    "]",
    "'a'",
    "'1 minute'",
    "INTERVAL",
    "MINUTE",
    "MONTH",
    "1",
    "0",
    "-1",
    "99999999999999999999",
    "ts",
    "t",
    "\"T\"",
    "ü",
    "日本",
    "EMIT",
    "ON",
    "WATERMARK",
    "WINDOW",
    "CLOSE",
    "FINAL",
    "EVERY",
    "ALLOW",
    "LATENESS",
    "LATE",
    "DATA",
    "TO",
    "CREATE",
    "OR",
    "REPLACE",
    "SOURCE",
    "TABLE",
    "STREAM",
    "VIEW",
    "MATERIALIZED",
    "SINK",
    "IF",
    "NOT",
    "EXISTS",
    "AS",
    "FOR",
    "WITH",
    "INTO",
    "FILE",
    "FORMAT",
    "CSV",
    "path",
    "connector",
    "PRIMARY",
    "KEY",
    "INT",
    "VARCHAR",
    "TIMESTAMP",
    "INSERT",
    "VALUES",
    "DROP",
    "CASCADE",
    "SHOW",
    "DESCRIBE",
    "EXPLAIN",
    "WHY",
    "STATE",
    "ANALYZE",
    "VERIFY",
    "AST",
    "SUBSCRIBE",
    "snapshot",
    "OF",
    "STEP",
    "SET",
    "RESET",
    "UNION",
    "ALL",
    "JOIN",
    "LATERAL",
    "DESCRIPTOR",
    "PARTITION",
    "${X}",
    "${Y:-1}",
    "$${",
    "${",
    "$1",
    "$$",
    "--",
    "/*",
    "*/",
    "\n",
    "'",
    "\"",
    "E'\\",
    "\t",
    "CASE",
    "END",
    "NULL",
    "AND",
    "DISTINCT",
    "QUALIFY",
    "=>",
    "{",
    "}",
    "%",
    "\u{0}",
    "\u{301}",
    "\\",
    "GROUPING",
    "SETS",
];

/// Statements that are correct, into which the soup is stirred.
const SEEDS: &[&str] = &[
    "CREATE SOURCE s ( a INT NOT NULL , ts TIMESTAMP , WATERMARK FOR ts AS ts - INTERVAL '5' SECOND ) FROM FILE ( path = 'x' ) FORMAT CSV",
    "SELECT a , window_start FROM t GROUP BY a , TUMBLE ( ts , INTERVAL '1' MINUTE ) EMIT ON WINDOW CLOSE ALLOW LATENESS INTERVAL '1' SECOND",
    "SELECT * FROM TABLE ( HOP ( TABLE t , DESCRIPTOR ( ts ) , INTERVAL '1' MINUTE , INTERVAL '2' MINUTE ) ) AS w",
    "CREATE SINK k AS SELECT a FROM t EMIT CHANGES INTO FILE ( path = 'x' ) FORMAT JSON ( a = 1 )",
    "CREATE SUBSCRIPTION s ON v WITH ( snapshot = true , history = '9 steps' )",
    "ACK s THROUGH STEP 3 ; FETCH 3 FROM s ; BACKUP TO 'x'",
    "SUBSCRIBE ( SELECT a FROM t ) WITH ( snapshot = true ) AS OF STEP 3",
];

fn soup(rng: &mut StdRng) -> String {
    let mut words: Vec<&str> = match rng.random_range(0..2) {
        0 => vec![],
        _ => SEEDS[rng.random_range(0..SEEDS.len())].split(' ').collect(),
    };
    for _ in 0..rng.random_range(1..12) {
        let word = WORDS[rng.random_range(0..WORDS.len())];
        let at = rng.random_range(0..=words.len());
        match rng.random_range(0..3) {
            0 if at < words.len() => {
                words.remove(at);
            }
            1 if at < words.len() => words[at] = word,
            _ => words.insert(at, word),
        }
    }
    let space = if rng.random_range(0..10) == 0 { "" } else { " " };
    words.join(space)
}

#[test]
fn no_text_makes_parsing_panic() {
    let rounds = std::env::var("LAMINAR_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20_000);
    for seed in 0..rounds {
        let text = soup(&mut StdRng::seed_from_u64(seed));
        for statement in parse_script_with(&text, &|name| (name == "X").then(|| "a'b".to_owned())) {
            match statement {
                Ok(statement) => assert!(statement.span.end <= text.len(), "seed {seed}: {text:?}"),
                Err(error) => {
                    let span = error.span().unwrap_or_else(|| panic!("seed {seed}: {error} has no place in {text:?}"));
                    assert!(span.start <= span.end && span.end <= text.len(), "seed {seed}: {error} {span:?} {text:?}");
                    assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end), "seed {seed}: {text:?}");
                    assert_ne!(error.code(), laminar_core::Code::Internal, "seed {seed}: {error} {text:?}");
                    render(&error, &text, None);
                }
            }
        }
    }
}

#[test]
fn a_statement_means_the_same_when_its_own_text_is_read_again() {
    for seed in 0..5_000 {
        let text = soup(&mut StdRng::seed_from_u64(1_000_000 + seed));
        for statement in parse_script(&text).into_iter().flatten() {
            let again =
                parse_statement(&statement.text).unwrap_or_else(|error| panic!("seed {seed}: {error} {:?}", statement.text));
            assert_eq!(show(&again.statement), show(&statement.statement), "seed {seed}");
        }
    }
}
