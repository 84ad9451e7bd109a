//! The changes of one object by step, kept for its readers: each pulls from it at its own pace, and none of them makes another wait.
//!
//! What all readers have read is forgotten, apart from what [`Retention`] keeps for readers to come. What a slow reader has not read is
//! kept within a bound of bytes; beyond it the oldest steps are forgotten, and a reader that has not read them is told so
//! ([`SlowReader`]). Only a reader that asked for [`SlowReader::Block`] holds back what feeds the object.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::UInt32Array;
use laminar_core::dag::Outlet;
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Code, Error, Result, StepId};

use super::named::NamedReader;
use super::{SlowReader, SubscribeOptions};
use crate::catalog::ObjectId;
use crate::settings::{Retention, size_text};

/// The history of one object. Clones are handles to the same one.
#[derive(Clone)]
pub(crate) struct History(Arc<Mutex<Steps>>);

/// A reader of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReaderId(u64);

/// What a reader gets next.
#[derive(Debug)]
pub(crate) enum Next {
    /// The changes of a step, or the rows with which it begins.
    Changes(StepId, ChangeBatch),
    /// Nothing yet.
    Nothing,
    /// Nothing any more.
    End,
}

pub(super) struct Steps {
    /// The object.
    name: String,
    pub(super) entries: VecDeque<Entry>,
    /// The number of the first of `entries`, counted from the beginning.
    pub(super) first: u64,
    /// The changes of every step after this one are here.
    pub(super) complete_after: StepId,
    /// Bytes of `entries`.
    bytes: usize,
    bytes_max: usize,
    retention: Retention,
    readers: BTreeMap<ReaderId, Reader>,
    readers_made: u64,
    /// By the subscription's id.
    pub(super) named: BTreeMap<ObjectId, NamedReader>,
    ended: bool,
    pub(super) failed: Option<Error>,
}

pub(super) struct Entry {
    pub(super) step: StepId,
    pub(super) changes: ChangeBatch,
    pub(super) bytes: usize,
    /// Bytes of all entries that ever were, up to this one.
    pub(super) bytes_through: u64,
    /// The wall-clock time of the step, in nanoseconds.
    pub(super) at: i64,
}

struct Reader {
    policy: SlowReader,
    /// Steps that may wait for it.
    capacity: u64,
    /// The number of the entry that it reads next.
    next: u64,
    /// The rows with which it begins.
    snapshot: Option<(StepId, ChangeBatch)>,
    dropped: u64,
    /// Why it cannot go on, until it is told.
    failed: Option<Error>,
    over: bool,
}

impl History {
    /// Says how the object is called from now on.
    pub(crate) fn rename(&self, name: &str) {
        name.clone_into(&mut self.lock().name);
    }

    /// A history of the object `name` that begins after `step`.
    pub(crate) fn new(name: &str, step: StepId, retention: Retention, bytes_max: usize) -> Self {
        Self(Arc::new(Mutex::new(Steps {
            name: name.to_owned(),
            entries: VecDeque::new(),
            first: 0,
            complete_after: step,
            bytes: 0,
            bytes_max: bytes_max.max(retention.bytes.unwrap_or(0)),
            retention,
            readers: BTreeMap::new(),
            readers_made: 0,
            named: BTreeMap::new(),
            ended: false,
            failed: None,
        })))
    }

    /// Says that nothing of the steps up to `step` is kept.
    pub(crate) fn begin_after(&self, step: StepId) {
        self.lock().complete_after = step;
    }

    /// The end that the graph writes to.
    pub(crate) fn outlet(&self) -> Box<dyn Outlet> {
        Box::new(HistoryOutlet(self.clone()))
    }

    /// A reader of what comes from now on, after the rows of `snapshot`.
    pub(crate) fn read_from_now(&self, options: &SubscribeOptions, snapshot: Option<(StepId, ChangeBatch)>) -> ReaderId {
        let mut steps = self.lock();
        let next = steps.end();
        steps.add_reader(options, next, snapshot)
    }

    /// A reader of the changes after `step`. Fails if they are not kept any more, or if `step` is later than `last`.
    pub(crate) fn read_after(&self, options: &SubscribeOptions, step: StepId, last: StepId) -> Result<ReaderId> {
        let mut steps = self.lock();
        if step > last {
            return Err(Error::new(
                Code::InvalidQuery,
                format!("step {} has not happened yet: the last one is {}", step.0, last.0),
            )
            .with_hint("name a step that the subscription has shown before"));
        }
        if step < steps.complete_after {
            let text = format!(
                "the changes of '{}' after step {} are not kept: its history begins after step {}",
                steps.name, step.0, steps.complete_after.0
            );
            return Err(Error::new(Code::LimitReached, text).with_hint(
                "subscribe anew, beginning with the current rows, and keep a longer history: CREATE … WITH (history = '100000 steps') AS …",
            ));
        }
        let passed = steps.entries.partition_point(|entry| entry.step <= step);
        let next = steps.first + passed as u64;
        Ok(steps.add_reader(options, next, None))
    }

