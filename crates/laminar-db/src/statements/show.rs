//! `SHOW` and `DESCRIBE`.

use arrow_schema::Field;
use laminar_core::time::Watermark;
use laminar_core::{Code, Error, NodeId, Result};
use laminar_sql::parse::{Name, Show};

use super::{StatementOutcome, checkpoint, create_index, fetch, text_rows};
use crate::catalog::{Definition, Object, ObjectKind, kind_in_words, kind_name};
use crate::engine::{BackfillProgress, Engine, LookupStatus};
use crate::{ObjectStatus, Retrying, Status};

pub(super) fn run(engine: &mut Engine, show: &Show) -> Result<StatementOutcome> {
    match show {
        Show::Objects(ObjectKind::Subscription) => fetch::show(engine),
        Show::Objects(ObjectKind::LookupTable) => lookups(engine),
        Show::Objects(ObjectKind::Index) => create_index::show(engine),
        Show::Objects(kind) => objects(engine, Some(*kind)),
        Show::All => objects(engine, None),
        Show::Jobs => jobs(engine),
        Show::State => state(engine),
        Show::Memory => text_rows(&["name", "bytes"], engine.memory_rows()),
        Show::Checkpoints => checkpoint::show(engine),
        Show::Columns(name) => describe(engine, name),
        Show::Create { kind, name } => create(engine, *kind, name),
        Show::Setting(name) => setting(engine, name),
    }
}

fn objects(engine: &Engine, kind: Option<ObjectKind>) -> Result<StatementOutcome> {
    let chosen = engine.catalog.iter().filter(|object| kind.is_none_or(|kind| object.kind() == kind));
    let row = |object: &Object| {
        let columns = match object.properties() {
            None => String::new(),
            Some(properties) => {
                properties.schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
            }
        };
        let kind = kind_name(object.kind()).to_lowercase();
        vec![
            object.name.clone(),
            kind,
            engine.catalog.names_of(&object.depends_on).join(", "),
            object.changes_text().to_owned(),
            columns,
        ]
    };
    text_rows(&["name", "kind", "reads_from", "changes", "columns"], chosen.map(row).collect())
}

fn jobs(engine: &mut Engine) -> Result<StatementOutcome> {
    let status = Status::of(engine);
    let runs = |object: &&ObjectStatus| !matches!(object.kind, ObjectKind::View | ObjectKind::Subscription | ObjectKind::Index);
    let rows = status.objects.iter().filter(runs).map(|object| {
        vec![
            object.name.clone(),
            kind_name(object.kind).to_lowercase(),
            state_of(object),
            object.rows.to_string(),
            object.late.to_string(),
            object.errors.to_string(),
            object.watermark.to_string(),
            object.state_bytes.to_string(),
            object.steps.runs.to_string(),
            object.steps.overruns.to_string(),
            length(object.steps.worst_ns),
        ]
    });
    let backfills = engine.backfills().map(|BackfillProgress { name, kind, done, stored }| {
        let state = format!("computes its first rows: {done} of {stored} are read");
        let kind = kind_name(kind).to_lowercase();
        let counts = [done, 0, 0].map(|count| count.to_string());
        let rest = [Watermark::START.to_string(), "0".to_owned(), "0".to_owned(), "0".to_owned(), length(0)];
        [name.to_owned(), kind, state].into_iter().chain(counts).chain(rest).collect()
    });
    text_rows(&JOBS, rows.chain(backfills).collect())
}

/// What an object is doing, in words.
fn state_of(object: &ObjectStatus) -> String {
    if let (None, Some(Retrying { error, attempts, again_in })) = (&object.failed, &object.retrying) {
        let again_in = length(u64::try_from(again_in.as_nanos()).unwrap_or(u64::MAX));
        return format!("retrying in {again_in}, because {} (attempt {attempts})", error.message());
    }
    match (&object.failed, &object.held_back_by, &object.waits_for) {
        (Some(error), ..) => format!("failed: {}", error.message()),
        _ if object.ended => "ended".to_owned(),
        _ if object.out_of_memory => "waits: memory_limit is reached".to_owned(),
        (None, Some((subscription, steps)), _) => {
            format!("held back by a subscription to '{subscription}': {steps} steps wait to be read")
        }
        (None, None, Some(slowest)) => format!("waits for '{slowest}', whose watermark is too far behind"),
        (None, None, None) => "running".to_owned(),
    }
}

/// `SHOW LOOKUP TABLES`: what is in the cache of each, and how much it was of use.
fn lookups(engine: &mut Engine) -> Result<StatementOutcome> {
    let status = Status::of(engine);
    let mut rows = Vec::new();
    for id in engine.instances.lookups().to_vec() {
        let LookupStatus { metrics, cached, absent, wanted, asked } = engine.lookup_status(id)?;
        let name = engine.catalog.name_of(id).to_owned();
        let state = status.object(&name).map(state_of).unwrap_or_default();
        let outside = engine.readers.iter().find(|reader| reader.object == id).map(|reader| reader.describe_position());
        let numbers = [metrics.hits, metrics.misses, asked, cached as u64, absent as u64, wanted as u64, metrics.waiting_rows];
        let numbers = numbers.iter().map(u64::to_string);
        rows.push([name, state].into_iter().chain(numbers).chain([outside.unwrap_or_default()]).collect());
    }
    rows.sort();
    text_rows(&LOOKUPS, rows)
}

