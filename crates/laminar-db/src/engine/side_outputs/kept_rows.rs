//! The newest rows of a side output, as many as a number of bytes holds, and how many there were.

use std::collections::VecDeque;

use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use laminar_core::Result;
use laminar_core::limits::SIDE_PIECE_BYTES_MAX;

/// Rows in the order in which they came; the oldest are forgotten when there is no room.
#[derive(Default)]
pub(super) struct KeptRows {
    pieces: VecDeque<Piece>,
    bytes: usize,
    rows: u64,
    came: u64,
    /// Rows that were taken out again, since they are no longer rejected.
    taken: u64,
}

/// Rows with buffers of their own, so that nothing else stays in memory because of them.
struct Piece {
    rows: RecordBatch,
    bytes: usize,
}

impl KeptRows {
    /// All rows that are kept.
    pub(super) fn batches(&self) -> Vec<RecordBatch> {
        self.pieces.iter().map(|piece| piece.rows.clone()).collect()
    }

    /// How many rows came.
    pub(super) fn came(&self) -> u64 {
        self.came
    }

    /// Says how many rows came, of which those that are kept are the newest, and how many were taken out.
    pub(super) fn set_counts(&mut self, came: u64, taken: u64) {
        (self.came, self.taken) = (came, taken);
    }

    /// How many rows came, and how many of them were taken out again.
    pub(super) fn came_and_taken(&self) -> (u64, u64) {
        (self.came, self.taken)
    }

    /// How many of them are still rejected.
    pub(super) fn rejected(&self) -> u64 {
        self.came - self.taken
    }

    /// Takes out those of the kept rows that `taken` says.
    pub(super) fn take_out(&mut self, taken: &[bool]) -> Result<()> {
        let mut rest = taken;
        for piece in &mut self.pieces {
            let (own, others) = rest.split_at(piece.rows.num_rows().min(rest.len()));
            rest = others;
            if !own.contains(&true) {
                continue;
            }
            let left = (0..piece.rows.num_rows() as u32).filter(|row| own.get(*row as usize) != Some(&true));
            *piece = Piece::new(take_record_batch(&piece.rows, &UInt32Array::from_iter_values(left))?);
        }
        self.pieces.retain(|piece| piece.rows.num_rows() > 0);
        let kept: u64 = self.pieces.iter().map(|piece| piece.rows.num_rows() as u64).sum();
        self.taken += self.rows - kept;
        self.rows = kept;
        self.bytes = self.pieces.iter().map(|piece| piece.bytes).sum();
        Ok(())
    }

    /// How many of them are kept.
    pub(super) fn kept(&self) -> u64 {
        self.rows
    }

    /// Takes rows in and forgets the oldest beyond `bytes_max`, but for the last piece: a single row may be larger.
    pub(super) fn push(&mut self, batch: &RecordBatch, bytes_max: usize) -> Result<()> {
        self.came += batch.num_rows() as u64;
        let piece_bytes_max = SIDE_PIECE_BYTES_MAX.min(bytes_max / 8).max(1);
        for rows in cut(batch, piece_bytes_max) {
            self.append(Piece::new(take_record_batch(batch, &rows)?), piece_bytes_max)?;
            while self.bytes > bytes_max && self.pieces.len() > 1 {
                self.forget_oldest();
            }
        }
        Ok(())
    }

    /// Adds a piece and joins it with those before it that are not much larger, so that rows which come in ones and twos do not stay alone, and
    /// each row is copied a few times only.
    fn append(&mut self, piece: Piece, piece_bytes_max: usize) -> Result<()> {
        self.rows += piece.rows.num_rows() as u64;
        self.bytes += piece.bytes;
        let mut last = piece;
        while let Some(before) =
            self.pieces.pop_back_if(|before| before.bytes < 2 * last.bytes && before.bytes + last.bytes <= piece_bytes_max)
        {
            let joined = Piece::new(concat_batches(&before.rows.schema(), [&before.rows, &last.rows])?);
            self.bytes = self.bytes - before.bytes - last.bytes + joined.bytes;
            last = joined;
        }
        self.pieces.push_back(last);
        Ok(())
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.pieces.pop_front() {
            self.bytes -= oldest.bytes;
            self.rows -= oldest.rows.num_rows() as u64;
        }
    }
}

