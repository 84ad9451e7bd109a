//! `min` and `max` over whole numbers, dates, times and DOUBLE of rows that may go: the values of each group, found by hash, and a heap of them that
//! gives the next best one when the best one goes.

use std::any::Any;
use std::collections::BinaryHeap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::DataType;

use super::extreme::End;
use super::group_keys::is_word;
use super::rows::{each_valid, only_arg, same_kind};
use super::word_columns::{word_column, word_values};
use super::word_sets::WordSets;
use super::{Fault, GroupAccumulator};
use crate::Result;
use crate::changelog::{Weights, canonical_floats};
use crate::expr::aggregate::Words;
use crate::expr::words::is_wide;

/// A heap may hold so many values that went beside those that are there, and as many again as these.
const GONE_MAX: usize = 16;

/// The values of each group as [ranks](Ranks).
pub(super) struct ExtremeWords {
    ranks: Ranks,
    values: WordSets<(i64, i64)>,
    /// All ranks that are there, and some that are not any more; one that came again is there twice.
    heaps: Vec<BinaryHeap<i64>>,
    /// Bytes of all heaps.
    held: usize,
}

impl ExtremeWords {
    /// Whether values of this type can be ranked.
    pub(super) fn serves(data_type: &DataType) -> bool {
        is_word(data_type) || *data_type == DataType::Float64
    }

    /// Over values that can be ranked.
    pub(super) fn new(end: End, data_type: DataType) -> Self {
        Self { ranks: Ranks { end, data_type }, values: WordSets::default(), heaps: Vec::new(), held: 0 }
    }

    #[inline]
    fn add(&mut self, group: usize, rank: i64, weight: i64) -> Result<()> {
        let (before, after) = self.values.add(group, rank, weight)?;
        if (before > 0) == (after > 0) {
            return Ok(());
        }
        let heap = &mut self.heaps[group];
        let capacity = heap.capacity();
        if after > 0 {
            heap.push(rank);
        }
        let there = self.values.entries(group);
        if heap.len() > 2 * there.len() + GONE_MAX {
            *heap = there.filter(|(_, weight)| *weight > 0).map(|(rank, _)| rank).collect::<Vec<_>>().into();
        }
        self.held = self.held + size_of::<i64>() * heap.capacity() - size_of::<i64>() * capacity;
        Ok(())
    }

    /// The best rank of a group that is there.
    fn best(&mut self, group: u32) -> Option<i64> {
        let heap = &mut self.heaps[group as usize];
        loop {
            let best = *heap.peek()?;
            if self.values.weight(group as usize, best) > 0 {
                return Some(best);
            }
            heap.pop();
        }
    }
}

/// Values as whole numbers, of which the greatest is the best.
struct Ranks {
    end: End,
    data_type: DataType,
}

impl Ranks {
    fn of(&self, values: &ArrayRef) -> Result<ScalarBuffer<i64>> {
        let rank = |word: i64| self.turned(self.ordered(word));
        match self.data_type {
            DataType::Float64 => {
                let floats = canonical_floats(values);
                Ok(floats.as_primitive::<Float64Type>().values().iter().map(|value| rank(value.to_bits() as i64)).collect())
            }
            _ if matches!(self.end, End::Last) && self.data_type != DataType::UInt64 => word_values(values),
            _ => Ok(word_values(values)?.iter().map(|word| rank(*word)).collect()),
        }
    }

    /// The values again.
    fn column(&self, ranks: impl Iterator<Item = i64>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let words = ranks.map(|rank| self.word(rank));
        match self.data_type {
            DataType::Float64 => Ok(Arc::new(Float64Array::new(words.map(|word| f64::from_bits(word as u64)).collect(), nulls))),
            _ => word_column(words, nulls, &self.data_type),
        }
    }

    fn word(&self, rank: i64) -> i64 {
        self.ordered(self.turned(rank))
    }

    /// The least is the best of `min`.
    fn turned(&self, rank: i64) -> i64 {
        if self.end == End::First { !rank } else { rank }
    }

    /// A word that is greater where the value is, and back: negative floats are the greater the smaller their bits are.
    fn ordered(&self, word: i64) -> i64 {
        match self.data_type {
            DataType::UInt64 => word ^ i64::MIN,
            DataType::Float64 => word ^ ((word >> 63) as u64 >> 1) as i64,
            _ => word,
        }
    }
}

impl GroupAccumulator for ExtremeWords {
    fn resize(&mut self, groups: usize) {
        self.values.resize(groups);
        self.heaps.resize_with(groups, BinaryHeap::new);
    }

