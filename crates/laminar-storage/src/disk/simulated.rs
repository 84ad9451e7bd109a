//! A disk in memory that loses, tears and damages what a real one may, by a seed.
//!
//! A file has the bytes that a program sees and those that are on the disk; a directory has names in both senses. Syncing makes
//! the second equal to the first. [`crash`](SimulatedDisk::crash) takes the first away and makes of every unsynced file and name
//! something that could be there: of bytes a prefix of any length, or all of the length with sectors of zeros; of changed names
//! any subset. Nothing is left to chance but by the seed, so a failing seed repeats.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskEntry, DiskFile, Lock};

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

type Id = usize;

#[derive(Debug)]
struct State {
    random: u64,
    nodes: Vec<Node>,
    /// Grows with every crash: files that were open before it are of no use after it.
    life: u32,
    /// Calls that still succeed before the machine stops.
    calls_left: Option<u64>,
    syncs: u64,
    syncs_left: Option<u64>,
    bytes_max: Option<u64>,
    now: i64,
}

#[derive(Debug)]
enum Node {
    File(FileNode),
    Directory(DirectoryNode),
}

#[derive(Debug, Default)]
struct FileNode {
    seen: Vec<u8>,
    /// What is on the disk.
    kept: Vec<u8>,
    /// A sync failed: what waited for it is shown, but will never be on the disk.
    lost: bool,
}

#[derive(Debug, Default)]
struct DirectoryNode {
    seen: BTreeMap<String, Id>,
    kept: BTreeMap<String, Id>,
    /// What was done since the last sync, each whole or not at all.
    unsynced: Vec<NameChange>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Put(String, Id),
    Remove(String),
    Rename { from: String, to: String, id: Id },
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, Id>) {
        match self {
            NameChange::Put(name, id) => drop(names.insert(name.clone(), *id)),
            NameChange::Remove(name) => drop(names.remove(name)),
            NameChange::Rename { from, to, id } => {
                names.remove(from);
                names.insert(to.clone(), *id);
            }
        }
    }
}

impl SimulatedDisk {
    /// An empty disk, whose accidents are those of `seed`.
    pub fn new(seed: u64) -> Self {
        let root = Node::Directory(DirectoryNode::default());
        Self(Arc::new(Mutex::new(State {
            random: seed,
            nodes: vec![root],
            life: 0,
            calls_left: None,
            syncs: 0,
            syncs_left: None,
            bytes_max: None,
            now: 1_700_000_000_000_000_000,
        })))
    }

    /// The machine stops now and starts again: what was not synced is lost, torn or there.
    pub fn crash(&self) {
        self.state().crash();
    }

    /// The machine stops after so many more calls: all others fail until [`crash`](Self::crash).
    pub fn stop_after(&self, calls: u64) {
        self.state().calls_left = Some(calls);
    }

    /// Whether the machine has stopped.
    pub fn has_stopped(&self) -> bool {
        self.state().calls_left == Some(0)
    }

    /// The sync after so many more fails, and what waited for it will never be on the disk.
    pub fn fail_sync_after(&self, syncs: u64) {
        self.state().syncs_left = Some(syncs);
    }

    /// All files together have room for so many bytes; `None`: for any number.
    pub fn limit_bytes(&self, bytes_max: Option<u64>) {
        self.state().bytes_max = bytes_max;
    }

    /// Bytes of all files that have a name.
    pub fn bytes(&self) -> u64 {
        self.state().bytes()
    }

