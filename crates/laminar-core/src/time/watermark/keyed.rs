//! A watermark for each key of a source: the source stands where the slowest of those stands that still send.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, SchemaRef};

use super::key_places::KeyPlaces;
use super::running::RowPromise;
use super::{ArrivingRows, WatermarkGenerator, WatermarkTracker, saved};
use crate::time::Watermark;
use crate::{Error, Result};

/// Keeps one promise a key. What the rows of a key promise is what a [`RunningGenerator`](super::running::RunningGenerator) would make of
/// them alone; together they promise the least of all keys that are not silent.
///
/// * A key counts from its first row with a time on. It can hold the watermark where it is, never turn it back.
/// * A key that has been silent for the idle timeout is forgotten. When all are, the watermark is where the furthest has been.
/// * Rows of a key for which there is no room are refused: see [`Keyed::refused`].
pub struct KeyedGenerator<P> {
    promise: P,
    origin: KeyOrigin,
    keys: Keys,
    refused: Vec<u32>,
}

/// What a generator with keys can tell about them.
pub trait Keyed {
    /// The rows of the last observation for whose keys there was no room: nothing would wait for them, so they must not go on.
    fn refused(&self) -> &[u32];

    /// How many keys count.
    fn keys(&self) -> usize;

    /// Bytes that they take.
    fn bytes(&self) -> usize;

    /// The keys, and in the last column what each has promised.
    fn image(&self) -> Result<RecordBatch>;

    /// Takes what [`image`](Self::image) gave. Silence is counted anew.
    fn restore(&mut self, image: &RecordBatch) -> Result<()>;

    /// Silence up to `now` does not count: the source was not read.
    fn excuse_silence(&mut self, now: i64);
}

/// What tells the keys of rows apart.
#[derive(Debug, Clone)]
pub(super) enum KeyOrigin {
    /// The values of these columns; NULL is a value.
    Columns(Vec<usize>),
    /// The partition from which they come.
    Partition,
}

/// The keys that a generator is to tell apart.
pub(super) struct KeyedSpec<'a> {
    pub(super) origin: KeyOrigin,
    pub(super) schema: &'a SchemaRef,
    pub(super) keys_max: usize,
    /// Silence that makes a key idle, in nanoseconds; `None`: none does.
    pub(super) idle_timeout: Option<i64>,
    /// The partitions that count although nothing has come from them yet: those before this number.
    pub(super) partitions: u32,
}

/// The keys of a source.
struct Keys {
    types: Vec<DataType>,
    places: KeyPlaces,
    tracker: WatermarkTracker,
    idle_timeout: Option<i64>,
    keys_max: usize,
    /// The furthest that any key has promised.
    furthest: Watermark,
}

impl KeyedSpec<'_> {
    /// The generator that keeps `promise` for each of these keys.
    pub(super) fn generator<P: RowPromise + 'static>(&self, promise: P) -> Result<Box<dyn WatermarkGenerator>> {
        let types = match &self.origin {
            KeyOrigin::Columns(columns) => columns.iter().map(|at| self.schema.field(*at).data_type().clone()).collect(),
            KeyOrigin::Partition => vec![DataType::UInt32],
        };
        let mut keys = Keys::new(types, self.keys_max, self.idle_timeout)?;
        if self.partitions > 0 {
            keys.expect(&[Arc::new(UInt32Array::from_iter_values(0..self.partitions))])?;
        }
        Ok(Box::new(KeyedGenerator { promise, origin: self.origin.clone(), keys, refused: Vec::new() }))
    }
}

impl KeyOrigin {
    /// The columns of the keys of these rows, and how many rows these have: one for all where they come from one partition.
    fn columns(&self, arriving: &ArrivingRows<'_>) -> (Vec<ArrayRef>, usize) {
        match self {
            KeyOrigin::Columns(columns) => {
                (columns.iter().map(|column| arriving.rows.column(*column).clone()).collect(), arriving.times.len())
            }
            KeyOrigin::Partition => (vec![Arc::new(UInt32Array::from(vec![arriving.partition]))], 1),
        }
    }
}

impl<P: RowPromise> WatermarkGenerator for KeyedGenerator<P> {
    fn observe(&mut self, arriving: &ArrivingRows<'_>) -> Result<Option<ScalarBuffer<i64>>> {
        // Before the rows as well as at the end of a step: a cut in front of these rows must change nothing.
        self.keys.forget_silent(arriving.now);
        self.refused.clear();
        let (columns, rows) = self.origin.columns(arriving);
        let keys = self.keys.places.encode(&columns, rows)?;
        let promised = self.promise.promised(arriving)?;
        let (mut stood, mut behind) = (Vec::with_capacity(arriving.times.len()), false);
        for (row, time) in arriving.times.iter().enumerate() {
            let before = self.keys.tracker.watermark().0;
            stood.push(before);
            behind |= time.is_some_and(|time| time < before);
            let Some(time) = time.filter(|_| arriving.weights.get(row) > 0) else { continue };
            let promised = promised(row, time).map_or(Watermark::START, Watermark);
            if !self.keys.promise(keys.row(row.min(rows - 1)).as_ref(), promised, arriving.now) {
                self.refused.push(row as u32);
            }
        }
        Ok(behind.then(|| stood.into()))
    }

