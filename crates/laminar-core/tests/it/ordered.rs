//! Rows in partitions and orders as a naive model has them: sorted lists.

use std::cmp::Ordering;

use laminar_core::expr::{SortDirection, SortKey};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::random::Row;

/// In which partitions and in which order rows are.
#[derive(Debug, Clone)]
pub(crate) struct InOrder {
    pub(crate) partition: Vec<usize>,
    pub(crate) order: Vec<SortKey>,
}

impl InOrder {
    pub(crate) fn random(rng: &mut StdRng) -> Self {
        let columns = |rng: &mut StdRng, most: usize| -> Vec<usize> {
            let mut columns = vec![0, 1, 2];
            (0..rng.random_range(0..=most)).map(|_| columns.swap_remove(rng.random_range(0..columns.len()))).collect()
        };
        let partition = columns(rng, 2);
        let order = columns(rng, 3).into_iter().map(|column| SortKey { column, direction: direction(rng) }).collect();
        Self { partition, order }
    }

    /// The rows of each partition in their order, a copy each.
    pub(crate) fn partitions(&self, rows: &[Row]) -> Vec<Vec<Row>> {
        let mut rows = rows.to_vec();
        rows.sort_by(|a, b| self.by_partition(a, b).then_with(|| self.compare(a, b)));
        rows.chunk_by(|a, b| self.by_partition(a, b).is_eq()).map(<[Row]>::to_vec).collect()
    }

    fn by_partition(&self, a: &Row, b: &Row) -> Ordering {
        let ascending = |column: &usize| compare(SortKey { column: *column, direction: SortDirection::ASCENDING }, a, b);
        first(self.partition.iter().map(ascending))
    }

    pub(crate) fn by_keys(&self, a: &Row, b: &Row) -> Ordering {
        first(self.order.iter().map(|key| compare(*key, a, b)))
    }

    fn compare(&self, a: &Row, b: &Row) -> Ordering {
        let ties = (0..3).map(|column| SortKey { column, direction: SortDirection::ASCENDING });
        self.by_keys(a, b).then_with(|| first(ties.map(|key| compare(key, a, b))))
    }
}

fn direction(rng: &mut StdRng) -> SortDirection {
    SortDirection { descending: rng.random(), nulls_first: rng.random() }
}

fn first(mut found: impl Iterator<Item = Ordering>) -> Ordering {
    found.find(|found| found.is_ne()).unwrap_or(Ordering::Equal)
}

fn compare(key: SortKey, a: &Row, b: &Row) -> Ordering {
    match key.column {
        0 => values(key.direction, a.k, b.k, |a, b| a.cmp(&b)),
        1 => values(key.direction, a.s, b.s, |a, b| a.cmp(b)),
        _ => values(key.direction, a.v, b.v, floats),
    }
}

/// NaN is equal to itself and greater than all numbers, and both zeros are equal.
fn floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn values<T>(direction: SortDirection, a: Option<T>, b: Option<T>, compare: impl Fn(T, T) -> Ordering) -> Ordering {
    let null = if direction.nulls_first { Ordering::Less } else { Ordering::Greater };
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => null,
        (Some(_), None) => null.reverse(),
        (Some(a), Some(b)) if direction.descending => compare(b, a),
        (Some(a), Some(b)) => compare(a, b),
    }
}
