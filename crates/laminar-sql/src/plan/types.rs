//! The types of declared columns.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::sql::sqlparser::ast::{self, ExactNumberInfo, TimezoneInfo};
use laminar_core::{Code, Error, Result};

use crate::parse::ColumnDef;
use crate::semantics::length_of;

/// The schema that `columns` declare.
pub fn columns_to_schema(columns: &[ColumnDef]) -> Result<SchemaRef> {
    let mut fields: Vec<Field> = Vec::with_capacity(columns.len());
    for column in columns {
        if fields.iter().any(|field| field.name() == &column.name.text) {
            return Err(
                Error::new(Code::InvalidQuery, format!("column '{}' is declared twice", column.name.text)).at(column.span)
            );
        }
        let data_type = arrow_type(&column.data_type).map_err(|error| error.at(column.type_span))?;
        fields.push(Field::new(&column.name.text, data_type, !column.not_null));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// How many characters a text of `column` may have, if its type says so.
pub fn longest_text(column: &ColumnDef) -> Option<u64> {
    length_of(&column.data_type)
}

fn arrow_type(sql: &ast::DataType) -> Result<DataType> {
    use ast::DataType as S;
    Ok(match sql {
        S::Boolean | S::Bool => DataType::Boolean,
        S::TinyInt(_) => DataType::Int8,
        S::SmallInt(_) | S::Int2(_) => DataType::Int16,
        S::Int(_) | S::Integer(_) | S::Int4(_) => DataType::Int32,
        S::BigInt(_) | S::Int8(_) => DataType::Int64,
        S::TinyIntUnsigned(_) => DataType::UInt8,
        S::SmallIntUnsigned(_) => DataType::UInt16,
        S::IntUnsigned(_) | S::IntegerUnsigned(_) => DataType::UInt32,
        S::BigIntUnsigned(_) => DataType::UInt64,
        S::Real | S::Float4 => DataType::Float32,
        S::Float(ExactNumberInfo::Precision(1..=24)) => DataType::Float32,
        S::Float(ExactNumberInfo::None | ExactNumberInfo::Precision(25..=53)) => DataType::Float64,
        S::Double(ExactNumberInfo::None) | S::DoublePrecision | S::Float8 | S::Float64 => DataType::Float64,
        S::Double(_) | S::Float(_) => return Err(not_kept(sql, "FLOAT(1) to FLOAT(53), or DOUBLE without digits")),
        S::Numeric(info) | S::Decimal(info) | S::Dec(info) => decimal(info)?,
        S::Varchar(_) | S::CharacterVarying(_) | S::CharVarying(_) | S::Text | S::String(_) | S::Char(_) | S::Character(_) => {
            DataType::Utf8
        }
        S::Bytea | S::Binary(None) | S::Varbinary(None) | S::Blob(None) | S::Bytes(None) => DataType::Binary,
        S::Binary(_) | S::Varbinary(_) | S::Blob(_) | S::Bytes(_) => {
            return Err(not_kept(sql, "BYTEA, and CHECK (octet_length(x) <= n)"));
        }
        S::Date => DataType::Date32,
        S::Time(None | Some(9), TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => DataType::Time64(TimeUnit::Nanosecond),
        S::Time(Some(_), _) => return Err(not_kept(sql, "TIME, which has nanoseconds")),
        S::Timestamp(precision, zone) => timestamp(*precision, zone)?,
        S::Datetime(precision) => timestamp(*precision, &TimezoneInfo::None)?,
        S::Array(ast::ArrayElemTypeDef::SquareBracket(inner, None) | ast::ArrayElemTypeDef::AngleBracket(inner)) => {
            if length_of(inner).is_some() {
                return Err(not_kept(sql, "VARCHAR[]"));
            }
            DataType::List(Arc::new(Field::new_list_field(arrow_type(inner)?, true)))
        }
        other => {
            return Err(Error::new(Code::NotSupported, format!("columns of type {other} are not built yet")).with_hint(
                "today there are BOOLEAN, SMALLINT, INT, BIGINT, REAL, DOUBLE, DECIMAL(p, s), VARCHAR, BYTEA, DATE, TIME, TIMESTAMP(p), TIMESTAMPTZ and arrays",
            ));
        }
    })
}

/// A length or a number of digits that values would not be held to.
fn not_kept(sql: &ast::DataType, instead: &str) -> Error {
    let text = format!("the length or digits of {sql} would not be kept to, and are not built yet");
    Error::new(Code::NotSupported, text).with_hint(format!("write {instead}"))
}

fn decimal(info: &ExactNumberInfo) -> Result<DataType> {
    let (precision, scale) = match *info {
        ExactNumberInfo::None => (38, 10),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(p @ 1..=38), Ok(s)) if (0..=38).contains(&s) && i16::from(s) <= i16::from(p) => Ok(DataType::Decimal128(p, s)),
        _ => Err(Error::new(Code::TypeMismatch, format!("DECIMAL({precision}, {scale}) does not exist"))
            .with_hint("the precision is 1 to 38 and the scale 0 to the precision")),
    }
}

/// `TIMESTAMP` has nanoseconds, `TIMESTAMP(3)` milliseconds; with a time zone the instant is kept in UTC.
fn timestamp(precision: Option<u64>, zone: &TimezoneInfo) -> Result<DataType> {
    let unit = match precision {
        Some(0) => TimeUnit::Second,
        Some(1..=3) => TimeUnit::Millisecond,
        Some(4..=6) => TimeUnit::Microsecond,
        None | Some(7..=9) => TimeUnit::Nanosecond,
        Some(other) => {
            return Err(Error::new(Code::TypeMismatch, format!("TIMESTAMP({other}) does not exist"))
                .with_hint("the precision is 0 to 9 digits of a second"));
        }
    };
    let zone = matches!(zone, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone).then(|| Arc::from("+00:00"));
    Ok(DataType::Timestamp(unit, zone))
}