    fn on_clock(&mut self, now: i64) {
        self.keys.forget_silent(now);
    }

    fn due(&self) -> Option<i64> {
        self.keys.tracker.due()
    }

    fn watermark(&self) -> Watermark {
        self.keys.tracker.watermark()
    }

    fn advance_to(&mut self, watermark: Watermark) {
        self.keys.tracker.advance_to(watermark);
    }

    fn save(&self) -> Vec<i64> {
        vec![self.watermark().0, self.keys.furthest.0]
    }

    fn load(&mut self, numbers: &[i64]) -> Result<()> {
        let [watermark, furthest] = saved(numbers)?;
        self.keys.tracker.advance_to(Watermark(watermark));
        self.keys.furthest = Watermark(furthest);
        Ok(())
    }

    fn keyed(&self) -> Option<&dyn Keyed> {
        Some(self)
    }

    fn keyed_mut(&mut self) -> Option<&mut dyn Keyed> {
        Some(self)
    }
}

impl<P: RowPromise> Keyed for KeyedGenerator<P> {
    fn refused(&self) -> &[u32] {
        &self.refused
    }

    fn keys(&self) -> usize {
        self.keys.places.len()
    }

    fn bytes(&self) -> usize {
        self.keys.places.bytes() + self.keys.tracker.bytes()
    }

    fn image(&self) -> Result<RecordBatch> {
        let (mut columns, places) = self.keys.places.columns()?;
        let promised = places.iter().map(|place| self.keys.tracker.source_watermark(*place).0);
        columns.push(Arc::new(Int64Array::from_iter_values(promised)));
        Ok(RecordBatch::try_from_iter(columns.into_iter().enumerate().map(|(at, column)| (at.to_string(), column)))?)
    }

    fn restore(&mut self, image: &RecordBatch) -> Result<()> {
        let (promised, columns) =
            image.columns().split_last().ok_or_else(|| Error::internal("image of keys without their watermarks"))?;
        let Keys { types, idle_timeout, keys_max, furthest, tracker, .. } = &self.keys;
        let mut keys = Keys::new(types.clone(), *keys_max, *idle_timeout)?;
        keys.furthest = *furthest;
        let encoded = keys.places.encode(columns, image.num_rows())?;
        for (key, promised) in encoded.iter().zip(promised.as_primitive::<Int64Type>().values()) {
            keys.restore(key.as_ref(), Watermark(*promised));
        }
        keys.tracker.advance_to(tracker.watermark());
        self.keys = keys;
        Ok(())
    }

    fn excuse_silence(&mut self, now: i64) {
        self.keys.tracker.excuse_silence(now);
    }
}

impl Keys {
    fn new(types: Vec<DataType>, keys_max: usize, idle_timeout: Option<i64>) -> Result<Self> {
        let tracker = match idle_timeout {
            // Rows of one moment are not silence, whatever the timeout.
            Some(timeout) => WatermarkTracker::with_idle_timeout(0, timeout.max(1)),
            None => WatermarkTracker::new(0),
        };
        Ok(Self { places: KeyPlaces::new(&types)?, types, tracker, idle_timeout, keys_max, furthest: Watermark::START })
    }

    /// Lets the keys of these columns count although nothing has come from them yet.
    fn expect(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let rows = columns.first().map_or(0, |column| column.len());
        let keys = self.places.encode(columns, rows)?;
        keys.iter().for_each(|key| _ = self.place(key.as_ref()));
        Ok(())
    }

    /// A row of the key `key` promises `promised`; false: there is no room for the key.
    fn promise(&mut self, key: &[u8], promised: Watermark, now: i64) -> bool {
        let Some(place) = self.place(key) else { return false };
        self.tracker.update_source(place, promised, now);
        self.furthest = self.furthest.max(promised);
        true
    }

    /// The place of a key, which it gets if it is new and there is room.
    fn place(&mut self, key: &[u8]) -> Option<usize> {
        if let Some(place) = self.places.find(key) {
            return Some(place);
        }
        let has_room = self.places.len() < self.keys_max;
        has_room.then(|| self.places.insert(key, || self.tracker.add_source()))
    }

    /// Gives a key of an image its place, however many there may be now.
    fn restore(&mut self, key: &[u8], promised: Watermark) {
        let place = self.places.insert(key, || self.tracker.add_source());
        self.tracker.restore_source(place, promised);
    }

    /// Forgets the keys that have been silent for too long at `now`.
    fn forget_silent(&mut self, now: i64) {
        let before = self.tracker.active_sources();
        self.tracker.check_idle_sources(now);
        let after = self.tracker.active_sources();
        if after == before {
            return;
        }
        let tracker = &mut self.tracker;
        self.places.retain(|place| {
            let counts = !tracker.is_idle(place);
            if !counts {
                tracker.forget_source(place);
            }
            counts
        });
        if after == 0 {
            self.tracker.advance_to(self.furthest);
        }
    }
}
