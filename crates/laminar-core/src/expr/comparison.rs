//! A column compared with a constant, and several such conditions at once: no column is made where only the rows are asked for.

use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, BooleanArray, PrimitiveArray, RecordBatch};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{DataType, Schema, TimeUnit};

use super::{ExprRef, RowMask, ScalarExpr};
use crate::{Error, Result};

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    /// `=`
    Eq,
    /// `<>`
    NotEq,
    /// `<`
    Lt,
    /// `<=`
    LtEq,
    /// `>`
    Gt,
    /// `>=`
    GtEq,
}

impl CompareOp {
    /// The comparison with its sides exchanged: `5 < x` is `x > 5`.
    #[must_use]
    pub fn flipped(self) -> Self {
        match self {
            CompareOp::Lt => CompareOp::Gt,
            CompareOp::LtEq => CompareOp::GtEq,
            CompareOp::Gt => CompareOp::Lt,
            CompareOp::GtEq => CompareOp::LtEq,
            same @ (CompareOp::Eq | CompareOp::NotEq) => same,
        }
    }
}

/// `column op constant`, shown to people as `text`. `constant` is the only row of an array.
///
/// NULL compared with anything is NULL. Floats are compared as in DataFusion: −0.0 equals 0.0, all others are in IEEE 754's total
/// order, so NaN equals itself and is greater than every number.
///
/// `None` if the schema has no such column, if the constant is NULL or of another type, and for types other than integers and
/// floats of 32 or 64 bits, dates and timestamps.
pub fn compare_with_constant(
    schema: &Schema,
    column: usize,
    op: CompareOp,
    constant: &dyn Array,
    text: String,
) -> Option<ExprRef> {
    let field = schema.fields().get(column)?;
    if constant.len() != 1 || constant.is_null(0) || constant.data_type() != field.data_type() {
        return None;
    }
    macro_rules! of {
        ($t:ty) => {{
            let constant = unsigned_zero(constant.as_primitive::<$t>().value(0));
            Arc::new(Comparison::<$t> { column, op, constant, nullable: field.is_nullable(), text })
        }};
    }
    Some(match field.data_type() {
        DataType::Int32 => of!(Int32Type),
        DataType::Int64 => of!(Int64Type),
        DataType::UInt32 => of!(UInt32Type),
        DataType::UInt64 => of!(UInt64Type),
        DataType::Float32 => of!(Float32Type),
        DataType::Float64 => of!(Float64Type),
        DataType::Date32 => of!(Date32Type),
        DataType::Date64 => of!(Date64Type),
        DataType::Timestamp(TimeUnit::Second, _) => of!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => of!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => of!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => of!(TimestampNanosecondType),
        _ => return None,
    })
}

/// Both conditions, shown to people as `text`: `AND` as SQL has it, where false beats NULL. Both are evaluated for every row.
pub fn both(left: ExprRef, right: ExprRef, text: String) -> ExprRef {
    Arc::new(Both { left, right, text })
}

#[derive(Debug)]
struct Comparison<T: ArrowPrimitiveType> {
    column: usize,
    op: CompareOp,
    constant: T::Native,
    nullable: bool,
    text: String,
}

/// 0.0 for −0.0.
#[inline]
fn unsigned_zero<N: ArrowNativeTypeOp>(value: N) -> N {
    if value.is_zero() { N::ZERO } else { value }
}

impl<T: ArrowPrimitiveType> Comparison<T> {
    fn column<'a>(&self, rows: &'a RecordBatch) -> Option<&'a PrimitiveArray<T>> {
        rows.columns().get(self.column)?.as_primitive_opt()
    }

    /// Leaves out the rows for whose value, whether it is NULL or not, the comparison is false.
    fn retain(&self, values: &[T::Native], mask: &mut RowMask) {
        let constant = self.constant;
        match self.op {
            CompareOp::Eq => mask.retain(values, |value| unsigned_zero(value).is_eq(constant)),
            CompareOp::NotEq => mask.retain(values, |value| unsigned_zero(value).is_ne(constant)),
            CompareOp::Lt => mask.retain(values, |value| unsigned_zero(value).is_lt(constant)),
            CompareOp::LtEq => mask.retain(values, |value| unsigned_zero(value).is_le(constant)),
            CompareOp::Gt => mask.retain(values, |value| unsigned_zero(value).is_gt(constant)),
            CompareOp::GtEq => mask.retain(values, |value| unsigned_zero(value).is_ge(constant)),
        }
    }
}

