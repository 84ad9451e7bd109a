//! Finds the rows that an expression cannot be evaluated for, so that all others go on.

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, new_null_array};
use arrow_select::concat::concat;

use super::ScalarExpr;
use crate::expr::ExprRef;
use crate::{Error, Result};

/// A row without a value, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Which row of the batch.
    pub row: usize,
    /// What went wrong: `Divide by zero error`.
    pub reason: String,
}

/// What several expressions gave for one batch.
#[derive(Debug, Clone)]
pub struct Isolated {
    /// One column for each expression, as long as the batch; NULL where the expression failed.
    pub columns: Vec<ArrayRef>,
    /// The rows for which at least one expression failed, ascending, each with its first reason.
    pub bad: Vec<BadRow>,
}

impl Isolated {
    /// True for the rows that every expression has a value for; `None` if those are all rows.
    pub fn good_rows(&self, rows: usize) -> Option<BooleanArray> {
        if self.bad.is_empty() {
            return None;
        }
        let mut good = vec![true; rows];
        self.bad.iter().for_each(|bad| good[bad.row] = false);
        Some(good.into())
    }
}

/// Evaluates `expr` over `rows`: a column with NULL for the rows that cannot be evaluated, and those rows, ascending.
///
/// A batch without bad rows costs one evaluation. Otherwise the batch is halved until each bad row stands alone:
/// about `2 · log2(rows)` evaluations for each of them. Fails only if `expr` breaks its contract.
pub fn evaluate_isolating(expr: &dyn ScalarExpr, rows: &RecordBatch) -> Result<(ArrayRef, Vec<BadRow>)> {
    if let Ok(column) = expr.evaluate(rows) {
        check_length(expr, &column, rows.num_rows())?;
        return Ok((column, Vec::new()));
    }
    let mut halves = Halves { expr, columns: Vec::new(), bad: Vec::new() };
    halves.evaluate(rows, 0)?;
    let column = match halves.columns.as_slice() {
        [] => new_null_array(expr.data_type(), 0),
        [only] => only.clone(),
        several => concat(&several.iter().map(AsRef::as_ref).collect::<Vec<_>>())?,
    };
    Ok((column, halves.bad))
}

/// [`evaluate_isolating`] for several expressions over one batch.
pub fn evaluate_all_isolating(exprs: &[ExprRef], rows: &RecordBatch) -> Result<Isolated> {
    let mut columns = Vec::with_capacity(exprs.len());
    let mut bad: Vec<BadRow> = Vec::new();
    for expr in exprs {
        let (column, more) = evaluate_isolating(expr.as_ref(), rows)?;
        columns.push(column);
        bad.extend(more);
    }
    // The sort is stable, so that the reason that stays is that of the first failing expression.
    bad.sort_by_key(|bad| bad.row);
    bad.dedup_by_key(|bad| bad.row);
    Ok(Isolated { columns, bad })
}

struct Halves<'a> {
    expr: &'a dyn ScalarExpr,
    columns: Vec<ArrayRef>,
    bad: Vec<BadRow>,
}

impl Halves<'_> {
    /// Appends the values of `rows`, of which the first is row `start` of the batch.
    fn evaluate(&mut self, rows: &RecordBatch, start: usize) -> Result<()> {
        match (self.expr.evaluate(rows), rows.num_rows()) {
            (Ok(column), count) => {
                check_length(self.expr, &column, count)?;
                self.columns.push(column);
            }
            (Err(_), 0) => {}
            (Err(error), 1) => {
                self.columns.push(new_null_array(self.expr.data_type(), 1));
                self.bad.push(BadRow { row: start, reason: error.message().to_owned() });
            }
            (Err(_), count) => {
                let middle = count / 2;
                self.evaluate(&rows.slice(0, middle), start)?;
                self.evaluate(&rows.slice(middle, count - middle), start + middle)?;
            }
        }
        Ok(())
    }
}

fn check_length(expr: &dyn ScalarExpr, column: &dyn Array, rows: usize) -> Result<()> {
    if column.len() == rows {
        return Ok(());
    }
    Err(Error::internal(format!("{} gave {} values for {rows} rows", expr.display(), column.len())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int64Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_schema::DataType;

    use super::*;
    use crate::Code;

    /// 100 / x.
    #[derive(Debug)]
    struct Hundredth;

    impl ScalarExpr for Hundredth {
        fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
            let values = rows.column(0).as_primitive::<Int64Type>();
            if values.iter().flatten().any(|value| value == 0) {
                return Err(Error::new(Code::Arithmetic, "division by zero"));
            }
            Ok(Arc::new(values.unary::<_, Int64Type>(|value| 100_i64.checked_div(value).unwrap_or(0))))
        }

        fn data_type(&self) -> &DataType {
            &DataType::Int64
        }

        fn nullable(&self) -> bool {
            true
        }

        fn display(&self) -> String {
            "100 / x".to_owned()
        }
    }

    fn check(input: Vec<Option<i64>>, values: Vec<Option<i64>>, bad: &[usize]) {
        let rows = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(input)) as ArrayRef)]).unwrap();
        let (column, found) = evaluate_isolating(&Hundredth, &rows).unwrap();
        assert_eq!(column.as_primitive::<Int64Type>(), &Int64Array::from(values));
        assert_eq!(found.iter().map(|bad| bad.row).collect::<Vec<_>>(), bad);
        assert!(found.iter().all(|bad| bad.reason == "division by zero"));
    }

    #[test]
    fn the_good_rows_around_bad_ones_keep_their_values() {
        check(vec![], vec![], &[]);
        check(vec![Some(5), None], vec![Some(20), None], &[]);
        check(vec![Some(0)], vec![None], &[0]);
        check(vec![Some(0), Some(0), Some(0)], vec![None; 3], &[0, 1, 2]);
        check(vec![Some(1), Some(0), None, Some(2), Some(0)], vec![Some(100), None, None, Some(50), None], &[1, 4]);
    }

    #[test]
    fn a_row_that_fails_twice_is_named_once() {
        let rows = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![4, 0])) as ArrayRef)]).unwrap();
        let isolated = evaluate_all_isolating(&[Arc::new(Hundredth), Arc::new(Hundredth)], &rows).unwrap();
        assert_eq!(isolated.bad.len(), 1);
        assert_eq!(isolated.good_rows(2), Some(vec![true, false].into()));
    }
}
