//! What a random table looks like: its columns, what their values are like, and which changes it sees.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use laminar_core::Result;
use rand::RngExt;

use super::{Cell, Random, Row, column_of};

/// A table or source of a test.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name in SQL.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Which changes it sees.
    pub changes: Changes,
    /// Column number and delay in nanoseconds of `WATERMARK FOR c AS c - INTERVAL …`.
    pub watermark: Option<(usize, i64)>,
}

/// A column of a test's table.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name in SQL.
    pub name: String,
    /// What its values are like.
    pub values: Values,
    /// How probable NULL is, from 0 to 1.
    pub nulls: f64,
}

/// Which changes a table sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// Rows are only inserted: a source.
    Append,
    /// Rows are inserted, deleted and updated, and equal rows can exist: a table without key.
    Any,
    /// Rows are inserted, replaced by key, and deleted: a table with these key columns.
    Keyed(Vec<usize>),
}

/// What the values of a column are like. Domains are small, so that values meet.
#[derive(Debug, Clone)]
pub enum Values {
    /// BOOLEAN.
    Bool,
    /// INTEGER between the bounds; the bounds themselves, 0 and ±1 come more often.
    Int(i32, i32),
    /// BIGINT between the bounds; the bounds themselves, 0 and ±1 come more often.
    BigInt(i64, i64),
    /// DOUBLE: multiples of 1/64 up to the bound, of which sums are exact.
    Double(f64),
    /// DECIMAL(12, 2) up to the bound (in hundredths).
    Decimal(i64),
    /// VARCHAR: that many different strings, the empty one among them.
    Text(usize),
    /// DATE within that many days from 2024-01-01.
    Date(i32),
    /// TIMESTAMP that moves on from row to row, in a wavering way.
    Time(EventTimes),
}

/// How event times move on. Everything is in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct EventTimes {
    /// Times are multiples of this, so that equal ones are common.
    pub grain: i64,
    /// The front moves on by at most this a row.
    pub advance: i64,
    /// A row is usually at most this much behind the front.
    pub jitter: i64,
    /// One in twenty is behind by up to this.
    pub straggle: i64,
}

/// 2024-01-01T00:00:00Z in nanoseconds.
const FIRST_TIME: i64 = 1_704_067_200_000_000_000;
/// 2024-01-01 in days.
const FIRST_DAY: i128 = 19_723;

impl Table {
    /// A table whose columns are given as `(name, values)`, each NULL in one of eight rows; times never.
    pub fn new<'a>(name: &str, changes: Changes, columns: impl IntoIterator<Item = (&'a str, Values)>) -> Self {
        let columns: Vec<Column> = columns.into_iter().map(|(name, values)| Column::new(name, values)).collect();
        let mut table = Self { name: name.into(), columns, changes, watermark: None };
        if let Changes::Keyed(key) = &table.changes {
            key.iter().for_each(|column| table.columns[*column].nulls = 0.0);
        }
        table
    }

    /// The same table with a watermark `delay` nanoseconds behind `column`.
    ///
    /// # Panics
    /// If there is no such column.
    #[must_use]
    pub fn with_watermark(mut self, column: &str, delay: i64) -> Self {
        self.watermark = Some((self.column(column), delay));
        self
    }

    /// The same table in which `column` is NULL with this probability.
    ///
    /// # Panics
    /// If there is no such column.
    #[must_use]
    pub fn with_nulls(mut self, column: &str, nulls: f64) -> Self {
        let column = self.column(column);
        self.columns[column].nulls = nulls;
        self
    }

    fn column(&self, name: &str) -> usize {
        self.columns.iter().position(|column| column.name == name).expect("the column exists")
    }

    /// Names and types.
    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(Column::field).collect::<Vec<_>>()))
    }

    /// `CREATE SOURCE …` for a table that only grows, else `CREATE TABLE …`.
    pub fn create_sql(&self) -> String {
        let mut parts: Vec<String> =
            self.columns.iter().map(|column| format!("{} {}", column.name, column.values.sql_type())).collect();
        if let Some((column, delay)) = self.watermark {
            let column = &self.columns[column].name;
            parts.push(format!("WATERMARK FOR {column} AS {column} - INTERVAL '{}' MILLISECOND", delay / 1_000_000));
        }
        if let Changes::Keyed(key) = &self.changes {
            let names: Vec<&str> = key.iter().map(|column| self.columns[*column].name.as_str()).collect();
            parts.push(format!("PRIMARY KEY ({})", names.join(", ")));
        }
        let what = if self.changes == Changes::Append { "SOURCE" } else { "TABLE" };
        format!("CREATE {what} {} ({})", self.name, parts.join(", "))
    }

    /// A random row. `front` is where event time stands; it moves on.
    pub fn row(&self, random: &mut Random, front: &mut i64) -> Row {
        self.columns.iter().map(|column| column.value(random, front)).collect()
    }

    /// A random value for column `column`.
    pub fn value(&self, column: usize, random: &mut Random, front: &mut i64) -> Cell {
        self.columns[column].value(random, front)
    }

    /// Rows as Arrow columns.
    ///
    /// # Errors
    /// If a column cannot be written; then the table was described wrongly.
    pub fn batch(&self, rows: &[&Row]) -> Result<RecordBatch> {
        let schema = self.schema();
        let column = |at: usize| column_of(rows.iter().map(|row| &row[at]), schema.field(at).data_type());
        let columns = (0..self.columns.len()).map(column).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
    }
}

