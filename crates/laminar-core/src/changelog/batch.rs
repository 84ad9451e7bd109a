//! A batch of changes: Arrow columns, weights, and what each row's source knew when the row arrived.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::SchemaRef;
use arrow_select::{concat::concat_batches, filter::filter_record_batch, take::take_arrays};

use super::weight::{Weights, keep_values};
use crate::{Error, Result};

/// Rows with weights: the unit that moves along an edge.
///
/// `arrivals` is present only when the batch holds a row that its source's watermark had already passed: then it
/// gives, for each row, the source's watermark (nanoseconds) at the moment when the row arrived. Windows judge
/// lateness by it, so that what is late depends on the order within the source and on nothing else: not on how
/// rows were cut into batches and steps, nor on other sources. A batch without it holds no late row.
#[derive(Debug, Clone)]
pub struct ChangeBatch {
    rows: RecordBatch,
    weights: Weights,
    arrivals: Option<ScalarBuffer<i64>>,
    /// Known to have no row twice and no row of weight 0.
    consolidated: bool,
    /// The partition of its source from which it comes; only the door of the source looks.
    partition: u32,
}

impl ChangeBatch {
    /// Rows with one weight each. A column of ones is recognised and dropped.
    ///
    /// # Panics
    /// If there is not one weight for each row.
    pub fn new(rows: RecordBatch, weights: impl Into<ScalarBuffer<i64>>) -> Self {
        let weights = weights.into();
        assert_eq!(rows.num_rows(), weights.len(), "one weight a row");
        let weights = if weights.iter().all(|weight| *weight == 1) { Weights::Ones } else { Weights::Each(weights) };
        Self { rows, weights, arrivals: None, consolidated: false, partition: 0 }
    }

    /// Rows that are all inserted once.
    pub fn append(rows: RecordBatch) -> Self {
        Self { rows, weights: Weights::Ones, arrivals: None, consolidated: false, partition: 0 }
    }

    /// Rows that are all retracted once.
    pub fn retract(rows: RecordBatch) -> Self {
        let weights = Weights::Ones.negated(rows.num_rows());
        Self { rows, weights, arrivals: None, consolidated: false, partition: 0 }
    }

    /// No rows of this schema.
    pub fn empty(schema: SchemaRef) -> Self {
        Self::append(RecordBatch::new_empty(schema))
    }

    /// The same changes with each row's arrival watermark.
    ///
    /// # Panics
    /// If there is not one watermark for each row.
    #[must_use]
    pub fn with_arrivals(mut self, arrivals: ScalarBuffer<i64>) -> Self {
        assert_eq!(self.len(), arrivals.len(), "one arrival watermark a row");
        self.arrivals = Some(arrivals);
        self
    }

    /// The same changes as rows that were derived: they are judged by the operator's watermark, not by their own arrival.
    #[must_use]
    pub fn without_arrivals(self) -> Self {
        Self { arrivals: None, ..self }
    }

    /// The same changes as rows of partition `partition` of their source: what a connector with several partitions delivers.
    #[must_use]
    pub fn with_partition(self, partition: u32) -> Self {
        Self { partition, ..self }
    }

    /// The partition of their source from which they come.
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// The same changes, of which the caller knows that no row is there twice and none has the weight 0: readers need not look.
    #[must_use]
    pub fn known_consolidated(self) -> Self {
        Self { consolidated: true, ..self }
    }

    /// True if no row is known to be there twice, nor with the weight 0.
    pub fn is_consolidated(&self) -> bool {
        self.consolidated
    }

    /// The columns.
    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// The weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The source's watermark at each row's arrival; `None`: no row is late.
    pub fn arrivals(&self) -> Option<&ScalarBuffer<i64>> {
        self.arrivals.as_ref()
    }

    /// The weight of row `row`.
    #[inline]
    pub fn weight(&self, row: usize) -> i64 {
        self.weights.get(row)
    }

    /// The columns' names and types.
    pub fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    /// Column `index`.
    pub fn column(&self, index: usize) -> &ArrayRef {
        self.rows.column(index)
    }

    /// How many rows, whatever their weights.
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if every weight is known to be +1.
    pub fn is_append(&self) -> bool {
        self.weights.is_ones()
    }

    /// Bytes of its rows alone: a slice shares the memory of the batch that it was cut from, and keeps all of it alive.
    pub fn slice_bytes(&self) -> usize {
        let bytes = |column: &ArrayRef| {
            let data = column.to_data();
            data.get_slice_memory_size().unwrap_or_else(|_| data.get_array_memory_size())
        };
        self.rows.columns().iter().map(bytes).sum()
    }

