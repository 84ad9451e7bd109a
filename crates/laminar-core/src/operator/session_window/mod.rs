//! Sessions: per key, rows of which neighbours are at most the gap apart. `window_start` is the first row's time,
//! `window_end` the last row's time + gap.
//!
//! * `spans`: where sessions are; `merged`: what they hold if rows are never retracted; `ordered`: if they are.
//!
//! # When a session closes, and what is late
//!
//! A row at exactly `window_end` still belongs to the session, so a session ends when the watermark *passes* its end, and
//! closes when the watermark passes end + lateness. A row is late iff its own time + lateness is behind the watermark that it
//! arrived at. No other row has a say in that: were a row kept because it would meet an open session, then what is late would
//! depend on which rows of other sources happened to be there already. This is also the most that can be kept: a row that is
//! further behind could belong to a session that has closed and been shown for the last time.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave;
use arrow_select::take::take;

use super::aggregate::{Fault, GroupTable};
use super::difference::comparators;
use super::ingress::put_aside_untimed;
use super::window::{Evaluated, GroupInput, ResultRows, check_gap, put_aside_late};
use super::{Operator, OperatorContext};
use crate::dag::{EdgeProperties, SessionSpec, WindowEmission};
use crate::state::{Imaged, StateImage};
use crate::time::event_time::to_nanos;
use crate::time::{EventTime, Length, Watermark};
use crate::{ChangeBatch, Error, Port, Result};

mod merged;
mod ordered;
mod spans;

use merged::Merged;
use ordered::Ordered;
use spans::{Session, Span, Spans};

/// `GROUP BY session, keys`.
pub struct SessionOperator {
    gap: i64,
    time: usize,
    time_lag: i64,
    lateness: i64,
    emission: WindowEmission,
    input: GroupInput,
    output: SchemaRef,
    /// Numbers for keys.
    keys: GroupTable,
    spans: Spans,
    store: Store,
    /// What readers have been shown of sessions that the step touched, as it was.
    before: Vec<Answers>,
    /// Key and start of the sessions that the step touched; none of them has to be remembered again.
    touched: BTreeSet<(u32, i64)>,
    /// Keys that may have lost their last row.
    touched_keys: BTreeSet<u32>,
    /// The watermark of the time column, now and before the step.
    reached: Watermark,
    reached_before: Watermark,
}

/// What is kept of the rows.
enum Store {
    Merged(Merged),
    Ordered(Ordered),
}

/// Sessions with their results.
struct Answers {
    sessions: Vec<Session>,
    results: Vec<ArrayRef>,
}

impl SessionOperator {
    /// The operator for `spec` over `input`, with the output columns `output`.
    pub fn new(spec: &SessionSpec, input: &EdgeProperties, output: SchemaRef) -> Result<Self> {
        check_gap(spec.gap, input.schema.field(spec.time))?;
        let append = input.changes.is_append();
        let input = GroupInput::new(&spec.keys, &spec.aggregates, !append);
        Ok(Self {
            gap: spec.gap,
            time: spec.time,
            time_lag: spec.time_lag,
            lateness: spec.lateness,
            emission: spec.emission,
            keys: GroupTable::new(&input.key_types(), &[], false)?,
            store: if append { Store::Merged(Merged::new(&input)?) } else { Store::Ordered(Ordered::new(&input)?) },
            input,
            output,
            spans: Spans::default(),
            before: Vec::new(),
            touched: BTreeSet::new(),
            touched_keys: BTreeSet::new(),
            reached: Watermark::START,
            reached_before: Watermark::START,
        })
    }

    /// Times of rows that a session can be around; NULL for others.
    fn times(&self, changes: &ChangeBatch) -> Result<Int64Array> {
        let margin = self.gap + 1;
        let reach = i64::MIN + margin..=i64::MAX - margin;
        Ok(to_nanos(changes.column(self.time))?.unary_opt::<_, Int64Type>(|time| reach.contains(&time).then_some(time)))
    }

