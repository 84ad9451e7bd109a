//! Reads separated values into columns.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::{Code, Error, Result};

use super::Dialect;
use super::header::{Header, Width, cell, header_error};
use super::records::Records;
use crate::formats::cell::{Cell, CellOptions};
use crate::formats::names::{ColumnIndex, Found, missing_column};
use crate::formats::row_builder::RowBuilder;
use crate::formats::{Decoder, Extent, NOT_UTF_8, Taken};

/// Characters of a header that a message repeats at most.
const SHOWN_CHARS_MAX: usize = 200;

/// Reads one file or stream; with a header, its first record decides where the columns are.
pub struct CsvDecoder {
    dialect: Dialect,
    records: Records,
    rows: RowBuilder,
    /// What messages call the input.
    name: String,
    layout: Option<Layout>,
}

/// Where the columns stand in a record.
struct Layout {
    width: Width,
    /// The field of each column.
    places: Vec<usize>,
}

impl CsvDecoder {
    /// A decoder into `schema`; `name` is what messages call the input.
    pub fn new(schema: SchemaRef, dialect: Dialect, options: CellOptions, name: &str) -> Result<Self> {
        let columns = schema.fields().len();
        let by_place = Layout { width: Width { fields: columns, last_unnamed: false }, places: (0..columns).collect() };
        Ok(Self {
            records: Records::new(&dialect),
            rows: RowBuilder::new(schema, options)?,
            name: name.to_owned(),
            layout: (!dialect.header).then_some(by_place),
            dialect,
        })
    }

    fn record(&mut self, bytes: &[u8], extent: Extent) -> Result<Taken> {
        let text = std::str::from_utf8(&bytes[..extent.bytes]);
        let Some(layout) = &self.layout else {
            let text = text.map_err(|_| header_error(&self.name, NOT_UTF_8))?;
            if let Some(header) = Header::read(text, self.records.fields(), self.dialect.quote) {
                self.layout = Some(self.layout_of(&header)?);
            }
            return Ok(Taken::Skipped(extent));
        };
        let Ok(text) = text else { return Ok(Taken::Bad(extent, NOT_UTF_8.to_owned())) };
        // In a file of one column a blank line is a row: its value is NULL.
        if layout.width.fields > 1 && self.records.is_blank() {
            return Ok(Taken::Skipped(extent));
        }
        let fields = self.records.fields();
        if let Some(reason) = layout.width.misfit(fields) {
            return Ok(Taken::Bad(extent, reason));
        }
        let value = |field| cell(field, text, &self.dialect);
        let appended = self.rows.append(|column| Ok(fields.get(layout.places[column]).map_or(Cell::Null, value)));
        Ok(match appended {
            Ok(()) => Taken::Row(extent),
            Err(reason) => Taken::Bad(extent, reason),
        })
    }

    /// Finds the columns by the names in the header.
    fn layout_of(&self, header: &Header) -> Result<Layout> {
        let index = ColumnIndex::new(&header.names);
        let place = |field: &arrow_schema::FieldRef| {
            index.find(field.name()).map(Found::index).ok_or_else(|| self.missing(field.name(), &header.names))
        };
        let places = self.rows.schema().fields().iter().map(place).collect::<Result<_>>()?;
        Ok(Layout { width: header.width, places })
    }

    fn missing(&self, column: &str, names: &[String]) -> Error {
        let columns = self.rows.schema().fields();
        let known = |name: &String| columns.iter().any(|field| field.name().eq_ignore_ascii_case(name));
        if names.iter().any(known) || (names.len() != columns.len() && names.len() > 1) {
            return missing_column(column, names, &self.name);
        }
        let line = names.join(&char::from(self.dialect.delimiter).to_string());
        let cut: String = line.chars().take(SHOWN_CHARS_MAX).collect();
        let hint = match (names, columns.len()) {
            ([_], 2..) => {
                "if lines stand before the header, pass over them with skip = '…' or comment = '…'; if values are separated otherwise, say delimiter = '…'"
            }
            _ => "if that line is data, add header = 'false'",
        };
        Error::new(Code::UnknownColumn, format!("{} has no column '{column}'", self.name))
            .with_detail(format!("its first line is: {cut}{}", if cut.len() < line.len() { "…" } else { "" }))
            .with_hint(hint)
    }
}

impl Decoder for CsvDecoder {
    fn take(&mut self, bytes: &[u8], last: bool) -> Result<Taken> {
        match self.records.next(bytes, last) {
            Ok(extent) => self.record(bytes, extent),
            Err(Taken::Bad(_, reason)) if self.layout.is_none() => Err(header_error(&self.name, &reason)),
            Err(taken) => Ok(taken),
        }
    }

    fn wants_header(&self) -> bool {
        self.layout.is_none()
    }

    fn is_between_records(&self) -> bool {
        self.layout.is_some() && self.records.is_between()
    }

    fn pass_start(&mut self) {
        self.records.pass_start();
    }

    fn rows(&self) -> usize {
        self.rows.rows()
    }

    fn finish(&mut self) -> Result<RecordBatch> {
        self.rows.finish()
    }
}
