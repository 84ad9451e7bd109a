//! What each statement does: one file a statement, and the match that finds it.

mod alter;
mod backfill;
mod backup;
mod change;
mod checkpoint;
mod create_index;
mod create_lookup;
mod create_query;
mod create_sink;
mod create_source;
mod create_subscription;
mod create_table;
mod create_view;
mod defaults;
mod define_rules;
mod drop;
mod explain;
mod explain_object;
mod fetch;
mod insert;
mod on_conflict;
mod redo;
mod rename;
mod replace;
mod replay;
mod select;
mod set;
mod show;
mod subscribe;
mod table_change;
mod table_rows;
mod target_table;
#[cfg(test)]
mod tests;
mod verify;
mod watermark;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use laminar_core::alloc::StateScope;
use laminar_core::panics::caught;
use laminar_core::{Code, Error, Result};
use laminar_sql::batch::relations_in;
use laminar_sql::parse::{
    CreateTable, DropObjects, ExplainObject, Name, ParsedStatement, Statement, VerifyView, changes_of_name,
};
use laminar_sql::with_deep_stack;

use crate::catalog::{Object, ObjectId, ObjectKind, SideName, kind_in_words, kind_name};
use crate::engine::Engine;
use crate::{Database, Notice, Rows, Subscription};

pub(crate) use backfill::Backfilled;
pub(crate) use drop::drop_all;
pub(crate) use redo::{create_again, redo};
pub(crate) use subscribe::subscribe_to_text;

/// What a statement answers.
pub enum StatementOutcome {
    /// It did what it says, as in `CREATE SOURCE trades`.
    Done {
        /// What it did.
        what: String,
        /// What is to be known of the rows with which it begins.
        notices: Vec<Notice>,
    },
    /// It found that there was nothing to do, and why: `IF NOT EXISTS`, `IF EXISTS`.
    Skipped(String),
    /// Rows were inserted.
    Inserted {
        /// How many.
        rows: u64,
        /// What is to be known of where they came from.
        notices: Vec<Notice>,
    },
    /// Rows were updated.
    Updated {
        /// How many.
        rows: u64,
        /// What is to be known of what their new values were computed from.
        notices: Vec<Notice>,
    },
    /// Rows were deleted.
    Deleted {
        /// How many.
        rows: u64,
        /// What is to be known of what they were found by.
        notices: Vec<Notice>,
    },
    /// Rows: of a query, of RETURNING, of SHOW.
    Rows(Rows),
    /// Changes that keep coming.
    Subscription(Subscription),
}

impl StatementOutcome {
    /// What is to be known beside the answer: that rows are missing, and why.
    pub fn notices(&self) -> &[Notice] {
        match self {
            StatementOutcome::Done { notices, .. }
            | StatementOutcome::Inserted { notices, .. }
            | StatementOutcome::Updated { notices, .. }
            | StatementOutcome::Deleted { notices, .. } => notices,
            StatementOutcome::Skipped(_) => &[],
            StatementOutcome::Rows(rows) => &rows.notices,
            StatementOutcome::Subscription(subscription) => subscription.notices(),
        }
    }

    fn done(what: impl Into<String>) -> Self {
        StatementOutcome::Done { what: what.into(), notices: Vec::new() }
    }
}

/// Runs a statement; in a database with a directory, until what it did lasts.
pub(crate) fn run(database: &Database, parsed: &ParsedStatement) -> Result<StatementOutcome> {
    let _backfilled = backfilled(database, parsed)?;
    run_backfilled(database, parsed)
}

/// What others need not wait for while the statement runs.
pub(crate) fn backfilled<'a>(database: &'a Database, parsed: &ParsedStatement) -> Result<Option<Backfilled<'a>>> {
    with_deep_stack(|| caught(|| backfill::before(database, &parsed.statement, &parsed.text)))
}

/// Runs a statement after [`backfilled`]. What panics in it is a mistake of ours, which must not end the program.
pub(crate) fn run_backfilled(database: &Database, parsed: &ParsedStatement) -> Result<StatementOutcome> {
    let outcome = with_deep_stack(|| caught(|| run_here(database, parsed)))?;
    let is_acknowledged = matches!(parsed.statement, Statement::Acknowledge(_));
    if database.durable.is_some() && (is_acknowledged || changes_something(&parsed.statement)) {
        database.let_go_when_durable(database.lock())?;
    }
    Ok(outcome)
}

