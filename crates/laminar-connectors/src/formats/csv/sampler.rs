//! Walks over records without types, to find out which columns there are.

use super::Dialect;
use super::decoder::{cell, is_blank};
use super::tokenizer::{Field, Token, Tokenizer};
use crate::formats::cell::Cell;

/// The record found last.
pub struct Sampler {
    tokenizer: Tokenizer,
    fields: Vec<Field>,
    bytes: usize,
}

impl Sampler {
    /// A sampler of records in `dialect`.
    pub fn new(dialect: &Dialect) -> Self {
        Self { tokenizer: Tokenizer::new(dialect), fields: Vec::new(), bytes: 0 }
    }

    /// Finds the record at the start of `bytes` and returns its length; `None` if it is incomplete.
    pub fn next(&mut self, bytes: &[u8], last: bool) -> Option<usize> {
        let extent = match self.tokenizer.record(bytes, last, &mut self.fields) {
            Token::Incomplete => return None,
            Token::Record(extent) => extent,
            Token::Malformed(extent, _) => {
                self.fields.clear();
                extent
            }
        };
        self.bytes = extent.bytes;
        Some(extent.bytes)
    }

    /// The values of that record, which starts at `bytes`; `None` if it is blank or cannot be read.
    pub fn cells<'a>(&self, bytes: &'a [u8], dialect: &Dialect) -> Option<Vec<Cell<'a>>> {
        let text = std::str::from_utf8(&bytes[..self.bytes]).ok()?;
        let readable = !self.fields.is_empty() && !is_blank(text);
        readable.then(|| self.fields.iter().map(|field| cell(field, text, dialect)).collect())
    }
}
