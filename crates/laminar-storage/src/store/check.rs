//! Looks at every byte of a directory and says which files are whole. Changes nothing and needs no lock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use laminar_core::{Code, Error, Result};

use super::block::{self, BlockId};
use super::layout::{Found, Layout};
use super::manifest::{self, Manifest};
use super::open::{block_files, epochs};
use crate::disk::{Disk, RealDisk, failed};
use crate::log::{LogPosition, WalError, WalReadResult, WalReader, list_segments, segment_path};

/// What was found in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its files, and those that should be there.
    pub files: Vec<FileReport>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// What it holds.
    pub holds: String,
    /// Whether it is whole.
    pub verdict: Verdict,
}

/// Whether a file is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is as it was written.
    Whole,
    /// A crash left it. Nothing is lost; it goes by itself.
    LeftOver {
        /// What it is, and when it goes.
        reason: String,
    },
    /// The log ends in a write that was not finished and never acknowledged. Opening the database cuts it off.
    TornEnd {
        /// Where the write begins.
        offset: u64,
        /// What is missing.
        reason: String,
    },
    /// Bytes are not those that were written, or the file is missing.
    Damaged {
        /// The first byte that is known to be wrong, or from where on nothing is certain.
        offset: u64,
        /// What does not fit.
        reason: String,
        /// What cannot be read for it.
        lost: String,
        /// What to do.
        advice: String,
    },
}

impl Report {
    /// Whether nothing is damaged.
    pub fn is_whole(&self) -> bool {
        self.damaged().next().is_none()
    }

    /// The files that are damaged or missing.
    pub fn damaged(&self) -> impl Iterator<Item = &FileReport> {
        self.files.iter().filter(|file| matches!(file.verdict, Verdict::Damaged { .. }))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.iter().try_for_each(|file| write!(f, "{file}"))
    }
}

impl fmt::Display for FileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, bytes, holds) = (self.path.display(), self.bytes, &self.holds);
        match &self.verdict {
            Verdict::Whole => writeln!(f, "ok         {path}: {holds}, {bytes} bytes"),
            Verdict::LeftOver { reason } => writeln!(f, "left over  {path}: {holds}, {bytes} bytes: {reason}"),
            Verdict::TornEnd { offset, reason } => {
                writeln!(f, "torn end   {path}: {holds}, {bytes} bytes; from byte {offset}: {reason}")?;
                writeln!(f, "           lost: nothing that was acknowledged; opening the database cuts it off")
            }
            Verdict::Damaged { offset, reason, lost, advice } => {
                writeln!(f, "DAMAGED    {path}: {holds}, {bytes} bytes; at byte {offset}: {reason}")?;
                writeln!(f, "           lost: {lost}")?;
                writeln!(f, "           to do: {advice}")
            }
        }
    }
}

/// Looks at every file of a database's directory, open or not.
pub fn check(path: &Path) -> Result<Report> {
    check_on(Arc::new(RealDisk), path)
}

/// The same on any disk.
pub fn check_on(disk: Arc<dyn Disk>, path: &Path) -> Result<Report> {
    let mut check = Check { layout: Layout::of(path), files: Vec::new(), disk };
    check.format()?;
    let checkpoints = check.checkpoints()?;
    check.log(&checkpoints)?;
    check.blocks(&checkpoints)?;
    Ok(Report { files: check.files })
}

struct Check {
    disk: Arc<dyn Disk>,
    layout: Layout,
    files: Vec<FileReport>,
}

impl Check {
    fn add(&mut self, path: PathBuf, bytes: usize, holds: impl Into<String>, verdict: Verdict) {
        self.files.push(FileReport { path, bytes: bytes as u64, holds: holds.into(), verdict });
    }

