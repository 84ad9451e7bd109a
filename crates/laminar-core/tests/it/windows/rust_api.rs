//! Windows as Rust users reach them, without SQL: assigner, operator, strategies of emission, late rows, change records.

use std::time::Duration;

use arrow_schema::{DataType, Field, Schema};
use expect_test::{Expect, expect};
use laminar_core::operator::sliding_window::{SlidingWindowAssigner, SlidingWindowOperator};
use laminar_core::operator::window::{CdcOperation, ChangelogRecord, CountAggregator, EmitStrategy, LateDataConfig};
use laminar_core::time::EventTime;
use laminar_core::{ChangeBatch, Code};
use rand::RngExt;

use super::history::MINUTE;
use super::story::{columns, tell};
use crate::random::{cases, for_each_case};

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// Start and end of the windows of a time, in minutes.
fn windows(size: u64, slide: u64, time: i64) -> Vec<(i64, i64)> {
    let assigner = SlidingWindowAssigner::new(minutes(size), minutes(slide));
    let windows = assigner.assign_windows(EventTime(time * MINUTE)).unwrap();
    windows.into_iter().map(|(start, end)| (start.0 / MINUTE, end.0 / MINUTE)).collect()
}

#[test]
fn an_event_falls_into_size_over_slide_windows() {
    assert_eq!(windows(60, 15, 70), [(15, 75), (30, 90), (45, 105), (60, 120)]);
    assert_eq!(windows(60, 15, 75), [(30, 90), (45, 105), (60, 120), (75, 135)], "an end is not part of its window");
    assert_eq!(windows(60, 60, 59), [(0, 60)]);
    assert_eq!(windows(10, 5, -1), [(-10, 0), (-5, 5)], "before 1970");
    assert_eq!(windows(10, 4, 9), [(0, 10), (4, 14), (8, 18)], "a slide that does not divide the size");
    assert_eq!(windows(10, 4, 11), [(4, 14), (8, 18)]);
}

#[test]
fn windows_are_all_those_that_hold_the_time() {
    for_each_case(cases(), |rng| {
        let size = rng.random_range(1..40);
        let (slide, time) = (rng.random_range(1..=size), rng.random_range(-100..100));
        let starts = (-200..200).map(|n| n * slide as i64);
        let holds = starts.map(|start| (start, start + size as i64)).filter(|(start, end)| (*start..*end).contains(&time));
        assert_eq!(windows(size, slide, time), holds.collect::<Vec<_>>(), "{size} / {slide} at {time}");
    });
}

#[test]
fn times_at_the_ends_of_the_range_have_no_window() {
    let assigner = SlidingWindowAssigner::new(minutes(60), minutes(15));
    for time in [i64::MIN, i64::MAX] {
        assert_eq!(assigner.assign_windows(EventTime(time)).unwrap(), []);
    }
}

#[test]
fn lengths_that_make_no_sense_are_refused_when_they_are_used() {
    for (size, slide) in [(0, 1), (1, 0), (1, 2)] {
        let assigner = SlidingWindowAssigner::new(minutes(size), minutes(slide));
        let error = assigner.assign_windows(EventTime(0)).unwrap_err();
        assert_eq!(error.code(), Code::InvalidWindow, "{size} / {slide}: {error}");
    }
}

fn count(size: u64, slide: u64, lateness: u64) -> SlidingWindowOperator {
    SlidingWindowOperator::new(
        SlidingWindowAssigner::new(minutes(size), minutes(slide)),
        CountAggregator::new(),
        minutes(lateness),
    )
}

fn check(operator: SlidingWindowOperator, steps: &[&str], expected: Expect) {
    check_late(operator, steps, (0, 0), expected);
}

/// `late`: rows that were dropped, and rejected.
fn check_late(mut operator: SlidingWindowOperator, steps: &[&str], late: (u64, u64), expected: Expect) {
    expected.assert_eq(&tell(&mut operator, steps));
    let metrics = operator.late_data_metrics();
    assert_eq!((metrics.dropped, metrics.side_output), late);
    assert_eq!(metrics.total(), late.0 + late.1);
}

