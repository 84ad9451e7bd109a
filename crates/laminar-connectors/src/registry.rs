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
use crate::retry::{Retry, RetryingLookup, RetryingSink, RetryingSource, passes};
use crate::stdout::StdoutConnector;
use crate::{Accepts, BadRow, Lookup, LookupRequest, Options, Sink, SinkRequest, Source, SourceRequest};

/// Makes sources and sinks of one kind.
pub trait Connector: Send + Sync {
    /// The name in `FROM name (…)` and `connector = 'name'`, lower case.
    fn name(&self) -> &'static str;

    /// Opens a source; reads enough of the data to know its schema.
    fn open_source(&self, request: SourceRequest) -> Result<Box<dyn Source>>;

    /// Opens what is asked for rows by key; looks outside as far as its columns are to be known.
    fn open_lookup(&self, _: LookupRequest) -> Result<Box<dyn Lookup>> {
        let text = format!("the connector '{}' cannot be asked for rows by key", self.name());
        Err(Error::new(Code::NotSupported, text)
            .with_hint("lookup tables stand over FILE; CREATE TABLE … FROM another connector, and join with that FOR SYSTEM_TIME AS OF PROCTIME()"))
    }

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

    /// Whether its sinks tell when nothing has come of a call that failed ([`Sink::can_try_again`]), so that it can be made again.
    fn retries_sinks(&self) -> bool {
        false
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
#[derive(Clone, Default)]
pub struct Registry {
    connectors: Vec<Arc<dyn Connector>>,
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
        self.connectors.insert(0, Arc::from(connector));
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
        self.shared(name).map(AsRef::as_ref)
    }

    fn shared(&self, name: &str) -> Result<&Arc<dyn Connector>> {
        let found = self.connectors.iter().find(|connector| connector.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| self.unknown(name))
    }

    /// Opens a source of the connector called `name`. One that can go on from a position is opened again when what it reads is away for a while, as the options
    /// `retry` and `retry_pause_max` say.
    pub fn open_source(&self, name: &str, mut request: SourceRequest) -> Result<Box<dyn Source>> {
        let connector = Arc::clone(self.shared(name)?);
        let said = Retry::take(&mut request.options)?;
        let source = connector.open_source(request.clone())?;
        if !source.can_seek() {
            return if said.is_some() {
                Err(cannot_retry(&format!("this source of the connector '{name}'")))
            } else {
                Ok(source)
            };
        }
        let schema_was_found = request.schema_was_found || request.schema.is_none();
        let again = SourceRequest { schema: Some(source.schema()), schema_was_found, ..request };
        let open = Box::new(move || connector.open_source(again.clone()));
        Ok(Box::new(RetryingSource::new(said.unwrap_or(Retry::STANDARD), source, open)))
    }

    /// Opens what is asked for rows by key, with its columns. What is away for a while is asked again, as the options `retry` and
    /// `retry_pause_max` say.
    pub fn open_lookup(&self, name: &str, mut request: LookupRequest) -> Result<(SchemaRef, RetryingLookup)> {
        let connector = Arc::clone(self.shared(name)?);
        let retry = Retry::take(&mut request.options)?.unwrap_or(Retry::STANDARD);
        let lookup = connector.open_lookup(request.clone())?;
        let schema = lookup.schema();
        let schema_was_found = request.schema_was_found || request.schema.is_none();
        let again = LookupRequest { schema: Some(schema.clone()), schema_was_found, ..request };
        Ok((schema, RetryingLookup::new(retry, lookup, Box::new(move || connector.open_lookup(again.clone())))))
    }

    /// A lookup that could be opened before, when `request` said its columns: it is opened when it is asked.
    pub fn open_lookup_later(&self, name: &str, mut request: LookupRequest) -> Result<RetryingLookup> {
        let connector = Arc::clone(self.shared(name)?);
        let retry = Retry::take(&mut request.options)?.unwrap_or(Retry::STANDARD);
        Ok(RetryingLookup::away(retry, Box::new(move || connector.open_lookup(request.clone()))))
    }

    /// Which changes a sink takes.
    pub fn sink_accepts(&self, name: &str, request: &SinkRequest) -> Result<Option<Accepts>> {
        let mut request = request.clone();
        Retry::take(&mut request.options)?;
        self.shared(name)?.sink_accepts(&request)
    }

    /// Opens a sink of the connector called `name`. What it cannot take because its outside is away waits for it, as the options `retry` and `retry_pause_max` say.
    pub fn open_sink(&self, name: &str, mut request: SinkRequest) -> Result<Box<dyn Sink>> {
        let connector = Arc::clone(self.shared(name)?);
        let said = Retry::take(&mut request.options)?;
        let sink = connector.open_sink(request.clone())?;
        if !connector.retries_sinks() {
            return if said.is_some() { Err(cannot_retry(&format!("a sink of the connector '{name}'"))) } else { Ok(sink) };
        }
        let open = Box::new(move || connector.open_sink(request.clone()));
        Ok(Box::new(RetryingSink::new(said.unwrap_or(Retry::STANDARD), sink, open)))
    }

    /// A sink that could be opened before and cannot be now, for `error`: what is written into it waits until that has passed. `None`: it will not pass.
    pub fn open_sink_later(&self, name: &str, mut request: SinkRequest, error: &Error) -> Result<Option<Box<dyn Sink>>> {
        let connector = Arc::clone(self.shared(name)?);
        let retry = Retry::take(&mut request.options)?.unwrap_or(Retry::STANDARD);
        if !passes(error) || !connector.retries_sinks() {
            return Ok(None);
        }
        let open = Box::new(move || connector.open_sink(request.clone()));
        Ok(Some(Box::new(RetryingSink::away(retry, error.clone(), open))))
    }

    /// A source that could be opened before, when `request` said its columns, and cannot be now, for `error`: it is opened when that has passed. `None`: it will
    /// not pass.
    pub fn open_source_later(
        &self,
        name: &str,
        mut request: SourceRequest,
        is_append: bool,
        error: &Error,
    ) -> Result<Option<Box<dyn Source>>> {
        let connector = Arc::clone(self.shared(name)?);
        let retry = Retry::take(&mut request.options)?.unwrap_or(Retry::STANDARD);
        let Some(schema) = request.schema.clone().filter(|_| passes(error)) else { return Ok(None) };
        let open = Box::new(move || connector.open_source(request.clone()));
        Ok(Some(Box::new(RetryingSource::away(retry, (schema, is_append), error.clone(), open))))
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

fn cannot_retry(what: &str) -> Error {
    let text = format!("{what} cannot go on where it stood, so that 'retry' has no meaning for it");
    Error::new(Code::InvalidOption, text).with_hint("leave the option out")
}
