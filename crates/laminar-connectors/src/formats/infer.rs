//! Finds out which type a column has from a sample of its values.
//!
//! A guess starts with every type and each value strikes out those that it does not fit; the narrowest that is left
//! wins. What would lose something is text: numbers with leading zeros, integers beyond BIGINT, mixed values.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use foldhash::fast::FixedState;

use super::cell::Cell;
use super::names::unique_names;
use super::ndjson::cell_of;
use super::nested::Members;
use super::number::{is_code, keeps_digits, parse_float, parse_integer};
use super::temporal::{is_plain_date, parse_timestamp};

/// Levels of nesting that become columns; what lies deeper stays JSON text.
const NESTING_MAX: usize = 16;
/// Members that the objects of one column have at most, at all levels together, to become a struct. With more their keys are data
/// rather than names, and the column is VARCHAR: their JSON text.
const MEMBERS_MAX: i64 = 500;

/// Guesses for all columns, in the order in which they were first seen.
#[derive(Debug, Default)]
pub struct SchemaGuess {
    names: Vec<String>,
    guesses: Vec<Guess>,
    /// The index of each name.
    places: HashMap<String, usize, FixedState>,
}

impl SchemaGuess {
    /// Columns with these names and no values yet. Empty names become `column_3`, a second `a` becomes `a_2`.
    pub fn with_names(names: impl IntoIterator<Item = String>) -> Self {
        let mut guess = Self::default();
        for name in unique_names(names.into_iter().collect()) {
            guess.add(name);
        }
        guess
    }

    fn add(&mut self, name: String) -> usize {
        let index = self.names.len();
        self.places.insert(name.clone(), index);
        self.names.push(name);
        self.guesses.push(Guess::default());
        index
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
        self.observe_object_at(object, 0).is_some()
    }

    /// How many members there are now more than before, at all levels; `None` if it is not an object.
    fn observe_object_at(&mut self, object: &str, depth: usize) -> Option<i64> {
        let Members(members) = serde_json::from_str::<Members<'_>>(object).ok()?;
        let known = self.len();
        let mut below = 0;
        for (key, value) in members {
            let index = self.places.get(key.as_ref()).copied().unwrap_or_else(|| self.add(key.into_owned()));
            match cell_of(value) {
                Ok(cell) => below += self.guesses[index].observe_json(&cell, depth),
                Err(_) => self.guesses[index].only_text(),
            }
        }
        Some((self.len() - known) as i64 + below)
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
    members: Option<Box<SchemaGuess>>,
    /// Members at all levels below.
    below: i64,
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
            members: None,
            below: 0,
            list: true,
            items: None,
        }
    }
}

impl Guess {
    fn observe_text(&mut self, cell: &Cell<'_>) {
        // Blanks around a value do not change what it is.
        let Some(text) = cell.text().map(str::trim) else { return };
        self.seen = true;
        self.nothing_nested();
        self.boolean &= text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
        let code = is_code(text);
        self.integer = self.integer && !code && text.parse::<i64>().is_ok();
        self.float = self.float && !code && is_float(text);
        self.observe_time(text);
    }

