//! Writes columns as separated values, such that reading them back gives the same values.

use arrow_array::{Array, RecordBatch};
use arrow_cast::display::FormatOptions;
use arrow_schema::Schema;
use laminar_core::{Code, Error, Result};

use super::Dialect;
use crate::formats::value::{Shown, plain, repeated_keys};
use crate::formats::{Encoder, Unwritable};

/// How values without an own form are shown.
pub(crate) const FORMAT: FormatOptions<'static> = FormatOptions::new()
    .with_display_error(true)
    .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
    .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f%:z"));

/// What a reader takes for the mark of a file's encoding.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

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

    /// Refuses what the dialect cannot hold, whatever the rows: a text for NULL that is not read as one, names of columns.
    pub fn check(&self, schema: &Schema) -> Result<()> {
        let special = |byte: &u8| [self.dialect.delimiter, b'\n', b'\r'].contains(byte) || Some(*byte) == self.dialect.quote;
        if self.null().iter().any(special) {
            return Err(Error::new(Code::InvalidOption, "the text for NULL holds the delimiter, the quote or a line end")
                .with_detail("it would not be read as NULL")
                .with_hint("write null = 'NA', or leave it out"));
        }
        self.check_header(schema)
    }

    fn check_header(&self, schema: &Schema) -> Result<()> {
        let mut names = schema.fields().iter().filter(|_| self.dialect.header).map(|field| field.name());
        names.try_for_each(|name| match self.field(name.as_bytes(), &mut Vec::new()) {
            Ok(()) => Ok(()),
            Err(reason) => Err(Error::new(Code::InvalidOption, format!("the column name '{name}' {reason}"))
                .with_hint("leave out quote = 'none', write header = 'false', or give the column another name")),
        })
    }

    /// Writes the header now if it is still due: a file without rows has one too.
    pub fn header(&mut self, schema: &Schema, out: &mut Vec<u8>) -> Result<()> {
        if !self.header_due {
            return Ok(());
        }
        self.check_header(schema)?;
        self.header_due = false;
        for (index, field) in schema.fields().iter().enumerate() {
            self.delimit(index, out);
            // The check has found that every name can be written.
            let _written = self.field(field.name().as_bytes(), out);
        }
        out.push(b'\n');
        Ok(())
    }

    fn delimit(&self, column: usize, out: &mut Vec<u8>) {
        if column > 0 {
            out.push(self.dialect.delimiter);
        }
    }

    fn record(&self, columns: &mut [Shown<'_>], row: usize, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Unfit> {
        for (index, column) in columns.iter_mut().enumerate() {
            self.delimit(index, out);
            match column.value(row, scratch) {
                Some(value) => self.field(value, out).map_err(|why| Unfit { column: index, why })?,
                None => out.extend_from_slice(self.null()),
            }
        }
        out.push(b'\n');
        Ok(())
    }

    /// What stands for NULL.
    fn null(&self) -> &[u8] {
        self.dialect.nulls.first().map_or(b"", |null| null.as_bytes())
    }

    /// A value that is not NULL; quoted if it could be read as something else, refused if there are no quotes.
    fn field(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
        match self.dialect.quote {
            Some(quote) if self.needs_quotes(value, quote) => {
                out.push(quote);
                for part in value.split_inclusive(|byte| *byte == quote) {
                    out.extend_from_slice(part);
                    if part.ends_with(&[quote]) {
                        out.push(quote);
                    }
                }
                out.push(quote);
            }
            Some(_) => out.extend_from_slice(value),
            None => match self.fault_without_quotes(value) {
                Some(fault) => return Err(fault),
                None => out.extend_from_slice(value),
            },
        }
        Ok(())
    }

    fn needs_quotes(&self, value: &[u8], quote: u8) -> bool {
        let special = |byte: &u8| *byte == self.dialect.delimiter || *byte == quote || *byte == b'\n' || *byte == b'\r';
        self.means_null(value) || value.iter().any(special) || value.starts_with(BYTE_ORDER_MARK)
    }

    fn means_null(&self, value: &[u8]) -> bool {
        value.is_empty() || self.dialect.nulls.iter().any(|null| null.as_bytes() == value)
    }

    fn fault_without_quotes(&self, value: &[u8]) -> Option<&'static str> {
        let delimiter = self.dialect.delimiter;
        Some(match value {
            [] => "is empty, which without quotes means NULL",
            _ if self.means_null(value) => "means NULL without quotes",
            _ if value.contains(&delimiter) => "holds the delimiter, which without quotes would end it",
            _ if value.contains(&b'\n') || value.contains(&b'\r') => "holds a line end, which without quotes would end it",
            _ if value.starts_with(BYTE_ORDER_MARK) => "begins with a byte order mark, which without quotes may be taken off",
            _ => return None,
        })
    }
}

