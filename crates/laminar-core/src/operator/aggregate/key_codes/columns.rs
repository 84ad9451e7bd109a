//! One key column: whole numbers stand in a code as they are, all other values as a number of four bytes.

use std::sync::Arc;

use arrow_array::builder::{GenericStringBuilder, StringViewBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, ArrayRef, BinaryArray, OffsetSizeTrait, PrimitiveArray};
use arrow_buffer::NullBuffer;
use arrow_cast::cast;
use arrow_schema::DataType;

use super::byte_codes::ByteCodes;
use super::code_table::Code;
use crate::changelog::RowKeys;
use crate::expr::word_types::with_word_type;
use crate::{Error, Result};

/// The values of a key column.
pub(super) enum ColumnCodes {
    /// A whole number of so many bytes.
    Word(DataType, usize),
    /// A text.
    Text(ByteCodes, DataType),
    /// A text out of a dictionary.
    Dictionary(ByteCodes, DataType, KnownValues),
    /// Anything else, as bytes that are equal where the values are equal, NULL among them.
    Encoded(ByteCodes, RowKeys),
}

/// The numbers of the values of the last dictionary, as far as they were needed: batches often share one.
#[derive(Default)]
pub(super) struct KnownValues(Option<(ArrayRef, Vec<Option<u32>>)>);

/// Codes of a batch's rows while they come about.
pub(super) struct Packed {
    pub(super) bytes: Vec<u128>,
    /// One bit a column that is NULL.
    pub(super) nulls: Vec<u32>,
}

/// Where a column stands in a code: its first byte, and its number among the columns.
#[derive(Clone, Copy)]
pub(super) struct Position {
    pub(super) byte: usize,
    pub(super) column: usize,
}

impl ColumnCodes {
    pub(super) fn new(data_type: &DataType) -> Result<Self> {
        macro_rules! word {
            ($t:ty) => {
                return Ok(ColumnCodes::Word(data_type.clone(), size_of::<<$t as ArrowPrimitiveType>::Native>()))
            };
        }
        with_word_type!(data_type, word, {});
        Ok(match data_type {
            text if is_text(text) => ColumnCodes::Text(ByteCodes::default(), text.clone()),
            DataType::Dictionary(_, values) if is_text(values) => {
                ColumnCodes::Dictionary(ByteCodes::default(), data_type.clone(), KnownValues::default())
            }
            other => ColumnCodes::Encoded(ByteCodes::default(), RowKeys::new(std::slice::from_ref(other))?),
        })
    }

    /// Bytes in a code.
    pub(super) fn width(&self) -> usize {
        match self {
            ColumnCodes::Word(_, width) => *width,
            _ => 4,
        }
    }

    /// The numbers of values that are not whole numbers themselves.
    pub(super) fn byte_codes(&self) -> Option<&ByteCodes> {
        match self {
            ColumnCodes::Word(..) => None,
            ColumnCodes::Text(codes, _) | ColumnCodes::Dictionary(codes, ..) | ColumnCodes::Encoded(codes, _) => Some(codes),
        }
    }

    /// Appends the numbers of a column's values, which are no whole numbers themselves.
    pub(super) fn numbers(&mut self, column: &ArrayRef, numbers: &mut Vec<u32>) -> Result<()> {
        match self {
            ColumnCodes::Word(..) => return Err(Error::internal("whole numbers have no numbers")),
            ColumnCodes::Text(codes, _) => text_numbers(codes, column, numbers),
            ColumnCodes::Dictionary(codes, _, known) => known.numbers(codes, column, numbers)?,
            ColumnCodes::Encoded(codes, encoding) => {
                let encoded = encoding.encode(std::slice::from_ref(column), column.len())?;
                numbers.extend(encoded.iter().map(|row| codes.number(row.data())));
            }
        }
        Ok(())
    }

