//! Columns as a function sees them: typed readers of its arguments, and the column that its answers become.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::types::IntervalMonthDayNano;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array, Int32Array,
    Int64Array, IntervalMonthDayNanoArray, ListArray, StringArray, Time64NanosecondArray, TimestampNanosecondArray,
};
use arrow_schema::DataType;
use laminar_core::{Code, Error, Result};

use super::decimal::Numeric;

/// The arguments of one call, over a batch of rows.
pub(super) struct Call<'a> {
    pub(super) columns: Vec<Argument>,
    pub(super) rows: usize,
    pub(super) returns: &'a DataType,
}

/// One argument: a column, or a constant as a column of one row.
pub(super) struct Argument {
    pub(super) array: ArrayRef,
    pub(super) is_constant: bool,
}

impl Argument {
    pub(super) fn index(&self, row: usize) -> usize {
        if self.is_constant { 0 } else { row }
    }
}

/// What a function answers for one row: a value, NULL, or an error of that row.
pub(super) type Answer<T> = Result<Option<T>>;

/// Days since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date(pub(super) i32);
/// Nanoseconds since midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub(super) i64);
/// Nanoseconds of a clock without zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(pub(super) i64);
/// Nanoseconds of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instant(pub(super) i64);
/// Months, days and nanoseconds, which are not converted into each other.
pub(super) type Interval = IntervalMonthDayNano;

/// A type that can be read out of a column.
pub(super) trait Read<'a>: Sized {
    type Array: Array + 'static;
    fn read(array: &'a Self::Array, row: usize) -> Self;
}

macro_rules! read_plainly {
    ($($type:ty, $array:ty, $wrap:expr;)*) => { $(
        impl<'a> Read<'a> for $type {
            type Array = $array;
            fn read(array: &'a $array, row: usize) -> Self {
                ($wrap)(array.value(row))
            }
        }
    )* };
}

read_plainly! {
    bool, BooleanArray, |value| value;
    i16, Int16Array, |value| value;
    i32, Int32Array, |value| value;
    i64, Int64Array, |value| value;
    f32, Float32Array, |value| value;
    f64, Float64Array, |value| value;
    &'a str, StringArray, |value| value;
    &'a [u8], BinaryArray, |value| value;
    Date, Date32Array, Date;
    Time, Time64NanosecondArray, Time;
    Stamp, TimestampNanosecondArray, Stamp;
    Instant, TimestampNanosecondArray, Instant;
    Interval, IntervalMonthDayNanoArray, |value| value;
    ArrayRef, ListArray, |value| value;
}

impl<'a> Read<'a> for Numeric {
    type Array = Decimal128Array;
    fn read(array: &'a Decimal128Array, row: usize) -> Self {
        Numeric { digits: array.value(row), scale: i32::from(array.scale()) }
    }
}

/// An argument whose type is known.
pub(super) struct Reader<'a, T: Read<'a>> {
    array: &'a T::Array,
    is_constant: bool,
    read: PhantomData<T>,
}

impl<'a, T: Read<'a>> Reader<'a, T> {
    /// The value of `row`; nothing for NULL.
    pub(super) fn get(&self, row: usize) -> Option<T> {
        let row = if self.is_constant { 0 } else { row };
        (!self.array.is_null(row)).then(|| T::read(self.array, row))
    }
}