    /// The same changes with the sign turned.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self { weights: self.weights.negated(self.len()), ..self.clone() }
    }

    /// The rows that `keep` keeps; NULL keeps nothing.
    pub fn filter(&self, keep: &BooleanArray) -> Result<Self> {
        Ok(Self {
            rows: filter_record_batch(&self.rows, keep)?,
            weights: self.weights.filter(keep),
            arrivals: self.arrivals.as_ref().map(|arrivals| keep_values(arrivals, keep)),
            consolidated: self.consolidated,
            partition: self.partition,
        })
    }

    /// The rows at `rows`, in that order.
    pub fn take(&self, rows: &UInt32Array) -> Result<Self> {
        let arrivals = self.arrivals.as_ref();
        Ok(Self {
            rows: take_rows(&self.rows, rows)?,
            weights: self.weights.take(rows),
            arrivals: arrivals.map(|arrivals| rows.values().iter().map(|row| arrivals[*row as usize]).collect()),
            consolidated: false,
            partition: self.partition,
        })
    }

    /// `rows` rows from `start`, without copying.
    #[must_use]
    pub fn slice(&self, start: usize, rows: usize) -> Self {
        Self {
            rows: self.rows.slice(start, rows),
            weights: self.weights.slice(start, rows),
            arrivals: self.arrivals.as_ref().map(|arrivals| arrivals.slice(start, rows)),
            consolidated: self.consolidated,
            partition: self.partition,
        }
    }

    /// The same rows with other columns: what a projection does. Weights and arrivals stay.
    pub fn with_columns(&self, schema: SchemaRef, columns: Vec<ArrayRef>) -> Result<Self> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.len()));
        let rows = RecordBatch::try_new_with_options(schema, columns, &options)?;
        Ok(Self {
            rows,
            weights: self.weights.clone(),
            arrivals: self.arrivals.clone(),
            consolidated: false,
            partition: self.partition,
        })
    }

    /// The same rows with their columns number `columns`, in that order, under the names of `schema`.
    pub fn project(self, schema: &SchemaRef, columns: &[usize]) -> Result<Self> {
        let Self { rows, weights, arrivals, consolidated, partition } = self;
        let (_, mut own, count) = rows.into_parts();
        // With all of their columns, different rows stay different.
        let consolidated = consolidated && (0..own.len()).all(|column| columns.contains(&column));
        if columns.is_sorted_by(|one, next| one < next) {
            columns.iter().enumerate().for_each(|(to, from)| own.swap(to, *from));
            own.truncate(columns.len());
        } else {
            own = columns.iter().map(|column| own[*column].clone()).collect();
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let rows = RecordBatch::try_new_with_options(schema.clone(), own, &options)?;
        Ok(Self { rows, weights, arrivals, consolidated, partition })
    }

    /// The same changes under the names of `schema`, which has the same types. Costs nothing if it is the batch's own.
    pub fn with_schema(self, schema: &SchemaRef) -> Result<Self> {
        if Arc::ptr_eq(self.rows.schema_ref(), schema) {
            return Ok(self);
        }
        let Self { rows, weights, arrivals, consolidated, partition } = self;
        let (_, columns, count) = rows.into_parts();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let rows = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
        Ok(Self { rows, weights, arrivals, consolidated, partition })
    }

    /// All rows of several batches of one schema, in order.
    pub fn concat(schema: &SchemaRef, batches: &[ChangeBatch]) -> Result<Self> {
        if let [only] = batches {
            return Ok(only.clone());
        }
        let rows = concat_batches(schema, batches.iter().map(ChangeBatch::rows))?;
        let weights = if batches.iter().all(ChangeBatch::is_append) {
            Weights::Ones
        } else {
            Weights::Each(batches.iter().flat_map(|batch| batch.weights.to_vec(batch.len())).collect())
        };
        let arrivals = batches.iter().any(|batch| batch.arrivals.is_some()).then(|| {
            let on_time = |batch: &ChangeBatch| vec![i64::MIN; batch.len()];
            batches.iter().flat_map(|b| b.arrivals.as_ref().map_or_else(|| on_time(b), |a| a.to_vec())).collect()
        });
        Ok(Self { rows, weights, arrivals, consolidated: false, partition: 0 })
    }

    /// Fails unless the columns are those of `schema`: an assertion for *our* mistakes, at a border.
    pub fn check_schema(&self, schema: &SchemaRef) -> Result<()> {
        let ours = self.rows.schema_ref();
        let same = Arc::ptr_eq(ours, schema)
            || ours.fields().len() == schema.fields().len()
                && ours.fields().iter().zip(schema.fields()).all(|(a, b)| a.data_type() == b.data_type());
        if same { Ok(()) } else { Err(Error::internal(format!("batch of {ours:?} on an edge of {schema:?}"))) }
    }
}

/// The rows of `batch` at `rows`; a batch without columns still counts its rows.
pub(crate) fn take_rows(batch: &RecordBatch, rows: &UInt32Array) -> Result<RecordBatch> {
    let columns = take_arrays(batch.columns(), rows, None)?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn schema(names: &[&str]) -> SchemaRef {
        Arc::new(Schema::new(names.iter().map(|name| Field::new(*name, DataType::Int64, true)).collect::<Vec<_>>()))
    }

    #[test]
    fn a_projection_picks_columns_in_any_order() {
        let changes = ChangeBatch::parse(&schema(&["a", "b", "c"]), "+2 | 1 | 2 | 3").unwrap();
        for (columns, expected) in [
            (&[0, 1, 2][..], "+2 | 1 | 2 | 3"),
            (&[1, 2], "+2 | 2 | 3"),
            (&[0, 2], "+2 | 1 | 3"),
            (&[2], "+2 | 3"),
            (&[], "+2"),
            (&[2, 0, 1], "+2 | 3 | 1 | 2"),
            (&[1, 1], "+2 | 2 | 2"),
        ] {
            let projected =
                changes.clone().known_consolidated().project(&schema(&["x", "y", "z"][..columns.len()]), columns).unwrap();
            assert_eq!(projected.print(), expected, "{columns:?}");
            assert_eq!(projected.is_consolidated(), columns.len() == 3, "{columns:?}");
            assert!(!changes.clone().project(projected.rows().schema_ref(), columns).unwrap().is_consolidated());
        }
    }
}
