//! The rows of one text file, record by record.

use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::{Code, Error, Result};

use super::input::Input;
use super::settings::{OnBadRow, SourceSettings};
use crate::BadRow;
use crate::formats::csv::CsvDecoder;
use crate::formats::ndjson::{NdjsonDecoder, array_error, is_array};
use crate::formats::{Decoder, Extent, Format, Taken};

/// Bytes of a bad record that are kept at most.
const RAW_BYTES_MAX: usize = 4096;

/// A text file with its place.
pub(super) struct TextFile {
    input: Input,
    format: Format,
    decoder: Box<dyn Decoder>,
    /// As messages call it, without quotes.
    name: String,
    /// Lines consumed so far.
    line: u64,
    /// Whether all bytes have been seen.
    ended: bool,
    on_bad_row: OnBadRow,
    /// Whether the types were found in the first rows, which later ones may contradict.
    inferred: bool,
    /// What the next call fails with: rows before a fault are delivered first.
    failed: Option<Error>,
}

/// Rows of a file, and those that could not be read.
pub(super) struct Rows {
    pub rows: RecordBatch,
    pub bad: Vec<BadRow>,
}

impl Rows {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.num_rows() == 0 && self.bad.is_empty()
    }
}

impl TextFile {
    /// Starts to read `input`, which comes from `path`.
    pub(super) fn new(input: Input, path: &Path, schema: SchemaRef, settings: &SourceSettings) -> Result<Self> {
        Ok(Self {
            input,
            format: settings.format_of(path)?,
            decoder: decoder(path, schema, settings)?,
            name: path.display().to_string(),
            line: 0,
            ended: false,
            on_bad_row: settings.on_bad_row,
            inferred: settings.inferred,
            failed: None,
        })
    }

    /// Reads the header, if the format has one, so that its faults are known when the source is created. Without `last`,
    /// a header that is not complete yet waits.
    pub(super) fn check_start(&mut self, last: bool) -> Result<()> {
        self.fill(last);
        if self.format == Format::Ndjson && self.is_json_array(last) {
            return Err(array_error(&format!("'{}'", self.name)));
        }
        while self.decoder.wants_header() && self.failed.is_none() {
            match self.decoder.take(self.input.window(), self.ended)? {
                Taken::Incomplete if !self.ended && self.fill(last) => {}
                Taken::Incomplete => break,
                Taken::Row(extent) | Taken::Skipped(extent) | Taken::Bad(extent, _) => self.advance(extent),
            }
        }
        Ok(())
    }

    /// Whether the file is one JSON array. Without `last` it may be one and still be taken for lines, as more can follow.
    fn is_json_array(&mut self, last: bool) -> bool {
        loop {
            match is_array(self.input.window(), self.ended) {
                Some(is_array) => return is_array,
                None if self.failed.is_none() && self.fill(last) => {}
                None => return false,
            }
        }
    }

    /// At most about `rows_max` rows. Without `last`, an incomplete record at the end waits for the rest.
    pub(super) fn next(&mut self, rows_max: usize, last: bool) -> Result<Rows> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut bad = Vec::new();
        while self.decoder.rows() + bad.len() < rows_max && self.failed.is_none() {
            match self.decoder.take(self.input.window(), self.ended)? {
                Taken::Incomplete if !self.ended && self.fill(last) => {}
                Taken::Incomplete => break,
                Taken::Row(extent) | Taken::Skipped(extent) => self.advance(extent),
                Taken::Bad(extent, reason) => self.put_aside(extent, reason, &mut bad),
            }
        }
        let rows = Rows { rows: self.decoder.finish()?, bad };
        match self.failed.take() {
            Some(error) if rows.is_empty() => Err(error),
            later => {
                self.failed = later;
                Ok(rows)
            }
        }
    }

    /// Reads more bytes, or learns that there are none; false if neither changes anything. A damaged file fails after
    /// the rows before the damage.
    fn fill(&mut self, last: bool) -> bool {
        match self.input.fill() {
            Ok(more) => {
                self.ended = last && !more;
                more || last
            }
            Err(error) => {
                let error = Error::new(Code::Io, format!("'{}' cannot be read beyond line {}", self.name, self.line))
                    .with_detail(error.to_string())
                    .with_hint("the file is damaged or cut off; copy it again");
                self.failed = Some(error);
                true
            }
        }
    }

    fn advance(&mut self, extent: Extent) {
        self.line += extent.lines as u64;
        self.input.consume(extent.bytes);
    }

    fn put_aside(&mut self, extent: Extent, mut reason: String, bad: &mut Vec<BadRow>) {
        if self.inferred && reason.starts_with("column '") {
            reason.push_str(" (a type found in the first rows; declare the columns to choose it)");
        }
        let position = format!("{}:{}", self.name, self.line + 1);
        let raw = raw_text(&self.input.window()[..extent.bytes]);
        self.advance(extent);
        match self.on_bad_row {
            OnBadRow::Skip => bad.push(BadRow { raw, reason, position }),
            OnBadRow::Fail => self.failed = Some(bad_row_error(&position, &reason)),
        }
    }

    /// Whether everything has been read.
    pub(super) fn at_end(&self) -> bool {
        self.ended && self.input.window().is_empty() && self.failed.is_none()
    }

    /// Bytes read from the file, and those among them that wait for the end of their record.
    pub(super) fn progress(&self) -> (u64, &[u8]) {
        (self.input.read_bytes(), self.input.window())
    }

    /// `flights.csv: line 17`.
    pub(super) fn position(&self) -> String {
        format!("{}: line {}", self.name, self.line)
    }
}

/// The failure of a source that was told to fail on bad rows.
pub(super) fn bad_row_error(position: &str, reason: &str) -> Error {
    Error::new(Code::BadData, format!("{position}: {reason}"))
        .with_hint("with on_bad_row = 'skip' such rows are put aside and readable in <source>$errors")
}

fn decoder(path: &Path, schema: SchemaRef, settings: &SourceSettings) -> Result<Box<dyn Decoder>> {
    Ok(match settings.format_of(path)? {
        Format::Csv => {
            let name = format!("'{}'", path.display());
            Box::new(CsvDecoder::new(schema, settings.dialect_of(path), settings.cells, &name)?)
        }
        Format::Ndjson => Box::new(NdjsonDecoder::new(schema, settings.cells)?),
        Format::Parquet => return Err(Error::internal("a Parquet file is not read as text")),
    })
}

/// The text of a record without its line end, cut if it is long.
fn raw_text(bytes: &[u8]) -> String {
    let kept = &bytes[..bytes.len().min(RAW_BYTES_MAX)];
    let text = String::from_utf8_lossy(kept);
    let text = text.trim_end_matches(['\n', '\r']);
    if kept.len() < bytes.len() { format!("{text}…") } else { text.to_owned() }
}
