//! What callers hold: an opened directory, whose lock goes with the last handle.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_buffer::Buffer;
use laminar_core::{Code, Error, Result};

use super::block::{self, BlockId};
use super::layout::Layout;
use super::open::{self, Newest};
use super::pipeline_checkpoint::{PipelineCheckpoint, PipelineCheckpointManager};
use crate::disk::{Disk, failed};
use crate::log::{LogPosition, Wal, WalEntry, WalReader};

/// How a store is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// Bytes after which a new segment of the log begins.
    pub segment_bytes_max: u64,
    /// How many checkpoints are kept, at least 1. With 2, one can be damaged and nothing is lost.
    pub retained_checkpoints: usize,
}

impl StoreOptions {
    /// Segments of 64 MiB, two checkpoints.
    pub const STANDARD: StoreOptions = StoreOptions { segment_bytes_max: 64 << 20, retained_checkpoints: 2 };
}

/// An opened, locked directory. Clones are the same one; it stays locked until the last of them is dropped.
#[derive(Clone)]
pub struct Store(pub(super) Arc<Inner>);

/// What opening a directory found.
#[derive(Debug)]
pub struct Opened {
    /// The directory.
    pub store: Store,
    /// The newest checkpoint that can be used; `None`: all that there is stands in the log.
    pub checkpoint: Option<PipelineCheckpoint>,
    /// What a person should know: a torn end that was cut off, a checkpoint that is damaged.
    pub warnings: Vec<String>,
}

pub(super) struct Inner {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) layout: Layout,
    pub(super) options: StoreOptions,
    pub(super) log: Wal,
    pub(super) blocks: Mutex<Blocks>,
    /// The checkpoints that are kept, oldest first.
    pub(super) kept: Mutex<Vec<Kept>>,
    /// Held while a checkpoint is made.
    pub(super) publishing: Mutex<()>,
    /// Dropped last.
    pub(super) _lock: Box<dyn Send + Sync>,
}

/// The blocks that are there.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub(super) known: HashMap<BlockId, KnownBlock>,
    /// To be removed, but not yet.
    pub(super) garbage: BTreeSet<BlockId>,
}

#[derive(Debug, Default)]
pub(super) struct KnownBlock {
    /// Of the whole file.
    pub(super) bytes: u64,
    /// How many of the checkpoints that are kept name it.
    pub(super) named_by: usize,
    /// Put, and not named by a checkpoint since.
    pub(super) is_pinned: bool,
    pub(super) is_synced: bool,
}

/// A checkpoint that is kept.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) epoch: u64,
    pub(super) written: i64,
    pub(super) watermark: Option<i64>,
    pub(super) log: LogPosition,
    pub(super) manifest_bytes: u64,
    pub(super) blocks: Vec<BlockId>,
}

impl Store {
    /// Opens a directory, or makes one. Takes its lock; an error names who holds it (`ObjectInUse`). A directory of another kind or of a
    /// newer format is refused. A torn end of the log is cut off. If the newest checkpoint cannot be used, the one before is taken, and
    /// a warning says which file it is and why.
    pub fn open(path: &Path, disk: Arc<dyn Disk>, options: StoreOptions) -> Result<Opened> {
        open::open(path, disk, options, &Newest::Whole)
    }

    /// [`open`](Self::open) for who reads all blocks of the checkpoint, and so finds out whether they are whole: the newest one is given whose manifest is, but
    /// for those of epochs that `unusable` names, with the reason.
    pub fn open_but(path: &Path, disk: Arc<dyn Disk>, options: StoreOptions, unusable: &BTreeMap<u64, String>) -> Result<Opened> {
        open::open(path, disk, options, &Newest::But(unusable))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0.layout.root
    }

    /// The log's records after `from`, or from its beginning, to where it ends now: each with the position after it. Damage is an error
    /// that names the file, the place, what is lost and what to do.
    pub fn read_log(&self, from: Option<LogPosition>) -> Result<impl Iterator<Item = Result<(LogPosition, WalEntry)>> + use<>> {
        let directory = self.0.layout.log.clone();
        let reader = WalReader::open_between(self.0.disk.clone(), &directory, from, Some(self.end()));
        let reader = reader.map_err(|error| error.in_directory(&directory))?;
        Ok(Records { reader, directory })
    }

