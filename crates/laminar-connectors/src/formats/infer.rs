//! Finds out which type a column has from a sample of its values.
//!
//! A guess starts with every type and each value strikes out those that it does not fit; the narrowest that is left
//! wins. What would lose something is text: numbers with leading zeros, integers beyond BIGINT, mixed values.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use super::cell::Cell;
use super::ndjson::cell_of;
use super::nested::Members;
use super::number::{is_code, parse_float, parse_integer};
use super::temporal::parse_timestamp;

/// Levels of nesting that become columns; what lies deeper stays JSON text.
const NESTING_MAX: usize = 16;

/// Guesses for all columns, in the order in which they were first seen.
#[derive(Debug, Default)]
pub struct SchemaGuess {
    names: Vec<String>,
    guesses: Vec<Guess>,
}

impl SchemaGuess {
    /// Columns with these names and no values yet. Empty names become `column_3`, a second `a` becomes `a_2`.
    pub fn with_names(names: impl IntoIterator<Item = String>) -> Self {
        let mut guess = Self::default();
        for name in names {
            let place = guess.names.len() + 1;
            let name = if name.is_empty() { format!("column_{place}") } else { name };
            let unique = if guess.names.contains(&name) { format!("{name}_{place}") } else { name };
            guess.add(unique);
        }
        guess
    }

    fn add(&mut self, name: String) -> usize {
        self.names.push(name);
        self.guesses.push(Guess::default());
        self.guesses.len() - 1
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True if no column has been seen.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// A value of column `index` in a format without types: its text may be anything.
    pub fn observe_text(&mut self, index: usize, cell: &Cell<'_>) {
        self.guesses[index].observe_text(cell);
    }

    /// The members of one JSON object; false if it is not one.
    pub fn observe_object(&mut self, object: &str) -> bool {
        self.observe_object_at(object, 0)
    }

    fn observe_object_at(&mut self, object: &str, depth: usize) -> bool {
        let Ok(Members(members)) = serde_json::from_str::<Members<'_>>(object) else { return false };
        for (key, value) in members {
            let place = self.names.iter().position(|name| *name == key);
            let index = place.unwrap_or_else(|| self.add(key.into_owned()));
            match cell_of(value) {
                Ok(cell) => self.guesses[index].observe_json(&cell, depth),
                Err(_) => self.guesses[index].only_text(),
            }
        }
        true
    }

    /// The narrowest types that fit all values seen; all columns are nullable.
    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.fields()))
    }

    fn fields(&self) -> Fields {
        let field = |(name, guess): (&String, &Guess)| Field::new(name, guess.data_type(), true);
        self.names.iter().zip(&self.guesses).map(field).collect()
    }
}

/// What a column can still be.
#[derive(Debug)]
struct Guess {
    seen: bool,
    boolean: bool,
    integer: bool,
    float: bool,
    date: bool,
    timestamp: bool,
    /// Whether all timestamps fit nanoseconds.
    nanoseconds: bool,
    /// Whether all values are objects, and their members.
    object: bool,
    members: SchemaGuess,
    /// Whether all values are lists, and their items.
    list: bool,
    items: Option<Box<Guess>>,
}

impl Default for Guess {
    fn default() -> Self {
        Self {
            seen: false,
            boolean: true,
            integer: true,
            float: true,
            date: true,
            timestamp: true,
            nanoseconds: true,
            object: true,
            members: SchemaGuess::default(),
            list: true,
            items: None,
        }
    }
}

impl Guess {
    fn observe_text(&mut self, cell: &Cell<'_>) {
        let Some(text) = cell.text() else { return };
        self.seen = true;
        self.nothing_nested();
        self.boolean &= text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
        let code = is_code(text);
        self.integer = self.integer && !code && text.parse::<i64>().is_ok();
        self.float = self.float && !code && is_float(text);
        self.observe_time(text);
    }

    fn observe_json(&mut self, cell: &Cell<'_>, depth: usize) {
        match cell {
            Cell::Null => return,
            Cell::Text(text) => {
                (self.boolean, self.integer, self.float) = (false, false, false);
                self.nothing_nested();
                self.observe_time(text);
            }
            Cell::Number(text) => {
                (self.boolean, self.date, self.timestamp) = (false, false, false);
                self.nothing_nested();
                self.integer = self.integer && parse_integer::<i64>(text).is_some() && !text.contains('.');
                self.float = self.float && is_float(text);
            }
            Cell::Bool(_) => {
                let boolean = self.boolean;
                self.only_text();
                self.boolean = boolean;
            }
            Cell::Json(text) => self.observe_nested(text, depth),
        }
        self.seen = true;
    }

    fn observe_time(&mut self, text: &str) {
        self.date = self.date && text.len() == 10 && parse_timestamp(text, TimeUnit::Second, None).is_some();
        if self.timestamp {
            self.timestamp = parse_timestamp(text, TimeUnit::Microsecond, None).is_some();
            self.nanoseconds &= parse_timestamp(text, TimeUnit::Nanosecond, None).is_some();
        }
    }

