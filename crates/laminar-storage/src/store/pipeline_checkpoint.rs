//! Makes checkpoints, and removes what they no longer need.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use laminar_core::{Code, Error, Result};

use super::block::BlockId;
use super::handle::{Inner, Kept, lock};
use super::layout::write_whole;
use super::manifest::{self, Manifest};
use super::open::epochs;
use crate::disk::{NotSynced, failed};
use crate::log::LogPosition;

/// A checkpoint of all that runs in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineCheckpoint {
    /// Its number.
    pub epoch: u64,
    /// What stands in the log before it is in the checkpoint.
    pub log: LogPosition,
    /// The lowest watermark of the sources, in nanoseconds since 1970-01-01T00:00:00; `None`: none has one yet.
    pub watermark: Option<i64>,
    /// What the database says of itself: JSON text.
    pub body: Vec<u8>,
}

/// A checkpoint that is kept, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointMetadata {
    /// Its number.
    pub epoch: u64,
    /// When it was written: nanoseconds since 1970-01-01T00:00:00Z.
    pub written: i64,
    /// The lowest watermark of the sources, in nanoseconds since 1970-01-01T00:00:00; `None`: none had one.
    pub watermark: Option<i64>,
    /// Bytes of its manifest and blocks. A block that several checkpoints name counts in each.
    pub bytes: u64,
    /// How many blocks it names.
    pub blocks: usize,
    /// What stands in the log before it is in the checkpoint.
    pub log: LogPosition,
}

/// Makes the checkpoints of a directory, and keeps the newest of them ([`StoreOptions::retained_checkpoints`](super::StoreOptions)).
///
/// ```
/// # fn main() -> laminar_core::Result<()> {
/// use std::sync::Arc;
/// use laminar_storage::disk::SimulatedDisk;
/// use laminar_storage::pipeline_checkpoint::PipelineCheckpoint;
/// use laminar_storage::{Store, StoreOptions};
///
/// let store = Store::open("/db".as_ref(), Arc::new(SimulatedDisk::new(1)), StoreOptions::STANDARD)?.store;
/// let state = store.put_block(b"the rows of a view")?;
/// let checkpoint = PipelineCheckpoint { epoch: 1, log: store.end(), watermark: None, body: b"{}".to_vec() };
/// store.checkpoints().publish(&checkpoint, &[state])?;
/// assert_eq!(store.checkpoints().kept()[0].epoch, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PipelineCheckpointManager(pub(super) Arc<Inner>);

impl PipelineCheckpointManager {
    /// Makes a checkpoint: syncs the log up to its place and `blocks`, and writes the manifest, which is there whole or not at all. Then removes the
    /// checkpoints beyond those retained, the blocks that none names any more, and the log before the oldest. Epochs ascend.
    pub fn publish(&self, checkpoint: &PipelineCheckpoint, blocks: &[BlockId]) -> Result<()> {
        let inner = &*self.0;
        let _publishing = lock(&inner.publishing);
        inner.check_usable()?;
        let PipelineCheckpoint { epoch, log, watermark, body } = checkpoint.clone();
        check_order(inner, epoch, log)?;
        let blocks: Vec<BlockId> = blocks.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let manifest = Manifest { epoch, written: inner.disk.now(), log, watermark, blocks, body };
        let text = manifest.encode()?;
        inner.log.sync_to(log).map_err(|error| error.in_directory(&inner.layout.log))?;
        sync_blocks(inner, &manifest.blocks)?;
        write_manifest(inner, epoch, &text)?;
        keep(inner, manifest, text.len() as u64);
        remove_superfluous(inner);
        Ok(())
    }

    /// The checkpoints that are kept, oldest first.
    pub fn kept(&self) -> Vec<CheckpointMetadata> {
        let (kept, blocks) = (lock(&self.0.kept), lock(&self.0.blocks));
        let bytes = |id: &BlockId| blocks.known.get(id).map_or(0, |known| known.bytes);
        let metadata = |kept: &Kept| CheckpointMetadata {
            epoch: kept.epoch,
            written: kept.written,
            watermark: kept.watermark,
            bytes: kept.manifest_bytes + kept.blocks.iter().map(bytes).sum::<u64>(),
            blocks: kept.blocks.len(),
            log: kept.log,
        };
        kept.iter().map(metadata).collect()
    }
}

impl fmt::Debug for PipelineCheckpointManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PipelineCheckpointManager({})", self.0.layout.checkpoints.display())
    }
}

fn check_order(inner: &Inner, epoch: u64, log: LogPosition) -> Result<()> {
    let kept = lock(&inner.kept);
    match kept.last() {
        Some(newest) if epoch <= newest.epoch => {
            Err(Error::internal(format!("a checkpoint of epoch {epoch} after that of epoch {}", newest.epoch)))
        }
        Some(newest) if log < newest.log => {
            Err(Error::internal(format!("a checkpoint at {log} of the log after one at {}", newest.log)))
        }
        _ => Ok(()),
    }
}

