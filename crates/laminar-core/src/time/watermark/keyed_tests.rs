//! Watermarks a key and a partition, against a list of promises that is gone through for every row.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

const SECOND: i64 = 1_000_000_000;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("key", DataType::Utf8, true), Field::new("ts", DataType::Int64, true)]))
}

fn per_key(rule: WatermarkRule, keys_max: usize) -> WatermarkSpec {
    WatermarkSpec { column: 1, rule, per: WatermarkPer::Key { columns: vec![0], keys_max } }
}

fn bounded(delay: i64) -> WatermarkRule {
    WatermarkRule::BoundedOutOfOrderness { delay }
}

type Row = (Option<&'static str>, i64);

/// Shows rows to a generator; the watermark before each row if told.
fn feed(generator: &mut dyn WatermarkGenerator, rows: &[Row], partition: u32, now: i64) -> Option<Vec<i64>> {
    let keys: ArrayRef = Arc::new(rows.iter().map(|(key, _)| *key).collect::<StringArray>());
    let times = Int64Array::from_iter_values(rows.iter().map(|(_, time)| *time));
    let rows = RecordBatch::try_new(schema(), vec![keys, Arc::new(times.clone())]).expect("a batch");
    let arriving = ArrivingRows { times: &times, weights: &Weights::Ones, rows: &rows, partition, now };
    generator.observe(&arriving).expect("rows are observed").map(|stood| stood.to_vec())
}

fn keys(rows: &[(&'static str, i64)]) -> Vec<Row> {
    rows.iter().map(|(key, time)| (Some(*key), *time)).collect()
}

#[test]
fn a_fast_key_does_not_make_the_rows_of_a_slow_one_late() {
    let mut generator = per_key(bounded(5), 10).generator(&schema(), None).unwrap();
    assert_eq!(feed(&mut generator, &keys(&[("slow", 10), ("fast", 1000), ("slow", 11), ("slow", 12)]), 0, 0), None);
    assert_eq!(generator.watermark(), Watermark(7));
    // The slow one is judged by the slowest, which is itself.
    assert_eq!(feed(&mut generator, &keys(&[("fast", 2000), ("slow", 6)]), 0, 0), Some(vec![7, 7]));
    // One that joins does not turn the watermark back, but holds it.
    assert_eq!(feed(&mut generator, &keys(&[("new", 1), ("slow", 100)]), 0, 0), Some(vec![7, 7]));
    assert_eq!(generator.watermark(), Watermark(7));
    feed(&mut generator, &keys(&[("new", 50)]), 0, 0);
    assert_eq!(generator.watermark(), Watermark(45));
}

#[test]
fn no_key_is_a_key_too() {
    let mut generator = per_key(WatermarkRule::Ascending, 10).generator(&schema(), None).unwrap();
    feed(&mut generator, &[(None, 3), (Some("a"), 10), (None, 4)], 0, 0);
    assert_eq!((generator.watermark(), generator.keyed().unwrap().keys()), (Watermark(4), 2));
}

#[test]
fn a_silent_key_is_forgotten_and_counts_again_when_it_is_heard() {
    let mut generator = per_key(WatermarkRule::Ascending, 10).generator(&schema(), Some(5 * SECOND)).unwrap();
    feed(&mut generator, &keys(&[("a", 10), ("b", 100)]), 0, 0);
    assert_eq!((generator.watermark(), generator.due()), (Watermark(10), Some(i64::MIN)));
    feed(&mut generator, &keys(&[("b", 101)]), 0, 4 * SECOND);
    generator.on_clock(4 * SECOND);
    assert_eq!((generator.watermark(), generator.due()), (Watermark(10), Some(5 * SECOND)));
    generator.on_clock(5 * SECOND);
    assert_eq!((generator.watermark(), generator.keyed().unwrap().keys()), (Watermark(101), 1));
    assert_eq!(feed(&mut generator, &keys(&[("a", 11), ("b", 150)]), 0, 6 * SECOND), Some(vec![101, 101]));
    assert_eq!(generator.watermark(), Watermark(101), "the one that is back holds it where it is");
    feed(&mut generator, &keys(&[("a", 120)]), 0, 7 * SECOND);
    assert_eq!(generator.watermark(), Watermark(120));
}

#[test]
fn when_all_keys_are_silent_the_watermark_is_where_the_furthest_was() {
    let mut generator = per_key(WatermarkRule::Ascending, 10).generator(&schema(), Some(5 * SECOND)).unwrap();
    feed(&mut generator, &keys(&[("a", 10), ("b", 100)]), 0, 0);
    generator.on_clock(5 * SECOND);
    assert_eq!((generator.watermark(), generator.due()), (Watermark(100), None));
}

#[test]
fn silence_does_not_count_while_nobody_listens() {
    let mut generator = per_key(WatermarkRule::Ascending, 10).generator(&schema(), Some(5 * SECOND)).unwrap();
    feed(&mut generator, &keys(&[("a", 10), ("b", 100)]), 0, 0);
    generator.keyed_mut().unwrap().excuse_silence(20 * SECOND);
    generator.on_clock(20 * SECOND);
    assert_eq!(generator.watermark(), Watermark(10));
}

#[test]
fn rows_of_keys_without_room_are_refused() {
    let mut generator = per_key(WatermarkRule::Ascending, 2).generator(&schema(), Some(5 * SECOND)).unwrap();
    feed(&mut generator, &keys(&[("a", 1), ("b", 2), ("c", 3), ("a", 4), ("d", 5)]), 0, 0);
    assert_eq!(generator.keyed().unwrap().refused(), [2, 4]);
    // Once others are silent there is room.
    feed(&mut generator, &keys(&[("c", 6)]), 0, 9 * SECOND);
    assert!(generator.keyed().unwrap().refused().is_empty());
    assert_eq!(generator.watermark(), Watermark(6));
}

#[test]
fn partitions_that_are_read_side_by_side_count_from_the_beginning() {
    let per = WatermarkPer::Partition(Partitions::Together(2));
    let spec = WatermarkSpec { column: 1, rule: bounded(0), per };
    let mut generator = spec.generator(&schema(), Some(5 * SECOND)).unwrap();
    generator.on_clock(0);
    feed(&mut generator, &keys(&[("a", 100)]), 0, 0);
    assert_eq!(generator.watermark(), Watermark::START);
    assert_eq!(feed(&mut generator, &keys(&[("a", 50), ("a", 60)]), 1, 0), None);
    assert_eq!(generator.watermark(), Watermark(60));
    // Another one joins.
    assert_eq!(feed(&mut generator, &keys(&[("a", 70), ("a", 80)]), 2, 0), None);
    assert_eq!(feed(&mut generator, &keys(&[("a", 90)]), 1, 0), None);
    assert_eq!(generator.watermark(), Watermark(80));
}

#[test]
fn a_partition_from_which_nothing_comes_holds_the_others_until_it_is_idle() {
    let per = WatermarkPer::Partition(Partitions::Together(2));
    let spec = WatermarkSpec { column: 1, rule: bounded(0), per };
    let mut generator = spec.generator(&schema(), Some(5 * SECOND)).unwrap();
    generator.on_clock(0);
    feed(&mut generator, &keys(&[("a", 100)]), 0, 4 * SECOND);
    generator.on_clock(5 * SECOND);
    assert_eq!(generator.watermark(), Watermark(100));
}

#[test]
fn partitions_that_are_read_in_turn_are_waited_for_to_the_last() {
    let per = WatermarkPer::Partition(Partitions::InTurn(3));
    let mut generator = WatermarkSpec { column: 1, rule: bounded(0), per }.generator(&schema(), None).unwrap();
    for partition in 0..2 {
        assert_eq!(feed(&mut generator, &keys(&[("a", 100), ("a", 90)]), partition, 0), None);
        assert_eq!(generator.watermark(), Watermark::START);
    }
    assert_eq!(feed(&mut generator, &keys(&[("a", 20), ("a", 10)]), 2, 0), Some(vec![i64::MIN, 20]));
}

#[test]
fn one_partition_or_one_key_is_the_plain_watermark() {
    let rng = &mut StdRng::seed_from_u64(3);
    for rule in [bounded(7), WatermarkRule::Ascending, WatermarkRule::Periodic { delay: 3, every: 2 }] {
        let of = |per| WatermarkSpec { column: 1, rule: rule.clone(), per }.generator(&schema(), Some(SECOND)).unwrap();
        let mut plain = of(WatermarkPer::Source);
        let mut others = [
            of(WatermarkPer::Key { columns: vec![0], keys_max: 1 }),
            of(WatermarkPer::Partition(Partitions::Together(1))),
            of(WatermarkPer::Partition(Partitions::InTurn(1))),
        ];
        for now in 0..200 {
            let rows: Vec<Row> = (0..rng.random_range(0..6)).map(|_| (Some("a"), now + rng.random_range(-9..9))).collect();
            let stood = feed(&mut plain, &rows, 0, now);
            plain.on_clock(now);
            for other in &mut others {
                assert_eq!(feed(other, &rows, 0, now), stood, "{rule:?}");
                other.on_clock(now);
                assert_eq!(other.watermark(), plain.watermark(), "{rule:?}");
            }
        }
    }
}

/// What the generator is meant to do, the long way.
struct Model {
    delay: i64,
    timeout: Option<i64>,
    keys: BTreeMap<Option<&'static str>, (i64, i64)>,
    watermark: i64,
    furthest: i64,
}

impl Model {
    fn look(&mut self, now: i64) {
        let before = self.keys.len();
        self.keys.retain(|_, (_, last_row)| self.timeout.is_none_or(|timeout| now - *last_row < timeout));
        self.settle();
        if before > 0 && self.keys.is_empty() {
            self.watermark = self.watermark.max(self.furthest);
        }
    }

    fn row(&mut self, (key, time): Row, now: i64) -> i64 {
        self.look(now);
        let stood = self.watermark;
        let promised = time - self.delay;
        let known = self.keys.get(&key).map_or(i64::MIN, |(promised, _)| *promised);
        self.keys.insert(key, (known.max(promised), now));
        self.furthest = self.furthest.max(promised);
        self.settle();
        stood
    }

    fn settle(&mut self) {
        self.watermark = self.watermark.max(self.keys.values().map(|(promised, _)| *promised).min().unwrap_or(i64::MIN));
    }
}

#[test]
fn random_keys_are_judged_row_by_row_however_they_are_cut_and_wherever_it_is_restored() {
    const KEYS: [Option<&str>; 5] = [None, Some("a"), Some("b"), Some("c"), Some("a long key that is not inlined")];
    for seed in 0..300 {
        let rng = &mut StdRng::seed_from_u64(seed);
        let (delay, timeout) = (rng.random_range(0..20), rng.random_bool(0.7).then(|| rng.random_range(1..40)));
        let spec = per_key(bounded(delay), 5);
        let mut generator = spec.generator(&schema(), timeout).unwrap();
        let mut model = Model { delay, timeout, keys: BTreeMap::new(), watermark: i64::MIN, furthest: i64::MIN };
        let (mut now, mut clocks) = (0, [0_i64; 5]);
        for _ in 0..60 {
            now += rng.random_range(0..12);
            let rows: Vec<Row> = (0..rng.random_range(0..8))
                .map(|_| {
                    let key = rng.random_range(0..KEYS.len());
                    clocks[key] += rng.random_range(0..(10 * key as i64 + 5));
                    (KEYS[key], clocks[key] + rng.random_range(-25..1))
                })
                .collect();
            let expected: Vec<i64> = rows.iter().map(|row| model.row(*row, now)).collect();
            model.look(now);
            let mut told = Vec::new();
            let mut rest = rows.as_slice();
            while !rest.is_empty() {
                let (piece, later) = rest.split_at(rng.random_range(1..=rest.len()));
                let stood = feed(&mut generator, piece, 0, now);
                let expected = &expected[told.len()..told.len() + piece.len()];
                let is_behind = piece.iter().zip(expected).any(|((_, time), stood)| time < stood);
                assert_eq!(stood.is_some(), is_behind, "seed {seed}: told if one is behind");
                told.extend(stood.unwrap_or_else(|| expected.to_vec()));
                rest = later;
                if rng.random_bool(0.3) {
                    generator.on_clock(now);
                }
            }
            generator.on_clock(now);
            assert_eq!((told, generator.watermark().0), (expected, model.watermark), "seed {seed} at {now}");
            if timeout.is_none() && rng.random_bool(0.1) {
                let (numbers, image) = (generator.save(), generator.keyed().unwrap().image().unwrap());
                generator = spec.generator(&schema(), timeout).unwrap();
                generator.load(&numbers).unwrap();
                generator.keyed_mut().unwrap().restore(&image).unwrap();
            }
        }
    }
}
