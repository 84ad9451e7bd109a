//! How often each row of a batch is inserted or retracted.

use arrow_array::{Array, BooleanArray, UInt32Array};
use arrow_buffer::ScalarBuffer;

/// The weights of a batch. Most streams only insert and never pay for a column of ones.
#[derive(Debug, Clone, PartialEq)]
pub enum Weights {
    /// Every row has weight +1.
    Ones,
    /// One weight a row.
    Each(ScalarBuffer<i64>),
}

impl Weights {
    /// The weight of row `row`.
    #[inline]
    pub fn get(&self, row: usize) -> i64 {
        match self {
            Weights::Ones => 1,
            Weights::Each(weights) => weights[row],
        }
    }

    /// True if every weight is known to be +1.
    pub fn is_ones(&self) -> bool {
        matches!(self, Weights::Ones)
    }

    /// The weights of `rows` rows, written out.
    pub fn to_vec(&self, rows: usize) -> Vec<i64> {
        match self {
            Weights::Ones => vec![1; rows],
            Weights::Each(weights) => weights.to_vec(),
        }
    }

    /// The same weights with the sign turned.
    pub fn negated(&self, rows: usize) -> Weights {
        Weights::Each(match self {
            Weights::Ones => vec![-1; rows].into(),
            Weights::Each(weights) => weights.iter().map(|weight| -weight).collect(),
        })
    }

    /// The weights of the rows that `keep` keeps.
    pub fn filter(&self, keep: &BooleanArray) -> Weights {
        match self {
            Weights::Ones => Weights::Ones,
            Weights::Each(weights) => Weights::Each(keep_values(weights, keep)),
        }
    }

    /// The weights of the rows at `rows`.
    pub fn take(&self, rows: &UInt32Array) -> Weights {
        match self {
            Weights::Ones => Weights::Ones,
            Weights::Each(weights) => Weights::Each(rows.values().iter().map(|row| weights[*row as usize]).collect()),
        }
    }

    /// The weights of `rows` rows from `start`.
    pub fn slice(&self, start: usize, rows: usize) -> Weights {
        match self {
            Weights::Ones => Weights::Ones,
            Weights::Each(weights) => Weights::Each(weights.slice(start, rows)),
        }
    }
}

/// The values at the places where `keep` is true (NULL keeps nothing).
pub(super) fn keep_values(values: &[i64], keep: &BooleanArray) -> ScalarBuffer<i64> {
    debug_assert_eq!(values.len(), keep.len());
    values.iter().enumerate().filter(|(row, _)| keep.is_valid(*row) && keep.value(*row)).map(|(_, value)| *value).collect()
}
