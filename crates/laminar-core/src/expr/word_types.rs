//! The types whose values are whole numbers of at most 64 bits, and those of exactly 64, written once for all that treat them alike.

/// Runs `$run!(::arrow_array::types::ArrowType)` for types whose values are whole numbers of at most 64 bits; `$other` for all others.
macro_rules! with_word_type {
    ($data_type:expr, $run:ident, $other:expr) => {
        match $data_type {
            ::arrow_schema::DataType::Int8 => $run!(::arrow_array::types::Int8Type),
            ::arrow_schema::DataType::Int16 => $run!(::arrow_array::types::Int16Type),
            ::arrow_schema::DataType::Int32 => $run!(::arrow_array::types::Int32Type),
            ::arrow_schema::DataType::Int64 => $run!(::arrow_array::types::Int64Type),
            ::arrow_schema::DataType::UInt8 => $run!(::arrow_array::types::UInt8Type),
            ::arrow_schema::DataType::UInt16 => $run!(::arrow_array::types::UInt16Type),
            ::arrow_schema::DataType::UInt32 => $run!(::arrow_array::types::UInt32Type),
            ::arrow_schema::DataType::UInt64 => $run!(::arrow_array::types::UInt64Type),
            ::arrow_schema::DataType::Date32 => $run!(::arrow_array::types::Date32Type),
            ::arrow_schema::DataType::Date64 => $run!(::arrow_array::types::Date64Type),
            ::arrow_schema::DataType::Timestamp(::arrow_schema::TimeUnit::Second, _) => {
                $run!(::arrow_array::types::TimestampSecondType)
            }
            ::arrow_schema::DataType::Timestamp(::arrow_schema::TimeUnit::Millisecond, _) => {
                $run!(::arrow_array::types::TimestampMillisecondType)
            }
            ::arrow_schema::DataType::Timestamp(::arrow_schema::TimeUnit::Microsecond, _) => {
                $run!(::arrow_array::types::TimestampMicrosecondType)
            }
            ::arrow_schema::DataType::Timestamp(::arrow_schema::TimeUnit::Nanosecond, _) => {
                $run!(::arrow_array::types::TimestampNanosecondType)
            }
            _ => $other,
        }
    };
}

/// Runs `$run!(::arrow_array::types::ArrowType)` for types whose values have exactly 64 bits; `$other` for all others.
macro_rules! with_wide_type {
    ($data_type:expr, $run:ident, $other:expr) => {
        match $data_type {
            ::arrow_schema::DataType::Int64 => $run!(::arrow_array::types::Int64Type),
            ::arrow_schema::DataType::UInt64 => $run!(::arrow_array::types::UInt64Type),
            ::arrow_schema::DataType::Float64 => $run!(::arrow_array::types::Float64Type),
            ::arrow_schema::DataType::Date64 => $run!(::arrow_array::types::Date64Type),
            ::arrow_schema::DataType::Timestamp(::arrow_schema::TimeUnit::Second, _) => {
                $run!(::arrow_array::types::TimestampSecondType)
            }
            ::arrow_schema::DataType::Timestamp(::arrow_schema::TimeUnit::Millisecond, _) => {
                $run!(::arrow_array::types::TimestampMillisecondType)
            }
            ::arrow_schema::DataType::Timestamp(::arrow_schema::TimeUnit::Microsecond, _) => {
                $run!(::arrow_array::types::TimestampMicrosecondType)
            }
            ::arrow_schema::DataType::Timestamp(::arrow_schema::TimeUnit::Nanosecond, _) => {
                $run!(::arrow_array::types::TimestampNanosecondType)
            }
            ::arrow_schema::DataType::Duration(::arrow_schema::TimeUnit::Second) => {
                $run!(::arrow_array::types::DurationSecondType)
            }
            ::arrow_schema::DataType::Duration(::arrow_schema::TimeUnit::Millisecond) => {
                $run!(::arrow_array::types::DurationMillisecondType)
            }
            ::arrow_schema::DataType::Duration(::arrow_schema::TimeUnit::Microsecond) => {
                $run!(::arrow_array::types::DurationMicrosecondType)
            }
            ::arrow_schema::DataType::Duration(::arrow_schema::TimeUnit::Nanosecond) => {
                $run!(::arrow_array::types::DurationNanosecondType)
            }
            _ => $other,
        }
    };
}

pub(crate) use {with_wide_type, with_word_type};
