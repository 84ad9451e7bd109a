//! `WATERMARK FOR column AS column - INTERVAL … [WITH (strategy = …, per = …)]`.

use arrow_schema::{DataType, SchemaRef};
use laminar_core::changelog::RowKeys;
use laminar_core::expr::{Column, ExprRef};
use laminar_core::limits::WATERMARK_KEYS_MAX;
use laminar_core::time::event_time::nanos_per_unit;
use laminar_core::time::watermark::{Partitions, WatermarkPer, WatermarkRule, WatermarkSpec};
use laminar_core::{Code, Error, Result};
use laminar_sql::diagnostic::nearest;
use laminar_sql::parse::{OptionDef, WatermarkDef};

use crate::settings::duration;

/// What the watermark follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watermarked {
    /// Programs and statements give the rows, so they come from no partition.
    pub(super) is_pushed: bool,
    /// Rows are only ever added.
    pub(super) is_append: bool,
}

/// The watermark of a source or table with these columns.
pub(super) fn watermark_spec(of: Watermarked, watermark: &WatermarkDef, schema: &SchemaRef) -> Result<WatermarkSpec> {
    let name = watermark.column.text.as_str();
    let column = column_called(name, schema).map_err(|error| error.at(watermark.column.span))?;
    let data_type = schema.field(column).data_type();
    if nanos_per_unit(data_type).is_none() {
        return Err(Error::new(
            Code::TypeMismatch,
            format!("a watermark needs a TIMESTAMP or DATE column, '{name}' is {data_type}"),
        )
        .with_hint(format!("declare it as {name} TIMESTAMP"))
        .at(watermark.column.span));
    }
    let rule = watermark_rule(watermark, schema)?;
    let per = watermark_per(of, watermark, &rule, schema)?;
    Ok(WatermarkSpec { column, rule, per })
}

fn column_called(name: &str, schema: &SchemaRef) -> Result<usize> {
    schema.index_of(name).map_err(|_| {
        let error = Error::new(Code::UnknownColumn, format!("there is no column '{name}'"));
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        match nearest(name, names.iter().copied()) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None => error.with_hint(format!("the columns are: {}", names.join(", "))),
        }
    })
}

/// How the watermark follows from rows: `WITH (strategy = …)`.
fn watermark_rule(watermark: &WatermarkDef, schema: &SchemaRef) -> Result<WatermarkRule> {
    let option = |key: &str| option_called(watermark, key);
    let strategy = option("strategy").map_or("bounded", |option| option.value.as_str());
    let (own, rule) = match strategy {
        "bounded" => (None, WatermarkRule::BoundedOutOfOrderness { delay: watermark.lag }),
        "processing_time" => (None, WatermarkRule::ProcessingTime { delay: watermark.lag }),
        "ascending" => (None, WatermarkRule::Ascending),
        "periodic" => {
            let every = required(watermark, option("every"), "every", "every = '1 second'")?;
            let every = duration(&every.value).map_err(|error| error.at(every.span))?;
            (Some("every"), WatermarkRule::Periodic { delay: watermark.lag, every })
        }
        "punctuated" => {
            let marker = required(watermark, option("marker"), "marker", "marker = 'is_last', a BOOLEAN column")?;
            (Some("marker"), WatermarkRule::Punctuated { marker: boolean_column(marker, schema)? })
        }
        other => {
            let error = Error::new(Code::InvalidOption, format!("there is no watermark strategy '{other}'"));
            let error = error.with_hint("the strategies are: ascending, bounded, periodic, processing_time, punctuated");
            return Err(error.at(option("strategy").map_or(watermark.span, |option| option.span)));
        }
    };
    let is_known = |option: &&OptionDef| KNOWN_TO_ALL.contains(&option.key.as_str()) || Some(option.key.as_str()) == own;
    if let Some(other) = watermark.options.iter().find(|option| !is_known(option)) {
        let text = format!("a watermark with the strategy {strategy} has no option '{}'", other.key);
        return Err(Error::new(Code::UnknownOption, text)
            .with_hint("periodic takes every, punctuated takes marker, and all take per")
            .at(other.span));
    }
    if watermark.lag > 0 && matches!(rule, WatermarkRule::Ascending | WatermarkRule::Punctuated { .. }) {
        let text = format!("a watermark with the strategy {strategy} stays behind nothing");
        return Err(Error::new(Code::InvalidWindow, text)
            .with_hint("leave out the interval, or choose bounded")
            .at(watermark.span));
    }
    Ok(rule)
}

