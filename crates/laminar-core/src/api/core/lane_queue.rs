//! What waits in one lane of a core, on the core's side: taken in, cut into pieces, or dropped where there is no room for it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::runtime::SourceInput;
use crate::thread::CreditGate;
use crate::thread::spsc::Consumer;
use crate::{NodeId, Result};

/// An event on its way through a lane.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) source: NodeId,
    pub(super) input: SourceInput,
    /// Whether its rows have credits. If not, the oldest rows that wait have to make room for them.
    pub(super) admitted: bool,
}

/// The core's end of a lane.
pub(super) struct LaneQueue {
    incoming: Consumer<Entry>,
    gate: Arc<CreditGate>,
    waiting: VecDeque<Entry>,
}

impl LaneQueue {
    pub(super) fn new(incoming: Consumer<Entry>, gate: Arc<CreditGate>) -> Self {
        let waiting = VecDeque::with_capacity(incoming.capacity());
        Self { incoming, gate, waiting }
    }

    /// Whether something has come that can be taken in.
    pub(super) fn has_input(&self) -> bool {
        self.waiting.len() < self.incoming.capacity() && !self.incoming.is_empty()
    }

    /// Takes in what has come.
    pub(super) fn take_in(&mut self) {
        while self.waiting.len() < self.incoming.capacity() {
            let Some(entry) = self.incoming.pop() else { return };
            self.waiting.push_back(entry);
            if self.waiting.back().is_some_and(|entry| !entry.admitted) {
                self.make_room();
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Hands on what waits, about `rows_max` rows; returns how many, whose credits the caller gives back when they are worked off.
    pub(super) fn feed(&mut self, rows_max: usize, mut feed: impl FnMut(NodeId, SourceInput) -> Result<()>) -> Result<usize> {
        let mut rows = 0;
        while rows < rows_max
            && let Some(front) = self.waiting.front_mut()
        {
            let part = cut(front, rows_max - rows);
            rows += part.as_ref().map_or(rows_of(front), rows_of_input);
            let source = front.source;
            match part {
                Some(part) => feed(source, part)?,
                None => self.waiting.pop_front().map_or(Ok(()), |entry| feed(source, entry.input))?,
            }
        }
        Ok(rows)
    }

    /// Gets credits for the newest entry; as long as there are none, the oldest rows that wait are dropped and give theirs.
    fn make_room(&mut self) {
        while let Some(newest) = self.waiting.back_mut() {
            let wanted = rows_of(newest);
            if self.gate.try_acquire(wanted) {
                newest.admitted = true;
                return;
            }
            let missing = wanted.saturating_sub(self.gate.available()).max(1);
            let Some(oldest) = self.waiting.iter().position(|entry| rows_of(entry) > 0) else { return };
            self.drop_rows(oldest, missing);
            if self.waiting.back().is_none_or(|entry| entry.admitted) {
                // Not even alone it had room: what came after it has all credits already.
                return;
            }
        }
    }

    /// Drops up to `rows_max` rows of the entry at `index`, and the entry if nothing is left of it.
    fn drop_rows(&mut self, index: usize, rows_max: usize) {
        let entry = &mut self.waiting[index];
        let part = cut(entry, rows_max);
        let dropped = part.as_ref().map_or(rows_of(entry), rows_of_input);
        self.gate.count_dropped(dropped);
        if entry.admitted {
            self.gate.release(dropped);
        }
        if part.is_none() {
            self.waiting.remove(index);
        }
    }
}

/// Cuts the first `rows_max` rows off `entry`; `None` if it has no more than that.
fn cut(entry: &mut Entry, rows_max: usize) -> Option<SourceInput> {
    match &mut entry.input {
        SourceInput::Changes(changes) if changes.len() > rows_max => {
            let first = changes.slice(0, rows_max);
            *changes = changes.slice(rows_max, changes.len() - rows_max);
            Some(SourceInput::Changes(first))
        }
        _ => None,
    }
}

fn rows_of(entry: &Entry) -> usize {
    rows_of_input(&entry.input)
}

fn rows_of_input(input: &SourceInput) -> usize {
    match input {
        SourceInput::Changes(changes) => changes.len(),
        SourceInput::Watermark(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{Int64Array, RecordBatch};

    use super::*;
    use crate::ChangeBatch;
    use crate::thread::{BackpressureConfig, OverflowStrategy, Producer, SpscQueue};
    use crate::time::Watermark;

    const SOURCE: NodeId = NodeId(0);

    fn lane(credits: usize) -> (Producer<Entry>, LaneQueue) {
        let config = BackpressureConfig::builder().exclusive_credits(credits).floating_credits(0);
        let config = config.overflow_strategy(OverflowStrategy::DropOldest).build().unwrap();
        let (producer, consumer) = SpscQueue::with_capacity(16).split();
        (producer, LaneQueue::new(consumer, Arc::new(CreditGate::new(config))))
    }

    fn numbers(range: std::ops::Range<i64>) -> SourceInput {
        let column = Arc::new(Int64Array::from_iter_values(range)) as _;
        SourceInput::Changes(ChangeBatch::append(RecordBatch::try_from_iter([("n", column)]).unwrap()))
    }

    /// Puts these rows in as the caller's side does.
    fn put(producer: &Producer<Entry>, lane: &LaneQueue, range: std::ops::Range<i64>) {
        let admitted = lane.gate.try_acquire((range.end - range.start) as usize);
        producer.push(Entry { source: SOURCE, input: numbers(range), admitted }).unwrap();
    }

    /// What comes out, piece by piece; a watermark is its negative time.
    fn drain(lane: &mut LaneQueue, rows_max: usize) -> Vec<Vec<i64>> {
        let mut pieces = Vec::new();
        while !lane.is_empty() {
            let mut piece = Vec::new();
            let rows = lane.feed(rows_max, |_, input| {
                match input {
                    SourceInput::Changes(changes) => piece.extend(changes.column(0).as_primitive::<Int64Type>().values()),
                    SourceInput::Watermark(watermark) => piece.push(-watermark.0),
                }
                Ok(())
            });
            lane.gate.release(rows.unwrap());
            pieces.push(piece);
        }
        pieces
    }

    #[test]
    fn events_are_cut_and_joined_into_pieces_in_their_order() {
        let (producer, mut lane) = lane(100);
        put(&producer, &lane, 0..5);
        producer.push(Entry { source: SOURCE, input: SourceInput::Watermark(Watermark(7)), admitted: true }).unwrap();
        put(&producer, &lane, 5..6);
        put(&producer, &lane, 6..7);
        lane.take_in();
        assert_eq!(drain(&mut lane, 4), [vec![0, 1, 2, 3], vec![4, -7, 5, 6]]);
        assert_eq!((lane.gate.in_use(), lane.gate.metrics().dropped), (0, 0));
    }

    #[test]
    fn the_oldest_rows_make_room_and_each_is_counted() {
        let (producer, mut lane) = lane(10);
        put(&producer, &lane, 0..6);
        producer.push(Entry { source: SOURCE, input: SourceInput::Watermark(Watermark(7)), admitted: true }).unwrap();
        put(&producer, &lane, 6..9);
        put(&producer, &lane, 9..13);
        put(&producer, &lane, 13..18);
        lane.take_in();
        assert_eq!((lane.gate.in_use(), lane.gate.metrics().dropped), (10, 8), "never more are dropped than must be");
        assert_eq!(drain(&mut lane, 100), [vec![-7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]]);
        assert_eq!((lane.gate.in_use(), lane.gate.available()), (0, 10));
    }

    #[test]
    fn nothing_is_dropped_if_room_has_come_meanwhile() {
        let (producer, mut lane) = lane(10);
        put(&producer, &lane, 0..8);
        lane.take_in();
        put(&producer, &lane, 8..14);
        assert_eq!(drain(&mut lane, 100), [(0..8).collect::<Vec<_>>()]);
        lane.take_in();
        assert_eq!(drain(&mut lane, 100), [(8..14).collect::<Vec<_>>()]);
        assert_eq!(lane.gate.metrics().dropped, 0);
    }
}