    /// What `reader` gets next; taken out of its way.
    pub(crate) fn next(&self, reader: ReaderId) -> Result<Next> {
        let mut steps = self.lock();
        let next = steps.next(reader)?;
        steps.forget();
        Ok(next)
    }

    /// Whether nothing will come for `reader` any more and it has read everything.
    pub(crate) fn is_finished(&self, reader: ReaderId) -> bool {
        let steps = self.lock();
        let Some(state) = steps.readers.get(&reader) else { return true };
        let waits = state.snapshot.is_some() || state.next < steps.end() || state.failed.is_some();
        state.over || (!waits && steps.ended && steps.failed.is_none())
    }

    /// Rows of changes that were dropped because `reader` did not keep up.
    pub(crate) fn dropped(&self, reader: ReaderId) -> u64 {
        self.lock().readers.get(&reader).map_or(0, |reader| reader.dropped)
    }

    /// Takes a reader away. True if the history has no reason to be any more.
    pub(crate) fn remove(&self, reader: ReaderId) -> bool {
        let mut steps = self.lock();
        steps.readers.remove(&reader);
        steps.forget();
        steps.is_unneeded()
    }

    /// Steps that wait for the reader that holds back what feeds the object, if there is one.
    pub(crate) fn held_back_by(&self) -> Option<u64> {
        let steps = self.lock();
        steps.readers.values().filter(|reader| steps.is_full(reader)).map(|reader| reader.lags(steps.end())).max()
    }

    /// How many readers there are.
    pub(crate) fn readers(&self) -> usize {
        self.lock().readers.len()
    }

    /// How many steps are kept, and the bytes of their changes.
    pub(crate) fn usage(&self) -> (usize, usize) {
        let steps = self.lock();
        (steps.entries.len(), steps.bytes)
    }

    /// A poisoned lock means that a reader panicked between two of our assignments; the history itself is whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, Steps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// Whether it still reads.
    fn is_live(&self) -> bool {
        !self.over && self.failed.is_none()
    }

    /// How many entries it has not read, of those before number `end`.
    fn lags(&self, end: u64) -> u64 {
        if self.is_live() { end.saturating_sub(self.next) } else { 0 }
    }
}

impl Steps {
    /// One past the number of the last entry.
    pub(super) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Whether nothing is read here and nothing kept for those to come.
    pub(super) fn is_unneeded(&self) -> bool {
        self.readers.is_empty() && self.named.is_empty() && self.retention.is_none()
    }

    pub(super) fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn add_reader(&mut self, options: &SubscribeOptions, next: u64, snapshot: Option<(StepId, ChangeBatch)>) -> ReaderId {
        self.readers_made += 1;
        let id = ReaderId(self.readers_made);
        let (policy, capacity) = (options.slow_reader, u64::try_from(options.capacity.max(1)).unwrap_or(u64::MAX));
        self.readers.insert(id, Reader { policy, capacity, next, snapshot, dropped: 0, failed: None, over: false });
        id
    }

    fn next(&mut self, id: ReaderId) -> Result<Next> {
        let end = self.end();
        let Some(reader) = self.readers.get_mut(&id) else { return Ok(Next::End) };
        if let Some((step, rows)) = reader.snapshot.take() {
            return Ok(Next::Changes(step, rows));
        }
        if let Some(error) = reader.failed.take() {
            reader.over = true;
            return Err(error);
        }
        if reader.over {
            return Ok(Next::End);
        }
        if reader.next < end {
            let entry = &self.entries[(reader.next - self.first) as usize];
            reader.next += 1;
            return Ok(Next::Changes(entry.step, entry.changes.clone()));
        }
        if let Some(error) = &self.failed {
            reader.over = true;
            return Err(error.clone());
        }
        Ok(if self.ended { Next::End } else { Next::Nothing })
    }

    /// Whether no further step may run because of this reader.
    fn is_full(&self, reader: &Reader) -> bool {
        if reader.policy != SlowReader::Block || !reader.is_live() {
            return false;
        }
        let waiting = reader.lags(self.end());
        let bytes = || self.entries.iter().skip((reader.next - self.first) as usize).map(|entry| entry.bytes).sum::<usize>();
        waiting >= reader.capacity || waiting > 0 && self.bytes >= self.bytes_max && bytes() >= self.bytes_max
    }

    /// Adds the changes of a step.
    pub(super) fn add(&mut self, step: StepId, changes: ChangeBatch, at: i64) -> Result<()> {
        let changes = compacted(changes)?;
        // An entry has a price of its own, so that many small steps do not count as nothing.
        let bytes = changes.rows().get_array_memory_size() + size_of::<Entry>() + changes.rows().num_columns() * 16;
        let bytes_through = self.entries.back().map_or(0, |last| last.bytes_through) + bytes as u64;
        self.bytes += bytes;
        self.entries.push_back(Entry { step, changes, bytes, bytes_through, at });
        Ok(())
    }