    fn observe_nested(&mut self, text: &str, depth: usize) {
        let (object, list) = (self.object, self.list);
        self.only_text();
        if depth >= NESTING_MAX {
            return;
        }
        if text.starts_with('{') {
            self.object = object && self.members.observe_object_at(text, depth + 1);
        } else if let Ok(items) = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(text) {
            self.list = list;
            let guess = self.items.get_or_insert_default();
            for cell in items.into_iter().filter_map(|item| cell_of(item).ok()) {
                guess.observe_json(&cell, depth + 1);
            }
        }
    }

    /// Strikes out everything but text.
    fn only_text(&mut self) {
        self.seen = true;
        (self.boolean, self.integer, self.float) = (false, false, false);
        (self.date, self.timestamp) = (false, false);
        self.nothing_nested();
    }

    fn nothing_nested(&mut self) {
        (self.object, self.list) = (false, false);
    }

    fn data_type(&self) -> DataType {
        let unit = if self.nanoseconds { TimeUnit::Nanosecond } else { TimeUnit::Microsecond };
        match self {
            Guess { seen: false, .. } => DataType::Utf8,
            Guess { boolean: true, .. } => DataType::Boolean,
            Guess { integer: true, .. } => DataType::Int64,
            Guess { float: true, .. } => DataType::Float64,
            Guess { date: true, .. } => DataType::Date32,
            Guess { timestamp: true, .. } => DataType::Timestamp(unit, None),
            Guess { object: true, members, .. } if !members.is_empty() => DataType::Struct(members.fields()),
            Guess { list: true, items, .. } => {
                let item = items.as_ref().map_or(DataType::Utf8, |guess| guess.data_type());
                DataType::List(Arc::new(Field::new("item", item, true)))
            }
            _ => DataType::Utf8,
        }
    }
}

/// Numbers that a DOUBLE holds as well as their text does: not integers of more digits than it has.
fn is_float(text: &str) -> bool {
    let long_integer = text.len() > 18 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    !long_integer && parse_float(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::type_name::type_name;

    fn text(values: &[&str]) -> String {
        let mut guess = SchemaGuess::with_names(["x".to_owned()]);
        for value in values {
            let cell = if value.is_empty() { Cell::Null } else { Cell::Text((*value).into()) };
            guess.observe_text(0, &cell);
        }
        type_name(guess.schema().field(0).data_type())
    }

    fn json(values: &[&str]) -> String {
        let mut guess = SchemaGuess::default();
        for value in values {
            assert!(guess.observe_object(&format!("{{\"x\":{value}}}")), "{value}");
        }
        guess.schema().field(0).data_type().to_string()
    }

    #[test]
    fn text_gets_the_narrowest_type_that_fits_every_value() {
        let cases: &[(&[&str], &str)] = &[
            (&["1", "", "-3"], "BIGINT"),
            (&["1", "2.5"], "DOUBLE"),
            (&["1", "x"], "VARCHAR"),
            (&["true", "FALSE"], "BOOLEAN"),
            (&["2013-01-01", "2013-01-02"], "DATE"),
            (&["2013-01-01", "2013-01-02 10:00:00"], "TIMESTAMP"),
            (&["2013-01-01T10:00:00Z"], "TIMESTAMP"),
            (&["007", "12"], "VARCHAR"),
            (&["0.5", "0", "-0.25"], "DOUBLE"),
            (&["99999999999999999999"], "VARCHAR"),
            (&["", ""], "VARCHAR"),
            (&["1", "true"], "VARCHAR"),
        ];
        for (values, kind) in cases {
            assert_eq!(text(values), *kind, "{values:?}");
        }
    }

    #[test]
    fn json_keeps_its_own_types_and_recognises_times() {
        let cases: &[(&[&str], &str)] = &[
            (&["1", "null"], "Int64"),
            (&["1", "2.5"], "Float64"),
            (&["1.0"], "Float64"),
            (&["true", "false"], "Boolean"),
            (&["true", "1"], "Utf8"),
            (&["1", "true"], "Utf8"),
            (&["\"1\""], "Utf8"),
            (&["\"2013-01-01T00:00:00Z\""], "Timestamp(ns)"),
            (&["[1, 2]", "[]"], "List(Int64)"),
            (&["{\"a\": 1}", "{\"b\": \"x\"}"], "Struct(\"a\": Int64, \"b\": Utf8)"),
            (&["{\"a\": 1}", "[1]"], "Utf8"),
            (&["[1]", "1"], "Utf8"),
        ];
        for (values, kind) in cases {
            assert_eq!(json(values), *kind, "{values:?}");
        }
    }

    #[test]
    fn names_are_made_unique() {
        let guess = SchemaGuess::with_names(["a", "", "a"].map(str::to_owned));
        assert_eq!(guess.names, ["a", "column_2", "a_3"]);
    }
}