    /// Writes records to the operating system, all or none, and returns the position after them. On a full disk the error is `DiskFull`,
    /// nothing of them stays, and the log goes on. After a crash either all of them are there or none.
    pub fn append(&self, records: &[WalEntry]) -> Result<LogPosition> {
        self.0.log.append(records).map_err(|error| error.in_directory(&self.0.layout.log))
    }

    /// Returns when everything before `position` is on the disk. One sync serves all threads that wait, and others append meanwhile.
    /// Once the disk has failed to sync, this and every later append, sync and checkpoint fails with the same message.
    pub fn sync_to(&self, position: LogPosition) -> Result<()> {
        self.0.log.sync_to(position).map_err(|error| error.in_directory(&self.0.layout.log))
    }

    /// Where the log ends.
    pub fn end(&self) -> LogPosition {
        self.0.log.end()
    }

    /// Everything before this is on the disk.
    pub fn synced(&self) -> LogPosition {
        self.0.log.synced()
    }

    /// Stores bytes under their hash; writes nothing if they are there. They last once a checkpoint that names them is published, and
    /// stay until then.
    pub fn put_block(&self, bytes: &[u8]) -> Result<BlockId> {
        self.0.check_usable()?;
        let id = BlockId::of(bytes);
        let mut blocks = lock(&self.0.blocks);
        if let Some(known) = blocks.known.get_mut(&id) {
            known.is_pinned = true;
            return Ok(id);
        }
        let file = block::file_of(bytes);
        self.0.write_block(id, &file)?;
        blocks.garbage.remove(&id);
        blocks.known.insert(id, KnownBlock { bytes: file.len() as u64, is_pinned: true, ..KnownBlock::default() });
        Ok(id)
    }

    /// The bytes of a block, which are those that were put: a damaged file is an error that names it.
    pub fn get_block(&self, id: BlockId) -> Result<Buffer> {
        let path = id.path(&self.0.layout.blocks);
        let file = self.0.disk.read(&path).map_err(failed(&path))?;
        let body = block::body_of(&file, id).map_err(|damage| block::damaged(&path, damage))?.len();
        let header = file.len() - body;
        Ok(Buffer::from_vec(file).slice(header))
    }

    /// Tells the disk that a block will be read soon.
    pub fn read_block_ahead(&self, id: BlockId) {
        self.0.disk.read_ahead(&id.path(&self.0.layout.blocks));
    }

    /// The checkpoints.
    pub fn checkpoints(&self) -> PipelineCheckpointManager {
        PipelineCheckpointManager(Arc::clone(&self.0))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.0.layout.root.display())
    }
}

impl Inner {
    /// Fails if the disk has failed before.
    pub(super) fn check_usable(&self) -> Result<()> {
        self.log.check_usable().map_err(Error::from)
    }

    /// Nothing more is written: the disk may or may not have what was given to it.
    pub(super) fn poison(&self, path: &Path, error: std::io::Error) -> Error {
        self.log.poison(path, error).into()
    }

    /// Writes a block's file. One that is there came before a crash, perhaps without all of its bytes.
    fn write_block(&self, id: BlockId, file: &[u8]) -> Result<()> {
        let (directory, path) = (id.directory(&self.layout.blocks), id.path(&self.layout.blocks));
        let write = || {
            self.disk.create_dir(&directory)?;
            if self.disk.exists(&path)? {
                if self.disk.read(&path)? == file {
                    return Ok(());
                }
                self.disk.remove(&path)?;
            }
            self.disk.create(&path)?.append(file)
        };
        write().map_err(|error| {
            // What stays if this fails as well is noticed when the block is put again.
            let _ = self.disk.remove(&path);
            failed(&path)(error)
        })
    }
}

/// No thread panics while it holds one of these locks and leaves something half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The records of a log that is whole.
struct Records {
    reader: WalReader,
    directory: PathBuf,
}

impl Iterator for Records {
    type Item = Result<(LogPosition, WalEntry)>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.reader.next()?.map_err(|error| error.in_directory(&self.directory));
        Some(record.map(|record| (self.reader.next_position(), record)))
    }
}

impl StoreOptions {
    pub(super) fn check(&self) -> Result<()> {
        if self.retained_checkpoints == 0 {
            return Err(Error::new(Code::InvalidOption, "a database keeps at least one checkpoint"));
        }
        Ok(())
    }
}