/// A value that cannot be written.
struct Unfit {
    column: usize,
    why: &'static str,
}

impl Encoder for CsvEncoder {
    fn encode(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<Vec<Unwritable>> {
        self.header(rows.schema_ref(), out)?;
        let rows = plain(rows)?;
        let fields = rows.schema_ref().fields();
        let shown = |(field, array)| Shown::new(field, array as &dyn Array);
        let mut columns = fields.iter().zip(rows.columns()).map(shown).collect::<Result<Vec<_>>>()?;
        let (repeated, mut scratch) = (repeated_keys(&rows)?, Vec::new());
        let mut repeated = repeated.into_iter().peekable();
        let mut unwritable = Vec::new();
        for row in 0..rows.num_rows() {
            if let Some(known) = repeated.next_if(|known| known.row == row) {
                unwritable.push(known);
                continue;
            }
            let start = out.len();
            if let Err(unfit) = self.record(&mut columns, row, &mut scratch, out) {
                out.truncate(start);
                let reason = format!("column '{}': the value {} (quote = 'none')", fields[unfit.column].name(), unfit.why);
                unwritable.push(Unwritable { row, reason });
            }
        }
        Ok(unwritable)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, NullArray, StringArray};

    use super::*;

    fn check(dialect: &Dialect, columns: Vec<(&str, ArrayRef)>, text: &str, unwritable: &[(usize, &str)]) {
        let rows =
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
        let mut out = Vec::new();
        let refused = CsvEncoder::new(dialect.clone()).encode(&rows, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), text);
        let refused: Vec<_> = refused.iter().map(|row| (row.row, row.reason.as_str())).collect();
        assert_eq!(refused, unwritable);
    }

    fn texts(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    #[test]
    fn quotes_stand_where_a_value_could_be_read_as_another() {
        let dialect = Dialect { nulls: vec!["NA".to_owned(), "-".to_owned()], ..Dialect::default() };
        let values =
            [Some(""), None, Some("NA"), Some("-"), Some("a,b"), Some("\"q\""), Some("x\r"), Some("\u{feff}"), Some(" ")];
        let text = "t\n\"\"\nNA\n\"NA\"\n\"-\"\n\"a,b\"\n\"\"\"q\"\"\"\n\"x\r\"\n\"\u{feff}\"\n \n";
        check(&dialect, vec![("t", texts(&values))], text, &[]);
    }

    #[test]
    fn a_number_that_looks_like_null_is_quoted_too() {
        let dialect = Dialect { nulls: vec!["0".to_owned()], ..Dialect::default() };
        let columns: Vec<(&str, ArrayRef)> =
            vec![("n", Arc::new(Int64Array::from(vec![Some(0), Some(1), None]))), ("u", Arc::new(NullArray::new(3)))];
        check(&dialect, columns, "n,u\n\"0\",0\n1,0\n0,0\n", &[]);
    }

    #[test]
    fn without_quotes_what_cannot_be_told_apart_is_not_written() {
        let dialect = Dialect { quote: None, delimiter: b';', ..Dialect::default() };
        let values = [Some("a,\"b\""), Some("a;b"), None, Some(""), Some("x\ny")];
        let refused = [
            (1, "column 't': the value holds the delimiter, which without quotes would end it (quote = 'none')"),
            (3, "column 't': the value is empty, which without quotes means NULL (quote = 'none')"),
            (4, "column 't': the value holds a line end, which without quotes would end it (quote = 'none')"),
        ];
        check(&dialect, vec![("t", texts(&values))], "t\na,\"b\"\n\n", &refused);
    }

    #[test]
    fn what_no_row_could_be_written_with_is_refused_at_once() {
        let schema = Schema::new(vec![arrow_schema::Field::new("a,b", arrow_schema::DataType::Int64, true)]);
        let refused = |quote, null: &str| {
            let dialect = Dialect { quote, nulls: vec![null.to_owned()], ..Dialect::default() };
            CsvEncoder::new(dialect).check(&schema).map_err(|error| error.message().to_owned())
        };
        assert_eq!(refused(Some(b'"'), "NA"), Ok(()));
        let null = "the text for NULL holds the delimiter, the quote or a line end";
        assert_eq!(refused(Some(b'"'), "N,A"), Err(null.to_owned()));
        assert_eq!(refused(Some(b'"'), "\"\""), Err(null.to_owned()));
        let name = "the column name 'a,b' holds the delimiter, which without quotes would end it";
        assert_eq!(refused(None, "NA"), Err(name.to_owned()));
    }
}
