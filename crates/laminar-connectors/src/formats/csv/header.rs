//! Which columns a file has, and in which field of a record each stands.

use laminar_core::{Code, Error, Result};

use super::Dialect;
use super::tokenizer::Field;
use crate::formats::NOT_UTF_8;
use crate::formats::cell::Cell;
use crate::formats::names::{COLUMNS_MAX, unique_names};

/// The columns of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Different from each other, none empty.
    pub(super) names: Vec<String>,
    pub(super) width: Width,
}

impl Header {
    /// The header whose fields these are; `None`: the line is blank, so the header is still to come.
    pub(super) fn read(text: &str, fields: &[Field], quote: Option<u8>) -> Option<Self> {
        let names: Vec<String> = fields.iter().map(|field| field.text(text, quote).trim().to_owned()).collect();
        if let [name] = names.as_slice()
            && name.is_empty()
        {
            return None;
        }
        let last_unnamed = names.last().is_some_and(String::is_empty);
        Some(Self { width: Width { fields: names.len(), last_unnamed }, names: unique_names(names) })
    }

    /// Columns `column_1`, `column_2`, … of a file without header.
    pub(super) fn of_width(fields: usize) -> Self {
        Self { names: unique_names(vec![String::new(); fields]), width: Width { fields, last_unnamed: false } }
    }

    /// Refuses more columns than a source without declared ones can have.
    pub(super) fn check_count(&self, file: &str) -> Result<()> {
        if self.names.len() <= COLUMNS_MAX {
            return Ok(());
        }
        Err(Error::new(Code::LimitReached, format!("{file} has {} columns", self.names.len()))
            .with_detail(format!("a source without declared columns has at most {COLUMNS_MAX}"))
            .with_hint("declare the columns that you need: CREATE SOURCE name (a BIGINT, b VARCHAR, …) FROM …"))
    }
}

/// How many fields a record has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Width {
    pub(super) fields: usize,
    /// Whether the header ends in a delimiter: its records may have a field there or not.
    pub(super) last_unnamed: bool,
}

impl Width {
    /// Why a record of these fields does not fit. A delimiter at its end is forgiven: the field behind it is empty.
    pub(super) fn misfit(&self, fields: &[Field]) -> Option<String> {
        let surplus =
            fields.len() == self.fields + 1 && fields.last().is_some_and(|field| !field.quoted && field.start == field.end);
        let short = self.last_unnamed && fields.len() + 1 == self.fields;
        let fits = fields.len() == self.fields || surplus || short;
        let are = if self.fields == 1 { "is" } else { "are" };
        (!fits).then(|| format!("{} where {} {are} expected", count(fields.len()), count(self.fields)))
    }
}

pub(super) fn count(fields: usize) -> String {
    if fields == 1 { "1 field".to_owned() } else { format!("{fields} fields") }
}

/// The value of a field.
pub(super) fn cell<'a>(field: &Field, record: &'a str, dialect: &Dialect) -> Cell<'a> {
    let text = field.text(record, dialect.quote);
    let null = !field.quoted && (text.is_empty() || dialect.nulls.iter().any(|null| *null == text));
    if null { Cell::Null } else { Cell::Text(text) }
}

/// The failure of a file whose header cannot be read, so that no column is known.
pub(super) fn header_error(file: &str, reason: &str) -> Error {
    let error = Error::new(Code::BadData, format!("the header of {file} cannot be read: {reason}"));
    match reason {
        NOT_UTF_8 => error.with_hint("name the file's encoding: encoding = 'latin1', 'windows-1252', 'utf-16', …"),
        _ => error,
    }
}
