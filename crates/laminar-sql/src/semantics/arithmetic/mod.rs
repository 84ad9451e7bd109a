//! `+ - * / %` as functions: what does not fit the result's type is an error of the row, never another value.

use std::hash::Hash;
use std::sync::Arc;

use arrow_array::{ArrayRef, Datum, new_null_array};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use laminar_core::{Code, Error};

use super::cast::type_name;

pub(super) mod decimal;
mod float;
mod temporal;

/// An operator that computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ArithmeticOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
}

impl ArithmeticOp {
    fn sign(self) -> &'static str {
        match self {
            ArithmeticOp::Add => "+",
            ArithmeticOp::Subtract => "-",
            ArithmeticOp::Multiply => "*",
            ArithmeticOp::Divide => "/",
            ArithmeticOp::Modulo => "%",
        }
    }

    fn name(self) -> &'static str {
        match self {
            ArithmeticOp::Add => "__add",
            ArithmeticOp::Subtract => "__subtract",
            ArithmeticOp::Multiply => "__multiply",
            ArithmeticOp::Divide => "__divide",
            ArithmeticOp::Modulo => "__modulo",
        }
    }
}

/// An operator over two values whose types fit each other (see [`super::coercion`]).
#[derive(Debug, PartialEq, Eq, Hash)]
struct Arithmetic {
    op: ArithmeticOp,
    signature: Signature,
}

/// `left op right`.
pub(super) fn arithmetic(op: ArithmeticOp, left: Expr, right: Expr) -> Expr {
    let function = Arithmetic { op, signature: Signature::any(2, Volatility::Immutable) };
    ScalarUDF::new_from_impl(function).call(vec![left, right])
}

/// The type of `left op right`; `None` if these types do not fit each other as they are.
pub(super) fn result_type(op: ArithmeticOp, left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType as D;
    match (left, right) {
        (D::Decimal128(p1, s1), D::Decimal128(p2, s2)) => {
            let (precision, scale) = decimal::result_type(op, (*p1, *s1), (*p2, *s2));
            Some(D::Decimal128(precision, scale))
        }
        _ if left == right && (left.is_integer() || matches!(left, D::Float32 | D::Float64)) => Some(left.clone()),
        _ => temporal::result_type(op, left, right),
    }
}

/// The type of whole numbers of two sizes together. Operands are cast to it when a query is read, but the type of one may be another until DataFusion
/// has looked at all of a plan, and it asks for the type of the result before.
fn wider(left: &DataType, right: &DataType) -> Option<DataType> {
    let differ = left != right && left.is_signed_integer() && right.is_signed_integer();
    differ.then(|| if left.primitive_width() > right.primitive_width() { left.clone() } else { right.clone() })
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        self.op.name()
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        let part = |arg: &Expr| if is_operator(arg) { format!("({arg})") } else { arg.to_string() };
        match args {
            [left, right] => Ok(format!("{} {} {}", part(left), self.op.sign(), part(right))),
            _ => internal_err!("an operator has two operands"),
        }
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        match args {
            [left, right] => Ok(format!("{} {} {}", left.schema_name(), self.op.sign(), right.schema_name())),
            _ => internal_err!("an operator has two operands"),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [left, right] => match result_type(self.op, left, right).or_else(|| wider(left, right)) {
                Some(result) => Ok(result),
                None => plan_err!("there is no {left} {} {right}", self.op.sign()),
            },
            _ => internal_err!("an operator has two operands"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else { return internal_err!("an operator has two operands") };
        let [left, right] = &match wider(&left.data_type(), &right.data_type()) {
            Some(wider) => [left.cast_to(&wider, None)?, right.cast_to(&wider, None)?],
            None => [left.clone(), right.clone()],
        };
        let compute = |left: &dyn Datum, right: &dyn Datum| compute(self.op, left, right, args.return_field.data_type());
        match (left, right) {
            (ColumnarValue::Array(left), ColumnarValue::Array(right)) => compute(left, right).map(ColumnarValue::Array),
            (ColumnarValue::Array(left), ColumnarValue::Scalar(right)) => {
                compute(left, &right.to_scalar()?).map(ColumnarValue::Array)
            }
            (ColumnarValue::Scalar(left), ColumnarValue::Array(right)) => {
                compute(&left.to_scalar()?, right).map(ColumnarValue::Array)
            }
            (ColumnarValue::Scalar(left), ColumnarValue::Scalar(right)) => {
                let value = compute(&left.to_array()?, &right.to_array()?)?;
                ScalarValue::try_from_array(&value, 0).map(ColumnarValue::Scalar)
            }
        }
    }
}

/// The operator that a call is.
pub(super) fn operator_of(call: &ScalarFunction) -> Option<ArithmeticOp> {
    call.func.inner().downcast_ref::<Arithmetic>().map(|function| function.op)
}

fn is_operator(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryExpr(BinaryExpr { .. }) => true,
        Expr::ScalarFunction(call) => call.func.inner().is::<Arithmetic>(),
        _ => false,
    }
}

