//! One Arrow table as an IPC stream of exactly one batch.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::DataType;
use laminar_core::{Code, Error, Result};

/// Appends the table.
pub(crate) fn write_table(rows: &RecordBatch, into: &mut Vec<u8>) -> Result<()> {
    let columns = rows.columns().iter().map(without_slack).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    let rows = RecordBatch::try_new_with_options(rows.schema(), columns, &options)?;
    let mut writer = StreamWriter::try_new(into, &rows.schema())?;
    writer.write(&rows)?;
    Ok(writer.finish()?)
}

/// A view column refers to whole buffers, however few of their bytes it shows; written as it is, ten rows of a large file
/// would take the space of the file.
pub(crate) fn without_slack(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()),
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => column.clone(),
    }
}

/// Reads the table that fills `bytes`.
pub(crate) fn read_table(bytes: &[u8]) -> Result<RecordBatch> {
    let mut reader = StreamReader::try_new(bytes, None)?;
    let rows = reader.next().ok_or_else(|| Error::new(Code::BadData, "a table without its batch"))??;
    match reader.next() {
        None => Ok(rows),
        Some(_) => Err(Error::new(Code::BadData, "a table of more than one batch")),
    }
}
