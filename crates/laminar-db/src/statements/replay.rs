//! `REPLAY object$errors INTO source`: rows that were rejected are read again and pushed; those that go leave the side output.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::{RecordBatch, StringArray};
use arrow_schema::SchemaRef;
use laminar_connectors::{BadRow, Reread};
use laminar_core::{ChangeBatch, Code, Error, NodeId, Result};
use laminar_sql::parse::{ConnectorDef, Replay, Statement, parse_statement};

use super::{StatementOutcome, text_rows};
use crate::Database;
use crate::catalog::{Definition, Object, ObjectId, Side, kind_name};
use crate::engine::{Engine, LateTarget, options_of};

/// A row that was rejected: what is to be pushed of it, or why it stays.
type Candidate = Result<ChangeBatch, String>;

/// Reasons that are told; the rows of others are only counted.
const REASONS_MAX: usize = 20;

pub(super) fn run(database: &Database, replay: &Replay) -> Result<StatementOutcome> {
    let outcome = replayed(&mut *database.lock_for_rows(&[&replay.into.text])?, replay)?;
    if database.durable.is_some() {
        // The log knows which rows have come in, but not where they are rejected no more.
        database.checkpoint()?;
    }
    Ok(outcome)
}

fn replayed(engine: &mut Engine, replay: &Replay) -> Result<StatementOutcome> {
    engine.settle()?;
    let side = engine.catalog.side(&replay.from.text).ok_or_else(|| no_side(engine, replay))?;
    let target = Target::of(engine, replay)?;
    let (schema, rows) =
        engine.side_outputs.table(side).unwrap_or_else(|| (SchemaRef::new(arrow_schema::Schema::empty()), vec![]));
    let candidates = match side.side {
        Side::Late => target.late_rows(replay, &schema, &rows)?,
        Side::Errors => read_again(engine, replay, side.object, &target, &rows)?,
    };
    let stayed = target.push(engine, candidates)?;
    engine.side_outputs.take_out(side, &stayed.iter().map(Option::is_none).collect::<Vec<_>>())?;
    engine.settle_for(target.node)?;
    report(&stayed)
}

fn no_side(engine: &Engine, replay: &Replay) -> Error {
    let name = &replay.from;
    let error = match engine.catalog.get(&name.text).is_some() {
        true => Error::new(Code::InvalidQuery, format!("'{}' is no rows that an object rejected", name.text)).with_hint(format!(
            "write REPLAY {0}$errors or REPLAY {0}$late; INSERT INTO … SELECT takes rows of an object",
            name.text
        )),
        false => engine.catalog.unknown(&name.text),
    };
    error.at(name.span)
}

/// Where the rows go.
struct Target {
    id: ObjectId,
    name: String,
    node: NodeId,
    schema: SchemaRef,
    key: Vec<usize>,
}

impl Target {
    fn of(engine: &mut Engine, replay: &Replay) -> Result<Self> {
        let object = engine.catalog.require(&replay.into)?;
        let (id, name) = (object.id, object.name.clone());
        let (schema, key) = match &object.definition {
            Definition::Source(source) => (source.properties.schema.clone(), source.key.clone()),
            Definition::Table(table) => (table.properties.schema.clone(), table.key.clone()),
            _ => return Err(takes_none(object).at(replay.into.span)),
        };
        let node = engine.replay_target(id).map_err(|error| error.at(replay.into.span))?;
        Ok(Self { id, name, node, schema, key })
    }

    /// Late rows with the columns of the target, by name.
    fn late_rows(&self, replay: &Replay, late: &SchemaRef, rows: &[RecordBatch]) -> Result<Vec<Candidate>> {
        if let Some(field) = replay.fields.first() {
            let error = Error::new(Code::InvalidQuery, "late rows have columns, so their fields need no names").at(field.span);
            return Err(error.with_hint("leave out the names in parentheses"));
        }
        let arranger = LateTarget::for_replay((self.id, self.node), (self.name.as_str(), &self.schema), late, replay.into.span)?;
        let each = rows.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| batch.slice(row, 1)));
        each.map(|row| Ok(arranger.arrange_one(&row)?.map(ChangeBatch::append))).collect()
    }

    /// Pushes what can be pushed; of each candidate why it stays, or that it went.
    fn push(&self, engine: &mut Engine, candidates: Vec<Candidate>) -> Result<Vec<Option<String>>> {
        let whole: Vec<ChangeBatch> = candidates.iter().flatten().cloned().collect();
        if let [first, ..] = whole.as_slice() {
            let schema = first.schema();
            if engine.push_again(self.id, self.node, ChangeBatch::concat(&schema, &whole)?).is_ok() {
                return Ok(candidates.into_iter().map(Result::err).collect());
            }
        }
        // One of them is refused: each for itself.
        let mut one = |candidate: Candidate| match candidate {
            Ok(changes) => engine.push_again(self.id, self.node, changes).err().map(|error| error.message().to_owned()),
            Err(reason) => Some(reason),
        };
        Ok(candidates.into_iter().map(&mut one).collect())
    }
}