impl Column {
    fn new(name: &str, values: Values) -> Self {
        let nulls = if matches!(values, Values::Time(_)) { 0.0 } else { 0.125 };
        Self { name: name.into(), values, nulls }
    }

    fn field(&self) -> Field {
        Field::new(&self.name, self.values.data_type(), true)
    }

    fn value(&self, random: &mut Random, front: &mut i64) -> Cell {
        let value = self.values.draw(random, front);
        if self.nulls > 0.0 && random.random_bool(self.nulls) { Cell::Null } else { value }
    }
}

impl Values {
    /// The type in SQL.
    pub fn sql_type(&self) -> &'static str {
        match self {
            Values::Bool => "BOOLEAN",
            Values::Int(..) => "INTEGER",
            Values::BigInt(..) => "BIGINT",
            Values::Double(_) => "DOUBLE",
            Values::Decimal(_) => "DECIMAL(12, 2)",
            Values::Text(_) => "VARCHAR",
            Values::Date(_) => "DATE",
            Values::Time(_) => "TIMESTAMP",
        }
    }

    /// The type in Arrow.
    pub fn data_type(&self) -> DataType {
        match self {
            Values::Bool => DataType::Boolean,
            Values::Int(..) => DataType::Int32,
            Values::BigInt(..) => DataType::Int64,
            Values::Double(_) => DataType::Float64,
            Values::Decimal(_) => DataType::Decimal128(12, 2),
            Values::Text(_) => DataType::Utf8,
            Values::Date(_) => DataType::Date32,
            Values::Time(_) => DataType::Timestamp(TimeUnit::Nanosecond, None),
        }
    }

    fn draw(&self, random: &mut Random, front: &mut i64) -> Cell {
        match self {
            Values::Bool => Cell::Bool(random.random()),
            Values::Int(min, max) => Cell::Int(whole(i64::from(*min), i64::from(*max), random)),
            Values::BigInt(min, max) => Cell::Int(whole(*min, *max, random)),
            Values::Double(bound) => {
                let steps = (bound * 64.0) as i64;
                Cell::Float(whole(-steps, steps, random) as f64 / 64.0)
            }
            Values::Decimal(bound) => Cell::Int(whole(-bound, *bound, random)),
            Values::Text(distinct) => Cell::Text(text(random.random_range(0..*distinct))),
            Values::Date(days) => Cell::Int(FIRST_DAY + i128::from(random.random_range(0..*days))),
            Values::Time(times) => Cell::Time(times.draw(random, front)),
        }
    }
}

/// A whole number between the bounds; one in ten is a bound, 0 or ±1.
fn whole(min: i64, max: i64, random: &mut Random) -> i128 {
    let special = [min, max, 0, 1, -1][random.random_range(0..5)];
    let value = if random.random_bool(0.1) && (min..=max).contains(&special) { special } else { random.random_range(min..=max) };
    i128::from(value)
}

/// String number `number`: empty, short, with quotes and umlauts, long enough to leave an inlined view.
fn text(number: usize) -> String {
    const FIRST: [&str; 5] = ["", "a", "b'", "über", "a string of more than twelve bytes"];
    FIRST.get(number).map_or_else(|| format!("s{number}"), |text| (*text).to_owned())
}

impl EventTimes {
    fn draw(&self, random: &mut Random, front: &mut i64) -> i64 {
        *front = (*front).max(FIRST_TIME) + random.random_range(0..=self.advance);
        let behind = if random.random_bool(0.05) { self.straggle } else { self.jitter };
        let time = *front - random.random_range(0..=behind);
        time - time.rem_euclid(self.grain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::from_seed;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_table_is_declared_as_it_is() {
        let times = EventTimes { grain: SECOND, advance: SECOND, jitter: SECOND, straggle: SECOND };
        let table = Table::new("t", Changes::Append, [("k", Values::Text(3)), ("ts", Values::Time(times))]);
        let sql = table.with_watermark("ts", 5 * SECOND).create_sql();
        assert_eq!(sql, "CREATE SOURCE t (k VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5000' MILLISECOND)");
        let keyed = Table::new("u", Changes::Keyed(vec![0]), [("k", Values::Int(0, 9)), ("d", Values::Decimal(100))]);
        assert_eq!(keyed.create_sql(), "CREATE TABLE u (k INTEGER, d DECIMAL(12, 2), PRIMARY KEY (k))");
        assert_eq!(keyed.columns[0].nulls, 0.0);
    }

    #[test]
    fn rows_fit_their_schema_and_their_seed() {
        let columns = [
            ("a", Values::Bool),
            ("b", Values::Int(i32::MIN, i32::MAX)),
            ("c", Values::BigInt(i64::MIN, i64::MAX)),
            ("d", Values::Double(1e6)),
            ("e", Values::Decimal(99_999)),
            ("f", Values::Text(8)),
            ("g", Values::Date(9)),
        ];
        let table = Table::new("t", Changes::Any, columns);
        let draw = |seed| {
            let mut random = from_seed(seed);
            (0..50).map(|_| table.row(&mut random, &mut 0)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let rows = draw(7);
        let batch = table.batch(&rows.iter().collect::<Vec<_>>()).unwrap();
        for (at, column) in batch.columns().iter().enumerate() {
            let nulls = rows.iter().filter(|row| row[at] == Cell::Null).count();
            assert!(nulls > 0 && nulls == column.null_count(), "column {at} has {nulls} NULLs");
        }
    }
}
