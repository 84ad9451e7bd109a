//! Every aggregate gives the same in a view as in an ad-hoc query, over random rows with the values that are special.

use laminar_db::Database;

/// Every aggregate that the language has, over the columns of [`TABLE`].
const CALLS: &[&str] = &[
    "count(*)",
    "count(x)",
    "count(DISTINCT x)",
    "count(DISTINCT s)",
    "count(DISTINCT t.*)",
    "sum(small)",
    "sum(x)",
    "sum(price)",
    "avg(small)",
    "avg(x)",
    "min(x)",
    "max(x)",
    "min(r)",
    "max(r)",
    "min(big)",
    "max(big)",
    "min(price)",
    "max(price)",
    "min(s)",
    "max(s)",
    "min(b::int)",
    "max(x) FILTER (WHERE small > 0)",
    "min(x) FILTER (WHERE b)",
    "bool_and(b)",
    "every(b)",
    "bool_or(b)",
    "bit_and(big)",
    "bit_or(big)",
    "bit_xor(big)",
    "variance(small)",
    "var_samp(small)",
    "var_pop(small)",
    "stddev(small)",
    "stddev_samp(small)",
    "stddev_pop(small)",
    "corr(small, id)",
    "covar_samp(small, id)",
    "covar_pop(small, id)",
    "regr_count(small, id)",
    "regr_slope(small, id)",
    "median(small)",
    "mode() WITHIN GROUP (ORDER BY small)",
    "mode() WITHIN GROUP (ORDER BY s DESC)",
    "percentile_disc(0.3) WITHIN GROUP (ORDER BY small)",
    "percentile_disc(0.7) WITHIN GROUP (ORDER BY s DESC)",
    "percentile_cont(0.3) WITHIN GROUP (ORDER BY small)",
    "string_agg(s, ',' ORDER BY id)",
    "string_agg(s, s ORDER BY id DESC)",
    "string_agg(DISTINCT s, ',' ORDER BY s)",
    "array_agg(small ORDER BY id)",
    "array_agg(DISTINCT s ORDER BY s DESC)",
    "first_value(s ORDER BY id)",
    "last_value(x ORDER BY id)",
];

const TABLE: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, g VARCHAR, x DOUBLE, r REAL, small INT, big BIGINT, price DECIMAL(12, 2), s VARCHAR, b BOOLEAN)";

/// A generator of its own, so that a seed stays the same for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn pick<'a>(&mut self, values: &[&'a str]) -> &'a str {
        values[self.below(values.len() as u64) as usize]
    }

    fn row(&mut self, id: u64) -> String {
        let g = self.pick(&["'a'", "'b'", "'c'", "NULL"]);
        let x = self.pick(&["'NaN'", "'Infinity'", "'-Infinity'", "NULL", "1.5", "-2", "0", "'-0'", "1e300", "3"]);
        let r = self.pick(&["'NaN'", "'Infinity'", "'-Infinity'", "NULL", "0.5", "-7", "4"]);
        let small = self.pick(&["NULL", "1", "2", "3", "-40", "7", "7", "0"]);
        let big = self.pick(&["NULL", "9223372036854775807", "-9223372036854775808", "0", "12", "-1"]);
        let price = self.pick(&["NULL", "0.01", "9999999999.99", "-9999999999.99", "12.34", "0"]);
        let s = self.pick(&["NULL", "'x'", "'y'", "''", "'zz'", "'y'"]);
        let b = self.pick(&["NULL", "true", "false", "true"]);
        format!("({id}, {g}, {x}, {r}, {small}, {big}, {price}, {s}, {b})")
    }
}

/// Equal texts, or numbers that differ by rounding alone: a view adds exactly, an ad-hoc query in the order of the rows.
fn alike(left: &str, right: &str) -> bool {
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left), Ok(right)) if left.is_finite() && right.is_finite() => {
            (left - right).abs() <= 1e-9 * left.abs().max(right.abs()).max(1e-9)
        }
        _ => left == right,
    }
}

fn check(seed: u64) {
    let mut random = Random(seed);
    let db = Database::builder().build();
    db.execute(TABLE).expect("the table is fine");
    let views: Vec<(String, String)> = CALLS
        .iter()
        .enumerate()
        .flat_map(|(number, call)| {
            let grouped = format!("SELECT g, {call} AS v FROM t GROUP BY g");
            [(format!("v{number}"), format!("SELECT {call} AS v FROM t")), (format!("g{number}"), grouped)]
        })
        .collect();
    for (name, query) in &views {
        db.execute(&format!("CREATE MATERIALIZED VIEW {name} AS {query}")).unwrap_or_else(|error| panic!("{query}: {error:?}"));
    }
    for step in 0..3 {
        let rows: Vec<String> = (0..random.below(12)).map(|row| random.row(step * 20 + row)).collect();
        if !rows.is_empty() {
            db.execute(&format!("INSERT INTO t VALUES {}", rows.join(", "))).expect("the rows are fine");
        }
        for (name, query) in &views {
            let sorted = |sql: &str| {
                let mut rows = db.query(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}")).to_strings();
                rows.sort();
                rows
            };
            let (view, ad_hoc) = (sorted(&format!("SELECT * FROM {name}")), sorted(query));
            let same = view.len() == ad_hoc.len()
                && view.iter().zip(&ad_hoc).all(|(l, r)| l.len() == r.len() && l.iter().zip(r).all(|(l, r)| alike(l, r)));
            assert!(same, "seed {seed}, step {step}: {query}\n  view:   {view:?}\n  ad hoc: {ad_hoc:?}");
        }
    }
}

#[test]
fn every_aggregate_is_the_same_in_a_view_and_ad_hoc() {
    (1..=6).for_each(check);
}
