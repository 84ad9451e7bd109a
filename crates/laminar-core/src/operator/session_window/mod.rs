//! Sessions: per key, rows of which neighbours are at most the gap apart. `window_start` is the first row's time,
//! `window_end` the last row's time + gap.
//!
//! * `spans`: where sessions are; `merged`: what they hold if rows are never retracted; `ordered`: if they are;
//! * `lateness`: which rows are late; `answers`: what readers see; `image`: what is remembered of all that.
//!
//! A row at exactly `window_end` still belongs to the session, so a session ends when the watermark *passes* its end, and
//! closes when the watermark passes end + lateness.
//!
//! Sessions are kept apart by the first keys (`PARTITION BY`); where there are more, each session has a group for each of their values.

use std::collections::BTreeSet;

use arrow_array::types::Int64Type;
use arrow_array::{Array, Int64Array, UInt32Array};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::take::take;

use super::aggregate::{Fault, GroupTable};
use super::ingress::reject_untimed;
use super::late::reject_late;
use super::window::{Evaluated, GroupInput, ResultRows, check_gap};
use super::{DueWindow, Operator, OperatorContext};
use crate::graph::{EdgeProperties, SessionSpec, WindowEmission};
use crate::state::Imaged;
use crate::time::event_time::to_nanos;
use crate::time::{EventTime, Length, Watermark};
use crate::{ChangeBatch, Port, Result};

mod answers;
mod image;
mod lateness;
mod merged;
mod ordered;
mod spans;

use answers::Answers;
use lateness::{Judge, Part, TimedRow};
use merged::Merged;
use ordered::Ordered;
use spans::{Session, Span, Spans};

/// `GROUP BY session, keys`.
pub struct SessionOperator {
    gap: i64,
    time: usize,
    time_lag: i64,
    lateness: i64,
    /// Whether rows come in the order of one source, and are never taken back.
    in_order: bool,
    emission: WindowEmission,
    input: GroupInput,
    /// How many of the keys keep sessions apart.
    partition: usize,
    output: SchemaRef,
    /// Numbers for the keys that keep sessions apart.
    keys: GroupTable,
    spans: Spans,
    store: Store,
    /// What readers have been shown of sessions that the step touched, as it was.
    before: Vec<Answers>,
    /// Key and start of the sessions that the step touched; none of them has to be remembered again.
    touched: BTreeSet<(u32, i64)>,
    /// Sessions that closed in the middle of the step, and whether the step had touched them.
    closed: Vec<(Session, bool)>,
    /// Keys that may have lost their last row.
    touched_keys: KeySet,
    /// The watermark of the time column, now and before the step.
    reached: Watermark,
    reached_before: Watermark,
}

/// What is kept of the rows.
enum Store {
    Merged(Merged),
    Ordered(Ordered),
}

impl Store {
    /// `append`: rows are never taken back; `within`: the types of the keys within a session.
    fn new(append: bool, input: &GroupInput, within: Vec<DataType>) -> Result<Self> {
        match append {
            true => Ok(Store::Merged(Merged::new(input, within)?)),
            false => Ok(Store::Ordered(Ordered::new(input, within)?)),
        }
    }

    /// Whether rows are kept by the number of their session, and not by that of their key.
    fn is_by_session(&self) -> bool {
        matches!(self, Store::Merged(_))
    }

    /// A number for another session; 0 where sessions need none.
    fn next_number(&mut self) -> i64 {
        match self {
            Store::Merged(merged) => merged.next_number(),
            Store::Ordered(_) => 0,
        }
    }
}

