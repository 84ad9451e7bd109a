//! Which objects read and write which files: a sink never writes over what another object reads or writes.

use std::collections::BTreeMap;

use laminar_connectors::files::FileSet;
use laminar_core::{Code, Error, Result};
use laminar_sql::parse::ConnectorDef;

use super::sinks::placed;
use super::{Engine, SinkState, options_of};
use crate::catalog::kind_name;

/// The files of all objects that have some.
#[derive(Default)]
pub(crate) struct ObjectFiles(BTreeMap<String, Files>);

/// The files of one object.
enum Files {
    Read(FileSet),
    Written(FileSet),
}

impl ObjectFiles {
    /// Keeps the files that source or table `name` reads.
    pub(crate) fn add_read(&mut self, name: &str, files: FileSet) {
        self.add(name, Files::Read(files));
    }

    /// Keeps the files that sink `name` writes.
    pub(crate) fn add_written(&mut self, name: &str, files: FileSet) {
        self.add(name, Files::Written(files));
    }

    fn add(&mut self, name: &str, files: Files) {
        let (Files::Read(set) | Files::Written(set)) = &files;
        if !set.is_empty() {
            self.0.insert(name.to_owned(), files);
        }
    }

    /// The objects that have files.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    pub(crate) fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }
}

impl Engine {
    /// The files that a source would read; refuses those that a sink is writing.
    pub(crate) fn files_to_read(&self, connector: &ConnectorDef) -> Result<FileSet> {
        let found = self.registry.get(&connector.name).map_err(|error| error.at(connector.name_span))?;
        let read = found.files_read(&options_of(connector)).map_err(|error| placed(error, connector))?;
        for (sink, files) in &self.files.0 {
            if let Files::Written(written) = files
                && self.is_writing(sink)
                && let Some(file) = written.shared_with(&read)
            {
                let text = format!("sink '{sink}' writes '{}', which this would read", file.display());
                return Err(Error::new(Code::ObjectInUse, text)
                    .with_hint(format!("read another file, or DROP SINK {sink} first, which completes it"))
                    .at(connector.span));
            }
        }
        Ok(read)
    }

    /// The files that a sink would write; refuses those that another object reads or writes.
    pub(crate) fn files_to_write(&self, connector: &ConnectorDef) -> Result<FileSet> {
        let found = self.registry.get(&connector.name).map_err(|error| error.at(connector.name_span))?;
        let written = found.files_written(&options_of(connector)).map_err(|error| placed(error, connector))?;
        for (object, files) in &self.files.0 {
            let (does, others) = match files {
                Files::Read(others) => ("reads", others),
                Files::Written(others) => ("writes", others),
            };
            if let Some(file) = written.shared_with(others) {
                let kind = self.catalog.get(object).map_or_else(String::new, |o| kind_name(o.kind()).to_lowercase());
                let text = format!("the sink would write over '{}', which {kind} '{object}' {does}", file.display());
                return Err(Error::new(Code::ObjectInUse, text).with_hint("name a file of its own").at(connector.span));
            }
        }
        Ok(written)
    }

    /// Whether the output of a sink is not complete.
    fn is_writing(&self, sink: &str) -> bool {
        let handle = self.catalog.get(sink).and_then(|object| object.sink());
        handle.is_none_or(|handle| handle.state() != SinkState::Finished)
    }
}