    /// The rows that are in time, and the late ones with their reasons.
    fn judge(&self, changes: &ChangeBatch, times: &Int64Array, watermark: Watermark) -> (Vec<u32>, Vec<u32>, Vec<String>) {
        let (mut kept, mut late, mut reasons) = (Vec::with_capacity(changes.len()), Vec::new(), Vec::new());
        for row in (0..changes.len()).filter(|row| times.is_valid(*row)) {
            let seen = changes.arrivals().map_or(watermark, |arrivals| Watermark(arrivals[row]).max(watermark));
            if times.value(row).saturating_add(self.lateness) < seen.held_back(self.time_lag).0 {
                late.push(row as u32);
                reasons.push(self.reason(times.value(row), seen));
            } else {
                kept.push(row as u32);
            }
        }
        (kept, late, reasons)
    }

    fn reason(&self, time: i64, seen: Watermark) -> String {
        let lateness = match self.lateness {
            0 => String::new(),
            lateness => format!(", and sessions wait for {} only", Length::Nanos(lateness)),
        };
        format!("a session may have closed before {} came: watermark was {seen}{lateness}", EventTime(time))
    }

    /// Adds rows, which are sorted by key and time.
    fn add(&mut self, keys: &[u32], times: &[i64], rows: &Evaluated) -> Result<()> {
        match &mut self.store {
            Store::Merged(merged) => {
                let plan = merged.plan(&mut self.spans, keys, times, self.gap);
                self.remember(&plan.before)?;
                self.touched.extend(plan.after.iter().map(|session| (session.key, session.span.start)));
                if let Store::Merged(merged) = &mut self.store {
                    merged.apply(&plan, rows, &self.input)?;
                }
            }
            Store::Ordered(ordered) => {
                let touches = ordered.touches(&self.spans, keys, times, self.gap);
                self.remember(&touches)?;
                self.touched.extend(touches.iter().map(|session| (session.key, session.span.start)));
                if let Store::Ordered(ordered) = &mut self.store {
                    ordered.apply(keys, times, rows)?;
                }
            }
        }
        self.touched_keys.extend(keys);
        Ok(())
    }

    /// Keeps what readers know of sessions that are about to change for the first time in this step. Those that the step
    /// has changed already are forgotten as such: they are about to become others.
    fn remember(&mut self, sessions: &[Session]) -> Result<()> {
        let mut first = Vec::new();
        for session in sessions {
            let known = self.touched.remove(&(session.key, session.span.start));
            if !known && self.is_shown(session.span, self.reached_before) {
                first.push(*session);
            }
        }
        if !first.is_empty() {
            let results = self.results(&first, &mut Vec::new())?;
            self.before.push(Answers { sessions: first, results });
        }
        Ok(())
    }

    fn results(&mut self, sessions: &[Session], faults: &mut Vec<Fault>) -> Result<Vec<ArrayRef>> {
        match &mut self.store {
            Store::Merged(merged) => merged.results(sessions, faults),
            Store::Ordered(ordered) => ordered.results(sessions, &self.input, faults),
        }
    }

    /// Whether readers see a session at this watermark.
    fn is_shown(&self, span: Span, reached: Watermark) -> bool {
        span.last < self.shown_before(reached)
    }

    /// Sessions whose last row is before this time are shown.
    fn shown_before(&self, reached: Watermark) -> i64 {
        match self.emission {
            WindowEmission::Changes => i64::MAX,
            WindowEmission::OnWatermark => passed(reached, self.gap),
            WindowEmission::OnClose => passed(reached, self.gap.saturating_add(self.lateness)),
        }
    }

    /// The sessions to be shown: those that the step touched, and those that have become due.
    fn due(&mut self) -> Vec<Session> {
        if let Store::Ordered(ordered) = &mut self.store {
            let (changed, _) = ordered.settle(&mut self.spans, self.gap);
            self.touched = changed.iter().map(|session| (session.key, session.span.start)).collect();
        }
        let touched = std::mem::take(&mut self.touched);
        let (before, now) = (self.shown_before(self.reached_before), self.shown_before(self.reached));
        let due = self.spans.with_last_in(before, now).filter(|session| !touched.contains(&(session.key, session.span.start)));
        let mut sessions: Vec<Session> = due.collect();
        let touched = touched.iter().filter_map(|(key, start)| self.spans.get(*key, *start));
        sessions.extend(touched.filter(|session| self.is_shown(session.span, self.reached)));
        sessions
    }

