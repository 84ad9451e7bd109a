//! Windows and sessions against models that look at all rows so far, after every step.

mod emission;
mod history;
mod model;
mod river;
mod rust_api;
mod story;
mod zones;

use laminar_core::dag::{AssignSpec, WindowEmission};
use laminar_core::operator::assign_window::AssignWindow;
use laminar_core::time::windows::{WindowKind, WindowShape, WindowUnit};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::random::{cases, for_each_case};
use history::{History, MINUTE};
use model::{Rules, Shape};
use river::River;

fn emission(rng: &mut StdRng) -> WindowEmission {
    [WindowEmission::Changes, WindowEmission::OnWatermark, WindowEmission::OnClose][rng.random_range(0..3)]
}

/// Random rows through one operator, compared after every step, twice with other cuts.
fn check(rng: &mut StdRng, shape: Shape) {
    let rules = Rules {
        shape,
        emission: emission(rng),
        lateness: [0, 0, 3, 10][rng.random_range(0..4)] * MINUTE,
        time_lag: [0, 0, 0, 4][rng.random_range(0..4)] * MINUTE,
        retracts: rng.random_bool(0.6),
        apart: rng.random_bool(0.6),
    };
    check_around(rng, &rules, 0);
}

fn check_around(rng: &mut StdRng, rules: &Rules, middle: i64) {
    let history = History::random_around(rng, rules.retracts, middle);
    for _ in 0..2 {
        River::new(rules, &history).run(rng);
    }
}

/// Windows by a clock that is turned back by half an hour at 15:00 UTC.
#[test]
fn windows_by_local_clocks_are_the_batch_over_rows_in_time() {
    let turn = chrono::NaiveDate::from_ymd_opt(2024, 4, 6).and_then(|day| day.and_hms_opt(15, 0, 0)).unwrap();
    let turn = turn.and_utc().timestamp_nanos_opt().unwrap();
    for_each_case(cases() / 20, |rng| {
        let (step, times) = (minutes(rng, 12), rng.random_range(1..6));
        let kind = match rng.random_range(0..3) {
            0 => WindowKind::Tumbling { size: step * times },
            1 => WindowKind::Hopping { size: step * times + rng.random_range(0..3) * MINUTE, slide: step },
            _ => WindowKind::Cumulating { size: step * times, step },
        };
        let unit = WindowUnit::Nanos { offset: rng.random_range(-3..4) * MINUTE, zone: Some(chrono_tz::Australia::Lord_Howe) };
        let (time_lag, retracts) = ([0, 4][rng.random_range(0..2)] * MINUTE, rng.random_bool(0.5));
        let (emission, lateness) = (emission(rng), [0, 10][rng.random_range(0..2)] * MINUTE);
        let shape = WindowShape { kind, unit };
        let panes = shape.panes().unwrap();
        let shape = Shape::Local(shape, panes);
        check_around(rng, &Rules { shape, emission, lateness, time_lag, retracts, apart: true }, turn + 20 * MINUTE);
    });
}

fn minutes(rng: &mut StdRng, most: i64) -> i64 {
    rng.random_range(1..=most) * MINUTE
}

#[test]
fn tumbling_windows_are_the_batch_over_rows_in_time() {
    for_each_case(cases(), |rng| {
        let (size, offset) = (minutes(rng, 12), rng.random_range(-3..4) * MINUTE);
        check(rng, Shape::Hop { size, slide: size, offset });
    });
}

#[test]
fn hopping_windows_are_the_batch_over_rows_in_time() {
    for_each_case(cases(), |rng| {
        let (size, offset) = (minutes(rng, 12), rng.random_range(-3..4) * MINUTE);
        let slide = rng.random_range(1..=size / MINUTE) * MINUTE;
        check(rng, Shape::Hop { size, slide, offset });
    });
}

#[test]
fn cumulating_windows_are_the_batch_over_rows_in_time() {
    for_each_case(cases(), |rng| {
        let (step, offset) = (minutes(rng, 5), rng.random_range(-3..4) * MINUTE);
        let size = step * rng.random_range(1..6);
        check(rng, Shape::Cumulate { size, step, offset });
    });
}

#[test]
fn sessions_are_the_batch_over_rows_in_time() {
    for_each_case(cases(), |rng| {
        let gap = minutes(rng, 6);
        check(rng, Shape::Session { gap });
    });
}

#[test]
fn assigned_windows_are_those_of_each_row() {
    for_each_case(cases(), |rng| {
        let size = minutes(rng, 12);
        let slide = rng.random_range(1..=size / MINUTE) * MINUTE;
        let shape = Shape::Hop { size, slide, offset: 0 };
        let history = History::random(rng, true);
        let spec = AssignSpec { shape: shape.spec(), time: 0 };
        let operator = AssignWindow::new(&spec, &history.edge(true), river::assigned_schema(&history.schema())).unwrap();
        river::check_assigned(rng, operator, &shape, &history);
    });
}
