//! Which worker a row belongs to: its hash names one of 256 key ranges, and each worker has a run of ranges.
//!
//! The range of a key does not depend on the number of workers, so state that is kept by range can be handed to others.

use arrow_array::UInt32Array;
use arrow_buffer::ScalarBuffer;

use super::ChangeBatch;
use crate::Result;
use crate::limits::VIRTUAL_PARTITIONS;

/// The bits of a hash that name the range: neither the lowest nor the highest ones, by which hash tables find their places.
/// Fixed for ever, as the hash is.
const PARTITION_SHIFT: u32 = 32;

/// The key range (below [`VIRTUAL_PARTITIONS`]) of a row with this hash.
#[inline]
pub(crate) fn partition_of_hash(hash: u64) -> usize {
    (hash >> PARTITION_SHIFT) as usize % VIRTUAL_PARTITIONS
}

/// The worker of a key range, out of `workers`.
#[inline]
pub(crate) fn worker_of_partition(partition: usize, workers: usize) -> usize {
    partition * workers / VIRTUAL_PARTITIONS
}

/// The rows of `changes` by worker: ascending, each worker at most once, none without rows. Rows keep their order, weights
/// and arrivals; each worker's rows are gathered once. If all go to one worker, nothing is copied.
pub(crate) fn split_by_hash(changes: ChangeBatch, hashes: &[u64], workers: usize) -> Result<Vec<(usize, ChangeBatch)>> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let mut counts = vec![0_u32; workers];
    let places: Vec<u8> = hashes.iter().map(|hash| worker_of_partition(partition_of_hash(*hash), workers) as u8).collect();
    places.iter().for_each(|worker| counts[usize::from(*worker)] += 1);
    if let Some(only) = counts.iter().position(|count| *count as usize == hashes.len()) {
        return Ok(vec![(only, changes)]);
    }
    let rows = ScalarBuffer::from(rows_by_worker(&places, &counts));
    let (mut parts, mut start) = (Vec::with_capacity(workers), 0);
    for (worker, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let rows = UInt32Array::new(rows.slice(start, *count as usize), None);
        parts.push((worker, changes.take(&rows)?));
        start += *count as usize;
    }
    Ok(parts)
}

/// All row numbers, those of the first worker first.
fn rows_by_worker(places: &[u8], counts: &[u32]) -> Vec<u32> {
    let mut next: Vec<u32> = counts.iter().scan(0, |sum, count| Some(std::mem::replace(sum, *sum + count))).collect();
    let mut rows = vec![0; places.len()];
    for (row, worker) in (0_u32..).zip(places) {
        let place = &mut next[usize::from(*worker)];
        rows[*place as usize] = row;
        *place += 1;
    }
    rows
}

const _: () = assert!(VIRTUAL_PARTITIONS <= 1 << u8::BITS, "a worker's number fits into a byte");
