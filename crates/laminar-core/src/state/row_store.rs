//! Rows with weights in immutable Arrow chunks, each row at a row id that stays its own until its chunk is compacted.
//!
//! Small appends do not make small chunks: the chunk at the tail is a list of pieces of which neighbours of like size are
//! merged, so that a row is copied O(log rows of a chunk) times and every chunk ends as one piece.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::interleave::interleave;
use arrow_select::take::take;

use super::image::{StateImage, TableVersion, next_number};
use super::row_numbers::{FrozenNumbers, MatchCounts, RowNumbers};
use crate::alloc::IndexScope;
use crate::changelog::{add_weights, take_rows};
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_ROWS_MAX};
use crate::{ChangeBatch, Code, Error, Result};

/// Where a row is: its chunk's number in the high bits, its position in the chunk in the low ones.
pub(crate) type RowId = u32;

/// The row id of no row.
pub(crate) const NO_ROW: RowId = RowId::MAX;

const ROW_BITS: u32 = CHUNK_ROWS_MAX.trailing_zeros();
const CHUNKS_MAX: usize = (1 << (RowId::BITS - ROW_BITS)) - 1;
const _: () = assert!(CHUNK_ROWS_MAX.is_power_of_two(), "row ids are cut into bits");

/// The chunk that a row id is in.
#[inline]
pub(crate) fn chunk_of(row_id: RowId) -> usize {
    (row_id >> ROW_BITS) as usize
}

/// The position of a row id in its chunk.
#[inline]
pub(crate) fn row_of(row_id: RowId) -> usize {
    row_id as usize & (CHUNK_ROWS_MAX - 1)
}

fn slot_at(chunk: usize, row: usize) -> RowId {
    (chunk << ROW_BITS | row) as RowId
}

/// Rows of one schema. A row whose weight becomes 0 is dead; its bytes go when half of its chunk is dead.
#[derive(Debug)]
pub(crate) struct RowStore {
    schema: SchemaRef,
    chunks: Vec<Option<Chunk>>,
    free: Vec<usize>,
    tail: Option<usize>,
    /// Full chunks of which at least half is dead.
    sparse: Vec<usize>,
    live: usize,
}

#[derive(Debug, Default)]
struct Chunk {
    pieces: Vec<Piece>,
    weights: RowNumbers,
    live: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Piece {
    start: usize,
    rows: RecordBatch,
    /// No other has it.
    number: u64,
}

impl RowStore {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        Self { schema, chunks: Vec::new(), free: Vec::new(), tail: None, sparse: Vec::new(), live: 0 }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows of weight other than 0.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    #[inline]
    pub(crate) fn weight(&self, row_id: RowId) -> i64 {
        self.chunks[chunk_of(row_id)].as_ref().map_or(0, |chunk| chunk.weights.get()[row_of(row_id)])
    }

    /// The batch that a row is in, and where in it. A dead row can be read until its chunk is freed.
    #[inline]
    pub(crate) fn locate(&self, row_id: RowId) -> (&RecordBatch, usize) {
        let Some(chunk) = &self.chunks[chunk_of(row_id)] else { unreachable!("row ids have a chunk") };
        let (piece, row) = chunk.position(row_of(row_id));
        (&chunk.pieces[piece].rows, row)
    }

    /// Copies the rows `picked` of `rows` to the tail; `weights[i]` is that of `picked[i]` and not 0. Returns their row ids.
    pub(crate) fn append(&mut self, rows: &RecordBatch, picked: &[u32], weights: &[i64]) -> Result<Vec<RowId>> {
        debug_assert_eq!(picked.len(), weights.len(), "one weight a row");
        let mut row_ids = Vec::with_capacity(picked.len());
        while row_ids.len() < picked.len() {
            let number = self.tail_with_room()?;
            let Some(chunk) = self.chunks[number].as_mut() else { unreachable!("the tail exists") };
            let (from, first) = (row_ids.len(), chunk.weights.get().len());
            let to = picked.len().min(from + CHUNK_ROWS_MAX - first);
            let piece = take_rows(rows, &UInt32Array::from_iter_values(picked[from..to].iter().copied()))?;
            chunk.push(&self.schema, own_views(piece)?, &weights[from..to])?;
            row_ids.extend((first..first + to - from).map(|row| slot_at(number, row)));
            self.live += to - from;
        }
        Ok(row_ids)
    }

