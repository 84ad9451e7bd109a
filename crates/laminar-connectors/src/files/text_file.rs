//! The rows of one text file, record by record.

use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::{Code, Error, Result};

use super::encoding::Encoding;
use super::input::Input;
use super::paths::{code_of, told};
use super::place::{FilePlace, Progress, TextPlace, replaced, shorter};
use super::settings::{OnBadRow, SourceSettings};
use crate::BadRow;
use crate::formats::cell::CellOptions;
use crate::formats::csv::CsvDecoder;
use crate::formats::ndjson::NdjsonDecoder;
use crate::formats::{Decoder, Extent, Format, NOT_UTF_8, Taken};

/// Bytes of a bad record that are kept at most.
const RAW_BYTES_MAX: usize = 4096;
/// Values that one batch has at most, so that the rows of a wide file come in smaller ones.
const BATCH_VALUES_MAX: usize = 4 << 20;
/// Bytes of text after which a batch is full.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// A text file with its place.
pub(super) struct TextFile {
    input: Input,
    encoding: Option<Encoding>,
    decoder: Box<dyn Decoder>,
    /// Rows of one batch at most.
    batch_rows: usize,
    /// As messages call it, without quotes.
    name: String,
    /// Lines consumed so far.
    line: u64,
    /// Bytes of the text consumed so far.
    consumed: u64,
    /// Whether the beginning has been checked.
    checked: bool,
    /// Whether all bytes have been seen.
    ended: bool,
    /// Whether the decoder has agreed that the input may end there.
    closed: bool,
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
            encoding: settings.encoding,
            batch_rows: (BATCH_VALUES_MAX / schema.fields().len().max(1)).max(1),
            decoder: decoder(path, schema, settings)?,
            name: path.display().to_string(),
            line: 0,
            consumed: 0,
            checked: false,
            ended: false,
            closed: false,
            on_bad_row: settings.on_bad_row,
            inferred: settings.inferred,
            failed: None,
        })
    }

    /// Reads the header, if the format has one, and how JSON stands in the file, so that faults are known when the source is
    /// created. What has not come yet is checked later.
    pub(super) fn check_start(&mut self) -> Result<()> {
        self.checked = self.read_start()?;
        match self.failed.take() {
            Some(error) if self.line == 0 => Err(error),
            later => {
                self.failed = later;
                Ok(())
            }
        }
    }

    /// Whether all of the beginning has come.
    fn read_start(&mut self) -> Result<bool> {
        while self.decoder.wants_header() && self.failed.is_none() {
            match self.decoder.take_header(self.input.window(), self.ended)? {
                Taken::Incomplete if !self.ended && self.fill() => {}
                Taken::Incomplete => return Ok(self.ended),
                Taken::Row(extent) | Taken::Skipped(extent) | Taken::Bad(extent, _) => self.advance(extent),
            }
        }
        Ok(true)
    }

    /// At most about `rows_max` rows. An incomplete record at the end waits for the rest, if more can come.
    pub(super) fn next(&mut self, rows_max: usize) -> Result<Rows> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if !self.checked {
            self.check_start()?;
        }
        let mut bad = Vec::new();
        let (rows_max, mut bytes) = (rows_max.min(self.batch_rows), 0);
        while self.checked && self.decoder.rows() + bad.len() < rows_max && bytes < BATCH_BYTES_MAX && self.failed.is_none() {
            let taken = match self.decoder.take(self.input.window(), self.ended) {
                Ok(taken) => taken,
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            };
            match taken {
                Taken::Incomplete if !self.ended && self.fill() => {}
                Taken::Incomplete => break,
                Taken::Row(extent) | Taken::Skipped(extent) => {
                    bytes += extent.bytes;
                    self.advance(extent);
                }
                Taken::Bad(extent, reason) => {
                    bytes += extent.bytes;
                    self.reject(extent, reason, &mut bad);
                }
            }
        }
        self.close();
        let rows = Rows { rows: self.decoder.finish()?, bad };
        match self.failed.take() {
            Some(error) if rows.is_empty() => Err(error),
            later => {
                self.failed = later;
                Ok(rows)
            }
        }
    }

    /// Lets the decoder object to where the file ends. What is open there in a file that grows waits for the rest.
    fn close(&mut self) {
        if !self.ended || self.closed || !self.input.window().is_empty() || self.failed.is_some() {
            return;
        }
        match self.decoder.end() {
            Err(_) if self.input.grows() => self.ended = false,
            end => (self.closed, self.failed) = (true, end.err()),
        }
    }

    /// Reads more bytes, or learns that there are none; false if neither changes anything. A damaged file fails after
    /// the rows before the damage.
    fn fill(&mut self) -> bool {
        match self.input.fill() {
            Ok(more) => {
                self.ended = !more && self.input.is_over();
                more || self.ended
            }
            Err(error) => {
                self.failed = Some(self.unreadable(&error));
                true
            }
        }
    }

    fn unreadable(&self, error: &std::io::Error) -> Error {
        // What is wrong with the file as a whole has a message of its own.
        told(error).unwrap_or_else(|| {
            Error::new(code_of(error), format!("'{}' cannot be read beyond line {}", self.name, self.line))
                .with_detail(error.to_string())
                .with_hint("the file is damaged or cut off; copy it again")
        })
    }

    fn advance(&mut self, extent: Extent) {
        self.line += extent.lines as u64;
        self.consumed += extent.bytes as u64;
        self.input.consume(extent.bytes);
    }

    fn reject(&mut self, extent: Extent, mut reason: String, bad: &mut Vec<BadRow>) {
        if let (Some(encoding), NOT_UTF_8) = (self.encoding, reason.as_str()) {
            reason = format!("not valid {}", encoding.name());
        }
        if self.inferred && reason.starts_with("column '") {
            reason.push_str(" (a type found in the first rows; declare the columns to choose it)");
        }
        let position = format!("{}:{}", self.name, self.line + 1);
        match self.on_bad_row {
            OnBadRow::Skip => {
                let raw = raw_text(&self.input.window()[..extent.bytes]);
                self.advance(extent);
                bad.push(BadRow { raw, reason, position });
            }
            // The place stays before it: who goes on from there fails at it too.
            OnBadRow::Fail => self.failed = Some(bad_row_error(&position, &reason)),
        }
    }

    /// Whether everything has been read.
    pub(super) fn at_end(&self) -> bool {
        self.ended && self.closed && self.input.window().is_empty() && self.failed.is_none()
    }

    /// Whether more can come than has been seen.
    pub(super) fn waits(&self) -> bool {
        !self.ended && self.failed.is_none()
    }

    /// Says that nothing is added to the file any more, so that its last line counts even without an end.
    pub(super) fn stop_growing(&mut self) {
        self.input.stop_growing();
    }

    /// Gives it another name in messages.
    pub(super) fn rename(&mut self, path: &Path) {
        self.name = path.display().to_string();
    }

    /// Whether the file is compressed, as far as is known.
    pub(super) fn is_compressed(&self) -> bool {
        self.input.is_compressed()
    }

    /// Whether no directory has the file any more.
    pub(super) fn is_unlinked(&self) -> bool {
        self.input.is_unlinked()
    }

    /// Bytes read from the file, as they are there.
    pub(super) fn read_bytes(&self) -> u64 {
        self.input.read_bytes()
    }

    /// How far the text has been read. Before all of its beginning is there, that is not at all.
    pub(super) fn place(&self) -> TextPlace {
        if !self.checked {
            return TextPlace::default();
        }
        TextPlace {
            progress: Progress { bytes: self.consumed, lines: self.line },
            before: self.input.sample(self.consumed),
            is_between_records: self.decoder.is_between_records(),
        }
    }

    /// Passes over what an earlier reader of the same file has read. Called before the first row is read.
    pub(super) fn seek(&mut self, place: &TextPlace) -> Result<()> {
        if place.progress.bytes == 0 {
            return Ok(());
        }
        let there = match place.is_between_records {
            true => self.pass_over(place)?,
            false => self.read_again(place)?,
        };
        if !there {
            return Err(shorter(&self.name, &FilePlace::Text(*place)));
        }
        if self.consumed != place.progress.bytes || !self.input.is_behind(place.before) {
            return Err(replaced(&self.name, &FilePlace::Text(*place)));
        }
        self.line = place.progress.lines;
        Ok(())
    }

    /// Goes to the place without a look at what comes before it; false if the file is too short.
    fn pass_over(&mut self, place: &TextPlace) -> Result<bool> {
        let Some(bytes) = place.progress.bytes.checked_sub(self.consumed).filter(|_| self.checked) else { return Ok(true) };
        let there = self.input.skip(bytes).map_err(|error| self.unreadable(&error))?;
        self.consumed += bytes;
        self.decoder.pass_start();
        Ok(there)
    }

    /// Decodes everything up to the place once more; false if the file is too short.
    fn read_again(&mut self, place: &TextPlace) -> Result<bool> {
        while let left @ 1.. = place.progress.bytes.saturating_sub(self.consumed) {
            let window = self.input.window();
            let shown = window.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let is_all = shown as u64 == left;
            let mut taken = self.decoder.take(&window[..shown], false)?;
            if taken == Taken::Incomplete && is_all {
                // The last record of a file may have no end.
                taken = self.decoder.take(&window[..shown], true)?;
            }
            match taken {
                Taken::Incomplete if is_all => return Ok(true),
                Taken::Incomplete if !self.fill() || self.ended => return self.failed.take().map_or(Ok(false), Err),
                Taken::Incomplete => {}
                Taken::Row(extent) | Taken::Skipped(extent) | Taken::Bad(extent, _) => self.advance(extent),
            }
            if self.decoder.rows() >= self.batch_rows {
                self.decoder.finish()?;
            }
        }
        self.decoder.finish()?;
        Ok(true)
    }

    /// The text that waits for the end of its record.
    pub(super) fn waiting(&self) -> &[u8] {
        self.input.waiting()
    }

    /// Each line that waits for the end of its record, as a row that was not read.
    pub(super) fn give_up(&mut self) -> Vec<BadRow> {
        let lines: Vec<&[u8]> = self.input.waiting().split_inclusive(|byte| *byte == b'\n').collect();
        let first = self.line + 1;
        let row = |(index, line): (usize, &&[u8])| BadRow {
            raw: raw_text(line),
            reason: match index {
                0 if lines.len() == 1 => "the line was not complete when reading stopped".to_owned(),
                0 => "the record that begins here was not complete when reading stopped; does a quote open that is never closed?"
                    .to_owned(),
                _ => format!("it stands behind the record of line {first}, which was not complete when reading stopped"),
            },
            position: format!("{}:{}", self.name, first + index as u64),
        };
        let rows = lines.iter().enumerate().map(row).collect();
        self.input.consume_all();
        rows
    }

    /// A note that whole lines wait for the end of a record.
    pub(super) fn stalled(&self) -> BadRow {
        let line = self.line + 1;
        let lines = match self.input.waiting().iter().filter(|byte| **byte == b'\n').count() {
            1 => "1 line waits".to_owned(),
            lines => format!("{lines} lines wait"),
        };
        BadRow {
            raw: raw_text(self.input.waiting().split(|byte| *byte == b'\n').next().unwrap_or_default()),
            reason: format!(
                "the record that begins here is not complete yet, and {lines} for its end; does a quote open that is never closed?"
            ),
            position: format!("{}:{line}", self.name),
        }
    }

    /// `flights.csv: line 17`.
    pub(super) fn describe_position(&self) -> String {
        format!("{}: line {}", self.name, self.line)
    }
}

