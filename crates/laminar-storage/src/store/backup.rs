//! Copies of a database: its newest checkpoint and the log from there on, in a directory that is a database itself.
//!
//! A copy is made file by file and becomes a database at last, when its `FORMAT` is written: what was stopped before that is none. Every byte of it is looked at
//! before that, as [`check`](super::check()) does, so that a copy that was made is known to be whole.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use laminar_core::{Code, Error, Result};

use super::block::{self, BlockId};
use super::check::{Verdict, check_on};
use super::handle::{Store, lock};
use super::layout::{Found, Layout, write_whole};
use super::manifest::{self, Manifest};
use super::open::{epochs, take_lock};
use crate::disk::{Disk, RealDisk, failed};
use crate::log::{LogPosition, list_segments, segment_path};

/// What a copy holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// The checkpoint in it; `None`: all that there is stands in the log.
    pub epoch: Option<u64>,
    /// Bytes of all its files.
    pub bytes: u64,
}

impl Store {
    /// Copies the newest checkpoint, and the log from there on to where it ends now, into `to`, which must be empty or not there. Others append meanwhile;
    /// a checkpoint waits.
    pub fn back_up(&self, to: &Path) -> Result<Copied> {
        let inner = &self.0;
        let _publishing = lock(&inner.publishing);
        let end = self.end();
        self.sync_to(end)?;
        let newest = lock(&inner.kept).last().map(|kept| kept.epoch);
        copy(&inner.disk, &inner.layout, newest, Some(end), to)
    }
}

/// Copies the database in `from`, which must be whole and not open, into `to`, which must be empty or not there.
pub fn restore(from: &Path, to: &Path) -> Result<Copied> {
    restore_on(Arc::new(RealDisk), from, to)
}

/// The same on any disk.
pub fn restore_on(disk: Arc<dyn Disk>, from: &Path, to: &Path) -> Result<Copied> {
    let layout = Layout::of(from);
    refuse_damage(&disk, from)?;
    // A copy has no such file: it need not be on a disk that can be written.
    let is_locked = disk.exists(&layout.lock()).map_err(failed(layout.lock()))?;
    let _held = if is_locked { Some(take_lock(&*disk, &layout)?) } else { None };
    let newest = epochs(&*disk, &layout)?
        .into_iter()
        .rfind(|epoch| disk.exists(&manifest::path(&layout.checkpoints, *epoch)).unwrap_or(true));
    copy(&disk, &layout, newest, None, to)
}

/// Copies checkpoint `epoch` and what it needs, and the log from there to `end`; `None`: all of it.
fn copy(disk: &Arc<dyn Disk>, from: &Layout, epoch: Option<u64>, end: Option<LogPosition>, to: &Path) -> Result<Copied> {
    let target = Layout::of(to);
    refuse_used(&**disk, to)?;
    target.create_directories(&**disk)?;
    let checkpoint = epoch.map(|epoch| read_checkpoint(&**disk, from, epoch)).transpose()?;
    let mut copied = Copied { epoch, bytes: 0 };
    let first = checkpoint.as_ref().map_or(1, |(manifest, _)| manifest.log.segment);
    copied.bytes += copy_log(&**disk, (from, &target), first, end)?;
    if let Some((manifest, text)) = &checkpoint {
        copied.bytes += copy_blocks(&**disk, (from, &target), &manifest.blocks)?;
        let (checkpoints, epoch) = (&target.checkpoints, manifest.epoch);
        let directory = manifest::directory(checkpoints, epoch);
        disk.create_dir(&directory).map_err(failed(&directory))?;
        write_whole(&**disk, &manifest::path_beside(checkpoints, epoch), &manifest::path(checkpoints, epoch), text)?;
        copied.bytes += text.len() as u64;
        sync_dirs(&**disk, [directory.as_path(), checkpoints])?;
    }
    target.write_format(&**disk)?;
    if let Err(error) = refuse_damage(disk, to) {
        // What is not whole must not look like a database.
        disk.remove(&target.format()).map_err(failed(target.format()))?;
        return Err(error);
    }
    Ok(copied)
}

