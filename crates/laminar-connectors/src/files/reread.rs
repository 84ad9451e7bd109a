//! Records that could not be read, read again one by one, into columns that may be others now.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::{ChangeBatch, Code, Error, Result};

use super::enveloped;
use super::settings::SourceSettings;
use super::text_file::is_cut;
use crate::formats::csv::{CsvDecoder, Dialect};
use crate::formats::envelope::EnvelopeDecoder;
use crate::formats::ndjson::NdjsonDecoder;
use crate::formats::{Decoder, Format, Taken};
use crate::registry::Reread;
use crate::{BadRow, Options};

/// What became of a record: its changes, or why it still cannot be read.
type Read = Result<ChangeBatch, String>;

/// Reads `records` again, which a source with these options rejected.
pub(super) fn read_again(options: Options, reread: &Reread<'_>, records: &[BadRow]) -> Result<Vec<Read>> {
    let settings = SourceSettings::parse(options)?;
    let path = std::path::Path::new(&settings.path);
    let envelope = settings.envelope.map(|envelope| enveloped::decoder(envelope, Some(&reread.into), reread.key)).transpose()?;
    let schema = envelope.as_ref().map_or(&reread.into, EnvelopeDecoder::records).clone();
    let decoders = match settings.format_of(path)? {
        Format::Parquet => {
            return Err(Error::new(Code::NotSupported, "rows of Parquet files are not kept as they were written")
                .with_hint("declare the columns with types that hold the values, and read the files again"));
        }
        Format::Ndjson => Decoders { csv: None, schema, settings: &settings },
        Format::Csv => {
            let fields = fields_of(&settings, reread)?;
            Decoders { csv: Some((settings.dialect_of(path), fields)), schema, settings: &settings }
        }
    };
    records.iter().map(|record| decoders.read(record, envelope.as_ref())).collect()
}

/// What the fields of a CSV record are called.
fn fields_of(settings: &SourceSettings, reread: &Reread<'_>) -> Result<Vec<String>> {
    if !reread.fields.is_empty() {
        return Ok(reread.fields.to_vec());
    }
    let is_known = !settings.dialect.header || !reread.declared;
    let names = reread.columns.fields().iter().map(|field| field.name().clone());
    if is_known && settings.envelope.is_none() {
        return Ok(names.collect());
    }
    let error = Error::new(Code::InvalidQuery, "which field of a record is which column stood in the header of its file");
    let example = names.collect::<Vec<_>>().join(", ");
    Err(error.with_hint(format!("name the fields in the order of the file: REPLAY object$errors ({example}) INTO source")))
}

struct Decoders<'a> {
    /// `None`: records are JSON.
    csv: Option<(Dialect, Vec<String>)>,
    schema: SchemaRef,
    settings: &'a SourceSettings,
}

impl Decoders<'_> {
    fn read(&self, record: &BadRow, envelope: Option<&EnvelopeDecoder>) -> Result<Read> {
        if is_cut(&record.raw) {
            return Ok(Err("only the beginning of the record is kept".to_owned()));
        }
        let in_path = self.schema.fields().iter().find(|field| record.position.contains(&format!("/{}=", field.name())));
        if let Some(field) = in_path {
            return Ok(Err(format!("column '{}' stands in the path of the file", field.name())));
        }
        let rows = match self.rows_of(&record.raw)? {
            Ok(rows) => rows,
            Err(reason) => return Ok(Err(reason)),
        };
        let Some(envelope) = envelope else { return Ok(Ok(ChangeBatch::append(rows))) };
        let decoded = envelope.decode(&rows)?;
        Ok(match decoded.bad.into_iter().next() {
            Some((_, reason)) => Err(reason),
            None => Ok(decoded.changes),
        })
    }

    /// The row of a record. What was found wrong with a row that had been read is kept as JSON, whatever the file is.
    fn rows_of(&self, raw: &str) -> Result<Result<RecordBatch, String>> {
        let cells = self.settings.cells;
        let as_json = || NdjsonDecoder::new(self.schema.clone(), cells);
        // No text in JSON holds a line end as it is.
        let line = || format!("{}\n", raw.replace(['\n', '\r'], " "));
        let Some((dialect, fields)) = &self.csv else { return only_row(&mut as_json()?, &line()) };
        if raw.starts_with('{')
            && let Ok(rows) = only_row(&mut as_json()?, &line())?
        {
            return Ok(Ok(rows));
        }
        let dialect = Dialect { header: true, skip: 0, comment: None, ..dialect.clone() };
        let text = format!("{}\n{raw}\n", header(fields, &dialect));
        only_row(&mut CsvDecoder::new(self.schema.clone(), dialect, cells, "the record")?, &text)
    }
}

fn header(fields: &[String], dialect: &Dialect) -> String {
    let quoted = |field: &String| match dialect.quote.map(char::from) {
        Some(quote) => format!("{quote}{}{quote}", field.replace(quote, &format!("{quote}{quote}"))),
        None => field.clone(),
    };
    fields.iter().map(quoted).collect::<Vec<_>>().join(&char::from(dialect.delimiter).to_string())
}

/// The row of a text that has one.
fn only_row(decoder: &mut dyn Decoder, text: &str) -> Result<Result<RecordBatch, String>> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match decoder.take(rest, true)? {
            Taken::Row(extent) | Taken::Skipped(extent) if extent.bytes > 0 => rest = &rest[extent.bytes..],
            Taken::Bad(_, reason) => return Ok(Err(reason)),
            Taken::Row(_) | Taken::Skipped(_) | Taken::Incomplete => break,
        }
    }
    match decoder.rows() {
        1 => Ok(Ok(decoder.finish()?)),
        rows => Ok(Err(format!("the text holds {rows} records"))),
    }
}
