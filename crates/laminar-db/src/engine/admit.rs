//! What programs push into sources and tables: where it goes in, and that it keeps to the rules there.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use laminar_core::{ChangeBatch, Code, Error, NodeId, Result};

use super::Engine;
use super::instances::{Parts, SourceInstance, required};
use super::table_rules::{DefaultValue, TableRules, nullable, repeated};
use crate::block_on::block_on;
use crate::catalog::{Definition, Object, ObjectId, ObjectKind, kind_name};

impl Engine {
    /// The object called `name`, where changes that a program pushes into it go in, and the changes with all columns. Fails if a row that comes breaks a rule. A push looks
    /// its object up by name once, and its instance by id.
    pub(crate) fn admitted(&mut self, name: &str, changes: ChangeBatch) -> Result<(ObjectId, NodeId, ChangeBatch)> {
        let id = self.catalog.named(name)?.id;
        match self.instances.get(id).map(|instance| &instance.parts) {
            Some(Parts::Table(table)) => Ok((id, table.source, self.held_to(&table.rules, changes)?)),
            Some(Parts::Source(SourceInstance { reader: Some(reader), lengths, is_pushed: true, .. })) => {
                lengths.check(changes.rows())?;
                Ok((id, reader.node, changes))
            }
            _ => {
                let node = self.push_target(id)?;
                self.check_lengths(id, changes.rows())?;
                Ok((id, node, changes))
            }
        }
    }

    /// The node into which people push rows for an object.
    pub(crate) fn push_target(&mut self, id: ObjectId) -> Result<NodeId> {
        match self.instances.get(id).map(|instance| &instance.parts) {
            Some(Parts::Table(table)) => Ok(table.source),
            Some(Parts::Source(source)) if source.is_pushed => {
                self.ensure_reader(id)?;
                required(self.instances.source(id).and_then(|source| source.reader), id).map(|reader| reader.node)
            }
            _ => Err(takes_no_rows(required(self.catalog.object(id), id)?)),
        }
    }

    /// The node whose watermark a program moves for the source called `name`.
    pub(crate) fn watermark_target(&mut self, name: &str) -> Result<(ObjectId, NodeId)> {
        let object = self.catalog.named(name)?;
        let id = object.id;
        let has_watermark = match &object.definition {
            Definition::Source(source) => source.watermark.is_some(),
            Definition::Table(table) => !table.properties.time_columns.is_empty(),
            _ => false,
        };
        if !has_watermark {
            let text = format!("{} '{name}' has no watermark that could be moved", kind_name(object.kind()));
            return Err(Error::new(Code::InvalidWindow, text)
                .with_hint("a source, or a table that is APPEND ONLY, has one if it is created with WATERMARK FOR ts AS ts - INTERVAL '5' SECOND"));
        }
        Ok((id, self.push_target(id)?))
    }

    /// The node into which rows of a side output are pushed for an object: also that of a connector which is being read.
    pub(crate) fn replay_target(&mut self, id: ObjectId) -> Result<NodeId> {
        let Some(source) = self.instances.source(id).filter(|source| !source.is_pushed) else { return self.push_target(id) };
        // Another reader would be one that nothing reads from.
        if source.reader.is_none() {
            self.ensure_reader(id)?;
        }
        if self.readers.iter().filter(|reader| reader.object == id && reader.is_wanted()).count() > 1 {
            let name = self.catalog.name_of(id);
            let text = format!(
                "'{name}' has several readers, since views over it were created while it was read: REPLAY into it is not built yet"
            );
            return Err(Error::new(Code::NotSupported, text).with_hint("INSERT the rows into a table that the views read too"));
        }
        required(self.instances.source(id).and_then(|source| source.reader), id).map(|reader| reader.node)
    }

    /// Pushes rows of a side output, held to the same rules as those of a program.
    pub(crate) fn push_again(&mut self, id: ObjectId, node: NodeId, changes: ChangeBatch) -> Result<()> {
        let changes = match self.instances.table(id).map(|table| Arc::clone(&table.rules)) {
            Some(rules) => self.held_to(&rules, changes)?,
            None => changes,
        };
        self.check_lengths(id, changes.rows())?;
        self.take_in(id, node, changes)
    }