    /// Adds a column to the codes of its rows.
    pub(super) fn pack(&mut self, column: &ArrayRef, at: Position, packed: &mut Packed) -> Result<()> {
        let ColumnCodes::Word(data_type, width) = self else {
            let mut numbers = Vec::with_capacity(column.len());
            self.numbers(column, &mut numbers)?;
            packed.add(at.byte, numbers.into_iter().map(u128::from));
            return Ok(());
        };
        let mask = u128::MAX >> (128 - 8 * *width);
        let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
        macro_rules! pack {
            ($t:ty) => {{
                let words = column.as_primitive::<$t>().values().iter().map(|value| *value as i64 as u128 & mask);
                match nulls {
                    None => packed.add(at.byte, words),
                    Some(nulls) => packed.add_some(at, nulls, words),
                }
            }};
        }
        with_word_type!(data_type, pack, return Err(Error::internal("not a 64-bit key")));
        Ok(())
    }

    /// The column that [`pack`](Self::pack) added to these codes.
    pub(super) fn unpack(&self, codes: &[Code], at: Position) -> Result<ArrayRef> {
        let part = |code: &Code| (code.bytes() >> (8 * at.byte)) as u64;
        let ColumnCodes::Word(data_type, _) = self else {
            return self.values(codes.iter().map(|code| part(code) as u32));
        };
        let is_null = |code: &Code| code.nulls >> at.column & 1 == 1;
        let nulls = codes.iter().any(is_null).then(|| codes.iter().map(|code| !is_null(code)).collect::<NullBuffer>());
        macro_rules! unpack {
            ($t:ty) => {{
                let values = codes.iter().map(|code| part(code) as _).collect();
                let column = PrimitiveArray::<$t>::try_new(values, nulls)?.with_data_type(data_type.clone());
                Ok(Arc::new(column))
            }};
        }
        with_word_type!(data_type, unpack, Err(Error::internal("not a 64-bit key")))
    }

    /// The values of these numbers.
    pub(super) fn values(&self, numbers: impl ExactSizeIterator<Item = u32>) -> Result<ArrayRef> {
        match self {
            ColumnCodes::Word(..) => Err(Error::internal("whole numbers have no numbers")),
            ColumnCodes::Text(codes, data_type) => text_column(codes, numbers, data_type),
            ColumnCodes::Dictionary(codes, data_type, _) => Ok(cast(&text_column(codes, numbers, &DataType::Utf8)?, data_type)?),
            ColumnCodes::Encoded(codes, encoding) => {
                let mut encoded = Vec::with_capacity(numbers.len());
                codes.for_each(numbers, |bytes| encoded.push(bytes.map(<[u8]>::to_vec)));
                let encoded: BinaryArray = encoded.into_iter().collect();
                let columns = encoding.decode(encoded.iter().map(|bytes| bytes.expect("NULL is encoded as well")))?;
                columns.into_iter().next().ok_or_else(|| Error::internal("a key column without values"))
            }
        }
    }

    /// Forgets all numbers but those that are `used`.
    pub(super) fn retain(&mut self, used: &[bool]) {
        match self {
            ColumnCodes::Word(..) => {}
            ColumnCodes::Text(codes, _) | ColumnCodes::Encoded(codes, _) => codes.retain(used),
            ColumnCodes::Dictionary(codes, _, known) => {
                *known = KnownValues::default();
                codes.retain(used);
            }
        }
    }

    pub(super) fn memory(&self) -> usize {
        match self {
            ColumnCodes::Word(..) => 0,
            ColumnCodes::Text(codes, _) | ColumnCodes::Encoded(codes, _) => codes.memory(),
            ColumnCodes::Dictionary(codes, _, known) => {
                codes.memory()
                    + known.0.as_ref().map_or(0, |(values, numbers)| values.get_array_memory_size() + numbers.capacity() * 8)
            }
        }
    }
}

impl Packed {
    pub(super) fn new(rows: usize) -> Self {
        Self { bytes: vec![0; rows], nulls: vec![0; rows] }
    }

    pub(super) fn add(&mut self, byte: usize, words: impl Iterator<Item = u128>) {
        self.bytes.iter_mut().zip(words).for_each(|(bytes, word)| *bytes |= word << (8 * byte));
    }

    fn add_some(&mut self, at: Position, valid: &NullBuffer, words: impl Iterator<Item = u128>) {
        let rows = self.bytes.iter_mut().zip(&mut self.nulls).zip(words).zip(valid);
        for (((bytes, nulls), word), valid) in rows {
            match valid {
                true => *bytes |= word << (8 * at.byte),
                false => *nulls |= 1 << at.column,
            }
        }
    }

