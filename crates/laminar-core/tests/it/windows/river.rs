//! Sources, an operator and its readers, step by step as the executor does it, in random cuts.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_core::dag::WindowEmission;
use laminar_core::operator::assign_window::AssignWindow;
use laminar_core::operator::ingress::Ingress;
use laminar_core::operator::{Operator, OperatorContext, RejectReason, RejectedRows};
use laminar_core::state::Ownership;
use laminar_core::time::Watermark;
use laminar_core::time::event_time::to_nanos;
use laminar_core::{ChangeBatch, Port, StepId};
use rand::RngExt;
use rand::rngs::StdRng;

use super::history::{Event, History};
use super::model::{Rules, Shape, Shown};

pub(super) struct River<'a> {
    rules: &'a Rules,
    history: &'a History,
    operator: Box<dyn Operator>,
    doors: Vec<(Ingress, usize)>,
    watermark: Watermark,
    promised: Watermark,
    seen: Vec<&'a Event>,
    shown: Shown,
    rejected: Vec<RejectedRows>,
}

impl<'a> River<'a> {
    pub(super) fn new(rules: &'a Rules, history: &'a History) -> Self {
        Self {
            rules,
            history,
            operator: rules.operator(history),
            doors: history.sources.iter().map(|source| (history.ingress(source), 0)).collect(),
            watermark: Watermark::START,
            promised: Watermark::START,
            seen: Vec::new(),
            shown: Shown::new(),
            rejected: Vec::new(),
        }
    }

    /// All rows to the end, in random batches and steps; what is shown is checked after each.
    pub(super) fn run(mut self, rng: &mut StdRng) {
        while self.doors.iter().zip(&self.history.sources).any(|((_, at), source)| *at < source.events.len()) {
            let batches = (0..rng.random_range(0..4)).map(|_| self.next_batch(rng)).collect();
            let least = self.doors.iter().map(|(door, _)| door.output_watermark(Watermark::START)).min();
            self.step(batches, least.unwrap_or(Watermark::START));
            if rng.random_bool(0.1) {
                self.restart();
            }
        }
        self.step(Vec::new(), Watermark::END);
        self.check_rejected();
    }

    /// The next rows of some source, through its door.
    fn next_batch(&mut self, rng: &mut StdRng) -> ChangeBatch {
        let source = rng.random_range(0..self.doors.len());
        let events = &self.history.sources[source].events;
        let (door, at) = &mut self.doors[source];
        let end = (*at + rng.random_range(0..5)).min(events.len());
        let batch = self.history.batch(&events[*at..end]);
        self.seen.extend(&events[*at..end]);
        *at = end;
        let (mut out, mut rejected, mut wake_at) = (Vec::new(), Vec::new(), None);
        let mut cx = OperatorContext::new(StepId(0), 0, Watermark::START, &mut out, &mut rejected, &mut wake_at);
        let empty = batch.is_empty().then(|| batch.clone());
        door.on_changes(Port::LEFT, batch, &mut cx).unwrap();
        empty.or_else(|| out.pop()).unwrap()
    }

    fn step(&mut self, batches: Vec<ChangeBatch>, watermark: Watermark) {
        let (mut out, mut wake_at) = (Vec::new(), None);
        let mut cx = OperatorContext::new(StepId(0), 0, self.watermark, &mut out, &mut self.rejected, &mut wake_at);
        for batch in batches {
            self.operator.on_changes(Port::LEFT, batch, &mut cx).unwrap();
        }
        if watermark > self.watermark {
            self.operator.on_watermark(watermark, &mut cx).unwrap();
            self.watermark = watermark;
        }
        self.operator.end_step(&mut cx).unwrap();
        out.iter().for_each(|changes| self.read(changes));
        self.promised = self.operator.output_watermark(self.watermark);
        let expected = self.rules.shown(&self.seen, self.history.is_mixed(), self.watermark.0);
        assert_eq!(self.shown, expected, "{:#?} at {:?} after {:#?}", self.rules, self.watermark, self.seen);
    }

