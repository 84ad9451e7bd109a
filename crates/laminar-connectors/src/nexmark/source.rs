//! The source behind `FROM NEXMARK (…)`: makes the declared columns for the next events of one stream.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, TimestampNanosecondArray};
use arrow_cast::cast;
use arrow_schema::{DataType, FieldRef, SchemaRef};
use laminar_core::limits::BATCH_ROWS_MAX;
use laminar_core::{ChangeBatch, Code, Error, Result};

use super::bid::Channels;
use super::events::{Arrivals, Table, Timeline};
use crate::fields::{FieldReader, FieldWriter};
use crate::generator::random::Draws;
use crate::{Position, Source, SourcePoll};

/// The version of the positions that are written here: rows, and how far the common numbering of events has been looked at.
const POSITION_VERSION: u8 = 1;

/// Makes one column for the events at hand.
pub(super) type Column = fn(&Making<'_>) -> Result<ArrayRef>;

/// What a source makes, read from the options of its statement.
pub(super) struct Plan {
    /// The source's name.
    pub(super) name: String,
    /// Which stream.
    pub(super) table: Table,
    /// Names and types of the rows.
    pub(super) schema: SchemaRef,
    /// How to make each column.
    pub(super) columns: Vec<Column>,
    /// Events of the three streams; `None`: it never ends.
    pub(super) events: Option<u64>,
    /// When they happen.
    pub(super) timeline: Timeline,
    /// Events within groups of this size come shuffled.
    pub(super) out_of_order: u64,
    /// The seed of everything.
    pub(super) seed: u64,
    /// The channels of bids.
    pub(super) channels: Channels,
}

/// The events of a batch, and what their columns are made from.
pub(super) struct Making<'a> {
    pub(super) plan: &'a Plan,
    pub(super) events: &'a [u64],
}

impl Making<'_> {
    /// The random numbers for `what` of this stream.
    pub(super) fn draws(&self, what: &str) -> Draws {
        let table = Table::CHOICES[self.plan.table as usize].0;
        Draws::new(self.plan.seed, &format!("{table}: {what}"))
    }

    /// A price in cents: log-uniform from 1.00 to 1 000 000.00.
    pub(super) fn price(&self, what: &str) -> impl Fn(u64) -> u64 + use<> {
        let draws = self.draws(what);
        move |event| (10_f64.powf(draws.unit(event) * 6.0) * 100.0).round() as u64
    }

    /// A column of whole numbers.
    pub(super) fn numbers(&self, number: impl Fn(u64) -> u64) -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(self.events.iter().map(|event| number(*event) as i64)))
    }

    /// The events' times.
    pub(super) fn times(&self) -> Result<ArrayRef> {
        self.times_after(|_| 0)
    }

    /// Times that are some nanoseconds after the events'.
    pub(super) fn times_after(&self, nanos: impl Fn(u64) -> u64) -> Result<ArrayRef> {
        let at = |event: &u64| self.plan.timeline.at(*event)?.checked_add_unsigned(nanos(*event));
        let times: Option<Vec<i64>> = self.events.iter().map(at).collect();
        let times = times.ok_or_else(|| {
            Error::new(Code::LimitReached, "the time of the Nexmark events has reached the year 2262")
                .with_hint("raise the rate, or bound the events: events = …")
        })?;
        Ok(Arc::new(TimestampNanosecondArray::from(times)))
    }
}

/// Hands out the events of one stream.
pub(super) struct NexmarkSource {
    plan: Plan,
    arrivals: Arrivals,
    events: Vec<u64>,
    rows: u64,
}

impl NexmarkSource {
    pub(super) fn new(plan: Plan) -> Self {
        let arrivals = Arrivals::new(plan.table, plan.events.unwrap_or(u64::MAX), plan.out_of_order);
        Self { plan, arrivals, events: Vec::new(), rows: 0 }
    }

    fn batch(&self) -> Result<RecordBatch> {
        let making = Making { plan: &self.plan, events: &self.events };
        let fields = self.plan.schema.fields();
        let column = |(make, field): (&Column, &FieldRef)| as_declared(&make(&making)?, field.data_type());
        let columns = self.plan.columns.iter().zip(fields).map(column).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.events.len()));
        Ok(RecordBatch::try_new_with_options(self.plan.schema.clone(), columns, &options)?)
    }
}

/// The same values in the declared type. A time is an instant in UTC, whatever the time zone in which it is shown: so a
/// cast that would read it as the wall clock of that zone must not see the zone.
fn as_declared(values: &ArrayRef, declared: &DataType) -> Result<ArrayRef> {
    match declared {
        same if same == values.data_type() => Ok(values.clone()),
        DataType::Timestamp(unit, Some(_)) => {
            let instants = cast(&cast(values, &DataType::Timestamp(*unit, None))?, &DataType::Int64)?;
            Ok(cast(&instants, declared)?)
        }
        _ => Ok(cast(values, declared)?),
    }
}

impl Source for NexmarkSource {
    fn schema(&self) -> SchemaRef {
        self.plan.schema.clone()
    }

    fn poll(&mut self, rows_max: usize) -> Result<SourcePoll> {
        self.events.clear();
        self.arrivals.take(rows_max.clamp(1, BATCH_ROWS_MAX), &mut self.events);
        if self.events.is_empty() {
            return Ok(SourcePoll::End);
        }
        let batch = self.batch()?;
        self.rows += self.events.len() as u64;
        Ok(SourcePoll::Rows { changes: ChangeBatch::append(batch), bad: Vec::new() })
    }

    fn position(&self) -> Position {
        let mut fields = FieldWriter::default();
        fields.number(self.rows).number(self.arrivals.place());
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
        let (rows, place) = (fields.number()?, fields.number()?);
        fields.end()?;
        self.rows = rows;
        self.arrivals.go_on_at(place);
        Ok(())
    }

    fn describe_position(&self) -> String {
        format!("nexmark {}: row {}", self.plan.name, self.rows)
    }

    fn is_bounded(&self) -> bool {
        self.plan.events.is_some()
    }
}
