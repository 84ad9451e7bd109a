//! Reads the options of a Nexmark source into its plan.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use laminar_core::{Code, Error, Result};

use super::bid::Channels;
use super::events::{Table, Timeline};
use super::source::{Column, Plan};
use super::{auction, bid, person};
use crate::SourceRequest;
use crate::formats::type_name::type_name;
use crate::generator::values::{did_you_mean, time_nanos};
use crate::options::{Options, invalid};

const KNOWN: [&str; 6] = ["base_time", "events", "out_of_order", "rate", "seed", "table"];
/// 2025-01-01T00:00:00Z. A fixed time, so that the same statement makes the same rows every day.
const DEFAULT_BASE_TIME: &str = "2025-01-01 00:00:00";
const DEFAULT_RATE: u64 = 10_000_000;

/// What the statement asks for.
pub(super) fn plan(mut request: SourceRequest) -> Result<Plan> {
    request.options.check_names("nexmark source", &KNOWN)?;
    let table = table(&request.name, &mut request.options)?;
    let (schema, columns) = columns(table, request.schema)?;
    let options = &mut request.options;
    let events = options.take_u64("events")?;
    let base = time_nanos("base_time", &options.take("base_time").unwrap_or_else(|| DEFAULT_BASE_TIME.to_owned()))?;
    let rate = above_zero("rate", options.take_u64("rate")?.unwrap_or(DEFAULT_RATE))?;
    let out_of_order = above_zero("out_of_order", options.take_u64("out_of_order")?.unwrap_or(1))?;
    let seed = options.take_u64("seed")?.unwrap_or(0);
    options.finish("nexmark source", &KNOWN)?;
    let timeline = Timeline { base, rate };
    let channels = Channels::new(seed);
    Ok(Plan { name: request.name, table, schema, columns, events, timeline, out_of_order, seed, channels })
}

fn above_zero(name: &str, value: u64) -> Result<u64> {
    if value > 0 { Ok(value) } else { Err(invalid(name, "0", "a whole number of at least 1")) }
}

/// The stream that `table` names, else the only one that the source's name contains.
fn table(source: &str, options: &mut Options) -> Result<Table> {
    if let Some(table) = options.take_enum("table", &Table::CHOICES)? {
        return Ok(table);
    }
    let name = source.to_lowercase();
    let mut found =
        Table::CHOICES.iter().filter(|(word, table)| name.contains(word) || (*table == Table::Person && name.contains("people")));
    match (found.next(), found.next()) {
        (Some((_, table)), None) => Ok(*table),
        _ => Err(Error::new(Code::InvalidOption, format!("which Nexmark stream is source '{source}'?"))
            .with_hint("add table = 'person', 'auction' or 'bid'")),
    }
}

fn known_columns(table: Table) -> &'static [(&'static str, Column)] {
    match table {
        Table::Person => &person::COLUMNS,
        Table::Auction => &auction::COLUMNS,
        Table::Bid => &bid::COLUMNS,
    }
}

/// The declared columns and how each is made; without a declaration all columns of the stream.
fn columns(table: Table, declared: Option<SchemaRef>) -> Result<(SchemaRef, Vec<Column>)> {
    let known = known_columns(table);
    let schema = declared.unwrap_or_else(|| {
        let all = known.iter().map(|(name, _)| Field::new(*name, native_type(name), false));
        Arc::new(Schema::new(all.collect::<Vec<_>>()))
    });
    let columns = schema.fields().iter().map(|field| column(known, field)).collect::<Result<_>>()?;
    Ok((schema, columns))
}

fn column(known: &'static [(&'static str, Column)], field: &FieldRef) -> Result<Column> {
    let plain = |name: &str| name.to_lowercase().replace('_', "");
    let Some((name, make)) = known.iter().find(|(name, _)| plain(name) == plain(field.name())) else {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        return Err(Error::new(Code::UnknownColumn, format!("Nexmark has no column '{}' here", field.name()))
            .with_hint(did_you_mean("column", field.name(), &names)));
    };
    let native = native_type(name);
    if fits(&native, field.data_type()) {
        return Ok(*make);
    }
    let (declared, native) = (type_name(field.data_type()), type_name(&native));
    Err(Error::new(Code::TypeMismatch, format!("Nexmark column '{}' is {native}, not {declared}", field.name()))
        .with_hint(format!("declare it {native}, and cast it in the query")))
}

fn native_type(name: &str) -> DataType {
    match name {
        "date_time" | "expires" => DataType::Timestamp(TimeUnit::Nanosecond, None),
        "name" | "email_address" | "credit_card" | "city" | "state" | "item_name" | "description" | "channel" | "url"
        | "extra" => DataType::Utf8,
        _ => DataType::Int64,
    }
}

/// Whether a column may be declared with this type: the native one, or another that holds the same values.
fn fits(native: &DataType, declared: &DataType) -> bool {
    match native {
        DataType::Utf8 => matches!(declared, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
        DataType::Timestamp(..) => matches!(declared, DataType::Timestamp(..)),
        _ => declared == native,
    }
}
