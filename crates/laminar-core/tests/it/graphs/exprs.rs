//! Expressions for tests, over columns of BIGINT.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, ListArray, RecordBatch};
use arrow_schema::{DataType, Field};
use laminar_core::expr::{ExprRef, ScalarExpr};
use laminar_core::{Code, Error, Result};

/// An expression with its text.
pub(crate) struct TestExpr {
    text: String,
    data_type: DataType,
    evaluate: Box<dyn Fn(&RecordBatch) -> Result<ArrayRef> + Send + Sync>,
}

impl fmt::Debug for TestExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl ScalarExpr for TestExpr {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        (self.evaluate)(rows)
    }

    fn data_type(&self) -> &DataType {
        &self.data_type
    }

    fn nullable(&self) -> bool {
        true
    }

    fn display(&self) -> String {
        self.text.clone()
    }
}

pub(crate) fn expr(
    text: &str,
    data_type: DataType,
    evaluate: impl Fn(&RecordBatch) -> Result<ArrayRef> + Send + Sync + 'static,
) -> ExprRef {
    Arc::new(TestExpr { text: text.to_owned(), data_type, evaluate: Box::new(evaluate) })
}

fn whole(rows: &RecordBatch, column: usize) -> &Int64Array {
    rows.column(column).as_primitive::<Int64Type>()
}

/// `#column > than`
pub(crate) fn greater(column: usize, than: i64) -> ExprRef {
    expr(&format!("#{column} > {than}"), DataType::Boolean, move |rows| {
        let values = whole(rows, column).iter().map(|value| value.map(|value| value > than));
        Ok(Arc::new(values.collect::<BooleanArray>()))
    })
}

/// `#a + #b`
pub(crate) fn plus(a: usize, b: usize) -> ExprRef {
    expr(&format!("#{a} + #{b}"), DataType::Int64, move |rows| {
        let pairs = whole(rows, a).iter().zip(whole(rows, b));
        Ok(Arc::new(pairs.map(|(a, b)| Some(a?.wrapping_add(b?))).collect::<Int64Array>()))
    })
}

/// The type of [`list_of`].
pub(crate) fn list_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)))
}

/// `[#a, #b]`; NULL where `#a` is, empty where `#b` is.
pub(crate) fn list_of(a: usize, b: usize) -> ExprRef {
    expr(&format!("[#{a}, #{b}]"), list_type(), move |rows| {
        let pairs = whole(rows, a).iter().zip(whole(rows, b));
        let list = |(a, b): (Option<i64>, Option<i64>)| a.map(|a| b.map_or(vec![], |b| vec![Some(a), Some(b)]));
        Ok(Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(pairs.map(list))))
    })
}

/// `#a / #b`, which fails for a batch that divides by zero.
pub(crate) fn divide(a: usize, b: usize) -> ExprRef {
    expr(&format!("#{a} / #{b}"), DataType::Int64, move |rows| {
        let quotient = |(a, b): (Option<i64>, Option<i64>)| match (a, b) {
            (Some(_), Some(0)) => Err(Error::new(Code::Arithmetic, "division by zero")),
            (Some(a), Some(b)) => Ok(Some(a.wrapping_div(b))),
            _ => Ok(None),
        };
        let quotients = whole(rows, a).iter().zip(whole(rows, b)).map(quotient);
        Ok(Arc::new(quotients.collect::<Result<Int64Array>>()?))
    })
}

/// `#a / #b > than`
pub(crate) fn ratio_above(a: usize, b: usize, than: i64) -> ExprRef {
    let ratio = divide(a, b);
    expr(&format!("#{a} / #{b} > {than}"), DataType::Boolean, move |rows| {
        let values = ratio.evaluate(rows)?;
        let above = values.as_primitive::<Int64Type>().iter().map(|value| value.map(|value| value > than));
        Ok(Arc::new(above.collect::<BooleanArray>()))
    })
}

/// `#column`, which breaks its contract (one value too few) as soon as it sees `value`.
pub(crate) fn broken_at(column: usize, value: i64) -> ExprRef {
    expr(&format!("broken(#{column})"), DataType::Int64, move |rows| {
        let values = whole(rows, column);
        let broken = values.iter().any(|found| found == Some(value));
        Ok(Arc::new(if broken { values.slice(0, values.len() - 1) } else { values.clone() }))
    })
}

/// `#column`, which panics as soon as it sees `value`.
pub(crate) fn panics_at(column: usize, value: i64) -> ExprRef {
    expr(&format!("panics(#{column})"), DataType::Int64, move |rows| {
        let values = whole(rows, column);
        assert!(values.iter().all(|found| found != Some(value)), "saw {value}");
        Ok(Arc::new(values.clone()))
    })
}
