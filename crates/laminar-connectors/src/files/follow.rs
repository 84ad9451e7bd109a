//! Files that grow, and new ones that appear.
//!
//! Text that is not compressed grows: a record counts when its line is complete; the rest waits. Other files are read
//! once they are complete, one after the other; Parquet is when it has its footer, a compressed file as far as its
//! members are. Which of both a file is, is found out for each by its first bytes. A file that cannot be read is told
//! among the bad rows, and the others go on; it is looked at again when it has changed.
//!
//! A file that is replaced under its name is read to its end before the new one is started, and one that got another
//! name is still the same. A file that shrinks is read again from its start, and a note among the bad rows says so. A
//! file that shrinks and grows past its old end between two looks cannot be told from one that only grew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::time::watermark::Partitions;
use laminar_core::{ChangeBatch, Code, Error, Result};

use super::followed::{Followed, Look, Stamp};
use super::kept::{Found, Kept};
use super::partitions::Columns;
use super::paths::{can_mean_several, list};
use super::settings::{OnBadRow, SourceSettings};
use super::source::check_columns;
use super::text_file::Rows;
use crate::fields::{FieldReader, FieldWriter};
use crate::{BadRow, Position, Source, SourcePoll};

/// The version of the positions that are written here: the columns, what is to be told, and each file.
const POSITION_VERSION: u8 = 1;

/// Files that one source keeps open at most.
const FILES_MAX: usize = 512;
/// Polls with rows after which a source looks for other files all the same.
const BUSY_POLLS_MAX: u32 = 64;

/// Files that are looked at again and again.
pub(super) struct FollowSource {
    settings: SourceSettings,
    columns: Columns,
    /// In the order in which they were found.
    files: Vec<Followed>,
    /// How many it has found so far: each is a partition.
    found: u32,
    known: BTreeSet<PathBuf>,
    /// The file that is asked next, so that a busy one does not starve the others.
    turn: usize,
    /// Polls that had rows since the last look at all files.
    busy_polls: u32,
    /// What is to be told with the next rows.
    notes: Vec<BadRow>,
    /// Why the files could not be listed, as it was told last.
    unlisted: Option<String>,
}

impl FollowSource {
    /// Follows `files` and those that join them. What is wrong with the first ones is an error.
    pub(super) fn open(settings: SourceSettings, files: Vec<PathBuf>, columns: Columns) -> Result<Self> {
        let mut source = Self {
            settings,
            columns,
            known: files.iter().cloned().collect(),
            found: files.len() as u32,
            files: files.into_iter().zip(0..).map(|(file, partition)| Followed::new(file, partition)).collect(),
            turn: 0,
            busy_polls: 0,
            notes: Vec::new(),
            unlisted: None,
        };
        while let Some(index) = source.next_untried() {
            source.start(index)?;
        }
        Ok(source)
    }

    /// The first file that was not tried yet and can be tried now.
    fn next_untried(&self) -> Option<usize> {
        let busy = self.files.iter().any(Followed::is_busy);
        self.files.iter().position(|file| file.is_untried(busy))
    }

    /// Starts to read a file if it can be read now.
    fn start(&mut self, index: usize) -> Result<bool> {
        let others = || self.files.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, file)| file);
        if others().filter(|file| file.is_open()).count() >= FILES_MAX {
            let what = format!("'{}' means more than {FILES_MAX} files", self.settings.path);
            return Err(Error::new(Code::LimitReached, what)
                .with_detail("each followed file is kept open")
                .with_hint("split the glob over several sources, or read without follow"));
        }
        let busy = others().any(Followed::is_busy);
        self.files[index].start(&self.columns, &self.settings, busy)
    }

    /// Tells that a file cannot be read, if others can go on without it.
    fn refuse(&mut self, index: usize, error: Error) -> Result<()> {
        let alone = !can_mean_several(&self.settings.path);
        if alone || self.settings.on_bad_row == OnBadRow::Fail || error.code() == Code::LimitReached {
            return Err(error);
        }
        self.files[index].refuse();
        self.notes.push(note(self.files[index].path(), &error));
        Ok(())
    }

    /// Rows of the next file that has some.
    fn read(&mut self, rows_max: usize) -> Result<Option<(Rows, u32)>> {
        for _ in 0..self.files.len() {
            let index = self.turn % self.files.len();
            self.turn = index + 1;
            match self.files[index].read(rows_max, &self.columns) {
                Ok(Some(rows)) => return Ok(Some((rows, self.files[index].partition()))),
                Ok(None) => {}
                Err(error) => self.refuse(index, error)?,
            }
        }
        Ok(None)
    }

    /// Tries the next file that was not tried yet; false if there is none.
    fn try_next(&mut self) -> Result<bool> {
        let Some(index) = self.next_untried() else { return Ok(false) };
        if let Err(error) = self.start(index) {
            self.refuse(index, error)?;
        }
        Ok(true)
    }

    /// Looks for what has changed: files that are new, complete, replaced or gone. True if there may be something to read.
    fn look(&mut self) -> Result<bool> {
        self.busy_polls = 0;
        // A name that was given to a file may have been free only after another look.
        let mut changed = self.find_files()? && self.find_files()?;
        let mut gone = Vec::new();
        for index in 0..self.files.len() {
            let looked = self.files[index].look();
            changed |= match looked.and_then(|look| self.follow_up(index, look, &mut gone)) {
                Ok(changed) => changed,
                Err(error) => {
                    self.refuse(index, error)?;
                    true
                }
            };
        }
        for index in gone.into_iter().rev() {
            let file = self.files.remove(index);
            self.known.remove(file.path());
        }
        Ok(changed || !self.notes.is_empty() || self.next_untried().is_some())
    }

    fn follow_up(&mut self, index: usize, look: Look, gone: &mut Vec<usize>) -> Result<bool> {
        match look {
            Look::Same => return Ok(false),
            Look::Read => {}
            Look::Start => return self.start(index),
            Look::StartWithNote(note) => {
                self.notes.push(note);
                self.start(index)?;
            }
            Look::Note(note) => self.notes.push(note),
            Look::Gone => gone.push(index),
        }
        Ok(true)
    }

    /// Finds files that have joined, and those that have another name now; true if there are any.
    fn find_files(&mut self) -> Result<bool> {
        let files = match list(&self.settings.path, self.settings.format) {
            Ok(files) => files,
            Err(error) => return self.cannot_list(&error),
        };
        self.unlisted = None;
        let new: Vec<PathBuf> = files.into_iter().filter(|path| !self.known.contains(path)).collect();
        let found = !new.is_empty();
        for path in new {
            self.known.insert(path.clone());
            let stamp = Stamp::at(&path);
            let moved = |file: &&mut Followed| stamp.is_some_and(|stamp| file.is_moved_to(&stamp));
            match self.files.iter_mut().find(moved) {
                Some(file) => {
                    let before = file.rename(path);
                    self.known.remove(&before);
                }
                None => {
                    self.files.push(Followed::new(path, self.found));
                    self.found += 1;
                }
            }
        }
        Ok(found)
    }

    /// Tells once why there may be files that are not seen.
    fn cannot_list(&mut self, error: &Error) -> Result<bool> {
        let text = error.to_string();
        if self.settings.on_bad_row == OnBadRow::Fail {
            return Err(error.clone());
        }
        if self.unlisted.as_ref() != Some(&text) {
            self.notes.push(note(Path::new(&self.settings.path), error));
            self.unlisted = Some(text);
        }
        Ok(false)
    }
}

