//! The statement that makes a table with these columns.

use arrow_schema::{DataType, Schema, TimeUnit};

use super::types::columns_to_schema;
use crate::parse::names::written;
use crate::parse::{Statement, parse_statement};

/// `CREATE TABLE name (column TYPE, …)`; `None` if a column has a type that cannot be declared. Names are quoted where they must be.
pub fn create_table_text(name: &str, columns: &Schema) -> Option<String> {
    // Which names need quotes is what the parser says: the first text that it reads as meant.
    let mut texts = (0..2).filter_map(|form| written_with(|name| written(name)[form].clone(), name, columns));
    texts.find(|text| reads_back(text, name, columns))
}

fn written_with(identifier: impl Fn(&str) -> String, name: &str, columns: &Schema) -> Option<String> {
    let column = |field: &arrow_schema::FieldRef| {
        let not_null = if field.is_nullable() { "" } else { " NOT NULL" };
        Some(format!("{} {}{not_null}", identifier(field.name()), type_text(field.data_type())?))
    };
    let columns = columns.fields().iter().map(column).collect::<Option<Vec<_>>>()?;
    Some(format!("CREATE TABLE {} ({})", identifier(name), columns.join(", ")))
}

fn reads_back(text: &str, name: &str, columns: &Schema) -> bool {
    match parse_statement(text).map(|parsed| parsed.statement) {
        Ok(Statement::CreateTable(create)) if create.name.text == name => {
            columns_to_schema(&create.columns).is_ok_and(|declared| declared.fields() == columns.fields())
        }
        _ => false,
    }
}

/// A type as a column declares it.
fn type_text(data_type: &DataType) -> Option<String> {
    use DataType as D;
    let text = match data_type {
        D::Boolean => "BOOLEAN",
        D::Int8 => "TINYINT",
        D::Int16 => "SMALLINT",
        D::Int32 => "INT",
        D::Int64 => "BIGINT",
        D::UInt8 => "TINYINT UNSIGNED",
        D::UInt16 => "SMALLINT UNSIGNED",
        D::UInt32 => "INT UNSIGNED",
        D::UInt64 => "BIGINT UNSIGNED",
        D::Float32 => "REAL",
        D::Float64 => "DOUBLE",
        D::Decimal128(precision, scale) => return Some(format!("DECIMAL({precision}, {scale})")),
        D::Utf8 => "VARCHAR",
        D::Binary => "BYTEA",
        D::Date32 => "DATE",
        D::Time64(TimeUnit::Nanosecond) => "TIME",
        D::Timestamp(unit, zone) => {
            let with_zone = if zone.is_some() { " WITH TIME ZONE" } else { "" };
            return Some(format!("TIMESTAMP{}{with_zone}", digits(*unit)));
        }
        D::List(item) => return type_text(item.data_type()).map(|item| format!("{item}[]")),
        _ => return None,
    };
    Some(text.to_owned())
}

fn digits(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "(0)",
        TimeUnit::Millisecond => "(3)",
        TimeUnit::Microsecond => "(6)",
        TimeUnit::Nanosecond => "",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::Field;

    use super::*;

    fn text_of(name: &str, columns: &[(&str, DataType)]) -> Option<String> {
        let fields: Vec<Field> = columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect();
        create_table_text(name, &Schema::new(fields))
    }

    #[test]
    fn names_are_quoted_where_they_must_be() {
        let of = |name: &str, column: &str| text_of(name, &[(column, DataType::Int64)]).unwrap();
        assert_eq!(of("t", "a"), "CREATE TABLE t (a BIGINT)");
        assert_eq!(of("t", "sum(a)"), "CREATE TABLE t (\"sum(a)\" BIGINT)");
        assert_eq!(of("9t", "Größe"), "CREATE TABLE \"9t\" (\"Größe\" BIGINT)");
        assert_eq!(of("T", "say \"hi\""), "CREATE TABLE \"T\" (\"say \"\"hi\"\"\" BIGINT)");
        assert_eq!(of("order", "check"), "CREATE TABLE order (check BIGINT)");
    }

    #[test]
    fn every_type_that_can_be_declared_reads_back() {
        use DataType as D;
        let item = |data_type: D| D::List(Arc::new(Field::new_list_field(data_type, true)));
        let zone = || Some("+00:00".into());
        let types = [
            D::Boolean,
            D::Int8,
            D::Int16,
            D::Int32,
            D::Int64,
            D::UInt8,
            D::UInt16,
            D::UInt32,
            D::UInt64,
            D::Float32,
            D::Float64,
            D::Decimal128(38, 10),
            D::Utf8,
            D::Binary,
            D::Date32,
            D::Time64(TimeUnit::Nanosecond),
            D::Timestamp(TimeUnit::Second, None),
            D::Timestamp(TimeUnit::Millisecond, zone()),
            D::Timestamp(TimeUnit::Microsecond, None),
            D::Timestamp(TimeUnit::Nanosecond, zone()),
            item(D::Utf8),
            item(item(D::Int64)),
        ];
        for data_type in types {
            assert!(text_of("t", &[("a", data_type.clone())]).is_some(), "{data_type}");
        }
        // Another zone, and what has no name in SQL.
        for data_type in [D::Timestamp(TimeUnit::Nanosecond, Some("Asia/Tokyo".into())), D::Null, D::Decimal256(50, 2)] {
            assert_eq!(text_of("t", &[("a", data_type.clone())]), None, "{data_type}");
        }
    }
}
