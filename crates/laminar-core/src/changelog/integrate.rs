//! The sum of all changes so far: the multiset of rows that stands at a step boundary. The yardstick of tests.

use std::collections::BTreeMap;
use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, SchemaRef};

use super::consolidate::add_weights;
use super::{ChangeBatch, RowKeys};
use crate::Result;

/// Floats of two answers may differ by this much, relative to the greater one.
const FLOAT_TOLERANCE: f64 = 1e-9;

/// Rows with the sums of their weights, ordered by value (NULL first). No row has weight 0.
#[derive(Debug)]
pub struct Integral {
    schema: SchemaRef,
    keys: RowKeys,
    weights: BTreeMap<Box<[u8]>, i64>,
}

impl Integral {
    /// Nothing yet.
    pub fn new(schema: SchemaRef) -> Result<Self> {
        Ok(Self { keys: RowKeys::of_schema(&schema)?, schema, weights: BTreeMap::new() })
    }

    /// The sum of `batches`.
    pub fn of(schema: SchemaRef, batches: &[ChangeBatch]) -> Result<Self> {
        let mut sum = Self::new(schema)?;
        batches.iter().try_for_each(|batch| sum.apply(batch))?;
        Ok(sum)
    }

    /// Adds a change.
    pub fn apply(&mut self, changes: &ChangeBatch) -> Result<()> {
        let keys = self.keys.encode(changes.rows().columns(), changes.len())?;
        for row in 0..changes.len() {
            self.add(keys.row(row).data(), changes.weight(row))?;
        }
        Ok(())
    }

    fn add(&mut self, key: &[u8], weight: i64) -> Result<()> {
        let Some(before) = self.weights.get_mut(key) else {
            if weight != 0 {
                self.weights.insert(key.into(), weight);
            }
            return Ok(());
        };
        *before = add_weights(*before, weight)?;
        if *before == 0 {
            self.weights.remove(key);
        }
        Ok(())
    }

    /// True if nothing is left.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// How many different rows there are.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// True if every row occurs at least once: what the contents of a view must be.
    pub fn is_positive(&self) -> bool {
        self.weights.values().all(|weight| *weight > 0)
    }

    /// All rows, ordered by value.
    pub fn to_batch(&self) -> Result<ChangeBatch> {
        let columns = self.keys.decode(self.weights.keys().map(AsRef::as_ref))?;
        let columns = if self.weights.is_empty() { self.no_columns() } else { columns };
        let options = RecordBatchOptions::new().with_row_count(Some(self.len()));
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        Ok(ChangeBatch::new(rows, self.weights.values().copied().collect::<Vec<_>>()))
    }

    fn no_columns(&self) -> Vec<ArrayRef> {
        RecordBatch::new_empty(self.schema.clone()).columns().to_vec()
    }

    /// What must be added to `self` to get `other`.
    pub fn diff(&self, other: &Integral) -> Result<Integral> {
        let mut difference = Self::new(self.schema.clone())?;
        difference.weights.clone_from(&other.weights);
        for (key, weight) in &self.weights {
            difference.add(key, -weight)?;
        }
        Ok(difference)
    }

    /// `None` if `actual` is the same multiset, with floats compared to 1e-9 relative; otherwise what is missing and what
    /// is too much, in the text form.
    pub fn difference(&self, actual: &Integral) -> Result<Option<String>> {
        let left_over = cancel_close_rows(&self.diff(actual)?.to_batch()?);
        if left_over.is_empty() {
            return Ok(None);
        }
        let mut text = String::new();
        for (title, sign) in [("missing", -1), ("not expected", 1)] {
            let lines = left_over.print();
            let lines: Vec<_> = lines.lines().filter(|line| line.starts_with('-') == (sign < 0)).collect();
            if !lines.is_empty() {
                let _ = writeln!(text, "{title}:\n  {}", lines.join("\n  "));
            }
        }
        let _ = write!(text, "expected {} rows, got {}", self.len(), actual.len());
        Ok(Some(text))
    }
}

/// Fails the test if the sums of the batches differ, and shows by what.
///
/// # Panics
/// If they differ, or cannot be compared.
#[track_caller]
pub fn assert_same(expected: &[ChangeBatch], actual: &[ChangeBatch]) {
    let Some(schema) = expected.iter().chain(actual).map(ChangeBatch::schema).next() else { return };
    let sum = |batches| Integral::of(schema.clone(), batches);
    let difference = sum(expected).and_then(|expected| expected.difference(&sum(actual)?));
    match difference {
        Ok(None) => {}
        Ok(Some(difference)) => panic!("the rows differ\n{difference}"),
        Err(error) => panic!("the rows cannot be compared: {error}"),
    }
}

