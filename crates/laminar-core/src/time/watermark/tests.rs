//! Every generator over a few rows, and several sources together.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::expr::Column;
use crate::limits;

const SECOND: i64 = 1_000_000_000;

fn marker() -> ExprRef {
    Column::new(&Schema::new(vec![Field::new("mark", DataType::Boolean, true)]), 0)
}

/// Feeds times (every third row is marked) with weights at `now`; shows the watermark before each row if told, then the one after.
fn feed(generator: &mut dyn WatermarkGenerator, times: &[Option<i64>], weights: &[i64], now: i64) -> (Option<Vec<i64>>, i64) {
    let marks: ArrayRef = Arc::new((0..times.len()).map(|row| Some(row % 3 == 2)).collect::<BooleanArray>());
    let rows = RecordBatch::try_from_iter([("mark", marks)]).expect("a batch");
    let (times, weights) = (Int64Array::from(times.to_vec()), Weights::Each(weights.to_vec().into()));
    let stood = generator
        .observe(&ArrivingRows { times: &times, weights: &weights, rows: &rows, partition: 0, now })
        .expect("rows are observed");
    generator.on_clock(now);
    (stood.map(|stood| stood.to_vec()), generator.watermark().0)
}

fn ones(rows: usize) -> Vec<i64> {
    vec![1; rows]
}

#[test]
fn bounded_is_the_largest_time_minus_the_delay() {
    let mut bounded = WatermarkRule::BoundedOutOfOrderness { delay: 10 }.generator();
    assert_eq!(feed(&mut bounded, &[Some(100), None, Some(90), Some(105)], &ones(4), 0), (None, 95));
    assert_eq!(feed(&mut bounded, &[Some(95), Some(94), Some(110)], &ones(3), 0), (Some(vec![95, 95, 95]), 100));
    assert_eq!(feed(&mut bounded, &[], &[], 0), (None, 100));
}

#[test]
fn ascending_takes_equal_times() {
    let mut ascending = WatermarkRule::Ascending.generator();
    assert_eq!(feed(&mut ascending, &[Some(1), Some(1), Some(2), Some(2)], &ones(4), 0), (None, 2));
    assert_eq!(feed(&mut ascending, &[Some(1), Some(5)], &ones(2), 0), (Some(vec![2, 2]), 5));
}

#[test]
fn retracted_rows_do_not_move_the_watermark() {
    let mut ascending = WatermarkRule::Ascending.generator();
    assert_eq!(feed(&mut ascending, &[Some(1), Some(9), Some(3)], &[1, -1, 2], 0), (None, 3));
}

#[test]
fn periodic_tells_only_when_it_is_due() {
    let mut periodic = WatermarkRule::Periodic { delay: 0, every: 100 }.generator();
    assert_eq!(feed(&mut periodic, &[Some(5)], &ones(1), 0), (None, 5));
    assert_eq!(feed(&mut periodic, &[Some(50), Some(20)], &ones(2), 99), (None, 5));
    assert_eq!(periodic.due(), Some(100));
    assert_eq!(feed(&mut periodic, &[], &[], 100), (None, 50));
    assert_eq!(periodic.due(), None);
}

#[test]
fn punctuated_moves_with_marked_rows_only() {
    let mut punctuated = WatermarkRule::Punctuated { marker: marker() }.generator();
    let times = [Some(9), Some(8), Some(5), Some(7), Some(4), Some(6)];
    assert_eq!(feed(&mut punctuated, &times, &ones(6), 0), (Some(vec![i64::MIN, i64::MIN, i64::MIN, 5, 5, 5]), 6));
}

#[test]
fn processing_time_follows_the_clock_once_rows_have_come() {
    let mut clock = WatermarkRule::ProcessingTime { delay: 10 }.generator();
    clock.on_clock(50);
    assert_eq!((clock.watermark(), clock.due()), (Watermark::START, None));
    assert_eq!(feed(&mut clock, &[Some(100)], &ones(1), 100), (None, 90));
    clock.on_clock(200);
    assert_eq!(clock.watermark(), Watermark(190));
    assert_eq!(clock.due(), Some(200 + limits::WATERMARK_TICK_NS));
    assert_eq!(feed(&mut clock, &[Some(189)], &ones(1), 300), (Some(vec![190]), 290));
}

#[test]
fn no_row_can_promise_the_end_of_time() {
    let mut bounded = WatermarkRule::BoundedOutOfOrderness { delay: 0 }.generator();
    feed(&mut bounded, &[Some(i64::MAX), Some(i64::MIN)], &ones(2), 0);
    assert!(!bounded.watermark().is_end());
}

