//! Consolidation against adding up by comparing every row with every other.

use arrow_buffer::ScalarBuffer;
use laminar_core::ChangeBatch;
use laminar_core::changelog::{consolidate, consolidate_all};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::random::{Row, batch, cases, cut, for_each_case, row, schema};

/// Rows in the order of first occurrence with the sums of their weights, without zeros.
fn sums(rows: &[(Row, i64)], arrivals: &[i64]) -> Vec<(Row, i64, i64)> {
    let mut sums: Vec<(Row, i64, i64)> = Vec::new();
    for ((row, weight), arrival) in rows.iter().zip(arrivals) {
        match sums.iter_mut().find(|(other, _, at)| other.identity() == row.identity() && at == arrival) {
            Some((_, sum, _)) => *sum += weight,
            None => sums.push((row.clone(), *weight, *arrival)),
        }
    }
    sums.retain(|(_, sum, _)| *sum != 0);
    sums
}

fn printed(sums: &[(Row, i64, i64)]) -> String {
    batch(&sums.iter().map(|(row, sum, _)| (row.clone(), *sum)).collect::<Vec<_>>()).print()
}

fn random_rows(rng: &mut StdRng) -> Vec<(Row, i64)> {
    let rows = rng.random_range(0..14);
    let appends = rng.random_bool(0.3);
    (0..rows).map(|_| (row(rng), if appends { 1 } else { rng.random_range(-2..=2) })).collect()
}

#[test]
fn consolidation_adds_up_equal_rows_of_one_arrival() {
    for_each_case(cases(), |rng| {
        let rows = random_rows(rng);
        let late = rng.random_bool(0.3);
        let arrivals: Vec<i64> = rows.iter().map(|_| if late { rng.random_range(0..2) } else { 0 }).collect();
        let changes = batch(&rows);
        let changes = if late { changes.with_arrivals(ScalarBuffer::from(arrivals.clone())) } else { changes };
        let actual = consolidate(&changes).unwrap();
        let expected = sums(&rows, &arrivals);
        assert_eq!(actual.print(), printed(&expected));
        if late && !expected.is_empty() {
            let expected: Vec<i64> = expected.iter().map(|(_, _, arrival)| *arrival).collect();
            assert_eq!(actual.arrivals().unwrap().to_vec(), expected);
        }
    });
}

#[test]
fn consolidation_does_not_depend_on_the_cuts() {
    for_each_case(cases() / 10, |rng| {
        let rows = random_rows(rng);
        let batches: Vec<ChangeBatch> = cut(rng, &rows);
        let actual = consolidate_all(&schema(), &batches).unwrap();
        assert_eq!(actual.print(), printed(&sums(&rows, &vec![0; rows.len()])));
    });
}
