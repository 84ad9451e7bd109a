//! What readers see, and when: each emission on a few rows, as people would write them down.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use expect_test::{Expect, expect};
use laminar_core::dag::{ChangeKind, EdgeProperties, Partitioning, SessionSpec, WindowEmission, WindowSpec};
use laminar_core::expr::Column;
use laminar_core::operator::Operator;
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::operator::session_window::SessionOperator;
use laminar_core::operator::window::WindowOperator;
use laminar_core::time::windows::{WindowKind, WindowShape, WindowUnit};

use super::history::MINUTE;
use super::story::{TIME, columns, tell};

const UTC: WindowUnit = WindowUnit::Nanos { offset: 0, zone: None };

fn input() -> EdgeProperties {
    let (schema, changes, partitioning) = (columns(), ChangeKind::Retract, Partitioning::Any);
    EdgeProperties { partitioning, ..EdgeProperties::new(schema, changes) }
}

fn output() -> SchemaRef {
    let column = |name, data_type| Field::new(name, data_type, true);
    let columns = [("window_start", TIME), ("window_end", TIME), ("k", DataType::Utf8), ("count", DataType::Int64)];
    Arc::new(Schema::new(columns.map(|(name, data_type)| column(name, data_type)).to_vec()))
}

fn count() -> Vec<AggregateCall> {
    let function = native("count", &[], &[], false).unwrap().unwrap();
    vec![AggregateCall { function, args: Vec::new(), filter: None, name: "count".to_owned() }]
}

fn windows(kind: WindowKind, emission: WindowEmission, lateness: i64) -> Box<dyn Operator> {
    let (shape, keys) = (WindowShape { kind, unit: UTC }, vec![Column::new(&input().schema, 1)]);
    let spec = WindowSpec { shape, time: 0, time_lag: 0, keys, aggregates: count(), emission, lateness: lateness * MINUTE };
    Box::new(WindowOperator::new(&spec, &input(), output()).unwrap())
}

fn tumble(minutes: i64, emission: WindowEmission, lateness: i64) -> Box<dyn Operator> {
    windows(WindowKind::Tumbling { size: minutes * MINUTE }, emission, lateness)
}

fn sessions(gap: i64, emission: WindowEmission, lateness: i64) -> Box<dyn Operator> {
    let keys = vec![Column::new(&input().schema, 1)];
    let (gap, lateness) = (gap * MINUTE, lateness * MINUTE);
    let spec = SessionSpec { gap, time: 0, time_lag: 0, partition: keys.len(), keys, aggregates: count(), emission, lateness };
    Box::new(SessionOperator::new(&spec, &input(), output()).unwrap())
}

fn check(mut operator: Box<dyn Operator>, steps: &[&str], expected: Expect) {
    expected.assert_eq(&tell(&mut *operator, steps));
}

