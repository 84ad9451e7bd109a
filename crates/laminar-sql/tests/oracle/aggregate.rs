//! Groups without windows: random combinations of keys, aggregates and filters, over rows that come and go and rows that only come.

use laminar_testkit::oracle::{Query, Test};
use laminar_testkit::random::{Random, from_seed};
use rand::RngExt;

use crate::graph::check_graph;
use crate::tables::{facts, growing_facts, keyed};

/// Aggregates of the core.
const NATIVE: &[&str] = &[
    "COUNT(*)",
    "COUNT(a)",
    "COUNT(k)",
    "COUNT(DISTINCT a)",
    "COUNT(DISTINCT s)",
    "SUM(a)",
    "SUM(b)",
    "SUM(f)",
    "SUM(d)",
    "SUM(DISTINCT a)",
    "AVG(a)",
    "AVG(f)",
    "AVG(b)",
    "MIN(a)",
    "MAX(a)",
    "MIN(b)",
    "MAX(f)",
    "MIN(s)",
    "MAX(s)",
    "MIN(d)",
    "MAX(day)",
    "STDDEV(f)",
    "STDDEV_POP(a)",
    "VAR_SAMP(a)",
    "VAR_POP(f)",
    "BOOL_AND(p)",
    "BOOL_OR(p)",
    "SUM(a + 1)",
    "MAX(CASE WHEN p THEN a END)",
    "COUNT(*) FILTER (WHERE a > 0)",
    "SUM(b) FILTER (WHERE p)",
    "MIN(s) FILTER (WHERE a IS NULL)",
];

/// Aggregates that DataFusion computes for us, on values whose order is total.
const BRIDGED: &[&str] = &[
    "MEDIAN(a)",
    "MEDIAN(f)",
    "BIT_AND(b)",
    "BIT_OR(b)",
    "BIT_XOR(b)",
    "ARRAY_AGG(a ORDER BY a)",
    "STRING_AGG(s, ',' ORDER BY s)",
    "FIRST_VALUE(a ORDER BY a)",
    "LAST_VALUE(s ORDER BY s)",
    "COVAR_POP(a, a)",
];

const KEYS: &[&str] = &["k", "a", "p", "s", "day", "a % 2", "COALESCE(k, s)", "d"];
const FILTERS: &[&str] = &["a > 0", "k IS NOT NULL", "p", "f < 0 OR a = 1"];

/// `SELECT keys, aggregates FROM table WHERE … GROUP BY keys HAVING …`.
fn random_query(random: &mut Random, table: &str, aggregates: &[&str]) -> Query {
    let mut pick = |from: &[&str], most: usize| -> Vec<String> {
        let mut chosen: Vec<String> =
            (0..random.random_range(0..=most)).map(|_| from[random.random_range(0..from.len())].into()).collect();
        chosen.sort();
        chosen.dedup();
        chosen
    };
    let keys = pick(KEYS, 2);
    let mut chosen = pick(aggregates, 4);
    if chosen.is_empty() && keys.is_empty() {
        chosen.push("COUNT(*)".into());
    }
    let filter = pick(FILTERS, 1);
    let having = pick(&["COUNT(*) > 1", "COUNT(a) <> 2"], 1);

    let column = |(at, expr): (usize, &String)| format!("{expr} AS c{at}");
    let columns: Vec<String> = keys.iter().chain(&chosen).enumerate().map(column).collect();
    let mut sql = format!("SELECT {} FROM {table}", columns.join(", "));
    filter.iter().for_each(|filter| sql += &format!(" WHERE {filter}"));
    if !keys.is_empty() {
        sql += &format!(" GROUP BY {}", keys.join(", "));
    }
    having.iter().for_each(|having| sql += &format!(" HAVING {having}"));
    Query::same(sql)
}

fn random_queries(seed: u64, aggregates: &[&str]) -> Vec<Query> {
    let mut random = from_seed(seed);
    (0..80).map(|number| random_query(&mut random, if number % 3 == 0 { "u" } else { "t" }, aggregates)).collect()
}

#[test]
fn groups_agree_with_the_oracle() {
    check_graph(&Test::new(vec![facts("t"), growing_facts("u")], random_queries(1, NATIVE)));
}

#[test]
fn bridged_aggregates_agree_with_the_oracle() {
    let test = Test::new(vec![facts("t"), growing_facts("u")], random_queries(2, BRIDGED));
    check_graph(&Test { share: 2, ..test });
}

#[test]
fn aggregates_without_groups_and_over_aggregates_agree_with_the_oracle() {
    let queries = [
        "SELECT COUNT(*) AS n FROM t",
        "SELECT COUNT(*) AS n, SUM(a) AS total, MIN(s) AS least FROM t",
        "SELECT MAX(v) AS most FROM keyed",
        "SELECT COUNT(*) AS n FROM t WHERE a = 1 HAVING COUNT(*) > 1",
        "SELECT n, COUNT(*) AS groups FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) AS counts GROUP BY n",
        "SELECT MAX(total) AS most FROM (SELECT k, SUM(b) AS total FROM t GROUP BY k) AS totals",
        "SELECT k, SUM(v) AS total, COUNT(*) AS n FROM keyed GROUP BY k",
        "SELECT k, MAX(v) - MIN(v) AS spread FROM keyed WHERE id <> 3 GROUP BY k",
        "SELECT DISTINCT COUNT(*) AS n FROM t GROUP BY s",
    ];
    let test = Test::new(vec![facts("t"), keyed("keyed")], queries.map(Query::same).to_vec());
    check_graph(&Test { share: 2, ..test });
}

#[test]
fn grouping_sets_agree_with_the_oracle() {
    let queries = [
        "SELECT k, p, GROUPING(k, p) AS g, COUNT(*) AS n, SUM(a) AS total FROM t GROUP BY ROLLUP(k, p)",
        "SELECT k, p, a, GROUPING(a) AS g, MAX(b) AS most FROM t GROUP BY CUBE(k, p, a)",
        "SELECT k, COUNT(DISTINCT s) AS n FROM t WHERE a > 0 GROUP BY GROUPING SETS ((k), (k), ()) HAVING COUNT(*) <> 2",
        "SELECT a % 2 AS odd, k, MIN(s) AS least FROM u GROUP BY GROUPING SETS ((a % 2), (k, a % 2))",
        "SELECT k, p, day, COUNT(*) AS n FROM u GROUP BY k, ROLLUP(p, day)",
        "SELECT g, COUNT(*) AS n FROM (SELECT GROUPING(k) AS g, k FROM t GROUP BY CUBE(k)) AS q GROUP BY g",
    ];
    check_graph(&Test::new(vec![facts("t"), growing_facts("u")], queries.map(Query::same).to_vec()));
}
