//! A lookup as a source: what it is asked for lies on a desk, and the rows that it delivers are answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::take::{take, take_arrays};
use laminar_connectors::lookup::{Answer, Asked};
use laminar_connectors::retry::RetryingLookup;
use laminar_connectors::source::cannot_seek;
use laminar_connectors::{Position, Source, SourcePoll, Trouble};
use laminar_core::changelog::RowKeys;
use laminar_core::time::Clock;
use laminar_core::{ChangeBatch, Error, Result};
use laminar_sql::plan::LOOKUP_COLUMNS;

use super::Desk;

/// How long a reader without keys is left alone; it is asked as soon as there are some.
const IDLE: Duration = Duration::from_secs(3600);

/// Delivers the answers to the keys on a desk.
pub(crate) struct LookupSource {
    desk: Desk,
    lookup: RetryingLookup,
    /// Which of the columns are the key.
    key: Vec<usize>,
    keys: RowKeys,
    /// The columns of a lookup table's answers.
    schema: SchemaRef,
    clock: Arc<dyn Clock>,
}

/// The columns of the answers of a lookup table with these columns: all but the key's are NULL where there is no row.
pub(crate) fn answer_schema(columns: &SchemaRef, key: &[usize]) -> SchemaRef {
    let fields = columns.fields().iter().enumerate();
    let fields = fields.map(|(column, field)| field.as_ref().clone().with_nullable(!key.contains(&column)));
    let [found, asked_at] = LOOKUP_COLUMNS;
    let known = [Field::new(found, DataType::Boolean, false), Field::new(asked_at, DataType::Int64, false)];
    Arc::new(Schema::new(fields.chain(known).collect::<Vec<_>>()))
}

impl LookupSource {
    /// What asks `lookup`, whose answers have the columns `schema` ([`answer_schema`]).
    pub(crate) fn new(
        desk: Desk,
        lookup: RetryingLookup,
        schema: SchemaRef,
        key: Vec<usize>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let types: Vec<_> = key.iter().map(|column| schema.field(*column).data_type().clone()).collect();
        Ok(Self { desk, lookup, keys: RowKeys::new(&types)?, key, schema, clock })
    }

    /// A row for each of the keys that differ.
    fn rows(&self, keys: &RecordBatch, answer: &Answer) -> Result<RecordBatch> {
        let width = self.schema.fields().len() - LOOKUP_COLUMNS.len();
        if answer.rows.num_columns() != width {
            return Err(Error::internal("a lookup answers with other columns than it said"));
        }
        let columns: Vec<ArrayRef> = self.key.iter().map(|column| answer.rows.column(*column).clone()).collect();
        let answered = self.keys.encode(&columns, answer.rows.num_rows())?;
        let of_key: HashMap<&[u8], u32> = (0..answer.rows.num_rows()).map(|row| (answered.row(row).data(), row as u32)).collect();
        let asked = self.keys.encode(keys.columns(), keys.num_rows())?;
        let (mut first, mut found) = (HashMap::with_capacity(keys.num_rows()), Vec::with_capacity(keys.num_rows()));
        let mut differing = Vec::with_capacity(keys.num_rows());
        for row in 0..keys.num_rows() {
            if first.insert(asked.row(row).data(), row).is_none() {
                differing.push(row as u32);
                found.push(of_key.get(asked.row(row).data()).copied());
            }
        }
        let is_found: BooleanArray = found.iter().map(|row| Some(row.is_some())).collect();
        let (differing, found) = (UInt32Array::from(differing), UInt32Array::from(found));
        let key_columns = take_arrays(keys.columns(), &differing, None)?;
        let column = |column: usize| match self.key.iter().position(|key| *key == column) {
            Some(place) => Ok(key_columns[place].clone()),
            None => Ok(take(answer.rows.column(column), &found, None)?),
        };
        let mut columns = (0..width).map(column).collect::<Result<Vec<_>>>()?;
        let asked_at = Int64Array::from(vec![self.clock.now(); differing.len()]);
        columns.extend([Arc::new(is_found) as ArrayRef, Arc::new(asked_at)]);
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

impl Source for LookupSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn poll(&mut self, _: usize) -> Result<SourcePoll> {
        let Some(keys) = self.desk.next() else { return Ok(SourcePoll::Pending(IDLE)) };
        match self.lookup.look_up(&keys)? {
            Asked::Away(pause) => Ok(SourcePoll::Pending(pause)),
            Asked::Answer(answer) => {
                let rows = self.rows(&keys, &answer)?;
                self.desk.answer(rows.num_rows());
                Ok(SourcePoll::Rows { changes: ChangeBatch::append(rows), bad: answer.bad })
            }
        }
    }

    fn position(&self) -> Position {
        Position::default()
    }

    fn seek(&mut self, position: &Position) -> Result<()> {
        cannot_seek("a lookup", position)
    }

    fn describe_position(&self) -> String {
        self.lookup.describe().to_owned()
    }

    /// A statement that waits for inputs to be read waits for answers too.
    fn is_bounded(&self) -> bool {
        true
    }

    fn trouble(&self) -> Option<Trouble> {
        self.lookup.trouble()
    }
}
