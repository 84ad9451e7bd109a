//! Which rows each round has.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use hashbrown::HashTable;

use crate::changelog::{RowKeys, add_weights, hash_bytes};
use crate::{ChangeBatch, Result};

/// UNION ALL: the rows that the term brings, as often as it brings them.
#[derive(Debug, Default)]
pub(super) struct AllRows {
    /// What is still to be given to the term.
    waiting: Vec<ChangeBatch>,
    /// What the step has brought, of all rounds.
    brought: Vec<ChangeBatch>,
}

impl AllRows {
    pub(super) fn add(&mut self, changes: &ChangeBatch, of_rounds: &[i64], schema: &SchemaRef) -> Result<()> {
        if !changes.is_empty() {
            self.waiting.push(with_rounds(changes, of_rounds.to_vec(), schema)?);
        }
        Ok(())
    }

    pub(super) fn next(&mut self, schema: &SchemaRef) -> Result<Option<ChangeBatch>> {
        let waiting = std::mem::take(&mut self.waiting);
        let changes = crate::changelog::consolidate_all(schema, &waiting)?;
        if changes.is_empty() {
            return Ok(None);
        }
        self.brought.push(changes.clone());
        Ok(Some(changes))
    }

    /// What the step has brought, with the columns of `output`.
    pub(super) fn take(&mut self, output: &SchemaRef) -> Result<Vec<ChangeBatch>> {
        let columns: Vec<usize> = (0..output.fields().len()).collect();
        self.brought.drain(..).map(|changes| changes.project(output, &columns)).collect()
    }
}

/// The rows of `changes` under the columns of `schema`, of which the last is the round.
fn with_rounds(changes: &ChangeBatch, of_rounds: Vec<i64>, schema: &SchemaRef) -> Result<ChangeBatch> {
    let columns = changes.rows().columns().iter().take(schema.fields().len() - 1).cloned();
    let columns = columns.chain([Arc::new(Int64Array::from(of_rounds)) as ArrayRef]).collect();
    changes.clone().with_columns(schema.clone(), columns)
}

/// UNION: each row that the term brings, in the first round that brings it.
#[derive(Debug)]
pub(super) struct FirstRounds {
    keys: RowKeys,
    schema: SchemaRef,
    index: HashTable<u32>,
    /// By number; those that are free are empty.
    rows: Vec<Row>,
    free: Vec<u32>,
    /// Rows that are to be looked at, by the round whose turn it is then.
    due: BTreeMap<i64, Vec<u32>>,
    /// Rows that the step has looked at.
    touched: Vec<u32>,
    /// Bytes of all rows' keys and rounds.
    rows_bytes: usize,
}

/// A row, and which rounds bring it.
#[derive(Debug, Default)]
struct Row {
    hash: u64,
    key: Box<[u8]>,
    /// Which rounds bring it and how often, ascending. A round's number is 0 or more when it is the round's turn.
    rounds: Vec<(i64, i64)>,
    /// The round that has it.
    round: Option<i64>,
    /// If the step has looked at it: whether a round had it before the step.
    before: Option<bool>,
}

impl Row {
    fn bytes(&self) -> usize {
        self.key.len() + self.rounds.capacity() * size_of::<(i64, i64)>()
    }

    /// The first round that brings it.
    fn first(&self) -> Option<i64> {
        self.rounds.iter().find(|(_, times)| *times > 0).map(|(round, _)| *round)
    }

    fn add(&mut self, round: i64, times: i64) -> Result<()> {
        match self.rounds.binary_search_by_key(&round, |(round, _)| *round) {
            Ok(at) => {
                self.rounds[at].1 = add_weights(self.rounds[at].1, times)?;
                if self.rounds[at].1 == 0 {
                    self.rounds.remove(at);
                }
            }
            Err(at) => {
                self.rounds.reserve_exact(1);
                self.rounds.insert(at, (round, times));
            }
        }
        Ok(())
    }
}

