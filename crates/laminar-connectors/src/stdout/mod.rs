//! The connector `stdout`: rows on the screen or into a pipe, as a table, CSV or JSON.
//!
//! A stream that can take rows back is shown with the column `op` (`+I`, `-D`).

mod table;

use std::io::Write;

use arrow_schema::SchemaRef;
use laminar_core::{ChangeBatch, Code, Error, Result, StepId};

pub use table::TableEncoder;

use crate::formats::changelog::{inserted_rows, rows_with_op, schema_with_op};
use crate::formats::csv::{CsvEncoder, Dialect};
use crate::formats::ndjson::NdjsonEncoder;
use crate::formats::value::pairs;
use crate::formats::{Encoder, Unwritable};
use crate::{Accepts, BadRow, Connector, Sink, SinkRequest, Source, SourceRequest};

/// Opens what a sink writes to.
type OpenWriter = dyn Fn() -> Box<dyn Write + Send> + Send + Sync;

/// The standard output, or another writer in its place.
pub struct StdoutConnector {
    open: Box<OpenWriter>,
}

impl Default for StdoutConnector {
    fn default() -> Self {
        Self::to(|| Box::new(std::io::stdout()))
    }
}

impl StdoutConnector {
    /// Writes into what `open` gives for each sink, instead of the standard output.
    pub fn to(open: impl Fn() -> Box<dyn Write + Send> + Send + Sync + 'static) -> Self {
        Self { open: Box::new(open) }
    }
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Table,
    Csv,
    Json,
}

const SHAPES: &[(&str, Shape)] =
    &[("table", Shape::Table), ("csv", Shape::Csv), ("json", Shape::Json), ("ndjson", Shape::Json), ("jsonl", Shape::Json)];

impl Connector for StdoutConnector {
    fn name(&self) -> &'static str {
        "stdout"
    }

    fn open_source(&self, _: SourceRequest) -> Result<Box<dyn Source>> {
        Err(Error::new(Code::NotSupported, "the connector 'stdout' has no sources").with_hint("it is for CREATE SINK"))
    }

    fn sink_accepts(&self, _: &SinkRequest) -> Result<Option<Accepts>> {
        Ok(Some(Accepts::Changes))
    }

    fn open_sink(&self, request: SinkRequest) -> Result<Box<dyn Sink>> {
        let mut options = request.options;
        let shape = options.take_enum("format", SHAPES)?.unwrap_or(Shape::Table);
        options.finish("a stdout sink", &["format"])?;
        let encoder: Box<dyn Encoder> = match shape {
            Shape::Table => Box::<TableEncoder>::default(),
            Shape::Csv => Box::new(CsvEncoder::new(Dialect::default())),
            Shape::Json => Box::<NdjsonEncoder>::default(),
        };
        let with_op = (!request.changes.is_append()).then(|| schema_with_op(&request.schema));
        Ok(Box::new(StdoutSink { out: (self.open)(), encoder, with_op, text: Vec::new(), bad_rows: Vec::new() }))
    }

    fn replayable(&self) -> bool {
        false
    }
}

struct StdoutSink {
    out: Box<dyn Write + Send>,
    encoder: Box<dyn Encoder>,
    /// The columns with `op`, if rows can be taken back.
    with_op: Option<SchemaRef>,
    text: Vec<u8>,
    bad_rows: Vec<BadRow>,
}

impl StdoutSink {
    fn failed(error: std::io::Error) -> Error {
        match error.kind() {
            // `laminar run … | head` closes the pipe when it has enough.
            std::io::ErrorKind::BrokenPipe => Error::new(Code::Closed, "nobody reads the standard output any more"),
            _ => Error::from(error).within("writing to the standard output"),
        }
    }
}

impl Sink for StdoutSink {
    fn write(&mut self, step: StepId, changes: &ChangeBatch) -> Result<()> {
        let rows = match &self.with_op {
            Some(schema) => rows_with_op(changes, schema)?,
            None => inserted_rows(changes)?,
        };
        self.text.clear();
        for Unwritable { row, reason } in self.encoder.encode(&rows, &mut self.text)? {
            self.bad_rows.push(BadRow { raw: pairs(&rows, row)?, reason, position: format!("step {step}") });
        }
        // A step's rows go out in one piece, so that several sinks do not mix their lines.
        self.out.write_all(&self.text).and_then(|()| self.out.flush()).map_err(Self::failed)
    }

    fn take_bad_rows(&mut self) -> Vec<BadRow> {
        std::mem::take(&mut self.bad_rows)
    }

    fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(Self::failed)
    }

    fn finish(&mut self) -> Result<()> {
        self.flush()
    }
}
