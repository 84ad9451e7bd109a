//! Group commit: many threads append and wait, and few syncs serve them all.

use std::io;
use std::path::Path;
use std::sync::{Arc, Barrier, Mutex, mpsc};

use laminar_storage::disk::{Disk, DiskEntry, DiskFile, IoUringDisk, Lock, RealDisk, SimulatedDisk};
use laminar_storage::{Store, StoreOptions, WalEntry};

const THREADS: u64 = 8;

fn end(object: u64) -> WalEntry {
    WalEntry::End { now: 0, object }
}

fn objects(store: &Store) -> Vec<u64> {
    let object = |record| match record {
        WalEntry::End { object, .. } => object,
        other => panic!("{other:?}"),
    };
    store.read_log(None).unwrap().map(|record| object(record.unwrap().1)).collect()
}

/// Each thread appends its own records in order and waits for each.
fn append_all(store: &Store, rounds: u64) {
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for round in 0..rounds {
                    let position = store.append(&[end(thread * 1_000_000 + round)]).unwrap();
                    store.sync_to(position).unwrap();
                    assert!(store.synced() >= position);
                }
            });
        }
    });
}

fn assert_all_there(store: &Store, rounds: u64) {
    let found = objects(store);
    assert_eq!(found.len() as u64, THREADS * rounds);
    for thread in 0..THREADS {
        let own: Vec<u64> =
            found.iter().filter(|object| *object / 1_000_000 == thread).map(|object| object % 1_000_000).collect();
        assert_eq!(own, (0..rounds).collect::<Vec<_>>(), "thread {thread}");
    }
}

#[test]
fn all_that_was_acknowledged_by_any_thread_is_there_across_segments_and_a_crash() {
    let disk = SimulatedDisk::new(3);
    let options = StoreOptions { segment_bytes_max: 4000, ..StoreOptions::STANDARD };
    let open = || Store::open("/db".as_ref(), Arc::new(disk.clone()), options).unwrap().store;
    let store = open();
    append_all(&store, 200);
    drop(store);
    disk.crash();
    assert_all_there(&open(), 200);
}

#[test]
fn the_same_on_a_real_disk() {
    let mut disks: Vec<Arc<dyn Disk>> = vec![Arc::new(RealDisk)];
    if let Ok(disk) = IoUringDisk::new() {
        disks.push(Arc::new(disk));
    }
    for disk in disks {
        let directory = tempfile::tempdir().unwrap();
        let open = |disk| Store::open(directory.path(), disk, StoreOptions::STANDARD).unwrap().store;
        let store = open(disk);
        append_all(&store, 50);
        drop(store);
        assert_all_there(&open(Arc::new(RealDisk)), 50);
    }
}

/// A disk whose syncs wait for a sign, so that the test decides how many threads wait meanwhile.
#[derive(Debug)]
struct GatedDisk {
    disk: SimulatedDisk,
    gate: Arc<Gate>,
}

#[derive(Debug)]
struct Gate {
    begun: mpsc::SyncSender<()>,
    go: Mutex<mpsc::Receiver<()>>,
}

#[derive(Debug)]
struct GatedFile {
    file: Arc<dyn DiskFile>,
    gate: Arc<Gate>,
}

impl DiskFile for GatedFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.file.append(bytes)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.gate.begun.send(()).unwrap();
        self.gate.go.lock().unwrap().recv().unwrap();
        self.file.sync_data()
    }
}

macro_rules! as_the_simulated {
    ($(fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $result:ty;)*) => {
        $(fn $name(&self $(, $argument: $type)*) -> $result { self.disk.$name($($argument),*) })*
    };
}

impl Disk for GatedDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(GatedFile { file: self.disk.open(path)?, gate: self.gate.clone() }))
    }

    as_the_simulated! {
        fn create_dir(&self, path: &Path) -> io::Result<()>;
        fn list(&self, path: &Path) -> io::Result<Vec<DiskEntry>>;
        fn exists(&self, path: &Path) -> io::Result<bool>;
        fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
        fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
        fn remove(&self, path: &Path) -> io::Result<()>;
        fn remove_dir(&self, path: &Path) -> io::Result<()>;
        fn sync_dir(&self, path: &Path) -> io::Result<()>;
        fn lock(&self, path: &Path, holder: &str) -> io::Result<Lock>;
        fn now(&self) -> i64;
    }
}

#[test]
fn one_sync_serves_all_threads_that_wait_and_others_append_meanwhile() {
    let disk = SimulatedDisk::new(1);
    drop(Store::open("/db".as_ref(), Arc::new(disk.clone()), StoreOptions::STANDARD).unwrap());
    let (begun, has_begun) = mpsc::sync_channel(100);
    let (go, waits) = mpsc::sync_channel(100);
    let gate = Arc::new(Gate { begun, go: Mutex::new(waits) });
    // Opening syncs the log once.
    go.send(()).unwrap();
    let store = Store::open("/db".as_ref(), Arc::new(GatedDisk { disk, gate }), StoreOptions::STANDARD).unwrap().store;
    has_begun.recv().unwrap();

    let appended = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        let first = store.append(&[end(0)]).unwrap();
        let leader = scope.spawn({
            let store = store.clone();
            move || store.sync_to(first)
        });
        has_begun.recv().unwrap();
        // The disk works for the first; the others append all the same, and wait.
        let others: Vec<_> = (1..THREADS)
            .map(|object| {
                let (store, appended) = (&store, &appended);
                scope.spawn(move || {
                    let position = store.append(&[end(object)]).unwrap();
                    appended.wait();
                    store.sync_to(position)
                })
            })
            .collect();
        appended.wait();
        go.send(()).unwrap();
        leader.join().unwrap().unwrap();
        // All that were appended before the second sync began are served by it.
        has_begun.recv().unwrap();
        go.send(()).unwrap();
        others.into_iter().for_each(|other| other.join().unwrap().unwrap());
    });
    assert!(has_begun.try_recv().is_err(), "two syncs for {THREADS} records");
    assert_eq!(store.synced(), store.end());
    assert_eq!(objects(&store).len() as u64, THREADS);
}
