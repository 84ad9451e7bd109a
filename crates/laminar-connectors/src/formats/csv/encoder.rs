//! Writes columns as separated values, such that reading them back gives the same values.

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use laminar_core::Result;

use super::Dialect;
use crate::formats::Encoder;

/// How values without an own CSV form are shown.
pub(crate) const FORMAT: FormatOptions<'static> = FormatOptions::new()
    .with_display_error(false)
    .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
    .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f%:z"));

/// Writes records; the header, if any, before the first.
#[derive(Debug)]
pub struct CsvEncoder {
    dialect: Dialect,
    header_due: bool,
}

impl CsvEncoder {
    /// An encoder that writes as `dialect` reads.
    pub fn new(dialect: Dialect) -> Self {
        Self { header_due: dialect.header, dialect }
    }

    /// Writes the header now if it is still due: a file without rows has one too.
    pub fn header(&mut self, schema: &arrow_schema::Schema, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.header_due) {
            return;
        }
        for (index, field) in schema.fields().iter().enumerate() {
            self.delimit(index, out);
            self.text(field.name(), out);
        }
        out.push(b'\n');
    }

    fn delimit(&self, column: usize, out: &mut Vec<u8>) {
        if column > 0 {
            out.push(self.dialect.delimiter);
        }
    }

    /// A value that is not NULL; quoted if it could be read as something else.
    fn text(&self, text: &str, out: &mut Vec<u8>) {
        let quote = self.dialect.quote.unwrap_or(b'"');
        let special = |byte: u8| byte == self.dialect.delimiter || byte == quote || byte == b'\n' || byte == b'\r';
        let null_like = text.is_empty() || self.dialect.nulls.iter().any(|null| null == text);
        if !null_like && !text.bytes().any(special) {
            out.extend_from_slice(text.as_bytes());
            return;
        }
        out.push(quote);
        for byte in text.bytes() {
            out.extend(std::iter::repeat_n(byte, if byte == quote { 2 } else { 1 }));
        }
        out.push(quote);
    }
}

impl Encoder for CsvEncoder {
    fn encode(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.header(&rows.schema(), out);
        let columns = rows.columns().iter().map(|array| Shown::new(array)).collect::<Result<Vec<_>>>()?;
        let mut text = String::new();
        for row in 0..rows.num_rows() {
            for (index, column) in columns.iter().enumerate() {
                self.delimit(index, out);
                if let Some(value) = column.value(row, &mut text)? {
                    self.text(value, out);
                }
            }
            out.push(b'\n');
        }
        Ok(())
    }
}

/// A column whose values can be shown one by one.
enum Shown<'a> {
    Text(&'a arrow_array::StringArray),
    Bytes(&'a arrow_array::BinaryArray),
    Other(&'a dyn Array, ArrayFormatter<'a>),
}

impl<'a> Shown<'a> {
    fn new(array: &'a dyn Array) -> Result<Self> {
        Ok(match array.data_type() {
            arrow_schema::DataType::Utf8 => Shown::Text(array.as_string()),
            arrow_schema::DataType::Binary => Shown::Bytes(array.as_binary()),
            _ => Shown::Other(array, ArrayFormatter::try_new(array, &FORMAT)?),
        })
    }

    /// The text of a value; `None` is NULL. `text` is where it may be built.
    fn value<'t>(&'t self, row: usize, text: &'t mut String) -> Result<Option<&'t str>> {
        use std::fmt::Write;
        text.clear();
        match self {
            Shown::Text(array) => return Ok(array.is_valid(row).then(|| array.value(row))),
            Shown::Bytes(array) if array.is_null(row) => return Ok(None),
            Shown::Bytes(array) => {
                text.push_str("\\x");
                for byte in array.value(row) {
                    text.push_str(&format!("{byte:02x}"));
                }
            }
            Shown::Other(array, _) if array.is_null(row) => return Ok(None),
            Shown::Other(_, formatter) => write!(text, "{}", formatter.value(row))
                .map_err(|_| laminar_core::Error::internal("a value that cannot be shown as text"))?,
        }
        Ok(Some(text))
    }
}
