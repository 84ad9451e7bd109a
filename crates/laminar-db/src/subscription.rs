//! A reader of changes in the hands of a program.

use arrow_schema::SchemaRef;
use laminar_core::{Error, Result};

use crate::catalog::ObjectId;
use crate::history::{ChangeSet, Description, Next, Reading};
use crate::{Database, Notice};

/// Reads the changes of one object, step by step. As an iterator it drives the database until the object's inputs have ended
/// or nothing more can come without a push.
pub struct Subscription {
    name: String,
    schema: SchemaRef,
    description: Description,
    source: Option<Reading>,
    /// The objects from which its rows come.
    inputs: Vec<ObjectId>,
    notices: Vec<Notice>,
    database: Database,
}

impl Subscription {
    pub(crate) fn new(name: String, schema: SchemaRef, description: Description, database: Database) -> Self {
        Self { name, schema, description, source: None, inputs: Vec::new(), notices: Vec::new(), database }
    }

    pub(crate) fn reads(&mut self, source: Reading, inputs: Vec<ObjectId>, notices: Vec<Notice>) {
        self.source = Some(source);
        (self.inputs, self.notices) = (inputs, notices);
    }

    /// What is to be known of the rows with which it begins.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Why no more comes although an input has not come to its end: a source that has stopped, for example. An iterator tells it once, as its
    /// last item.
    pub fn failure(&self) -> Option<Error> {
        self.database.failure_before(&self.inputs)
    }

    /// The name of the object, or of the query.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names and types of the rows.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Rows of changes that were dropped because the reader did not keep up ([`SlowReader::DropOldest`](crate::SlowReader::DropOldest)).
    pub fn dropped(&self) -> u64 {
        self.source.as_ref().map_or(0, |source| source.history.dropped(source.reader))
    }

    /// True once nothing will come any more and everything has been read.
    pub fn is_finished(&self) -> bool {
        self.source.as_ref().is_none_or(|source| source.history.is_finished(source.reader))
    }

    /// The next changes, if some are waiting already. Does not run the database.
    pub fn try_next(&mut self) -> Result<Option<ChangeSet>> {
        let Some(source) = &self.source else { return Ok(None) };
        match source.history.next(source.reader)? {
            Next::Changes(step, changes) => Ok(Some(self.description.of(step, changes)?)),
            Next::Nothing | Next::End => Ok(None),
        }
    }
}

impl Iterator for Subscription {
    type Item = Result<ChangeSet>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.try_next() {
                Ok(Some(changes)) => return Some(Ok(changes)),
                Err(error) => return Some(Err(error)),
                Ok(None) if self.is_finished() => return None,
                Ok(None) => match self.database.poll_or_wait() {
                    Ok(true) => {}
                    Ok(false) => return self.last_failure().map(Err),
                    Err(error) => return Some(Err(error)),
                },
            }
        }
    }
}

impl Subscription {
    /// The failure of an input, once.
    fn last_failure(&mut self) -> Option<Error> {
        let failure = self.failure();
        self.inputs.clear();
        failure
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(source) = self.source.take() {
            self.database.end_subscription(&source);
        }
    }
}