    /// The codes of all rows.
    pub(super) fn codes(&self) -> impl Iterator<Item = Code> + '_ {
        self.bytes.iter().zip(&self.nulls).map(|(bytes, nulls)| Code::new(*bytes, *nulls))
    }
}

impl KnownValues {
    fn numbers(&mut self, codes: &mut ByteCodes, column: &ArrayRef, numbers: &mut Vec<u32>) -> Result<()> {
        let dictionary = column.as_any_dictionary_opt().ok_or_else(|| Error::internal("not a dictionary"))?;
        let values = dictionary.values();
        if self.0.as_ref().is_none_or(|(known, _)| !known.to_data().ptr_eq(&values.to_data())) {
            self.0 = Some((Arc::clone(values), vec![None; values.len()]));
        }
        let Some((_, known)) = &mut self.0 else { return Ok(()) };
        if known.is_empty() {
            numbers.extend((0..column.len()).map(|_| codes.null_number()));
            return Ok(());
        }
        let mut one = Vec::with_capacity(1);
        for (row, key) in dictionary.normalized_keys().into_iter().enumerate() {
            let number = match (column.is_valid(row), known.get(key).copied().flatten()) {
                (false, _) => codes.null_number(),
                (true, Some(number)) => number,
                (true, None) => {
                    one.clear();
                    text_numbers(codes, &values.slice(key, 1), &mut one);
                    known[key] = Some(one[0]);
                    one[0]
                }
            };
            numbers.push(number);
        }
        Ok(())
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn text_numbers(codes: &mut ByteCodes, column: &ArrayRef, numbers: &mut Vec<u32>) {
    match column.data_type() {
        DataType::Utf8 => {
            let texts = column.as_string::<i32>();
            each(codes, column, numbers, |codes, row| codes.number(texts.value(row).as_bytes()));
        }
        DataType::LargeUtf8 => {
            let texts = column.as_string::<i64>();
            each(codes, column, numbers, |codes, row| codes.number(texts.value(row).as_bytes()));
        }
        _ => {
            let texts = column.as_string_view();
            let views = texts.views();
            each(codes, column, numbers, |codes, row| codes.number_of_view(views[row], || texts.value(row).as_bytes()));
        }
    }
}

/// Appends a number for each row of `column`: `number(row)` where it is not NULL.
#[inline]
fn each(codes: &mut ByteCodes, column: &ArrayRef, numbers: &mut Vec<u32>, mut number: impl FnMut(&mut ByteCodes, usize) -> u32) {
    match column.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => numbers.extend((0..column.len()).map(|row| number(codes, row))),
        Some(nulls) => numbers.extend(nulls.iter().enumerate().map(|(row, valid)| match valid {
            true => number(codes, row),
            false => codes.null_number(),
        })),
    }
}

fn text_column(codes: &ByteCodes, numbers: impl ExactSizeIterator<Item = u32>, data_type: &DataType) -> Result<ArrayRef> {
    match data_type {
        DataType::Utf8 => plain_texts::<i32>(codes, numbers),
        DataType::LargeUtf8 => plain_texts::<i64>(codes, numbers),
        _ => {
            let mut texts = StringViewBuilder::with_capacity(numbers.len());
            each_text(codes, numbers, |text| texts.append_option(text))?;
            Ok(Arc::new(texts.finish()))
        }
    }
}

fn plain_texts<O: OffsetSizeTrait>(codes: &ByteCodes, numbers: impl ExactSizeIterator<Item = u32>) -> Result<ArrayRef> {
    /// What a short text has room for: with longer ones the memory grows.
    const TEXT_BYTES: usize = 12;
    let mut texts = GenericStringBuilder::<O>::with_capacity(numbers.len(), numbers.len() * TEXT_BYTES);
    each_text(codes, numbers, |text| texts.append_option(text))?;
    Ok(Arc::new(texts.finish()))
}

/// Calls `take` with the text of each number.
fn each_text(codes: &ByteCodes, numbers: impl Iterator<Item = u32>, mut take: impl FnMut(Option<&str>)) -> Result<()> {
    let mut broken = false;
    codes.for_each(numbers, |bytes| match bytes.map(std::str::from_utf8).transpose() {
        Ok(text) => take(text),
        Err(_) => broken = true,
    });
    if broken { Err(Error::internal("a text key that is no text")) } else { Ok(()) }
}
