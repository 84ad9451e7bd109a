//! The types that functions take and give, with PostgreSQL's names for them and what is converted to what without a cast.

use std::sync::Arc;

use arrow_schema::{DataType, Field, IntervalUnit, TimeUnit};

/// A type of SQL, whatever columns of Arrow hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Real,
    Double,
    /// A decimal of any precision and scale.
    Numeric,
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    /// A list of texts.
    Texts,
    /// Whatever comes; it is not converted.
    Any,
}

/// How far a conversion is that PostgreSQL does only for literals: it is taken if nothing else fits.
const FROM_LITERAL: u32 = 20;

impl Kind {
    /// The name that people write.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOLEAN",
            Self::Int2 => "SMALLINT",
            Self::Int4 => "INT",
            Self::Int8 => "BIGINT",
            Self::Real => "REAL",
            Self::Double => "DOUBLE",
            Self::Numeric => "DECIMAL",
            Self::Text => "VARCHAR",
            Self::Bytes => "BYTEA",
            Self::Date => "DATE",
            Self::Time => "TIME",
            Self::Timestamp => "TIMESTAMP",
            Self::Timestamptz => "TIMESTAMPTZ",
            Self::Interval => "INTERVAL",
            Self::Texts => "VARCHAR[]",
            Self::Any => "any type",
        }
    }

    /// The kind of a column, if functions know it.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        use DataType as D;
        Some(match data_type {
            D::Boolean => Self::Bool,
            D::Int8 | D::UInt8 | D::Int16 => Self::Int2,
            D::UInt16 | D::Int32 => Self::Int4,
            D::UInt32 | D::Int64 => Self::Int8,
            D::UInt64 | D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) | D::Decimal256(..) => Self::Numeric,
            D::Float16 | D::Float32 => Self::Real,
            D::Float64 => Self::Double,
            D::Utf8 | D::LargeUtf8 | D::Utf8View => Self::Text,
            D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => Self::Bytes,
            D::Date32 | D::Date64 => Self::Date,
            D::Time32(_) | D::Time64(_) => Self::Time,
            D::Timestamp(_, None) => Self::Timestamp,
            D::Timestamp(_, Some(_)) => Self::Timestamptz,
            D::Interval(_) | D::Duration(_) => Self::Interval,
            D::List(field) if Self::of(field.data_type()) == Some(Self::Text) => Self::Texts,
            D::Dictionary(_, values) => return Self::of(values),
            _ => return None,
        })
    }

    /// How far it is from a column of type `from` to an argument of this kind; nothing if a cast has to say so.
    pub(super) fn distance(self, from: &DataType) -> Option<u32> {
        if *from == DataType::Null {
            return Some(0);
        }
        if self == Self::Any {
            return Some(1);
        }
        let from = Self::of(from)?;
        if from == self {
            return Some(0);
        }
        use Kind as K;
        Some(match (from, self) {
            (K::Int2, K::Int4) | (K::Int4, K::Int8) | (K::Real, K::Double) => 1,
            (K::Int2, K::Int8) | (K::Date, K::Timestamp) | (K::Timestamp, K::Timestamptz) => 2,
            (K::Int2 | K::Int4 | K::Int8 | K::Numeric, K::Double) | (K::Date, K::Timestamptz) | (K::Time, K::Interval) => 3,
            (K::Int2 | K::Int4 | K::Int8 | K::Numeric, K::Real) => 4,
            (K::Int2 | K::Int4 | K::Int8, K::Numeric) => 5,
            (K::Text, K::Date | K::Time | K::Timestamp | K::Timestamptz | K::Interval | K::Bytes) => FROM_LITERAL,
            _ => return None,
        })
    }

    /// The column's type that an argument of type `from` is converted to.
    pub(super) fn column(self, from: &DataType) -> DataType {
        match self {
            Self::Any => from.clone(),
            Self::Numeric => numeric_column(from),
            other => other.arrow(),
        }
    }

    /// The type of Arrow in which values of this kind are computed.
    pub(super) fn arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int2 => DataType::Int16,
            Self::Int4 => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Real => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Numeric => DataType::Decimal128(38, 0),
            Self::Text => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Nanosecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Nanosecond, None),
            Self::Timestamptz => DataType::Timestamp(TimeUnit::Nanosecond, Some(Arc::from("+00:00"))),
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::Texts => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
            Self::Any => DataType::Null,
        }
    }
}

fn numeric_column(from: &DataType) -> DataType {
    match from {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => DataType::Decimal128(*precision, *scale),
        DataType::Decimal256(_, scale) => DataType::Decimal128(38, (*scale).min(38)),
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => DataType::Decimal128(19, 0),
        _ => DataType::Decimal128(38, 0),
    }
}

/// The name of a column's type, as people write it.
pub(super) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "NULL".to_owned(),
        DataType::List(field) => format!("{}[]", type_name(field.data_type())),
        other => Kind::of(other).map_or_else(|| other.to_string(), |kind| kind.name().to_owned()),
    }
}
