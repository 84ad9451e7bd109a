//! One Arrow table as an IPC stream of exactly one batch.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
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

/// The bytes of a table that stands among others: shared if they lie as values of 8 bytes need it, a copy if not, so that the others are not kept for some
/// columns of it while the rest are copied.
pub(crate) fn table_within(bytes: &Buffer, table: &[u8]) -> Buffer {
    match table.as_ptr().align_offset(align_of::<u64>()) {
        0 => bytes.slice_with_length(table.as_ptr() as usize - bytes.as_ptr() as usize, table.len()),
        _ => table.into(),
    }
}

/// Reads the table that fills `bytes`, whose memory it shares.
pub(crate) fn read_table(mut bytes: Buffer) -> Result<RecordBatch> {
    let mut decoder = StreamDecoder::new();
    let rows = decoder.decode(&mut bytes)?.ok_or_else(|| Error::new(Code::BadData, "a table without its batch"))?;
    if decoder.decode(&mut bytes)?.is_some() {
        return Err(Error::new(Code::BadData, "a table of more than one batch"));
    }
    decoder.finish()?;
    Ok(rows)
}