/// The failure of a source that was told to fail on bad rows.
pub(super) fn bad_row_error(position: &str, reason: &str) -> Error {
    Error::new(Code::BadData, format!("{position}: {reason}"))
        .with_hint("with on_bad_row = 'skip' such rows are rejected and readable in <source>$errors")
}

fn decoder(path: &Path, schema: SchemaRef, settings: &SourceSettings) -> Result<Box<dyn Decoder>> {
    let name = format!("'{}'", path.display());
    let options = CellOptions { exact: settings.inferred, ..settings.cells };
    Ok(match settings.format_of(path)? {
        Format::Csv => Box::new(CsvDecoder::new(schema, settings.dialect_of(path), options, &name)?),
        Format::Ndjson => Box::new(NdjsonDecoder::with_layout(schema, options, settings.json.clone(), &name)?),
        Format::Parquet => return Err(Error::internal("a Parquet file is not read as text")),
    })
}

/// The text of a record without its line end, cut if it is long.
fn raw_text(bytes: &[u8]) -> String {
    let kept = &bytes[..bytes.len().min(RAW_BYTES_MAX)];
    let text = String::from_utf8_lossy(kept);
    let text = text.trim_end_matches(['\n', '\r']);
    if kept.len() < bytes.len() { format!("{text}{CUT}") } else { text.to_owned() }
}

/// What stands at the end of a text that was cut.
const CUT: char = '…';

/// Whether something may be missing at the end of such a text.
pub(super) fn is_cut(raw: &str) -> bool {
    raw.ends_with(CUT) && raw.len() > RAW_BYTES_MAX - CUT.len_utf8()
}
