//! Readers with a name: where each stands, and how far it may fall behind. What they have not acknowledged is kept in the history of their
//! object, also while no program reads, and is part of checkpoints.

use laminar_core::time::length::Length;
use laminar_core::{ChangeBatch, Code, Error, Result, StepId};

use super::steps::{Entry, History, Steps};
use crate::catalog::ObjectId;
use crate::settings::{Retention, size_text};

/// A reader with a name.
#[derive(Debug)]
pub(super) struct NamedReader {
    place: NamedPlace,
    /// The last step that it was given since the database was opened.
    fetched: Option<StepId>,
    /// The number of the first entry behind its place.
    pub(super) next: u64,
    /// How much may wait for it.
    bound: Retention,
}

/// Where a reader with a name stands: what a checkpoint says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct NamedPlace {
    /// It has everything up to this step; `None`: it begins with the rows that there are.
    pub(crate) acknowledged: Option<StepId>,
    /// The step of the rows with which it begins, as it was given them last; it has not acknowledged them.
    pub(crate) snapshot_at: Option<StepId>,
    /// The steps that it had not acknowledged when they were forgotten, since more than its bound waited; or that cannot be told any more.
    pub(crate) lost: Option<(StepId, StepId)>,
}

/// What a reader is given.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) steps: Vec<(StepId, ChangeBatch)>,
    /// Whether there are changes that must not be given yet.
    pub(crate) more_later: bool,
}

/// How a reader with a name is doing.
#[derive(Debug)]
pub(crate) struct NamedStatus {
    pub(crate) place: NamedPlace,
    /// The last step in which something changed, as far as it waits.
    pub(crate) newest: Option<StepId>,
    pub(crate) steps: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) bound: String,
}

/// What of a history belongs to a checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct HistoryImage {
    /// All changes behind this step.
    pub(crate) after: StepId,
    /// Step, wall-clock time in nanoseconds, changes.
    pub(crate) entries: Vec<(StepId, i64, ChangeBatch)>,
}

impl NamedPlace {
    /// The step behind which changes are kept for it; `None`: it needs none.
    fn reads_behind(&self) -> Option<StepId> {
        if self.lost.is_some() { None } else { self.acknowledged.or(self.snapshot_at) }
    }
}

impl NamedReader {
    /// Whether entries behind its place are kept for it.
    pub(super) fn holds(&self) -> bool {
        self.place.reads_behind().is_some()
    }
}

impl History {
    /// Adds a reader with the name of `id`; it begins behind `step`, or with the rows that there are when it is read.
    pub(crate) fn add_named(&self, id: ObjectId, step: Option<StepId>, bound: Retention) {
        let mut steps = self.lock();
        let next = steps.end();
        let place = NamedPlace { acknowledged: step, ..NamedPlace::default() };
        steps.named.insert(id, NamedReader { place, fetched: None, next, bound });
    }

    /// Takes a reader away. True if the history has no reason to be any more.
    pub(crate) fn remove_named(&self, id: ObjectId) -> bool {
        let mut steps = self.lock();
        steps.named.remove(&id);
        steps.forget();
        steps.is_unneeded()
    }

    /// Where a reader stands.
    pub(crate) fn place_of(&self, id: ObjectId) -> NamedPlace {
        self.lock().named.get(&id).map(|reader| reader.place.clone()).unwrap_or_default()
    }

    /// Puts a reader somewhere else. What no reader needs any more is kept until [`forget_read`](Self::forget_read): others may still have to be put.
    pub(crate) fn put_named(&self, id: ObjectId, place: NamedPlace) {
        let mut steps = self.lock();
        let next = place.reads_behind().map_or(steps.end(), |step| steps.first_behind(step));
        if let Some(reader) = steps.named.get_mut(&id) {
            (reader.place, reader.next) = (place, next);
        }
    }

    /// Forgets what no reader needs.
    pub(crate) fn forget_read(&self) {
        self.lock().forget();
    }

    /// A reader begins with the rows of `step`, the last one: what comes behind it is kept.
    pub(crate) fn begin_with_rows(&self, id: ObjectId, step: StepId) {
        let place = NamedPlace { snapshot_at: Some(step), ..NamedPlace::default() };
        self.put_named(id, place);
        let mut steps = self.lock();
        if let Some(reader) = steps.named.get_mut(&id) {
            reader.fetched = Some(step);
        }
        steps.forget();
    }

    /// What a reader has not acknowledged, of the steps up to `last`: whole steps, with `rows_max` rows altogether unless the first one has more.
    pub(crate) fn fetch(&self, id: ObjectId, rows_max: Option<u64>, last: StepId) -> Result<Fetched> {
        let mut steps = self.lock();
        let Some(reader) = steps.named.get(&id).filter(|reader| reader.holds()) else { return Ok(Fetched::default()) };
        let (mut fetched, mut rows) = (Fetched::default(), 0);
        for entry in steps.entries.iter().skip(steps.index_of(reader.next)) {
            if entry.step > last {
                fetched.more_later = true;
                break;
            }
            rows += entry.changes.len() as u64;
            if !fetched.steps.is_empty() && rows_max.is_some_and(|rows_max| rows > rows_max) {
                break;
            }
            fetched.steps.push((entry.step, entry.changes.clone()));
        }
        if let (true, false, Some(error)) = (fetched.steps.is_empty(), fetched.more_later, &steps.failed) {
            return Err(error.clone());
        }
        if let (Some((step, _)), Some(reader)) = (fetched.steps.last(), steps.named.get_mut(&id)) {
            reader.fetched = Some(*step);
        }
        Ok(fetched)
    }