impl FirstRounds {
    /// Rows of the columns of `output`; `schema` has the round as well.
    pub(super) fn new(output: &SchemaRef, schema: SchemaRef) -> Result<Self> {
        Ok(Self {
            keys: RowKeys::of_schema(output)?,
            schema,
            index: HashTable::new(),
            rows: Vec::new(),
            free: Vec::new(),
            due: BTreeMap::new(),
            touched: Vec::new(),
            rows_bytes: 0,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    pub(super) fn bytes(&self) -> usize {
        let numbers = (self.free.capacity() + self.touched.capacity()) * size_of::<u32>();
        self.index.allocation_size() + self.rows.capacity() * size_of::<Row>() + self.rows_bytes + numbers
    }

    /// Rows that the base or the term brings in these rounds, or does not bring any more.
    pub(super) fn add(&mut self, changes: &ChangeBatch, of_rounds: &[i64]) -> Result<()> {
        let encoded = self.keys.encode(&changes.rows().columns()[..self.keys.types().len()], changes.len())?;
        for (place, round) in of_rounds.iter().enumerate() {
            let number = self.number(encoded.row(place).as_ref());
            let row = &mut self.rows[number as usize];
            let before = row.bytes();
            row.add(*round, changes.weight(place))?;
            self.rows_bytes = self.rows_bytes - before + row.bytes();
            if row.before.is_none() {
                row.before = Some(row.round.is_some());
                self.touched.push(number);
            }
            self.due.entry(*round).or_default().push(number);
        }
        Ok(())
    }

    /// The number of the row with these bytes.
    fn number(&mut self, key: &[u8]) -> u32 {
        let hash = hash_bytes(key);
        let rows = &self.rows;
        let found = self.index.find(hash, |number| rows[*number as usize].key.as_ref() == key);
        if let Some(number) = found {
            return *number;
        }
        let row = Row { hash, key: key.into(), ..Row::default() };
        self.rows_bytes += row.bytes();
        let number = match self.free.pop() {
            Some(number) => {
                self.rows[number as usize] = row;
                number
            }
            None => {
                self.rows.push(row);
                (self.rows.len() - 1) as u32
            }
        };
        let rows = &self.rows;
        self.index.insert_unique(hash, number, |number| rows[*number as usize].hash);
        number
    }

    /// What changes by the first round in which something is to be looked at. Before it nothing changes any more in this step, so that a row which this
    /// round has lost may be found again in a later one when it is that one's turn.
    pub(super) fn next(&mut self) -> Result<Option<ChangeBatch>> {
        while let Some((turn, due)) = self.due.pop_first() {
            let (mut changed, mut of_rounds, mut weights) = (Vec::new(), Vec::new(), Vec::new());
            let mut change = |number: u32, round: i64, weight: i64| {
                changed.push(number);
                of_rounds.push(round);
                weights.push(weight);
            };
            for number in due {
                let row = &mut self.rows[number as usize];
                let first = row.first();
                if row.round == first {
                    continue;
                }
                if let Some(round) = row.round.take() {
                    change(number, round, -1);
                }
                match first {
                    Some(round) if round <= turn => {
                        row.round = Some(round);
                        change(number, round, 1);
                    }
                    Some(later) => self.due.entry(later).or_default().push(number),
                    None => {}
                }
            }
            if !changed.is_empty() {
                let mut columns = self.columns(&changed)?;
                columns.push(Arc::new(Int64Array::from(of_rounds)));
                let rows = RecordBatch::try_new(self.schema.clone(), columns)?;
                return Ok(Some(ChangeBatch::new(rows, weights)));
            }
        }
        Ok(None)
    }

    fn columns(&self, numbers: &[u32]) -> Result<Vec<ArrayRef>> {
        self.keys.decode(numbers.iter().map(|number| self.rows[*number as usize].key.as_ref()))
    }

    /// Ends the step: the rows that came and went in it, under the columns of `output`.
    pub(super) fn difference(&mut self, output: &SchemaRef) -> Result<ChangeBatch> {
        let touched = std::mem::take(&mut self.touched);
        let (mut changed, mut weights) = (Vec::new(), Vec::new());
        for number in &touched {
            let row = &mut self.rows[*number as usize];
            let (before, now) = (row.before.take() == Some(true), row.round.is_some());
            if before != now {
                changed.push(*number);
                weights.push(if now { 1 } else { -1 });
            }
        }
        let rows = RecordBatch::try_new_with_options(
            output.clone(),
            self.columns(&changed)?,
            &arrow_array::RecordBatchOptions::new().with_row_count(Some(changed.len())),
        )?;
        touched.into_iter().for_each(|number| self.forget_empty(number));
        Ok(ChangeBatch::new(rows, weights))
    }

    /// A row that no round brings is forgotten.
    fn forget_empty(&mut self, number: u32) {
        let row = &mut self.rows[number as usize];
        if !row.rounds.is_empty() || row.round.is_some() {
            return;
        }
        self.rows_bytes -= row.bytes();
        let hash = row.hash;
        *row = Row::default();
        if let Ok(entry) = self.index.find_entry(hash, |known| *known == number) {
            entry.remove();
        }
        self.free.push(number);
    }

    /// A row for each round that brings one: its columns, the round, how often.
    pub(super) fn image(&self) -> Result<RecordBatch> {
        let (mut numbers, mut of_rounds, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for number in self.index.iter() {
            for (round, count) in &self.rows[*number as usize].rounds {
                numbers.push(*number);
                of_rounds.push(*round);
                times.push(*count);
            }
        }
        let mut columns = self.columns(&numbers)?;
        columns.push(Arc::new(Int64Array::from(of_rounds)));
        columns.push(Arc::new(Int64Array::from(times)));
        let fields = self.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let fields: Vec<Field> = fields.chain([Field::new("times", DataType::Int64, false)]).collect();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }

    pub(super) fn restore(&mut self, image: &RecordBatch) -> Result<()> {
        let width = self.keys.types().len();
        let [of_rounds, times] = [width, width + 1].map(|column| image.column(column).as_primitive::<Int64Type>().values());
        let changes = ChangeBatch::new(image.project(&(0..width).collect::<Vec<_>>())?, times.clone());
        self.add(&changes, of_rounds)?;
        self.due.clear();
        for number in std::mem::take(&mut self.touched) {
            let row = &mut self.rows[number as usize];
            row.before = None;
            row.round = row.first();
        }
        Ok(())
    }
}
