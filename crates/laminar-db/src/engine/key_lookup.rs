//! Rows of stored objects that are found by key, without looking at the others: by the primary key of a table, or by an index.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, StringArray, UInt64Array};
use arrow_cast::cast;
use arrow_schema::{DataType, Schema};
use laminar_core::{ChangeBatch, NodeId, Result};
use laminar_sql::batch::{Constant, Equality, Readings};
use laminar_sql::parse::StreamQuery;

use super::Engine;
use crate::catalog::{Definition, Object};

/// More keys than this are not looked up one by one.
const KEYS_MAX: usize = 1_000;

/// What finds the rows of an object by some columns.
struct Finder<'a> {
    node: NodeId,
    columns: &'a [usize],
    /// The index; `None`: the primary key.
    index: Option<&'a Object>,
}

impl Engine {
    /// What finds the rows of a stored object, the primary key first.
    fn finders<'a>(&'a self, object: &'a Object) -> Vec<Finder<'a>> {
        let by_key = match &object.definition {
            Definition::Table(table) if !table.key.is_empty() => self.instances.output(object.id).zip(Some(&table.key)),
            _ => None,
        };
        let by_key = by_key.map(|(node, columns)| Finder { node, columns, index: None });
        let by_index = self.catalog.iter().filter(|index| index.depends_on == [object.id]).filter_map(|index| {
            let Definition::Index { columns } = &index.definition else { return None };
            Some(Finder { node: *self.instances.nodes(index.id).first()?, columns, index: Some(index) })
        });
        by_key.into_iter().chain(by_index).collect()
    }

    /// What finds the rows of `object` that `equalities` leave over, and the values by which; of several the one by most columns.
    fn finder<'a>(&'a self, object: &'a Object, equalities: &[Equality]) -> Option<(Finder<'a>, Vec<ArrayRef>)> {
        if equalities.is_empty() {
            return None;
        }
        let schema = &object.properties()?.schema;
        let mut finders = self.finders(object);
        finders.sort_by_key(|finder| std::cmp::Reverse(finder.columns.len()));
        finders.into_iter().find_map(|finder| {
            let values = keys_by(equalities, finder.columns, schema)?;
            Some((finder, values))
        })
    }

    /// The rows of `object` that `equalities` leave over, and perhaps more; `None`: they are not to be found without looking at all.
    pub(crate) fn found_rows(&self, object: &Object, equalities: &[Equality]) -> Result<Option<Vec<ChangeBatch>>> {
        match self.finder(object, equalities) {
            Some((finder, values)) => self.reactor.graph().find(finder.node, finder.columns, &values),
            None => Ok(None),
        }
    }

    /// By what an ad-hoc `query` finds the rows of the objects of which it does not look at all: a line for each.
    pub(crate) fn found_by(&self, query: &StreamQuery) -> Vec<String> {
        let readings = Readings::of([query]);
        let object = |name: &String| {
            let object = self.catalog.get(name).filter(|object| object.is_stored())?;
            let (finder, _) = self.finder(object, readings.equalities_of(name))?;
            let schema = &object.properties()?.schema;
            let columns: Vec<&str> = finder.columns.iter().map(|column| schema.field(*column).name().as_str()).collect();
            let by = finder.index.map_or("PRIMARY KEY".to_owned(), |index| format!("index {}", index.name));
            Some(format!("rows of {name} are found by {by} ({})", columns.join(", ")))
        };
        readings.times.keys().filter_map(object).collect()
    }
}

/// The values of `columns` that `equalities` leave over, all combinations; `None`: too many, or they do not say it of all columns.
fn keys_by(equalities: &[Equality], columns: &[usize], schema: &Schema) -> Option<Vec<ArrayRef>> {
    let mut lists: Vec<Vec<Constant>> = Vec::with_capacity(columns.len());
    for column in columns {
        let field = schema.field(*column);
        let equality = equalities.iter().find(|equality| equality.column == *field.name())?;
        lists.push(typed(&equality.values, field.data_type())?);
    }
    let count = lists.iter().try_fold(1_usize, |count, list| count.checked_mul(list.len()))?;
    if count > KEYS_MAX {
        return None;
    }
    let mut repeated = 1;
    let mut arrays = Vec::with_capacity(columns.len());
    for (list, column) in lists.iter().zip(columns) {
        // Each value stands beside each combination of those before it.
        let values: Vec<&Constant> = (0..count).map(|row| &list[row / repeated % list.len()]).collect();
        repeated *= list.len();
        arrays.push(array_of(&values, schema.field(*column).data_type())?);
    }
    Some(arrays)
}

/// The constants that a column of this type can have, each once; `None`: it is not known how they compare.
fn typed(constants: &[Constant], data_type: &DataType) -> Option<Vec<Constant>> {
    let mut seen = BTreeSet::new();
    let mut typed = Vec::with_capacity(constants.len());
    for constant in constants {
        let (key, fits) = match (constant, data_type) {
            (Constant::Whole(number), _) if data_type.is_integer() => (number.to_string(), fits(*number, data_type)),
            (Constant::Text(text), DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8) => (text.clone(), true),
            (Constant::Boolean(value), DataType::Boolean) => (value.to_string(), true),
            _ => return None,
        };
        if seen.insert(key) && fits {
            typed.push(constant.clone());
        }
    }
    Some(typed)
}

fn fits(number: i128, data_type: &DataType) -> bool {
    match data_type {
        DataType::Int8 => i8::try_from(number).is_ok(),
        DataType::Int16 => i16::try_from(number).is_ok(),
        DataType::Int32 => i32::try_from(number).is_ok(),
        DataType::Int64 => i64::try_from(number).is_ok(),
        DataType::UInt8 => u8::try_from(number).is_ok(),
        DataType::UInt16 => u16::try_from(number).is_ok(),
        DataType::UInt32 => u32::try_from(number).is_ok(),
        _ => u64::try_from(number).is_ok(),
    }
}

/// Constants that fit to the type, as a column.
fn array_of(constants: &[&Constant], data_type: &DataType) -> Option<ArrayRef> {
    let whole = |constant: &&Constant| match constant {
        Constant::Whole(number) => Some(*number),
        _ => None,
    };
    let wide: ArrayRef = match data_type {
        DataType::Boolean => {
            Arc::new(BooleanArray::from_iter(constants.iter().map(|constant| Some(**constant == Constant::Boolean(true)))))
        }
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
            let text = |constant: &&Constant| if let Constant::Text(text) = constant { Some(text.clone()) } else { None };
            Arc::new(StringArray::from_iter(constants.iter().map(text)))
        }
        DataType::UInt64 => Arc::new(UInt64Array::from_iter(constants.iter().map(|constant| whole(constant)?.try_into().ok()))),
        _ => Arc::new(Int64Array::from_iter(constants.iter().map(|constant| whole(constant)?.try_into().ok()))),
    };
    cast(&wide, data_type).ok()
}