    fn format(&mut self) -> Result<()> {
        let path = self.layout.format();
        let (verdict, found) = match self.layout.recognise(&*self.disk) {
            Ok(Found::Store) => (Verdict::Whole, true),
            Ok(Found::Nothing) => {
                let message = format!("there is no database in '{}'", self.layout.root.display());
                return Err(Error::new(Code::UnknownObject, message).with_hint("name the directory of a database"));
            }
            Err(error) if error.code() == Code::BadData => {
                let (reason, advice) = (error.message().to_owned(), error.hint().unwrap_or_default().to_owned());
                (damaged(0, reason, "nothing, but the database does not open", advice), true)
            }
            Err(error) => return Err(error),
        };
        if found {
            let bytes = self.disk.read(&path).map_err(failed(&path))?.len();
            self.add(path, bytes, "what the directory is", verdict);
        }
        Ok(())
    }

    /// The checkpoints whose manifests are whole, by epoch.
    fn checkpoints(&mut self) -> Result<BTreeMap<u64, Manifest>> {
        let mut whole = BTreeMap::new();
        for epoch in epochs(&*self.disk, &self.layout)? {
            let path = manifest::path(&self.layout.checkpoints, epoch);
            if !self.disk.exists(&path).map_err(failed(&path))? {
                let verdict = Verdict::LeftOver { reason: "it was never published; the next checkpoint removes it".into() };
                self.add(manifest::directory(&self.layout.checkpoints, epoch), 0, format!("checkpoint {epoch}"), verdict);
                continue;
            }
            let file = self.disk.read(&path).map_err(failed(&path))?;
            let decoded = Manifest::decode(&file).and_then(|manifest| match manifest.epoch {
                found if found == epoch => Ok(manifest),
                other => Err(format!("it is that of epoch {other}")),
            });
            let (holds, verdict) = match decoded {
                Ok(manifest) => {
                    let holds = format!("checkpoint {epoch} at {} of the log, {} blocks", manifest.log, manifest.blocks.len());
                    whole.insert(epoch, manifest);
                    (holds, Verdict::Whole)
                }
                Err(reason) => {
                    let lost =
                        "the checkpoint; if it is the newest, the database opens with the one before and the log from there on";
                    let advice = "nothing while an older one is there; else restore the file from a copy";
                    (format!("checkpoint {epoch}"), damaged(0, reason, lost, advice))
                }
            };
            self.add(path, file.len(), holds, verdict);
        }
        Ok(whole)
    }

    fn log(&mut self, checkpoints: &BTreeMap<u64, Manifest>) -> Result<()> {
        let segments = list_segments(&*self.disk, &self.layout.log).map_err(|error| error.in_directory(&self.layout.log))?;
        let oldest = checkpoints.values().map(|manifest| manifest.log.segment).min();
        let newest = checkpoints.values().map(|manifest| manifest.log).max();
        let last = segments.last().copied().unwrap_or(0);
        // Without a checkpoint the log is needed from its beginning.
        let needed = newest.map_or(1, |newest| newest.segment);
        let first = segments.first().copied().unwrap_or(1).min(oldest.unwrap_or(1));
        for segment in first..=last.max(needed) {
            if segments.binary_search(&segment).is_ok() {
                self.segment(segment, segment == last, newest)?;
            } else {
                let path = segment_path(&self.layout.log, segment);
                let verdict = damaged(0, "the file is missing", lost_of_log(LogPosition::new(segment, 0), newest), RESTORE);
                self.add(path, 0, "a segment of the log", verdict);
            }
        }
        Ok(())
    }

    fn segment(&mut self, segment: u32, is_last: bool, newest: Option<LogPosition>) -> Result<()> {
        let path = segment_path(&self.layout.log, segment);
        let bytes = self.disk.read(&path).map_err(failed(&path))?.len();
        let (start, end) = (LogPosition::first_of(segment), LogPosition { segment, offset: u64::MAX });
        let mut records = 0_u64;
        let mut read = || -> Result<WalReadResult, WalError> {
            let mut reader = WalReader::open_between(self.disk.clone(), &self.layout.log, Some(start), Some(end))?;
            loop {
                match reader.read_next()? {
                    WalReadResult::Entry(_) => records += 1,
                    ended => return Ok(ended),
                }
            }
        };
        let verdict = match read() {
            Ok(WalReadResult::End | WalReadResult::Entry(_)) => cut_off(segment, bytes as u64, newest),
            Ok(WalReadResult::TornWrite { position, reason }) | Err(WalError::TornWrite { position, reason }) => {
                torn(position, reason, is_last, newest)
            }
            Ok(WalReadResult::ChecksumMismatch { position, reason, .. })
            | Err(WalError::ChecksumMismatch { position, reason } | WalError::Unusable { position, reason }) => {
                damaged(position.offset, reason, lost_of_log(position, newest), RESTORE)
            }
            Err(error) => return Err(error.in_directory(&self.layout.log)),
        };
        self.add(path, bytes, format!("segment {segment} of the log, {records} records"), verdict);
        Ok(())
    }

