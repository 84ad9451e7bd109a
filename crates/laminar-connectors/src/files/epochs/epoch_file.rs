//! A file to which whole epochs are appended: each ends with a complete member of its compression, on the disk.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use laminar_core::{Code, Error, Result};

use super::super::output::{Compressed, WriteOptions, cannot_write, lock};
use super::super::place::{SAMPLE_BYTES, Sample};
use super::token::Extent;

/// A file that is being written.
pub(super) struct EpochFile {
    path: PathBuf,
    options: WriteOptions,
    state: State,
}

enum State {
    /// Between two epochs.
    Ended(File),
    /// Rows of the current one have been written.
    Writing(Compressed),
    /// Only while one becomes the other, or when that has failed.
    Moving,
}

impl EpochFile {
    /// A new file, with the directories that it needs; one of that name is written over.
    pub(super) fn create(path: PathBuf, options: WriteOptions) -> Result<Self> {
        if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(directory).map_err(|error| cannot_write(directory, &error))?;
        }
        let open = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = open.map_err(|error| cannot_write(&path, &error))?;
        lock(&file, &path)?;
        file.set_len(0).map_err(|error| cannot_write(&path, &error))?;
        Ok(Self { path, options, state: State::Ended(file) })
    }

    /// The file as it was when it had this extent; what came after goes. `None`: it is not there.
    pub(super) fn reopen(path: PathBuf, options: WriteOptions, extent: &Extent) -> Result<Option<Self>> {
        let Some(file) = open_at(&path, extent)? else { return Ok(None) };
        Ok(Some(Self { path, options, state: State::Ended(file) }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds bytes to the current epoch.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.state = match std::mem::replace(&mut self.state, State::Moving) {
            State::Ended(file) => State::Writing(Compressed::new(file, self.options).map_err(|error| self.failed(&error))?),
            state => state,
        };
        match &mut self.state {
            State::Writing(out) => out.write_all(bytes).map_err(|error| cannot_write(&self.path, &error)),
            _ => Err(self.lost()),
        }
    }

    /// Lets `fill` write the file, which is not compressed.
    pub(super) fn fill(&mut self, fill: impl FnOnce(File) -> Result<File>) -> Result<()> {
        match std::mem::replace(&mut self.state, State::Moving) {
            State::Ended(file) => self.state = State::Ended(fill(file)?),
            _ => return Err(self.lost()),
        }
        Ok(())
    }

    /// Ends the epoch: all of it is on the disk.
    pub(super) fn end_epoch(&mut self) -> Result<Extent> {
        let mut file = match std::mem::replace(&mut self.state, State::Moving) {
            State::Ended(file) => file,
            State::Writing(out) => out.finish().map_err(|error| self.failed(&error))?,
            State::Moving => return Err(self.lost()),
        };
        file.sync_all().map_err(|error| self.failed(&error))?;
        let extent = extent_of(&mut file).map_err(|error| self.failed(&error))?;
        self.state = State::Ended(file);
        Ok(extent)
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        cannot_write(&self.path, error)
    }

    /// After a write that failed it is not known what the file holds.
    fn lost(&self) -> Error {
        Error::new(Code::Closed, format!("'{}' is not written any more, since a write has failed", self.path.display()))
    }
}

/// How long a file is, and its last bytes. It is then at its end.
pub(super) fn extent_of(file: &mut File) -> std::io::Result<Extent> {
    let bytes = file.metadata()?.len();
    let end = sample_before(file, bytes, SAMPLE_BYTES)?;
    file.seek(SeekFrom::End(0))?;
    Ok(Extent { bytes, end })
}

fn sample_before(file: &mut File, bytes: u64, most: usize) -> std::io::Result<Sample> {
    let length = bytes.min(most as u64);
    file.seek(SeekFrom::Start(bytes - length))?;
    let mut sample = vec![0; length as usize];
    file.read_exact(&mut sample)?;
    Ok(Sample::of(&sample))
}

/// Whether the file begins with what had this extent.
pub(super) fn begins_with(file: &mut File, extent: &Extent) -> std::io::Result<bool> {
    Ok(file.metadata()?.len() >= extent.bytes
        && extent.end.bytes as u64 <= extent.bytes
        && sample_before(file, extent.bytes, extent.end.bytes)? == extent.end)
}

/// Opens the file at `path` and puts it back to this extent; `None`: there is none.
pub(super) fn open_at(path: &Path, extent: &Extent) -> Result<Option<File>> {
    let failed = |error: std::io::Error| cannot_write(path, &error);
    let mut file = match File::options().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    lock(&file, path)?;
    if !begins_with(&mut file, extent).map_err(failed)? {
        return Err(not_ours(path));
    }
    if file.metadata().map_err(failed)?.len() > extent.bytes {
        file.set_len(extent.bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    }
    file.seek(SeekFrom::End(0)).map_err(failed)?;
    Ok(Some(file))
}

/// Why a sink cannot go on: what it had written is not there any more.
pub(super) fn not_ours(path: &Path) -> Error {
    Error::new(Code::BadData, format!("'{}' does not hold any more what the sink has written into it", path.display()))
        .with_detail("it is shorter, or another file")
        .with_hint("put it back, or DROP and CREATE the sink to write it anew")
}

/// The same, of a file that is not there at all.
pub(super) fn gone(path: &Path) -> Error {
    // A directory that is gone may come back with all that was in it.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let code = if directory.is_some_and(|directory| !directory.exists()) { Code::Io } else { Code::BadData };
    Error::new(code, format!("'{}' is gone, and the sink has written into it", path.display()))
        .with_hint("put it back, or DROP and CREATE the sink to write it anew")
}

/// Gives a file its final name, which is there after a crash too.
pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|error| cannot_write(to, &error))?;
    sync_directory(to)
}

/// Removes a file if it is there.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(cannot_write(path, &error)),
        _ => Ok(()),
    }
}

/// Makes the names in the directory of `path` last.
pub(super) fn sync_directory(path: &Path) -> Result<()> {
    // Elsewhere a directory cannot be opened, and its names last by themselves.
    if cfg!(unix) {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| cannot_write(directory, &error))?;
    }
    Ok(())
}