/// Takes out pairs of a missing and an unexpected row that differ only in the last digits of floats.
fn cancel_close_rows(difference: &ChangeBatch) -> ChangeBatch {
    let has_floats = |batch: &ChangeBatch| batch.schema().fields().iter().any(|f| f.data_type().is_floating());
    if !has_floats(difference) {
        return difference.clone();
    }
    let Ok(cells) = Cells::of(difference) else { return difference.clone() };
    let mut weights = difference.weights().to_vec(difference.len());
    for missing in 0..weights.len() {
        for extra in 0..weights.len() {
            if weights[missing] < 0 && weights[extra] > 0 && cells.are_close(missing, extra) {
                let both = weights[extra].min(-weights[missing]);
                weights[missing] += both;
                weights[extra] -= both;
            }
        }
    }
    let keep: Vec<bool> = weights.iter().map(|weight| *weight != 0).collect();
    let changes = ChangeBatch::new(difference.rows().clone(), weights);
    changes.filter(&keep.into()).unwrap_or_else(|_| difference.clone())
}

/// The rows of a batch, ready to be compared with tolerance.
struct Cells {
    exact: arrow_row::Rows,
    floats: Vec<Vec<Option<f64>>>,
}

impl Cells {
    fn of(changes: &ChangeBatch) -> Result<Self> {
        let is_float = |column: &&ArrayRef| column.data_type().is_floating();
        let columns = changes.rows().columns();
        let exact: Vec<ArrayRef> = columns.iter().filter(|column| !is_float(column)).cloned().collect();
        let types: Vec<_> = exact.iter().map(|column| column.data_type().clone()).collect();
        let floats = columns.iter().filter(is_float).map(float_values).collect::<Result<_>>()?;
        Ok(Self { exact: RowKeys::new(&types)?.encode(&exact, changes.len())?, floats })
    }

    fn are_close(&self, a: usize, b: usize) -> bool {
        self.exact.row(a) == self.exact.row(b) && self.floats.iter().all(|column| close(column[a], column[b]))
    }
}

fn float_values(column: &ArrayRef) -> Result<Vec<Option<f64>>> {
    Ok(match column.data_type() {
        DataType::Float64 => column.as_primitive::<Float64Type>().iter().collect(),
        DataType::Float32 => column.as_primitive::<Float32Type>().iter().map(|value| value.map(f64::from)).collect(),
        _ => arrow_cast::cast(column, &DataType::Float64)?.as_primitive::<Float64Type>().iter().collect(),
    })
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= FLOAT_TOLERANCE * a.abs().max(b.abs()).max(1e-9)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{Field, Schema};
    use expect_test::expect;

    use super::*;

    fn batch(text: &str) -> ChangeBatch {
        let fields = vec![Field::new("k", DataType::Utf8, true), Field::new("v", DataType::Float64, true)];
        ChangeBatch::parse(&Arc::new(Schema::new(fields)), text).unwrap()
    }

    fn integral(text: &str) -> Integral {
        Integral::of(batch("").schema(), &[batch(text)]).unwrap()
    }

    #[test]
    fn a_row_that_was_retracted_is_gone() {
        let mut sum = integral("+1 | b | 1 ; +2 | a | 1");
        sum.apply(&batch("-1 | b | 1 ; -1 | a | 1 ; +1 | NULL | NULL")).unwrap();
        assert_eq!(sum.to_batch().unwrap().print(), "+1 | NULL | NULL\n+1 | a | 1.0");
        assert!(sum.is_positive() && !sum.is_empty());
        sum.apply(&batch("-1 | NULL | NULL ; -1 | a | 1")).unwrap();
        assert!(sum.is_empty());
        assert_eq!(sum.to_batch().unwrap().print(), "");
    }

    #[test]
    fn the_difference_leads_from_one_to_the_other() {
        let difference = integral("+1 | a | 1 ; +1 | b | 1").diff(&integral("+2 | a | 1 ; +1 | c | 1")).unwrap();
        assert_eq!(difference.to_batch().unwrap().print(), "+1 | a | 1.0\n-1 | b | 1.0\n+1 | c | 1.0");
    }

    #[test]
    fn floats_that_differ_in_the_last_digits_are_the_same_answer() {
        assert_same(&[batch("+1 | a | 0.3 ; +1 | b | NaN")], &[batch("+1 | a | 0.30000000000000004 ; +1 | b | NaN")]);
        let text = integral("+1 | a | 0.3 ; +1 | a | 7").difference(&integral("+1 | a | 0.31 ; +1 | a | 7")).unwrap().unwrap();
        expect![[r#"
            missing:
              -1 | a | 0.3
            not expected:
              +1 | a | 0.31
            expected 2 rows, got 2"#]]
        .assert_eq(&text);
    }

    #[test]
    #[should_panic(expected = "-1 | a | 1.0")]
    fn a_missing_row_fails_the_test() {
        assert_same(&[batch("+1 | a | 1")], &[]);
    }
}
