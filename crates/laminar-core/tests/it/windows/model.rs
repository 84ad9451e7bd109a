//! What windows and sessions should show: computed anew from all rows so far, without panes, merging or state.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_core::dag::{SessionSpec, WindowEmission, WindowSpec};
use laminar_core::expr::Column;
use laminar_core::operator::Operator;
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::operator::session_window::SessionOperator;
use laminar_core::operator::window::WindowOperator;
use laminar_core::time::Panes;
use laminar_core::time::windows::{WindowKind, WindowShape, WindowUnit};

use super::history::{Event, History};

/// Which windows, in nanoseconds.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Hop {
        size: i64,
        slide: i64,
        offset: i64,
    },
    Cumulate {
        size: i64,
        step: i64,
        offset: i64,
    },
    Session {
        gap: i64,
    },
    /// By a local clock; the definition of these is checked in `zones`.
    Local(WindowShape, Panes),
}

/// All that decides what is shown.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) shape: Shape,
    pub(super) emission: WindowEmission,
    pub(super) lateness: i64,
    pub(super) time_lag: i64,
    pub(super) retracts: bool,
    /// Whether sessions are kept apart by the key.
    pub(super) apart: bool,
}

/// A session of the model.
struct Session<'a> {
    part: Option<&'a str>,
    start: i64,
    last: i64,
    closed: bool,
    rows: Vec<&'a Event>,
}

/// Rows by window and key.
type Groups<'a> = BTreeMap<(i64, i64, Option<&'a str>), Vec<(Option<i64>, i64)>>;

/// `window_start`, `window_end`, key; then count, sum, min, max.
pub(super) type Shown = BTreeMap<(i64, i64, Option<String>, [Option<i64>; 4]), i64>;

impl Shape {
    pub(super) fn spec(&self) -> WindowShape {
        let (kind, offset) = match *self {
            Shape::Hop { size, slide, offset } if size == slide => (WindowKind::Tumbling { size }, offset),
            Shape::Hop { size, slide, offset } => (WindowKind::Hopping { size, slide }, offset),
            Shape::Cumulate { size, step, offset } => (WindowKind::Cumulating { size, step }, offset),
            Shape::Session { .. } => panic!("sessions have no shape"),
            Shape::Local(ref shape, _) => return shape.clone(),
        };
        WindowShape { kind, unit: WindowUnit::Nanos { offset, zone: None } }
    }

    /// The windows of a time; not of sessions.
    pub(super) fn windows(&self, time: i64) -> Vec<(i64, i64)> {
        match *self {
            Shape::Hop { size, slide, offset } => {
                let latest = (time - offset).div_euclid(slide) * slide + offset;
                (0..)
                    .map(|back| latest - back * slide)
                    .take_while(|start| time < start + size)
                    .map(|start| (start, start + size))
                    .collect()
            }
            Shape::Cumulate { size, step, offset } => {
                let start = (time - offset).div_euclid(size) * size + offset;
                (1..=size / step).map(|steps| (start, start + steps * step)).filter(|(_, end)| time < *end).collect()
            }
            Shape::Session { .. } => Vec::new(),
            Shape::Local(_, ref panes) => {
                let windows = panes.windows_of(panes.pane_of(time).unwrap());
                windows.map(|window| (panes.start(window), panes.end(window))).collect()
            }
        }
    }
}

impl Rules {
    pub(super) fn operator(&self, history: &History) -> Box<dyn Operator> {
        let (input, output) = (history.edge(self.retracts), output_schema(&history.schema()));
        let (time_lag, lateness, emission) = (self.time_lag, self.lateness, self.emission);
        let keys = vec![Column::new(&input.schema, 1)];
        let aggregates = ["count", "sum", "min", "max"].map(|name| call(name, &input.schema)).to_vec();
        if let Shape::Session { gap } = self.shape {
            let partition = usize::from(self.apart);
            let spec = SessionSpec { gap, time: 0, time_lag, keys, partition, aggregates, emission, lateness };
            return Box::new(SessionOperator::new(&spec, &input, output).unwrap());
        }
        let spec = WindowSpec { shape: self.shape.spec(), time: 0, time_lag, keys, aggregates, emission, lateness };
        Box::new(WindowOperator::new(&spec, &input, output).unwrap())
    }

    /// What readers should see at `watermark` (nanoseconds) after these rows.
    pub(super) fn shown(&self, events: &[&Event], mixed: bool, watermark: i64) -> Shown {
        let mut groups = Groups::new();
        match self.shape {
            Shape::Session { gap } if self.in_order(mixed) => {
                for session in self.sessions_in_order(gap, events).0 {
                    for event in session.rows {
                        let group = groups.entry((session.start, session.last + gap, event.row.key)).or_default();
                        group.push((event.row.value, event.weight));
                    }
                }
            }
            Shape::Session { gap } => self.put_in_sessions(gap, events, &mut groups),
            _ => self.put_in_windows(events, &mut groups),
        }
        let reached = held_back(watermark, self.time_lag);
        let shown = groups.into_iter().filter(|((_, end, _), _)| self.is_shown(*end, reached));
        shown.filter_map(|((start, end, key), rows)| Some(((start, end, key.map(str::to_owned), aggregate(&rows)?), 1))).collect()
    }

    fn is_shown(&self, end: i64, reached: i64) -> bool {
        // A row at the very end still belongs to a session.
        let end = if matches!(self.shape, Shape::Session { .. }) { end + 1 } else { end };
        match self.emission {
            WindowEmission::Changes => true,
            WindowEmission::OnWatermark => end <= reached,
            WindowEmission::OnClose => end + self.lateness <= reached,
        }
    }