impl<T: ArrowPrimitiveType + Debug> ScalarExpr for Comparison<T> {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let column = self.column(rows).ok_or_else(|| Error::internal(format!("no column of the type in {}", self.text)))?;
        let mut mask = RowMask::all(rows.num_rows());
        self.retain(column.values(), &mut mask);
        Ok(Arc::new(BooleanArray::new(mask.to_buffer(), column.nulls().cloned())))
    }

    fn retain_true(&self, rows: &RecordBatch, mask: &mut RowMask) -> bool {
        let Some(column) = self.column(rows) else { return false };
        self.retain(column.values(), mask);
        column.nulls().into_iter().for_each(|nulls| mask.retain_valid(nulls));
        true
    }

    fn data_type(&self) -> &DataType {
        &DataType::Boolean
    }

    fn nullable(&self) -> bool {
        self.nullable
    }

    fn display(&self) -> String {
        self.text.clone()
    }
}

#[derive(Debug)]
struct Both {
    left: ExprRef,
    right: ExprRef,
    text: String,
}

impl ScalarExpr for Both {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let (left, right) = (self.left.evaluate(rows)?, self.right.evaluate(rows)?);
        let conditions = left.as_boolean_opt().zip(right.as_boolean_opt());
        let (left, right) = conditions.ok_or_else(|| Error::internal(format!("not conditions: {}", self.text)))?;
        Ok(Arc::new(and(left, right)))
    }

    fn retain_true(&self, rows: &RecordBatch, mask: &mut RowMask) -> bool {
        self.left.retain_true(rows, mask) && self.right.retain_true(rows, mask)
    }

    fn data_type(&self) -> &DataType {
        &DataType::Boolean
    }

    fn nullable(&self) -> bool {
        self.left.nullable() || self.right.nullable()
    }

    fn display(&self) -> String {
        self.text.clone()
    }
}

/// True where both are true, false where one is false, NULL elsewhere.
fn and(left: &BooleanArray, right: &BooleanArray) -> BooleanArray {
    if left.null_count() + right.null_count() == 0 {
        return BooleanArray::new(left.values() & right.values(), None);
    }
    let is_true = &where_true(left) & &where_true(right);
    let is_false = &where_true(&not(left)) | &where_true(&not(right));
    let known = NullBuffer::new(&is_true | &is_false);
    BooleanArray::new(is_true, Some(known))
}

fn not(condition: &BooleanArray) -> BooleanArray {
    BooleanArray::new(!condition.values(), condition.nulls().cloned())
}

