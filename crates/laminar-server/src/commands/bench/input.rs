//! The rows of a workload, made before any clock starts: the same ones every time.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use laminar_db::Result;

use super::nexmark;
use crate::random::scramble;

/// Rows that are pushed at once.
const BATCH_ROWS: usize = 65_536;
/// 2026-01-01T00:00:00Z.
const BEGIN_NS: i64 = 1_767_225_600_000_000_000;
/// Event time that the rows of a run cover, however many they are: so the number of windows is always the same.
const SPAN_NS: i64 = 200_000_000_000;
/// How far a row may be behind its turn: less than the second by which the watermark waits, so that no row is late.
const DISORDER_NS: u64 = 500_000_000;
/// Values are below this.
const VALUES: u64 = 1_000;

/// Where rows come from.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// `events`: a key, a value and a time for each row, evenly spread keys.
    Events { keys: u64 },
    /// `events` with a text for a key and a number of up to ten beside it.
    Named { keys: u64 },
    /// Streams of Nexmark.
    Nexmark(&'static [Table]),
}

/// A stream of rows.
pub(super) struct Table {
    /// The name by which queries know it.
    pub(super) name: &'static str,
    /// Its columns as CREATE SOURCE declares them.
    pub(super) columns: &'static str,
}

const EVENTS: &[Table] =
    &[Table { name: "events", columns: "k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND" }];
const NAMED: &[Table] = &[Table {
    name: "events",
    columns: "k VARCHAR, part BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND",
}];

impl Source {
    /// The streams that it has.
    pub(super) fn tables(self) -> &'static [Table] {
        match self {
            Source::Events { .. } => EVENTS,
            Source::Named { .. } => NAMED,
            Source::Nexmark(tables) => tables,
        }
    }
}

/// Rows that are pushed at once.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Batch {
    /// The stream to which they belong.
    pub(super) table: &'static str,
    /// The rows.
    pub(super) rows: RecordBatch,
}

/// The rows of a workload.
pub(super) struct Input {
    /// Where they come from.
    pub(super) source: Source,
    /// The rows in the order in which they are pushed.
    pub(super) batches: Vec<Batch>,
}

impl Input {
    /// `rows` rows of `source`.
    pub(super) fn make(source: Source, rows: usize) -> Result<Self> {
        let of_events = |rows| Batch { table: "events", rows };
        let batches = match source {
            Source::Events { keys } => events(keys, rows)?.into_iter().map(of_events).collect(),
            Source::Named { keys } => {
                events(keys, rows)?.into_iter().map(|rows| Ok(of_events(named(rows)?))).collect::<Result<_>>()?
            }
            Source::Nexmark(tables) => nexmark::batches(tables, rows, BATCH_ROWS, nexmark::OPTIONS)?,
        };
        Ok(Self { source, batches })
    }

    /// How many rows.
    pub(super) fn rows(&self) -> usize {
        self.batches.iter().map(|batch| batch.rows.num_rows()).sum()
    }

    /// Bytes that the rows take in memory.
    pub(super) fn bytes(&self) -> usize {
        let columns = self.batches.iter().flat_map(|batch| batch.rows.columns());
        // Batches can be parts of one large array: only their own part counts.
        columns.map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
    }

    /// Row number `row` of an input of one stream alone, without copying it.
    pub(super) fn one(&self, row: usize) -> Batch {
        let batch = &self.batches[row / BATCH_ROWS];
        Batch { table: batch.table, rows: batch.rows.slice(row % BATCH_ROWS, 1) }
    }
}

fn events(keys: u64, rows: usize) -> Result<Vec<RecordBatch>> {
    let spacing = SPAN_NS / rows.max(1) as i64;
    let starts = (0..rows).step_by(BATCH_ROWS);
    starts.map(|start| event_batch(keys, start..rows.min(start + BATCH_ROWS), spacing)).collect()
}

fn event_batch(keys: u64, rows: std::ops::Range<usize>, spacing: i64) -> Result<RecordBatch> {
    let (mut k, mut v, mut ts) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let random = scramble(row as u64);
        k.push((random % keys) as i64);
        v.push(((random >> 32) % VALUES) as i64);
        ts.push(BEGIN_NS + row as i64 * spacing + (scramble(random) % DISORDER_NS) as i64);
    }
    Ok(RecordBatch::try_from_iter([
        ("k", Arc::new(Int64Array::from(k)) as ArrayRef),
        ("v", Arc::new(Int64Array::from(v))),
        ("ts", Arc::new(TimestampNanosecondArray::from(ts))),
    ])?)
}

/// The same events with texts of up to 12 bytes for keys, and the last digit of a value beside each.
fn named(events: RecordBatch) -> Result<RecordBatch> {
    let [keys, values] = [0, 1].map(|column| events.column(column).as_primitive::<Int64Type>().values());
    Ok(RecordBatch::try_from_iter([
        ("k", Arc::new(StringArray::from_iter_values(keys.iter().map(|key| format!("key-{key}")))) as ArrayRef),
        ("part", Arc::new(values.iter().map(|value| Some(value % 10)).collect::<Int64Array>())),
        ("v", events.column(1).clone()),
        ("ts", events.column(2).clone()),
    ])?)
}

#[cfg(test)]
mod tests {
    use arrow_array::types::TimestampNanosecondType;

    use super::*;

    #[test]
    fn rows_are_as_many_as_asked_and_the_same_every_time() {
        for source in [Source::Events { keys: 7 }, Source::Named { keys: 7 }, Source::Nexmark(nexmark::NUMBERS)] {
            for rows in [1, 1_000, BATCH_ROWS + 1] {
                let input = Input::make(source, rows).unwrap();
                assert_eq!(input.rows(), rows, "{}", source.tables()[0].name);
                assert_eq!(input.batches, Input::make(source, rows).unwrap().batches);
                assert_eq!(input.one(rows - 1).rows.num_rows(), 1);
                assert!((16 * rows..=40 * rows).contains(&input.bytes()), "{} bytes for {rows} rows", input.bytes());
            }
        }
    }

    #[test]
    fn events_are_out_of_order_but_never_behind_the_watermark_and_use_every_key() {
        let input = Input::make(Source::Events { keys: 10 }, 100_000).unwrap();
        let (mut newest, mut furthest, mut keys) = (i64::MIN, 0, [0; 10]);
        for batch in &input.batches {
            let times = batch.rows.column(2).as_primitive::<TimestampNanosecondType>().values();
            for (time, key) in times.iter().zip(batch.rows.column(0).as_primitive::<Int64Type>().values()) {
                newest = newest.max(*time);
                furthest = furthest.max(newest - time);
                keys[*key as usize] += 1;
            }
        }
        assert!((1..1_000_000_000).contains(&furthest), "{furthest}");
        assert!(keys.iter().all(|rows| (9_000..11_000).contains(rows)), "{keys:?}");
    }
}
