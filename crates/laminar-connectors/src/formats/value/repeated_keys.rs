//! Maps that hold a key twice, as Parquet allows: as a JSON object most readers would keep one of the two values.

use std::collections::BTreeSet;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, FieldRef};
use laminar_core::Result;

use super::shown::Shown;
use crate::formats::Unwritable;

/// The rows with such a map, wherever it stands in them.
pub(crate) fn repeated_keys(rows: &RecordBatch) -> Result<Vec<Unwritable>> {
    let mut found: Vec<Unwritable> = Vec::new();
    for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
        if has_map(field.data_type()) {
            let reason = format!("column '{}': a map holds a key twice, which a JSON object cannot", field.name());
            found.extend(faults(field, column)?.into_iter().map(|row| Unwritable { row, reason: reason.clone() }));
        }
    }
    found.sort_by_key(|unwritable| unwritable.row);
    found.dedup_by_key(|unwritable| unwritable.row);
    Ok(found)
}

fn has_map(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => true,
        DataType::List(item) => has_map(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_map(field.data_type())),
        _ => false,
    }
}

/// The values of `array` with a map that holds a key twice.
fn faults(field: &FieldRef, array: &dyn Array) -> Result<BTreeSet<usize>> {
    Ok(match array.data_type() {
        DataType::List(item) => {
            let list = array.as_list::<i32>();
            owners(list.value_offsets(), array, &faults(item, list.values())?)
        }
        DataType::Struct(fields) => {
            let mut all = BTreeSet::new();
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                all.extend(faults(field, column)?);
            }
            all
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let (_, value_field) = map.entries_fields();
            let within = faults(&value_field.clone().into(), map.values())?;
            let mut all = owners(map.value_offsets(), array, &within);
            let (mut keys, mut scratch) = (Shown::new(field, map.keys())?, Vec::new());
            for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
                let mut seen = BTreeSet::new();
                let mut entries = map.value_offsets()[row] as usize..map.value_offsets()[row + 1] as usize;
                if entries.any(|entry| !seen.insert(keys.value(entry, &mut scratch).map(<[u8]>::to_vec))) {
                    all.insert(row);
                }
            }
            all
        }
        _ => BTreeSet::new(),
    })
}

/// The rows of `array` to which these items belong.
fn owners(offsets: &[i32], array: &dyn Array, items: &BTreeSet<usize>) -> BTreeSet<usize> {
    let row = |item: &usize| offsets.partition_point(|offset| *offset as usize <= *item).checked_sub(1);
    items.iter().filter_map(row).filter(|row| *row < array.len() && array.is_valid(*row)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{Int32Builder, ListBuilder, MapBuilder};
    use arrow_array::{ArrayRef, Int32Array};

    use super::*;

    #[test]
    fn a_map_with_a_key_twice_is_found_wherever_it_stands() {
        let mut lists = ListBuilder::new(MapBuilder::new(None, Int32Builder::new(), Int32Builder::new()));
        for keys in [&[1, 2][..], &[3, 3], &[3], &[]] {
            for key in keys {
                lists.values().keys().append_value(*key);
                lists.values().values().append_value(0);
            }
            lists.values().append(true).unwrap();
            lists.append(true);
        }
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![0; 4]));
        let rows = RecordBatch::try_from_iter([("n", numbers), ("l", Arc::new(lists.finish()) as ArrayRef)]).unwrap();
        let found = |rows: &RecordBatch| repeated_keys(rows).unwrap().iter().map(|found| found.row).collect::<Vec<_>>();
        assert_eq!(found(&rows), [1]);
        assert_eq!(found(&rows.slice(1, 3)), [0]);
        assert_eq!(found(&rows.slice(2, 2)), [] as [usize; 0]);
    }
}
