//! Windows and sessions against models that look at all rows so far, after every step.

mod doors;
mod emission;
mod history;
mod model;
mod river;
mod story;

use laminar_core::dag::{AssignSpec, WindowEmission};
use laminar_core::operator::assign_window::AssignWindow;
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
    };
    let history = History::random(rng, rules.retracts);
    for _ in 0..2 {
        River::new(&rules, &history).run(rng);
    }
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
