//! Which columns a format can hold, such that reading them gives the same values.

use arrow_schema::{DataType, FieldRef, Schema};
use laminar_core::{Code, Error, Result};

use super::Format;
use super::distinct::equal_name;
use super::type_name::type_name;

/// Refuses columns that a file of this format cannot hold.
pub fn check_writable(schema: &Schema, format: Format) -> Result<()> {
    if let Some(name) = equal_name(schema.fields().iter().map(|field| field.name().as_str())) {
        return Err(Error::new(Code::InvalidQuery, format!("two columns are called '{name}', but a file finds them by name"))
            .with_hint(format!("give one another name: SELECT {name} AS {name}_2, …")));
    }
    schema.fields().iter().try_for_each(|field| match fault_of(field.data_type(), format) {
        Some(fault) => Err(refused(field, format, &fault)),
        None => Ok(()),
    })
}

fn refused(field: &FieldRef, format: Format, fault: &str) -> Error {
    let (name, kind) = (field.name(), type_name(field.data_type()));
    Error::new(Code::NotSupported, format!("column '{name}' of type {kind} cannot be written as {}: {fault}", format.name()))
        .with_hint(format!("write CAST({name} AS VARCHAR), or leave the column out"))
}

fn fault_of(data_type: &DataType, format: Format) -> Option<String> {
    use DataType as D;
    let all = |fields: &arrow_schema::Fields| fields.iter().find_map(|field| fault_of(field.data_type(), format));
    match data_type {
        D::Union(..) => Some("its values are of several types".to_owned()),
        D::Interval(_) if format == Format::Parquet => {
            Some("Parquet's intervals have neither signs nor less than milliseconds".to_owned())
        }
        D::Struct(fields) if fields.is_empty() && format == Format::Parquet => Some("a struct has no fields".to_owned()),
        D::Struct(fields) => equal_name(fields.iter().map(|field| field.name().as_str()))
            .map(|name| format!("a struct has two fields called '{name}'"))
            .or_else(|| all(fields)),
        D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) | D::Map(item, _) => fault_of(item.data_type(), format),
        D::ListView(item) | D::LargeListView(item) => fault_of(item.data_type(), format),
        D::Dictionary(_, values) => fault_of(values, format),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{Field, IntervalUnit};

    use super::*;

    fn check(fields: &[(&str, DataType)], format: Format) -> String {
        let fields: Vec<_> = fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect();
        check_writable(&Schema::new(fields), format).map_or_else(|error| error.to_string(), |()| "written".to_owned())
    }

    #[test]
    fn what_a_format_cannot_hold_is_refused_by_name() {
        let interval = DataType::Interval(IntervalUnit::MonthDayNano);
        let list = DataType::List(Arc::new(Field::new_list_field(interval.clone(), true)));
        let x = Field::new("x", DataType::Int64, true);
        let twice = DataType::Struct(vec![x.clone(), x].into());
        assert_eq!(check(&[("i", interval.clone()), ("l", list.clone())], Format::Csv), "written");
        assert_eq!(check(&[("i", interval)], Format::Ndjson), "written");
        assert_eq!(
            check(&[("l", list)], Format::Parquet),
            "LDB-1010: column 'l' of type INTERVAL[] cannot be written as parquet: Parquet's intervals have neither signs nor less \
             than milliseconds; hint: write CAST(l AS VARCHAR), or leave the column out"
        );
        assert_eq!(
            check(&[("s", twice)], Format::Csv),
            "LDB-1010: column 's' of type STRUCT cannot be written as csv: a struct has two fields called 'x'; \
             hint: write CAST(s AS VARCHAR), or leave the column out"
        );
        assert_eq!(
            check(&[("a", DataType::Int64), ("a", DataType::Utf8)], Format::Parquet),
            "LDB-1011: two columns are called 'a', but a file finds them by name; \
             hint: give one another name: SELECT a AS a_2, …"
        );
    }
}
