//! A source that is opened again, from where it stood.

use arrow_schema::SchemaRef;
use laminar_core::time::watermark::Partitions;
use laminar_core::{Code, Error, Result};

use super::{Attempts, PAUSE_MIN, Retry, Trouble, passes};
use crate::{BadRow, Position, Source, SourcePoll};

/// Opens the source that is to be read.
pub type OpenSource = Box<dyn Fn() -> Result<Box<dyn Source>> + Send>;

/// A source that is opened again. Pauses are counted and not measured, so that it needs no clock.
pub struct RetryingSource {
    attempts: Attempts,
    open: OpenSource,
    /// `None`: it is away.
    source: Option<Box<dyn Source>>,
    known: Known,
}

/// What is known of a source while it is away.
struct Known {
    schema: SchemaRef,
    position: Position,
    described: String,
    is_bounded: bool,
    is_replayable: bool,
    is_append: bool,
    partitions: Partitions,
}

impl RetryingSource {
    /// A source that is there.
    pub fn new(retry: Retry, source: Box<dyn Source>, open: OpenSource) -> Self {
        let known = Known {
            schema: source.schema(),
            position: source.position(),
            described: source.describe_position(),
            is_bounded: source.is_bounded(),
            is_replayable: source.is_replayable(),
            is_append: source.is_append(),
            partitions: source.partitions(),
        };
        Self { attempts: Attempts::new(retry, None), open, source: Some(source), known }
    }

    /// A source with these columns that was there once and is away now, for `error`.
    pub fn away(retry: Retry, (schema, is_append): (SchemaRef, bool), error: Error, open: OpenSource) -> Self {
        let known = Known {
            schema,
            position: Position::default(),
            described: "not opened".to_owned(),
            is_bounded: true,
            is_replayable: true,
            is_append,
            partitions: Partitions::InTurn(1),
        };
        Self { attempts: Attempts::new(retry, Some(Trouble { error, attempts: 0 })), open, source: None, known }
    }

    /// The source, opened and put where the last one stood.
    fn opened(&self) -> Result<Box<dyn Source>> {
        let mut source = (self.open)()?;
        if !source.can_seek() {
            let text =
                "it was away when the database was opened, and can be read only once: what it has would be lost in a crash";
            return Err(Error::new(Code::NotSupported, text).with_hint("open the database again while it is there"));
        }
        if !self.known.position.is_empty() {
            source.seek(&self.known.position)?;
        }
        Ok(source)
    }

    /// It is away: when to look again, or the error if that does not help.
    fn wait(&mut self, error: Error) -> Result<SourcePoll> {
        self.attempts.failed(error).map(SourcePoll::Pending)
    }
}

impl Source for RetryingSource {
    fn schema(&self) -> SchemaRef {
        self.known.schema.clone()
    }

    fn poll(&mut self, rows_max: usize) -> Result<SourcePoll> {
        if self.source.is_none() {
            if let Some(Trouble { error, attempts: 0 }) = &self.attempts.trouble {
                // It was found to be away a moment ago.
                let error = error.clone();
                return self.wait(error);
            }
            match self.opened() {
                Ok(source) => self.source = Some(source),
                Err(error) => return self.wait(error),
            }
        }
        let Some(source) = &mut self.source else { return Ok(SourcePoll::Pending(PAUSE_MIN)) };
        match source.poll(rows_max) {
            Ok(polled) => {
                self.attempts.end();
                Ok(polled)
            }
            Err(error) => {
                (self.known.position, self.known.described) = (source.position(), source.describe_position());
                self.source = None;
                self.wait(error)
            }
        }
    }

    fn position(&self) -> Position {
        self.source.as_ref().map_or_else(|| self.known.position.clone(), |source| source.position())
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn seek(&mut self, position: &Position) -> Result<()> {
        let Some(source) = &mut self.source else {
            self.known.position = position.clone();
            return Ok(());
        };
        match source.seek(position) {
            Err(error) if passes(&error) => {
                self.source = None;
                self.known.position = position.clone();
                self.attempts.trouble = Some(Trouble { error, attempts: 0 });
                Ok(())
            }
            done => done,
        }
    }

    fn acknowledge(&mut self, position: &Position) -> Result<()> {
        self.source.as_mut().map_or(Ok(()), |source| source.acknowledge(position))
    }

    fn describe_position(&self) -> String {
        self.source.as_ref().map_or_else(|| self.known.described.clone(), |source| source.describe_position())
    }

    fn is_bounded(&self) -> bool {
        self.source.as_ref().map_or(self.known.is_bounded, |source| source.is_bounded())
    }

    fn is_replayable(&self) -> bool {
        self.known.is_replayable
    }

    fn is_append(&self) -> bool {
        self.known.is_append
    }

    fn partitions(&self) -> Partitions {
        self.source.as_ref().map_or(self.known.partitions, |source| source.partitions())
    }

    fn give_up(&mut self) -> Vec<BadRow> {
        self.source.as_mut().map(|source| source.give_up()).unwrap_or_default()
    }

    fn trouble(&self) -> Option<Trouble> {
        self.attempts.trouble.clone()
    }
}