    fn update(&mut self, args: &[ArrayRef], weights: &Weights, groups: &[u32]) -> Result<()> {
        let arg = only_arg(args)?;
        let ranks = self.ranks.of(arg)?;
        let mut added = Ok(());
        each_valid(arg.nulls(), weights, groups, |row, group, weight| {
            if let Err(error) = self.add(group, ranks[row], weight) {
                added = Err(error);
            }
        });
        added
    }

    fn merge(&mut self, other: &dyn GroupAccumulator, from: &[u32], into: &[u32]) -> Result<()> {
        let other: &Self = same_kind(other)?;
        for (from, into) in from.iter().zip(into) {
            for (rank, weight) in other.values.entries(*from as usize) {
                self.add(*into as usize, rank, weight)?;
            }
        }
        Ok(())
    }

    fn results(&mut self, groups: &[u32], _faults: &mut Vec<Fault>) -> Result<ArrayRef> {
        let best: Vec<Option<i64>> = groups.iter().map(|group| self.best(*group)).collect();
        let nulls = NullBuffer::from_iter(best.iter().map(Option::is_some));
        let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
        self.ranks.column(best.into_iter().map(Option::unwrap_or_default), nulls)
    }

    fn word_results(&mut self, groups: &[u32], words: &mut Words, _faults: &mut Vec<Fault>) -> Option<DataType> {
        if !is_wide(&self.ranks.data_type) {
            return None;
        }
        for group in groups {
            let best = self.best(*group);
            words.push(best.map(|rank| self.ranks.word(rank)));
        }
        Some(self.ranks.data_type.clone())
    }

    fn clear(&mut self, groups: &[u32]) {
        self.values.clear(groups);
        for group in groups {
            self.held -= size_of::<i64>() * std::mem::take(&mut self.heaps[*group as usize]).capacity();
        }
    }

    fn image_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        self.values.image_of(groups, |ranks| self.ranks.column(ranks, None))
    }

    fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        self.values.restore(image, |values| self.ranks.of(values))?;
        let groups = self.values.groups();
        let there = |group| self.values.entries(group).filter(|(_, weight)| *weight > 0).map(|(rank, _)| rank);
        self.heaps = (0..groups).map(|group| there(group).collect::<Vec<_>>().into()).collect();
        self.held = self.heaps.iter().map(|heap| size_of::<i64>() * heap.capacity()).sum();
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.values.bytes() + self.held + self.heaps.capacity() * size_of::<BinaryHeap<i64>>()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, UInt64Array};
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn ranks_are_in_the_order_of_values() {
        let floats = [f64::NEG_INFINITY, -2.5, -1e-300, 0.0, 1e-300, 3.0, f64::INFINITY, f64::NAN];
        let columns: [ArrayRef; 3] = [
            Arc::new(Float64Array::from(floats.to_vec())),
            Arc::new(Int64Array::from(vec![i64::MIN, -1, 0, 1, i64::MAX])),
            Arc::new(UInt64Array::from(vec![0, 1, i64::MAX as u64, u64::MAX])),
        ];
        for column in columns {
            for end in [End::First, End::Last] {
                let ranks = Ranks { end, data_type: column.data_type().clone() };
                let mut of = ranks.of(&column).unwrap().to_vec();
                assert_eq!(&ranks.column(of.iter().copied(), None).unwrap(), &column);
                if end == End::First {
                    of.reverse();
                }
                assert!(of.is_sorted(), "{of:?}");
            }
        }
    }

    #[test]
    fn heaps_follow_their_groups() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut least = ExtremeWords::new(End::First, DataType::Int64);
        least.resize(1);
        let values = Arc::new(Int64Array::from((0..1000).collect::<Vec<_>>())) as ArrayRef;
        for round in 0..20 {
            let take_back = round % 2 == 1;
            let groups = vec![0; 1000];
            let weights = if take_back { Weights::Each(vec![-1; 1000].into()) } else { Weights::Ones };
            least.update(&[values.clone()], &weights, &groups).unwrap();
            let best = least.results(&[0], &mut Vec::new()).unwrap();
            assert_eq!(best.null_count(), usize::from(take_back));
            assert!(least.heaps[0].len() <= if take_back { GONE_MAX } else { 1000 + GONE_MAX });
        }
        // One value that comes and goes stands in the heap several times.
        for _ in 0..1000 {
            let value = Arc::new(Int64Array::from(vec![rng.random_range(0..3)])) as ArrayRef;
            least.update(&[value.clone()], &Weights::Ones, &[0]).unwrap();
            least.update(&[value], &Weights::Each(vec![-1].into()), &[0]).unwrap();
        }
        assert!(least.heaps[0].len() <= 2 * GONE_MAX, "{}", least.heaps[0].len());
    }
}