    fn blocks(&mut self, checkpoints: &BTreeMap<u64, Manifest>) -> Result<()> {
        let mut files = block_files(&*self.disk, &self.layout)?;
        let mut named: BTreeMap<BlockId, BTreeSet<u64>> = BTreeMap::new();
        for (epoch, manifest) in checkpoints {
            for block in &manifest.blocks {
                named.entry(*block).or_default().insert(*epoch);
            }
        }
        for (id, epochs) in &named {
            let path = id.path(&self.layout.blocks);
            let epochs: Vec<String> = epochs.iter().map(u64::to_string).collect();
            let holds = format!("a block of checkpoint {}", epochs.join(", "));
            let (bytes, found) = match files.remove(id) {
                Some(_) => {
                    let file = self.disk.read(&path).map_err(failed(&path))?;
                    (file.len(), block::body_of(&file, *id).map(drop))
                }
                None => (0, Err((0, "the file is missing".into()))),
            };
            let verdict = match found {
                Ok(()) => Verdict::Whole,
                Err((offset, reason)) => {
                    let lost = format!("what this block holds, in checkpoint {}", epochs.join(", "));
                    let advice = "restore the file from a copy; or, if an older checkpoint is whole, remove the directories of those that \
                                  name this block";
                    damaged(offset as u64, reason, lost, advice)
                }
            };
            self.add(path, bytes, holds, verdict);
        }
        let left: BTreeMap<BlockId, u64> = files.into_iter().collect();
        for (id, bytes) in left {
            let reason = "no checkpoint names it; it goes when the database is opened or makes its next checkpoint".into();
            self.add(id.path(&self.layout.blocks), bytes as usize, "a block", Verdict::LeftOver { reason });
        }
        Ok(())
    }
}

const RESTORE: &str = "restore the directory from a copy";

fn damaged(offset: u64, reason: impl Into<String>, lost: impl Into<String>, advice: impl Into<String>) -> Verdict {
    Verdict::Damaged { offset, reason: reason.into(), lost: lost.into(), advice: advice.into() }
}

/// Only the last segment can be torn, and only after what a checkpoint has synced.
fn torn(position: LogPosition, reason: String, is_last: bool, newest: Option<LogPosition>) -> Verdict {
    if is_last && newest.is_none_or(|newest| newest <= position.max(LogPosition::first_of(position.segment))) {
        return Verdict::TornEnd { offset: position.offset, reason };
    }
    damaged(position.offset, reason, lost_of_log(position, newest), RESTORE)
}

/// Of a segment whose records are all whole: what the newest checkpoint stands on was synced before it, and must be there.
fn cut_off(segment: u32, bytes: u64, newest: Option<LogPosition>) -> Verdict {
    match newest {
        Some(newest) if newest.segment == segment && newest.offset > bytes => damaged(
            bytes,
            format!("the file ends here, and the newest checkpoint follows at byte {}", newest.offset),
            "what was logged behind the newest checkpoint; the database does not open",
            RESTORE,
        ),
        _ => Verdict::Whole,
    }
}

/// What a database cannot read if the log is damaged at a position.
fn lost_of_log(position: LogPosition, newest: Option<LogPosition>) -> String {
    match newest {
        Some(newest) if position < newest => {
            "nothing while the newest checkpoint is whole, which contains this; what is in between is lost if an older one must be used".into()
        }
        _ => "what was logged from there on, if no checkpoint contains it".into(),
    }
}
