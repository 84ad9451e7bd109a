//! The rows of a table as a statement that changes them sees them: numbered, found by key, and known to be current or not.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::interleave::interleave_record_batch;
use laminar_core::changelog::RowKeys;
use laminar_core::dag::NodeStatus;
use laminar_core::{ChangeBatch, NodeId, Result};
use laminar_sql::batch::{Equality, SnapshotRelation, SnapshotTables};
use laminar_sql::parse::{Name, ROW_NUMBER};

use super::target_table::table_of;
use crate::catalog::ObjectId;
use crate::engine::{Engine, Snapshot, TableRules, Unique, expanded};

/// The rows of a table at one step, as the engine holds them.
pub(super) struct SeenTable {
    pub(super) id: ObjectId,
    /// Where changes of the table go in.
    pub(super) source: NodeId,
    output: NodeId,
    /// How many rows had come in.
    came_in: u64,
    rules: Arc<TableRules>,
    contents: Vec<ChangeBatch>,
}

/// Which rows of a table a statement needs.
pub(super) enum Wanted {
    All,
    /// Those in which columns are equal to constants, all at once.
    Equal(Vec<Equality>),
    /// Those with one of these values of the primary key's columns.
    Keys(Vec<ArrayRef>),
}

impl SeenTable {
    /// The table called `name` with all that waits in front of it, perhaps without rows that are not wanted. `verb` is what the statement does to it.
    pub(super) fn look(engine: &mut Engine, name: &Name, verb: &str, wanted: &dyn Fn(&TableRules) -> Wanted) -> Result<Self> {
        let id = engine.catalog.require(name)?.id;
        let table = table_of(engine, name, verb)?;
        let (source, output, rules) = (table.source, table.output, Arc::clone(&table.rules));
        engine.settle_for(source)?;
        if let NodeStatus::Failed(error) = engine.reactor.graph().status(output)? {
            return Err(error.within(format!("'{}' has failed", name.text)).at(name.span));
        }
        let graph = engine.reactor.graph();
        let found = match wanted(&rules) {
            Wanted::All => None,
            Wanted::Equal(equalities) => engine.found_rows(engine.catalog.require(name)?, &equalities)?,
            Wanted::Keys(values) => graph.find(output, &rules.key, &values)?,
        };
        let contents = found.unwrap_or_else(|| graph.contents(output).unwrap_or_default());
        let came_in = engine.reactor.graph_mut().metrics(output)?.rows_in;
        Ok(Self { id, source, output, came_in, rules, contents })
    }

    /// Whether the table still holds these rows, and nothing waits that would change them.
    pub(super) fn is_current(&self, engine: &mut Engine) -> Result<bool> {
        let is_there = engine.instances.output(self.id) == Some(self.output);
        Ok(is_there
            && engine.reactor.waiting_rows(self.source) == 0
            && engine.reactor.graph_mut().metrics(self.output)?.rows_in == self.came_in)
    }

    /// The rows, each as often as it is there.
    pub(super) fn numbered(&self) -> Result<NumberedRows> {
        let batches = self.contents.iter().map(expanded).collect::<Result<Vec<_>>>()?;
        Ok(NumberedRows::new(Arc::clone(&self.rules), batches))
    }

    /// The changes that take all rows away.
    pub(super) fn emptying(&self) -> Result<ChangeBatch> {
        Ok(ChangeBatch::concat(&self.rules.schema, &self.contents)?.negated())
    }
}

/// The rows of a table, numbered from 0.
pub(super) struct NumberedRows {
    pub(super) rules: Arc<TableRules>,
    batches: Vec<RecordBatch>,
    /// The number of each batch's first row.
    starts: Vec<usize>,
}

impl NumberedRows {
    fn new(rules: Arc<TableRules>, batches: Vec<RecordBatch>) -> Self {
        let mut starts = Vec::with_capacity(batches.len());
        let mut rows = 0;
        for batch in &batches {
            starts.push(rows);
            rows += batch.num_rows();
        }
        Self { rules, batches, starts }
    }

    /// All rows with their numbers, as queries read them.
    pub(super) fn relation(&self) -> Result<Relation> {
        let schema = numbered(&self.rules.schema);
        let batch = |(batch, start): (&RecordBatch, &usize)| {
            with_numbers(&schema, batch, (*start..*start + batch.num_rows()).map(|number| number as i64).collect())
        };
        let batches = self.batches.iter().zip(&self.starts).map(batch).collect::<Result<_>>()?;
        Ok((schema, batches))
    }

    /// The rows with these numbers, in this order, as queries read them.
    pub(super) fn relation_of(&self, numbers: &[usize]) -> Result<Relation> {
        numbered_relation(&self.take(numbers)?, numbers)
    }

