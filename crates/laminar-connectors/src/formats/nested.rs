//! Columns of lists, structs and maps, read from JSON.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::{ArrayRef, ListArray, MapArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, FieldRef, Fields};
use laminar_core::Result;
use serde_json::value::RawValue;

use super::cell::{Cell, CellOptions};
use super::column::{self, Column, Reason, unsupported};
use super::names::{ColumnIndex, KeyFinder};
use super::ndjson::{Member, cell_of, object_of};
use super::type_name::type_name;

/// An empty column of a list, struct or map.
pub(super) fn column_of(data_type: &DataType, options: CellOptions) -> Result<Box<dyn Column>> {
    check_nullable(data_type)?;
    Ok(match data_type {
        DataType::List(item) => {
            let items = column::column_of(item.data_type(), options)?;
            Box::new(ListColumn { item: item.clone(), items, lengths: Vec::new(), valid: BooleanBufferBuilder::new(0) })
        }
        DataType::Struct(fields) => Box::new(StructColumn::new(fields, options)?),
        DataType::Map(entries, _) => Box::new(MapColumn::new(entries, options)?),
        other => return Err(unsupported(other)),
    })
}

/// A row that does not fit leaves NULLs inside until it is dropped, so everything inside must allow them.
fn check_nullable(data_type: &DataType) -> Result<()> {
    let nullable = match data_type {
        DataType::List(item) => item.is_nullable(),
        DataType::Struct(fields) => fields.iter().all(|field| field.is_nullable()),
        _ => true,
    };
    if nullable { Ok(()) } else { Err(unsupported(data_type).with_detail("NOT NULL inside a list or struct")) }
}

/// The raw JSON of a nested value; text may hold JSON too (a list in a CSV field).
fn json<'a>(cell: &'a Cell<'_>) -> Option<&'a str> {
    match cell {
        Cell::Json(text) => Some(text),
        Cell::Text(text) => Some(text),
        _ => None,
    }
}

fn nulls(valid: &mut BooleanBufferBuilder) -> Option<NullBuffer> {
    Some(NullBuffer::new(valid.finish())).filter(|nulls| nulls.null_count() > 0)
}

/// Adds one row: the value, or NULL if there is none or it cannot be read.
fn append_raw(column: &mut dyn Column, value: Result<Cell<'_>, Reason>) -> Result<(), Reason> {
    match value {
        Ok(cell) => column.append(&cell),
        Err(reason) => column.append(&Cell::Null).and(Err(reason)),
    }
}

struct ListColumn {
    item: FieldRef,
    items: Box<dyn Column>,
    lengths: Vec<usize>,
    valid: BooleanBufferBuilder,
}

impl ListColumn {
    /// Adds all items, even after a bad one, so that lengths and items agree.
    fn append_items(&mut self, items: &[&RawValue]) -> Result<(), Reason> {
        let mut outcome = Ok(());
        for (index, item) in items.iter().enumerate() {
            let appended = append_raw(&mut *self.items, cell_of(item));
            outcome = outcome.and(appended.map_err(|reason| format!("item {}: {reason}", index + 1)));
        }
        outcome
    }
}

impl Column for ListColumn {
    fn append(&mut self, cell: &Cell<'_>) -> Result<(), Reason> {
        let items: Option<Vec<&RawValue>> = json(cell).and_then(|text| serde_json::from_str(text).ok());
        self.valid.append(*cell != Cell::Null);
        self.lengths.push(items.as_ref().map_or(0, Vec::len));
        match items {
            Some(items) => self.append_items(&items),
            None if *cell == Cell::Null => Ok(()),
            None => Err(cell.is_not(&type_name(&DataType::List(self.item.clone())))),
        }
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let offsets = OffsetBuffer::from_lengths(std::mem::take(&mut self.lengths));
        let items = self.items.finish()?;
        Ok(Arc::new(ListArray::try_new(self.item.clone(), offsets, items, nulls(&mut self.valid))?))
    }
}

struct StructColumn {
    fields: Fields,
    names: Vec<String>,
    index: ColumnIndex,
    columns: Vec<Box<dyn Column>>,
    valid: BooleanBufferBuilder,
}

