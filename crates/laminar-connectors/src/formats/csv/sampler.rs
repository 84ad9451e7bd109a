//! Finds the columns of separated values by the first records.

use arrow_schema::SchemaRef;
use laminar_core::{Code, Error, Result};

use super::Dialect;
use super::header::{Header, Width, cell, count, header_error};
use super::records::Records;
use crate::formats::infer::SchemaGuess;
use crate::formats::{Extent, NOT_UTF_8, Sampler, Taken};

/// Looks at the records of one file.
pub struct CsvSampler {
    dialect: Dialect,
    /// What messages call the file.
    name: String,
    records: Records,
    columns: Option<(SchemaGuess, Width)>,
    rows: usize,
    bad: usize,
    /// The first record that does not fit: its line, and why.
    first_bad: Option<(usize, String)>,
    lines: usize,
}

impl CsvSampler {
    /// A sampler of a file in `dialect`; `name` is what messages call it.
    pub fn new(dialect: Dialect, name: &str) -> Self {
        Self {
            records: Records::new(&dialect),
            dialect,
            name: name.to_owned(),
            columns: None,
            rows: 0,
            bad: 0,
            first_bad: None,
            lines: 0,
        }
    }

    fn record(&mut self, bytes: &[u8], extent: Extent) -> Result<()> {
        let text = std::str::from_utf8(&bytes[..extent.bytes]);
        if self.columns.is_none() && self.dialect.header {
            let text = text.map_err(|_| header_error(&self.name, NOT_UTF_8))?;
            return self.start(Header::read(text, self.records.fields(), self.dialect.quote));
        }
        let Ok(text) = text else {
            self.reject(NOT_UTF_8.to_owned());
            return Ok(());
        };
        if self.records.is_blank() {
            return Ok(());
        }
        if self.columns.is_none() {
            self.start(Some(Header::of_width(self.records.fields().len())))?;
        }
        let Some((guess, width)) = &mut self.columns else { return Ok(()) };
        let fields = self.records.fields();
        if let Some(reason) = width.misfit(fields) {
            self.reject(reason);
            return Ok(());
        }
        for (index, field) in fields.iter().enumerate().take(width.fields) {
            guess.observe_text(index, &cell(field, text, &self.dialect));
        }
        self.rows += 1;
        Ok(())
    }

    fn start(&mut self, header: Option<Header>) -> Result<()> {
        if let Some(header) = header {
            header.check_count(&self.name)?;
            self.columns = Some((SchemaGuess::with_names(header.names), header.width));
        }
        Ok(())
    }

    fn reject(&mut self, reason: String) {
        self.bad += 1;
        self.first_bad.get_or_insert((self.lines + 1, reason));
    }

    /// The failure of a file of which no record could be a row: all would be rejected.
    fn nothing_fits(&self, line: usize, reason: &str) -> Error {
        let header = match &self.columns {
            Some((_, width)) if self.dialect.header => format!("its header has {}; line {line}: {reason}", count(width.fields)),
            _ => format!("line {line}: {reason}"),
        };
        let error = Error::new(Code::BadData, format!("no record of {} can be read", self.name)).with_detail(header);
        error.with_hint(match reason {
            NOT_UTF_8 => "name the file's encoding: encoding = 'latin1', 'windows-1252', 'utf-16', …",
            _ => {
                "if lines stand before the header, pass over them with skip = '…' or comment = '#'; if values are separated otherwise, \
                 say delimiter = '…'"
            }
        })
    }
}

impl Sampler for CsvSampler {
    fn take(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>> {
        let extent = match self.records.next(bytes, last) {
            Err(Taken::Incomplete) => return Ok(None),
            Err(Taken::Bad(_, reason)) if self.columns.is_none() && self.dialect.header => {
                return Err(header_error(&self.name, &reason));
            }
            Err(Taken::Bad(extent, reason)) => {
                self.reject(reason);
                extent
            }
            Err(Taken::Skipped(extent) | Taken::Row(extent)) => extent,
            Ok(extent) => {
                self.record(bytes, extent)?;
                extent
            }
        };
        self.lines += extent.lines;
        Ok(Some(extent.bytes))
    }

    fn seen(&self) -> (usize, usize) {
        (self.rows, self.rows + self.bad)
    }

    fn schema(&self) -> Result<Option<SchemaRef>> {
        match &self.first_bad {
            Some((line, reason)) if self.rows == 0 => Err(self.nothing_fits(*line, reason)),
            _ => Ok(self.columns.as_ref().map(|(guess, _)| guess.schema())),
        }
    }
}
