//! What every source is: something that is asked for the next rows and never blocks for long.

use std::time::Duration;

use arrow_schema::SchemaRef;
use laminar_core::time::watermark::Partitions;
use laminar_core::{ChangeBatch, Result};

use crate::Options;

/// Rows from outside. A source is polled by one thread; between polls it may prepare data on threads of its own.
pub trait Source: Send {
    /// Names and types of the rows: the declared ones, or those found in the data when none were declared.
    fn schema(&self) -> SchemaRef;

    /// The next rows, at most about `rows_max`. A row that cannot be read is in `bad`, beside the good ones; an error
    /// means that the source cannot go on at all.
    fn poll(&mut self, rows_max: usize) -> Result<SourcePoll>;

    /// Where the source stands, as people read it (`flights.parquet: row 8192`).
    fn position(&self) -> String;

    /// Whether the source will end by itself.
    fn is_bounded(&self) -> bool;

    /// Whether the same options, opened anew, give the same rows from the start. Of a pipe there is only this source.
    fn is_replayable(&self) -> bool {
        true
    }

    /// The partitions that it has now, before anything is read. Rows say from which they come ([`ChangeBatch::with_partition`]).
    fn partitions(&self) -> Partitions {
        Partitions::InTurn(1)
    }

    /// What has been read and is not a whole row yet, told when nothing more will be read: it must not vanish.
    fn give_up(&mut self) -> Vec<BadRow> {
        Vec::new()
    }
}

/// The answer to a poll.
#[derive(Debug)]
pub enum SourcePoll {
    /// Rows, and those that could not be read.
    Rows {
        /// Good rows.
        changes: ChangeBatch,
        /// Bad rows, rejected.
        bad: Vec<BadRow>,
    },
    /// Nothing yet; ask again after about this time.
    Pending(Duration),
    /// Nothing will come any more.
    End,
}

/// A row that could not be read, or written: shown in `<object>$errors`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// The raw text, or a picture of it if it is not text.
    pub raw: String,
    /// Why, naming the column if it is one column's fault.
    pub reason: String,
    /// Where: file and line, topic and offset; of a row that could not be written, its step.
    pub position: String,
}

/// What a `CREATE SOURCE` says.
#[derive(Debug, Clone)]
pub struct SourceRequest {
    /// The name of the source.
    pub name: String,
    /// Declared columns; `None`: find out from the data.
    pub schema: Option<SchemaRef>,
    /// Everything between the parentheses, and `format` (with its own options as `format.x`).
    pub options: Options,
}