    fn put_in_windows<'a>(&self, events: &[&'a Event], groups: &mut Groups<'a>) {
        for event in events {
            for (start, end) in event.row.time.into_iter().flat_map(|time| self.shape.windows(time)) {
                if end + self.lateness > held_back(event.arrival, self.time_lag) {
                    groups.entry((start, end, event.row.key)).or_default().push((event.row.value, event.weight));
                }
            }
        }
    }

    /// Whether the rows of one source come in their order and stay.
    fn in_order(&self, mixed: bool) -> bool {
        !self.retracts && !mixed
    }

    fn part<'a>(&self, event: &'a Event) -> Option<&'a str> {
        if self.apart { event.row.key } else { None }
    }

    /// Row by row: the sessions, and which rows any of them takes.
    fn sessions_in_order<'a>(&self, gap: i64, events: &[&'a Event]) -> (Vec<Session<'a>>, Vec<bool>) {
        let (mut sessions, mut taken): (Vec<Session<'_>>, Vec<bool>) = (Vec::new(), Vec::new());
        for event in events.iter().copied() {
            let Some(time) = event.row.time else {
                taken.push(false);
                continue;
            };
            let arrival = held_back(event.arrival, self.time_lag);
            let is_closed = |last: i64| last + gap + self.lateness < arrival;
            sessions.iter_mut().for_each(|session| session.closed |= is_closed(session.last));
            let takes = |session: &Session<'_>| {
                session.part == self.part(event) && !session.closed && time <= session.last + gap && session.start <= time + gap
            };
            let (near, others): (Vec<Session<'_>>, Vec<Session<'_>>) = sessions.into_iter().partition(takes);
            sessions = others;
            taken.push(!near.is_empty() || !is_closed(time));
            if taken.last() == Some(&true) {
                let start = near.iter().map(|session| session.start).fold(time, i64::min);
                let last = near.iter().map(|session| session.last).fold(time, i64::max);
                let rows = near.into_iter().flat_map(|session| session.rows).chain([event]).collect();
                sessions.push(Session { part: self.part(event), start, last, closed: false, rows });
            }
        }
        (sessions, taken)
    }

    fn put_in_sessions<'a>(&self, gap: i64, events: &[&'a Event], groups: &mut Groups<'a>) {
        let mut rows: BTreeMap<(Option<&str>, i64), Vec<&'a Event>> = BTreeMap::new();
        for event in events.iter().filter(|event| self.is_taken_alone(event)) {
            rows.entry((self.part(event), event.row.time.unwrap_or(0))).or_default().push(event);
        }
        rows.retain(|_, rows| rows.iter().map(|event| event.weight).sum::<i64>() > 0);
        let mut sessions: Vec<Session<'_>> = Vec::new();
        for ((part, time), rows) in rows {
            match sessions.last_mut() {
                Some(session) if session.part == part && time - session.last <= gap => {
                    session.last = time;
                    session.rows.extend(rows);
                }
                _ => sessions.push(Session { part, start: time, last: time, closed: false, rows }),
            }
        }
        for session in sessions {
            for event in session.rows {
                let group = groups.entry((session.start, session.last + gap, event.row.key)).or_default();
                group.push((event.row.value, event.weight));
            }
        }
    }

    /// Which rows any window takes.
    pub(super) fn taken(&self, events: &[&Event], mixed: bool) -> Vec<bool> {
        match self.shape {
            Shape::Session { gap } if self.in_order(mixed) => self.sessions_in_order(gap, events).1,
            _ => events.iter().map(|event| self.is_taken_alone(event)).collect(),
        }
    }

    fn is_taken_alone(&self, event: &Event) -> bool {
        let arrival = held_back(event.arrival, self.time_lag);
        event.row.time.is_some_and(|time| match self.shape {
            Shape::Session { .. } => time + self.lateness >= arrival,
            _ => self.shape.windows(time).iter().any(|(_, end)| end + self.lateness > arrival),
        })
    }
}

fn held_back(watermark: i64, lag: i64) -> i64 {
    if watermark == i64::MIN || watermark == i64::MAX { watermark } else { watermark - lag }
}

/// Count, sum, min and max of values with weights; nothing if no row is left.
fn aggregate(rows: &[(Option<i64>, i64)]) -> Option<[Option<i64>; 4]> {
    let count: i64 = rows.iter().map(|(_, weight)| weight).sum();
    let mut values: BTreeMap<i64, i64> = BTreeMap::new();
    for (value, weight) in rows {
        if let Some(value) = value {
            *values.entry(*value).or_default() += weight;
        }
    }
    values.retain(|_, weight| *weight > 0);
    let sum = (!values.is_empty()).then(|| values.iter().map(|(value, weight)| value * weight).sum());
    let (min, max) = (values.keys().next().copied(), values.keys().next_back().copied());
    (count > 0).then_some([Some(count), sum, min, max])
}

fn call(name: &str, schema: &Schema) -> AggregateCall {
    let types = if name == "count" { vec![] } else { vec![DataType::Int64] };
    let function = native(name, &types, &[], false).unwrap().unwrap();
    let args = types.iter().map(|_| Column::new(schema, 2)).collect();
    AggregateCall { function, args, filter: None, name: name.to_owned() }
}

fn output_schema(input: &Schema) -> SchemaRef {
    let time = input.field(0).data_type().clone();
    let column = |name: &str, data_type| Field::new(name, data_type, true);
    let mut fields = vec![column("window_start", time.clone()), column("window_end", time), column("k", DataType::Utf8)];
    fields.extend(["count", "sum", "min", "max"].map(|name| {
        let call = call(name, input);
        column(name, call.function.return_type().clone())
    }));
    Arc::new(Schema::new(fields))
}
