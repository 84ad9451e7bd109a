//! CAST where Arrow's differs from PostgreSQL's: numbers are rounded, texts are read strictly, nothing wraps around.

use std::hash::Hash;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

mod bytes;
mod from_text;
mod lists;
mod numbers;
mod times;
mod to_text;
mod type_name;

pub(crate) use type_name::type_name;

/// A conversion to a type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Cast {
    target: DataType,
    /// TRY_CAST: a value that cannot be converted is NULL, not an error.
    gives_null: bool,
    signature: Signature,
}

/// `CAST(expr AS target)`, or TRY_CAST.
pub(super) fn cast(expr: Expr, target: DataType, gives_null: bool) -> Expr {
    let function = Cast { target, gives_null, signature: Signature::any(1, Volatility::Immutable) };
    ScalarUDF::new_from_impl(function).call(vec![expr])
}

/// Whether this conversion is done here and not by Arrow.
pub(super) fn is_ours(from: &DataType, to: &DataType) -> bool {
    use DataType as D;
    let is_text = |data_type: &DataType| matches!(data_type, D::Utf8 | D::LargeUtf8 | D::Utf8View);
    let is_decimal = |data_type: &DataType| matches!(data_type, D::Decimal128(..));
    match (from, to) {
        _ if from == to => false,
        (from, to) if is_text(from) => from_text::reads(to),
        (from, to) if is_text(to) => to_text::writes(from),
        (D::Float64, D::Float32) => true,
        (from, to) if from.is_floating() => to.is_integer() || is_decimal(to),
        (D::Decimal256(..), to) => is_decimal(to),
        (from, to) if is_decimal(from) => to.is_integer() || to.is_floating() || is_decimal(to),
        (from, to) => times::converts(from, to),
    }
}

/// The values of `column` as values of `target`. `keep`: a value that cannot be converted is NULL instead of an error.
pub(crate) fn convert(column: &ArrayRef, target: &DataType, gives_null: bool) -> Result<ArrayRef> {
    if !is_ours(column.data_type(), target) {
        let options = arrow_cast::CastOptions { safe: gives_null, ..arrow_cast::CastOptions::default() };
        return Ok(arrow_cast::cast_with_options(column, target, &options)?);
    }
    let from = column.data_type();
    let result = match from {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            from_text::read(&arrow_cast::cast(column, &DataType::Utf8)?, target, gives_null)
        }
        _ if matches!(target, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
            return Ok(arrow_cast::cast(&to_text::write(column)?, target)?);
        }
        from if from.is_floating() || matches!(from, DataType::Decimal128(..) | DataType::Decimal256(..)) => {
            numbers::convert(column, target, gives_null)
        }
        _ => times::convert(column, target, gives_null),
    };
    result.map_err(DataFusionError::from)
}

/// `value` as a value of `target`.
pub(crate) fn convert_value(value: &ScalarValue, target: &DataType) -> Result<ScalarValue> {
    let column = convert(&value.to_array()?, target, false)?;
    ScalarValue::try_from_array(&column, 0)
}

impl ScalarUDFImpl for Cast {
    fn name(&self) -> &str {
        if self.gives_null { "__try_cast" } else { "__cast" }
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        let word = if self.gives_null { "TRY_CAST" } else { "CAST" };
        Ok(args.first().map(|arg| format!("{word}({arg} AS {})", self.target)).unwrap_or_default())
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        // DataFusion names a cast after what is cast.
        Ok(args.first().map(|arg| arg.schema_name().to_string()).unwrap_or_default())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.target.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = self.gives_null || args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.target.clone(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match &args.args[0] {
            ColumnarValue::Array(column) => convert(column, &self.target, self.gives_null).map(ColumnarValue::Array),
            ColumnarValue::Scalar(value) => {
                let column = convert(&value.to_array()?, &self.target, self.gives_null)?;
                ScalarValue::try_from_array(&column, 0).map(ColumnarValue::Scalar)
            }
        }
    }
}

/// A sum that was made wide, back at the type it has: what does not fit is an error.
pub(crate) fn narrowed(expr: Expr, from: &DataType, target: &DataType) -> Expr {
    if is_ours(from, target) {
        return cast(expr, target.clone(), false);
    }
    Expr::Cast(datafusion::logical_expr::Cast::new(Box::new(expr), target.clone()))
}

/// Converts each value of a primitive column; a value that `convert` refuses is an error, or NULL.
fn each<F, T>(
    column: &arrow_array::PrimitiveArray<F>,
    gives_null: bool,
    convert: impl Fn(F::Native) -> Result<T::Native, arrow_schema::ArrowError>,
) -> Result<arrow_array::PrimitiveArray<T>, arrow_schema::ArrowError>
where
    F: arrow_array::ArrowPrimitiveType,
    T: arrow_array::ArrowPrimitiveType,
{
    if gives_null { Ok(column.unary_opt(|value| convert(value).ok())) } else { column.try_unary(convert) }
}

/// The error of a value that the target has no room for.
fn out_of_range(value: impl std::fmt::Display, target: &DataType) -> arrow_schema::ArrowError {
    row_error(format!("{value} is out of range of {}", type_name(target)))
}

/// The error of a text that says no value of the target.
fn not_a(text: &str, target: &DataType) -> arrow_schema::ArrowError {
    let name = type_name(target);
    let article = if name.starts_with(['I', 'A', 'E', 'O', 'U']) { "an" } else { "a" };
    row_error(format!("'{}' is not {article} {name}", shortened(text)))
}

fn row_error(message: String) -> arrow_schema::ArrowError {
    arrow_schema::ArrowError::from_external_error(Box::new(laminar_core::Error::new(laminar_core::Code::Arithmetic, message)))
}

/// A text short enough for a message.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
