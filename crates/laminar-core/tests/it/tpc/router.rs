//! Random batches dealt out to workers: nothing is lost, equal keys meet, and the same rows go the same ways.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use laminar_core::ChangeBatch;
use laminar_core::changelog::assert_same;
use laminar_core::tpc::{KeyRouter, KeySpec};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::random::{batch, canonical, cases, change, for_each_case, schema};

/// A random batch; half of them with arrivals, which number the rows.
fn changes(rng: &mut StdRng) -> ChangeBatch {
    let mut present = Vec::new();
    let rows: Vec<_> = (0..rng.random_range(0..60)).map(|_| change(rng, &mut present)).collect();
    let changes = batch(&rows);
    if rng.random_bool(0.5) { changes } else { changes.with_arrivals((0..rows.len() as i64).collect()) }
}

fn spec(rng: &mut StdRng) -> KeySpec {
    match rng.random_range(0..5) {
        0 => KeySpec::Columns(vec!["k".into()]),
        1 => KeySpec::Columns(vec!["s".into(), "k".into()]),
        2 => KeySpec::ColumnIndices(vec![2]),
        3 => KeySpec::AllColumns,
        _ => KeySpec::RoundRobin,
    }
}

type Key = Vec<Option<String>>;

/// The key of a row in a form of our own, to hold the hash against.
fn key(spec: &KeySpec, changes: &ChangeBatch, row: usize) -> Option<Key> {
    let column = |column: usize| {
        let cells = changes.column(column);
        cells.is_valid(row).then(|| match column {
            0 => cells.as_primitive::<Int64Type>().value(row).to_string(),
            1 => cells.as_string::<i32>().value(row).to_owned(),
            _ => canonical(cells.as_primitive::<Float64Type>().value(row)).to_string(),
        })
    };
    Some(match spec {
        KeySpec::Columns(names) if names.len() == 1 => vec![column(0)],
        KeySpec::Columns(_) => vec![column(1), column(0)],
        KeySpec::ColumnIndices(columns) => columns.iter().map(|at| column(*at)).collect(),
        KeySpec::AllColumns => (0..3).map(column).collect(),
        KeySpec::RoundRobin => return None,
    })
}

#[test]
fn the_parts_are_the_whole_and_equal_keys_meet() {
    for_each_case(cases() / 10, |rng| {
        let (spec, workers) = (spec(rng), rng.random_range(1..=9));
        let mut router = KeyRouter::new(&spec, &schema(), workers).unwrap();
        let mut homes: BTreeMap<Key, usize> = BTreeMap::new();
        for _ in 0..4 {
            let whole = changes(rng);
            let parts = router.route(whole.clone()).unwrap();
            assert!(parts.is_sorted_by(|a, b| a.0 < b.0) && parts.iter().all(|(at, part)| *at < workers && !part.is_empty()));
            for (worker, part) in &parts {
                for key in (0..part.len()).filter_map(|row| key(&spec, part, row)) {
                    assert_eq!(*homes.entry(key).or_insert(*worker), *worker, "equal keys meet");
                }
                let arrivals = part.arrivals().map(|arrivals| arrivals.to_vec());
                assert!(arrivals.is_none_or(|arrivals| arrivals.is_sorted()), "rows keep their order");
                assert_eq!(part.arrivals().is_some(), whole.arrivals().is_some());
            }
            let parts: Vec<_> = parts.into_iter().map(|(_, part)| part).collect();
            assert_eq!(numbered(&parts), numbered(std::slice::from_ref(&whole)), "weights and arrivals stay with their rows");
            assert_same(&[whole], &parts);
        }
    });
}

/// The rows as text with their arrivals, sorted.
fn numbered(batches: &[ChangeBatch]) -> Vec<(Option<i64>, String)> {
    let rows = batches.iter().flat_map(|batch| {
        (0..batch.len()).map(move |row| (batch.arrivals().map(|arrivals| arrivals[row]), batch.slice(row, 1).print()))
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

#[test]
fn the_same_rows_go_the_same_ways() {
    for_each_case(cases() / 50, |rng| {
        let (spec, whole) = (spec(rng), changes(rng));
        let ways = || {
            let mut router = KeyRouter::new(&spec, &schema(), 4).unwrap();
            let parts = router.route(whole.clone()).unwrap();
            parts.into_iter().map(|(worker, part)| (worker, part.print())).collect::<Vec<_>>()
        };
        assert_eq!(ways(), ways());
    });
}

#[test]
fn many_keys_spread_evenly() {
    let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true)]));
    let keys = Arc::new((0..100_000).collect::<Int64Array>());
    let rows = RecordBatch::try_new(schema.clone(), vec![keys]).unwrap();
    for workers in [2, 3, 4, 8] {
        let mut router = KeyRouter::new(&KeySpec::AllColumns, &schema, workers).unwrap();
        let fair = 100_000 / workers;
        for (worker, part) in router.route(ChangeBatch::append(rows.clone())).unwrap() {
            assert!(part.len().abs_diff(fair) < fair / 20, "worker {worker} of {workers} gets {} rows", part.len());
        }
    }
}