    fn read(&mut self, changes: &ChangeBatch) {
        let times = |column: usize| to_nanos(changes.column(column)).unwrap();
        let (starts, ends, keys) = (times(0), times(1), changes.column(2).as_string::<i32>());
        let numbers: Vec<Int64Array> = (3..7).map(|column| whole(changes.column(column))).collect();
        for row in 0..changes.len() {
            let number = |column: usize| numbers[column].is_valid(row).then(|| numbers[column].value(row));
            let key = keys.is_valid(row).then(|| keys.value(row).to_owned());
            let shown = (starts.value(row), ends.value(row), key, [0, 1, 2, 3].map(number));
            let weight = self.shown.entry(shown.clone()).or_default();
            *weight += changes.weight(row);
            if *weight == 0 {
                self.shown.remove(&shown);
            }
            let behind = ends.value(row) < self.promised.held_back(self.rules.lateness).0;
            assert!(!behind, "a row behind the promise {:?}: {}", self.promised, changes.print());
        }
        if self.rules.emission == WindowEmission::OnClose {
            assert!(changes.is_append(), "what is shown once is never taken back: {}", changes.print());
        }
    }

    fn restart(&mut self) {
        let image = self.operator.state().unwrap().image().unwrap();
        self.operator = self.rules.operator(self.history);
        self.operator.state().unwrap().restore(&[&image], &Ownership::All).unwrap();
    }

    /// Every row that no window took was rejected, once.
    fn check_rejected(&self) {
        assert!(self.rejected.iter().all(|rejected| rejected.reason == RejectReason::Late));
        let rejected: usize = self.rejected.iter().map(|rejected| rejected.reasons.len()).sum();
        let taken = self.rules.taken(&self.seen, self.history.is_mixed());
        let untaken = self.seen.iter().zip(taken).filter(|(event, taken)| match event.row.time {
            Some(_) => !taken,
            None => event.weight > 0,
        });
        assert_eq!(rejected, untaken.count(), "{:#?}", self.rules);
    }
}

fn whole(column: &ArrayRef) -> Int64Array {
    cast(column, &DataType::Int64).unwrap().as_primitive::<Int64Type>().clone()
}

/// The input's columns, then the bounds.
pub(super) fn assigned_schema(input: &Schema) -> SchemaRef {
    let time = input.field(0).data_type().clone();
    let column = |name, data_type| Field::new(name, data_type, true);
    Arc::new(Schema::new(vec![
        column("ts", time.clone()),
        column("k", DataType::Utf8),
        column("v", DataType::Int64),
        column("window_start", time.clone()),
        column("window_end", time),
    ]))
}

/// Each row of each batch is there once for each of its windows, with its weight.
pub(super) fn check_assigned(rng: &mut StdRng, mut operator: AssignWindow, shape: &Shape, history: &History) {
    let events = &history.sources[0].events;
    let batch = history.batch(&events[..rng.random_range(0..=events.len())]);
    let (mut out, mut rejected, mut wake_at) = (Vec::new(), Vec::new(), None);
    let mut cx = OperatorContext::new(StepId(0), 0, Watermark::START, &mut out, &mut rejected, &mut wake_at);
    operator.on_changes(Port::LEFT, batch.clone(), &mut cx).unwrap();
    let expected = events[..batch.len()].iter().flat_map(|event| {
        let windows = event.row.time.map_or_else(Vec::new, |time| shape.windows(time));
        let mut windows: Vec<_> = windows.into_iter().map(|(start, end)| (event.row.time, start, end, event.weight)).collect();
        windows.sort_unstable();
        windows
    });
    let got = out.iter().flat_map(|changes| {
        let [times, starts, ends] = [0, 3, 4].map(|column| to_nanos(changes.column(column)).unwrap());
        (0..changes.len())
            .map(|row| (Some(times.value(row)), starts.value(row), ends.value(row), changes.weight(row)))
            .collect::<Vec<_>>()
    });
    assert_eq!(got.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}
