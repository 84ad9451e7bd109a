//! What SQL calls a type, for messages.

use arrow_schema::{DataType, TimeUnit};

/// The SQL name of `data_type`; Arrow's own where SQL has none.
pub(crate) fn type_name(data_type: &DataType) -> String {
    use DataType as D;
    match data_type {
        D::Boolean => "BOOLEAN".to_owned(),
        D::Int8 => "TINYINT".to_owned(),
        D::Int16 => "SMALLINT".to_owned(),
        D::Int32 => "INTEGER".to_owned(),
        D::Int64 => "BIGINT".to_owned(),
        D::UInt64 => "BIGINT UNSIGNED".to_owned(),
        D::Float16 | D::Float32 => "REAL".to_owned(),
        D::Float64 => "DOUBLE".to_owned(),
        D::Decimal128(precision, scale) | D::Decimal256(precision, scale) => format!("DECIMAL({precision},{scale})"),
        D::Utf8 | D::LargeUtf8 | D::Utf8View => "VARCHAR".to_owned(),
        D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => "BYTEA".to_owned(),
        D::Date32 | D::Date64 => "DATE".to_owned(),
        D::Time32(_) | D::Time64(_) => "TIME".to_owned(),
        D::Timestamp(unit, zone) => {
            let precision = match unit {
                TimeUnit::Second => "(0)",
                TimeUnit::Millisecond => "(3)",
                TimeUnit::Microsecond => "(6)",
                TimeUnit::Nanosecond => "",
            };
            if zone.is_some() { format!("TIMESTAMPTZ{precision}") } else { format!("TIMESTAMP{precision}") }
        }
        D::Interval(_) | D::Duration(_) => "INTERVAL".to_owned(),
        D::List(item) | D::LargeList(item) => format!("{}[]", type_name(item.data_type())),
        other => other.to_string(),
    }
}
