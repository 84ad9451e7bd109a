//! What every lookup is: something outside that is asked for rows by their keys, a batch at a time.

use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::{Code, Error, Result};

use crate::{BadRow, Options};

/// Rows outside that are found by key. A lookup is asked by one thread and may take its time: no step waits for it.
pub trait Lookup: Send {
    /// Names and types of the rows: the declared ones, or those found outside when none were declared.
    fn schema(&self) -> SchemaRef;

    /// The rows whose keys are among `keys`, which has the columns of the key in their order: at most one row for each key, in any order. A
    /// key without a row is left out. Rows that could not be read are in `bad`, beside the good ones.
    ///
    /// # Errors
    /// Nothing can be said of these keys now. Where that passes ([`passes`](crate::retry::passes)) the same keys are asked for again.
    fn look_up(&mut self, keys: &RecordBatch) -> Result<Answer>;

    /// What is asked, as people read it (`users.csv: 1200 rows`).
    fn describe(&self) -> String;
}

/// What a lookup says of keys.
#[derive(Debug)]
pub struct Answer {
    /// Rows of the lookup's schema.
    pub rows: RecordBatch,
    /// Rows outside that could not be read, each once.
    pub bad: Vec<BadRow>,
}

/// What a `CREATE LOOKUP TABLE` says.
#[derive(Debug, Clone)]
pub struct LookupRequest {
    /// The name of the table.
    pub name: String,
    /// Declared columns; `None`: find out from the data.
    pub schema: Option<SchemaRef>,
    /// Whether these columns were not declared, but found in the data before.
    pub schema_was_found: bool,
    /// The names of the key's columns, in their order.
    pub key: Vec<String>,
    /// Everything between the parentheses, and `format` (with its own options as `format.x`).
    pub options: Options,
}

impl LookupRequest {
    /// The places of the key's columns in `schema`.
    pub fn key_in(&self, schema: &SchemaRef) -> Result<Vec<usize>> {
        let place = |name: &String| {
            schema.index_of(name).map_err(|_| {
                let names = schema.fields().iter().map(|field| field.name().as_str());
                let error = Error::new(Code::UnknownColumn, format!("there is no column '{name}' for the key"));
                match crate::options::nearest(name, names.clone()) {
                    Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                    None => error.with_hint(format!("the columns are: {}", names.collect::<Vec<_>>().join(", "))),
                }
            })
        };
        self.key.iter().map(place).collect()
    }
}

/// What came of asking.
#[derive(Debug)]
pub enum Asked {
    /// An answer.
    Answer(Answer),
    /// What would answer is away; ask again after about this time.
    Away(Duration),
}
