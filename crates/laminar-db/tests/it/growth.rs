//! Ten times the rows take ten times the time, also where all have one key, one partition or one group, or where there are many windows. Something that
//! looks at all rows for each row would take a hundred times as long.

use std::time::{Duration, Instant};

use laminar_db::Database;

/// Rows, and ten times as many.
const ROWS: [u64; 2] = [20_000, 200_000];
/// So many statements bring them.
const INSERTS: u64 = 20;
/// At most so many times as long, where the rows are ten times as many.
const GROWTH_MAX: u32 = 30;
/// Less is mostly planning, which does not grow.
const LEAST: Duration = Duration::from_millis(50);

/// The time for which this thread had a processor: others may run beside it.
fn busy() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(stat.split_whitespace().next()?.parse().ok()?))
}

/// How long it takes to bring `rows` into `tables`, a name with what is selected from `x` = 1, 2, … each, and to run `then` behind them.
fn time_of(created: &str, tables: &[(&str, &str)], rows: u64, then: impl Fn(u64) -> Vec<String>) -> Duration {
    let db = Database::open(":memory:").unwrap();
    db.execute(created).unwrap();
    let (begin, began) = (busy(), Instant::now());
    let each = rows / INSERTS;
    for (insert, (table, row)) in (0..INSERTS).flat_map(|insert| tables.iter().map(move |table| (insert, table))) {
        let (from, to) = (insert * each + 1, (insert + 1) * each);
        db.execute(&format!("INSERT INTO {table} SELECT {row} FROM generate_series({from}, {to}) AS g (x)")).unwrap();
    }
    then(rows).iter().for_each(|statement| _ = db.execute(statement).unwrap());
    busy().zip(begin).map_or_else(|| began.elapsed(), |(now, begin)| now - begin)
}

fn check(created: &str, tables: &[(&str, &str)], then: impl Fn(u64) -> Vec<String>) {
    let [few, many] = ROWS.map(|rows| time_of(created, tables, rows, &then));
    assert!(many < GROWTH_MAX * few.max(LEAST), "{few:?} for {} rows, {many:?} for {}: {created}", ROWS[0], ROWS[1]);
}

fn nothing(_: u64) -> Vec<String> {
    Vec::new()
}

/// Twenty deletions of a hundredth each.
fn deletions(condition: impl Fn(u64) -> String) -> Vec<String> {
    (1..=20).map(|part| format!("DELETE FROM f WHERE {}", condition(part))).collect()
}

#[test]
fn joins_whose_rows_all_have_one_key() {
    let created = "CREATE TABLE f (id BIGINT, k BIGINT); CREATE TABLE d (k BIGINT PRIMARY KEY, name VARCHAR); INSERT INTO d VALUES (0, 'zero');
                   CREATE MATERIALIZED VIEW v AS SELECT f.id, d.name FROM f LEFT JOIN d ON f.k = d.k";
    check(created, &[("f", "x, 0")], |_| {
        let renamed = (0..5).map(|name| format!("UPDATE d SET name = 'name {name}'"));
        deletions(|part| format!("id % 100 = {part}")).into_iter().chain(renamed).collect()
    });
}

#[test]
fn asof_joins_without_a_key() {
    let created = "CREATE TABLE f (id BIGINT, at BIGINT); CREATE TABLE d (id BIGINT, at BIGINT);
                   CREATE MATERIALIZED VIEW v AS SELECT f.id, d.id AS other FROM f ASOF JOIN d MATCH_CONDITION (f.at >= d.at)";
    check(created, &[("f", "x, x"), ("d", "x, x")], nothing);
}

#[test]
fn joins_by_time_whose_rows_all_have_one_key() {
    let created = "CREATE SOURCE f (id BIGINT, k BIGINT, at TIMESTAMP, WATERMARK FOR at AS at);
                   CREATE SOURCE d (id BIGINT, k BIGINT, at TIMESTAMP, WATERMARK FOR at AS at);
                   CREATE MATERIALIZED VIEW v AS
                   SELECT count(*) AS n FROM f JOIN d ON f.k = d.k AND d.at BETWEEN f.at AND f.at + INTERVAL '2' SECOND";
    let row = "x, 0, TIMESTAMP '2024-01-01' + x * INTERVAL '1' SECOND";
    check(created, &[("f", row), ("d", row)], nothing);
}