#[test]
fn changes_are_shown_after_every_step() {
    let steps = [
        "+1 | 00:01 | a ; +1 | 00:02 | b",
        "+1 | 00:03 | a",
        "-1 | 00:02 | b ; +1 | 00:04 | a ; -1 | 00:04 | a",
        "watermark 00:10",
        "+1 | 00:09 | a",
    ];
    check(
        tumble(10, WindowEmission::Changes, 0),
        &steps,
        expect![[r#"
        > +1 | 00:01 | a ; +1 | 00:02 | b
        +1 | 00:00 | 00:10 | a | 1
        +1 | 00:00 | 00:10 | b | 1
        > +1 | 00:03 | a
        -1 | 00:00 | 00:10 | a | 1
        +1 | 00:00 | 00:10 | a | 2
        > -1 | 00:02 | b ; +1 | 00:04 | a ; -1 | 00:04 | a
        -1 | 00:00 | 00:10 | b | 1
        > watermark 00:10
        > +1 | 00:09 | a
        rejected: window 1970-01-01 00:00 .. 00:10 had closed: watermark was 1970-01-01 00:10:00
    "#]],
    );
}

#[test]
fn a_window_is_shown_when_the_watermark_passes_its_end_and_again_for_late_rows() {
    let steps = [
        "+1 | 00:01 | a ; +1 | 00:12 | a",
        "watermark 00:09",
        "watermark 00:10",
        "+1 | 00:02 | a ; +1 | NULL | a",
        "-1 | 00:02 | a ; -1 | 00:01 | a",
        "+1 | 00:03 | b",
        "watermark 00:15",
        "+1 | 00:03 | c",
        "end",
    ];
    check(
        tumble(10, WindowEmission::OnWatermark, 5),
        &steps,
        expect![[r#"
        > +1 | 00:01 | a ; +1 | 00:12 | a
        > watermark 00:09
        > watermark 00:10
        +1 | 00:00 | 00:10 | a | 1
        > +1 | 00:02 | a ; +1 | NULL | a
        -1 | 00:00 | 00:10 | a | 1
        +1 | 00:00 | 00:10 | a | 2
        rejected: ts is NULL: a row without event time belongs to no window
        > -1 | 00:02 | a ; -1 | 00:01 | a
        -1 | 00:00 | 00:10 | a | 2
        > +1 | 00:03 | b
        +1 | 00:00 | 00:10 | b | 1
        > watermark 00:15
        > +1 | 00:03 | c
        rejected: window 1970-01-01 00:00 .. 00:10 had closed: watermark was 1970-01-01 00:15:00
        > end
        +1 | 00:10 | 00:20 | a | 1
    "#]],
    );
}

#[test]
fn on_close_shows_a_window_once() {
    let steps = ["+1 | 00:01 | a", "watermark 00:10", "+1 | 00:02 | a", "watermark 00:15", "+1 | 00:03 | a", "end"];
    check(
        tumble(10, WindowEmission::OnClose, 5),
        &steps,
        expect![[r#"
        > +1 | 00:01 | a
        > watermark 00:10
        > +1 | 00:02 | a
        > watermark 00:15
        +1 | 00:00 | 00:10 | a | 2
        > +1 | 00:03 | a
        rejected: window 1970-01-01 00:00 .. 00:10 had closed: watermark was 1970-01-01 00:15:00
        > end
    "#]],
    );
}

#[test]
fn a_late_row_counts_in_the_open_windows_of_its_pane_only() {
    let hop = WindowKind::Hopping { size: 20 * MINUTE, slide: 10 * MINUTE };
    let steps = ["+1 | 00:05 | a", "watermark 00:12", "+1 | 00:06 | a", "end"];
    check(
        windows(hop, WindowEmission::OnClose, 0),
        &steps,
        expect![[r#"
        > +1 | 00:05 | a
        > watermark 00:12
        +1 | 1969-12-31 23:50:00 | 00:10 | a | 1
        > +1 | 00:06 | a
        > end
        +1 | 00:00 | 00:20 | a | 2
    "#]],
    );
}

#[test]
fn cumulating_windows_share_their_start() {
    let cumulate = WindowKind::Cumulating { size: 30 * MINUTE, step: 10 * MINUTE };
    let steps = ["+1 | 00:05 | a ; +1 | 00:25 | a", "watermark 00:20", "end"];
    check(
        windows(cumulate, WindowEmission::OnClose, 0),
        &steps,
        expect![[r#"
        > +1 | 00:05 | a ; +1 | 00:25 | a
        > watermark 00:20
        +1 | 00:00 | 00:10 | a | 1
        +1 | 00:00 | 00:20 | a | 1
        > end
        +1 | 00:00 | 00:30 | a | 2
    "#]],
    );
}

#[test]
fn sessions_meet_and_split() {
    let steps = [
        "+1 | 00:00 | a ; +1 | 00:10 | a",
        "+1 | 00:05 | a",
        "-1 | 00:05 | a",
        "-1 | 00:00 | a",
        "watermark 00:15",
        "watermark 00:16",
        "+1 | 00:15 | a",
    ];
    check(
        sessions(5, WindowEmission::Changes, 0),
        &steps,
        expect![[r#"
        > +1 | 00:00 | a ; +1 | 00:10 | a
        +1 | 00:00 | 00:05 | a | 1
        +1 | 00:10 | 00:15 | a | 1
        > +1 | 00:05 | a
        -1 | 00:00 | 00:05 | a | 1
        +1 | 00:00 | 00:15 | a | 3
        -1 | 00:10 | 00:15 | a | 1
        > -1 | 00:05 | a
        -1 | 00:00 | 00:15 | a | 3
        +1 | 00:00 | 00:05 | a | 1
        +1 | 00:10 | 00:15 | a | 1
        > -1 | 00:00 | a
        -1 | 00:00 | 00:05 | a | 1
        > watermark 00:15
        > watermark 00:16
        > +1 | 00:15 | a
        rejected: a session may have closed before 1970-01-01 00:15:00 came: watermark was 1970-01-01 00:16:00
    "#]],
    );
}

#[test]
fn a_session_is_shown_when_the_watermark_has_passed_its_end() {
    let steps = [
        "+1 | 00:00 | a",
        "watermark 00:05",
        "+1 | 00:05 | a",
        "watermark 00:10",
        "watermark 00:11",
        "+1 | 00:09 | a",
        "watermark 00:16",
        "end",
    ];
    check(
        sessions(5, WindowEmission::OnWatermark, 3),
        &steps,
        expect![[r#"
        > +1 | 00:00 | a
        > watermark 00:05
        > +1 | 00:05 | a
        > watermark 00:10
        > watermark 00:11
        +1 | 00:00 | 00:10 | a | 2
        > +1 | 00:09 | a
        -1 | 00:00 | 00:10 | a | 2
        > watermark 00:16
        +1 | 00:00 | 00:14 | a | 3
        > end
    "#]],
    );
    check(
        sessions(5, WindowEmission::OnClose, 3),
        &steps,
        expect![[r#"
        > +1 | 00:00 | a
        > watermark 00:05
        > +1 | 00:05 | a
        > watermark 00:10
        > watermark 00:11
        > +1 | 00:09 | a
        > watermark 00:16
        > end
        +1 | 00:00 | 00:14 | a | 3
    "#]],
    );
}

#[test]
fn windows_that_a_date_cannot_show_are_refused() {
    let mut input = input();
    input.schema = Arc::new(Schema::new(vec![Field::new("day", DataType::Date32, true), Field::new("k", DataType::Utf8, true)]));
    let shape = WindowShape { kind: WindowKind::Tumbling { size: 60 * MINUTE }, unit: UTC };
    let (keys, emission) = (Vec::new(), WindowEmission::Changes);
    let spec = WindowSpec { shape, time: 0, time_lag: 0, keys, aggregates: count(), emission, lateness: 0 };
    let error = WindowOperator::new(&spec, &input, output()).err().expect("an error");
    expect!["LDB-1008: windows of tumble 1h over 'day' would start and end between two values of Date32; hint: write CAST(day AS TIMESTAMP), or choose longer windows"].assert_eq(&error.to_string());
}