/// What `SHOW LOOKUP TABLES` says: rows whose key was in the cache when they came, and those whose was not; keys that were asked for, that are
/// in the cache, of these without a row, that are being asked for; rows that wait; what is asked.
const LOOKUPS: [&str; 10] = ["name", "state", "hits", "misses", "asked", "cached", "absent", "wanted", "waiting_rows", "outside"];

/// What each operator holds, and the changes that wait for subscriptions.
fn state(engine: &mut Engine) -> Result<StatementOutcome> {
    let nodes: Vec<(NodeId, String, &str)> =
        engine.reactor.graph().nodes().map(|node| (node.id, node.name.clone(), node.kind.name())).collect();
    let mut rows = Vec::new();
    for (id, name, operator) in nodes {
        let metrics = engine.reactor.graph_mut().metrics(id)?;
        if metrics.state_rows > 0 {
            rows.push(vec![name, operator.to_owned(), metrics.state_rows.to_string(), metrics.state_bytes.to_string()]);
        }
    }
    for (id, _) in engine.instances.iter() {
        let usage = engine.instances.table(id).map(|table| table.rules.uniques.usage());
        if let Some((keys, bytes)) = usage.filter(|(keys, _)| *keys > 0) {
            rows.push(vec![engine.catalog.name_of(id).to_owned(), "unique keys".to_owned(), keys.to_string(), bytes.to_string()]);
        }
    }
    rows.extend(
        engine
            .history_usage()
            .map(|(name, steps, bytes)| vec![name.to_owned(), "history".to_owned(), steps.to_string(), bytes.to_string()]),
    );
    text_rows(&["object", "operator", "rows", "bytes"], rows)
}

/// What `SHOW JOBS` says of an object. The last three are about the steps of the part of the graph with which it is connected.
const JOBS: [&str; 11] =
    ["name", "kind", "state", "rows", "late", "errors", "watermark", "state_bytes", "timed_steps", "overruns", "longest_step"];

/// A length of time as people read it.
fn length(nanos: u64) -> String {
    match nanos {
        0..1_000_000 => format!("{} us", nanos / 1_000),
        _ => format!("{} ms", (nanos / 10_000) as f64 / 100.0),
    }
}

fn create(engine: &Engine, kind: Option<ObjectKind>, name: &Name) -> Result<StatementOutcome> {
    let object = engine.catalog.require(name)?;
    if let Some(asked) = kind
        && asked != object.kind()
    {
        let (is, asked) = (kind_in_words(object.kind()), kind_in_words(asked));
        return Err(Error::new(Code::InvalidQuery, format!("'{}' is {is}, not {asked}", name.text)).at(name.span));
    }
    text_rows(&["name", "statement"], vec![vec![object.name.clone(), object.sql.clone()]])
}

fn setting(engine: &Engine, name: &Name) -> Result<StatementOutcome> {
    match engine.settings.get(&name.text) {
        Some(value) => text_rows(&[name.text.as_str()], vec![vec![value]]),
        None => Err(Error::new(Code::UnknownOption, format!("there is no setting '{}'", name.text))
            .with_hint(format!("the settings are: {}", crate::settings::NAMES.join(", ")))
            .at(name.span)),
    }
}

/// `DESCRIBE name`: columns with their types and what is known of them.
pub(super) fn describe(engine: &Engine, name: &Name) -> Result<StatementOutcome> {
    if let Some(schema) = engine.catalog.side(&name.text).and_then(|side| engine.side_outputs.schema(side)) {
        return text_rows(&COLUMNS, schema.fields().iter().map(|field| described(field, String::new())).collect());
    }
    let object = engine.catalog.require(name)?;
    if let Definition::Lookup(lookup) = &object.definition {
        return text_rows(&COLUMNS, lookup.columns.fields().iter().map(|field| described(field, String::new())).collect());
    }
    let Some(properties) = object.properties() else {
        return Err(Error::new(
            Code::InvalidQuery,
            format!("'{}' is {}: it has no columns of its own", name.text, kind_in_words(object.kind())),
        )
        .with_hint(format!("SHOW CREATE {} tells what it does", name.text))
        .at(name.span));
    };
    let columns = properties.schema.fields().iter().enumerate().map(|(index, field)| {
        let note = match properties.time_column(index) {
            Some(time) if time.lag == 0 => "follows the watermark".to_owned(),
            Some(time) => format!("follows the watermark, at most {} s behind", time.lag as f64 / 1e9),
            None => String::new(),
        };
        described(field, note)
    });
    let Definition::Table(table) = &object.definition else { return text_rows(&COLUMNS, columns.collect()) };
    if !table.says_more() {
        return text_rows(&COLUMNS, columns.collect());
    }
    let rows = columns.enumerate().map(|(index, column)| {
        let (default, checks) = table.described(index);
        column.into_iter().chain([default, checks]).collect()
    });
    text_rows(&[&COLUMNS[..], &["default", "checks"]].concat(), rows.collect())
}

/// What `DESCRIBE` says of every column; of a table with rules it says these too.
const COLUMNS: [&str; 4] = ["column", "type", "nullable", "event_time"];

fn described(field: &Field, note: String) -> Vec<String> {
    let nullable = if field.is_nullable() { "yes" } else { "no" };
    vec![field.name().clone(), field.data_type().to_string(), nullable.to_owned(), note]
}
