//! A file that readers see when it is complete, and not before.
//!
//! Text is written under another name (`out.csv.partial`), the rows of a Parquet file into a spool (`.out.parquet.laminar`). Only
//! what was written is appended to, so that the state after an epoch is a length. The commit of the last epoch gives the file
//! its name.

use std::path::{Path, PathBuf};

use laminar_core::Result;

use super::super::output::{WriteOptions, check_overwrite, partial_of};
use super::super::settings::Compression;
use super::epoch_file::{EpochFile, begins_with, gone, not_ours, remove, rename, sync_directory};
use super::spool::{ParquetPlan, write_parquet};
use super::token::{Extent, Prepared};

/// An output that is being written under another name.
pub(super) struct WholeFile {
    path: PathBuf,
    overwrite: bool,
    /// Where the epochs go: the text itself, or the spool.
    written: PathBuf,
    options: WriteOptions,
    /// What the spool becomes; `None`: it is text.
    parquet: Option<ParquetPlan>,
    file: Option<EpochFile>,
    prepared: Extent,
    is_shown: bool,
}

impl WholeFile {
    pub(super) fn text(path: PathBuf, options: WriteOptions, overwrite: bool) -> Self {
        Self::new(partial_of(&path), path, options, overwrite, None)
    }

    pub(super) fn parquet(path: PathBuf, plan: ParquetPlan, overwrite: bool) -> Self {
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".laminar");
        // The spool is gone when the file is there, so it is worth no time to be made small.
        let options = WriteOptions { compression: Compression::None, io_uring: plan.io_uring };
        Self::new(path.with_file_name(name), path, options, overwrite, Some(plan))
    }

    fn new(written: PathBuf, path: PathBuf, options: WriteOptions, overwrite: bool, parquet: Option<ParquetPlan>) -> Self {
        let prepared = Extent::default();
        Self { path, overwrite, written, options, parquet, file: None, prepared, is_shown: false }
    }

    /// Puts all files into the state that was prepared.
    pub(super) fn resume(&mut self, prepared: &Prepared) -> Result<()> {
        self.prepared = prepared.output;
        match (prepared.is_complete, prepared.parquet) {
            (true, Some(parquet)) => self.resume_complete_parquet(prepared, &parquet),
            (true, None) => self.resume_complete_text(prepared),
            (false, _) => self.resume_written(prepared),
        }
    }

    fn resume_complete_parquet(&mut self, prepared: &Prepared, parquet: &Extent) -> Result<()> {
        let partial = partial_of(&self.path);
        if !is_exactly(&partial, parquet)? && !is_exactly(&self.path, parquet)? {
            self.reopen(prepared)?.ok_or_else(|| gone(&self.path))?;
            self.convert()?;
        }
        self.show()
    }

    fn resume_complete_text(&mut self, prepared: &Prepared) -> Result<()> {
        if self.reopen(prepared)?.is_none() && !is_exactly(&self.path, &prepared.output)? {
            return Err(if self.path.exists() { not_ours(&self.path) } else { gone(&self.path) });
        }
        self.show()
    }

    fn resume_written(&mut self, prepared: &Prepared) -> Result<()> {
        if self.parquet.is_some() {
            remove(&partial_of(&self.path))?;
        }
        if prepared.output.bytes == 0 {
            return remove(&self.written);
        }
        if self.reopen(prepared)?.is_some() {
            return Ok(());
        }
        // It was completed after the checkpoint that is gone back to.
        if self.parquet.is_some() || !self.path.exists() {
            return Err(gone(&self.written));
        }
        rename(&self.path, &self.written)?;
        self.reopen(prepared)?.ok_or_else(|| gone(&self.written))
    }

    fn reopen(&mut self, prepared: &Prepared) -> Result<Option<()>> {
        self.file = EpochFile::reopen(self.written.clone(), self.options, &prepared.output)?;
        Ok(self.file.as_ref().map(|_| ()))
    }

    /// Whether nothing has been written at all.
    pub(super) fn is_empty(&self) -> bool {
        self.file.is_none() && !self.is_shown
    }

    /// Adds bytes to the current epoch.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.begin()?.write(bytes)
    }

    /// The file that is written.
    pub(super) fn begin(&mut self) -> Result<&mut EpochFile> {
        if self.file.is_none() {
            check_overwrite(&self.path, self.overwrite)?;
        }
        Ok(match &mut self.file {
            Some(file) => file,
            file => file.insert(EpochFile::create(self.written.clone(), self.options)?),
        })
    }

    pub(super) fn has_begun(&self) -> bool {
        self.file.is_some()
    }

    /// Ends the epoch, and gives back all that is durable.
    pub(super) fn end_epoch(&mut self) -> Result<Extent> {
        if let Some(file) = &mut self.file {
            self.prepared = file.end_epoch()?;
            sync_directory(&self.written)?;
        }
        Ok(self.prepared)
    }

    /// Makes the file that will be shown, if it is another one than what was written.
    pub(super) fn complete(&mut self) -> Result<Option<Extent>> {
        if self.parquet.is_some() { self.convert().map(Some) } else { Ok(None) }
    }

    fn convert(&self) -> Result<Extent> {
        let Some(plan) = &self.parquet else { return Ok(Extent::default()) };
        let partial = partial_of(&self.path);
        let mut file = EpochFile::create(partial.clone(), self.options)?;
        file.fill(|file| write_parquet(&self.written, self.prepared.bytes, file, &partial, plan))?;
        let extent = file.end_epoch()?;
        sync_directory(&partial)?;
        Ok(extent)
    }

    /// Shows the file, which is complete.
    pub(super) fn show(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.is_shown, true) {
            return Ok(());
        }
        let complete = partial_of(&self.path);
        if complete.exists() {
            check_overwrite(&self.path, self.overwrite)?;
            rename(&complete, &self.path)?;
        }
        self.file = None;
        if self.parquet.is_some() { remove(&self.written) } else { Ok(()) }
    }
}

/// Whether the file at `path` has this extent.
fn is_exactly(path: &Path, extent: &Extent) -> Result<bool> {
    let Ok(mut file) = std::fs::File::open(path) else { return Ok(false) };
    let same = begins_with(&mut file, extent).and_then(|begins| Ok(begins && file.metadata()?.len() == extent.bytes));
    same.map_err(|error| super::super::paths::cannot_read(path, &error))
}
