//! Which worker a row belongs to: a hash of its key names one of 256 key ranges, and each worker has a run of ranges.
//!
//! The range of a key does not depend on the number of workers, so state that is kept by range can be handed to others. Where the
//! key is one whole number, eight neighbours belong together: their groups stand side by side, and if each worker had some of every
//! cache line, all of them together would need twice as many lines or more.

use arrow_array::{ArrayRef, UInt32Array};
use arrow_buffer::ScalarBuffer;

use super::ChangeBatch;
use super::row_hash::hash_runs;
use crate::Result;
use crate::limits::VIRTUAL_PARTITIONS;

/// The bits of a hash that name the range: neither the lowest nor the highest ones, by which hash tables find their places.
/// Fixed for ever, as the hash is.
const PARTITION_SHIFT: u32 = 32;

/// The key range (below [`VIRTUAL_PARTITIONS`]) of each of `rows` rows with these key columns.
pub(crate) fn partitions(keys: &[ArrayRef], rows: usize) -> Result<Vec<u8>> {
    Ok(hash_runs(keys, rows)?.into_iter().map(partition_of_hash).collect())
}

#[inline]
fn partition_of_hash(hash: u64) -> u8 {
    (hash >> PARTITION_SHIFT) as u8
}

/// The worker of a key range, out of `workers`.
#[inline]
pub(crate) fn worker_of_partition(partition: usize, workers: usize) -> usize {
    partition * workers / VIRTUAL_PARTITIONS
}

/// The rows of `changes`, which have these keys, by worker: ascending, each worker at most once, none without rows. Rows keep their
/// order, weights and arrivals; each worker's rows are gathered once. If all go to one worker, nothing is copied.
pub(crate) fn split_by_key(changes: ChangeBatch, keys: &[ArrayRef], workers: usize) -> Result<Vec<(usize, ChangeBatch)>> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let mut counts = vec![0_u32; workers];
    let place = |hash| worker_of_partition(usize::from(partition_of_hash(hash)), workers) as u8;
    let places: Vec<u8> = hash_runs(keys, changes.len())?.into_iter().map(place).collect();
    places.iter().for_each(|worker| counts[usize::from(*worker)] += 1);
    if let Some(only) = counts.iter().position(|count| *count as usize == changes.len()) {
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
    if counts.len() <= WORKERS_BY_PASSES_MAX { by_passes(places, counts) } else { by_places(places, counts) }
}

/// One pass a worker, without branches and without waiting for what was written just before.
fn by_passes(places: &[u8], counts: &[u32]) -> Vec<u32> {
    // What does not belong to a worker is written behind its rows, and over by the next one: the last one needs room for that.
    let mut rows = vec![0; places.len() + 1];
    let mut begin = 0;
    for (worker, count) in counts.iter().enumerate() {
        let (own, mut next) = (&mut rows[begin..], 0);
        for (row, place) in (0_u32..).zip(places) {
            own[next] = row;
            next += usize::from(usize::from(*place) == worker);
        }
        begin += *count as usize;
    }
    rows.truncate(places.len());
    rows
}

/// One pass for all workers.
fn by_places(places: &[u8], counts: &[u32]) -> Vec<u32> {
    let mut next: Vec<u32> = counts.iter().scan(0, |sum, count| Some(std::mem::replace(sum, *sum + count))).collect();
    let mut rows = vec![0; places.len()];
    for (row, worker) in (0_u32..).zip(places) {
        let place = &mut next[usize::from(*worker)];
        rows[*place as usize] = row;
        *place += 1;
    }
    rows
}

/// Workers up to which passes over all rows are faster than one that remembers where each worker stands.
const WORKERS_BY_PASSES_MAX: usize = 3;

const _: () = assert!(VIRTUAL_PARTITIONS == 1 << u8::BITS, "a range is a byte, and a worker's number fits into one");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_give_the_rows_of_each_worker_in_their_order() {
        for (places, workers) in [(vec![], 2), (vec![1, 0, 0, 1, 1], 2), (vec![2, 2, 2], 3), (vec![0, 3, 1, 3, 0, 2, 2, 0], 4)] {
            let mut counts = vec![0; workers];
            places.iter().for_each(|place: &u8| counts[usize::from(*place)] += 1);
            let rows = by_places(&places, &counts);
            assert!(rows.is_sorted_by_key(|row| (places[*row as usize], *row)), "{rows:?}");
            assert_eq!(by_passes(&places, &counts), rows);
        }
    }
}