    /// The rows with these numbers, in this order.
    pub(super) fn take(&self, numbers: &[usize]) -> Result<RecordBatch> {
        if numbers.is_empty() {
            return Ok(RecordBatch::new_empty(Arc::clone(&self.rules.schema)));
        }
        let place = |number: &usize| {
            let batch = self.starts.partition_point(|start| start <= number) - 1;
            (batch, number - self.starts[batch])
        };
        let places: Vec<(usize, usize)> = numbers.iter().map(place).collect();
        Ok(interleave_record_batch(&self.batches.iter().collect::<Vec<_>>(), &places)?)
    }

    /// For each of `rows` the number of the row that has its `key`, if one has.
    pub(super) fn owners(&self, rows: &RecordBatch, key: &Unique) -> Result<Vec<Option<usize>>> {
        let mut owners = vec![None; rows.num_rows()];
        let keys = Keys::new(&self.rules, key)?;
        let wanted = keys.encoder.encode(&keys.of(rows), rows.num_rows())?;
        let mut askers: HashMap<&[u8], Vec<usize>> = HashMap::with_capacity(rows.num_rows());
        for (row, key) in wanted.iter().enumerate().filter(|(row, _)| keys.has_one(rows, *row)) {
            askers.entry(key.data()).or_default().push(row);
        }
        for (batch, start) in self.batches.iter().zip(&self.starts) {
            for (row, key) in keys.encoder.encode(&keys.of(batch), batch.num_rows())?.iter().enumerate() {
                for asker in askers.get(key.data()).into_iter().flatten() {
                    owners[*asker] = Some(start + row);
                }
            }
        }
        Ok(owners)
    }
}

/// The first of `rows` with the `key` of each; one without a key is its own.
pub(super) fn firsts_by_key(rules: &TableRules, rows: &RecordBatch, key: &Unique) -> Result<Vec<usize>> {
    let keys = Keys::new(rules, key)?;
    let encoded = keys.encoder.encode(&keys.of(rows), rows.num_rows())?;
    let mut firsts: HashMap<&[u8], usize> = HashMap::with_capacity(rows.num_rows());
    let mut first_of = |row: usize, key| if keys.has_one(rows, row) { *firsts.entry(key).or_insert(row) } else { row };
    Ok(encoded.iter().enumerate().map(|(row, key)| first_of(row, key.data())).collect())
}

/// Encodes one of the keys of a table's rows.
struct Keys<'a> {
    key: &'a Unique,
    encoder: RowKeys,
}

impl<'a> Keys<'a> {
    fn new(rules: &TableRules, key: &'a Unique) -> Result<Self> {
        let types: Vec<DataType> = key.columns.iter().map(|column| rules.schema.field(*column).data_type().clone()).collect();
        Ok(Self { key, encoder: RowKeys::new(&types)? })
    }

    fn of(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.key.columns.iter().map(|column| rows.column(*column).clone()).collect()
    }

    /// Whether a row has a key: NULLs that are distinct make none.
    fn has_one(&self, rows: &RecordBatch, row: usize) -> bool {
        !self.key.nulls_distinct || self.key.columns.iter().all(|column| rows.column(*column).is_valid(row))
    }
}

/// What a query reads under a name.
pub(super) type Relation = (SchemaRef, Vec<RecordBatch>);

/// `rows` with these numbers, as queries read them.
pub(super) fn numbered_relation(rows: &RecordBatch, numbers: &[usize]) -> Result<Relation> {
    let schema = numbered(rows.schema_ref());
    let batch = with_numbers(&schema, rows, numbers.iter().map(|number| *number as i64).collect())?;
    Ok((schema, vec![batch]))
}

fn numbered(schema: &Schema) -> SchemaRef {
    let number = Arc::new(Field::new(ROW_NUMBER, DataType::Int64, false));
    Arc::new(Schema::new(schema.fields().iter().cloned().chain([number]).collect::<Vec<_>>()))
}

fn with_numbers(schema: &SchemaRef, rows: &RecordBatch, numbers: Vec<i64>) -> Result<RecordBatch> {
    let mut columns = rows.columns().to_vec();
    columns.push(Arc::new(Int64Array::from(numbers)));
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// What a query of a statement reads: the snapshot, and rows of its own under names that nothing else has.
pub(super) struct WithOwnRows<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) own: Vec<(&'static str, Relation)>,
}

impl SnapshotTables for WithOwnRows<'_> {
    fn relation(&self, name: &str) -> Result<Option<SnapshotRelation>> {
        match self.own.iter().find(|(own, _)| *own == name) {
            Some((_, (schema, rows))) => Ok(Some(SnapshotRelation::Rows(Arc::clone(schema), rows.clone()))),
            None => self.snapshot.relation(name),
        }
    }

    fn names(&self) -> Vec<String> {
        self.snapshot.names()
    }
}
