//! Arrangements of many chunks: churn, compaction, memory that is given back, and hashes that collide.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_core::ChangeBatch;
use laminar_core::dag::ChangeKind;
use laminar_core::state::{Arrangement, ProbeCursor};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, false), Field::new("id", DataType::Utf8, false)]))
}

/// Rows `(key, id)` with weights.
fn batch(rows: &[(i64, i64, i64)]) -> ChangeBatch {
    let keys: ArrayRef = Arc::new(rows.iter().map(|(key, _, _)| Some(*key)).collect::<Int64Array>());
    let ids: ArrayRef = Arc::new(rows.iter().map(|(_, id, _)| Some(format!("row number {id}"))).collect::<StringArray>());
    let weights: Vec<i64> = rows.iter().map(|(_, _, weight)| *weight).collect();
    ChangeBatch::new(RecordBatch::try_new(schema(), vec![keys, ids]).unwrap(), weights)
}

/// An arrangement beside the map that it must equal.
struct Pair {
    arrangement: Arrangement,
    model: BTreeMap<i64, BTreeMap<i64, i64>>,
    /// Bits that hashes keep: 0 makes all of them collide.
    mask: u64,
}

impl Pair {
    fn new(mask: u64) -> Self {
        let arrangement = Arrangement::new(schema(), vec![0], vec![0, 1], &ChangeKind::Retract);
        Self { arrangement, model: BTreeMap::new(), mask }
    }

    fn hashes(&self, changes: &ChangeBatch) -> Vec<u64> {
        self.arrangement.key_hashes(changes.rows()).unwrap().into_iter().map(|hash| hash & self.mask).collect()
    }

    fn apply(&mut self, rows: &[(i64, i64, i64)]) {
        let changes = batch(rows);
        let hashes = self.hashes(&changes);
        self.arrangement.apply(&changes, &hashes).unwrap();
        for (key, id, weight) in rows {
            let ids = self.model.entry(*key).or_default();
            let sum = ids.entry(*id).or_default();
            *sum += weight;
            if *sum == 0 {
                ids.remove(id);
            }
        }
    }

    fn rows(&self) -> usize {
        self.model.values().map(BTreeMap::len).sum()
    }

    /// Probes for all `keys` in portions of `limit` and compares ids and weights.
    fn check_probe(&self, keys: &[i64], limit: usize) {
        let asking = batch(&keys.iter().map(|key| (*key, 0, 1)).collect::<Vec<_>>());
        let (columns, hashes) = (self.arrangement.keys_of(asking.rows()), self.hashes(&asking));
        let (mut cursor, mut found) = (ProbeCursor::default(), vec![BTreeMap::new(); keys.len()]);
        while let Some(matches) = self.arrangement.probe(&columns, &hashes, &mut cursor, limit).unwrap() {
            assert!(matches.rows.len() <= limit);
            let stored = self.arrangement.gather(&matches.row_ids, 2).unwrap();
            for (pair, (row, row_id)) in matches.rows.iter().zip(&matches.row_ids).enumerate() {
                assert_eq!(stored[0].as_primitive::<Int64Type>().value(pair), keys[*row as usize]);
                let id: i64 = stored[1].as_string::<i32>().value(pair)["row number ".len()..].parse().unwrap();
                assert!(found[*row as usize].insert(id, self.arrangement.weight(*row_id)).is_none(), "a row found twice");
            }
        }
        for (key, found) in keys.iter().zip(found) {
            assert_eq!(found, self.model.get(key).cloned().unwrap_or_default(), "rows of key {key}");
        }
    }
}

/// Inserts and deletes at random, mostly deletes in every second round, in batches of one row to many.
fn churn(pair: &mut Pair, rng: &mut StdRng, rounds: usize, rows_max: usize) {
    let mut present: Vec<(i64, i64)> = Vec::new();
    let mut next_id = 0;
    for round in 0..rounds {
        let rows = if rng.random_bool(0.5) { rng.random_range(1..4) } else { rng.random_range(1..rows_max) };
        let mut changes: BTreeMap<(i64, i64), i64> = BTreeMap::new();
        for _ in 0..rows {
            if !present.is_empty() && rng.random_bool(if round % 2 == 0 { 0.2 } else { 0.9 }) {
                *changes.entry(present.swap_remove(rng.random_range(0..present.len()))).or_default() -= 1;
            } else {
                next_id += 1;
                let row = (rng.random_range(0..50), next_id);
                present.push(row);
                *changes.entry(row).or_default() += 1;
            }
        }
        let mut changes: Vec<_> = changes.into_iter().map(|((key, id), weight)| (key, id, weight)).collect();
        changes.retain(|(_, _, weight)| *weight != 0);
        changes.sort_unstable();
        pair.apply(&changes);
        assert_eq!(pair.arrangement.len(), pair.rows());
    }
}

#[test]
fn rows_are_found_through_churn_and_compaction() {
    for seed in 0..6 {
        let (mut pair, mut rng) = (Pair::new(u64::MAX), StdRng::seed_from_u64(seed));
        for _ in 0..3 {
            churn(&mut pair, &mut rng, 12, 20_000);
            pair.check_probe(&[3, 17, 49, 50, 3], 1000);
            // The next round starts from an empty list of its own: what is there stays.
            let ids: Vec<(i64, i64, i64)> =
                pair.model.iter().flat_map(|(key, ids)| ids.iter().map(|(id, weight)| (*key, *id, -weight))).collect();
            pair.apply(&ids);
            assert!(pair.arrangement.is_empty());
        }
        pair.check_probe(&[3, 17], 10);
    }
}

#[test]
fn colliding_hashes_do_not_mix_up_keys() {
    for (seed, mask) in [(1, 0), (2, 3)] {
        let (mut pair, mut rng) = (Pair::new(mask), StdRng::seed_from_u64(seed));
        churn(&mut pair, &mut rng, 10, 60);
        pair.check_probe(&(0..51).collect::<Vec<_>>(), 7);
    }
}

#[test]
fn memory_of_deleted_rows_is_given_back() {
    let mut pair = Pair::new(u64::MAX);
    let rows = |weight| (0..100_000).map(|id| (id % 50, id, weight)).collect::<Vec<_>>();
    pair.apply(&rows(1));
    let full = pair.arrangement.bytes();
    let gone: Vec<_> = rows(-1).into_iter().filter(|(_, id, _)| id % 10 != 0).collect();
    pair.apply(&gone);
    assert_eq!(pair.arrangement.len(), 10_000);
    assert!(pair.arrangement.bytes() * 3 < full, "{} of {full} bytes left", pair.arrangement.bytes());
    pair.check_probe(&[0, 10, 7], 100);
}

#[test]
fn one_row_replaced_for_ever_needs_no_more_memory_than_a_chunk() {
    let mut pair = Pair::new(u64::MAX);
    pair.apply(&[(1, 0, 1)]);
    let mut most = 0;
    for id in 0..30_000 {
        pair.apply(&[(1, id, -1), (1, id + 1, 1)]);
        most = most.max(pair.arrangement.bytes());
    }
    assert_eq!(pair.arrangement.len(), 1);
    assert!(most < 2_000_000, "{most} bytes");
    pair.check_probe(&[1], 10);
}

#[test]
fn many_small_appends_become_few_batches() {
    let mut pair = Pair::new(u64::MAX);
    for id in 0..20_000 {
        pair.apply(&[(id % 7, id, 1)]);
    }
    assert!(pair.arrangement.batches().len() < 20, "{} batches", pair.arrangement.batches().len());
    pair.check_probe(&[0, 6], 4096);
}