    /// Fails if a text of `rows`, which have the columns of the object, is longer than its definition allows.
    pub(crate) fn check_lengths(&self, id: ObjectId, rows: &RecordBatch) -> Result<()> {
        match self.instances.get(id).map(|instance| &instance.parts) {
            Some(Parts::Table(table)) => table.rules.lengths.check(rows),
            Some(Parts::Source(source)) => source.lengths.check(rows),
            _ => Ok(()),
        }
    }

    /// The changes with all columns of a table. Fails if a row that comes breaks one of its rules.
    fn held_to(&self, rules: &TableRules, changes: ChangeBatch) -> Result<ChangeBatch> {
        let whole = self.with_absent_columns(rules, &changes)?.unwrap_or(changes);
        // The push itself refuses rows with other columns, and says what is wrong.
        if !rules.are_more_than_types() || whole.check_schema(&rules.schema).is_err() {
            return Ok(whole);
        }
        let rows = rules.with_generated(whole.rows().clone())?;
        let whole =
            if rules.generated.is_empty() { whole } else { whole.with_columns(rows.schema(), rows.columns().to_vec())? };
        if whole.is_append() {
            rules.check(whole.rows())?;
        } else {
            let comes: Vec<bool> = (0..whole.len()).map(|row| whole.weight(row) > 0).collect();
            rules.check(whole.filter(&comes.into())?.rows())?;
        }
        Ok(whole)
    }

    /// The changes with those columns of a table that they lack, if each of these has a default or is generated.
    fn with_absent_columns(&self, rules: &TableRules, changes: &ChangeBatch) -> Result<Option<ChangeBatch>> {
        let (rows, fields) = (changes.rows(), rules.schema.fields());
        if rows.num_columns() == fields.len() {
            return Ok(None);
        }
        let is_absent = |column: usize| rows.column_by_name(fields[column].name()).is_none();
        let fills_itself = |column: usize| rules.default_of(column).is_some() || rules.generated_at(column).is_some();
        let absent = (0..fields.len()).filter(|column| is_absent(*column)).count();
        let has_others = rows.num_columns() + absent != fields.len();
        if has_others || (0..fields.len()).any(|column| is_absent(column) && !fills_itself(column)) {
            return Ok(None);
        }
        let columns = (0..fields.len()).map(|column| match rows.column_by_name(fields[column].name()) {
            Some(given) => Ok(given.clone()),
            None => self.filled(rules, column, rows.num_rows()),
        });
        Ok(Some(changes.with_columns(nullable(&rules.schema), columns.collect::<Result<_>>()?)?))
    }

    fn filled(&self, rules: &TableRules, column: usize, rows: usize) -> Result<ArrayRef> {
        let field = rules.schema.field(column);
        match rules.default_of(column).map(|default| &default.value) {
            None => Ok(new_null_array(field.data_type(), rows)),
            Some(DefaultValue::Constant(value)) => repeated(value, rows),
            Some(DefaultValue::PerStatement(query, text)) => {
                let (now, memory) = (self.clock.now(), self.settings.query_memory);
                repeated(&block_on(self.planner.default_value(query, text, field, now, memory))?, rows)
            }
        }
    }
}

fn takes_no_rows(object: &Object) -> Error {
    let name = &object.name;
    if object.kind() == ObjectKind::Source {
        return Error::new(Code::InvalidQuery, format!("source '{name}' gets its rows from its connector"))
            .with_hint("push into a source that is created without FROM, or into a table");
    }
    let error = Error::new(Code::InvalidQuery, format!("rows cannot be pushed into {} '{name}'", kind_name(object.kind())));
    error.with_hint(match object.kind() {
        ObjectKind::LookupTable => "its rows stand elsewhere: change them there, or keep them in a TABLE",
        _ => "push into a source or table that it reads from",
    })
}
