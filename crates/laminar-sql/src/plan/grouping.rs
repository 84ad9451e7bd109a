//! The sets of GROUPING SETS, ROLLUP and CUBE, and the number by which `GROUPING(…)` tells them apart.

use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, GroupingSet};
use laminar_core::{Code, Error, Result};

use super::errors::from_datafusion;

/// As in PostgreSQL.
const SETS_MAX: usize = 4096;

/// Keys of one set, by their numbers.
type Set = Vec<usize>;

/// What `GROUPING(…)` looks at for one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupingId(u64);

impl GroupingId {
    /// The number in the type of its column, which stands behind the keys.
    pub(crate) fn value(self, data_type: &DataType) -> Result<ScalarValue> {
        ScalarValue::UInt64(Some(self.0)).cast_to(data_type).map_err(from_datafusion)
    }
}

/// The sets over `keys`, each with its number.
pub(crate) fn numbered_sets(sets: &GroupingSet, keys: &[&Expr]) -> Result<Vec<(Set, GroupingId)>> {
    let width = keys.len();
    let sets = sets_of(sets, keys)?;
    let number = |(at, set): (usize, &Set)| {
        let repeats = sets[..at].iter().filter(|other| left_out(other, width) == left_out(set, width)).count();
        (set.clone(), GroupingId((repeats as u64) << width | left_out(set, width)))
    };
    Ok(sets.iter().enumerate().map(number).collect())
}

/// A bit for each key that the set leaves out; the last key has the lowest one.
fn left_out(set: &[usize], keys: usize) -> u64 {
    (0..keys).filter(|key| !set.contains(key)).map(|key| 1 << (keys - 1 - key)).sum()
}

fn sets_of(sets: &GroupingSet, keys: &[&Expr]) -> Result<Vec<Set>> {
    let width = keys.len();
    let count = match sets {
        GroupingSet::Rollup(_) => width + 1,
        GroupingSet::Cube(_) => 1_usize.checked_shl(width as u32).unwrap_or(usize::MAX),
        GroupingSet::GroupingSets(sets) => sets.len(),
    };
    if count > SETS_MAX || width > 32 {
        let text = format!("{count} grouping sets over {width} keys are more than a continuous query can have");
        return Err(Error::new(Code::NotSupported, text).with_hint(format!("write at most {SETS_MAX} sets over at most 32 keys")));
    }
    let number = |key: &Expr| keys.iter().position(|own| *own == key);
    Ok(match sets {
        GroupingSet::Rollup(_) => (0..=width).rev().map(|first| (0..first).collect()).collect(),
        GroupingSet::Cube(_) => (0..count).map(|bits| (0..width).filter(|key| bits >> key & 1 == 0).collect()).collect(),
        GroupingSet::GroupingSets(sets) => sets.iter().map(|set| once(set.iter().filter_map(number).collect())).collect(),
    })
}

/// Each key once.
fn once(mut set: Set) -> Set {
    set.sort_unstable();
    set.dedup();
    set
}
