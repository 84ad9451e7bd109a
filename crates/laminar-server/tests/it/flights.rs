//! All flights of 2013 through every kind of window: the digits are those of DuckDB and pandas (`tests/golden/expected.py`).

use std::collections::HashMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{finished, laminar, repository};

/// A value in the one form that the digests are made of.
fn canonical(value: &str) -> String {
    if let Some((whole, fraction)) = value.split_once('.')
        && fraction.bytes().all(|digit| digit == b'0')
    {
        return whole.to_owned();
    }
    value.to_owned()
}

/// `rows digest` of a CSV with a header.
fn digest(csv: &str) -> String {
    let mut lines: Vec<String> =
        csv.lines().skip(1).map(|line| line.split(',').map(canonical).collect::<Vec<_>>().join(",")).collect();
    lines.sort();
    let hash = Sha256::digest(lines.join("\n").as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} {hash}", lines.len())
}

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    std::fs::read_to_string(path).expect("the golden files are part of the repository")
}

#[test]
fn windows_over_all_flights_give_what_duckdb_and_pandas_give() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let mut command = laminar();
    command.env("OUT", out.path()).env("FLIGHTS_DATA", repository().join("examples/flights/data"));
    command.args(["run", "crates/laminar-server/tests/golden/flights.sql", "--format", "csv"]);
    let ran = finished(command.output().expect("the binary runs"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let (running, without_departure) = ran.out.split_once("\n\n").expect("two results");
    assert_eq!(without_departure, "without_departure\n8255\n");
    let mut ours = HashMap::from([("running".to_owned(), digest(running))]);
    for name in ["tumbled", "hopped", "sessions"] {
        let csv = std::fs::read_to_string(out.path().join(format!("{name}.csv"))).expect("the sink wrote its file");
        ours.insert(name.to_owned(), digest(&csv));
    }
    for line in golden("expected.txt").lines() {
        let (name, expected) = line.split_once(' ').expect("name rows digest");
        assert_eq!(ours[name], expected, "{name}");
    }
    assert!(ran.err.contains("336,776 rows in"), "{}", ran.err);
}

#[test]
fn the_example_runs_and_renaming_an_airline_corrects_the_view() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let mut command = laminar();
    command.env("FLIGHTS_OUT", out.path()).args(["run", "examples/flights/flights.sql", "--format", "csv"]);
    let ran = finished(command.output().expect("the binary runs"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("United Air Lines Inc.,58665,89705524"), "{}", ran.out);
    assert!(ran.out.contains("United Airlines,58665,89705524"), "{}", ran.out);
    assert!(out.path().join("hourly.parquet").metadata().expect("the sink wrote its file").len() > 1000);
    assert!(ran.err.contains("SELECT * FROM hourly$late"), "late rows are pointed at: {}", ran.err);
}
