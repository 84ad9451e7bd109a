//! Which parts of a range of units are free: taken where they fit best, joined with their neighbours when they are given back.

use std::collections::{BTreeMap, BTreeSet};

/// Free runs of units. What lies behind `end` was never taken.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// Length by start.
    free: BTreeMap<u32, u32>,
    by_length: BTreeSet<(u32, u32)>,
    /// The sum of all lengths.
    units: u64,
    end: u32,
}

impl Runs {
    pub(super) const fn new() -> Self {
        Self { free: BTreeMap::new(), by_length: BTreeSet::new(), units: 0, end: 0 }
    }

    /// Where the units that were never taken begin.
    pub(super) fn end(&self) -> u32 {
        self.end
    }

    /// A run of so many units (not 0); `make_room` is asked whether units up to an end can be taken that never were.
    pub(super) fn take(&mut self, units: u32, make_room: impl FnOnce(u32) -> bool) -> Option<u32> {
        if let Some((length, start)) = self.by_length.range((units, 0)..).next().copied() {
            self.remove(start, length);
            if length > units {
                self.insert(start + units, length - units);
            }
            return Some(start);
        }
        let end = self.end.checked_add(units).filter(|end| make_room(*end))?;
        Some(std::mem::replace(&mut self.end, end))
    }

    /// Gives back what was taken, or a part of it.
    pub(super) fn give(&mut self, mut start: u32, mut units: u32) {
        if let Some((before, length)) = self.free.range(..start).next_back().map(|(before, length)| (*before, *length))
            && before + length == start
        {
            self.remove(before, length);
            (start, units) = (before, length + units);
        }
        if let Some(length) = self.free.get(&(start + units)).copied() {
            self.remove(start + units, length);
            units += length;
        }
        self.insert(start, units);
    }

    /// All units that are free although they were taken once.
    pub(super) fn free(&self) -> u64 {
        self.units
    }

    fn insert(&mut self, start: u32, length: u32) {
        self.free.insert(start, length);
        self.by_length.insert((length, start));
        self.units += u64::from(length);
    }

    fn remove(&mut self, start: u32, length: u32) {
        self.free.remove(&start);
        self.by_length.remove(&(length, start));
        self.units -= u64::from(length);
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    use super::Runs;

    #[test]
    fn runs_never_overlap_and_come_back_whole() {
        for seed in 0..50 {
            let mut random = SmallRng::seed_from_u64(seed);
            let (mut runs, mut taken, mut owner) = (Runs::new(), Vec::new(), vec![false; 4_000]);
            for _ in 0..500 {
                if taken.is_empty() || random.random_bool(0.6) {
                    let units = random.random_range(1..20);
                    let Some(start) = runs.take(units, |end| end <= 4_000) else { continue };
                    for unit in start..start + units {
                        assert!(!std::mem::replace(&mut owner[unit as usize], true), "unit {unit} twice, seed {seed}");
                    }
                    taken.push((start, units));
                } else {
                    let (start, units) = taken.swap_remove(random.random_range(0..taken.len()));
                    (start..start + units).for_each(|unit| owner[unit as usize] = false);
                    runs.give(start, units);
                }
                let held: u64 = taken.iter().map(|(_, units)| u64::from(*units)).sum();
                assert_eq!(runs.free() + held, u64::from(runs.end()), "seed {seed}");
            }
            taken.into_iter().for_each(|(start, units)| runs.give(start, units));
            assert_eq!(runs.free.len(), usize::from(runs.end() > 0), "all free runs are one, seed {seed}");
        }
    }

    #[test]
    fn nothing_is_taken_where_there_is_no_room() {
        let mut runs = Runs::new();
        assert_eq!(runs.take(3, |end| end <= 4), Some(0));
        assert_eq!(runs.take(3, |end| end <= 4), None);
        assert_eq!(runs.take(1, |end| end <= 4), Some(3));
        runs.give(0, 3);
        assert_eq!(runs.take(2, |_| false), Some(0));
    }
}
