//! `FORMAT DEBEZIUM`: the row before and the row after a change, with `op`, alone or inside of `payload` beside their `schema`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_core::changelog::equal_rows;
use laminar_core::operator::changelog::EnvelopeOperation;
use laminar_core::{Error, Result};

use super::told::Told;
use super::{Rows, optional, text_at};

/// The fields of an envelope, in the order in which they are read.
const FIELDS: [&str; 3] = ["before", "after", "op"];
const PAYLOAD: &str = "payload";

pub(super) fn records(rows: &Rows) -> SchemaRef {
    let mut fields = envelope(rows);
    fields.push(optional(PAYLOAD, DataType::Struct(envelope(rows).into())));
    Arc::new(Schema::new(fields))
}

fn envelope(rows: &Rows) -> Vec<Field> {
    let row = DataType::Struct(rows.nullable.fields().clone());
    let types = [row.clone(), row, DataType::Utf8];
    FIELDS.into_iter().zip(types).map(|(name, data_type)| optional(name, data_type)).collect()
}

pub(super) fn tell(rows: &Rows, records: &RecordBatch) -> Result<Told> {
    let payload = struct_of(records.column(FIELDS.len()))?;
    let [bare, packed] = [Envelopes::of(records.columns())?, Envelopes::of(payload.columns())?];
    let places = [&bare.before, &bare.after, &packed.before, &packed.after];
    let mut told = Told::new(places.iter().map(|place| place.columns().to_vec()).collect());
    let keeps_key = [bare.keeps_key(rows)?, packed.keeps_key(rows)?];
    for record in 0..records.num_rows() {
        let is_packed = usize::from(payload.is_valid(record));
        let envelopes = if is_packed == 1 { &packed } else { &bare };
        match envelopes.changes(record, keeps_key[is_packed][record], !rows.key.is_empty()) {
            Ok(changes) => {
                changes.into_iter().flatten().for_each(|(place, weight)| told.push(record, 2 * is_packed + place, weight))
            }
            Err(reason) => told.push_bad(record, reason),
        }
    }
    Ok(told)
}

/// The envelopes of all records.
struct Envelopes<'a> {
    before: &'a StructArray,
    after: &'a StructArray,
    op: &'a ArrayRef,
}

const BEFORE: usize = 0;
const AFTER: usize = 1;

impl<'a> Envelopes<'a> {
    fn of(columns: &'a [ArrayRef]) -> Result<Self> {
        Ok(Self { before: struct_of(&columns[BEFORE])?, after: struct_of(&columns[AFTER])?, op: &columns[2] })
    }

    /// Of each record, whether the row after it has the key of the row before it.
    fn keeps_key(&self, rows: &Rows) -> Result<Vec<bool>> {
        let keys = |row: &StructArray| rows.key.iter().map(|column| row.column(*column).clone()).collect::<Vec<_>>();
        Ok(equal_rows(&keys(self.before), &keys(self.after), self.op.len())?.iter().collect())
    }

    /// The rows that go and come with a record: which of its two, and the weight.
    fn changes(&self, record: usize, keeps_key: bool, has_key: bool) -> Result<[Option<(usize, i64)>; 2], String> {
        let Some(code) = text_at(self.op, record) else { return Err("no change of a row: it has no op".to_owned()) };
        let [before, after] = [self.before.is_valid(record), self.after.is_valid(record)];
        let (went, came) = (Some((BEFORE, -1)), Some((AFTER, 1)));
        match operation(&code)? {
            EnvelopeOperation::Delete if before => Ok([went, None]),
            EnvelopeOperation::Delete if has_key => Err("a deletion without 'before', which has the key of the row".to_owned()),
            EnvelopeOperation::Delete => Err("a deletion without the row in 'before'".to_owned()),
            _ if !after => Err(format!("op is '{code}', but there is no row in 'after'")),
            EnvelopeOperation::Create | EnvelopeOperation::Read => Ok([None, came]),
            // With a key the row after replaces the one that is there; only under another key the old one must go.
            EnvelopeOperation::Update if has_key => Ok([went.filter(|_| before && !keeps_key), came]),
            EnvelopeOperation::Update if before => Ok([went, came]),
            EnvelopeOperation::Update => Err("an update without the row in 'before', of a source without PRIMARY KEY".to_owned()),
        }
    }
}

fn operation(code: &str) -> Result<EnvelopeOperation, String> {
    use EnvelopeOperation as O;
    let known = [O::Create, O::Update, O::Delete, O::Read];
    let found = known.into_iter().find(|operation| operation.code() == code);
    found.ok_or_else(|| match code {
        "t" => "op is 't': the rows of a truncated table are not told one by one".to_owned(),
        other => format!("op is '{other}', which is none of c, u, d and r"),
    })
}

fn struct_of(column: &ArrayRef) -> Result<&StructArray> {
    column.as_struct_opt().ok_or_else(|| Error::internal(format!("a row of an envelope read as {}", column.data_type())))
}