    /// The last step that a reader was given since the database was opened.
    pub(crate) fn fetched(&self, id: ObjectId) -> Option<StepId> {
        self.lock().named.get(&id)?.fetched
    }

    /// A reader has everything up to `step`.
    pub(crate) fn acknowledge(&self, id: ObjectId, step: StepId) {
        self.put_named(id, NamedPlace { acknowledged: Some(step), ..NamedPlace::default() });
        self.forget_read();
    }

    /// How a reader is doing.
    pub(crate) fn status_of(&self, id: ObjectId) -> Option<NamedStatus> {
        let steps = self.lock();
        let reader = steps.named.get(&id)?;
        let waiting = || steps.entries.iter().skip(steps.index_of(reader.next)).filter(|_| reader.holds());
        Some(NamedStatus {
            place: reader.place.clone(),
            newest: waiting().last().map(|entry| entry.step),
            steps: waiting().count() as u64,
            rows: waiting().map(|entry| entry.changes.len() as u64).sum(),
            bytes: waiting().map(|entry| entry.bytes as u64).sum(),
            bound: bound_text(&reader.bound),
        })
    }

    /// What belongs to a checkpoint: all that a reader with a name has not acknowledged; `None`: nothing is kept for one.
    pub(crate) fn image(&self) -> Option<HistoryImage> {
        let steps = self.lock();
        let after = steps.named.values().filter_map(|reader| reader.place.reads_behind()).min()?;
        let behind = steps.entries.iter().filter(|entry| entry.step > after);
        Some(HistoryImage { after, entries: behind.map(|entry| (entry.step, entry.at, entry.changes.clone())).collect() })
    }

    /// Puts back what a checkpoint holds of it. Nothing has been added since.
    pub(crate) fn restore(&self, image: HistoryImage) -> Result<()> {
        let mut steps = self.lock();
        steps.complete_after = image.after;
        image.entries.into_iter().try_for_each(|(step, at, changes)| steps.add(step, changes, at))
    }
}

impl Steps {
    /// The number of the first entry behind `step`.
    fn first_behind(&self, step: StepId) -> u64 {
        self.first + self.entries.partition_point(|entry| entry.step <= step) as u64
    }

    /// Where the entry of a number stands in `entries`.
    fn index_of(&self, number: u64) -> usize {
        usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX)
    }

    /// Gives up readers with a name for which more waits than may: those that begin with the rows that there are begin with newer ones, the others are told.
    pub(super) fn give_up_slow_ones(&mut self) {
        let is_slow = |reader: &NamedReader| reader.holds() && self.exceeds(reader);
        let slow: Vec<ObjectId> = self.named.iter().filter(|(_, reader)| is_slow(reader)).map(|(id, _)| *id).collect();
        for id in slow {
            let lost = self.named.get(&id).and_then(|reader| self.entry(reader.next)).zip(self.entries.back());
            let lost = lost.map(|(first, last)| (first.step, last.step));
            let Some(reader) = self.named.get_mut(&id) else { continue };
            reader.place.snapshot_at = None;
            reader.place.lost = lost.filter(|_| reader.place.acknowledged.is_some());
        }
    }

    /// Whether more waits for a reader than may. One step always may.
    fn exceeds(&self, reader: &NamedReader) -> bool {
        let waiting = self.end().saturating_sub(reader.next);
        let (Some(first), Some(last)) = (self.entry(reader.next), self.entries.back()) else { return false };
        waiting > 1
            && (reader.bound.steps.is_some_and(|steps| waiting > steps as u64)
                || reader.bound.bytes.is_some_and(|bytes| bytes_between(first, last) > bytes as u64)
                || reader.bound.nanos.is_some_and(|nanos| last.at.saturating_sub(first.at) > nanos))
    }
}

/// Bytes from one entry to a later one.
fn bytes_between(first: &Entry, last: &Entry) -> u64 {
    last.bytes_through - first.bytes_through + first.bytes as u64
}

fn bound_text(bound: &Retention) -> String {
    match bound {
        Retention { steps: Some(steps), .. } => format!("{steps} steps"),
        Retention { bytes: Some(bytes), .. } => size_text(*bytes),
        Retention { nanos: Some(nanos), .. } => Length::Nanos(*nanos).to_string(),
        Retention { .. } => String::new(),
    }
}

/// Why a reader with a name cannot go on.
pub(crate) fn lost_error(subscription: &str, object: &str, (from, to): (StepId, StepId), bound: &str) -> Error {
    let text = format!(
        "steps {} to {} of '{object}' are not kept any more, and '{subscription}' has not acknowledged them",
        from.0, to.0
    );
    Error::new(Code::LimitReached, text).with_detail(format!("at most {bound} wait for it (history)")).with_hint(format!(
        "begin anew, with the current rows of a stored object: DROP SUBSCRIPTION {subscription}, then \
         CREATE SUBSCRIPTION {subscription} ON {object} WITH (history = '1 GiB')"
    ))
}
