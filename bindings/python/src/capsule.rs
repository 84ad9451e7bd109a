//! Arrow structures in capsules: the Arrow PyCapsule interface, in both directions. The only file of the crate with `unsafe`.

#![expect(unsafe_code, reason = "a capsule holds a bare pointer; every block says on what it relies")]

use std::ffi::CStr;

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow_array::ffi_stream::{ArrowArrayStreamReader, FFI_ArrowArrayStream};
use arrow_array::{Array, RecordBatch, RecordBatchIterator, RecordBatchReader, StructArray};
use arrow_schema::{ArrowError, Schema};
use laminar_db::{Code, Error, Result, Rows};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";
const STREAM: &CStr = c"arrow_array_stream";

/// Batches that come from Python, one after the other.
pub(crate) type Batches = Box<dyn Iterator<Item = std::result::Result<RecordBatch, ArrowError>> + Send>;

/// A stream of the rows, that shares their columns.
pub(crate) fn stream_of<'py>(py: Python<'py>, rows: &Rows) -> PyResult<Bound<'py, PyCapsule>> {
    let batches: Vec<_> = rows.batches.iter().cloned().map(Ok).collect();
    let stream = FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new(batches, rows.schema.clone())));
    PyCapsule::new_with_value(py, stream, STREAM)
}

/// Names and types of the rows.
pub(crate) fn schema_of<'py>(py: Python<'py>, rows: &Rows) -> PyResult<Bound<'py, PyCapsule>> {
    let schema = FFI_ArrowSchema::try_from(rows.schema.as_ref()).map_err(|error| PyValueError::new_err(error.to_string()))?;
    PyCapsule::new_with_value(py, schema, SCHEMA)
}

/// The batches of what `__arrow_c_stream__` gave, and their columns. The capsule is empty afterwards.
pub(crate) fn read_stream(given: &Bound<'_, PyAny>) -> PyResult<Result<(Schema, Batches)>> {
    let pointer = given.cast::<PyCapsule>()?.pointer_checked(Some(STREAM))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: a capsule of this name holds a stream by the interface, and we hold the capsule. The stream is moved out: what
    // stays behind is marked as released.
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr()) };
    let read = || {
        let reader = ArrowArrayStreamReader::try_new(stream)?;
        let schema = reader.schema().as_ref().clone();
        Ok((schema, Box::new(reader) as Batches))
    };
    Ok(read())
}

/// The batch of what `__arrow_c_array__` gave, and its columns. The capsules are empty afterwards.
pub(crate) fn read_array(given: &Bound<'_, PyAny>) -> PyResult<Result<(Schema, Batches)>> {
    let (schema, array): (Bound<'_, PyAny>, Bound<'_, PyAny>) = given.extract()?;
    let schema = schema.cast::<PyCapsule>()?.pointer_checked(Some(SCHEMA))?.cast::<FFI_ArrowSchema>();
    let array = array.cast::<PyCapsule>()?.pointer_checked(Some(ARRAY))?.cast::<FFI_ArrowArray>();
    // SAFETY: capsules of these names hold a schema and an array by the interface, and we hold the capsules. Both are moved out:
    // what stays behind is marked as released.
    let (schema, array) = unsafe { (FFI_ArrowSchema::from_raw(schema.as_ptr()), FFI_ArrowArray::from_raw(array.as_ptr())) };
    Ok(batch_of(&schema, array))
}

fn batch_of(schema: &FFI_ArrowSchema, array: FFI_ArrowArray) -> Result<(Schema, Batches)> {
    if array.is_released() {
        return Err(Error::new(Code::BadData, "the array was released or read before"));
    }
    // SAFETY: array and schema belong together, as one call of `__arrow_c_array__` gave both.
    let data = unsafe { from_ffi(array, schema) }?;
    if !matches!(data.data_type(), arrow_schema::DataType::Struct(_)) {
        return Err(Error::new(Code::TypeMismatch, format!("an array of {} is not rows", data.data_type()))
            .with_hint("push a table, a record batch or a struct array"));
    }
    let rows = StructArray::from(data);
    if rows.null_count() > 0 {
        return Err(Error::new(Code::BadData, format!("{} of the rows are NULL as a whole", rows.null_count()))
            .with_hint("mark the columns' values as NULL, not the struct that holds them"));
    }
    Ok((Schema::try_from(schema)?, Box::new(std::iter::once(Ok(RecordBatch::from(rows))))))
}