impl SessionOperator {
    /// The operator for `spec` over `input`, with the output columns `output`.
    pub fn new(spec: &SessionSpec, input: &EdgeProperties, output: SchemaRef) -> Result<Self> {
        check_gap(spec.gap, input.schema.field(spec.time))?;
        let append = input.changes.is_append();
        let mixed = input.time_column(spec.time).is_some_and(|time| time.mixed);
        let input = GroupInput::new(&spec.keys, &spec.aggregates, !append);
        let mut partition = input.key_types();
        let within = partition.split_off(spec.partition);
        Ok(Self {
            gap: spec.gap,
            time: spec.time,
            time_lag: spec.time_lag,
            lateness: spec.lateness,
            in_order: append && !mixed,
            emission: spec.emission,
            keys: GroupTable::new(&partition, &[], false)?,
            store: Store::new(append, &input, within)?,
            partition: spec.partition,
            input,
            output,
            spans: Spans::default(),
            before: Vec::new(),
            touched: BTreeSet::new(),
            closed: Vec::new(),
            touched_keys: KeySet::default(),
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

    /// The rows with event time, with the numbers of their keys.
    fn timed(
        &mut self,
        changes: &ChangeBatch,
        times: &Int64Array,
        rows: &Evaluated,
        watermark: Watermark,
    ) -> Result<Vec<TimedRow>> {
        let timed: Vec<u32> = (0..changes.len()).filter(|row| times.is_valid(*row)).map(|row| row as u32).collect();
        let keys = &rows.keys[..self.partition];
        let numbers = match timed.len() == changes.len() {
            true => self.keys.assign(keys, timed.len())?,
            false => {
                let at = UInt32Array::from(timed.clone());
                let keys = keys.iter().map(|key| take(key, &at, None)).collect::<Result<Vec<_>, _>>()?;
                self.keys.assign(&keys, timed.len())?
            }
        };
        numbers.iter().for_each(|key| self.touched_keys.insert(*key));
        let seen = |row: u32| changes.arrivals().map_or(watermark, |arrivals| Watermark(arrivals[row as usize]).max(watermark));
        let timed = timed.into_iter().zip(numbers);
        Ok(timed.map(|(row, key)| TimedRow { row, key, time: times.value(row as usize), seen: seen(row) }).collect())
    }

    fn reason(&self, row: &TimedRow) -> String {
        let lateness = match self.lateness {
            0 => String::new(),
            lateness => format!(", and sessions wait for {} only", Length::Nanos(lateness)),
        };
        let (time, seen) = (EventTime(row.time), row.seen);
        match self.in_order {
            true => format!("no session was open at {time}: watermark was {seen}{lateness}"),
            false => format!("a session may have closed before {time} came: watermark was {seen}{lateness}"),
        }
    }

    /// Adds the rows of a part of a batch.
    fn add_part(&mut self, part: Part, rows: &Evaluated) -> Result<()> {
        part.closed.iter().for_each(|(key, start)| self.close_early(*key, *start));
        if part.rows.is_empty() {
            return Ok(());
        }
        let mut sorted: Vec<(u32, i64, u32)> = part.rows.iter().map(|row| (row.key, row.time, row.row)).collect();
        sorted.sort_unstable();
        let keys: Vec<u32> = sorted.iter().map(|(key, ..)| *key).collect();
        let times: Vec<i64> = sorted.iter().map(|(_, time, _)| *time).collect();
        let at = UInt32Array::from_iter_values(sorted.into_iter().map(|(.., row)| row));
        self.add(&keys, &times, &rows.take(&at)?)
    }

    /// Takes a session out that takes no more rows; it is shown and forgotten at the end of the step.
    fn close_early(&mut self, key: u32, start: i64) {
        if let Some(session) = self.spans.take(key, start) {
            self.closed.push((session, self.touched.remove(&(key, start))));
        }
    }

    /// Adds rows, which are sorted by key and time.
    fn add(&mut self, keys: &[u32], times: &[i64], rows: &Evaluated) -> Result<()> {
        match &mut self.store {
            Store::Merged(merged) => {
                let plan = merged.plan(&mut self.spans, keys, times, self.gap);
                self.remember(&plan.before)?;
                self.touched.extend(plan.after.iter().map(|session| (session.key, session.span.start)));
                if let Store::Merged(merged) = &mut self.store {
                    merged.apply(&plan, rows, &rows.keys[self.partition..], &self.input)?;
                }
            }
            Store::Ordered(ordered) => {
                let touches = ordered.touches(&self.spans, keys, times, self.gap);
                self.remember(&touches)?;
                self.touched.extend(touches.iter().map(|session| (session.key, session.span.start)));
                if let Store::Ordered(ordered) = &mut self.store {
                    ordered.apply(keys, times, rows, &rows.keys[self.partition..])?;
                }
            }
        }
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
            let answers = self.answers(&first, &mut Vec::new())?;
            self.before.push(answers);
        }
        Ok(())
    }

    fn answers(&mut self, sessions: &[Session], faults: &mut Vec<Fault>) -> Result<Answers> {
        match &mut self.store {
            Store::Merged(merged) => merged.answers(sessions, faults),
            Store::Ordered(ordered) => ordered.answers(sessions, &self.input, faults),
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
        let closed = self.closed.iter().filter(|(session, touched)| *touched || session.span.last >= before);
        sessions.extend(closed.map(|(session, _)| *session));
        sessions
    }

    /// Emits −before +after, ordered by key and time, without what did not change.
    fn emit(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (sessions, mut faults) = (self.due(), Vec::new());
        let mut answers = std::mem::take(&mut self.before);
        if sessions.is_empty() && answers.is_empty() {
            return Ok(());
        }
        answers.push(match answers.first() {
            Some(before) if sessions.is_empty() => before.none(),
            _ => self.answers(&sessions, &mut faults)?,
        });
        let after = answers.len() - 1;
        let within = self.input.key_types().split_off(self.partition);
        let rows = answers::difference(&answers, &within)?;
        let session = |(answer, row): &(usize, usize)| answers[*answer].sessions[*row];
        let keys: Vec<u32> = rows.iter().map(|row| session(row).key).collect();
        let mut columns = answers::gather(&answers, &rows)?;
        let results = columns.split_off(within.len());
        let weights = rows.iter().map(|(answer, _)| if *answer == after { 1 } else { -1 }).collect();
        ResultRows {
            starts: rows.iter().map(|row| Some(session(row).span.start)).collect(),
            ends: rows.iter().map(|row| Some(session(row).span.last.saturating_add(self.gap))).collect(),
            keys: self.keys.keys(&keys)?.into_iter().chain(columns).collect(),
            faults: answers::moved(faults, &rows, after),
            results,
            weights,
        }
        .emit(&self.output, cx)
    }

    /// Forgets the sessions that take no more rows, and the keys without sessions.
    fn close(&mut self) -> Result<()> {
        let end = passed(self.reached, self.gap.saturating_add(self.lateness));
        let early = std::mem::take(&mut self.closed).into_iter().map(|(session, _)| session);
        let closed: Vec<Session> = early.chain(std::iter::from_fn(|| self.spans.take_before(end))).collect();
        match &mut self.store {
            Store::Merged(merged) => merged.forget(&closed)?,
            Store::Ordered(ordered) => ordered.forget(&closed),
        }
        closed.iter().for_each(|session| self.touched_keys.insert(session.key));
        let touched = self.touched_keys.take();
        let has_rows = |key: u32| matches!(&self.store, Store::Ordered(ordered) if ordered.has_rows(key));
        let gone: Vec<u32> = touched.into_iter().filter(|key| !self.spans.has(*key) && !has_rows(*key)).collect();
        self.keys.release(&gone);
        self.reached_before = self.reached;
        Ok(())
    }
}

/// Numbers of keys, each once: looked up for every row, so by position and not in a tree.
#[derive(Debug, Default)]
struct KeySet {
    /// By number, whether it is among them.
    marks: Vec<bool>,
    keys: Vec<u32>,
}

impl KeySet {
    fn insert(&mut self, key: u32) {
        let index = key as usize;
        if index >= self.marks.len() {
            self.marks.resize(index + 1, false);
        }
        if !std::mem::replace(&mut self.marks[index], true) {
            self.keys.push(key);
        }
    }

    /// Takes all out, ascending.
    fn take(&mut self) -> Vec<u32> {
        let mut keys = std::mem::take(&mut self.keys);
        keys.iter().for_each(|key| self.marks[*key as usize] = false);
        keys.sort_unstable();
        keys
    }
}

/// Rows before this time are more than `by` nanoseconds behind the watermark.
fn passed(reached: Watermark, by: i64) -> i64 {
    if reached.is_end() { i64::MAX } else { reached.0.saturating_sub(by) }
}

impl Operator for SessionOperator {
    fn on_changes(&mut self, _port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (changes, rows) = self.input.evaluate(changes, cx)?;
        let times = self.times(&changes)?;
        reject_untimed(&changes, self.time, &times, cx)?;
        let timed = self.timed(&changes, &times, &rows, cx.watermark())?;
        let judge = Judge { gap: self.gap, lateness: self.lateness, time_lag: self.time_lag };
        let verdict = if self.in_order { judge.in_order(timed, &self.spans) } else { judge.alone(timed) };
        let reasons = verdict.late.iter().map(|row| self.reason(row)).collect();
        reject_late(&changes, verdict.late.iter().map(|row| row.row).collect(), reasons, cx)?;
        verdict.parts.into_iter().try_for_each(|part| self.add_part(part, &rows))
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

    /// A session ends when the watermark passes its end: one nanosecond behind it.
    fn due_window(&self) -> Option<DueWindow> {
        let session = self.spans.with_last_in(self.shown_before(self.reached), i64::MAX).next()?;
        let (start, end) = (session.span.start, session.span.last.saturating_add(self.gap));
        let wait = if self.emission == WindowEmission::OnClose { self.lateness } else { 0 };
        Some(DueWindow { start, end, at: end.saturating_add(wait).saturating_add(self.time_lag).saturating_add(1) })
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(self)
    }
}
