//! Are two bags of rows the same? Order does not count, multiplicity does, floats may differ by a hair.

use std::collections::BTreeMap;
use std::fmt::Write;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use laminar_core::{ChangeBatch, Result};

use crate::random::{Cell, Row, cells_of};

/// How far two floats may be apart, relative to the larger one (absolute below 1).
const TOLERANCE: f64 = 1e-9;

/// Rows, each with how often it is there.
pub type Bag = BTreeMap<Row, i64>;

/// The rows of plain batches.
///
/// # Errors
/// If a column cannot be read.
pub fn bag_of_rows(batches: &[RecordBatch]) -> Result<Bag> {
    let mut bag = Bag::new();
    batches.iter().try_for_each(|batch| add(&mut bag, batch, |_| 1))?;
    Ok(bag)
}

/// The rows of changes, added up; what adds up to zero is not there.
///
/// # Errors
/// If a column cannot be read.
pub fn bag_of_changes(changes: &[ChangeBatch]) -> Result<Bag> {
    let mut bag = Bag::new();
    changes.iter().try_for_each(|batch| add(&mut bag, batch.rows(), |row| batch.weight(row)))?;
    bag.retain(|_, weight| *weight != 0);
    Ok(bag)
}

fn add(bag: &mut Bag, batch: &RecordBatch, weight: impl Fn(usize) -> i64) -> Result<()> {
    let columns = batch.columns().iter().map(cells_of).collect::<Result<Vec<_>>>()?;
    for row in 0..batch.num_rows() {
        let cells = columns.iter().map(|column| column[row].clone()).collect();
        *bag.entry(cells).or_default() += weight(row);
    }
    Ok(())
}

/// `Ok` if both hold the same rows equally often, else one line for each difference, as
/// `missing 1 × | a | 3` (only in `expected`) or `extra 1 × | a | 4` (only in `actual`).
///
/// # Errors
/// The differences, as text for a person.
pub fn compare(actual: &Bag, expected: &Bag) -> Result<(), String> {
    if actual == expected {
        return Ok(());
    }
    let mut extra: Vec<(&Row, i64)> = actual.iter().map(|(row, weight)| (row, *weight)).collect();
    let mut missing: Vec<(&Row, i64)> = expected.iter().map(|(row, weight)| (row, *weight)).collect();
    for (a, a_left) in &mut extra {
        // Equal rows first, so that a row is not given away to a neighbour that is only nearly the same.
        cancel(a, a_left, &mut missing, |a, b| a == b);
    }
    for (a, a_left) in &mut extra {
        cancel(a, a_left, &mut missing, nearly_same);
    }
    describe(&extra, &missing)
}

fn cancel(a: &Row, a_left: &mut i64, others: &mut [(&Row, i64)], same: impl Fn(&Row, &Row) -> bool) {
    for (b, b_left) in others {
        if *a_left > 0 && *b_left > 0 && same(a, b) {
            let both = (*a_left).min(*b_left);
            *a_left -= both;
            *b_left -= both;
        }
    }
}

fn nearly_same(a: &Row, b: &Row) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| nearly_equal(a, b))
}

fn nearly_equal(a: &Cell, b: &Cell) -> bool {
    if a == b {
        return true;
    }
    let one_is_float = matches!(a, Cell::Float(_)) || matches!(b, Cell::Float(_));
    let (true, Some(a), Some(b)) = (one_is_float, a.as_f64(), b.as_f64()) else {
        return false;
    };
    a == b || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1.0)
}

fn describe(extra: &[(&Row, i64)], missing: &[(&Row, i64)]) -> Result<(), String> {
    let mut text = String::new();
    for (what, rows) in [("missing", missing), ("extra", extra)] {
        for (row, weight) in rows.iter().filter(|(_, weight)| *weight != 0) {
            let _ = write!(text, "{what} {weight} ×");
            row.iter().for_each(|cell| _ = write!(text, " | {cell}"));
            text.push('\n');
        }
    }
    if text.is_empty() { Ok(()) } else { Err(text) }
}

/// `Ok` if two schemas have as many columns with the same names, whatever their types.
///
/// # Errors
/// Both lists of names.
pub fn compare_names(actual: &Schema, expected: &Schema) -> Result<(), String> {
    let names = |schema: &Schema| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let (actual, expected) = (names(actual), names(expected));
    if actual == expected { Ok(()) } else { Err(format!("columns {actual:?} instead of {expected:?}\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bag(rows: &[(&[Cell], i64)]) -> Bag {
        rows.iter().map(|(row, weight)| (row.to_vec(), *weight)).collect()
    }

    fn check(actual: &[(&[Cell], i64)], expected: &[(&[Cell], i64)], differences: &str) {
        let found = compare(&bag(actual), &bag(expected)).err().unwrap_or_default();
        assert_eq!(found, differences);
    }

    #[test]
    fn multiplicity_counts() {
        let row: &[Cell] = &[Cell::Int(1), Cell::Null];
        check(&[(row, 2)], &[(row, 2)], "");
        check(&[(row, 2)], &[(row, 1)], "extra 1 × | 1 | NULL\n");
        check(&[(row, 1)], &[(row, 3)], "missing 2 × | 1 | NULL\n");
        check(&[(row, -1)], &[], "extra -1 × | 1 | NULL\n");
    }

    #[test]
    fn floats_may_differ_by_a_hair() {
        let near: &[Cell] = &[Cell::Int(1), Cell::Float(1e12 + 1.0)];
        let exact: &[Cell] = &[Cell::Int(1), Cell::Float(1e12)];
        let far: &[Cell] = &[Cell::Int(1), Cell::Float(1.001e12)];
        check(&[(near, 1)], &[(exact, 1)], "");
        check(&[(near, 1), (exact, 1)], &[(exact, 2)], "");
        check(&[(far, 1)], &[(exact, 1)], "missing 1 × | 1 | 1000000000000.0\nextra 1 × | 1 | 1001000000000.0\n");
        check(&[(&[Cell::Int(2)], 1)], &[(&[Cell::Float(2.0)], 1)], "");
    }

    #[test]
    fn other_types_must_be_equal() {
        check(&[(&[Cell::Int(1)], 1)], &[(&[Cell::Text("1".into())], 1)], "missing 1 × | '1'\nextra 1 × | 1\n");
        check(&[(&[Cell::Null], 1)], &[(&[Cell::Float(0.0)], 1)], "missing 1 × | 0.0\nextra 1 × | NULL\n");
    }
}