    /// The chunk that takes the next rows. A full one is left behind.
    fn tail_with_room(&mut self) -> Result<usize> {
        if let Some(number) = self.tail
            && let Some(chunk) = &self.chunks[number]
        {
            if !chunk.is_full() {
                return Ok(number);
            }
            if chunk.is_sparse() {
                self.sparse.push(number);
            }
        }
        let number = match self.free.pop() {
            Some(number) => number,
            None if self.chunks.len() == CHUNKS_MAX => {
                return Err(Error::new(Code::LimitReached, "the state of one operator holds 2^32 rows and no more"));
            }
            None => {
                self.chunks.push(None);
                self.chunks.len() - 1
            }
        };
        self.chunks[number] = Some(Chunk::default());
        self.tail = Some(number);
        Ok(number)
    }

    /// Adds to the weight of a row and returns the new one.
    pub(crate) fn add_weight(&mut self, row_id: RowId, weight: i64) -> Result<i64> {
        let number = chunk_of(row_id);
        let Some(chunk) = self.chunks[number].as_mut() else {
            return Err(Error::internal("a row id without chunk"));
        };
        let old = chunk.weights.get()[row_of(row_id)];
        let new = add_weights(old, weight)?;
        debug_assert_ne!(old, 0, "dead rows have no row_id");
        chunk.weights.to_mut()[row_of(row_id)] = new;
        if new == 0 {
            let was_sparse = chunk.is_sparse();
            chunk.live -= 1;
            self.live -= 1;
            if !was_sparse && chunk.is_sparse() && self.tail != Some(number) {
                self.sparse.push(number);
            }
        }
        Ok(new)
    }

    /// A chunk that should be compacted: its number, the row ids of its live rows.
    pub(crate) fn next_sparse(&mut self) -> Option<(usize, Vec<RowId>)> {
        let number = self.sparse.pop()?;
        let weights = self.chunks[number].as_ref().map_or(&[][..], |chunk| chunk.weights.get());
        let live = weights.iter().enumerate().filter(|(_, weight)| **weight != 0);
        Some((number, live.map(|(row, _)| slot_at(number, row)).collect()))
    }

    /// Drops a chunk with all of its rows.
    pub(crate) fn free(&mut self, number: usize) {
        if let Some(chunk) = self.chunks[number].take() {
            self.live -= chunk.live;
            self.free.push(number);
        }
    }

    /// Column `column` of the rows at `row_ids`, for each of `columns`.
    pub(crate) fn gather(&self, row_ids: &[RowId], columns: impl IntoIterator<Item = usize>) -> Result<Vec<ArrayRef>> {
        let (pieces, positions) = self.positions(row_ids);
        if let [only] = pieces.as_slice() {
            let rows = UInt32Array::from_iter_values(positions.iter().map(|(_, row)| *row as u32));
            return columns.into_iter().map(|column| Ok(take(only.rows.column(column), &rows, None)?)).collect();
        }
        let gather_one = |column: usize| -> Result<ArrayRef> {
            if pieces.is_empty() {
                return Ok(arrow_array::new_empty_array(self.schema.field(column).data_type()));
            }
            let arrays: Vec<&dyn Array> = pieces.iter().map(|piece| piece.rows.column(column).as_ref()).collect();
            Ok(interleave(&arrays, &positions)?)
        };
        columns.into_iter().map(gather_one).collect()
    }

    /// The pieces that `row_ids` touch, and for each row id which of them and where in it.
    fn positions(&self, row_ids: &[RowId]) -> (Vec<&Piece>, Vec<(usize, usize)>) {
        let mut pieces: Vec<&Piece> = Vec::new();
        // For each chunk, where its pieces begin in `pieces`.
        let mut first_pieces: Vec<u32> = vec![u32::MAX; self.chunks.len()];
        let mut positions = Vec::with_capacity(row_ids.len());
        for row_id in row_ids {
            let number = chunk_of(*row_id);
            let Some(chunk) = &self.chunks[number] else { unreachable!("live row ids have a chunk") };
            if first_pieces[number] == u32::MAX {
                first_pieces[number] = pieces.len() as u32;
                pieces.extend(&chunk.pieces);
            }
            let (piece, row) = chunk.position(row_of(*row_id));
            positions.push((first_pieces[number] as usize + piece, row));
        }
        (pieces, positions)
    }

