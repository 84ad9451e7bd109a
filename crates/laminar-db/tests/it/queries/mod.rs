//! Random queries as materialized views over tables that change: after every step a view holds what its query answers ad hoc, and in
//! the end, where PostgreSQL is installed, what that answers over the same rows. Names and types of the columns are the same, too, and the
//! changes of a view add up to what it holds. Before the end statements change the tables, as they do PostgreSQL's.
//!
//! | variable | meaning |
//! |---|---|
//! | `LAMINAR_QUERY_CASES` | how many queries (200) |
//! | `LAMINAR_QUERY_SEED` | the one to repeat; with `LAMINAR_QUERY_CASES` the first one |
//! | `LAMINAR_QUERY_FAILURES` | after so many that differ the rest is left (12) |
//!
//! A query that is refused counts by what it is told; the test fails if that is not in [`REFUSALS`].

mod case;
mod report;
mod shrink;
mod statements;

use std::time::Instant;

use laminar_testkit::random::query::random_query;

use crate::postgres::Postgres;
use case::{Case, Outcome, tables};
use report::Report;

/// Queries that follow the same changes, in one database.
const TOGETHER: u64 = 8;

/// What may be refused, by code and message without its names and numbers, and why.
const REFUSALS: &[(&str, &str)] = &[
    ("in which several sets of GROUPING SETS are empty", "each has a row of its own, also where nothing is grouped"),
    (
        "two output columns are called",
        "CUBE and ROLLUP name one column of USING twice, under two names; or LATERAL with a sub-query for each row",
    ),
    (
        "a row with an aggregate or OVER that is compared with those of a sub-query",
        "within the sub-query they would be of its rows",
    ),
    ("that differ in their casts alone", "the planner tells calls apart by names in which casts are not seen"),
    // Errors that mean something else than they say, or should be none: to be mended.
    ("a sub-query inside an expression in a continuous query", "LATERAL below a LATERAL that reads nothing of what is before it"),
];

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a whole number, not '{text}'")))
}

#[test]
fn random_queries_hold_what_they_answer() {
    let postgres = Postgres::start();
    let mut connection = postgres.as_ref().map(Postgres::connect);
    let first = number("LAMINAR_QUERY_SEED");
    let cases = number("LAMINAR_QUERY_CASES").unwrap_or(if first.is_some() { 1 } else { 200 });
    let seeds: Vec<u64> = (first.unwrap_or(0)..).take(cases as usize).collect();
    let failures_max = number("LAMINAR_QUERY_FAILURES").unwrap_or(12) as usize;
    let (mut report, began) = (Report::default(), Instant::now());
    for group in seeds.chunk_by(|a, b| a / TOGETHER == b / TOGETHER) {
        if report.failures() >= failures_max {
            break;
        }
        let queries = group.iter().map(|seed| random_query(&tables(), *seed)).collect();
        let case = Case::new(group[0] / TOGETHER, queries);
        for (at, outcome) in case.run(&mut connection).into_iter().enumerate() {
            let alone = case.only(at);
            match outcome {
                Outcome::Differs(_) => report.differs(group[at], shrink::smallest(&alone, &mut connection)),
                Outcome::Refused(refusal) if report.is_new(&refusal) && !report::is_expected(&refusal, REFUSALS) => {
                    report.refused(&refusal, &shrink::smallest(&alone, &mut connection).0);
                }
                Outcome::Refused(refusal) => report.refused(&refusal, &alone),
                other => report.count(&other, &alone),
            }
        }
        report.progress(group.len());
    }
    println!("{report}in {:.1?}", began.elapsed());
    report.assert_nothing_unexpected(REFUSALS);
}
