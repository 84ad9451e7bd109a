//! What the engine writes into the log of a database's directory before it happens, so that what was answered with success survives a crash.
//!
//! A database in memory has no log, and nothing here does anything then. While a database is recovered, what happens stands in the log already
//! and is not written again.
//!
//! Rows are logged that come in from nowhere else: those that programs push and statements insert, and those of sources that cannot be read a
//! second time. A source that can seek is read again from where a checkpoint left it.

use laminar_connectors::Position;
use laminar_core::changelog::consolidate;
use laminar_core::dag::ChangeKind;
use laminar_core::limits::STEP_ROWS_MAX;
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Error, NodeId, Result};
use laminar_storage::{EncodedRows, LogPosition, Store, WalEntry};

use super::table_rules::TableRules;
use super::{Claim, Engine};
use crate::catalog::{Catalog, CatalogChange, Definition, Object, ObjectId};
use crate::durability::Durable;
use crate::settings::Settings;
use crate::stored::{ObjectContext, Redo};

/// The engine's end of the log.
#[derive(Default)]
pub(crate) struct Journal {
    store: Option<Store>,
    /// What waits for the log, to be told how long.
    durable: Option<Durable>,
    /// What happens stands in the log already.
    is_recovering: bool,
    /// What a statement that can still be taken back will write behind its definition.
    staged: Option<Vec<WalEntry>>,
    /// Behind the last record.
    end: Option<LogPosition>,
    /// The statements of a script that have been done.
    pub(crate) script: Vec<String>,
    /// The statement of a script that runs: that it was done is written together with what it does.
    script_statement: Option<String>,
}

impl Journal {
    /// Writes into a store from now on, but not what is recovered from it: until [`begin`](Self::begin).
    pub(crate) fn recovering(durable: Durable) -> Self {
        Self { store: Some(durable.store().clone()), durable: Some(durable), is_recovering: true, ..Self::default() }
    }

    /// Keeps to these settings from now on.
    pub(super) fn set(&self, settings: &Settings) {
        if let Some(durable) = &self.durable {
            durable.set(settings);
        }
    }

    /// All that was in the log has happened: what happens from now on is written.
    pub(crate) fn begin(&mut self) {
        self.is_recovering = false;
        self.end = self.store.as_ref().map(Store::end);
    }

    pub(crate) fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    /// Whether the database is being recovered.
    pub(crate) fn is_recovering(&self) -> bool {
        self.is_recovering
    }

    /// Behind the last record; `None`: there is no log.
    pub(crate) fn end(&self) -> Option<LogPosition> {
        self.end
    }

    fn is_written(&self) -> bool {
        self.store.is_some() && !self.is_recovering
    }

    /// Writes records; `by_statement`: what a statement or push does, and not what a reader delivers beside it.
    fn write(&mut self, records: Vec<WalEntry>, by_statement: bool) -> Result<()> {
        let Some(store) = self.store.as_ref().filter(|_| !self.is_recovering && !records.is_empty()) else { return Ok(()) };
        match &mut self.staged {
            Some(staged) => staged.extend(records),
            None => {
                let mut records = records;
                let script_statement = self.script_statement.take_if(|_| by_statement);
                if let Some(text) = &script_statement {
                    records.push(script_record(now_of(&records), self.script.len(), text)?);
                }
                self.end = Some(store.append(&records)?);
                self.script.extend(script_statement);
            }
        }
        Ok(())
    }

    /// From now on records wait for [`write_staged`](Self::write_staged).
    pub(super) fn stage(&mut self) {
        self.staged = Some(Vec::new());
    }

    /// Forgets what waits.
    pub(super) fn forget_staged(&mut self) {
        self.staged = None;
    }

    /// Writes `first` and behind it what waits, all or nothing.
    fn write_staged(&mut self, first: Vec<WalEntry>) -> Result<()> {
        let staged = self.staged.take().unwrap_or_default();
        self.write(first.into_iter().chain(staged).collect(), true)
    }

    /// Writes rows that come into `object`, and where its reader stood behind them.
    pub(super) fn rows(&mut self, now: i64, object: ObjectId, changes: &ChangeBatch, position: Option<&Position>) -> Result<()> {
        if !self.is_written() {
            return Ok(());
        }
        self.write(vec![rows_record(now, object, changes, position)?], position.is_none())
    }