impl Piece {
    fn new(rows: RecordBatch) -> Self {
        let bytes = rows.get_array_memory_size();
        Self { rows, bytes }
    }
}

/// The rows of `batch` in runs of about so many bytes, if no row is much larger than the others.
fn cut(batch: &RecordBatch, bytes_max: usize) -> impl Iterator<Item = UInt32Array> {
    let rows = batch.num_rows();
    let size = |column: &arrow_array::ArrayRef| {
        let data = column.to_data();
        data.get_slice_memory_size().unwrap_or_else(|_| data.get_array_memory_size())
    };
    let bytes: usize = batch.columns().iter().map(size).sum();
    let run = (rows / bytes.div_ceil(bytes_max).max(1)).max(1);
    (0..rows).step_by(run).map(move |start| UInt32Array::from_iter_values(start as u32..(start + run).min(rows) as u32))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringArray};

    use super::*;

    fn texts(numbers: std::ops::Range<usize>, length: usize) -> RecordBatch {
        let texts = StringArray::from_iter_values(numbers.map(|number| format!("{number:0length$}")));
        RecordBatch::try_from_iter([("text", Arc::new(texts) as ArrayRef)]).unwrap()
    }

    /// Pushes `rows` texts of `length` bytes in batches of `batch`, and looks at what is kept of them.
    #[track_caller]
    fn check(rows: usize, length: usize, batch: usize, bytes_max: usize) -> KeptRows {
        let mut kept = KeptRows::default();
        for start in (0..rows).step_by(batch) {
            // A slice of something large: only its rows may be kept.
            let large = texts(start..(start + batch).min(rows) + 100, length);
            kept.push(&large.slice(0, large.num_rows() - 100), bytes_max).unwrap();
        }
        let found: Vec<String> = kept
            .batches()
            .iter()
            .flat_map(|batch| {
                let column = batch.column(0).as_any().downcast_ref::<StringArray>().unwrap();
                column.iter().flatten().map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        let newest: Vec<String> = (rows - found.len()..rows).map(|number| format!("{number:0length$}")).collect();
        assert_eq!(found, newest, "the newest are kept, in order");
        assert_eq!((kept.came(), kept.kept()), (rows as u64, found.len() as u64));
        assert!(kept.bytes <= bytes_max || kept.pieces.len() == 1, "{} bytes in {} pieces", kept.bytes, kept.pieces.len());
        kept
    }

    #[test]
    fn all_rows_are_kept_as_long_as_there_is_room_however_they_come() {
        for batch in [1, 7, 1000, 12_000] {
            let kept = check(12_000, 50, batch, 64 << 20);
            assert_eq!(kept.kept(), 12_000, "in batches of {batch}");
            assert!(kept.pieces.len() < 40, "{} pieces from batches of {batch}", kept.pieces.len());
            assert!(kept.bytes < 3 << 20, "{} bytes from batches of {batch}", kept.bytes);
        }
    }

    #[test]
    fn the_oldest_are_forgotten_and_most_of_the_room_is_used() {
        for batch in [1, 333, 12_000] {
            let kept = check(12_000, 100, batch, 256 << 10);
            assert!((1000..2600).contains(&kept.kept()), "{} kept from batches of {batch}", kept.kept());
        }
    }

    #[test]
    fn a_row_that_is_larger_than_the_room_is_kept_alone() {
        assert_eq!(check(3, 65_000, 1, 48 << 10).kept(), 1);
        assert_eq!(check(3, 65_000, 3, 48 << 10).kept(), 1);
    }
}
