//! One JSON value after the other, wherever they stand.

use laminar_core::{Code, Error, Result};

use super::document::Document;
use super::shape::{Shape, shape_of};
use crate::formats::lines::{LineEnds, LineSkipper};
use crate::formats::{Extent, RECORD_BYTES_MAX, Taken};

/// Where the values of a text may stand.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum JsonLayout {
    /// One a line; arrays and documents are refused by name.
    #[default]
    Lines,
    /// One a line, as items of an array, or as documents; with a `root`, below that member of each value.
    Any {
        /// The members that lead to the rows, outermost first.
        root: Vec<String>,
    },
}

/// What stands at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framed<'a> {
    /// A value, without the end of its line.
    Value(&'a [u8], Extent),
    /// No value.
    Other(Taken),
}

/// Finds the values of a text.
#[derive(Debug)]
pub(crate) struct Framer {
    name: String,
    layout: JsonLayout,
    found: Option<Found>,
}

#[derive(Debug)]
enum Found {
    Lines(LineEnds, LineSkipper),
    Document(Document),
}

impl Framer {
    /// A framer of a text that messages call `name`.
    pub(crate) fn new(layout: JsonLayout, name: &str) -> Self {
        Self { name: name.to_owned(), layout, found: None }
    }

    /// Whether the start of the text has not told yet how values stand in it.
    pub(crate) fn undecided(&self) -> bool {
        self.found.is_none()
    }

    /// Whether each value is a line.
    pub(crate) fn is_lines(&self) -> bool {
        !matches!(self.found, Some(Found::Document(_)))
    }

    /// Finds out how values stand in the text, unless that is known; false if too few bytes are there to tell.
    pub(crate) fn know_layout(&mut self, bytes: &[u8], last: bool) -> Result<bool> {
        if self.found.is_none() {
            self.found = self.decide(bytes, last)?;
        }
        Ok(self.found.is_some())
    }

    /// The value at the start of `bytes`; `last`: nothing follows these.
    pub(crate) fn next<'a>(&mut self, bytes: &'a [u8], last: bool) -> Result<Framed<'a>> {
        self.know_layout(bytes, last)?;
        match &mut self.found {
            Some(Found::Lines(ends, skipper)) => Ok(next_line(*ends, skipper, bytes, last)),
            Some(Found::Document(document)) => document.next(bytes, last),
            None => Ok(Framed::Other(Taken::Incomplete)),
        }
    }

    /// Whether each value is a line, and none has been passed over in part.
    pub(crate) fn is_between_lines(&self) -> bool {
        matches!(&self.found, Some(Found::Lines(_, skipper)) if !skipper.is_within_line())
    }

    /// Fails if the text ends where it cannot end.
    pub(crate) fn end(&self) -> Result<()> {
        match &self.found {
            Some(Found::Document(document)) => document.end(),
            _ => Ok(()),
        }
    }

    fn decide(&self, bytes: &[u8], last: bool) -> Result<Option<Found>> {
        let document = |root: &[String]| Ok(Some(Found::Document(Document::new(&self.name, root))));
        if let JsonLayout::Any { root } = &self.layout
            && !root.is_empty()
        {
            return document(root);
        }
        match (shape_of(bytes, last), &self.layout) {
            (None, _) => Ok(None),
            (Some(Shape::Lines(ends)), _) => Ok(Some(Found::Lines(ends, LineSkipper::new(ends)))),
            (Some(Shape::Array), JsonLayout::Lines) => {
                Err(self.refusal("a JSON array", "; `jq -c '.[]'` turns an array into that"))
            }
            (Some(Shape::Document), JsonLayout::Lines) => Err(self.refusal("one JSON document over several lines", "")),
            (Some(Shape::Array | Shape::Document), JsonLayout::Any { .. }) => document(&[]),
        }
    }

    fn refusal(&self, what: &str, more: &str) -> Error {
        Error::new(Code::BadData, format!("{} is {what}", self.name))
            .with_hint(format!("NDJSON holds one object a line; format = 'json' reads arrays and documents too{more}"))
    }
}

fn next_line<'a>(ends: LineEnds, skipper: &mut LineSkipper, bytes: &'a [u8], last: bool) -> Framed<'a> {
    if let Some(skipped) = skipper.skip(bytes, last) {
        return Framed::Other(skipped);
    }
    let end = match ends.end_of_line(bytes, last) {
        Some(end) => end,
        None if !bytes.is_empty() && (last || bytes.len() > RECORD_BYTES_MAX) => bytes.len(),
        None => return Framed::Other(Taken::Incomplete),
    };
    if end > RECORD_BYTES_MAX {
        return Framed::Other(skipper.too_long(bytes, last));
    }
    let mut line = &bytes[..end];
    while let [rest @ .., b'\n' | b'\r'] = line {
        line = rest;
    }
    Framed::Value(line, Extent { bytes: end, lines: 1 })
}