fn takes_none(object: &Object) -> Error {
    let text = format!("rows cannot be pushed into {} '{}'", kind_name(object.kind()).to_lowercase(), object.name);
    Error::new(Code::InvalidQuery, text).with_hint("REPLAY … INTO a source or table that it reads from")
}

/// Reads the records of a source again, with the columns of the target.
fn read_again(engine: &Engine, replay: &Replay, from: ObjectId, target: &Target, rows: &[RecordBatch]) -> Result<Vec<Candidate>> {
    let refused = |text: String, hint: &str| Err(Error::new(Code::NotSupported, text).with_hint(hint).at(replay.from.span));
    let (columns, connector, declared) = match engine.catalog.object(from).map(|object| (object, &object.definition)) {
        Some((object, Definition::Source(source))) => {
            (source.properties.schema.clone(), source.connector.clone(), has_columns(object)?)
        }
        Some((object, Definition::Table(table))) => {
            (table.properties.schema.clone(), connector_of(object)?, has_columns(object)?)
        }
        _ => {
            let text = format!("rows in error of '{}' are rows within its query, which no source has sent", replay.from.text);
            return refused(
                text,
                "change the query so that it holds them: CASE, TRY_CAST, NULLIF; or INSERT the rows as they should be",
            );
        }
    };
    let Some(connector) = connector else {
        let text = format!("'{}' holds rows that a program pushed, of which only a picture is kept", replay.from.text);
        return refused(text, "push or INSERT them as they should be");
    };
    let fields: Vec<String> = replay.fields.iter().map(|field| field.text.clone()).collect();
    let reread = Reread { columns, declared, fields: &fields, into: target.schema.clone(), key: &target.key };
    let records: Vec<BadRow> = rows.iter().flat_map(bad_rows_of).collect();
    let (read, others): (Vec<_>, Vec<_>) = records.iter().cloned().enumerate().partition(|(_, record)| is_record(record));
    let (places, records): (Vec<usize>, Vec<BadRow>) = read.into_iter().unzip();
    let opened = engine.registry.get(&connector.name)?;
    let read = opened.read_again(options_of(&connector), &reread, &records).map_err(|error| error.at(replay.from.span))?;
    let mut all: BTreeMap<usize, Candidate> = places.into_iter().zip(read).collect();
    let not_kept = || Err("no record of a file: INSERT it as it should be".to_owned());
    all.extend(others.into_iter().map(|(place, _)| (place, not_kept())));
    Ok(all.into_values().collect())
}

/// Whether a bad row is a record as a connector found it, and neither a row within a graph nor a note.
fn is_record(row: &BadRow) -> bool {
    !row.raw.is_empty() && !row.position.starts_with("step ") && row.position != "LATE DATA TO"
}

fn bad_rows_of(rows: &RecordBatch) -> Vec<BadRow> {
    let text = |column: usize, row: usize| {
        let texts: Option<&StringArray> = rows.column(column).as_string_opt();
        texts.map_or_else(String::new, |texts| texts.value(row).to_owned())
    };
    let row = |row| BadRow { raw: text(0, row), reason: text(1, row), position: text(2, row) };
    (0..rows.num_rows()).map(row).collect()
}

/// Whether the definition says which columns there are.
fn has_columns(object: &Object) -> Result<bool> {
    Ok(match parse_statement(&object.sql)?.statement {
        Statement::CreateSource(create) => !create.columns.is_empty(),
        Statement::CreateTable(create) => !create.columns.is_empty(),
        _ => true,
    })
}

fn connector_of(object: &Object) -> Result<Option<ConnectorDef>> {
    Ok(match parse_statement(&object.sql)?.statement {
        Statement::CreateTable(create) => create.connector,
        _ => None,
    })
}

/// How many went, and how many stayed for which reason.
fn report(stayed: &[Option<String>]) -> Result<StatementOutcome> {
    let went = stayed.iter().filter(|reason| reason.is_none()).count();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    stayed.iter().flatten().for_each(|reason| *reasons.entry(reason).or_default() += 1);
    let mut most: Vec<(&str, usize)> = reasons.into_iter().collect();
    most.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
    let others: usize = most.iter().skip(REASONS_MAX).map(|(_, rows)| rows).sum();
    most.truncate(REASONS_MAX);
    let line = |result: &str, rows: usize, reason: &str| vec![result.to_owned(), rows.to_string(), reason.to_owned()];
    let mut lines = vec![line("went", went, "")];
    lines.extend(most.into_iter().map(|(reason, rows)| line("stayed", rows, reason)));
    if others > 0 {
        lines.push(line("stayed", others, "for other reasons"));
    }
    text_rows(&["result", "rows", "reason"], lines)
}