#[test]
fn frames_of_one_long_partition() {
    let created = "CREATE TABLE f (id BIGINT PRIMARY KEY, v BIGINT);
                   CREATE MATERIALIZED VIEW v AS SELECT id, sum(v) OVER (ORDER BY id ROWS 10 PRECEDING) AS s FROM f";
    // In no order.
    check(created, &[("f", "(x * 7919) % 1000003, x")], |_| {
        (1..=20).map(|row| format!("UPDATE f SET v = 0 WHERE id = {}", 7919 * row)).collect()
    });
}

#[test]
fn first_rows_that_go_one_after_the_other() {
    let created = "CREATE TABLE f (id BIGINT PRIMARY KEY, v BIGINT);
                   CREATE MATERIALIZED VIEW v AS SELECT id, v FROM f ORDER BY v DESC LIMIT 10;
                   CREATE MATERIALIZED VIEW n AS SELECT id, row_number() OVER (ORDER BY v DESC) AS n FROM f QUALIFY n <= 10";
    check(created, &[("f", "x, x")], |rows| deletions(|part| format!("id > {}", rows - rows / 100 * part)));
}

#[test]
fn aggregates_of_one_group_whose_least_values_go() {
    for (column, value) in [("BIGINT", "x"), ("VARCHAR", "CAST(x AS VARCHAR)")] {
        let created = format!(
            "CREATE TABLE f (id BIGINT PRIMARY KEY, v {column});
             CREATE MATERIALIZED VIEW v AS SELECT min(v) AS lo, max(v) AS hi, count(DISTINCT v) AS n FROM f"
        );
        check(&created, &[("f", &format!("x, {value}"))], |rows| deletions(|part| format!("id <= {}", rows / 100 * part)));
    }
}

#[test]
fn many_windows_that_stay_open() {
    let created = "CREATE SOURCE f (at TIMESTAMP, v BIGINT, WATERMARK FOR at AS at - INTERVAL '1000' DAY);
                   CREATE MATERIALIZED VIEW v AS SELECT window_start, sum(v) AS s FROM f GROUP BY TUMBLE(at, INTERVAL '1' SECOND)";
    check(created, &[("f", "TIMESTAMP '2024-01-01' + x * INTERVAL '1 second', x")], nothing);
}

#[test]
fn sessions_of_one_key_that_come_in_no_order() {
    let created = "CREATE SOURCE f (at TIMESTAMP, v BIGINT, WATERMARK FOR at AS at - INTERVAL '10000' DAY);
                   CREATE MATERIALIZED VIEW v AS SELECT window_start, sum(v) AS s FROM f GROUP BY SESSION(at, INTERVAL '5' SECOND)";
    check(created, &[("f", "TIMESTAMP '2024-01-01' + ((x * 7919) % 1000003) * INTERVAL '10 second', x")], nothing);
}

#[test]
fn sessions_of_one_key_whose_rows_go() {
    let created = "CREATE TABLE f (at TIMESTAMP, v BIGINT);
                   CREATE MATERIALIZED VIEW v AS SELECT window_start, sum(v) AS s FROM f GROUP BY SESSION(at, INTERVAL '5' SECOND)";
    check(created, &[("f", "TIMESTAMP '2024-01-01' + ((x * 7919) % 1000003) * INTERVAL '10 second', x")], |_| {
        deletions(|part| format!("v % 100 = {part}"))
    });
}

#[test]
fn values_that_are_looked_for_among_nulls() {
    let created = "CREATE TABLE f (id BIGINT, v BIGINT);
                   CREATE MATERIALIZED VIEW v AS SELECT id, lead(v) IGNORE NULLS OVER (ORDER BY id) AS next, lag(v, 2) IGNORE NULLS OVER (ORDER BY id) AS last FROM f";
    check(created, &[("f", "(x * 7919) % 1000003, NULL")], |_| deletions(|part| format!("id % 100 = {part}")));
}

#[test]
fn frames_of_many_groups() {
    let created = "CREATE TABLE f (id BIGINT, v BIGINT);
                   CREATE MATERIALIZED VIEW v AS SELECT id, count(v) OVER (ORDER BY id GROUPS BETWEEN 1000000 PRECEDING AND CURRENT ROW) AS n FROM f";
    check(created, &[("f", "x, x")], nothing);
}
