//! Finds the columns of JSON by its first objects.

use arrow_schema::SchemaRef;
use laminar_core::{Code, Error, Result};

use super::framer::{Framed, Framer, JsonLayout};
use crate::formats::infer::SchemaGuess;
use crate::formats::{Sampler, Taken};

/// Different keys that the objects of a text can have without declared columns. With more they are data rather than names, and each of
/// them would be a column of every row.
const KEYS_MAX: usize = 10_000;

/// Looks at the objects of one text.
pub struct JsonSampler {
    /// What messages call the text.
    name: String,
    framer: Framer,
    guess: SchemaGuess,
    objects: usize,
    others: usize,
}

impl JsonSampler {
    /// A sampler of a text that messages call `name`.
    pub fn new(layout: JsonLayout, name: &str) -> Self {
        Self { name: name.to_owned(), framer: Framer::new(layout, name), guess: SchemaGuess::default(), objects: 0, others: 0 }
    }

    fn observe(&mut self, value: &[u8]) -> Result<()> {
        let text = std::str::from_utf8(value).unwrap_or("?").trim();
        if text.is_empty() {
            return Ok(());
        }
        let object = self.guess.observe_object(text);
        self.objects += usize::from(object);
        self.others += usize::from(!object);
        if self.guess.len() <= KEYS_MAX {
            return Ok(());
        }
        Err(Error::new(Code::LimitReached, format!("the objects of {} have more than {KEYS_MAX} different keys", self.name))
            .with_detail("without declared columns each key is a column")
            .with_hint("declare the columns that you need: CREATE SOURCE name (a BIGINT, b VARCHAR, …) FROM …"))
    }
}

impl Sampler for JsonSampler {
    fn take(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>> {
        match self.framer.next(bytes, last)? {
            Framed::Value(value, extent) => {
                self.observe(value)?;
                Ok(Some(extent.bytes))
            }
            Framed::Other(Taken::Incomplete) => Ok(None),
            Framed::Other(Taken::Bad(extent, _)) => {
                self.others += 1;
                Ok(Some(extent.bytes))
            }
            Framed::Other(Taken::Skipped(extent) | Taken::Row(extent)) => Ok(Some(extent.bytes)),
        }
    }

    fn seen(&self) -> (usize, usize) {
        (self.objects, self.objects + self.others)
    }

    fn schema(&self) -> Result<Option<SchemaRef>> {
        if self.others > 0 && self.objects == 0 {
            let (what, hint) = match self.framer.is_lines() {
                true => ("line", "NDJSON holds one object a line: {\"a\": 1, \"b\": \"x\"}"),
                false => ("item", "the rows are the objects of an array; root = '…' names the member that holds them"),
            };
            return Err(Error::new(Code::BadData, format!("{} has no {what} that is a JSON object", self.name)).with_hint(hint));
        }
        Ok((!self.guess.is_empty()).then(|| self.guess.schema()))
    }
}