#[test]
fn a_saved_generator_goes_on_where_it_was() {
    let rules = [
        WatermarkRule::BoundedOutOfOrderness { delay: 3 },
        WatermarkRule::Ascending,
        WatermarkRule::Periodic { delay: 3, every: 0 },
        WatermarkRule::Punctuated { marker: marker() },
        WatermarkRule::ProcessingTime { delay: 3 },
    ];
    for rule in rules {
        let mut first = rule.generator();
        feed(&mut first, &[Some(10), Some(30), Some(20)], &ones(3), 40);
        let mut second = rule.generator();
        second.load(&first.save()).expect("an own image");
        assert_eq!(second.watermark(), first.watermark(), "{rule:?}");
        let more = [Some(5), Some(35), Some(33)];
        assert_eq!(feed(&mut second, &more, &ones(3), 50), feed(&mut first, &more, &ones(3), 50), "{rule:?}");
        assert!(second.load(&[1, 2, 3, 4]).is_err());
    }
}

#[test]
fn a_silent_source_moves_with_the_clock_after_its_timeout() {
    let mut idle = IdleDetector::new(5 * SECOND);
    assert_eq!(idle.on_clock(0), None);
    assert_eq!(idle.due(0), Some(5 * SECOND));
    assert!(!idle.holds_nobody_back(4 * SECOND));
    assert!(idle.holds_nobody_back(5 * SECOND));
    idle.rows(10 * SECOND, Watermark(100));
    assert!(!idle.holds_nobody_back(100 * SECOND));
    assert_eq!(idle.on_clock(14 * SECOND), None);
    assert_eq!(idle.on_clock(15 * SECOND), Some(Watermark(100 + 5 * SECOND)));
    assert_eq!(idle.due(15 * SECOND), Some(15 * SECOND + limits::IDLE_TICK_NS));
}

#[test]
fn the_least_of_the_active_sources_counts() {
    let mut tracker = WatermarkTracker::with_idle_timeout(3, 10);
    assert_eq!(tracker.update_source(0, Watermark(5), 0), None);
    assert_eq!(tracker.update_source(1, Watermark(7), 0), None);
    assert_eq!(tracker.mark_idle(2), Some(Watermark(5)));
    assert_eq!(tracker.update_source(1, Watermark(9), 8), None);
    assert_eq!(tracker.check_idle_sources(10), Some(Watermark(9)));
    assert!(tracker.is_idle(0) && !tracker.is_idle(1));
    // A source that wakes up late cannot turn the combined watermark back.
    assert_eq!(tracker.update_source(2, Watermark(1), 11), None);
    assert_eq!(tracker.watermark(), Watermark(9));
}

#[test]
fn the_end_waits_for_idle_sources_too() {
    let mut tracker = WatermarkTracker::new(2);
    tracker.mark_idle(1);
    assert_eq!(tracker.update_source(0, Watermark(5), 0), Some(Watermark(5)));
    assert_eq!(tracker.update_source(0, Watermark::END, 1), None);
    assert_eq!(tracker.update_source(1, Watermark::END, 2), Some(Watermark::END));
}

#[test]
fn the_meter_counts_what_passes() {
    let mut metered = MeteredGenerator::new(AscendingTimestampsGenerator::new());
    feed(&mut metered, &[Some(10), None, Some(4), Some(12)], &ones(4), 0);
    let metrics = metered.metrics();
    let expected =
        WatermarkMetrics { rows: 4, rows_without_time: 1, rows_behind: 1, behind_max: 6, latest: Some(12), advances: 1 };
    assert_eq!(metrics, expected);
    assert_eq!(metrics.lag(metered.watermark()), Some(0));
}

#[test]
fn rows_are_judged_one_by_one_however_many_come_at_once() {
    let rng = &mut StdRng::seed_from_u64(1);
    for round in 0..500 {
        let delay = rng.random_range(0..20);
        let mut generator = WatermarkRule::BoundedOutOfOrderness { delay }.generator();
        let mut watermark = i64::MIN;
        for batch in 0..3 {
            let disorder = rng.random_range(1..=delay + 2);
            let rows: i64 = rng.random_range(0..70);
            let times: Vec<i64> = (0..rows).map(|row| batch * 50 + row + rng.random_range(0..disorder)).collect();
            let mut stood = Vec::new();
            for time in &times {
                stood.push(watermark);
                watermark = watermark.max(time - delay);
            }
            let behind = times.iter().zip(&stood).any(|(time, stood)| time < stood);
            let times = Int64Array::from(times);
            let rows = RecordBatch::try_from_iter([("ts", Arc::new(times.clone()) as ArrayRef)]).expect("a batch");
            let arriving = ArrivingRows { times: &times, weights: &Weights::Ones, rows: &rows, partition: 0, now: 0 };
            let told = generator.observe(&arriving).expect("rows are observed").map(|stood| stood.to_vec());
            assert_eq!(
                (told, generator.watermark().0),
                (behind.then_some(stood), watermark),
                "round {round}, delay {delay}: {times:?}"
            );
        }
    }
}