fn refuse_used(disk: &dyn Disk, to: &Path) -> Result<()> {
    let is_used = disk.exists(to).and_then(|is_there| if is_there { Ok(!disk.list(to)?.is_empty()) } else { Ok(false) });
    if is_used.map_err(failed(to))? {
        let text = format!("'{}' is not empty: a copy of a database needs a directory of its own", to.display());
        return Err(Error::new(Code::ObjectExists, text).with_hint("name an empty directory, or one that does not exist yet"));
    }
    Ok(())
}

fn refuse_damage(disk: &Arc<dyn Disk>, directory: &Path) -> Result<()> {
    let report = check_on(Arc::clone(disk), directory)?;
    let Some(file) = report.damaged().next() else { return Ok(()) };
    let Verdict::Damaged { offset, reason, lost, .. } = &file.verdict else { return Ok(()) };
    let text = format!("'{}' is damaged: '{}' at byte {offset}: {reason}", directory.display(), file.path.display());
    Err(Error::new(Code::BadData, text)
        .with_detail(format!("what cannot be read for it: {lost}"))
        .with_hint(format!("laminar check {} tells of every file; take another copy", directory.display())))
}

fn read_checkpoint(disk: &dyn Disk, from: &Layout, epoch: u64) -> Result<(Manifest, Vec<u8>)> {
    let path = manifest::path(&from.checkpoints, epoch);
    let text = disk.read(&path).map_err(failed(&path))?;
    let manifest = Manifest::decode(&text)
        .map_err(|reason| Error::new(Code::BadData, format!("the checkpoint '{}' cannot be used: {reason}", path.display())))?;
    Ok((manifest, text))
}

fn copy_log(disk: &dyn Disk, (from, to): (&Layout, &Layout), first: u32, end: Option<LogPosition>) -> Result<u64> {
    let segments = list_segments(disk, &from.log).map_err(|error| error.in_directory(&from.log))?;
    let mut bytes = 0;
    for segment in segments.into_iter().filter(|segment| *segment >= first && end.is_none_or(|end| *segment <= end.segment)) {
        let path = segment_path(&from.log, segment);
        let mut file = disk.read(&path).map_err(failed(&path))?;
        if let Some(end) = end.filter(|end| end.segment == segment) {
            // What is appended meanwhile is of a later moment.
            file.truncate(usize::try_from(end.offset).unwrap_or(usize::MAX));
        }
        bytes += write_file(disk, &segment_path(&to.log, segment), &file)?;
    }
    sync_dirs(disk, [to.log.as_path()])?;
    Ok(bytes)
}

fn copy_blocks(disk: &dyn Disk, (from, to): (&Layout, &Layout), blocks: &[BlockId]) -> Result<u64> {
    let mut bytes = 0;
    for id in blocks {
        let path = id.path(&from.blocks);
        let file = disk.read(&path).map_err(failed(&path))?;
        block::body_of(&file, *id).map_err(|damage| block::damaged(&path, damage))?;
        let directory = id.directory(&to.blocks);
        disk.create_dir(&directory).map_err(failed(&directory))?;
        bytes += write_file(disk, &id.path(&to.blocks), &file)?;
    }
    let directories: BTreeSet<_> = blocks.iter().map(|id| id.directory(&to.blocks)).collect();
    sync_dirs(disk, directories.iter().map(|directory| directory.as_path()).chain([to.blocks.as_path()]))?;
    Ok(bytes)
}

fn write_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<u64> {
    let file = disk.create(path).map_err(failed(path))?;
    file.append(bytes).and_then(|()| file.sync_data()).map_err(failed(path))?;
    Ok(bytes.len() as u64)
}

fn sync_dirs<'a>(disk: &dyn Disk, directories: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    directories.into_iter().try_for_each(|directory| disk.sync_dir(directory).map_err(failed(directory)))
}

/// Whether there is a database in a directory.
pub fn is_database(path: &Path) -> Result<bool> {
    Ok(Layout::of(path).recognise(&RealDisk)? == Found::Store)
}
