//! What every source is: something that is asked for the next rows and never blocks for long.

use std::time::Duration;

use arrow_schema::SchemaRef;
use laminar_core::time::watermark::Partitions;
use laminar_core::{ChangeBatch, Code, Error, Result};

use crate::{Options, Position, Trouble};

/// Rows from outside. A source is polled by one thread; between polls it may prepare data on threads of its own.
pub trait Source: Send {
    /// Names and types of the rows: the declared ones, or those found in the data when none were declared.
    fn schema(&self) -> SchemaRef;

    /// The next rows, at most about `rows_max`. A row that cannot be read is in `bad`, beside the good ones; an error
    /// means that the source cannot go on at all.
    fn poll(&mut self, rows_max: usize) -> Result<SourcePoll>;

    /// Where the source stands: all rows, good and bad, that [`poll`](Self::poll) has handed out are before it, and no others.
    /// Cheap enough to be asked for after each poll. Empty, if the source cannot go on from where another one stood.
    fn position(&self) -> Position;

    /// Whether [`seek`](Self::seek) can go on from a position. Otherwise the rows that it has handed out are gone with it, and
    /// the database keeps them.
    fn can_seek(&self) -> bool {
        false
    }

    /// Goes on behind what an earlier reader with the same options handed out; called once, before the first poll. Fails if
    /// what that reader stood in is not there any more (gone, shorter, replaced), and names it: nothing is read twice or left
    /// out in silence.
    fn seek(&mut self, position: &Position) -> Result<()>;

    /// What is before `position` will never be asked for again: a broker can forget it.
    fn acknowledge(&mut self, position: &Position) -> Result<()> {
        let _nothing_is_kept_for_it = position;
        Ok(())
    }

    /// Where the source stands, as people read it (`flights.parquet: row 8192`).
    fn describe_position(&self) -> String;

    /// Whether the source will end by itself.
    fn is_bounded(&self) -> bool;

    /// Whether the same options, opened anew, give the same rows from the start. Of a pipe there is only this source.
    fn is_replayable(&self) -> bool {
        true
    }

    /// Whether its rows are only ever added. One that also takes rows back gives them negative weights.
    fn is_append(&self) -> bool {
        true
    }

    /// The partitions that it has now, before anything is read. Rows say from which they come ([`ChangeBatch::with_partition`]).
    fn partitions(&self) -> Partitions {
        Partitions::InTurn(1)
    }

    /// Why it has nothing now, if that is because what it reads is away: it is looked at again ([`RetryingSource`](crate::retry::RetryingSource)).
    fn trouble(&self) -> Option<Trouble> {
        None
    }

    /// What has been read and is not a whole row yet, told when nothing more will be read: it must not vanish.
    fn give_up(&mut self) -> Vec<BadRow> {
        Vec::new()
    }
}

/// What a source that cannot go on from a position says to [`Source::seek`]; `what` is as messages call it.
pub fn cannot_seek(what: &str, position: &Position) -> Result<()> {
    if position.is_empty() {
        return Ok(());
    }
    Err(Error::new(Code::NotSupported, format!("{what} cannot be read again from where an earlier reader stood")))
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
    /// Which of the declared columns are the primary key; none if there is no key.
    pub key: Vec<usize>,
    /// Whether these columns were not declared, but found in the data by an earlier reader, which this one is to follow: what a
    /// type that was found in the first rows would change is a bad row, and a declared type converts it.
    pub schema_was_found: bool,
    /// Everything between the parentheses, and `format` (with its own options as `format.x`).
    pub options: Options,
}
