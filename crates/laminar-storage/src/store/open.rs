//! Finds out what is in a directory, and makes of it a store that can go on.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, SecondsFormat};
use laminar_core::{Code, Error, Result};

use super::block::{self, BlockId};
use super::handle::{Blocks, Inner, Kept, KnownBlock, Opened, Store, StoreOptions};
use super::layout::{Found, Layout};
use super::manifest::{self, Manifest};
use super::pipeline_checkpoint::{self, PipelineCheckpoint};
use crate::disk::{Disk, Lock, failed};
use crate::log::{
    HEADER_BYTES, LastRecord, LogPosition, RepairReport, Scan, Wal, WalOptions, check_gaps, list_segments, repair_on,
    segment_path,
};

/// Which checkpoint of a directory is used.
pub(super) enum Newest<'a> {
    /// The newest that is whole, which is found out.
    Whole,
    /// The newest but those of these epochs, which cannot be used for the reasons that stand there.
    But(&'a BTreeMap<u64, String>),
}

pub(super) fn open(path: &Path, disk: Arc<dyn Disk>, options: StoreOptions, newest: &Newest<'_>) -> Result<Opened> {
    options.check()?;
    let layout = Layout::of(path);
    if layout.recognise(&*disk)? == Found::Nothing {
        layout.create_directories(&*disk)?;
    }
    let held = take_lock(&*disk, &layout)?;
    // Another process may have made it in between.
    let found = layout.recognise(&*disk)?;
    let log_options = WalOptions { segment_bytes_max: options.segment_bytes_max };
    let mut warnings = Vec::new();
    let (log, checkpoints, files) = match found {
        Found::Nothing => (begin(&disk, &layout, log_options)?, Checkpoints::default(), HashMap::new()),
        Found::Store => {
            let files = block_files(&*disk, &layout)?;
            let checkpoints = read_checkpoints(&*disk, &layout, &files, newest)?;
            warnings.extend(checkpoints.warnings.iter().cloned());
            (open_log(&disk, &layout, log_options, &checkpoints, &mut warnings)?, checkpoints, files)
        }
    };
    let (blocks, kept) = (known_blocks(&checkpoints.kept, files), checkpoints.kept);
    let inner = Arc::new(Inner {
        disk,
        layout,
        options,
        log,
        blocks: Mutex::new(blocks),
        kept: Mutex::new(kept),
        publishing: Mutex::new(()),
        _lock: held,
    });
    if checkpoints.warnings.is_empty() {
        // What a crash has left, and what a smaller number of checkpoints no longer needs.
        pipeline_checkpoint::remove_superfluous(&inner);
    }
    Ok(Opened { store: Store(inner), checkpoint: checkpoints.newest, warnings })
}

pub(super) fn take_lock(disk: &dyn Disk, layout: &Layout) -> Result<Box<dyn Send + Sync>> {
    let since = DateTime::from_timestamp_nanos(disk.now()).to_rfc3339_opts(SecondsFormat::Secs, true);
    let holder = format!("process {} on {} since {since}\n", std::process::id(), host());
    match disk.lock(&layout.lock(), &holder).map_err(failed(layout.lock()))? {
        Lock::Held(held) => Ok(held),
        Lock::Taken(holder) => {
            let holder = if holder.is_empty() { "another process" } else { holder.trim_end() };
            let message = format!("'{}' is open already: it is held by {holder}", layout.root.display());
            Err(Error::new(Code::ObjectInUse, message)
                .with_hint("close it there first, or stop that process; a database is open in one process at a time"))
        }
    }
}

fn host() -> String {
    let named = std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    let named = named.or_else(|_| std::env::var("HOSTNAME")).or_else(|_| std::env::var("COMPUTERNAME"));
    named.unwrap_or_else(|_| "an unknown host".into())
}