/// Makes the blocks last that do not yet: their bytes, then their names, then the names of their directories.
fn sync_blocks(inner: &Inner, ids: &[BlockId]) -> Result<()> {
    let mut unsynced = Vec::new();
    {
        let blocks = lock(&inner.blocks);
        for id in ids {
            match blocks.known.get(id) {
                None => return Err(Error::internal(format!("a checkpoint names the block {id}, which was not put"))),
                Some(known) if !known.is_synced => unsynced.push(*id),
                Some(_) => {}
            }
        }
    }
    let root = &inner.layout.blocks;
    let paths: Vec<PathBuf> = unsynced.iter().map(|id| id.path(root)).collect();
    inner.disk.sync_files(&paths).map_err(
        |NotSynced { path, error, was_tried }| {
            if was_tried { inner.poison(&path, error) } else { failed(path)(error) }
        },
    )?;
    let mut directories: BTreeSet<PathBuf> = unsynced.iter().map(|id| id.directory(root)).collect();
    if !directories.is_empty() {
        directories.insert(root.clone());
    }
    for directory in &directories {
        inner.disk.sync_dir(directory).map_err(|error| inner.poison(directory, error))?;
    }
    let mut blocks = lock(&inner.blocks);
    for id in &unsynced {
        if let Some(known) = blocks.known.get_mut(id) {
            known.is_synced = true;
        }
    }
    Ok(())
}

fn write_manifest(inner: &Inner, epoch: u64, text: &[u8]) -> Result<()> {
    let (disk, checkpoints) = (&*inner.disk, &inner.layout.checkpoints);
    let directory = manifest::directory(checkpoints, epoch);
    disk.create_dir(&directory).map_err(failed(&directory))?;
    let written = write_whole(disk, &manifest::path_beside(checkpoints, epoch), &manifest::path(checkpoints, epoch), text);
    if let Err(error) = written {
        let _ = disk.remove_dir(&directory);
        // A full disk takes a checkpoint later; of any other failure it is unknown what it has left.
        return Err(if error.code() == Code::DiskFull {
            error
        } else {
            inner.poison(&directory, std::io::Error::other(error.message()))
        });
    }
    for directory in [&directory, checkpoints] {
        disk.sync_dir(directory).map_err(|error| inner.poison(directory, error))?;
    }
    Ok(())
}

fn keep(inner: &Inner, manifest: Manifest, manifest_bytes: u64) {
    let Manifest { epoch, written, log, watermark, blocks: ids, .. } = manifest;
    let (mut kept, mut blocks) = (lock(&inner.kept), lock(&inner.blocks));
    for id in &ids {
        let known = blocks.known.entry(*id).or_default();
        known.named_by += 1;
        known.is_pinned = false;
    }
    kept.push(Kept { epoch, written, watermark, log, manifest_bytes, blocks: ids });
}

/// Removes what is beyond the number of checkpoints to keep. What cannot be removed now is tried again after the next one: the
/// checkpoint is made, whatever becomes of old files.
pub(super) fn remove_superfluous(inner: &Inner) {
    forget_checkpoints(inner);
    // Names of blocks go only when those of the manifests are gone for good: no manifest is without its blocks.
    if remove_checkpoints(inner).is_ok() {
        remove_blocks(inner);
        let kept = lock(&inner.kept);
        // With fewer checkpoints, what the next one falls back to is the whole log.
        let oldest = kept.first().filter(|_| kept.len() >= inner.options.retained_checkpoints).map(|oldest| oldest.log);
        drop(kept);
        let _ = oldest.map(|oldest| inner.log.forget_before(oldest));
    }
}

fn forget_checkpoints(inner: &Inner) {
    let (mut kept, mut blocks) = (lock(&inner.kept), lock(&inner.blocks));
    let superfluous = kept.len().saturating_sub(inner.options.retained_checkpoints);
    for id in kept.drain(..superfluous).flat_map(|old| old.blocks) {
        let Some(known) = blocks.known.get_mut(&id) else { continue };
        known.named_by -= 1;
        if known.named_by == 0 && !known.is_pinned {
            blocks.known.remove(&id);
            blocks.garbage.insert(id);
        }
    }
}

/// Removes the directories of all checkpoints that are not kept: old ones, damaged ones, and those of a time that was fallen back behind.
fn remove_checkpoints(inner: &Inner) -> Result<()> {
    let kept: BTreeSet<u64> = lock(&inner.kept).iter().map(|kept| kept.epoch).collect();
    let superfluous: Vec<u64> = epochs(&*inner.disk, &inner.layout)?.into_iter().filter(|epoch| !kept.contains(epoch)).collect();
    let checkpoints = &inner.layout.checkpoints;
    for epoch in &superfluous {
        for path in [manifest::path(checkpoints, *epoch), manifest::path_beside(checkpoints, *epoch)] {
            if inner.disk.exists(&path).map_err(failed(&path))? {
                inner.disk.remove(&path).map_err(failed(&path))?;
            }
        }
        let directory = manifest::directory(checkpoints, *epoch);
        inner.disk.sync_dir(&directory).map_err(failed(&directory))?;
        inner.disk.remove_dir(&directory).map_err(failed(&directory))?;
    }
    if !superfluous.is_empty() {
        inner.disk.sync_dir(checkpoints).map_err(failed(checkpoints))?;
    }
    Ok(())
}

fn remove_blocks(inner: &Inner) {
    let mut blocks = lock(&inner.blocks);
    let root = &inner.layout.blocks;
    blocks
        .garbage
        .retain(|id| inner.disk.remove(&id.path(root)).is_err_and(|error| error.kind() != std::io::ErrorKind::NotFound));
}
