//! How many bytes rows take, told by a footer beforehand and by columns afterwards.

use std::fs::File;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use super::failure::unpanicked;

/// What a value takes besides its bytes: an offset or a view.
const VALUE_BYTES: u64 = 16;

/// Bytes that a row of `group` takes on average in these leaves. Where the writer does not say how long texts are, it is what
/// their pages have, which may be less than they take.
pub(super) fn row_bytes(group: &RowGroupMetaData, leaves: &[usize]) -> u64 {
    let rows = group.num_rows().max(1) as u64;
    let bytes = leaves.iter().map(|leaf| chunk_bytes(group.column(*leaf)));
    bytes.fold(0_u64, u64::saturating_add) / rows
}

fn chunk_bytes(chunk: &ColumnChunkMetaData) -> u64 {
    let values = chunk.num_values().max(0) as u64;
    let width = match chunk.column_type() {
        Type::BOOLEAN => 1,
        Type::INT32 | Type::FLOAT => 4,
        Type::INT64 | Type::DOUBLE => 8,
        Type::INT96 => 12,
        Type::FIXED_LEN_BYTE_ARRAY => chunk.column_descr().type_length().max(1) as u64,
        Type::BYTE_ARRAY => {
            let bytes = chunk.unencoded_byte_array_data_bytes().unwrap_or_else(|| chunk.uncompressed_size());
            return (bytes.max(0) as u64).saturating_add(values.saturating_mul(VALUE_BYTES));
        }
    };
    values.saturating_mul(width)
}

/// Whether texts of a chunk may be longer than its pages, with nothing that says how long: a dictionary holds each once.
/// `bytes_max`: what a text may have without harm.
pub(super) fn is_of_unknown_size(chunk: &ColumnChunkMetaData, bytes_max: usize) -> bool {
    chunk.column_type() == Type::BYTE_ARRAY
        && chunk.unencoded_byte_array_data_bytes().is_none()
        && chunk.uncompressed_size() > bytes_max as i64
        && chunk.encodings().any(|encoding| is_dictionary(encoding) || encoding == Encoding::DELTA_BYTE_ARRAY)
}

fn is_dictionary(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY)
}

/// The bytes of the longest text in the dictionary of a chunk of unknown size. What cannot be told is as long as can be.
pub(super) fn longest_text(file: &Arc<File>, chunk: &ColumnChunkMetaData) -> usize {
    if !chunk.encodings().any(is_dictionary) {
        return usize::MAX;
    }
    let first = unpanicked(|| SerializedPageReader::new(file.clone(), chunk, 0, None)?.get_next_page());
    match first {
        Ok(Some(Page::DictionaryPage { buf, .. })) => longest_of(&buf),
        _ => usize::MAX,
    }
}

/// The longest of texts that each have their length before them.
fn longest_of(mut texts: &[u8]) -> usize {
    let mut longest = 0;
    while let Some((length, rest)) = texts.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        longest = longest.max(length);
        texts = rest.get(length..).unwrap_or_default();
    }
    longest
}

/// How many of the first rows have no more than `bytes_max` in views; at least one.
pub(super) fn rows_within(batch: &RecordBatch, bytes_max: usize) -> usize {
    let mut rows = batch.num_rows();
    let views: Vec<&ArrayRef> = batch.columns().iter().filter(|column| has_views(column.data_type())).collect();
    while rows > 1 && views.iter().map(|column| view_bytes(&column.slice(0, rows))).sum::<usize>() > bytes_max {
        rows /= 2;
    }
    rows
}

fn has_views(data_type: &DataType) -> bool {
    match data_type {
        DataType::BinaryView | DataType::Utf8View => true,
        DataType::List(item) | DataType::Map(item, _) => has_views(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_views(field.data_type())),
        _ => false,
    }
}

