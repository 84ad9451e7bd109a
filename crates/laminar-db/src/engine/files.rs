//! Which objects read and write which files: a sink never writes over what another object reads or writes.

use laminar_connectors::files::FileSet;
use laminar_core::{Code, Error, Result};
use laminar_sql::parse::ConnectorDef;

use super::sinks::placed;
use super::{Engine, Instance, SinkState, options_of};
use crate::catalog::kind_name;

/// The files of one object.
#[derive(Debug)]
pub(crate) enum Files {
    None,
    Read(FileSet),
    Written(FileSet),
}

impl Engine {
    /// The files that a source would read; refuses those that a sink is writing.
    pub(crate) fn files_to_read(&self, connector: &ConnectorDef) -> Result<FileSet> {
        let found = self.registry.get(&connector.name).map_err(|error| error.at(connector.name_span))?;
        let read = found.files_read(&options_of(connector)).map_err(|error| placed(error, connector))?;
        for object in self.catalog.iter() {
            if let Some(instance) = self.instances.get(object.id)
                && let Files::Written(written) = &instance.files
                && is_writing(instance)
                && let Some(file) = written.shared_with(&read)
            {
                let sink = &object.name;
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
        for object in self.catalog.iter() {
            let (does, others) = match self.instances.get(object.id).map(|instance| &instance.files) {
                Some(Files::Read(others)) => ("reads", others),
                Some(Files::Written(others)) => ("writes", others),
                Some(Files::None) | None => continue,
            };
            if let Some(file) = written.shared_with(others) {
                let (kind, name) = (kind_name(object.kind()).to_lowercase(), &object.name);
                let text = format!("the sink would write over '{}', which {kind} '{name}' {does}", file.display());
                return Err(Error::new(Code::ObjectInUse, text).with_hint("name a file of its own").at(connector.span));
            }
        }
        Ok(written)
    }
}

/// Whether the output of a sink is not complete.
fn is_writing(sink: &Instance) -> bool {
    sink.sink().is_none_or(|(handle, _)| handle.status().state != SinkState::Finished)
}
