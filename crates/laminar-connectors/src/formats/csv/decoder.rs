//! Reads separated values into columns.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::{Code, Error, Result};

use super::Dialect;
use super::tokenizer::{Field, Token, Tokenizer, first_line};
use crate::formats::cell::{Cell, CellOptions};
use crate::formats::names::{find_column, missing_column};
use crate::formats::row_builder::RowBuilder;
use crate::formats::{Decoder, Extent, LineSkipper, RECORD_BYTES_MAX, Taken};

/// Reads one file or stream; with a header, its first record decides where the columns are.
pub struct CsvDecoder {
    dialect: Dialect,
    tokenizer: Tokenizer,
    rows: RowBuilder,
    fields: Vec<Field>,
    /// What messages call the input.
    name: String,
    layout: Option<Layout>,
    skipper: LineSkipper,
}

/// Where the columns stand in a record.
struct Layout {
    /// Fields that a record must have.
    width: usize,
    /// The field of each column.
    places: Vec<usize>,
}

impl CsvDecoder {
    /// A decoder into `schema`; `name` is what messages call the input.
    pub fn new(schema: SchemaRef, dialect: Dialect, options: CellOptions, name: &str) -> Result<Self> {
        let columns = schema.fields().len();
        let by_place = Layout { width: columns, places: (0..columns).collect() };
        Ok(Self {
            tokenizer: Tokenizer::new(&dialect),
            rows: RowBuilder::new(schema, options)?,
            fields: Vec::new(),
            name: name.to_owned(),
            layout: (!dialect.header).then_some(by_place),
            dialect,
            skipper: LineSkipper::default(),
        })
    }

    fn record(&mut self, bytes: &[u8], extent: Extent) -> Result<Taken> {
        if extent.bytes > RECORD_BYTES_MAX {
            return Ok(self.skipper.too_long(bytes));
        }
        let Ok(text) = std::str::from_utf8(&bytes[..extent.bytes]) else {
            // A stray quote may have drawn in good lines, so only the first line is given up.
            return Ok(Taken::Bad(first_line(bytes), "not valid UTF-8".to_owned()));
        };
        let Some(layout) = &self.layout else {
            self.layout = Some(self.layout_of(text)?);
            return Ok(Taken::Skipped(extent));
        };
        // In a file of one column a blank line is a row: its value is NULL.
        if layout.width > 1 && is_blank(text) {
            return Ok(Taken::Skipped(extent));
        }
        if self.fields.len() != layout.width {
            let reason = format!("{} where {} are expected", count(self.fields.len()), count(layout.width));
            return Ok(Taken::Bad(first_line(bytes), reason));
        }
        let (fields, dialect) = (&self.fields, &self.dialect);
        let appended = self.rows.append(|column| Ok(cell(&fields[layout.places[column]], text, dialect)));
        Ok(match appended {
            Ok(()) => Taken::Row(extent),
            Err(reason) => Taken::Bad(extent, reason),
        })
    }

    /// Finds the columns by the names in the header.
    fn layout_of(&self, header: &str) -> Result<Layout> {
        let names = header_names(header, &self.fields, self.dialect.quote);
        let place =
            |field: &arrow_schema::FieldRef| find_column(field.name(), &names).ok_or_else(|| self.missing(field.name(), &names));
        let places = self.rows.schema().fields().iter().map(place).collect::<Result<_>>()?;
        Ok(Layout { width: names.len(), places })
    }

    fn missing(&self, column: &str, names: &[String]) -> Error {
        let known = |name: &String| self.rows.schema().fields().iter().any(|field| field.name().eq_ignore_ascii_case(name));
        if names.iter().any(known) || names.len() != self.rows.schema().fields().len() {
            return missing_column(column, names, &self.name);
        }
        Error::new(Code::UnknownColumn, format!("{} has no column '{column}'", self.name))
            .with_detail(format!("its first line is: {}", names.join(&char::from(self.dialect.delimiter).to_string())))
            .with_hint("if that line is data, add header = 'false'")
    }
}

impl Decoder for CsvDecoder {
    fn take(&mut self, bytes: &[u8], last: bool) -> Result<Taken> {
        if let Some(skipped) = self.skipper.skip(bytes) {
            return Ok(skipped);
        }
        let mut fields = std::mem::take(&mut self.fields);
        let token = self.tokenizer.record(bytes, last, &mut fields);
        self.fields = fields;
        match token {
            Token::Incomplete => Ok(Taken::Incomplete),
            Token::Record(extent) => self.record(bytes, extent),
            Token::Malformed(_, reason) if self.layout.is_none() => {
                Err(Error::new(Code::BadData, format!("the header of {} cannot be read: {reason}", self.name)))
            }
            Token::Malformed(extent, _) if extent.bytes > RECORD_BYTES_MAX => Ok(self.skipper.too_long(bytes)),
            Token::Malformed(extent, reason) => Ok(Taken::Bad(extent, reason.to_owned())),
        }
    }

    fn wants_header(&self) -> bool {
        self.layout.is_none()
    }

    fn rows(&self) -> usize {
        self.rows.rows()
    }

    fn finish(&mut self) -> Result<RecordBatch> {
        self.rows.finish()
    }
}

/// The names in a header, without blanks around them.
pub(super) fn header_names(header: &str, fields: &[Field], quote: Option<u8>) -> Vec<String> {
    fields.iter().map(|field| field.text(header, quote).trim().to_owned()).collect()
}

pub(super) fn is_blank(record: &str) -> bool {
    matches!(record, "\n" | "\r\n" | "" | "\r")
}

/// The value of a field.
pub(super) fn cell<'a>(field: &Field, record: &'a str, dialect: &Dialect) -> Cell<'a> {
    let text = field.text(record, dialect.quote);
    let null = !field.quoted && (text.is_empty() || dialect.nulls.iter().any(|null| *null == text));
    if null { Cell::Null } else { Cell::Text(text) }
}

fn count(fields: usize) -> String {
    if fields == 1 { "1 field".to_owned() } else { format!("{fields} fields") }
}