/// Options of a watermark whatever its strategy.
const KNOWN_TO_ALL: [&str; 4] = ["strategy", "per", "key", "max_keys"];

fn option_called<'a>(watermark: &'a WatermarkDef, key: &str) -> Option<&'a OptionDef> {
    watermark.options.iter().find(|option| option.key == key)
}

/// What has a watermark of its own: `WITH (per = …)`.
fn watermark_per(
    Watermarked { is_pushed, is_append }: Watermarked,
    watermark: &WatermarkDef,
    rule: &WatermarkRule,
    schema: &SchemaRef,
) -> Result<WatermarkPer> {
    let option = |key: &str| option_called(watermark, key);
    let per = option("per").map_or("source", |option| option.value.as_str());
    if let Some(stray) = option("key").or(option("max_keys")).filter(|_| per != "key") {
        let error = Error::new(Code::InvalidOption, format!("the option '{}' goes with per = 'key'", stray.key));
        return Err(error.with_hint("write WITH (per = 'key', key = 'device')").at(stray.span));
    }
    let refused = |code, text: &str, hint: &str| {
        let span = option("per").map_or(watermark.span, |option| option.span);
        Err(Error::new(code, text).with_hint(hint).at(span))
    };
    match (per, rule) {
        ("source", _) => Ok(WatermarkPer::Source),
        ("key" | "partition", WatermarkRule::ProcessingTime { .. }) => refused(
            Code::InvalidOption,
            "a watermark with the strategy processing_time follows the clock, which is the same for all",
            "leave out per",
        ),
        ("key", _) if !is_append => refused(
            Code::NotSupported,
            "a source whose rows can be taken back has no watermark per key",
            "leave out per, or read rows that are only added",
        ),
        ("key", _) => watermark_keys(watermark, schema),
        ("partition", _) if is_pushed => refused(
            Code::InvalidOption,
            "rows that a program pushes come from no partition",
            "write per = 'key' and name the column that tells them apart: key = 'device'",
        ),
        // The connector says later which it has.
        ("partition", _) => Ok(WatermarkPer::Partition(Partitions::InTurn(1))),
        (other, _) => {
            refused(Code::InvalidOption, &format!("there is no watermark per '{other}'"), "per is 'source', 'key' or 'partition'")
        }
    }
}

fn watermark_keys(watermark: &WatermarkDef, schema: &SchemaRef) -> Result<WatermarkPer> {
    let key = required(watermark, option_called(watermark, "key"), "key", "key = 'device', the column that tells them apart")?;
    let columns = key.value.split(',').map(|name| column_called(name.trim(), schema)).collect::<Result<Vec<_>>>();
    let columns = columns.map_err(|error| error.at(key.span))?;
    let types: Vec<DataType> = columns.iter().map(|column| schema.field(*column).data_type().clone()).collect();
    RowKeys::new(&types).map_err(|error| error.at(key.span))?;
    let Some(max) = option_called(watermark, "max_keys") else {
        return Ok(WatermarkPer::Key { columns, keys_max: WATERMARK_KEYS_MAX });
    };
    let count = max.value.replace('_', "").parse::<u32>().ok().filter(|count| *count > 0);
    let keys_max = count.ok_or_else(|| {
        let error = Error::new(Code::InvalidOption, format!("max_keys is a number of keys, not '{}'", max.value));
        error.with_hint("write max_keys = 100000").at(max.span)
    })?;
    Ok(WatermarkPer::Key { columns, keys_max: keys_max as usize })
}

fn required<'a>(watermark: &WatermarkDef, option: Option<&'a OptionDef>, key: &str, example: &str) -> Result<&'a OptionDef> {
    option.ok_or_else(|| {
        let error = Error::new(Code::InvalidOption, format!("the option '{key}' is missing"));
        error.with_hint(format!("write {example}")).at(watermark.span)
    })
}

fn boolean_column(marker: &OptionDef, schema: &SchemaRef) -> Result<ExprRef> {
    let found = schema.index_of(&marker.value).ok().filter(|column| *schema.field(*column).data_type() == DataType::Boolean);
    found.map(|column| Column::new(schema, column)).ok_or_else(|| {
        let error = Error::new(Code::UnknownColumn, format!("there is no BOOLEAN column '{}'", marker.value));
        error.with_hint("name the column that is true in the rows which say that their time is reached").at(marker.span)
    })
}