    /// How many files and directories were synced so far.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Flips one bit of a file, on the disk as well.
    pub fn flip_bit(&self, path: &Path, bit: usize) -> io::Result<()> {
        let mut state = self.state();
        let file = state.find(path)?;
        let file = state.file(file)?;
        for bytes in [&mut file.seen, &mut file.kept] {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
        Ok(())
    }

    /// The paths of all files, in order.
    pub fn files(&self) -> Vec<std::path::PathBuf> {
        let state = self.state();
        let mut files = Vec::new();
        let mut directories = vec![(std::path::PathBuf::from("/"), 0)];
        while let Some((path, id)) = directories.pop() {
            let Node::Directory(directory) = &state.nodes[id] else { continue };
            for (name, id) in &directory.seen {
                match &state.nodes[*id] {
                    Node::File(_) => files.push(path.join(name)),
                    Node::Directory(_) => directories.push((path.join(name), *id)),
                }
            }
        }
        files.sort();
        files
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.call()?;
        Ok(state)
    }

    fn file(&self, id: Id, life: u32) -> Arc<dyn DiskFile> {
        Arc::new(SimulatedFile { disk: self.clone(), id, life })
    }
}

impl State {
    /// Counts a call, which fails if the machine has stopped.
    fn call(&mut self) -> io::Result<()> {
        match &mut self.calls_left {
            Some(0) => Err(io::Error::other("the machine has stopped")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Counts a sync, which may be the one that fails.
    fn sync(&mut self) -> io::Result<()> {
        self.syncs += 1;
        match &mut self.syncs_left {
            Some(0) => {
                self.syncs_left = None;
                Err(io::Error::other("the device failed to write"))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A number below `bound` (splitmix64).
    fn random_below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % bound.max(1)
    }

    fn crash(&mut self) {
        self.life += 1;
        self.calls_left = None;
        self.syncs_left = None;
        for id in 0..self.nodes.len() {
            let survived = match &self.nodes[id] {
                Node::File(file) => {
                    let bytes = self.surviving_bytes(&file.seen.clone(), &file.kept.clone(), file.lost);
                    Node::File(FileNode { seen: bytes.clone(), kept: bytes, lost: false })
                }
                Node::Directory(directory) => {
                    let (mut names, changes) = (directory.kept.clone(), directory.unsynced.clone());
                    let keep = self.random_below(3);
                    for change in changes {
                        // All of them, none, or any.
                        if keep == 0 || keep == 2 && self.random_below(2) == 0 {
                            change.apply(&mut names);
                        }
                    }
                    Node::Directory(DirectoryNode { seen: names.clone(), kept: names, unsynced: Vec::new() })
                }
            };
            self.nodes[id] = survived;
        }
    }

    fn surviving_bytes(&mut self, seen: &[u8], kept: &[u8], lost: bool) -> Vec<u8> {
        if lost || !seen.starts_with(kept) {
            // The file was cut and perhaps written again: it is as before, or as now.
            return if lost || self.random_below(2) == 0 { kept.to_vec() } else { seen.to_vec() };
        }
        let new = seen.len() - kept.len();
        match self.random_below(4) {
            0 => seen.to_vec(),
            1 => {
                // The length is on the disk, of the bytes only some sectors.
                let mut bytes = seen[..kept.len() + self.random_below(new + 1)].to_vec();
                let mut start = kept.len();
                while start < bytes.len() {
                    let end = (start / SECTOR_BYTES + 1) * SECTOR_BYTES;
                    let end = end.min(bytes.len());
                    if self.random_below(2) == 0 {
                        bytes[start..end].fill(0);
                    }
                    start = end;
                }
                bytes
            }
            _ => seen[..kept.len() + self.random_below(new + 1)].to_vec(),
        }
    }

    fn bytes(&self) -> u64 {
        let mut bytes = 0;
        let mut directories = vec![0];
        while let Some(id) = directories.pop() {
            match &self.nodes[id] {
                Node::File(file) => bytes += file.seen.len() as u64,
                Node::Directory(directory) => directories.extend(directory.seen.values()),
            }
        }
        bytes
    }

    fn find(&self, path: &Path) -> io::Result<Id> {
        path.components().filter(|part| matches!(part, Component::Normal(_))).try_fold(0, |id, part| match &self.nodes[id] {
            Node::Directory(directory) => {
                let name = part.as_os_str().to_string_lossy();
                directory.seen.get(name.as_ref()).copied().ok_or_else(|| ErrorKind::NotFound.into())
            }
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
        })
    }

    /// The directory of `path`, and the name in it.
    fn place(&mut self, path: &Path) -> io::Result<(&mut DirectoryNode, String)> {
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?.to_string_lossy().into_owned();
        let id = self.find(path.parent().unwrap_or(Path::new("/")))?;
        Ok((self.directory(id)?, name))
    }

    fn directory(&mut self, id: Id) -> io::Result<&mut DirectoryNode> {
        match &mut self.nodes[id] {
            Node::Directory(directory) => Ok(directory),
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn file(&mut self, id: Id) -> io::Result<&mut FileNode> {
        match &mut self.nodes[id] {
            Node::File(file) => Ok(file),
            Node::Directory(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<Id> {
        let id = self.nodes.len();
        let (directory, name) = self.place(path)?;
        if directory.seen.contains_key(&name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        directory.change(NameChange::Put(name, id));
        self.nodes.push(node);
        Ok(id)
    }
}

impl DirectoryNode {
    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.seen);
        self.unsynced.push(change);
    }
}

impl Disk for SimulatedDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call()?;
        match state.find(path) {
            Ok(id) => state.directory(id).map(drop),
            Err(_) => state.add(path, Node::Directory(DirectoryNode::default())).map(drop),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DiskEntry>> {
        let mut state = self.call()?;
        let id = state.find(directory)?;
        let names = state.directory(id)?.seen.clone();
        let entry = |(name, id): (String, Id)| match &state.nodes[id] {
            Node::File(file) => DiskEntry { name, is_dir: false, bytes: file.seen.len() as u64 },
            Node::Directory(_) => DiskEntry { name, is_dir: true, bytes: 0 },
        };
        Ok(names.into_iter().map(entry).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.call()?.find(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.call()?;
        let id = state.find(path)?;
        Ok(state.file(id)?.seen.clone())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.call()?;
        let id = state.add(path, Node::File(FileNode::default()))?;
        Ok(self.file(id, state.life))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.call()?;
        let id = state.find(path)?;
        state.file(id)?;
        Ok(self.file(id, state.life))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.call()?;
        let id = state.find(from)?;
        if from.parent() != to.parent() {
            return Err(io::Error::new(ErrorKind::Unsupported, "a simulated file stays in its directory"));
        }
        let (_, to) = state.place(to)?;
        let (directory, from) = state.place(from)?;
        directory.change(NameChange::Rename { from, to, id });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call()?;
        let id = state.find(path)?;
        state.file(id)?;
        let (directory, name) = state.place(path)?;
        directory.change(NameChange::Remove(name));
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call()?;
        let id = state.find(path)?;
        if !state.directory(id)?.seen.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        let (directory, name) = state.place(path)?;
        directory.change(NameChange::Remove(name));
        Ok(())
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.call()?;
        let id = state.find(directory)?;
        state.sync()?;
        let directory = state.directory(id)?;
        directory.kept = directory.seen.clone();
        directory.unsynced.clear();
        Ok(())
    }

    /// One process uses a simulated disk, so the lock is always free.
    fn lock(&self, path: &Path, holder: &str) -> io::Result<Lock> {
        let file = if self.exists(path)? { self.open(path)? } else { self.create(path)? };
        file.truncate(0)?;
        file.append(holder.as_bytes())?;
        Ok(Lock::Held(Box::new(())))
    }

    /// A second later at every look.
    fn now(&self) -> i64 {
        let mut state = self.state();
        state.now += 1_000_000_000;
        state.now
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    id: Id,
    life: u32,
}

impl SimulatedFile {
    fn call(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.call()?;
        if state.life == self.life { Ok(state) } else { Err(io::Error::other("opened before the machine stopped")) }
    }
}

impl DiskFile for SimulatedFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let stopped = {
            let mut state = self.disk.state();
            // The machine can stop within a write.
            if state.calls_left == Some(1) { Some(state.random_below(bytes.len() + 1)) } else { None }
        };
        let mut state = self.call()?;
        let room = state.bytes_max.map_or(u64::MAX, |max| max.saturating_sub(state.bytes()));
        let written = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len()).min(stopped.unwrap_or(usize::MAX));
        state.file(self.id)?.seen.extend_from_slice(&bytes[..written]);
        if stopped.is_some() {
            return Err(io::Error::other("the machine has stopped"));
        }
        if written < bytes.len() { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.call()?;
        state.file(self.id)?.seen.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.call()?;
        let synced = state.sync();
        let file = state.file(self.id)?;
        match synced {
            // A file system forgets which pages failed: a second sync succeeds without them.
            Err(error) => {
                file.lost = true;
                Err(error)
            }
            Ok(()) => {
                if !file.lost {
                    file.kept = file.seen.clone();
                }
                Ok(())
            }
        }
    }
}
