//! Changes as they stand in a record: an Arrow IPC message without the schema, which the object that they came into has.
//!
//! ```text
//! form u8 | partition u32 | columns u16 | message bytes u32 | message | buffers
//! ```
//!
//! The message is the metadata of an IPC record batch; weights and arrivals are columns after those of the object, where there are
//! any. A schema with dictionaries or runs goes as a whole IPC stream after `columns` instead, since their values come in messages
//! of their own; the form says so.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, new_empty_array};
use arrow_buffer::Buffer;
use arrow_ipc::reader::read_record_batch;
use arrow_ipc::root_as_message;
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_core::{ChangeBatch, Code, Error, Result, Weights};

use crate::encoding::{Cursor, numbers, read_table, table, without_slack, write_table};

const HAS_WEIGHTS: u8 = 1;
const HAS_ARRIVALS: u8 = 2;
const IS_STREAM: u8 = 4;

/// Changes without their schema, as they stand in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedRows(Vec<u8>);

impl EncodedRows {
    /// Encodes changes. Weights that are all one take no space.
    pub fn of(changes: &ChangeBatch) -> Result<Self> {
        let schema = changes.schema();
        let columns = u16::try_from(schema.fields().len())
            .map_err(|_| Error::new(Code::LimitReached, "rows of more than 65,535 columns cannot be logged"))?;
        let weights = match changes.weights() {
            Weights::Ones => None,
            Weights::Each(weights) => Some((HAS_WEIGHTS, weights.clone())),
        };
        let arrivals = changes.arrivals().map(|arrivals| (HAS_ARRIVALS, arrivals.clone()));
        // A slice without rows is an array of its own: Arrow cannot read back what it writes of empty slices of runs.
        let column =
            |column: &ArrayRef| if changes.is_empty() { new_empty_array(column.data_type()) } else { without_slack(column) };
        let mut arrays: Vec<ArrayRef> = changes.rows().columns().iter().map(column).collect();
        let mut form = if schema.fields().iter().any(|field| needs_stream(field.data_type())) { IS_STREAM } else { 0 };
        for (flag, values) in weights.into_iter().chain(arrivals) {
            form |= flag;
            arrays.push(Arc::new(Int64Array::new(values, None)));
        }
        let rows = table(with_extra(&schema, form), arrays, changes.len())?;
        let mut bytes = vec![form];
        bytes.extend_from_slice(&changes.partition().to_le_bytes());
        bytes.extend_from_slice(&columns.to_le_bytes());
        if form & IS_STREAM != 0 {
            write_table(&rows, &mut bytes)?
        } else {
            write_message(&rows, &mut bytes)?
        }
        Ok(Self(bytes))
    }

    /// The changes, which have this schema.
    pub fn decode(&self, schema: &SchemaRef) -> Result<ChangeBatch> {
        let mut cursor = Cursor::new(&self.0);
        let (form, partition, columns) = (cursor.u8("rows")?, cursor.u32("rows")?, cursor.u16("rows")?);
        if form & !(HAS_WEIGHTS | HAS_ARRIVALS | IS_STREAM) != 0 {
            return Err(Error::new(Code::NotSupported, format!("rows of the form {form:#x} are not known to this build")));
        }
        if usize::from(columns) != schema.fields().len() {
            let expected = schema.fields().len();
            return Err(Error::new(Code::BadData, format!("logged rows have {columns} columns, their object has {expected}")));
        }
        let whole = with_extra(schema, form);
        let rows = if form & IS_STREAM != 0 { read_table(cursor.rest().into())? } else { read_message(cursor, whole.clone())? };
        let types = |fields: &Schema| fields.fields().iter().map(|field| field.data_type().clone()).collect::<Vec<_>>();
        if types(rows.schema_ref()) != types(&whole) {
            return Err(Error::new(Code::BadData, "logged rows have other types than their object"));
        }
        let (count, mut arrays) = (rows.num_rows(), rows.columns().to_vec());
        let mut extra = |flag| if form & flag != 0 { numbers(arrays.pop()).map(Some) } else { Ok(None) };
        let (arrivals, weights) = (extra(HAS_ARRIVALS)?, extra(HAS_WEIGHTS)?);
        let rows = table(schema.clone(), arrays, count)?;
        let changes = match weights {
            Some(weights) => ChangeBatch::new(rows, weights.values().clone()),
            None => ChangeBatch::append(rows),
        };
        let changes = changes.with_partition(partition);
        Ok(match arrivals {
            Some(arrivals) => changes.with_arrivals(arrivals.values().clone()),
            None => changes,
        })
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes as they stand in a record.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether a type has values that IPC puts beside the batch, or that it can only write with their schema.
fn needs_stream(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(..) | DataType::RunEndEncoded(..) => true,
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => needs_stream(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| needs_stream(field.data_type())),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| needs_stream(field.data_type())),
        _ => false,
    }
}

/// The object's columns, then weights and arrivals where the form says so.
fn with_extra(schema: &SchemaRef, form: u8) -> SchemaRef {
    let mut fields = schema.fields().to_vec();
    for (flag, name) in [(HAS_WEIGHTS, "weight"), (HAS_ARRIVALS, "arrival")] {
        if form & flag != 0 {
            fields.push(Arc::new(Field::new(name, DataType::Int64, false)));
        }
    }
    Arc::new(Schema::new(fields))
}

fn write_message(rows: &RecordBatch, into: &mut Vec<u8>) -> Result<()> {
    let options = IpcWriteOptions::default();
    let (_, encoded) = IpcDataGenerator::default().encode(
        rows,
        &mut DictionaryTracker::new(false),
        &options,
        &mut IpcWriteContext::default(),
    )?;
    let length = u32::try_from(encoded.ipc_message.len())
        .map_err(|_| Error::new(Code::LimitReached, "the description of a batch is longer than 4 GiB"))?;
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(&encoded.ipc_message);
    into.extend_from_slice(&encoded.arrow_data);
    Ok(())
}

fn read_message(mut cursor: Cursor<'_>, schema: SchemaRef) -> Result<RecordBatch> {
    let message = cursor.sized_bytes("description of a batch")?;
    let bad = |what: String| Error::new(Code::BadData, format!("logged rows cannot be read: {what}"));
    let message = root_as_message(message).map_err(|error| bad(error.to_string()))?;
    let batch = message.header_as_record_batch().ok_or_else(|| bad("their description is of another kind".into()))?;
    let buffers = Buffer::from(cursor.rest());
    Ok(read_record_batch(&buffers, batch, schema, &HashMap::new(), None, &message.version())?)
}
