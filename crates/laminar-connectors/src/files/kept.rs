//! Followed files as a position holds them, and where they are found again.
//!
//! A file is looked for under its own name, then by what the system calls it, under the other names of the source and beside
//! them, since a log may have been rotated meanwhile; what it holds decides. One that had been read to its end and is gone or
//! another one now is treated as while the source runs. One that had not is missed: its rest cannot be read any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use laminar_core::Result;

use super::followed::{Followed, Stamp};
use super::partitions::Columns;
use super::place::{FilePlace, TextPlace, gone};
use super::settings::SourceSettings;
use crate::fields::{FieldReader, FieldWriter};

/// What a position says of a followed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) path: PathBuf,
    pub(super) partition: u32,
    pub(super) stamp: Option<Stamp>,
    pub(super) state: KeptState,
}

/// How far it had been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeptState {
    /// Not at all.
    Waiting,
    Open(FilePlace),
    /// To its end.
    Done(FilePlace),
    /// It could not be read on.
    Refused(Option<TextPlace>),
}

/// The files that are there now.
pub(super) struct Found {
    listed: BTreeSet<PathBuf>,
    by_identity: BTreeMap<(u64, u64), PathBuf>,
}

impl Kept {
    /// Writes it; `before` is the file that was written before it.
    pub(super) fn write(&self, before: &Path, fields: &mut FieldWriter) {
        fields.path_after(before, &self.path).number(u64::from(self.partition)).flag(self.stamp.is_some());
        if let Some(stamp) = &self.stamp {
            stamp.write(fields);
        }
        match &self.state {
            KeptState::Waiting => drop(fields.number(0)),
            KeptState::Open(place) => place.write(fields.number(1)),
            KeptState::Done(place) => place.write(fields.number(2)),
            KeptState::Refused(None) => drop(fields.number(3)),
            KeptState::Refused(Some(place)) => FilePlace::Text(*place).write(fields.number(4)),
        }
    }

    pub(super) fn read(before: &Path, fields: &mut FieldReader<'_>) -> Result<Self> {
        let (path, partition) = (fields.path_after(before)?, fields.number()? as u32);
        let stamp = if fields.flag()? { Some(Stamp::read(fields)?) } else { None };
        let state = match fields.number()? {
            0 => KeptState::Waiting,
            1 => KeptState::Open(FilePlace::read(fields)?),
            2 => KeptState::Done(FilePlace::read(fields)?),
            3 => KeptState::Refused(None),
            4 => match FilePlace::read(fields)? {
                FilePlace::Text(place) => KeptState::Refused(Some(place)),
                FilePlace::Parquet(_) => return Err(fields.damaged()),
            },
            _ => return Err(fields.damaged()),
        };
        Ok(Self { path, partition, stamp, state })
    }

    /// The file as it is followed from now on; `None`: there is nothing to be followed any more.
    pub(super) fn resume(self, found: &Found, columns: &Columns, settings: &SourceSettings) -> Result<Option<Followed>> {
        let new = |kept: Self| found.listed.contains(&kept.path).then(|| Followed::new(kept.path, kept.partition));
        Ok(match &self.state {
            KeptState::Waiting => new(self),
            KeptState::Refused(_) if found.listed.contains(&self.path) => Some(Followed::kept_as(&self, self.path.clone())),
            KeptState::Refused(_) => None,
            KeptState::Open(place) => Some(self.open(place, found, columns, settings)?),
            KeptState::Done(place) => match self.done(place, found, columns, settings) {
                Some(file) => Some(file),
                None => new(self),
            },
        })
    }

    /// Opens it where it stands now. What its own name says last is the reason why it cannot be.
    fn open(&self, place: &FilePlace, found: &Found, columns: &Columns, settings: &SourceSettings) -> Result<Followed> {
        for (name, there) in self.candidates(found) {
            if let Ok(file) = Followed::go_on(self, place, name, &there, columns, settings) {
                return Ok(file);
            }
        }
        if !self.path.exists() {
            return Err(gone(&self.path, Some(place)));
        }
        Followed::go_on(self, place, self.path.clone(), &self.path, columns, settings)
    }

    /// Where a file stands that has its identity: the name that it has from now on, and where it is opened.
    fn candidates(&self, found: &Found) -> Vec<(PathBuf, PathBuf)> {
        let Some(stamp) = &self.stamp else { return Vec::new() };
        let own = Stamp::at(&self.path).is_some_and(|here| here.is_same_file(stamp)).then_some(&self.path);
        let listed = || stamp.identity().and_then(|identity| found.by_identity.get(&identity));
        if let Some(path) = own.or_else(listed) {
            return vec![(path.clone(), path.clone())];
        }
        // A rotated log may have a name that the source does not read.
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let beside = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
        let same = |path: &PathBuf| Stamp::at(path).is_some_and(|there| stamp.identity().is_some() && there.is_same_file(stamp));
        beside.filter(same).map(|path| (self.path.clone(), path)).collect()
    }

    /// The file that has been read to its end, if that is the one under its name, or it has another one now.
    fn done(&self, place: &FilePlace, found: &Found, columns: &Columns, settings: &SourceSettings) -> Option<Followed> {
        let before = self.stamp?;
        if before.identity().is_some() && Stamp::at(&self.path).is_some_and(|here| here.is_same_file(&before)) {
            return Some(Followed::kept_as(self, self.path.clone()));
        }
        // It may have another name now, or be a copy of what was read.
        let moved = before.identity().and_then(|identity| found.by_identity.get(&identity));
        let own = found.listed.get(&self.path);
        moved.into_iter().chain(own).find_map(|path| {
            Followed::go_on(self, place, path.clone(), path, columns, settings).ok()?;
            let kept = Kept { stamp: Some(Stamp::at(path)?.with_bytes_of(&before)), ..self.clone() };
            Some(Followed::kept_as(&kept, path.clone()))
        })
    }
}

impl Found {
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let identity = |path: &PathBuf| Stamp::at(path).and_then(|stamp| stamp.identity());
        let by_identity = files.iter().filter_map(|path| Some((identity(path)?, path.clone()))).collect();
        Self { listed: files.into_iter().collect(), by_identity }
    }
}

/// A moment in nanoseconds from 1970, as far as they reach.
pub(super) fn nanos_of(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX),
    }
}

/// The other way round.
pub(super) fn time_of(nanos: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    if nanos < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance }
}
