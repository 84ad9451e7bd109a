//! What subscriptions with a name have not acknowledged, as blocks; and where they stand, as a manifest says it.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt64Array};
use laminar_core::state::StateImage;
use laminar_core::{ChangeBatch, Code, Error, Result, StepId};
use serde::{Deserialize, Serialize};

use super::tables::{BlockReader, BlockWriter};
use crate::history::{HistoryImage, NamedPlace};

/// How many steps stand in a block. The first block ends where the number of the step is a multiple, so that full blocks are the same in every checkpoint.
const BLOCK_STEPS: u64 = 1024;
/// The tables of a block: a line for each step, and the rows of all of them with their weights.
const STEPS: &str = "steps";
const ROWS: &str = "rows";
const WEIGHTS: &str = "weights";

/// The changes of an object behind a step.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredHistory {
    after: u64,
    blocks: Vec<String>,
}

/// Where a subscription with a name stands.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredSubscription {
    /// Absent: it begins with the rows that there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acknowledged: Option<u64>,
    /// The step of these rows, if it has been given them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot_at: Option<u64>,
    /// The steps that it did not acknowledge in time: first and last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lost: Option<(u64, u64)>,
}

impl StoredSubscription {
    pub(crate) fn of(place: &NamedPlace) -> Self {
        let number = |step: Option<StepId>| step.map(|step| step.0);
        let lost = place.lost.map(|(from, to)| (from.0, to.0));
        Self { acknowledged: number(place.acknowledged), snapshot_at: number(place.snapshot_at), lost }
    }

    pub(crate) fn place(&self) -> NamedPlace {
        NamedPlace {
            acknowledged: self.acknowledged.map(StepId),
            snapshot_at: self.snapshot_at.map(StepId),
            lost: self.lost.map(|(from, to)| (StepId(from), StepId(to))),
        }
    }
}

impl StoredHistory {
    /// Writes what a checkpoint holds of a history.
    pub(crate) fn write(image: &HistoryImage, blocks: &mut BlockWriter<'_>) -> Result<Self> {
        let same_block =
            |a: &(StepId, i64, ChangeBatch), b: &(StepId, i64, ChangeBatch)| a.0.0 / BLOCK_STEPS == b.0.0 / BLOCK_STEPS;
        let written = image.entries.chunk_by(same_block).map(|entries| blocks.image(&block_of(entries)?));
        Ok(Self { after: image.after.0, blocks: written.collect::<Result<_>>()? })
    }

    /// Reads it back.
    pub(crate) fn read(&self, blocks: BlockReader<'_>) -> Result<HistoryImage> {
        let mut entries = Vec::new();
        for block in &self.blocks {
            entries_of(&blocks.image(block)?, &mut entries)?;
        }
        Ok(HistoryImage { after: StepId(self.after), entries })
    }
}

fn block_of(entries: &[(StepId, i64, ChangeBatch)]) -> Result<StateImage> {
    let numbers = |number: &dyn Fn(&(StepId, i64, ChangeBatch)) -> u64| -> ArrayRef {
        Arc::new(entries.iter().map(number).collect::<UInt64Array>())
    };
    let steps = RecordBatch::try_from_iter([
        ("step", numbers(&|entry| entry.0.0)),
        ("at", Arc::new(entries.iter().map(|entry| entry.1).collect::<Int64Array>()) as ArrayRef),
        ("rows", numbers(&|entry| entry.2.len() as u64)),
    ])?;
    let batches: Vec<ChangeBatch> = entries.iter().map(|entry| entry.2.clone()).collect();
    let Some(first) = batches.first() else { return Ok(StateImage::default()) };
    let all = ChangeBatch::concat(&first.schema(), &batches)?;
    let weights = (0..all.len()).map(|row| all.weight(row)).collect::<Int64Array>();
    let mut image = StateImage::default();
    image.push(STEPS, steps);
    image.push(ROWS, all.rows().clone());
    image.push(WEIGHTS, RecordBatch::try_from_iter([("weight", Arc::new(weights) as ArrayRef)])?);
    Ok(image)
}

fn entries_of(image: &StateImage, entries: &mut Vec<(StepId, i64, ChangeBatch)>) -> Result<()> {
    let (steps, rows, weights) = (image.get(STEPS)?, image.get(ROWS)?, image.get(WEIGHTS)?);
    let column = |batch: &RecordBatch, index: usize| {
        if index < batch.num_columns() { Ok(Arc::clone(batch.column(index))) } else { Err(unreadable()) }
    };
    let (numbers, times, counts, weights) = (column(steps, 0)?, column(steps, 1)?, column(steps, 2)?, column(weights, 0)?);
    let weights =
        weights.as_primitive_opt::<Int64Type>().filter(|weights| weights.len() == rows.num_rows()).ok_or_else(unreadable)?;
    let all = ChangeBatch::new(rows.clone(), weights.values().clone());
    let numbers = numbers.as_primitive_opt::<UInt64Type>().ok_or_else(unreadable)?;
    let times = times.as_primitive_opt::<Int64Type>().ok_or_else(unreadable)?;
    let counts = counts.as_primitive_opt::<UInt64Type>().ok_or_else(unreadable)?;
    let mut at = 0;
    for index in 0..steps.num_rows() {
        let count = usize::try_from(counts.value(index)).ok().filter(|count| *count <= all.len() - at).ok_or_else(unreadable)?;
        entries.push((StepId(numbers.value(index)), times.value(index), all.slice(at, count)));
        at += count;
    }
    Ok(())
}

fn unreadable() -> Error {
    Error::new(Code::BadData, "a block of a history does not hold what it should")
}
