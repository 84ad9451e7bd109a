//! Reads the options of a generator into its plan.

use std::collections::BTreeMap;

use arrow_schema::SchemaRef;
use laminar_core::{Code, Error, Result};

use super::fields::{FieldOptions, Setting};
use super::source::Plan;
use super::values::{did_you_mean, duration_nanos, positive, time_nanos};
use crate::SourceRequest;
use crate::options::Options;

/// The options of the generator as a whole.
const KNOWN: [&str; 6] = ["fields.<column>.<option>", "max_out_of_order", "rate", "rows", "seed", "start"];

/// 2025-01-01T00:00:00Z. A fixed time, so that the same statement makes the same rows every day.
const DEFAULT_START: &str = "2025-01-01 00:00:00";

/// Event time between two rows when there is no rate to derive it from: a millisecond.
const DEFAULT_STEP_NANOS: i64 = 1_000_000;

/// What the statement asks for; `now` is the time that `start = 'now'` means.
pub(crate) fn plan(mut request: SourceRequest, now: i64) -> Result<Plan> {
    request.options.check_names("generator source", &KNOWN)?;
    let schema = request.schema.take().filter(|schema| !schema.fields().is_empty());
    let schema = schema.ok_or_else(|| needs_columns(&request.name))?;
    let options = &mut request.options;
    let rate = options.take("rate").map(|text| positive("rate", &text)).transpose()?;
    let rows = options.take_u64("rows")?;
    let setting = setting(options, rate, now)?;
    let columns = columns(options, &schema, &setting)?;
    options.finish("generator source", &KNOWN)?;
    Ok(Plan { name: request.name, schema, columns, rows, rate, start: setting.start })
}

fn needs_columns(name: &str) -> Error {
    Error::new(Code::InvalidOption, format!("generator source '{name}' has no columns")).with_hint(format!(
        "declare them: CREATE SOURCE {name} (id BIGINT, price DOUBLE, ts TIMESTAMP) FROM GENERATOR (rows = 1000)"
    ))
}

fn setting(options: &mut Options, rate: Option<f64>, now: i64) -> Result<Setting> {
    let start = options.take("start").unwrap_or_else(|| DEFAULT_START.to_owned());
    let start = match start.trim() {
        "now" | "now()" => now,
        time => time_nanos("start", time)?,
    };
    let behind = match options.take("max_out_of_order") {
        Some(text) => duration_nanos("max_out_of_order", &text)?,
        None => 0,
    };
    let step = rate.map_or(DEFAULT_STEP_NANOS, |rate| ((1e9 / rate).round() as i64).max(1));
    Ok(Setting { seed: options.take_u64("seed")?.unwrap_or(0), start, step, behind: behind.unsigned_abs() })
}

/// One plan a column. `fields.<column>.<option>` is matched to columns by name, whatever the case.
fn columns(options: &mut Options, schema: &SchemaRef, setting: &Setting) -> Result<Vec<super::column::Column>> {
    let mut fields: BTreeMap<String, FieldOptions<'_>> =
        schema.fields().iter().map(|field| (field.name().to_lowercase(), FieldOptions::new(field))).collect();
    let names: Vec<String> = options.names().filter(|name| name.starts_with("fields.")).map(str::to_owned).collect();
    for name in names {
        let value = options.take(&name).unwrap_or_default();
        let (column, property) = name["fields.".len()..].rsplit_once('.').ok_or_else(|| {
            Error::new(Code::UnknownOption, format!("option '{name}' names no column or no property"))
                .with_hint("write fields.<column>.<option>, such as 'fields.price.min' = '10'")
        })?;
        match fields.get_mut(column) {
            Some(field) => field.set(property, value)?,
            None => return Err(unknown_column(&name, column, schema)),
        }
    }
    let mut column_of = |name: &str| fields.remove(&name.to_lowercase());
    let plan = |field: &arrow_schema::FieldRef| match column_of(field.name()) {
        Some(field) => field.column(setting),
        None => Err(Error::new(Code::InvalidOption, format!("two columns are called '{}'", field.name()))),
    };
    schema.fields().iter().map(plan).collect()
}

fn unknown_column(option: &str, column: &str, schema: &SchemaRef) -> Error {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    Error::new(Code::UnknownColumn, format!("option '{option}' names column '{column}', which the source does not have"))
        .with_hint(did_you_mean("column", column, &names))
}
