//! One of the files that are followed: what it was when it was looked at last, and what has become of it.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use arrow_array::ArrayRef;
use laminar_core::Result;

use super::input::{Input, check_parquet};
use super::kept::{Kept, KeptState, nanos_of, time_of};
use super::parquet_file::{ParquetFile, is_finished};
use super::partitions::Columns;
use super::paths::cannot_read;
use super::place::{FilePlace, TextPlace};
use super::settings::SourceSettings;
use super::text_file::{Rows, TextFile};
use crate::BadRow;
use crate::fields::{FieldReader, FieldWriter};
use crate::formats::Format;

/// Looks at a file in which whole lines wait for the end of a record, before that is told.
const STALLED_LOOKS: u32 = 20;

/// A file that is followed.
pub(super) struct Followed {
    path: PathBuf,
    /// Its number among all files that the source has found.
    partition: u32,
    state: State,
    /// The values of the columns that its path tells.
    told: Vec<ArrayRef>,
    /// What stood under its name when that was tried or opened last.
    stamp: Option<Stamp>,
    /// Whether it is read once it is complete; `None`: not known yet.
    comes_whole: Option<bool>,
}

enum State {
    /// Not read yet, or not complete yet.
    Waiting,
    Text(OpenText),
    Parquet(ParquetFile),
    /// Read to its end, so far. It is looked at again when it changes.
    Done(FilePlace),
    /// It cannot be read on; if it is text, it was read so far. It is looked at again when it changes.
    Refused(Option<TextPlace>),
}

struct OpenText {
    text: TextFile,
    /// Whether another file stands under its name; this one is read to its end first.
    replaced: bool,
    /// Whether it is gone from its directory and has been read, so that nothing of it can be found again.
    unlinked: bool,
    /// Whether there were rows since the last look.
    had_rows: bool,
    /// Looks in a row before which there were none.
    fruitless_looks: u32,
}

/// What tells one file from another, and a file from what it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    identity: Option<(u64, u64)>,
    bytes: u64,
    modified: Option<SystemTime>,
}

/// What a look at a file found.
pub(super) enum Look {
    /// Nothing to do.
    Same,
    /// There may be something to read.
    Read,
    /// It is to be started.
    Start,
    /// The same, and this is to be told.
    StartWithNote(BadRow),
    /// This is to be told.
    Note(BadRow),
    /// There is no such file any more.
    Gone,
}