impl StructColumn {
    fn new(fields: &Fields, options: CellOptions) -> Result<Self> {
        let columns = fields.iter().map(|field| column::column_of(field.data_type(), options)).collect::<Result<_>>()?;
        let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
        let index = ColumnIndex::new(&names);
        Ok(Self { fields: fields.clone(), names, index, columns, valid: BooleanBufferBuilder::new(0) })
    }

    fn append_members(&mut self, members: &[Member<'_>]) -> Result<(), Reason> {
        let mut outcome = Ok(());
        for (index, (column, member)) in self.columns.iter_mut().zip(members).enumerate() {
            let appended = append_raw(&mut **column, member.cell());
            outcome = outcome.and(appended.map_err(|reason| format!("field '{}': {reason}", self.names[index])));
        }
        outcome
    }
}

impl Column for StructColumn {
    fn append(&mut self, cell: &Cell<'_>) -> Result<(), Reason> {
        let mut members = vec![Member::Missing; self.names.len()];
        let mut finder = KeyFinder::new(&self.names, &self.index);
        let parsed = json(cell).map(|text| object_of(text, |key| finder.find(key), &mut members));
        self.valid.append(*cell != Cell::Null);
        match parsed {
            Some(Ok(())) => self.append_members(&members),
            _ => {
                self.append_members(&vec![Member::Missing; self.names.len()])?;
                if *cell == Cell::Null { Ok(()) } else { Err(cell.is_not("STRUCT")) }
            }
        }
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let columns = self.columns.iter_mut().map(|column| column.finish()).collect::<Result<Vec<_>>>()?;
        let rows = self.valid.len();
        let nulls = nulls(&mut self.valid);
        Ok(Arc::new(StructArray::try_new_with_length(self.fields.clone(), columns, nulls, rows)?))
    }
}

struct MapColumn {
    entries: FieldRef,
    key: Box<dyn Column>,
    value: Box<dyn Column>,
    lengths: Vec<usize>,
    valid: BooleanBufferBuilder,
}

impl MapColumn {
    fn new(entries: &FieldRef, options: CellOptions) -> Result<Self> {
        let DataType::Struct(fields) = entries.data_type() else { return Err(unsupported(entries.data_type())) };
        let [key, value] = fields.as_ref() else { return Err(unsupported(entries.data_type())) };
        Ok(Self {
            entries: entries.clone(),
            key: column::column_of(key.data_type(), options)?,
            value: column::column_of(value.data_type(), options)?,
            lengths: Vec::new(),
            valid: BooleanBufferBuilder::new(0),
        })
    }
}

impl Column for MapColumn {
    fn append(&mut self, cell: &Cell<'_>) -> Result<(), Reason> {
        let members = json(cell).and_then(|text| serde_json::from_str::<Members<'_>>(text).ok());
        self.valid.append(*cell != Cell::Null);
        let Some(Members(members)) = members else {
            self.lengths.push(0);
            return if *cell == Cell::Null { Ok(()) } else { Err(cell.is_not("MAP")) };
        };
        self.lengths.push(members.len());
        let mut outcome = Ok(());
        for (key, value) in members {
            let key_fits = self.key.append(&Cell::Text(key));
            let value_fits = append_raw(&mut *self.value, cell_of(value));
            outcome = outcome.and(key_fits).and(value_fits);
        }
        outcome
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let DataType::Struct(fields) = self.entries.data_type() else { return Err(unsupported(self.entries.data_type())) };
        let entries = StructArray::try_new(fields.clone(), vec![self.key.finish()?, self.value.finish()?], None)?;
        let offsets = OffsetBuffer::from_lengths(std::mem::take(&mut self.lengths));
        let nulls = nulls(&mut self.valid);
        Ok(Arc::new(MapArray::try_new(self.entries.clone(), offsets, entries, nulls, false)?))
    }
}

/// The members of an object in their order.
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(Members)
    }
}

struct MembersVisitor;

impl<'de> serde::de::Visitor<'de> for MembersVisitor {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            members.push((Cow::Owned(key), map.next_value()?));
        }
        Ok(members)
    }
}
