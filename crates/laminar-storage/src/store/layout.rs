//! Where a store keeps what, and how a directory shows that it is one.

use std::path::{Path, PathBuf};

use laminar_core::{Code, Error, Result};

use crate::disk::{Disk, failed};

/// The version of the whole layout; a build reads all up to its own.
pub(super) const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "FORMAT";
const FORMAT_NEW: &str = "FORMAT.new";
const LOCK_FILE: &str = "LOCK";

/// The paths of a store.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) root: PathBuf,
    pub(super) log: PathBuf,
    pub(super) blocks: PathBuf,
    pub(super) checkpoints: PathBuf,
}

/// What a path is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing is there, or what a store leaves that was stopped while it was made.
    Nothing,
    /// A store of a format that this build knows.
    Store,
}

impl Layout {
    pub(super) fn of(root: &Path) -> Self {
        let below = |name| root.join(name);
        Self { root: root.to_owned(), log: below("wal"), blocks: below("blocks"), checkpoints: below("checkpoints") }
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.root.join(LOCK_FILE)
    }

    pub(super) fn format(&self) -> PathBuf {
        self.root.join(FORMAT_FILE)
    }

    /// Looks what is at the path, and refuses what is neither a store nor free for one.
    pub(super) fn recognise(&self, disk: &dyn Disk) -> Result<Found> {
        if !disk.exists(&self.root).map_err(failed(&self.root))? {
            return Ok(Found::Nothing);
        }
        let entries = disk.list(&self.root).map_err(failed(&self.root))?;
        if entries.iter().any(|entry| entry.name == FORMAT_FILE) {
            let text = disk.read(&self.format()).map_err(failed(self.format()))?;
            check_format(&self.format(), &text)?;
            return Ok(Found::Store);
        }
        let ours = ["wal", "blocks", "checkpoints", LOCK_FILE, FORMAT_NEW];
        match entries.iter().find(|entry| !ours.contains(&entry.name.as_str())) {
            None => Ok(Found::Nothing),
            Some(foreign) => {
                let message = format!(
                    "'{}' is not the directory of a database: it holds '{}' and no file {FORMAT_FILE}",
                    self.root.display(),
                    foreign.name
                );
                Err(Error::new(Code::InvalidOption, message).with_hint("name an empty directory, or one that does not exist yet"))
            }
        }
    }

    /// Makes the directory and those in it.
    pub(super) fn create_directories(&self, disk: &dyn Disk) -> Result<()> {
        create_with_parents(disk, &self.root)?;
        for directory in [&self.log, &self.blocks, &self.checkpoints] {
            disk.create_dir(directory).map_err(failed(directory))?;
        }
        disk.sync_dir(&self.root).map_err(failed(&self.root))
    }

    /// Makes a store of the directory, at last: everything else that it needs is there.
    pub(super) fn write_format(&self, disk: &dyn Disk) -> Result<()> {
        write_whole(disk, &self.root.join(FORMAT_NEW), &self.format(), format_text(FORMAT).as_bytes())?;
        disk.sync_dir(&self.root).map_err(failed(&self.root))
    }
}

fn create_with_parents(disk: &dyn Disk, path: &Path) -> Result<()> {
    if disk.exists(path).map_err(failed(path))? {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        create_with_parents(disk, parent)?;
    }
    disk.create_dir(path).map_err(failed(path))?;
    let parent = parent.unwrap_or(Path::new("."));
    disk.sync_dir(parent).map_err(failed(parent))
}

/// Writes a file beside, makes its bytes last and gives it its name, which lasts once the directory is synced. If anything fails,
/// what was written is removed again as far as that is possible.
pub(super) fn write_whole(disk: &dyn Disk, beside: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        if disk.exists(beside)? {
            disk.remove(beside)?;
        }
        let file = disk.create(beside)?;
        file.append(bytes)?;
        file.sync_data()?;
        disk.rename(beside, path)
    };
    write().map_err(|error| {
        let _ = disk.remove(beside);
        failed(beside)(error)
    })
}

fn format_text(format: u32) -> String {
    format!("LaminarDB database, format {format}\n")
}

fn check_format(path: &Path, bytes: &[u8]) -> Result<()> {
    let bad = || {
        let message = format!("'{}' does not say that this is the directory of a LaminarDB database", path.display());
        Error::new(Code::BadData, message)
            .with_detail("the file is damaged, or of another program")
            .with_hint(format!("if this is a database, the file holds: {}", format_text(FORMAT).trim_end()))
    };
    let text = std::str::from_utf8(bytes).map_err(|_| bad())?;
    let format = text.strip_prefix("LaminarDB database, format ").and_then(|rest| rest.strip_suffix('\n')).ok_or_else(bad)?;
    let format: u32 = format.parse().ok().filter(|number: &u32| number.to_string() == format).ok_or_else(bad)?;
    match format {
        FORMAT => Ok(()),
        newer if newer > FORMAT => {
            let message = format!("'{}' is a database of format {newer}; this build reads up to {FORMAT}", path.display());
            Err(Error::new(Code::NotSupported, message)
                .with_hint("open it with the version of LaminarDB that made it, or a newer one"))
        }
        _ => Err(bad()),
    }
}