/// A bad row that tells why a file is not read.
fn note(path: &Path, error: &Error) -> BadRow {
    let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    BadRow {
        raw: String::new(),
        reason: format!("the file is not read: {}{hint}", error.message()),
        position: path.display().to_string(),
    }
}

impl Source for FollowSource {
    fn schema(&self) -> SchemaRef {
        self.columns.all().clone()
    }

    fn poll(&mut self, rows_max: usize) -> Result<SourcePoll> {
        let rows_max = rows_max.min(self.settings.batch_rows).max(1);
        if self.busy_polls >= BUSY_POLLS_MAX {
            self.look()?;
            while self.try_next()? {}
        }
        loop {
            if !self.notes.is_empty() {
                let rows = RecordBatch::new_empty(self.columns.all().clone());
                return Ok(SourcePoll::Rows { changes: ChangeBatch::append(rows), bad: std::mem::take(&mut self.notes) });
            }
            if let Some((rows, partition)) = self.read(rows_max)? {
                self.busy_polls += 1;
                let changes = ChangeBatch::append(rows.rows).with_partition(partition);
                return Ok(SourcePoll::Rows { changes, bad: rows.bad });
            }
            if self.notes.is_empty() && !self.try_next()? && !self.look()? {
                return Ok(SourcePoll::Pending(self.settings.poll_interval));
            }
        }
    }

    fn position(&self) -> Position {
        let mut fields = FieldWriter::default();
        fields.number(u64::from(self.columns.sum())).number(u64::from(self.found)).number(self.turn as u64);
        fields.number(self.notes.len() as u64);
        for note in &self.notes {
            fields.text(note.raw.as_bytes()).text(note.reason.as_bytes()).text(note.position.as_bytes());
        }
        let kept: Vec<Kept> = self.files.iter().filter_map(Followed::kept).collect();
        fields.number(kept.len() as u64);
        let mut before = Path::new("");
        for file in &kept {
            file.write(before, &mut fields);
            before = &file.path;
        }
        Position::new(POSITION_VERSION, fields.bytes())
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn seek(&mut self, position: &Position) -> Result<()> {
        if position.is_empty() {
            return Ok(());
        }
        let what = format!("the position in '{}'", self.settings.path);
        let mut fields = FieldReader::new(position.version(), POSITION_VERSION, position.bytes(), &what)?;
        check_columns(&self.columns, fields.number()?, &self.settings.path)?;
        (self.found, self.turn) = (fields.number()? as u32, fields.number()? as usize);
        self.notes.clear();
        for _ in 0..fields.number()? {
            self.notes.push(BadRow { raw: fields.string()?, reason: fields.string()?, position: fields.string()? });
        }
        let found = Found::new(list(&self.settings.path, self.settings.format)?);
        self.files.clear();
        let mut before = PathBuf::new();
        for _ in 0..fields.number()? {
            let kept = Kept::read(&before, &mut fields)?;
            before.clone_from(&kept.path);
            self.files.extend(kept.resume(&found, &self.columns, &self.settings)?);
        }
        self.known = self.files.iter().map(|file| file.path().to_owned()).collect();
        fields.end()
    }

    fn describe_position(&self) -> String {
        let open: Vec<String> = self.files.iter().filter_map(Followed::describe_position).collect();
        match (open.is_empty(), self.files.is_empty()) {
            (true, true) => format!("{}: waiting for the first file", self.settings.path),
            (true, false) => format!("{}: waiting for more", self.settings.path),
            _ => open.join(", "),
        }
    }

    fn is_bounded(&self) -> bool {
        false
    }

    fn partitions(&self) -> Partitions {
        Partitions::Together(self.found)
    }

    fn give_up(&mut self) -> Vec<BadRow> {
        self.files.iter_mut().flat_map(Followed::give_up).collect()
    }
}
