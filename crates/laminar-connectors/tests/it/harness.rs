//! A directory for one test, and the few calls through which all tests touch the API.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use laminar_connectors::{BadRow, Options, Registry, SinkRequest, Source, SourcePoll, SourceRequest};
use laminar_core::dag::ChangeKind;
use laminar_core::{ChangeBatch, Result, StepId};
use tempfile::TempDir;

/// A directory that goes away with the test.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, with its directories, and gives back its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Opens a file source; `path` is within this directory.
    pub(crate) fn source(&self, path: &str, schema: Option<SchemaRef>, options: &[(&str, &str)]) -> Result<Box<dyn Source>> {
        self.keyed_source(path, (schema, &[]), options)
    }

    /// The same with a primary key of these columns.
    pub(crate) fn keyed_source(
        &self,
        path: &str,
        (schema, key): (Option<SchemaRef>, &[usize]),
        options: &[(&str, &str)],
    ) -> Result<Box<dyn Source>> {
        let mut pairs = pairs(options);
        pairs.push(("path".to_owned(), self.path(path).to_str().unwrap().to_owned()));
        let request = SourceRequest {
            name: "s".to_owned(),
            schema,
            key: key.to_vec(),
            options: Options::new(pairs),
            schema_was_found: false,
        };
        Registry::with_builtin().get("file")?.open_source(request)
    }

    /// Everything that a file source reads.
    pub(crate) fn read(&self, path: &str, schema: Option<SchemaRef>, options: &[(&str, &str)]) -> Result<Read> {
        read_all(&mut *self.source(path, schema, options)?)
    }

    /// Writes batches with a file sink and finishes it.
    pub(crate) fn sink(&self, path: &str, batches: &[ChangeBatch], changes: ChangeKind, options: &[(&str, &str)]) -> Result<()> {
        let mut pairs = pairs(options);
        pairs.push(("path".to_owned(), self.path(path).to_str().unwrap().to_owned()));
        let schema = batches[0].schema();
        let request = SinkRequest {
            name: "k".to_owned(),
            schema,
            changes,
            options: Options::new(pairs),
            transactional: false,
            io_uring: false,
            resume: None,
        };
        let mut sink = Registry::with_builtin().get("file")?.open_sink(request)?;
        for (step, batch) in batches.iter().enumerate() {
            sink.write(StepId(step as u64), batch)?;
        }
        sink.finish()
    }

    /// The text with this directory's own name taken out.
    pub(crate) fn plain(&self, text: &str) -> String {
        // Snapshots lose carriage returns.
        let text = text.replace('\r', "\\r");
        text.replace(&format!("{}/", self.0.path().display()), "").replace(&self.0.path().display().to_string(), ".")
    }
}

pub(crate) fn pairs(options: &[(&str, &str)]) -> Vec<(String, String)> {
    options.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// What a source gave.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) rows: Vec<String>,
    pub(crate) bad: Vec<BadRow>,
    pub(crate) batches: Vec<RecordBatch>,
}

impl Read {
    /// Rows, and bad rows as `position: reason <- raw`.
    pub(crate) fn shown(&self, place: &Place) -> String {
        let bad = self.bad.iter().map(|bad| format!("! {}: {} <- {}", bad.position, bad.reason, bad.raw));
        let lines: Vec<String> = self.rows.iter().cloned().chain(bad).collect();
        place.plain(&lines.join("\n"))
    }
}

/// Polls until the source ends.
pub(crate) fn read_all(source: &mut dyn Source) -> Result<Read> {
    let mut read = Read::default();
    while let Some((rows, bad)) = poll(source, usize::MAX)? {
        read.rows.extend(rows_of(&rows));
        read.batches.push(rows);
        read.bad.extend(bad);
    }
    Ok(read)
}

/// One poll; `None` at the end or when there is nothing yet.
pub(crate) fn poll(source: &mut dyn Source, rows_max: usize) -> Result<Option<(RecordBatch, Vec<BadRow>)>> {
    Ok(match source.poll(rows_max)? {
        SourcePoll::Rows { changes, bad } => Some((changes.rows().clone(), bad)),
        SourcePoll::Pending(_) | SourcePoll::End => None,
    })
}

/// The rows as `1 | x | NULL`.
pub(crate) fn rows_of(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::new().with_null("NULL");
    let columns: Vec<_> = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    let row = |row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" | ");
    (0..batch.num_rows()).map(row).collect()
}

/// Columns `a BIGINT NOT NULL`, `b VARCHAR`, … from `a:int!, b:text`.
pub(crate) fn schema(columns: &str) -> SchemaRef {
    let field = |column: &str| {
        let (name, kind) = column.trim().split_once(':').unwrap();
        let data_type = match kind.trim_end_matches('!') {
            "int" => DataType::Int64,
            "small" => DataType::Int16,
            "float" => DataType::Float64,
            "text" => DataType::Utf8,
            "bool" => DataType::Boolean,
            "date" => DataType::Date32,
            "bytes" => DataType::Binary,
            "decimal" => DataType::Decimal128(10, 2),
            "ts" => DataType::Timestamp(TimeUnit::Nanosecond, None),
            "tsms" => DataType::Timestamp(TimeUnit::Millisecond, None),
            "interval" => DataType::Interval(arrow_schema::IntervalUnit::MonthDayNano),
            "list" => DataType::List(Arc::new(Field::new("item", DataType::Int64, true))),
            other => panic!("no type {other}"),
        };
        Field::new(name, data_type, !kind.ends_with('!'))
    };
    Arc::new(Schema::new(columns.split(',').map(field).collect::<Vec<_>>()))
}
