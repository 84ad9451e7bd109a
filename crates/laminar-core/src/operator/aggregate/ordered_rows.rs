//! Rows as bytes that order as an ORDER BY does, and back.

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{DataType, SortOptions};
use arrow_select::take::take;

use super::SortDirection;
use crate::Result;
use crate::changelog::canonical_floats;

/// The encoding: columns with a direction each.
#[derive(Debug)]
pub(super) struct OrderedRows {
    converter: RowConverter,
    types: Vec<DataType>,
}

impl OrderedRows {
    /// Rows of these columns, the first one deciding first.
    pub(super) fn new(columns: impl IntoIterator<Item = (DataType, SortDirection)>) -> Result<Self> {
        let columns = columns.into_iter().map(|(data_type, direction)| {
            let options = SortOptions { descending: direction.descending, nulls_first: direction.nulls_first };
            (data_type.clone(), SortField::new_with_options(data_type, options))
        });
        let (types, fields): (Vec<_>, Vec<_>) = columns.unzip();
        Ok(Self { converter: RowConverter::new(fields)?, types })
    }

    /// The bytes of each row.
    pub(super) fn encode(&self, columns: &[ArrayRef]) -> Result<Rows> {
        let columns: Vec<_> = columns.iter().map(canonical_floats).collect();
        Ok(self.converter.convert_columns(&columns)?)
    }

    /// The columns of rows.
    pub(super) fn decode<'a>(&self, rows: impl Iterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        let parser = &parser;
        // The rows borrow the parser, so the bytes are collected before it goes.
        let rows: Vec<&'a [u8]> = rows.collect();
        let columns = self.converter.convert_rows(rows.iter().map(|row| parser.parse(row)))?;
        let as_given = |(column, data_type): (ArrayRef, &DataType)| match column.data_type() == data_type {
            true => Ok(column),
            false => Ok(arrow_cast::cast(&column, data_type)?),
        };
        columns.into_iter().zip(&self.types).map(as_given).collect()
    }

    /// The same where a row may be missing: its columns are NULL.
    pub(super) fn decode_optional<'a>(&self, rows: impl Iterator<Item = Option<&'a [u8]>>) -> Result<Vec<ArrayRef>> {
        let mut present = Vec::new();
        let places = rows.map(|row| {
            let row = row?;
            present.push(row);
            u32::try_from(present.len() - 1).ok()
        });
        let places: UInt32Array = places.collect();
        let columns = self.decode(present.iter().copied())?;
        if places.null_count() == 0 {
            return Ok(columns);
        }
        columns.iter().map(|column| Ok(take(column, &places, None)?)).collect()
    }

    /// How many columns a row has.
    pub(super) fn width(&self) -> usize {
        self.types.len()
    }
}