impl Call<'_> {
    /// Argument `index` as a column of `T`.
    pub(super) fn argument<'c, T: Read<'c>>(&'c self, index: usize) -> Result<Reader<'c, T>> {
        let argument = self.columns.get(index).ok_or_else(|| Error::internal(format!("argument {index} is missing")))?;
        let array = argument.array.as_any().downcast_ref::<T::Array>();
        let array = array.ok_or_else(|| Error::internal(format!("argument {index} is {}", argument.array.data_type())))?;
        Ok(Reader { array, is_constant: argument.is_constant, read: PhantomData })
    }

    /// One answer for each row.
    pub(super) fn each<T: Give>(&self, mut answer: impl FnMut(usize) -> Answer<T>) -> Result<ArrayRef> {
        let answers = (0..self.rows).map(&mut answer).collect::<Result<Vec<_>>>()?;
        T::give(answers, self.returns)
    }

    pub(super) fn map1<'c, A: Read<'c>, T: Give>(&'c self, mut f: impl FnMut(A) -> Answer<T>) -> Result<ArrayRef> {
        let a = self.argument::<A>(0)?;
        self.each(|row| match a.get(row) {
            Some(a) => f(a),
            None => Ok(None),
        })
    }

    pub(super) fn map2<'c, A: Read<'c>, B: Read<'c>, T: Give>(
        &'c self,
        mut f: impl FnMut(A, B) -> Answer<T>,
    ) -> Result<ArrayRef> {
        let (a, b) = (self.argument::<A>(0)?, self.argument::<B>(1)?);
        self.each(|row| match (a.get(row), b.get(row)) {
            (Some(a), Some(b)) => f(a, b),
            _ => Ok(None),
        })
    }

    pub(super) fn map3<'c, A: Read<'c>, B: Read<'c>, C: Read<'c>, T: Give>(
        &'c self,
        mut f: impl FnMut(A, B, C) -> Answer<T>,
    ) -> Result<ArrayRef> {
        let (a, b, c) = (self.argument::<A>(0)?, self.argument::<B>(1)?, self.argument::<C>(2)?);
        self.each(|row| match (a.get(row), b.get(row), c.get(row)) {
            (Some(a), Some(b), Some(c)) => f(a, b, c),
            _ => Ok(None),
        })
    }

    pub(super) fn map4<'c, A: Read<'c>, B: Read<'c>, C: Read<'c>, D: Read<'c>, T: Give>(
        &'c self,
        mut f: impl FnMut(A, B, C, D) -> Answer<T>,
    ) -> Result<ArrayRef> {
        let (a, b, c, d) = (self.argument::<A>(0)?, self.argument::<B>(1)?, self.argument::<C>(2)?, self.argument::<D>(3)?);
        self.each(|row| match (a.get(row), b.get(row), c.get(row), d.get(row)) {
            (Some(a), Some(b), Some(c), Some(d)) => f(a, b, c, d),
            _ => Ok(None),
        })
    }
}

/// A type of which a column can be made.
pub(super) trait Give: Sized {
    fn give(answers: Vec<Option<Self>>, returns: &DataType) -> Result<ArrayRef>;
}

macro_rules! give_plainly {
    ($($type:ty, $array:ty, $unwrap:expr;)*) => { $(
        impl Give for $type {
            fn give(answers: Vec<Option<Self>>, _: &DataType) -> Result<ArrayRef> {
                Ok(Arc::new(answers.into_iter().map(|answer| answer.map($unwrap)).collect::<$array>()))
            }
        }
    )* };
}

give_plainly! {
    bool, BooleanArray, |value| value;
    i16, Int16Array, |value| value;
    i32, Int32Array, |value| value;
    i64, Int64Array, |value| value;
    f32, Float32Array, |value| value;
    f64, Float64Array, |value| value;
    String, StringArray, |value| value;
    Vec<u8>, BinaryArray, |value| value;
    Date, Date32Array, |Date(value)| value;
    Time, Time64NanosecondArray, |Time(value)| value;
    Stamp, TimestampNanosecondArray, |Stamp(value)| value;
    Interval, IntervalMonthDayNanoArray, |value| value;
}

impl Give for Instant {
    fn give(answers: Vec<Option<Self>>, _: &DataType) -> Result<ArrayRef> {
        let nanos = answers.into_iter().map(|answer| answer.map(|Instant(value)| value));
        Ok(Arc::new(nanos.collect::<TimestampNanosecondArray>().with_timezone("+00:00")))
    }
}

impl Give for Numeric {
    fn give(answers: Vec<Option<Self>>, returns: &DataType) -> Result<ArrayRef> {
        let DataType::Decimal128(precision, scale) = *returns else {
            return Err(Error::internal(format!("a decimal cannot be a {returns}")));
        };
        let fitted = answers.into_iter().map(|answer| answer.map(|value| value.fit(precision, i32::from(scale))).transpose());
        let array = fitted.collect::<Result<Vec<_>>>()?.into_iter().collect::<Decimal128Array>();
        Ok(Arc::new(array.with_precision_and_scale(precision, scale).map_err(Error::from)?))
    }
}

impl Give for Vec<Option<String>> {
    fn give(answers: Vec<Option<Self>>, _: &DataType) -> Result<ArrayRef> {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for answer in answers {
            let is_there = answer.is_some();
            answer.into_iter().flatten().for_each(|text| lists.values().append_option(text));
            lists.append(is_there);
        }
        Ok(Arc::new(lists.finish()))
    }
}

/// An error of one row.
pub(super) fn bad(message: impl Into<String>) -> Error {
    Error::new(Code::Arithmetic, message)
}

/// The error of a result that its type cannot hold.
pub(super) fn out_of_range(what: &str) -> Error {
    bad(format!("{what} out of range"))
}
