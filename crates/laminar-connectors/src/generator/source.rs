//! The source behind `FROM GENERATOR (…)`: hands out rows as fast as asked for, or as fast as the rate allows.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use laminar_core::limits::BATCH_ROWS_MAX;
use laminar_core::time::Clock;
use laminar_core::{ChangeBatch, Result};

use super::column::Column;
use super::settings;
use crate::fields::{FieldReader, FieldWriter};
use crate::{Position, Source, SourcePoll, SourceRequest};

/// The version of the positions that are written here: the next row, and the event time of the first.
const POSITION_VERSION: u8 = 1;

/// What a generator makes, read from the options of its statement.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The source's name.
    pub(crate) name: String,
    /// Names and types of the rows.
    pub(crate) schema: SchemaRef,
    /// A column for each field.
    pub(crate) columns: Vec<Column>,
    /// How many rows in all; `None`: it never ends.
    pub(crate) rows: Option<u64>,
    /// Rows per second of wall-clock time; `None`: as fast as possible.
    pub(crate) rate: Option<f64>,
    /// The event time of the first row.
    pub(crate) start: i64,
}

/// Makes rows out of their numbers.
pub(crate) struct GeneratorSource {
    request: SourceRequest,
    plan: Plan,
    clock: Arc<dyn Clock>,
    /// The clock at the first poll: what the rate counts from.
    opened: Option<i64>,
    /// The first row that this reader makes.
    first_row: u64,
    next_row: u64,
}

impl GeneratorSource {
    pub(crate) fn open(request: SourceRequest, clock: Arc<dyn Clock>) -> Result<Self> {
        let plan = settings::plan(request.clone(), clock.now())?;
        Ok(Self { request, plan, clock, opened: None, first_row: 0, next_row: 0 })
    }

    /// How many rows the rate has let through by now.
    fn allowed(&mut self) -> u64 {
        let Some(rate) = self.plan.rate else { return u64::MAX };
        let now = self.clock.now();
        let elapsed = now.saturating_sub(*self.opened.get_or_insert(now)).max(0);
        self.first_row.saturating_add((elapsed as f64 * rate / 1e9) as u64)
    }

    /// How long until the rate lets the next row through.
    fn wait(&self) -> Duration {
        let rate = self.plan.rate.unwrap_or(f64::INFINITY);
        let due = (self.next_row - self.first_row + 1) as f64 / rate;
        let elapsed = self.clock.now().saturating_sub(self.opened.unwrap_or(0)).max(0) as f64 / 1e9;
        Duration::from_secs_f64((due - elapsed).clamp(0.0001, 1.0))
    }
}

impl Source for GeneratorSource {
    fn schema(&self) -> SchemaRef {
        self.plan.schema.clone()
    }

    fn poll(&mut self, rows_max: usize) -> Result<SourcePoll> {
        let end = self.plan.rows.unwrap_or(u64::MAX);
        if self.next_row >= end {
            return Ok(SourcePoll::End);
        }
        let allowed = self.allowed().min(end);
        if allowed <= self.next_row {
            return Ok(SourcePoll::Pending(self.wait()));
        }
        let count = (allowed - self.next_row).min(rows_max.clamp(1, BATCH_ROWS_MAX) as u64);
        let rows = self.next_row..self.next_row + count;
        let columns: Vec<ArrayRef> = self.plan.columns.iter().map(|column| column.fill(&rows)).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count as usize));
        let batch = RecordBatch::try_new_with_options(self.plan.schema.clone(), columns, &options)?;
        self.next_row = rows.end;
        Ok(SourcePoll::Rows { changes: ChangeBatch::append(batch), bad: Vec::new() })
    }

    fn position(&self) -> Position {
        let mut fields = FieldWriter::default();
        fields.number(self.next_row).signed(self.plan.start);
        Position::new(POSITION_VERSION, fields.bytes())
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn seek(&mut self, position: &Position) -> Result<()> {
        if position.is_empty() {
            return Ok(());
        }
        let what = format!("the position of source '{}'", self.plan.name);
        let mut fields = FieldReader::new(position.version(), POSITION_VERSION, position.bytes(), &what)?;
        let (row, start) = (fields.number()?, fields.signed()?);
        fields.end()?;
        // With start = 'now' the rows go on from the time at which the first of them was made.
        self.plan = settings::plan(self.request.clone(), start)?;
        (self.first_row, self.next_row) = (row, row);
        Ok(())
    }

    fn describe_position(&self) -> String {
        format!("generator {}: row {}", self.plan.name, self.next_row)
    }

    fn is_bounded(&self) -> bool {
        self.plan.rows.is_some()
    }
}
