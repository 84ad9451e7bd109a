//! The connector `file`: Parquet, CSV and NDJSON, one file, a directory or a glob.
//!
//! * [`settings`]: what the options say. [`paths`], [`glob`]: which files that means, in which order.
//! * [`magic`]: what a file is, by its first bytes. [`decompress`], [`encoding`], [`input`]: text out of a file, whatever
//!   its compression and encoding. [`pipe`]: what can be read only once.
//! * [`sample`]: which columns a file has. [`partitions`]: which ones its path has.
//! * [`text_file`], [`parquet_file`]: the rows of one file. [`reader`]: either.
//! * [`source`], [`file_list`]: files one after the other. [`follow`], [`followed`]: files that grow, and new ones. [`enveloped`]: records that tell changes.
//! * [`lookup`]: rows by their keys.
//! * [`reread`]: records that could not be read, once more.
//! * [`place`], [`kept`]: where the reading of files stands, and whether they still are the same ones.
//! * [`output`], [`sink`]: rows into a file. [`epochs`]: the same, such that a crash neither loses nor repeats one. [`file_set`]: which files an object reads or writes.

mod decompress;
mod encoding;
mod enveloped;
mod epochs;
mod file_list;
mod file_set;
mod follow;
mod followed;
mod glob;
mod input;
mod kept;
mod lookup;
mod magic;
mod output;
mod parquet_file;
mod partitions;
mod paths;
mod pipe;
mod place;
mod reader;
mod reread;
mod sample;
mod settings;
mod sink;
mod source;
mod text_file;

pub use file_set::FileSet;

use laminar_core::{ChangeBatch, Result};

use crate::registry::Reread;
use crate::{Accepts, BadRow, Connector, Lookup, LookupRequest, Options, Sink, SinkRequest, Source, SourceRequest};

/// Files of this machine.
#[derive(Debug, Clone, Default)]
pub struct FileConnector {
    pipes: pipe::Pipes,
}

impl Connector for FileConnector {
    fn name(&self) -> &'static str {
        "file"
    }

    fn open_source(&self, request: SourceRequest) -> Result<Box<dyn Source>> {
        source::open(request, &self.pipes)
    }

    fn open_lookup(&self, request: LookupRequest) -> Result<Box<dyn Lookup>> {
        Ok(Box::new(lookup::FileLookup::open(request, &self.pipes)?))
    }

    fn sink_accepts(&self, request: &SinkRequest) -> Result<Option<Accepts>> {
        let settings = settings::SinkSettings::parse(request.options.clone())?;
        Ok(Some(if settings.changelog { Accepts::Changes } else { Accepts::AppendOnly }))
    }

    fn open_sink(&self, request: SinkRequest) -> Result<Box<dyn Sink>> {
        let settings = settings::SinkSettings { io_uring: request.io_uring, ..settings::SinkSettings::parse(request.options)? };
        if request.transactional && epochs::can_hold_epochs(&settings.path) {
            return Ok(Box::new(epochs::EpochSink::open(settings, &request.schema, request.resume.as_ref())?));
        }
        Ok(Box::new(sink::FileSink::open(settings, &request.schema)?))
    }

    fn files_read(&self, options: &Options) -> Result<FileSet> {
        let settings = settings::SourceSettings::parse(options.clone())?;
        Ok(FileSet::of_source(&settings.path, settings.format))
    }

    fn files_written(&self, options: &Options) -> Result<FileSet> {
        let settings = settings::SinkSettings::parse(options.clone())?;
        let written = output::written_name(&settings.path, settings.publish);
        Ok(FileSet::of_files([settings.path, written]))
    }

    fn read_again(&self, options: Options, reread: &Reread<'_>, records: &[BadRow]) -> Result<Vec<Result<ChangeBatch, String>>> {
        reread::read_again(options, reread, records)
    }

    fn retries_sinks(&self) -> bool {
        true
    }

    fn replayable(&self) -> bool {
        true
    }
}
