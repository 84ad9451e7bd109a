//! Text files that grow, and new ones that appear.
//!
//! A record counts when its line is complete; the rest waits. A file that is replaced under its name is read to its end
//! before the new one is started. A file that shrinks is read again from its start, and a note among the bad rows says
//! so. A file that shrinks and grows past the old place between two looks cannot be told from one that only grew.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::{ChangeBatch, Code, Error, Result};

use super::input::Input;
use super::paths::{cannot_read, expand};
use super::settings::SourceSettings;
use super::text_file::{Rows, TextFile};
use crate::{BadRow, Source, SourcePoll};

/// Files that one source follows at most: each is kept open.
const FILES_MAX: usize = 512;

/// Growing files.
pub(super) struct FollowSource {
    settings: SourceSettings,
    schema: SchemaRef,
    files: Vec<Followed>,
    seen: BTreeSet<PathBuf>,
    /// The file that is asked next, so that a busy one does not starve the others.
    turn: usize,
}

struct Followed {
    path: PathBuf,
    text: TextFile,
    identity: Option<u64>,
    /// Whether another file stands under its name; this one is read to its end first.
    replaced: bool,
}

/// What has happened to a file since it was opened.
enum Fate {
    Same,
    /// Another file stands under its name.
    Replaced,
    /// It has fewer bytes than were read.
    Shrunk {
        read: u64,
        left: u64,
    },
}

impl FollowSource {
    pub(super) fn open(settings: SourceSettings, files: Vec<PathBuf>, schema: SchemaRef) -> Result<Self> {
        let mut source = Self { settings, schema, files: Vec::new(), seen: BTreeSet::new(), turn: 0 };
        for file in files {
            source.add(file)?;
        }
        Ok(source)
    }

    fn add(&mut self, path: PathBuf) -> Result<()> {
        if self.files.len() == FILES_MAX {
            return Err(Error::new(Code::LimitReached, format!("'{}' means more than {FILES_MAX} files", self.settings.path))
                .with_detail("each followed file is kept open")
                .with_hint("split the glob over several sources, or read without follow"));
        }
        let followed = self.start(&path)?;
        self.seen.insert(path);
        self.files.push(followed);
        Ok(())
    }

    fn start(&self, path: &Path) -> Result<Followed> {
        let (input, metadata) = Input::open_growing(path)?;
        let identity = identity(&metadata);
        let mut text = TextFile::new(input, path, self.schema.clone(), &self.settings)?;
        text.check_start(false)?;
        Ok(Followed { path: path.to_owned(), text, identity, replaced: false })
    }

    /// Rows of the next file that has some.
    fn read(&mut self, rows_max: usize) -> Result<Option<Rows>> {
        for _ in 0..self.files.len() {
            let index = self.turn % self.files.len();
            self.turn = index + 1;
            let followed = &mut self.files[index];
            let rows = followed.text.next(rows_max, followed.replaced)?;
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
            if let Some(rows) = self.renew(index, rows_max)? {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }

    /// Starts the file anew if it is no longer what it was; returns what there is to say or to read then.
    fn renew(&mut self, index: usize, rows_max: usize) -> Result<Option<Rows>> {
        let followed = &mut self.files[index];
        if !followed.replaced {
            match followed.fate()? {
                Fate::Same => return Ok(None),
                Fate::Replaced => followed.replaced = true,
                Fate::Shrunk { read, left } => {
                    let note = followed.shrunk(read, left, &self.schema);
                    self.restart(index)?;
                    return Ok(Some(note));
                }
            }
            // Nothing will be added to the old file: its last line counts even without an end.
            let rest = followed.text.next(rows_max, true)?;
            if !rest.is_empty() {
                return Ok(Some(rest));
            }
        }
        if !followed.text.at_end() {
            return Ok(None);
        }
        self.restart(index)?;
        let rows = self.files[index].text.next(rows_max, false)?;
        Ok((!rows.is_empty()).then_some(rows))
    }

    fn restart(&mut self, index: usize) -> Result<()> {
        let path = self.files[index].path.clone();
        self.files[index] = self.start(&path)?;
        Ok(())
    }

    fn look_for_new_files(&mut self) -> Result<bool> {
        let files = expand(&self.settings.path, self.settings.format).unwrap_or_default();
        let new: Vec<_> = files.into_iter().filter(|file| !self.seen.contains(file)).collect();
        let found = !new.is_empty();
        for file in new {
            self.add(file)?;
        }
        Ok(found)
    }
}

impl Followed {
    fn fate(&self) -> Result<Fate> {
        let metadata = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            // It was moved away and nothing has taken its place yet: what is open can still be read.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Fate::Same),
            Err(error) => return Err(cannot_read(&self.path, &error)),
        };
        let (read, _) = self.text.progress();
        Ok(if identity(&metadata) != self.identity {
            Fate::Replaced
        } else if metadata.len() < read {
            Fate::Shrunk { read, left: metadata.len() }
        } else {
            Fate::Same
        })
    }

    /// The note that the file has shrunk, with the incomplete record that was lost by it.
    fn shrunk(&self, read: u64, left: u64, schema: &SchemaRef) -> Rows {
        let (_, rest) = self.text.progress();
        let note = BadRow {
            raw: String::from_utf8_lossy(rest).into_owned(),
            reason: format!("the file shrank from {read} to {left} bytes; it is read again from its start"),
            position: self.text.position(),
        };
        Rows { rows: RecordBatch::new_empty(schema.clone()), bad: vec![note] }
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Option<u64> {
    Some(std::os::unix::fs::MetadataExt::ino(metadata))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<u64> {
    None
}

impl Source for FollowSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn poll(&mut self, rows_max: usize) -> Result<SourcePoll> {
        let rows_max = rows_max.min(self.settings.batch_rows).max(1);
        loop {
            if let Some(rows) = self.read(rows_max)? {
                return Ok(SourcePoll::Rows { changes: ChangeBatch::append(rows.rows), bad: rows.bad });
            }
            if !self.look_for_new_files()? {
                return Ok(SourcePoll::Pending(self.settings.poll_interval));
            }
        }
    }

    fn position(&self) -> String {
        match self.files.as_slice() {
            [] => format!("{}: waiting for the first file", self.settings.path),
            files => files.iter().map(|file| file.text.position()).collect::<Vec<_>>().join(", "),
        }
    }

    fn is_bounded(&self) -> bool {
        false
    }
}