#[test]
fn a_sliding_count_counts_each_row_in_each_of_its_windows() {
    check(
        count(20, 10, 0),
        &["+1 | 00:05 | a ; +1 | 00:15 | a ; +2 | 00:16 | b", "-1 | 00:05 | a", "watermark 00:20", "end"],
        expect![[r#"
            > +1 | 00:05 | a ; +1 | 00:15 | a ; +2 | 00:16 | b
            > -1 | 00:05 | a
            > watermark 00:20
            +1 | 00:00 | 00:20 | 3
            > end
            +1 | 00:10 | 00:30 | 3
        "#]],
    );
}

/// A window of ten minutes that takes late rows for five, under each strategy.
const STORY: [&str; 8] = [
    "+1 | 00:01 | a ; +1 | 00:02 | a",
    "+1 | 00:03 | a",
    "-1 | 00:01 | a ; -1 | 00:02 | a ; -1 | 00:03 | a",
    "+1 | 00:04 | a",
    "watermark 00:10",
    "+1 | 00:05 | a",
    "watermark 00:15",
    "+1 | 00:06 | a",
];

fn emitting(strategy: EmitStrategy) -> SlidingWindowOperator {
    count(10, 10, 5).with_emit_strategy(strategy)
}

#[test]
fn on_watermark_shows_a_window_at_its_end_and_anew_for_late_rows() {
    check_late(
        emitting(EmitStrategy::OnWatermark),
        &STORY,
        (1, 0),
        expect![[r#"
        > +1 | 00:01 | a ; +1 | 00:02 | a
        > +1 | 00:03 | a
        > -1 | 00:01 | a ; -1 | 00:02 | a ; -1 | 00:03 | a
        > +1 | 00:04 | a
        > watermark 00:10
        +1 | 00:00 | 00:10 | 1
        > +1 | 00:05 | a
        -1 | 00:00 | 00:10 | 1
        +1 | 00:00 | 00:10 | 2
        > watermark 00:15
        > +1 | 00:06 | a
    "#]],
    );
}

#[test]
fn on_update_shows_the_new_row_alone_after_every_step() {
    check_late(
        emitting(EmitStrategy::OnUpdate),
        &STORY,
        (1, 0),
        expect![[r#"
        > +1 | 00:01 | a ; +1 | 00:02 | a
        +1 | 00:00 | 00:10 | 2
        > +1 | 00:03 | a
        +1 | 00:00 | 00:10 | 3
        > -1 | 00:01 | a ; -1 | 00:02 | a ; -1 | 00:03 | a
        -1 | 00:00 | 00:10 | 3
        > +1 | 00:04 | a
        +1 | 00:00 | 00:10 | 1
        > watermark 00:10
        > +1 | 00:05 | a
        +1 | 00:00 | 00:10 | 2
        > watermark 00:15
        > +1 | 00:06 | a
    "#]],
    );
}

#[test]
fn changelog_shows_old_and_new_after_every_step() {
    check_late(
        emitting(EmitStrategy::Changelog),
        &STORY,
        (1, 0),
        expect![[r#"
        > +1 | 00:01 | a ; +1 | 00:02 | a
        +1 | 00:00 | 00:10 | 2
        > +1 | 00:03 | a
        -1 | 00:00 | 00:10 | 2
        +1 | 00:00 | 00:10 | 3
        > -1 | 00:01 | a ; -1 | 00:02 | a ; -1 | 00:03 | a
        -1 | 00:00 | 00:10 | 3
        > +1 | 00:04 | a
        +1 | 00:00 | 00:10 | 1
        > watermark 00:10
        > +1 | 00:05 | a
        -1 | 00:00 | 00:10 | 1
        +1 | 00:00 | 00:10 | 2
        > watermark 00:15
        > +1 | 00:06 | a
    "#]],
    );
}

#[test]
fn on_window_close_shows_a_window_once_and_only_inserts() {
    check_late(
        emitting(EmitStrategy::OnWindowClose),
        &STORY,
        (1, 0),
        expect![[r#"
        > +1 | 00:01 | a ; +1 | 00:02 | a
        > +1 | 00:03 | a
        > -1 | 00:01 | a ; -1 | 00:02 | a ; -1 | 00:03 | a
        > +1 | 00:04 | a
        > watermark 00:10
        > +1 | 00:05 | a
        > watermark 00:15
        +1 | 00:00 | 00:10 | 2
        > +1 | 00:06 | a
    "#]],
    );
}

#[test]
fn final_shows_a_window_once_at_its_end_and_drops_later_rows() {
    check_late(
        emitting(EmitStrategy::Final),
        &STORY,
        (2, 0),
        expect![[r#"
        > +1 | 00:01 | a ; +1 | 00:02 | a
        > +1 | 00:03 | a
        > -1 | 00:01 | a ; -1 | 00:02 | a ; -1 | 00:03 | a
        > +1 | 00:04 | a
        > watermark 00:10
        +1 | 00:00 | 00:10 | 1
        > +1 | 00:05 | a
        > watermark 00:15
        > +1 | 00:06 | a
    "#]],
    );
}

#[test]
fn periodic_shows_what_has_changed_since_the_last_time() {
    let steps = [
        "+1 | 00:01 | a",
        "+1 | 00:02 | a",
        "clock 00:01",
        "clock 00:02",
        "+1 | 00:03 | a",
        "-1 | 00:03 | a",
        "clock 00:04",
        "+1 | 00:04 | a",
        "end",
        "clock 00:06",
    ];
    check(
        count(10, 10, 5).with_emit_strategy(EmitStrategy::Periodic(minutes(1))),
        &steps,
        expect![[r#"
        > +1 | 00:01 | a
        wakes after 60 s
        > +1 | 00:02 | a
        wakes after 60 s
        > clock 00:01
        +1 | 00:00 | 00:10 | 2
        > clock 00:02
        > +1 | 00:03 | a
        wakes after 60 s
        > -1 | 00:03 | a
        wakes after 60 s
        > clock 00:04
        > +1 | 00:04 | a
        wakes after 60 s
        > end
        wakes after 60 s
        > clock 00:06
        -1 | 00:00 | 00:10 | 2
        +1 | 00:00 | 00:10 | 3
    "#]],
    );
}

#[test]
fn late_rows_are_dropped_allowed_or_rejected() {
    let steps = ["+1 | 00:01 | a", "watermark 00:10", "+1 | 00:02 | a", "watermark 00:15", "+1 | 00:03 | a"];
    let with = |late| count(10, 10, 0).with_late_data(late);
    check_late(
        with(LateDataConfig::drop()),
        &steps,
        (2, 0),
        expect![[r#"
        > +1 | 00:01 | a
        > watermark 00:10
        +1 | 00:00 | 00:10 | 1
        > +1 | 00:02 | a
        > watermark 00:15
        > +1 | 00:03 | a
    "#]],
    );
    check_late(
        with(LateDataConfig::allow(minutes(5))),
        &steps,
        (1, 0),
        expect![[r#"
        > +1 | 00:01 | a
        > watermark 00:10
        +1 | 00:00 | 00:10 | 1
        > +1 | 00:02 | a
        -1 | 00:00 | 00:10 | 1
        +1 | 00:00 | 00:10 | 2
        > watermark 00:15
        > +1 | 00:03 | a
    "#]],
    );
    check_late(
        with(LateDataConfig::allow(minutes(5)).with_side_output()),
        &steps,
        (0, 1),
        expect![[r#"
        > +1 | 00:01 | a
        > watermark 00:10
        +1 | 00:00 | 00:10 | 1
        > +1 | 00:02 | a
        -1 | 00:00 | 00:10 | 1
        +1 | 00:00 | 00:10 | 2
        > watermark 00:15
        > +1 | 00:03 | a
        rejected: window 1970-01-01 00:00 .. 00:10 had closed: watermark was 1970-01-01 00:15:00
    "#]],
    );
    check_late(
        with(LateDataConfig::drop().with_side_output()),
        &steps,
        (0, 2),
        expect![[r#"
        > +1 | 00:01 | a
        > watermark 00:10
        +1 | 00:00 | 00:10 | 1
        > +1 | 00:02 | a
        rejected: window 1970-01-01 00:00 .. 00:10 had closed: watermark was 1970-01-01 00:10:00
        > watermark 00:15
        > +1 | 00:03 | a
        rejected: window 1970-01-01 00:00 .. 00:10 had closed: watermark was 1970-01-01 00:15:00
    "#]],
    );
}

#[test]
fn rows_without_a_time_column_are_refused() {
    let schema = Schema::new(vec![Field::new("k", DataType::Utf8, true)]);
    let rows = ChangeBatch::parse(&schema.into(), "+1 | a").unwrap();
    let mut harness = crate::harness::Harness::new(count(10, 10, 0));
    let error = harness.step(vec![(laminar_core::Port::LEFT, rows)]).unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::TypeMismatch, "sliding windows need a column that is a time"));
}

#[test]
fn change_records_tell_updates_from_insertions_and_deletions() {
    use CdcOperation::{Delete, Insert, UpdateAfter, UpdateBefore};
    let check = |changes: &str, expected: &[CdcOperation]| {
        let changes = ChangeBatch::parse(&columns(), changes).unwrap();
        let records = ChangelogRecord::of_changes(&changes, &[1], 7).unwrap();
        assert_eq!(records.iter().map(|record| record.operation).collect::<Vec<_>>(), expected);
        for record in &records {
            assert_eq!((record.weight, record.emit_timestamp), (record.operation.weight(), 7));
            assert_eq!(record.event.num_rows(), 1);
        }
    };
    check("", &[]);
    check("+1 | 00:01 | a ; -1 | 00:02 | b", &[Insert, Delete]);
    check("-1 | 00:01 | a ; +1 | 00:02 | a", &[UpdateBefore, UpdateAfter]);
    check("-1 | 00:01 | a ; +1 | 00:02 | b", &[Delete, Insert]);
    check("+1 | 00:02 | a ; -1 | 00:01 | a", &[Insert, Delete]);
    check("-1 | 00:01 | NULL ; +1 | 00:02 | NULL", &[UpdateBefore, UpdateAfter]);
    check("-1 | 00:01 | a ; +1 | 00:02 | a ; +1 | 00:03 | a", &[UpdateBefore, UpdateAfter, Insert]);
    check("+3 | 00:01 | a ; -2 | 00:01 | b ; 0 | 00:01 | c", &[Insert, Insert, Insert, Delete, Delete]);
    assert_eq!([Insert, Delete, UpdateBefore, UpdateAfter].map(CdcOperation::weight), [1, -1, -1, 1]);
}