/// Whether a statement changes objects or rows, so that a script which is run anew does not do it a second time. What a reader fetches and acknowledges goes
/// on instead.
pub(crate) fn changes_something(statement: &Statement) -> bool {
    !matches!(
        statement,
        Statement::Select(_)
            | Statement::Subscribe(_)
            | Statement::Fetch(_)
            | Statement::Acknowledge(_)
            | Statement::Show(_)
            | Statement::Describe(_)
            | Statement::Explain(_)
            | Statement::ExplainObject(_)
            | Statement::Verify(_)
            | Statement::Set(_)
            | Statement::Checkpoint
            | Statement::Backup(_)
    )
}

fn run_here(database: &Database, parsed: &ParsedStatement) -> Result<StatementOutcome> {
    // A statement may bring as many rows as there is state.
    let _scope = StateScope::enter();
    let text = parsed.text.as_str();
    match &parsed.statement {
        Statement::Select(query) => select::run(database, query, text),
        Statement::Subscribe(subscribe) => subscribe::run(database, subscribe, text),
        Statement::Fetch(fetch) => fetch::fetch(database, fetch),
        Statement::Acknowledge(acknowledge) => fetch::acknowledge(&mut database.lock(), acknowledge),
        Statement::Insert(insert) => insert::run(database, insert, text),
        Statement::CreateTable(create @ CreateTable { query: Some(query), .. }) => {
            create_table::run_as(database, create, query, text)
        }
        Statement::Update(update) => change::update(database, update, text),
        Statement::Delete(delete) => change::delete(database, delete, text),
        Statement::Truncate(truncate) => change::truncate(database, truncate),
        Statement::Verify(verify) => verify::run(database, verify),
        Statement::Checkpoint => checkpoint::run(database),
        Statement::Backup(backup) => backup::run(database, backup),
        Statement::Replay(replay) => replay::run(database, replay),
        Statement::Drop(drop) if database.durable.is_some() => run_drop(database, drop),
        other => run_locked(&mut database.lock(), other, text),
    }
}

/// Drops objects of a database with a directory. What a sink has written belongs to a checkpoint before it is gone: rows of sources that are read again would
/// not come to it any more.
fn run_drop(database: &Database, drop: &DropObjects) -> Result<StatementOutcome> {
    let sinks = |engine: &Engine| engine.catalog.iter().filter(|object| object.kind() == ObjectKind::Sink).count();
    let before = sinks(&database.lock());
    if before > 0 && (drop.cascade || drop.kind == ObjectKind::Sink) {
        database.checkpoint()?;
    }
    let outcome = drop::run(&mut database.lock(), drop)?;
    if sinks(&database.lock()) < before {
        database.checkpoint()?;
    }
    Ok(outcome)
}

/// Runs a statement that needs the engine all the time.
fn run_locked(engine: &mut Engine, statement: &Statement, text: &str) -> Result<StatementOutcome> {
    match statement {
        Statement::Drop(drop) => drop::run(engine, drop),
        Statement::Rename(rename) => rename::run(engine, rename),
        Statement::Show(show) => show::run(engine, show),
        Statement::Describe(name) => show::describe(engine, name),
        Statement::Explain(explain) => engine.and_nothing_more(|engine| explain::run(engine, explain, text)),
        Statement::ExplainObject(explain) => explain_object::run(engine, explain),
        Statement::Set(set) => set::run(engine, set),
        other => engine.all_or_nothing(|engine| create(engine, other, text)),
    }
}

fn create(engine: &mut Engine, statement: &Statement, text: &str) -> Result<StatementOutcome> {
    match statement {
        Statement::CreateSource(create) => create_source::run(engine, create, text),
        Statement::CreateTable(create) => create_table::run(engine, create, text),
        Statement::CreateLookup(create) => create_lookup::run(engine, create, text),
        Statement::CreateStream(create) => create_query::run(engine, create, text, ObjectKind::Stream),
        Statement::CreateMaterializedView(create) => create_query::run(engine, create, text, ObjectKind::MaterializedView),
        Statement::CreateView(create) => create_view::run(engine, create, text),
        Statement::Alter(alter) => alter::run(engine, alter, text),
        Statement::CreateSink(create) => create_sink::run(engine, create, text),
        Statement::CreateSubscription(create) => create_subscription::run(engine, create, text),
        Statement::CreateIndex(create) => create_index::run(engine, create, text),
        Statement::Drop(_)
        | Statement::Rename(_)
        | Statement::Show(_)
        | Statement::Describe(_)
        | Statement::Explain(_)
        | Statement::ExplainObject(_)
        | Statement::Verify(_)
        | Statement::Checkpoint
        | Statement::Backup(_)
        | Statement::Fetch(_)
        | Statement::Acknowledge(_)
        | Statement::Replay(_)
        | Statement::Set(_)
        | Statement::Select(_)
        | Statement::Subscribe(_)
        | Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Truncate(_) => Err(Error::internal("this creates nothing")),
    }
}