impl Followed {
    /// A file that has not been looked at.
    pub(super) fn new(path: PathBuf, partition: u32) -> Self {
        Self { path, partition, state: State::Waiting, told: Vec::new(), stamp: None, comes_whole: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn partition(&self) -> u32 {
        self.partition
    }

    /// Whether it is kept open.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Text(_) | State::Parquet(_))
    }

    /// Whether it is being read to its end, so that the next one of this kind has to wait.
    pub(super) fn is_busy(&self) -> bool {
        match &self.state {
            State::Parquet(_) => true,
            State::Text(open) => open.text.is_compressed() && open.fruitless_looks == 0,
            State::Waiting | State::Done(_) | State::Refused(_) => false,
        }
    }

    /// Whether it was not tried yet and could be, while another one is read to its end or not.
    pub(super) fn is_untried(&self, busy: bool) -> bool {
        matches!(self.state, State::Waiting) && self.stamp.is_none() && !(busy && self.comes_whole == Some(true))
    }

    /// Starts to read it if it can be read now; while another file is `busy`, only if it grows.
    pub(super) fn start(&mut self, columns: &Columns, settings: &SourceSettings, busy: bool) -> Result<bool> {
        if busy && self.comes_whole == Some(true) {
            return Ok(false);
        }
        let resumed = match std::mem::replace(&mut self.state, State::Waiting) {
            State::Done(FilePlace::Text(place)) | State::Refused(Some(place)) => Some(place),
            _ => None,
        };
        let before = self.stamp.take();
        let stamp = match fs::metadata(&self.path) {
            Ok(metadata) => Stamp::of(&metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => Stamp::NOTHING,
            Err(error) => return Err(cannot_read(&self.path, &error)),
        };
        self.stamp = Some(stamp);
        if stamp == Stamp::NOTHING {
            return Ok(false);
        }
        self.told = columns.told_by(&self.path)?;
        if settings.format_of(&self.path)? == Format::Parquet {
            return self.start_parquet(columns, settings, busy);
        }
        let resumed = resumed.filter(|_| before.is_some_and(|before| before.identity == stamp.identity));
        self.start_text(columns, settings, busy, resumed)
    }

    fn start_parquet(&mut self, columns: &Columns, settings: &SourceSettings, busy: bool) -> Result<bool> {
        self.comes_whole = Some(true);
        if busy {
            self.stamp = None;
            return Ok(false);
        }
        check_parquet(&self.path)?;
        if !is_finished(&self.path) {
            return Ok(false);
        }
        let file = ParquetFile::open(&self.path, columns.in_files().clone(), settings)?;
        self.state = State::Parquet(file);
        Ok(true)
    }

    fn start_text(
        &mut self,
        columns: &Columns,
        settings: &SourceSettings,
        busy: bool,
        resumed: Option<TextPlace>,
    ) -> Result<bool> {
        let (input, metadata) = Input::open_growing(&self.path, settings)?;
        self.stamp = Some(Stamp::of(&metadata));
        self.comes_whole = Some(input.is_compressed());
        if busy && input.is_compressed() {
            self.stamp = None;
            return Ok(false);
        }
        let mut text = TextFile::new(input, &self.path, columns.in_files().clone(), settings)?;
        text.check_start()?;
        if let Some(place) = resumed
            && text.seek(&place).is_err()
        {
            // It is not the file that was read before, although it looks so.
            return self.start_text(columns, settings, busy, None);
        }
        self.state = State::Text(OpenText::new(text));
        Ok(true)
    }

    /// At most about `rows_max` rows; `None` if there are none now.
    pub(super) fn read(&mut self, rows_max: usize, columns: &Columns) -> Result<Option<Rows>> {
        let rows = match &mut self.state {
            State::Waiting | State::Done(_) | State::Refused(_) => return Ok(None),
            State::Parquet(file) => match file.next(rows_max)? {
                Some(rows) => rows,
                None => {
                    self.state = State::Done(FilePlace::Parquet(file.place()));
                    return Ok(None);
                }
            },
            State::Text(open) => {
                let rows = open.text.next(rows_max)?;
                if rows.is_empty() {
                    self.close_at_end();
                    return Ok(None);
                }
                (open.had_rows, open.fruitless_looks) = (true, 0);
                rows
            }
        };
        columns.complete(rows, &self.told).map(Some)
    }

    /// Closes a text that has been read to its end: what stands under its name by now is another file, or it is complete.
    fn close_at_end(&mut self) {
        let State::Text(open) = &self.state else { return };
        if !open.text.at_end() {
            return;
        }
        if open.replaced {
            (self.state, self.stamp) = (State::Waiting, None);
            return;
        }
        if let Some(stamp) = &mut self.stamp {
            stamp.bytes = open.text.read_bytes();
        }
        self.comes_whole = Some(true);
        self.state = State::Done(FilePlace::Text(open.text.place()));
    }

    /// Gives it up until it changes.
    pub(super) fn refuse(&mut self) {
        self.state = State::Refused(match &self.state {
            State::Text(open) => {
                self.comes_whole = Some(open.text.is_compressed());
                Some(open.text.place())
            }
            _ => None,
        });
        let now = Stamp::at(&self.path).unwrap_or(Stamp::NOTHING);
        // Another file that stands there by now was not tried.
        if self.stamp.is_none_or(|before| before.is_same_file(&now)) {
            self.stamp = Some(now);
        }
    }

    /// Looks at what has happened since the last look.
    pub(super) fn look(&mut self) -> Result<Look> {
        let look = self.compare()?;
        if matches!(look, Look::StartWithNote(_)) {
            // If it has to wait for another file, it is not told again.
            (self.state, self.stamp) = (State::Waiting, None);
        }
        Ok(look)
    }

    fn compare(&mut self) -> Result<Look> {
        let now = match fs::metadata(&self.path) {
            Ok(metadata) => Stamp::of(&metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(self.look_at_nothing()),
            Err(_) if matches!(self.state, State::Refused(_)) => return Ok(Look::Same),
            Err(error) => return Err(cannot_read(&self.path, &error)),
        };
        let before = self.stamp.unwrap_or(Stamp::NOTHING);
        Ok(match &mut self.state {
            State::Parquet(_) => Look::Same,
            State::Waiting if before == now => Look::Same,
            State::Waiting => Look::Start,
            State::Done(_) | State::Refused(_) if before.is_same_file(&now) && now.bytes == before.bytes => Look::Same,
            State::Done(FilePlace::Text(_)) | State::Refused(Some(_))
                if before.is_same_file(&now) && now.bytes > before.bytes =>
            {
                Look::Start
            }
            State::Done(_) if before.is_same_file(&now) => Look::StartWithNote(changed(&self.path, before.bytes, now.bytes)),
            State::Done(_) | State::Refused(_) => {
                self.state = State::Waiting;
                Look::Start
            }
            State::Text(open) => open.look(&before, &now),
        })
    }

    fn look_at_nothing(&mut self) -> Look {
        match &mut self.state {
            // It was moved away and nothing has taken its name yet: what is open can still be read.
            State::Text(open) => {
                open.unlinked = !std::mem::take(&mut open.had_rows) && open.text.is_unlinked();
                Look::Same
            }
            State::Parquet(_) => Look::Same,
            State::Waiting | State::Done(_) | State::Refused(_) => Look::Gone,
        }
    }

    /// Whether it is this file that is found under another name now, and no longer under its own.
    pub(super) fn is_moved_to(&self, there: &Stamp) -> bool {
        let Some(before) = self.stamp.filter(|before| before.identity.is_some() && before.is_same_file(there)) else {
            return false;
        };
        // What is not open may be gone, and its identity given to another file.
        let unchanged = self.is_open() || (there.bytes, there.modified) == (before.bytes, before.modified);
        unchanged && !Stamp::at(&self.path).is_some_and(|here| here.is_same_file(&before))
    }

    /// Gives it the name under which it stands now; the old one is given back.
    pub(super) fn rename(&mut self, path: PathBuf) -> PathBuf {
        if let State::Text(open) = &mut self.state {
            open.text.rename(&path);
            open.replaced = false;
        }
        std::mem::replace(&mut self.path, path)
    }

    /// What a position says of it; nothing of one that cannot be found again.
    pub(super) fn kept(&self) -> Option<Kept> {
        let state = match &self.state {
            State::Waiting => KeptState::Waiting,
            State::Text(open) if open.unlinked => return None,
            State::Text(open) => KeptState::Open(FilePlace::Text(open.text.place())),
            State::Parquet(file) => KeptState::Open(FilePlace::Parquet(file.place())),
            State::Done(place) => KeptState::Done(place.clone()),
            State::Refused(place) => KeptState::Refused(*place),
        };
        let (path, partition) = (self.path.clone(), self.partition);
        Some(match state {
            KeptState::Open(place) if place.is_start() => Kept { path, partition, stamp: None, state: KeptState::Waiting },
            KeptState::Waiting => Kept { path, partition, stamp: None, state },
            _ => Kept { path, partition, stamp: self.stamp, state },
        })
    }

    /// A file that is not open, as it was kept; `path` is its name now.
    pub(super) fn kept_as(kept: &Kept, path: PathBuf) -> Self {
        let state = match &kept.state {
            KeptState::Done(place) => State::Done(place.clone()),
            KeptState::Refused(place) => State::Refused(*place),
            KeptState::Waiting | KeptState::Open(_) => State::Waiting,
        };
        Self { path, state, stamp: kept.stamp, ..Self::new(PathBuf::new(), kept.partition) }
    }

    /// Goes on at `place` in the file `there`, which is called `path` from now on.
    pub(super) fn go_on(
        kept: &Kept,
        place: &FilePlace,
        path: PathBuf,
        there: &Path,
        columns: &Columns,
        settings: &SourceSettings,
    ) -> Result<Self> {
        let mut file = Self { told: columns.told_by(&path)?, ..Self::new(path, kept.partition) };
        match place {
            FilePlace::Text(place) => {
                let (input, metadata) = Input::open_growing(there, settings)?;
                file.stamp = Some(Stamp::of(&metadata));
                file.comes_whole = Some(input.is_compressed());
                let mut text = TextFile::new(input, &file.path, columns.in_files().clone(), settings)?;
                text.check_start()?;
                text.seek(place)?;
                let mut open = OpenText::new(text);
                if there != file.path && file.path.exists() {
                    open.replace();
                }
                file.state = State::Text(open);
            }
            FilePlace::Parquet(place) => {
                let mut parquet = ParquetFile::open(there, columns.in_files().clone(), settings)?;
                parquet.seek(place)?;
                (file.stamp, file.comes_whole) = (Stamp::at(there), Some(true));
                file.state = State::Parquet(parquet);
            }
        }
        Ok(file)
    }

    /// What has come and is not a whole record, if reading stops here.
    pub(super) fn give_up(&mut self) -> Vec<BadRow> {
        let incomplete = |path: &Path| BadRow {
            raw: String::new(),
            reason: "the file was not complete when reading stopped".to_owned(),
            position: path.display().to_string(),
        };
        match &mut self.state {
            State::Text(open) => {
                let mut rows = open.text.give_up();
                if open.text.is_compressed() {
                    rows.push(incomplete(&self.path));
                }
                rows
            }
            State::Waiting if self.stamp.is_some_and(|stamp| stamp.bytes > 0) => vec![incomplete(&self.path)],
            State::Waiting | State::Parquet(_) | State::Done(_) | State::Refused(_) => Vec::new(),
        }
    }

    /// As people read it, if it is being read.
    pub(super) fn describe_position(&self) -> Option<String> {
        match &self.state {
            State::Text(open) => Some(open.text.describe_position()),
            State::Parquet(file) => Some(file.describe_position()),
            State::Waiting | State::Done(_) | State::Refused(_) => None,
        }
    }
}

impl OpenText {
    fn new(text: TextFile) -> Self {
        Self { text, replaced: false, unlinked: false, had_rows: true, fruitless_looks: 0 }
    }

    fn look(&mut self, before: &Stamp, now: &Stamp) -> Look {
        if self.replaced {
            return Look::Same;
        }
        if !before.is_same_file(now) {
            self.replace();
            return Look::Read;
        }
        if now.bytes < self.text.read_bytes() {
            return Look::StartWithNote(self.shrunk(now.bytes));
        }
        if std::mem::take(&mut self.had_rows) {
            return Look::Same;
        }
        self.fruitless_looks = self.fruitless_looks.saturating_add(1);
        // A line that waits may become longer; lines that wait behind one that has an end should have been read.
        match self.fruitless_looks == STALLED_LOOKS && self.text.waiting().contains(&b'\n') {
            true => Look::Note(self.text.stalled()),
            false => Look::Same,
        }
    }

    /// Says that another file stands under its name now.
    fn replace(&mut self) {
        self.replaced = true;
        // Nothing will be added to the old file: its last line counts even without an end.
        self.text.stop_growing();
    }

    /// The note that the file has shrunk, with the incomplete record that was lost by it.
    fn shrunk(&self, left: u64) -> BadRow {
        let read = self.text.read_bytes();
        BadRow {
            raw: String::from_utf8_lossy(self.text.waiting()).into_owned(),
            reason: format!("the file shrank from {read} to {left} bytes; it is read again from its start"),
            position: self.text.describe_position(),
        }
    }
}

/// The note that a file which was read to its end is another one now.
fn changed(path: &Path, before: u64, now: u64) -> BadRow {
    BadRow {
        raw: String::new(),
        reason: format!(
            "the file was written anew after it was read ({before} bytes then, {now} now); it is read again from its start"
        ),
        position: path.display().to_string(),
    }
}

impl Stamp {
    const NOTHING: Stamp = Stamp { identity: None, bytes: 0, modified: None };

    /// What stands at `path`, if that can be told.
    pub(super) fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self::of(&metadata))
    }

    fn of(metadata: &Metadata) -> Self {
        Self { identity: identity(metadata), bytes: metadata.len(), modified: metadata.modified().ok() }
    }

    /// What the system calls the file, where it does.
    pub(super) fn identity(&self) -> Option<(u64, u64)> {
        self.identity
    }

    /// This file, looked at when it was as long as `other`.
    pub(super) fn with_bytes_of(self, other: &Self) -> Self {
        Self { bytes: other.bytes, ..self }
    }

    pub(super) fn write(&self, fields: &mut FieldWriter) {
        fields.number(self.bytes).flag(self.identity.is_some()).flag(self.modified.is_some());
        if let Some((device, file)) = self.identity {
            fields.number(device).number(file);
        }
        if let Some(modified) = self.modified {
            fields.signed(nanos_of(modified));
        }
    }

    pub(super) fn read(fields: &mut FieldReader<'_>) -> Result<Self> {
        let (bytes, has_identity, has_time) = (fields.number()?, fields.flag()?, fields.flag()?);
        let identity = if has_identity { Some((fields.number()?, fields.number()?)) } else { None };
        let modified = if has_time { Some(time_of(fields.signed()?)) } else { None };
        Ok(Self { identity, bytes, modified })
    }

    /// Whether both are one file at two moments.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<(u64, u64)> {
    None
}