/// Makes a store of a directory that is none yet, or was stopped while it became one.
fn begin(disk: &Arc<dyn Disk>, layout: &Layout, options: WalOptions) -> Result<Wal> {
    layout.create_directories(&**disk)?;
    let in_log = |error: crate::log::WalError| error.in_directory(&layout.log);
    let manifests = disk.list(&layout.checkpoints).map_err(failed(&layout.checkpoints))?;
    let segments = list_segments(&**disk, &layout.log).map_err(in_log)?;
    let mut is_used = !manifests.is_empty() || segments.iter().any(|segment| *segment != 1);
    for segment in &segments {
        let path = segment_path(&layout.log, *segment);
        is_used |= disk.read(&path).map_err(failed(&path))?.len() > HEADER_BYTES;
    }
    if is_used {
        let message = format!("'{}' is missing, although the directory holds a database", layout.format().display());
        return Err(Error::new(Code::BadData, message).with_hint("restore the file from a copy"));
    }
    for segment in segments {
        let path = segment_path(&layout.log, segment);
        disk.remove(&path).map_err(failed(&path))?;
    }
    let log = Wal::create(disk.clone(), &layout.log, options).map_err(in_log)?;
    layout.write_format(&**disk)?;
    Ok(log)
}

/// The checkpoints of a directory.
#[derive(Debug, Default)]
struct Checkpoints {
    newest: Option<PipelineCheckpoint>,
    /// Those that can be used, oldest first.
    kept: Vec<Kept>,
    /// Why others cannot.
    warnings: Vec<String>,
}

fn read_checkpoints(disk: &dyn Disk, layout: &Layout, files: &HashMap<BlockId, u64>, newest: &Newest<'_>) -> Result<Checkpoints> {
    let mut checkpoints = Checkpoints::default();
    for (older, epoch) in epochs(disk, layout)?.into_iter().enumerate().rev() {
        let path = manifest::path(&layout.checkpoints, epoch);
        if !disk.exists(&path).map_err(failed(&path))? {
            // Its publication was stopped before it was one.
            continue;
        }
        let mut read = read_manifest(disk, &path, epoch, files);
        let reason = match (&read, newest) {
            (Ok(_), Newest::But(unusable)) => unusable.get(&epoch).cloned(),
            // The one that is used is read whole before anything begins with it, if there is another one to fall back to.
            (Ok((manifest, _)), Newest::Whole) if checkpoints.newest.is_none() && older > 0 => {
                damaged_block(disk, layout, manifest)?
            }
            _ => None,
        };
        read = reason.map_or(read, Err);
        match read {
            Ok((manifest, bytes)) => checkpoints.add(manifest, bytes),
            Err(reason) => checkpoints.warnings.push(format!("the checkpoint '{}' cannot be used: {reason}", path.display())),
        }
    }
    checkpoints.kept.reverse();
    if let (false, Some(newest)) = (checkpoints.warnings.is_empty(), &checkpoints.newest) {
        checkpoints.warnings.push(format!("the checkpoint of epoch {} is used, with the log from there on", newest.epoch));
    }
    Ok(checkpoints)
}

impl Checkpoints {
    /// From the newest to the oldest.
    fn add(&mut self, manifest: Manifest, bytes: u64) {
        let Manifest { epoch, written, log, watermark, blocks, body } = manifest;
        self.kept.push(Kept { epoch, written, watermark, log, manifest_bytes: bytes, blocks });
        self.newest.get_or_insert(PipelineCheckpoint { epoch, log, watermark, body });
    }
}

/// The epochs that have a directory, in order.
pub(super) fn epochs(disk: &dyn Disk, layout: &Layout) -> Result<Vec<u64>> {
    let entries = disk.list(&layout.checkpoints).map_err(failed(&layout.checkpoints))?;
    let mut epochs: Vec<u64> = entries.iter().filter_map(|entry| manifest::epoch_of(&entry.name)).collect();
    epochs.sort_unstable();
    Ok(epochs)
}

/// A manifest whose blocks are all there, and its length; or why it cannot be used.
fn read_manifest(disk: &dyn Disk, path: &Path, epoch: u64, files: &HashMap<BlockId, u64>) -> Result<(Manifest, u64), String> {
    let file = disk.read(path).map_err(|error| error.to_string())?;
    let manifest = Manifest::decode(&file)?;
    if manifest.epoch != epoch {
        return Err(format!("it is that of epoch {}", manifest.epoch));
    }
    match manifest.blocks.iter().find(|block| !files.contains_key(block)) {
        None => Ok((manifest, file.len() as u64)),
        Some(missing) => Err(format!("its block {missing} is missing")),
    }
}

