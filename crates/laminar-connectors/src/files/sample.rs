//! Which columns a text file has, by its first rows.

use std::path::Path;

use arrow_schema::SchemaRef;
use laminar_core::Result;

use super::input::{Input, check_parquet, open_file};
use super::paths::cannot_read;
use super::settings::SourceSettings;
use crate::formats::csv::CsvSampler;
use crate::formats::json::JsonSampler;
use crate::formats::parquet::parquet_schema;
use crate::formats::{Format, Sampler};

/// Records that are looked at beyond those that were asked for, where many of them are of no use.
const MORE_RECORDS_MAX: usize = 10_000;

/// The columns of `file`; `None` if it is empty.
pub(super) fn schema_of(file: &Path, settings: &SourceSettings) -> Result<Option<SchemaRef>> {
    let name = format!("'{}'", file.display());
    match settings.format_of(file)? {
        Format::Parquet => {
            check_parquet(file)?;
            parquet_schema(open_file(file)?, &name).map(Some)
        }
        Format::Csv => sampled(file, settings, CsvSampler::new(settings.dialect_of(file), &name)),
        Format::Ndjson => sampled(file, settings, JsonSampler::new(settings.json.clone(), &name)),
    }
}

fn sampled(file: &Path, settings: &SourceSettings, mut sampler: impl Sampler) -> Result<Option<SchemaRef>> {
    let mut input = Input::open(file, settings)?;
    let mut last = false;
    loop {
        let (useful, all) = sampler.seen();
        if useful >= settings.sample_rows || all >= settings.sample_rows.saturating_add(MORE_RECORDS_MAX) {
            break;
        }
        let taken = match sampler.take(input.window(), last) {
            // What is open now ends with what is added to the file.
            Err(_) if last && input.grows() && useful > 0 => break,
            taken => taken?,
        };
        match taken {
            Some(bytes) => input.consume(bytes),
            None if last => break,
            None => last = !input.fill().map_err(|error| cannot_read(file, &error))?,
        }
    }
    sampler.schema()
}
