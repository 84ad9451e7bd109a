//! Records that tell changes of rows instead of rows: what a record is read as, and which changes it means.
//!
//! * [`upsert`]: rows with `op`, as a sink with `changelog = 'true'` writes them. [`debezium`]: the row before and the row after.
//! * [`told`]: the changes of some records, put together.

mod debezium;
mod told;
mod upsert;

use arrow_array::{Array, RecordBatch};
use arrow_schema::{Field, Schema, SchemaRef};
use laminar_core::{ChangeBatch, Code, Error, Result};

use super::Encoder;
use super::ndjson::NdjsonEncoder;
use told::Told;

/// How records tell changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// A row with `op`: it is written by its key, or the row of its key goes.
    Upsert,
    /// `before`, `after` and `op`, as Debezium writes them.
    Debezium,
}

impl Envelope {
    /// All names that users may write; `plain` is none.
    pub const CHOICES: &'static [(&'static str, Option<Envelope>)] =
        &[("plain", None), ("upsert", Some(Envelope::Upsert)), ("debezium", Some(Envelope::Debezium))];

    /// As FORMAT says it.
    pub fn name(self) -> &'static str {
        match self {
            Envelope::Upsert => "UPSERT",
            Envelope::Debezium => "DEBEZIUM",
        }
    }
}

/// Reads records as changes of rows.
#[derive(Debug)]
pub struct EnvelopeDecoder {
    envelope: Envelope,
    rows: Rows,
    records: SchemaRef,
}

/// The rows of which records tell.
#[derive(Debug)]
struct Rows {
    /// As they are declared.
    declared: SchemaRef,
    /// The same columns, each of which may be NULL: a row that goes may be told by its key alone.
    nullable: SchemaRef,
    /// The columns of the primary key; none if there is no key.
    key: Vec<usize>,
}

/// What records mean.
#[derive(Debug)]
pub struct Decoded {
    /// The changes, in the order of the records.
    pub changes: ChangeBatch,
    /// Records that mean nothing, ascending, each as JSON and with the reason.
    pub bad: Vec<(String, String)>,
}

impl EnvelopeDecoder {
    /// A decoder of changes of rows with the columns `declared`, of which `key` is the primary key.
    pub fn new(envelope: Envelope, declared: &SchemaRef, key: &[usize]) -> Result<Self> {
        let nullable = declared.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let nullable = SchemaRef::new(Schema::new(nullable.collect::<Vec<_>>()));
        let rows = Rows { declared: declared.clone(), nullable, key: key.to_vec() };
        let records = match envelope {
            Envelope::Upsert => upsert::records(&rows)?,
            Envelope::Debezium => debezium::records(&rows),
        };
        Ok(Self { envelope, rows, records })
    }

    /// The columns as which records are read.
    pub fn records(&self) -> &SchemaRef {
        &self.records
    }

    /// The changes that the records tell.
    pub fn decode(&self, records: &RecordBatch) -> Result<Decoded> {
        let mut told = match self.envelope {
            Envelope::Upsert => upsert::tell(&self.rows, records)?,
            Envelope::Debezium => debezium::tell(&self.rows, records)?,
        };
        self.refuse_nulls(&mut told);
        let bad = told.bad().map(|(record, reason)| Ok((text_of(&records.slice(record, 1))?, reason.to_owned())));
        Ok(Decoded { bad: bad.collect::<Result<_>>()?, changes: told.changes(&self.rows.nullable)? })
    }

    /// A row that comes has a value wherever there must be one; one that goes needs its key, or all of it if there is none.
    fn refuse_nulls(&self, told: &mut Told) {
        let fields = self.rows.declared.fields().iter().enumerate();
        let required: Vec<(usize, &str)> =
            fields.filter(|(_, field)| !field.is_nullable()).map(|(column, field)| (column, field.name().as_str())).collect();
        told.refuse(|row| {
            let is_needed = |column: usize| row.weight > 0 || self.rows.key.is_empty() || self.rows.key.contains(&column);
            let missing = required.iter().find(|(column, _)| is_needed(*column) && row.is_null(*column));
            missing.map(|(_, name)| format!("column '{name}': NULL, but the column is NOT NULL"))
        });
    }
}

/// Records as people read them, as JSON.
fn text_of(record: &RecordBatch) -> Result<String> {
    let mut text = Vec::new();
    NdjsonEncoder::default().encode(record, &mut text)?;
    Ok(String::from_utf8_lossy(text.trim_ascii_end()).into_owned())
}

/// The text of `column` at `row`, if there is one.
fn text_at(column: &dyn Array, row: usize) -> Option<String> {
    let is_there = column.is_valid(row);
    is_there.then(|| arrow_cast::display::array_value_to_string(column, row).unwrap_or_default()).filter(|text| !text.is_empty())
}

/// A column that a record may lack.
fn optional(name: &str, data_type: arrow_schema::DataType) -> Field {
    Field::new(name, data_type, true)
}

fn refused(message: String, hint: &str) -> Error {
    Error::new(Code::InvalidOption, message).with_hint(hint)
}
