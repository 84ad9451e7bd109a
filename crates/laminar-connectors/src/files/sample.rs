//! Which columns a text file has, by its first rows.

use std::path::Path;

use arrow_schema::SchemaRef;
use laminar_core::{Code, Error, Result};

use super::input::{Input, check_parquet, open_file};
use super::paths::cannot_read;
use super::settings::SourceSettings;
use crate::formats::csv::Dialect;
use crate::formats::infer::SchemaGuess;
use crate::formats::parquet::parquet_schema;
use crate::formats::{Format, csv, ndjson};

/// The columns of `file`; `None` if it is empty.
pub(super) fn schema_of(file: &Path, settings: &SourceSettings) -> Result<Option<SchemaRef>> {
    let name = format!("'{}'", file.display());
    match settings.format_of(file)? {
        Format::Parquet => {
            check_parquet(file)?;
            parquet_schema(open_file(file)?, &name).map(Some)
        }
        Format::Csv => csv_schema(file, settings),
        Format::Ndjson => ndjson_schema(file, settings),
    }
}

fn csv_schema(file: &Path, settings: &SourceSettings) -> Result<Option<SchemaRef>> {
    let dialect = settings.dialect_of(file);
    let mut sampler = CsvSampler { guess: None, rows: 0, dialect: &dialect };
    let mut records = csv::Sampler::new(&dialect);
    let mut input = Input::open(file, settings)?;
    let mut last = false;
    while sampler.rows < settings.sample_rows {
        match records.next(input.window(), last) {
            Some(bytes) => {
                sampler.observe(&records, input.window());
                input.consume(bytes);
            }
            None if last => break,
            None => last = !input.fill().map_err(|error| cannot_read(file, &error))?,
        }
    }
    Ok(sampler.guess.map(|guess| guess.schema()))
}

struct CsvSampler<'a> {
    guess: Option<SchemaGuess>,
    rows: usize,
    dialect: &'a Dialect,
}

impl CsvSampler<'_> {
    fn observe(&mut self, records: &csv::Sampler, bytes: &[u8]) {
        let Some(cells) = records.cells(bytes, self.dialect) else { return };
        match &mut self.guess {
            None if self.dialect.header => {
                let name = |cell: &crate::formats::cell::Cell<'_>| cell.text().unwrap_or_default().trim().to_owned();
                self.guess = Some(SchemaGuess::with_names(cells.iter().map(name)));
                return;
            }
            None => self.guess = Some(SchemaGuess::with_names(cells.iter().map(|_| String::new()))),
            Some(_) => {}
        }
        if let Some(guess) = &mut self.guess
            && guess.len() == cells.len()
        {
            cells.iter().enumerate().for_each(|(index, cell)| guess.observe_text(index, cell));
            self.rows += 1;
        }
    }
}

fn ndjson_schema(file: &Path, settings: &SourceSettings) -> Result<Option<SchemaRef>> {
    let mut input = Input::open(file, settings)?;
    if is_json_array(&mut input).map_err(|error| cannot_read(file, &error))? {
        return Err(ndjson::array_error(&format!("'{}'", file.display())));
    }
    let (mut guess, mut objects, mut lines, mut last) = (SchemaGuess::default(), 0, 0, false);
    while objects < settings.sample_rows {
        match ndjson::next_line(input.window(), last) {
            Some((line, extent)) => {
                let text = std::str::from_utf8(line).unwrap_or_default().trim();
                lines += usize::from(!line.is_empty());
                objects += usize::from(!text.is_empty() && guess.observe_object(text));
                input.consume(extent.bytes);
            }
            None if last => break,
            None => last = !input.fill().map_err(|error| cannot_read(file, &error))?,
        }
    }
    if lines > 0 && objects == 0 {
        return Err(Error::new(Code::BadData, format!("'{}' has no line that is a JSON object", file.display()))
            .with_hint("NDJSON holds one object a line: {\"a\": 1, \"b\": \"x\"}"));
    }
    Ok((!guess.is_empty()).then(|| guess.schema()))
}

fn is_json_array(input: &mut Input) -> std::io::Result<bool> {
    let mut ended = false;
    loop {
        match ndjson::is_array(input.window(), ended) {
            Some(is_array) => return Ok(is_array),
            None => ended = !input.fill()?,
        }
    }
}
