//! `laminar bench`: every workload on few rows, what it prints, and what it refuses.

use std::collections::HashMap;

use super::{Ran, finished, laminar};

fn bench(arguments: &[&str]) -> Ran {
    finished(laminar().arg("bench").args(arguments).output().expect("the binary runs"))
}

/// The names that `laminar bench` lists.
fn workloads() -> Vec<String> {
    let listed = bench(&["--format", "csv"]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    listed.out.lines().skip(1).filter_map(|line| Some(line.split_once(',')?.0.to_owned())).collect()
}

/// The tables of a CSV output, each line as a map by column.
fn lines(csv: &str) -> Vec<HashMap<String, String>> {
    let mut found = Vec::new();
    for table in csv.trim_end().split("\n\n") {
        let mut rows = table.lines();
        let names: Vec<&str> = rows.next().expect("a header").split(',').collect();
        found.extend(rows.map(|row| names.iter().map(ToString::to_string).zip(row.split(',').map(str::to_owned)).collect()));
    }
    found
}

#[test]
fn every_workload_gives_the_batch_answer_with_one_worker_and_with_two() {
    let names = workloads();
    assert!(names.len() >= 30 && names.contains(&"nexmark-q22".to_owned()), "{names:?}");
    let mut arguments: Vec<&str> = names.iter().map(String::as_str).collect();
    arguments.extend(["--rows", "4000", "--runs", "2", "--rate", "100000", "--format", "csv", "--workers"]);
    let [one, two] = ["1", "2"].map(|workers| {
        let ran = bench(&[arguments.as_slice(), &[workers]].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        lines(&ran.out)
    });
    assert_eq!(one.len(), names.len(), "one line for each workload");
    for (one, two) in one.iter().zip(&two) {
        assert_eq!((one["rows"].as_str(), one["batch_agrees"].as_str(), two["batch_agrees"].as_str()), ("4000", "yes", "yes"));
        assert_eq!((&one["workload"], &one["checksum"]), (&two["workload"], &two["checksum"]));
        assert_ne!(one["rows_out"], "0", "{one:?}");
    }
}

#[test]
fn the_queries_of_nexmark_have_a_name_together() {
    let ran = bench(&["nexmark", "--rows", "100", "--runs", "1", "--no-check", "--format", "csv"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let names: Vec<String> = lines(&ran.out).iter().map(|line| line["workload"].clone()).collect();
    assert_eq!(names, (0..23).map(|number| format!("nexmark-q{number}")).collect::<Vec<_>>());
}

#[test]
fn rates_percentiles_and_memory_are_told() {
    let ran =
        bench(&["tumble-1k", "latency", "--rows", "2000", "--runs", "1", "--rate", "50000", "--no-check", "--format", "csv"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let lines = lines(&ran.out);
    let number = |line: usize, column: &str| lines[line][column].parse::<f64>().expect("a number");
    for column in ["rows_per_s_min", "rows_per_s", "rows_per_s_max", "rows_per_cpu_s", "input_mib"] {
        assert!(number(0, column) > 0.0, "{column}: {}", ran.out);
    }
    for pair in ["p50_us", "p90_us", "p99_us", "p99_9_us", "max_us"].windows(2) {
        assert!(0.0 < number(1, pair[0]) && number(1, pair[0]) <= number(1, pair[1]) * 1.001, "{pair:?}: {}", ran.out);
    }
    assert!(number(1, "reached_per_s") <= 50_500.0 && number(1, "closed_loop_us") > 0.0, "{}", ran.out);
    assert_eq!(lines[1]["batch_agrees"], "not asked");
}

#[track_caller]
fn refused(arguments: &[&str], messages: &[&str]) {
    let ran = bench(arguments);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
    for message in messages {
        assert!(ran.err.contains(message), "{message} is not in: {}", ran.err);
    }
}

#[test]
fn a_name_that_is_none_is_answered_with_the_nearest_one() {
    refused(&["hopp-60"], &["a similar value exists: 'hop-60'"]);
    refused(&["tumble-1k", "--compare", "dukdb"], &["a similar value exists: 'duckdb'"]);
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_runs() {
    refused(&["hop-60", "--compare", "duckdb"], &["hop-60 has no counterpart in DuckDB", "these have: tumble-1k"]);
    refused(&["--compare", "duckdb"], &["needs a workload"]);
}

#[test]
fn a_comparison_without_python_says_what_to_install() {
    let mut command = laminar();
    command.env("PATH", "/nowhere").args(["bench", "tumble-1k", "--compare", "duckdb"]);
    let ran = finished(command.output().expect("the binary runs"));
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
    assert!(ran.err.contains("pip install duckdb pyarrow") && !ran.err.contains("making"), "{}", ran.err);
}

#[test]
fn what_a_directory_costs_is_told_line_by_line_beside_the_device() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().display().to_string();
    let ran = bench(&["durability", "--quick", "--rows", "3000", "--dir", &dir, "--format", "csv"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let lines = lines(&ran.out);
    let line =
        |name: &str| lines.iter().find(|line| line["figure"].contains(name)).unwrap_or_else(|| panic!("{name}: {}", ran.out));
    for (name, unit) in [
        ("fdatasync of 4 KiB p50", "us"),
        ("sequential write", "MB/s"),
        ("push durability full 1 caller p99", "us"),
        ("push durability full 8 callers rate", "per s"),
        ("push durability group 8 callers p50", "us"),
        ("push durability none 1 caller rate", "per s"),
        ("file to file exactly once", "rows/s"),
        ("exactly once of the rate without", "%"),
        ("checkpoint pause p99", "us"),
        ("recovery of the raw read", "x"),
    ] {
        assert_eq!(line(name)["unit"], unit);
        assert!(line(name)["value"].parse::<f64>().expect("a number") > 0.0, "{name}: {}", ran.out);
    }
    let idle = line("idle database files written");
    assert_eq!((idle["value"].as_str(), idle["reached"].as_str()), ("0.0", "yes"), "{}", ran.out);
    assert!(["yes", "NO"].contains(&line("push durability full 1 caller p50")["reached"].as_str()), "{}", ran.out);
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "what was made is removed");
}

#[test]
fn what_is_said_about_a_directory_belongs_to_durability() {
    refused(&["tumble-1k", "--dir", "."], &["--dir is where durability makes its databases"]);
    refused(&["tumble-1k", "--quick"], &["other workloads have --rows"]);
    refused(&["durability", "--dir", "no-such-directory"], &["there is no directory 'no-such-directory'"]);
    refused(&["durability", "--compare", "duckdb"], &["beside the device"]);
}