    fn push(&mut self, step: StepId, changes: ChangeBatch, at: i64) -> Result<()> {
        self.add(step, changes, at)?;
        self.give_up_slow_ones();
        let end = self.end();
        let overdue: Vec<ReaderId> = self
            .readers
            .iter()
            .filter(|(_, reader)| reader.policy != SlowReader::Block && reader.lags(end) > reader.capacity)
            .map(|(id, _)| *id)
            .collect();
        for id in overdue {
            self.pass_over(id, |reader| reader.lags(end) > reader.capacity);
        }
        self.forget();
        Ok(())
    }

    /// Lets a slow reader miss entries while `misses` says so: it is told, or counts them.
    fn pass_over(&mut self, id: ReaderId, misses: impl Fn(&Reader) -> bool) {
        let end = self.end();
        let Some(mut reader) = self.readers.remove(&id) else { return };
        match reader.policy {
            SlowReader::Block => {}
            SlowReader::DropOldest => {
                while reader.next < end && misses(&reader) {
                    reader.dropped += self.entry(reader.next).map_or(0, |entry| entry.changes.len() as u64);
                    reader.next += 1;
                }
            }
            SlowReader::Fail => {
                reader.failed = Some(self.fell_behind(&reader));
                reader.next = end;
            }
        }
        self.readers.insert(id, reader);
    }

    fn fell_behind(&self, reader: &Reader) -> Error {
        let from = self.entry(reader.next).map_or(0, |entry| entry.step.0);
        let to = self.entries.back().map_or(from, |entry| entry.step.0);
        let bound = match reader.capacity {
            u64::MAX => format!("{} (subscription_memory)", size_text(self.bytes_max)),
            capacity => format!("{capacity} steps (capacity)"),
        };
        let text =
            format!("the reader of '{}' fell behind: it has not read steps {from} to {to}, and {bound} may wait", self.name);
        Error::new(Code::LimitReached, text).with_hint(
            "subscribe again: a stored object begins with its current rows; read faster, or let more wait: SET subscription_memory = '1 GiB'",
        )
    }

    /// Forgets entries that no reader needs, and the oldest ones beyond the bound.
    pub(super) fn forget(&mut self) {
        let needed = self.named.values().filter(|reader| reader.holds()).map(|reader| reader.next).min();
        while let Some(front) = self.entries.front() {
            let number = self.first;
            let unread = |reader: &Reader| reader.next <= number && reader.is_live();
            let is_unread = self.readers.values().any(unread);
            let held = needed.is_some_and(|next| next <= number)
                || self.readers.values().any(|reader| reader.policy == SlowReader::Block && unread(reader));
            let too_many = self.bytes > self.bytes_max && self.entries.len() > 1;
            if held || !too_many && (is_unread || self.is_retained(front)) {
                return;
            }
            let behind: Vec<ReaderId> = self.readers.iter().filter(|(_, reader)| unread(reader)).map(|(id, _)| *id).collect();
            for id in behind {
                self.pass_over(id, |reader| reader.next <= number);
            }
            if let Some(gone) = self.entries.pop_front() {
                self.first += 1;
                self.bytes -= gone.bytes;
                self.complete_after = gone.step;
            }
        }
    }

    /// Whether `front`, the oldest entry, is kept for readers to come.
    fn is_retained(&self, front: &Entry) -> bool {
        if self.retention.is_none() {
            return false;
        }
        let newest = self.entries.back().map_or(front.at, |entry| entry.at);
        self.retention.steps.is_none_or(|steps| self.entries.len() <= steps)
            && self.retention.bytes.is_none_or(|bytes| self.bytes <= bytes)
            && self.retention.nanos.is_none_or(|nanos| newest.saturating_sub(front.at) <= nanos)
    }
}

/// A copy, where the rows are a small part of memory that they would keep alive.
fn compacted(changes: ChangeBatch) -> Result<ChangeBatch> {
    let held = changes.rows().get_array_memory_size();
    if held > 1 << 16 && changes.slice_bytes() < held / 2 {
        return changes.take(&UInt32Array::from_iter_values(0..changes.len() as u32));
    }
    Ok(changes)
}

struct HistoryOutlet(History);

impl Outlet for HistoryOutlet {
    fn deliver(&mut self, step: StepId, changes: &[ChangeBatch], watermark: Watermark, now: i64) {
        let mut steps = self.0.lock();
        if let [first, ..] = changes {
            // One entry a step, so that an update's two rows are seen together.
            let whole = ChangeBatch::concat(&first.schema(), changes);
            if let Err(error) = whole.and_then(|whole| steps.push(step, whole, now)) {
                steps.failed = Some(error);
            }
        }
        steps.ended |= watermark.is_end();
    }

    fn ready(&self) -> bool {
        let steps = self.0.lock();
        !steps.readers.values().any(|reader| steps.is_full(reader))
    }

    fn failed(&mut self, error: &Error) {
        self.0.lock().failed = Some(error.clone());
    }
}