    /// All rows at `row_ids`, with all columns.
    pub(crate) fn gather_rows(&self, row_ids: &[RowId]) -> Result<RecordBatch> {
        let columns = self.gather(row_ids, 0..self.schema.fields().len())?;
        let options = RecordBatchOptions::new().with_row_count(Some(row_ids.len()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }

    /// All rows at `row_ids` with their weights.
    pub(crate) fn stored(&self, row_ids: &[RowId]) -> Result<ChangeBatch> {
        let weights: Vec<i64> = row_ids.iter().map(|row_id| self.weight(*row_id)).collect();
        Ok(ChangeBatch::new(self.gather_rows(row_ids)?, weights))
    }

    /// All live rows, chunk by chunk. Chunks without dead rows are shared, not copied.
    pub(crate) fn batches(&self) -> Vec<ChangeBatch> {
        let mut batches = Vec::new();
        for chunk in self.chunks.iter().flatten() {
            for piece in &chunk.pieces {
                batches.push(live_rows(&piece.rows, &chunk.weights.get()[piece.range()]));
            }
        }
        batches.retain(|batch| !batch.is_empty());
        batches
    }

    /// Adds all live rows to `image`, as tables called `name`. No row is looked at before the image is read, and the first change of a weight in a chunk
    /// copies the chunk's weights.
    pub(crate) fn add_to_image(&mut self, image: &mut StateImage, name: &str) {
        self.add_each_to_image(image, name, |_| None);
    }

    /// The same, each row with the number of its matches.
    pub(crate) fn add_to_image_counted(&mut self, image: &mut StateImage, name: &str, counts: &mut MatchCounts) {
        self.add_each_to_image(image, name, |chunk| counts.freeze(chunk));
    }

    fn add_each_to_image(&mut self, image: &mut StateImage, name: &str, mut matches: impl FnMut(usize) -> Option<FrozenNumbers>) {
        let chunks = self.chunks.iter_mut().enumerate().filter_map(|(number, chunk)| Some((number, chunk.as_mut()?)));
        for (number, chunk) in chunks.filter(|(_, chunk)| chunk.live > 0) {
            let (weights, matches) = (chunk.weights.freeze(), matches(number));
            for Piece { start, rows, number } in &chunk.pieces {
                let version = [*number, weights.version, matches.as_ref().map_or(0, |matches| matches.version)];
                let (rows, matches) = (rows.clone(), matches.as_ref().map(|matches| Arc::clone(&matches.numbers)));
                let rows = FrozenRows { rows, start: *start, weights: Arc::clone(&weights.numbers), matches };
                image.push_frozen(name, TableVersion::of(version), rows);
            }
        }
    }

    /// Bytes of the columns and the weights.
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.iter().flatten().map(|chunk| chunk.bytes + chunk.weights.bytes()).sum()
    }
}

impl Piece {
    fn new(start: usize, rows: RecordBatch) -> Self {
        Self { start, rows, number: next_number() }
    }

    /// Where its weights stand in its chunk.
    fn range(&self) -> Range<usize> {
        self.start..self.start + self.rows.num_rows()
    }
}

/// Rows of a store as they stood when an image was taken.
#[derive(Debug, Clone)]
pub(crate) struct FrozenRows {
    rows: RecordBatch,
    /// Those of the whole chunk.
    weights: Arc<Vec<i64>>,
    matches: Option<Arc<Vec<i64>>>,
    /// Where those of `rows` begin among them.
    start: usize,
}

impl FrozenRows {
    /// About how many bytes the table has.
    pub(crate) fn bytes(&self) -> usize {
        let numbers = 1 + usize::from(self.matches.is_some());
        self.rows.get_array_memory_size() + self.rows.num_rows() * numbers * 8
    }

    /// Those that are live, as a table of an image.
    pub(crate) fn to_table(&self) -> RecordBatch {
        let range = self.start..self.start + self.rows.num_rows();
        let rows = match &self.matches {
            None => Ok(self.rows.clone()),
            Some(matches) => with_matches(&self.rows, range.clone().map(|row| matches.get(row).copied().unwrap_or_default())),
        };
        match rows.and_then(|rows| to_image_table(&live_rows(&rows, &self.weights[range]))) {
            Ok(table) => table,
            Err(error) => unreachable!("rows have one number each: {error}"),
        }
    }
}

impl Chunk {
    fn is_full(&self) -> bool {
        self.weights.get().len() == CHUNK_ROWS_MAX || self.bytes >= CHUNK_BYTES_MAX
    }

    /// At least half dead. Only asked of full chunks.
    fn is_sparse(&self) -> bool {
        self.live * 2 <= self.weights.get().len()
    }