fn where_true(condition: &BooleanArray) -> BooleanBuffer {
    match condition.nulls() {
        Some(nulls) => condition.values() & nulls.inner(),
        None => condition.values().clone(),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Float64Array, Int64Array, Scalar, TimestampNanosecondArray, UInt32Array};
    use arrow_ord::cmp;
    use arrow_schema::Field;
    use arrow_select::take::take;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::changelog::canonical_floats;

    const OPS: [CompareOp; 6] = [CompareOp::Eq, CompareOp::NotEq, CompareOp::Lt, CompareOp::LtEq, CompareOp::Gt, CompareOp::GtEq];

    fn kernel(op: CompareOp, left: &ArrayRef, right: &ArrayRef) -> BooleanArray {
        let right = Scalar::new(right.clone());
        match op {
            CompareOp::Eq => cmp::eq(left, &right),
            CompareOp::NotEq => cmp::neq(left, &right),
            CompareOp::Lt => cmp::lt(left, &right),
            CompareOp::LtEq => cmp::lt_eq(left, &right),
            CompareOp::Gt => cmp::gt(left, &right),
            CompareOp::GtEq => cmp::gt_eq(left, &right),
        }
        .unwrap()
    }

    /// What [`ScalarExpr::retain_true`] leaves of all rows.
    fn retained(condition: &ExprRef, rows: &RecordBatch) -> Vec<bool> {
        let mut mask = RowMask::all(rows.num_rows());
        assert!(condition.retain_true(rows, &mut mask), "{} has no short way", condition.display());
        mask.to_buffer().iter().collect()
    }

    fn check_rows(condition: &ExprRef, rows: &RecordBatch, expected: &BooleanArray, what: &str) {
        let values = condition.evaluate(rows).unwrap();
        assert_eq!(values.as_boolean().iter().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>(), "{what}");
        let is_true: Vec<bool> = expected.iter().map(|value| value == Some(true)).collect();
        assert_eq!(retained(condition, rows), is_true, "{what}: the rows");
    }

    /// Every comparison of random rows of `values` (the last is NULL) with each of them, held against Arrow's kernel. Both sides
    /// go to the kernel as DataFusion gives them: with 0.0 for −0.0.
    fn check(values: &ArrayRef) {
        let mut random = StdRng::seed_from_u64(7);
        let schema = Arc::new(Schema::new(vec![Field::new("x", values.data_type().clone(), true)]));
        for rows in [0, 1, 2, 63, 64, 65, 200] {
            let picked: UInt32Array = (0..rows + 5).map(|_| Some(random.random_range(0..values.len() as u32))).collect();
            let column = take(values, &picked, None).unwrap().slice(5, rows);
            let batch = RecordBatch::try_new(schema.clone(), vec![column.clone()]).unwrap();
            for (constant, op) in (0..values.len() - 1).flat_map(|at| OPS.map(|op| (values.slice(at, 1), op))) {
                let condition = compare_with_constant(&schema, 0, op, &constant, format!("x {op:?}")).unwrap();
                let expected = kernel(op, &positive_zeros(&column), &positive_zeros(&constant));
                check_rows(&condition, &batch, &expected, &format!("{rows} rows, {op:?} {constant:?}"));
            }
        }
    }

    fn positive_zeros(column: &ArrayRef) -> ArrayRef {
        match column.as_primitive_opt::<Float64Type>() {
            Some(floats) => Arc::new(floats.unary::<_, Float64Type>(|value| if value == 0.0 { 0.0 } else { value })),
            None => column.clone(),
        }
    }

    #[test]
    fn a_column_is_compared_with_a_constant_as_arrows_kernels_do_it() {
        let least_nan = f64::from_bits(u64::MAX);
        let floats = [f64::NAN, least_nan, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.5, -1.5, f64::MIN_POSITIVE, f64::MAX];
        check(&(Arc::new(floats.into_iter().map(Some).chain([None]).collect::<Float64Array>()) as _));
        let whole = [i64::MIN, i64::MAX, 0, 1, -1, 900];
        let with_null = || whole.into_iter().map(Some).chain([None]);
        check(&(Arc::new(with_null().collect::<Int64Array>()) as _));
        check(&(Arc::new(with_null().collect::<TimestampNanosecondArray>().with_timezone("+02:00")) as _));
        macro_rules! narrow {
            ($($t:ty),*) => {
                $(check(&(Arc::new(with_null().map(|value| value.map(|value| value as _)).collect::<PrimitiveArray<$t>>()) as _));)*
            };
        }
        narrow!(Int32Type, UInt32Type, UInt64Type, Date32Type, Date64Type, TimestampSecondType, Float32Type);
    }

    #[test]
    fn both_zeros_are_equal_and_nan_is_equal_to_itself() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, 1.0]));
        let rows = RecordBatch::try_from_iter([("x", floats)]).unwrap();
        for (constant, expected) in [(-0.0, [true, true, false, false]), (f64::NAN, [false, false, true, false])] {
            let constant = Float64Array::from(vec![constant]);
            let condition = compare_with_constant(&rows.schema(), 0, CompareOp::Eq, &constant, String::new()).unwrap();
            assert_eq!(retained(&condition, &rows), expected);
        }
        assert_eq!(canonical_floats(rows.column(0)).as_primitive::<Float64Type>().value(1).to_bits(), 0);
    }

    #[test]
    fn a_constant_on_the_left_is_one_on_the_right_with_the_comparison_turned() {
        for (op, left, right) in OPS.into_iter().flat_map(|op| [(op, 1, 2), (op, 2, 2), (op, 3, 2)]) {
            let holds = |op, left, right| {
                let column = |value: i64| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
                kernel(op, &column(left), &column(right)).value(0)
            };
            assert_eq!(holds(op, left, right), holds(op.flipped(), right, left), "{left} {op:?} {right}");
        }
    }

    #[test]
    fn false_beats_null_where_both_conditions_must_hold() {
        let values = [Some(1), Some(5), None];
        let pairs = || values.iter().flat_map(|left| values.map(|right| (*left, right)));
        let column = |values: Vec<Option<i64>>| Arc::new(Int64Array::from(values)) as ArrayRef;
        let (left, right) = pairs().unzip();
        let rows = RecordBatch::try_from_iter([("a", column(left)), ("b", column(right))]).unwrap();
        let less = |column| {
            compare_with_constant(&rows.schema(), column, CompareOp::Lt, &Int64Array::from(vec![3]), "<".to_owned()).unwrap()
        };
        let expected: BooleanArray = pairs()
            .map(|(left, right)| match (left.map(|value| value < 3), right.map(|value| value < 3)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            })
            .collect();
        check_rows(&both(less(0), less(1), "AND".to_owned()), &rows, &expected, "AND");
        let plain = rows.slice(0, 2);
        check_rows(&both(less(0), less(1), "AND".to_owned()), &plain, &expected.slice(0, 2), "AND without NULLs");
    }

    #[test]
    fn what_cannot_be_compared_in_the_short_way_is_left_to_others() {
        let schema = Schema::new(vec![Field::new("x", DataType::Int64, true), Field::new("s", DataType::Utf8, true)]);
        let compared = |column, constant: &dyn Array| {
            compare_with_constant(&schema, column, CompareOp::Eq, constant, String::new()).is_some()
        };
        assert!(compared(0, &Int64Array::from(vec![1])));
        assert!(!compared(0, &Int64Array::from(vec![None])), "NULL");
        assert!(!compared(0, &Int64Array::from(vec![1, 2])), "two constants");
        assert!(!compared(0, &Float64Array::from(vec![1.0])), "another type");
        assert!(!compared(1, &arrow_array::StringArray::from(vec!["a"])), "a text");
        assert!(!compared(2, &Int64Array::from(vec![1])), "no such column");
    }
}
