//! Which connectors there are, by name.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use laminar_core::time::SystemClock;
use laminar_core::{ChangeBatch, Code, Error, Result};

use crate::blackhole::BlackholeConnector;
use crate::files::{FileConnector, FileSet};
use crate::generator::GeneratorConnector;
use crate::memory::MemoryConnector;
use crate::nexmark::NexmarkConnector;
use crate::options::nearest;
use crate::stdout::StdoutConnector;
use crate::{Accepts, BadRow, Options, Sink, SinkRequest, Source, SourceRequest};

/// Makes sources and sinks of one kind.
pub trait Connector: Send + Sync {
    /// The name in `FROM name (…)` and `connector = 'name'`, lower case.
    fn name(&self) -> &'static str;

    /// Opens a source; reads enough of the data to know its schema.
    fn open_source(&self, request: SourceRequest) -> Result<Box<dyn Source>>;

    /// Which changes a sink with these options takes; `None`: this connector has no sinks.
    fn sink_accepts(&self, request: &SinkRequest) -> Result<Option<Accepts>>;

    /// Opens a sink.
    fn open_sink(&self, request: SinkRequest) -> Result<Box<dyn Sink>>;

    /// The files that a source with these options reads, now or later. A database asks before anything is opened, so that no
    /// sink writes over them.
    fn files_read(&self, _: &Options) -> Result<FileSet> {
        Ok(FileSet::default())
    }

    /// The files that a sink with these options writes.
    fn files_written(&self, _: &Options) -> Result<FileSet> {
        Ok(FileSet::default())
    }

    /// Reads records again that a source with these options rejected: the changes of each, or why it still cannot be read.
    fn read_again(&self, _: Options, _: &Reread<'_>, _: &[BadRow]) -> Result<Vec<Result<ChangeBatch, String>>> {
        let text = format!("a source of the connector {} keeps no records that could be read again", self.name());
        Err(Error::new(Code::NotSupported, text).with_hint("INSERT the rows as they should be"))
    }

    /// Whether a source opened anew gives the same rows again from the start (files, generators with a seed).
    fn replayable(&self) -> bool;
}

/// Records that are to be read again: which columns they had, and which columns they are to have.
#[derive(Debug)]
pub struct Reread<'a> {
    /// The columns of the source that rejected them.
    pub columns: SchemaRef,
    /// Whether these were declared, so that they may stand in another order than those of the records.
    pub declared: bool,
    /// What the fields of a record are called, in their order; empty: the statement does not say.
    pub fields: &'a [String],
    /// The columns of the rows that are wanted.
    pub into: SchemaRef,
    /// Those of the primary key.
    pub key: &'a [usize],
}

/// All connectors.
#[derive(Default)]
pub struct Registry {
    connectors: Vec<Box<dyn Connector>>,
    memory: MemoryConnector,
}

impl Registry {
    /// A registry without connectors.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Everything that this crate has.
    pub fn with_builtin() -> Self {
        let mut registry = Self::empty();
        registry.add(Box::new(FileConnector::default()));
        registry.add(Box::new(GeneratorConnector::new(Arc::new(SystemClock))));
        registry.add(Box::new(NexmarkConnector));
        registry.add(Box::new(StdoutConnector::default()));
        registry.add(Box::new(BlackholeConnector::default()));
        registry.add(Box::new(registry.memory.clone()));
        registry
    }

    /// The queues of the connector `memory`.
    pub fn memory(&self) -> &MemoryConnector {
        &self.memory
    }

    /// Adds a connector; a later one of the same name wins.
    pub fn add(&mut self, connector: Box<dyn Connector>) {
        self.connectors.insert(0, connector);
    }

    /// The names of all connectors, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.connectors.iter().map(|connector| connector.name()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The connector called `name`, whatever its case.
    pub fn get(&self, name: &str) -> Result<&dyn Connector> {
        let found = self.connectors.iter().find(|connector| connector.name().eq_ignore_ascii_case(name));
        found.map(AsRef::as_ref).ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Error {
        let names = self.names();
        let list = format!("the connectors of this build are: {}", names.join(", "));
        let hint = match nearest(name, names) {
            Some(found) => format!("did you mean '{found}'? {list}"),
            None => list,
        };
        Error::new(Code::UnknownOption, format!("there is no connector '{name}'")).with_hint(hint)
    }
}