    /// Writes that nothing more comes into `object`.
    pub(super) fn end_of(&mut self, now: i64, object: ObjectId, by_statement: bool) -> Result<()> {
        let record = WalEntry::End { now, object: object.0 };
        if self.is_written() { self.write(vec![record], by_statement) } else { Ok(()) }
    }

    /// Writes that no row of `object` before `watermark` will come any more.
    fn commit_of(&mut self, now: i64, object: ObjectId, watermark: Watermark) -> Result<()> {
        let entry = WalEntry::Commit { now, object: object.0, watermark: watermark.0 };
        if self.is_written() { self.write(vec![entry], true) } else { Ok(()) }
    }

    /// Writes what a statement did that changed nothing of the catalog.
    pub(super) fn statement(&mut self, now: i64, redo: &Redo) -> Result<()> {
        if !self.is_written() {
            return Ok(());
        }
        self.write(vec![WalEntry::Statement { now, text: String::new(), context: redo.to_text()? }], true)
    }

    /// The statement `text` of a script begins.
    pub(crate) fn begin_script_statement(&mut self, text: &str) {
        self.script_statement = Some(text.to_owned());
    }

    /// The statement of a script has been done, or has failed; if it was done and had nothing to write, that is written now.
    pub(crate) fn end_script_statement(&mut self, now: i64, is_done: bool) -> Result<()> {
        let Some(text) = self.script_statement.take().filter(|_| is_done && self.is_written()) else { return Ok(()) };
        let record = script_record(now, self.script.len(), &text)?;
        self.write(vec![record], true)?;
        self.script.push(text);
        Ok(())
    }
}

fn script_record(now: i64, done_before: usize, text: &str) -> Result<WalEntry> {
    let redo = Redo::Script { done: done_before as u64 + 1, text: text.to_owned() };
    Ok(WalEntry::Statement { now, text: String::new(), context: redo.to_text()? })
}

fn now_of(records: &[WalEntry]) -> i64 {
    records.first().map_or(i64::MIN, WalEntry::now)
}

fn rows_record(now: i64, object: ObjectId, changes: &ChangeBatch, position: Option<&Position>) -> Result<WalEntry> {
    let position = position.map(|position: &Position| position.as_stored().to_vec()).unwrap_or_default();
    Ok(WalEntry::Rows { now, object: object.0, rows: EncodedRows::of(changes)?, position })
}

impl Engine {
    /// Takes in rows that a program or statement gives `object`, at its node `node`: into the log, then into the inbox.
    pub(crate) fn take_in(&mut self, object: ObjectId, node: NodeId, changes: ChangeBatch) -> Result<()> {
        if self.journal.is_written() || self.unique_rules(object).is_some() {
            return self.take_in_all(vec![(object, node, changes)]);
        }
        self.reactor.push(node, changes)
    }

    /// The same for rows of several objects, or several batches: all or none. Fails if two rows of a table would have one key.
    pub(crate) fn take_in_all(&mut self, rows: Vec<(ObjectId, NodeId, ChangeBatch)>) -> Result<()> {
        let fit = |(object, node, changes)| Ok((object, node, self.reactor.accepted(node, changes)?));
        let mut fitted = rows.into_iter().map(fit).collect::<Result<Vec<_>>>()?;
        let claims = self.claims_of(&mut fitted)?;
        if self.journal.is_written() {
            let now = self.clock.now();
            let some = fitted.iter().filter(|(_, _, changes)| !changes.is_empty());
            let records = some.map(|(object, _, changes)| rows_record(now, *object, changes, None)).collect::<Result<_>>()?;
            self.journal.write(records, true)?;
        }
        claims.into_iter().for_each(Claim::note);
        fitted.into_iter().try_for_each(|(_, node, changes)| self.reactor.push(node, changes))
    }