    /// Emits −before +after, ordered by key and time, without what did not change.
    fn emit(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let sessions = self.due();
        let mut faults = Vec::new();
        let mut answers = std::mem::take(&mut self.before);
        if !sessions.is_empty() {
            let results = self.results(&sessions, &mut faults)?;
            answers.push(Answers { sessions, results });
        } else if answers.is_empty() {
            return Ok(());
        } else {
            answers.push(Answers { sessions, results: answers[0].results.iter().map(|column| column.slice(0, 0)).collect() });
        }
        let after = answers.len() - 1;
        let rows = difference(&answers);
        let session = |(answer, row): &(usize, usize)| answers[*answer].sessions[*row];
        let keys: Vec<u32> = rows.iter().map(|row| session(row).key).collect();
        let position = |fault: Fault| {
            rows.iter().position(|row| *row == (after, fault.position)).map(|position| Fault { position, ..fault })
        };
        ResultRows {
            starts: rows.iter().map(|row| Some(session(row).span.start)).collect(),
            ends: rows.iter().map(|row| Some(session(row).span.last + self.gap)).collect(),
            keys: self.keys.keys(&keys)?,
            results: gather(&answers, &rows)?,
            weights: rows.iter().map(|(answer, _)| if *answer == after { 1 } else { -1 }).collect(),
            faults: faults.into_iter().filter_map(position).collect(),
        }
        .emit(&self.output, cx)
    }

    /// Forgets the sessions that take no more rows, and the keys without sessions.
    fn close(&mut self) -> Result<()> {
        let end = passed(self.reached, self.gap.saturating_add(self.lateness));
        let closed: Vec<Session> = std::iter::from_fn(|| self.spans.take_before(end)).collect();
        match &mut self.store {
            Store::Merged(merged) => merged.forget(&closed)?,
            Store::Ordered(ordered) => ordered.forget(&closed),
        }
        self.touched_keys.extend(closed.iter().map(|session| session.key));
        let touched = std::mem::take(&mut self.touched_keys);
        let has_rows = |key: u32| matches!(&self.store, Store::Ordered(ordered) if ordered.has_rows(key));
        let gone: Vec<u32> = touched.into_iter().filter(|key| self.spans.of(*key).is_empty() && !has_rows(*key)).collect();
        self.keys.release(&gone);
        self.reached_before = self.reached;
        Ok(())
    }
}

/// Rows before this time are more than `by` nanoseconds behind the watermark.
fn passed(reached: Watermark, by: i64) -> i64 {
    if reached.is_end() { i64::MAX } else { reached.0.saturating_sub(by) }
}

/// Which rows of which answers to emit, by key, start and age: places in `answers`, of which the last is what is shown now.
/// Pairs that are the same are left out.
fn difference(answers: &[Answers]) -> Vec<(usize, usize)> {
    let Some((after, before)) = answers.split_last() else { return Vec::new() };
    let same: Vec<_> = before.iter().map(|before| comparators(&before.results, &after.results)).collect();
    let session = |(answer, row): (usize, usize)| answers[answer].sessions[row];
    let is_unchanged = |old: (usize, usize), new: (usize, usize)| {
        let (Session { key, span }, Session { key: new_key, span: new_span }) = (session(old), session(new));
        let stretch = |span: Span| (span.start, span.last);
        old.0 < new.0
            && new.0 == before.len()
            && (key, stretch(span)) == (new_key, stretch(new_span))
            && same[old.0].iter().all(|same| same(old.1, new.1))
    };
    let places = answers.iter().enumerate().flat_map(|(answer, of)| (0..of.sessions.len()).map(move |row| (answer, row)));
    let mut places: Vec<(usize, usize)> = places.collect();
    places.sort_by_key(|place| (session(*place).key, session(*place).span.start, place.0));
    let mut rows: Vec<(usize, usize)> = Vec::with_capacity(places.len());
    for place in places {
        match rows.last() {
            Some(before) if is_unchanged(*before, place) => {
                rows.pop();
            }
            _ => rows.push(place),
        }
    }
    rows
}

fn gather(answers: &[Answers], rows: &[(usize, usize)]) -> Result<Vec<ArrayRef>> {
    let calls = answers.first().map_or(0, |answers| answers.results.len());
    let column = |call: usize| {
        let columns: Vec<&dyn Array> = answers.iter().map(|answers| answers.results[call].as_ref()).collect();
        Ok(interleave(&columns, rows)?)
    };
    (0..calls).map(column).collect()
}

