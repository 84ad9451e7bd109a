//! Results on standard output: as a table, CSV or JSON, the header once for each result.

use std::io::{self, Write};

use arrow_select::concat::concat_batches;
use laminar_db::connectors::formats::csv::{CsvEncoder, Dialect};
use laminar_db::connectors::formats::ndjson::NdjsonEncoder;
use laminar_db::connectors::formats::{Encoder, Unwritable};
use laminar_db::connectors::stdout::TableEncoder;
use laminar_db::{ChangeSet, Code, Error, Result, Rows};

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, for people.
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line.
    Json,
}

/// Writes results.
pub(crate) struct Printer {
    format: Format,
    results: usize,
    /// The subscription whose rows came last, with the encoder that remembers its header.
    following: Option<(usize, Box<dyn Encoder>)>,
    /// Whether the reader of the standard output has gone, as `head` does when it has enough: then nothing more is printed.
    closed: bool,
}

impl Printer {
    /// A printer that has printed nothing.
    pub(crate) fn new(format: Format) -> Self {
        Self { format, results: 0, following: None, closed: false }
    }

    /// Whether nobody reads what is printed.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    fn encoder(&self) -> Box<dyn Encoder> {
        match self.format {
            Format::Table => Box::<TableEncoder>::default(),
            Format::Csv => Box::new(CsvEncoder::new(Dialect::default())),
            Format::Json => Box::<NdjsonEncoder>::default(),
        }
    }

    /// Prints the answer of a statement.
    pub(crate) fn rows(&mut self, rows: &Rows) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        let mut text = self.separator();
        self.following = None;
        let whole = concat_batches(&rows.schema, &rows.batches)?;
        let empty_table = whole.num_rows() == 0 && self.format == Format::Table;
        if empty_table {
            // An aligned table of nothing would be nothing: the header says what was asked.
            let names: Vec<&str> = rows.schema.fields().iter().map(|field| field.name().as_str()).collect();
            text.extend_from_slice(names.join(" | ").as_bytes());
            text.extend_from_slice(b"\n(no rows)\n");
        } else {
            whole_or_error(&self.encoder().encode(&whole, &mut text)?)?;
        }
        self.write(&text)
    }

    /// Prints changes of subscription number `index`; a header comes first when the rows before were of something else.
    pub(crate) fn changes(&mut self, index: usize, changes: &ChangeSet) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        let mut text = Vec::new();
        let mut encoder = match self.following.take() {
            Some((before, encoder)) if before == index => encoder,
            _ => {
                text = self.separator();
                self.encoder()
            }
        };
        whole_or_error(&encoder.encode(&changes.with_operations()?, &mut text)?)?;
        self.following = Some((index, encoder));
        self.write(&text)
    }

    /// An empty line between two results that people read.
    fn separator(&mut self) -> Vec<u8> {
        self.results += 1;
        if self.results > 1 && self.format != Format::Json { b"\n".to_vec() } else { Vec::new() }
    }

    fn write(&mut self, text: &[u8]) -> Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.closed = true,
            Err(error) => return Err(Error::new(Code::Io, format!("writing to the standard output: {error}"))),
            Ok(()) => {}
        }
        Ok(())
    }
}

/// An answer is printed whole or not at all.
fn whole_or_error(unwritable: &[Unwritable]) -> Result<()> {
    unwritable.first().map_or(Ok(()), |row| Err(Error::new(Code::BadData, format!("a row cannot be printed: {}", row.reason))))
}