/// Whether a bounded input is still being read of a SELECT over stored rows, of a statement that changes some, or of an object of which is told
/// what it did.
pub(crate) fn waits_for_inputs(engine: &Engine, parsed: &ParsedStatement) -> bool {
    let (query, table) = match &parsed.statement {
        Statement::ExplainObject(ExplainObject { name, .. }) | Statement::Verify(VerifyView { name }) => {
            let objects: Vec<ObjectId> = engine.catalog.id_of(&name.text).into_iter().collect();
            return engine.waits_for_ends(&engine.catalog.with_feeders(&objects));
        }
        Statement::Replay(replay) => {
            let objects: Vec<ObjectId> = engine.catalog.side(&replay.from.text).map(|side| side.object).into_iter().collect();
            return engine.waits_for_ends(&engine.catalog.with_feeders(&objects));
        }
        Statement::Fetch(fetch) => {
            let objects: Vec<ObjectId> = engine.catalog.id_of(&fetch.subscription.text).into_iter().collect();
            return engine.waits_for_ends(&engine.catalog.with_feeders(&objects));
        }
        Statement::Select(query) => (query, None),
        Statement::Update(change) | Statement::Delete(change) => (&change.rows, Some(change.table.text.clone())),
        _ => return false,
    };
    let names = relations_in(query).into_iter().chain(table);
    let names = names.map(|name| SideName::parse(&name).map_or(name, |side| side.object));
    let objects: Vec<ObjectId> = names.filter_map(|name| engine.catalog.id_of(&name)).collect();
    !select::reads_stream(engine, query) && engine.waits_for_ends(&engine.catalog.with_feeders(&objects))
}

/// Names of side outputs belong to no object of their own.
fn refuse_side_name(name: &Name) -> Result<()> {
    if changes_of_name(&name.text).is_some() {
        let text = "names that end in $changes belong to the changes of another object";
        return Err(Error::new(Code::InvalidQuery, text).with_hint("choose another name").at(name.span));
    }
    let Some(SideName { side, .. }) = SideName::parse(&name.text) else { return Ok(()) };
    let text = format!("names that end in {} belong to rows that another object could not use", side.suffix());
    Err(Error::new(Code::InvalidQuery, text).with_hint("choose another name").at(name.span))
}

/// Fails if a statement that begins with `verb` names an object of another kind than it says.
fn refuse_other_kind(object: &Object, asked: ObjectKind, verb: &str, name: &Name) -> Result<()> {
    if object.kind() == asked {
        return Ok(());
    }
    let text = format!("'{}' is {}, not {}", name.text, kind_in_words(object.kind()), kind_in_words(asked));
    let hint = format!("write {verb} {} {}", kind_name(object.kind()), name.text);
    Err(Error::new(Code::InvalidQuery, text).with_hint(hint).at(name.span))
}

/// Whether a `CREATE` may go on: the name must be free. What can be replaced does not come here.
fn name_is_free(engine: &Engine, name: &Name, if_not_exists: bool, or_replace: bool) -> Result<Option<StatementOutcome>> {
    refuse_side_name(name)?;
    let Some(existing) = engine.catalog.get(&name.text) else { return Ok(None) };
    let kind = kind_name(existing.kind());
    if if_not_exists {
        return Ok(Some(StatementOutcome::Skipped(format!("{kind} '{}' exists already", name.text))));
    }
    let error = Error::new(Code::ObjectExists, format!("{} '{}' exists already", kind.to_lowercase(), name.text)).at(name.span);
    Err(if or_replace {
        error
            .with_detail("CREATE OR REPLACE of something that exists is not built yet")
            .with_hint(format!("DROP {kind} {} first", name.text))
    } else {
        error.with_hint(format!("DROP {kind} {}, choose another name, or write IF NOT EXISTS", name.text))
    })
}

/// Rows of text.
fn text_rows(columns: &[&str], rows: Vec<Vec<String>>) -> Result<StatementOutcome> {
    let fields: Vec<Field> = columns.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
    let schema = Arc::new(Schema::new(fields));
    let column = |index: usize| Arc::new(rows.iter().map(|row| Some(row[index].as_str())).collect::<StringArray>()) as ArrayRef;
    let batch = RecordBatch::try_new(schema, (0..columns.len()).map(column).collect())?;
    Ok(StatementOutcome::Rows(Rows::from(batch)))
}