    /// What tables know of their keys when `rows` have come in.
    fn claims_of(&self, rows: &mut [(ObjectId, NodeId, ChangeBatch)]) -> Result<Vec<Claim>> {
        let mut claims = Vec::new();
        for (object, _, changes) in rows.iter_mut().filter(|(.., changes)| changes.len() > STEP_ROWS_MAX && !changes.is_append())
        {
            // Where steps are cut, a row that goes before it comes would be refused in one step and come in the next.
            if self.unique_rules(*object).is_some_and(|rules| rules.key.is_empty()) {
                *changes = consolidate(changes)?;
            }
        }
        for (place, (object, ..)) in rows.iter().enumerate() {
            let is_first = rows[..place].iter().all(|(before, ..)| before != object);
            if let Some(rules) = self.unique_rules(*object).filter(|_| is_first) {
                let own: Vec<&ChangeBatch> = rows.iter().filter(|(other, ..)| other == object).map(|(_, _, own)| own).collect();
                claims.push(rules.claimed(&own)?);
            }
        }
        Ok(claims)
    }

    /// The rules of an object that is a table with UNIQUE constraints.
    fn unique_rules(&self, object: ObjectId) -> Option<&TableRules> {
        self.instances.table(object).map(|table| table.rules.as_ref()).filter(|rules| !rules.uniques.is_empty())
    }

    /// Says, in the log too, that nothing more will be pushed into `object`, whose node is `node`.
    pub(crate) fn take_end(&mut self, object: ObjectId, node: NodeId) -> Result<()> {
        self.journal.end_of(self.clock.now(), object, true)?;
        self.reactor.end(node)
    }

    /// Takes in that no row of `object` before `watermark` will come any more; `node` is where its rows come in.
    pub(crate) fn take_watermark(&mut self, object: ObjectId, node: NodeId, watermark: Watermark) -> Result<()> {
        if watermark > self.reactor.graph().watermark(node)? {
            self.journal.commit_of(self.clock.now(), object, watermark)?;
        }
        self.reactor.advance(node, watermark)
    }

    /// Writes what changes the catalog, and what waits to be written behind it.
    pub(super) fn log_changes(&mut self, changes: &[CatalogChange]) -> Result<()> {
        let mut records = Vec::new();
        if self.journal.is_written() {
            let now = self.clock.now();
            for (redo, text) in self.redo_of(changes)? {
                records.push(WalEntry::Statement { now, text, context: redo.to_text()? });
            }
        }
        self.journal.write_staged(records)
    }

    /// How `changes` can be made again. What follows from another one is left out.
    fn redo_of(&self, changes: &[CatalogChange]) -> Result<Vec<(Redo, String)>> {
        let mut redo = Vec::new();
        let dropped: Vec<u64> = changes.iter().filter_map(dropped).collect();
        if !dropped.is_empty() {
            redo.push((Redo::Drop(dropped), String::new()));
        }
        for change in changes {
            match change {
                CatalogChange::Create(object) => redo.push((Redo::Create(context_of(object)?), object.sql.clone())),
                CatalogChange::Alter(object) => redo.extend(renamed(&self.catalog, object)?),
                CatalogChange::Replace(object) => redo.push((Redo::Replace(object.id.0), object.sql.clone())),
                CatalogChange::Drop(_) => {}
            }
        }
        Ok(redo)
    }
}

fn dropped(change: &CatalogChange) -> Option<u64> {
    if let CatalogChange::Drop(id) = change { Some(id.0) } else { None }
}

/// How an object got another name. What else changes with it follows from what changes beside it.
fn renamed(catalog: &Catalog, object: &Object) -> Result<Option<(Redo, String)>> {
    let before = catalog.object(object.id).ok_or_else(|| Error::internal(format!("there is no {}", object.id)))?;
    let redo = || (Redo::Rename { object: object.id.0, to: object.name.clone() }, String::new());
    Ok((before.name != object.name).then(redo))
}

/// What must be known beside its statement to make `object` again.
pub(crate) fn context_of(object: &Object) -> Result<ObjectContext> {
    let (idle_timeout, found) = match &object.definition {
        Definition::Source(source) => (source.idle_timeout, source.connector.is_some().then_some(&source.properties.schema)),
        Definition::Table(table) => (table.idle_timeout, Some(&table.properties.schema)),
        Definition::Lookup(lookup) => (None, Some(&lookup.columns)),
        Definition::LateSink { columns, .. } => (None, columns.as_ref()),
        _ => (None, None),
    };
    let tells_changes = match &object.definition {
        Definition::Source(source) => source.connector.is_some() && source.properties.changes == ChangeKind::Retract,
        _ => false,
    };
    let mut context = ObjectContext::new(object.id.0, idle_timeout, found)?;
    context.tells_changes = tells_changes;
    Ok(context)
}