/// Which block of a checkpoint is damaged, if one is. A disk that fails is another matter: it may be read later.
fn damaged_block(disk: &dyn Disk, layout: &Layout, manifest: &Manifest) -> Result<Option<String>> {
    for id in &manifest.blocks {
        let path = id.path(&layout.blocks);
        let file = disk.read(&path).map_err(failed(&path))?;
        if let Err((offset, reason)) = block::body_of(&file, *id) {
            return Ok(Some(block::damaged(&path, (offset, reason)).message().to_owned()));
        }
    }
    Ok(None)
}

/// All blocks that have a file, with its length.
pub(super) fn block_files(disk: &dyn Disk, layout: &Layout) -> Result<HashMap<BlockId, u64>> {
    let mut files = HashMap::new();
    for directory in disk.list(&layout.blocks).map_err(failed(&layout.blocks))?.into_iter().filter(|entry| entry.is_dir) {
        let path = layout.blocks.join(&directory.name);
        for entry in disk.list(&path).map_err(failed(&path))? {
            let id = entry.name.parse().ok().filter(|id: &BlockId| id.directory(&layout.blocks) == path);
            files.extend(id.map(|id| (id, entry.bytes)));
        }
    }
    Ok(files)
}

/// Blocks that checkpoints name were synced before these were published; all others are left over.
fn known_blocks(kept: &[Kept], files: HashMap<BlockId, u64>) -> Blocks {
    let mut blocks = Blocks::default();
    for id in kept.iter().flat_map(|kept| &kept.blocks) {
        let bytes = files.get(id).copied().unwrap_or(0);
        let known = blocks.known.entry(*id).or_insert(KnownBlock { bytes, is_synced: true, ..KnownBlock::default() });
        known.named_by += 1;
    }
    blocks.garbage = files.into_keys().filter(|id| !blocks.known.contains_key(id)).collect();
    blocks
}

fn open_log(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    options: WalOptions,
    checkpoints: &Checkpoints,
    warnings: &mut Vec<String>,
) -> Result<Wal> {
    let in_log = |error: crate::log::WalError| error.in_directory(&layout.log);
    let newest = checkpoints.newest.as_ref().map(|checkpoint| checkpoint.log);
    let report = repair_on(disk, &layout.log, Scan::LastSegment(newest), LastRecord::Refuse).map_err(in_log)?;
    if let Some(reason) = &report.reason {
        warnings.push(torn(layout, &report, reason));
    }
    let first = newest.map_or(1, |position| position.segment);
    let segments = list_segments(&**disk, &layout.log).map_err(in_log)?;
    let segments: Vec<u32> = segments.into_iter().filter(|segment| *segment >= first).collect();
    check_gaps(&segments).map_err(in_log)?;
    if segments.first() != Some(&first) || newest.is_some_and(|position| position > report.end) {
        return Err(log_missing(layout, checkpoints, newest.unwrap_or(LogPosition::first_of(1)), report.end));
    }
    Wal::open_at(disk.clone(), &layout.log, report.end, options).map_err(in_log)
}

fn torn(layout: &Layout, report: &RepairReport, reason: &str) -> String {
    format!(
        "a write to '{}' was not finished ({reason}): {} bytes were cut off, which were never acknowledged",
        segment_path(&layout.log, report.end.segment).display(),
        report.bytes_cut
    )
}

/// The log does not have what follows the newest checkpoint, or the beginning.
fn log_missing(layout: &Layout, checkpoints: &Checkpoints, needed: LogPosition, end: LogPosition) -> Error {
    let message = format!(
        "the log '{}' does not hold what is needed: it is needed from {needed} on, and ends at {end}",
        layout.log.display()
    );
    let mut detail = match &checkpoints.newest {
        Some(newest) => format!("the newest checkpoint that can be used is that of epoch {}", newest.epoch),
        None => "there is no checkpoint that can be used".to_owned(),
    };
    for warning in &checkpoints.warnings {
        detail = format!("{detail}; {warning}");
    }
    Error::new(Code::BadData, message).with_detail(detail).with_hint("restore the directory from a copy")
}