    /// How many members there are now more than before at all levels below; fewer if they turned out to be data.
    fn observe_json(&mut self, cell: &Cell<'_>, depth: usize) -> i64 {
        let known = self.below;
        match cell {
            Cell::Null => return 0,
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
        self.below - known
    }

    fn observe_time(&mut self, text: &str) {
        self.date = self.date && is_plain_date(text);
        if self.timestamp {
            self.timestamp = parse_timestamp(text, TimeUnit::Microsecond, None).is_ok();
            self.nanoseconds &= parse_timestamp(text, TimeUnit::Nanosecond, None).is_ok();
        }
    }

    fn observe_nested(&mut self, text: &str, depth: usize) {
        let (object, list) = (self.object, self.list);
        self.only_nested();
        (self.object, self.list) = (false, false);
        if depth >= NESTING_MAX {
            return;
        }
        if text.starts_with('{') {
            if !object {
                return;
            }
            let more = self.members.get_or_insert_default().observe_object_at(text, depth + 1);
            self.below += more.unwrap_or(0);
            self.object = more.is_some();
        } else if list && let Ok(items) = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(text) {
            self.list = true;
            let guess = self.items.get_or_insert_default();
            for cell in items.into_iter().filter_map(|item| cell_of(item).ok()) {
                self.below += guess.observe_json(&cell, depth + 1);
            }
        }
        if !(self.object || self.list) {
            self.nothing_nested();
        } else if self.below > MEMBERS_MAX {
            self.shed_members();
        }
    }

    /// Lets the innermost objects that hold most of the members be text, and returns how many members that were.
    fn shed_members(&mut self) -> i64 {
        let largest = match (&mut self.members, &mut self.items) {
            (Some(members), _) if self.object => members.guesses.iter_mut().max_by_key(|guess| guess.below),
            (_, items) => items.as_deref_mut(),
        };
        let shed = match largest {
            Some(inner) if inner.below * 2 > self.below => inner.shed_members(),
            _ => {
                let all = self.below;
                self.nothing_nested();
                return all;
            }
        };
        self.below -= shed;
        shed
    }

    /// Strikes out everything but text.
    fn only_text(&mut self) {
        self.only_nested();
        self.nothing_nested();
    }

    fn only_nested(&mut self) {
        self.seen = true;
        (self.boolean, self.integer, self.float) = (false, false, false);
        (self.date, self.timestamp) = (false, false);
    }

    fn nothing_nested(&mut self) {
        (self.object, self.list) = (false, false);
        (self.members, self.items, self.below) = (None, None, 0);
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
            Guess { object: true, members: Some(members), .. } if !members.is_empty() => DataType::Struct(members.fields()),
            Guess { list: true, items, .. } => {
                let item = items.as_ref().map_or(DataType::Utf8, |guess| guess.data_type());
                DataType::List(Arc::new(Field::new("item", item, true)))
            }
            _ => DataType::Utf8,
        }
    }
}

/// Numbers that a DOUBLE holds as well as their text does: each of their digits, and not whole numbers of more digits than it has.
fn is_float(text: &str) -> bool {
    let long_integer = text.len() > 18 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    !long_integer && parse_float(text).is_some_and(|value| keeps_digits(text, value))
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
            (&[" 1", "9007199254740993 "], "BIGINT"),
            (&[" 007", "12"], "VARCHAR"),
            (&["\t-3", " 2.5 "], "DOUBLE"),
            (&[" 2013-01-01"], "DATE"),
            (&[" true "], "BOOLEAN"),
            (&["9007199254740993", "1.5"], "VARCHAR"),
            (&["1.5", "9007199254740992"], "DOUBLE"),
            (&["12345678901234567.25"], "VARCHAR"),
            (&["0.1234567890123456789"], "VARCHAR"),
            (&["0.30000000000000004"], "DOUBLE"),
            (&["1e-400"], "VARCHAR"),
            (&["2013-01-01 05:15"], "TIMESTAMP"),
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
            (&["[1]", "1", "[2]"], "Utf8"),
            (&["{\"a\": 1}", "1", "{\"a\": 1}"], "Utf8"),
            (&["9007199254740993", "0.5"], "Utf8"),
            (&["12345678901234567.25"], "Utf8"),
        ];
        for (values, kind) in cases {
            assert_eq!(json(values), *kind, "{values:?}");
        }
    }

    /// Objects of `own` keys each that no other has.
    fn keyed(objects: usize, own: usize, wrap: fn(String) -> String) -> String {
        let object = |n| wrap(format!("{{{}}}", (0..own).map(|key| format!("\"k{n}_{key}\":1")).collect::<Vec<_>>().join(",")));
        let values: Vec<String> = (0..objects).map(object).collect();
        json(&values.iter().map(String::as_str).collect::<Vec<_>>())
    }

    #[test]
    fn objects_whose_keys_are_data_stay_text() {
        assert!(keyed(100, 5, |object| object).starts_with("Struct"));
        assert_eq!(keyed(101, 5, |object| object), "Utf8");
        assert_eq!(keyed(2000, 5, |object| object), "Utf8");
        assert_eq!(keyed(101, 5, |object| format!("[{object}]")), "List(Utf8)");
        assert_eq!(keyed(101, 5, |object| format!("{{\"a\":1,\"b\":{object}}}")), "Struct(\"a\": Int64, \"b\": Utf8)");
        assert_eq!(keyed(1, 501, |object| object), "Utf8");
    }
}