fn compute(op: ArithmeticOp, left: &dyn Datum, right: &dyn Datum, result: &DataType) -> Result<ArrayRef> {
    let (left_type, right_type) = (left.get().0.data_type(), right.get().0.data_type());
    if left_type.is_null() || right_type.is_null() {
        return Ok(new_null_array(result, left.get().0.len().max(right.get().0.len())));
    }
    match (left_type, right_type, result) {
        (DataType::Decimal128(..), DataType::Decimal128(..), DataType::Decimal128(precision, scale)) => {
            decimal::compute(op, left, right, (*precision, *scale))
        }
        (l, r, _) if l == r && (l.is_integer() || l.is_floating()) => {
            let values = with_arrow(op, left, right).map_err(|error| in_range_of(error, result))?;
            if l.is_floating() {
                float::check(op, left, right, &values)?;
            }
            Ok(values)
        }
        _ => temporal::compute(op, left, right, result),
    }
}

fn with_arrow(op: ArithmeticOp, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, arrow_schema::ArrowError> {
    match op {
        ArithmeticOp::Add => numeric::add(left, right),
        ArithmeticOp::Subtract => numeric::sub(left, right),
        ArithmeticOp::Multiply => numeric::mul(left, right),
        ArithmeticOp::Divide => numeric::div(left, right),
        // The remainder by -1 is 0 for the least whole number too, which Arrow calls an overflow on some platforms.
        ArithmeticOp::Modulo => numeric::rem(left, right),
    }
}

fn in_range_of(error: arrow_schema::ArrowError, result: &DataType) -> datafusion::common::DataFusionError {
    match error {
        arrow_schema::ArrowError::ArithmeticOverflow(what) => {
            let what = what.strip_prefix("Overflow happened on: ").map(|sum| format!(": {sum}")).unwrap_or_default();
            arithmetic_error(format!("{} out of range{what}", type_name(result)))
        }
        other => other.into(),
    }
}

/// An error of the row, with the code that `$errors` and users know.
pub(super) fn arithmetic_error(message: String) -> datafusion::common::DataFusionError {
    Error::new(Code::Arithmetic, message).into_external()
}

/// Our errors on their way through DataFusion.
pub(super) trait IntoExternal {
    fn into_external(self) -> datafusion::common::DataFusionError;
}

impl IntoExternal for Error {
    fn into_external(self) -> datafusion::common::DataFusionError {
        datafusion::common::DataFusionError::External(Box::new(self))
    }
}

/// An operand's values as one array as long as the other one, where a kernel has no way for a single value.
pub(super) fn expanded(datum: &dyn Datum, rows: usize) -> Result<ArrayRef> {
    match datum.get() {
        (array, false) => Ok(arrow_array::make_array(array.to_data())),
        (array, true) => Ok(ScalarValue::try_from_array(array, 0)?.to_array_of_size(rows)?),
    }
}

/// How many rows `left op right` has.
pub(super) fn rows_of(left: &dyn Datum, right: &dyn Datum) -> usize {
    match (left.get(), right.get()) {
        ((_, true), (array, _)) | ((array, _), (_, true)) => array.len(),
        ((left, _), _) => left.len(),
    }
}