impl Operator for SessionOperator {
    fn on_changes(&mut self, _port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (changes, rows) = self.input.evaluate(changes, cx)?;
        let times = self.times(&changes)?;
        put_aside_untimed(&changes, self.time, &times, cx)?;
        let (mut kept, late, reasons) = self.judge(&changes, &times, cx.watermark());
        put_aside_late(&changes, late, reasons, cx)?;
        if kept.is_empty() {
            return Ok(());
        }
        let key_columns = match kept.len() == changes.len() {
            true => rows.keys.clone(),
            false => rows.keys.iter().map(|key| take(key, &UInt32Array::from(kept.clone()), None)).collect::<Result<_, _>>()?,
        };
        let keys = self.keys.assign(&key_columns, kept.len())?;
        let mut sorted: Vec<(u32, i64, u32)> =
            keys.into_iter().zip(&kept).map(|(key, row)| (key, times.value(*row as usize), *row)).collect();
        sorted.sort_unstable();
        let keys: Vec<u32> = sorted.iter().map(|(key, ..)| *key).collect();
        let times: Vec<i64> = sorted.iter().map(|(_, time, _)| *time).collect();
        kept = sorted.into_iter().map(|(.., row)| row).collect();
        self.add(&keys, &times, &rows.take(&UInt32Array::from(kept))?)
    }

    fn on_watermark(&mut self, watermark: Watermark, _cx: &mut OperatorContext<'_>) -> Result<()> {
        self.reached = watermark.held_back(self.time_lag);
        Ok(())
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.emit(cx)?;
        self.close()
    }

    fn output_watermark(&self, input: Watermark) -> Watermark {
        input.held_back(self.time_lag)
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(self)
    }
}

/// Tables of an image: the watermark, the keys by number, the sessions, and what is kept of their rows.
const REACHED: &str = "watermark";
const KEYS: &str = "keys";
const SESSIONS: &str = "sessions";
const ROWS: &str = "rows";

impl Imaged for SessionOperator {
    fn image(&mut self) -> Result<StateImage> {
        debug_assert!(self.touched.is_empty() && self.before.is_empty(), "images are taken between steps");
        let mut image = StateImage::default();
        let column = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
        image.push(REACHED, RecordBatch::try_from_iter([("nanos", column(vec![self.reached.0]))])?);
        image.push(KEYS, self.keys.image()?);
        let of = |value: fn(Session) -> i64| column(self.spans.iter().map(value).collect());
        let sessions = [
            ("key", of(|session| i64::from(session.key))),
            ("start", of(|session| session.span.start)),
            ("last", of(|session| session.span.last)),
            ("number", of(|session| session.span.number)),
        ];
        image.push(SESSIONS, RecordBatch::try_from_iter(sessions)?);
        image.push(
            ROWS,
            match &self.store {
                Store::Merged(merged) => merged.table().image()?,
                Store::Ordered(ordered) => ordered.table().image()?,
            },
        );
        Ok(image)
    }

    fn restore(&mut self, image: &StateImage) -> Result<()> {
        let values = |table: &RecordBatch, at: usize| table.column(at).as_primitive::<Int64Type>().values().to_vec();
        let reached = values(image.get(REACHED)?, 0).first().copied().unwrap_or(i64::MIN);
        (self.reached, self.reached_before) = (Watermark(reached), Watermark(reached));
        self.keys.restore(image.get(KEYS)?)?;
        let sessions = image.get(SESSIONS)?;
        let [keys, starts, lasts, numbers] = [0, 1, 2, 3].map(|at| values(sessions, at));
        for row in 0..keys.len() {
            let key = u32::try_from(keys[row]).map_err(|_| Error::internal("image with a key number out of range"))?;
            let end = self.spans.of(key).len();
            self.spans.replace(key, end..end, [Span { start: starts[row], last: lasts[row], number: numbers[row] }]);
        }
        match &mut self.store {
            Store::Merged(merged) => merged.restore(image.get(ROWS)?, &self.spans),
            Store::Ordered(ordered) => ordered.restore(image.get(ROWS)?),
        }
    }

    fn bytes(&self) -> usize {
        let rows = match &self.store {
            Store::Merged(merged) => merged.table().bytes(),
            Store::Ordered(ordered) => ordered.bytes(),
        };
        self.keys.bytes() + self.spans.bytes() + rows
    }
}