/// Bytes that all views of a column are long.
fn view_bytes(column: &ArrayRef) -> usize {
    match column.data_type() {
        // The length of a view is its lowest 32 bits.
        DataType::BinaryView => column.as_binary_view().views().iter().map(|view| *view as u32 as usize).sum(),
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            let (first, last) = (list.offsets()[0] as usize, list.offsets()[list.len()] as usize);
            view_bytes(&list.values().slice(first, last - first))
        }
        DataType::Map(..) => {
            let map = column.as_map();
            let (first, last) = (map.offsets()[0] as usize, map.offsets()[map.len()] as usize);
            [map.keys(), map.values()].into_iter().map(|part| view_bytes(&part.slice(first, last - first))).sum()
        }
        DataType::Struct(_) => column.as_struct().columns().iter().map(view_bytes).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use arrow_array::builder::StringDictionaryBuilder;
    use arrow_array::types::Int32Type;
    use arrow_array::{Int64Array, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    use super::super::ParquetReader;
    use super::*;

    /// A file of these columns, in row groups of at most so many rows.
    fn file(columns: Vec<(&str, ArrayRef)>, group_rows: usize) -> File {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&writer.into_inner().unwrap()).unwrap();
        file
    }

    /// The rows of each batch, and the bytes of the largest.
    fn batches(file: File, batch_rows: usize) -> (Vec<usize>, usize) {
        let schema = super::super::parquet_schema(file.try_clone().unwrap(), "'a.parquet'").unwrap();
        let mut reader = ParquetReader::new(file, "'a.parquet'", schema, batch_rows).unwrap();
        let (mut rows, mut bytes) = (Vec::new(), 0_usize);
        while let Some((batch, bad)) = reader.next_batch().unwrap() {
            assert_eq!(bad, []);
            rows.push(batch.num_rows());
            bytes = bytes.max(batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap()).sum());
        }
        (rows, bytes)
    }

    #[test]
    fn batches_of_long_texts_have_few_rows() {
        let text = "x".repeat(400_000);
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..300).map(|_| &text)));
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..300));
        let (rows, bytes) = batches(file(vec![("id", ids), ("text", texts)], 1000), 8192);
        assert_eq!(rows.iter().sum::<usize>(), 300);
        assert!(rows.len() > 3 && bytes < 40 << 20, "{rows:?}, {bytes} bytes");
    }

    #[test]
    fn batches_of_a_long_text_that_a_dictionary_holds_once_have_few_rows() {
        let text = "x".repeat(400_000);
        let mut texts = StringDictionaryBuilder::<Int32Type>::new();
        (0..300).for_each(|row| texts.append_value(if row % 2 == 0 { text.as_str() } else { "short" }));
        let texts: ArrayRef = Arc::new(texts.finish());
        let (rows, bytes) = batches(file(vec![("text", texts)], 1000), 8192);
        assert_eq!(rows.iter().sum::<usize>(), 300);
        assert!(rows.len() > 1 && bytes < 40 << 20, "{rows:?}, {bytes} bytes");
    }

    #[test]
    fn the_longest_text_of_a_dictionary_is_found_and_damage_is_no_panic() {
        let texts = |lengths: &[u32]| -> Vec<u8> {
            lengths.iter().flat_map(|length| [length.to_le_bytes().to_vec(), vec![b'x'; *length as usize]].concat()).collect()
        };
        assert_eq!(longest_of(&texts(&[3, 0, 70_000, 12])), 70_000);
        assert_eq!(longest_of(&[]), 0);
        let cut = texts(&[3, 9]);
        assert_eq!((0..cut.len()).map(|end| longest_of(&cut[..end])).max(), Some(9));
    }

    #[test]
    fn small_rows_fill_batches_across_row_groups() {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..2500));
        let (rows, _) = batches(file(vec![("id", ids)], 100), 1000);
        assert_eq!(rows, [1000, 1000, 500]);
    }

    #[test]
    fn views_are_weighed_with_what_they_point_to() {
        let views: ArrayRef = Arc::new(arrow_array::BinaryViewArray::from_iter_values((0..100).map(|_| vec![0_u8; 1000])));
        let lists: ArrayRef = Arc::new(arrow_array::ListArray::new(
            Arc::new(arrow_schema::Field::new("item", DataType::BinaryView, false)),
            arrow_buffer::OffsetBuffer::from_lengths([50, 50]),
            views.clone(),
            None,
        ));
        assert_eq!(view_bytes(&views), 100_000);
        assert_eq!(view_bytes(&lists.slice(1, 1)), 50_000);
        let batch = RecordBatch::try_from_iter([("a", lists)]).unwrap();
        assert_eq!((rows_within(&batch, 1 << 20), rows_within(&batch, 60_000), rows_within(&batch, 1)), (2, 1, 1));
        let batch = RecordBatch::try_from_iter([("a", views)]).unwrap();
        assert_eq!((rows_within(&batch, 30_000), rows_within(&batch, 0)), (25, 1));
    }
}