    fn position(&self, row: usize) -> (usize, usize) {
        let piece = match self.pieces.as_slice() {
            [_] => 0,
            several => several.partition_point(|piece| piece.start <= row) - 1,
        };
        (piece, row - self.pieces[piece].start)
    }

    fn push(&mut self, schema: &SchemaRef, rows: RecordBatch, weights: &[i64]) -> Result<()> {
        self.pieces.push(Piece::new(self.weights.get().len(), rows));
        {
            let _scope = IndexScope::enter();
            self.weights.to_mut().extend_from_slice(weights);
        }
        self.live += weights.len();
        self.count_bytes();
        let is_full = self.is_full();
        while let [.., before, last] = self.pieces.as_slice()
            && (is_full || before.rows.num_rows() < 2 * last.rows.num_rows())
        {
            // A full chunk is merged in one go, since its small pieces are nothing beside its large ones.
            let first = if is_full { 0 } else { self.pieces.len() - 2 };
            let rows = concat_batches(schema, self.pieces[first..].iter().map(|piece| &piece.rows))?;
            let start = self.pieces[first].start;
            self.pieces.truncate(first);
            self.pieces.push(Piece::new(start, rows));
        }
        self.count_bytes();
        Ok(())
    }

    fn count_bytes(&mut self) {
        self.bytes = self.pieces.iter().map(|piece| piece.rows.get_array_memory_size()).sum();
    }
}

/// Text views point into buffers of the batch that they came from; a stored row must not keep that batch alive.
fn own_views(rows: RecordBatch) -> Result<RecordBatch> {
    let is_view = |data_type: &DataType| matches!(data_type, DataType::Utf8View | DataType::BinaryView);
    if !rows.schema_ref().fields().iter().any(|field| is_view(field.data_type())) {
        return Ok(rows);
    }
    let own = |column: &ArrayRef| -> ArrayRef {
        match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_string_view().gc()),
            DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
            _ => column.clone(),
        }
    };
    Ok(RecordBatch::try_new(rows.schema(), rows.columns().iter().map(own).collect())?)
}

fn live_rows(rows: &RecordBatch, weights: &[i64]) -> ChangeBatch {
    let changes = ChangeBatch::new(rows.clone(), weights.to_vec());
    if weights.iter().all(|weight| *weight != 0) {
        return changes;
    }
    let live: BooleanArray = weights.iter().map(|weight| Some(*weight != 0)).collect();
    match changes.filter(&live) {
        Ok(live) => live,
        Err(error) => unreachable!("a batch is filtered by one value a row: {error}"),
    }
}

/// The columns of an image's table that has a number of matches a row.
pub(crate) fn with_matches_column(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().cloned();
    Arc::new(Schema::new(fields.chain([Arc::new(Field::new("matches", DataType::Int64, false))]).collect::<Vec<_>>()))
}

fn with_matches(rows: &RecordBatch, matches: impl Iterator<Item = i64>) -> Result<RecordBatch> {
    let matches: ArrayRef = Arc::new(Int64Array::from_iter_values(matches));
    let columns = rows.columns().iter().cloned().chain([matches]).collect();
    Ok(RecordBatch::try_new(with_matches_column(&rows.schema()), columns)?)
}

/// Changes as one table of a state image: the weights become the last column.
pub(crate) fn to_image_table(changes: &ChangeBatch) -> Result<RecordBatch> {
    let schema = changes.schema();
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("weight", DataType::Int64, false)));
    let mut columns = changes.rows().columns().to_vec();
    columns.push(Arc::new(Int64Array::from(changes.weights().to_vec(changes.len()))));
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// What [`to_image_table`] wrote, as rows of `schema`.
pub(crate) fn from_image_table(schema: &SchemaRef, table: &RecordBatch) -> Result<ChangeBatch> {
    let Some((weights, columns)) = table.columns().split_last().filter(|(_, c)| c.len() == schema.fields().len()) else {
        return Err(Error::internal("a state image of other columns"));
    };
    let Some(weights) = weights.as_primitive_opt::<arrow_array::types::Int64Type>() else {
        return Err(Error::internal("a state image without weights"));
    };
    let options = RecordBatchOptions::new().with_row_count(Some(table.num_rows()));
    let rows = RecordBatch::try_new_with_options(schema.clone(), columns.to_vec(), &options)?;
    Ok(ChangeBatch::new(rows, weights.values().clone()))
}
