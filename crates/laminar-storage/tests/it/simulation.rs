//! A store on a disk that may stop, tear, lose, fill up, fail and be damaged, held against a list of what was written to it.
//!
//! `LAMINAR_SIMULATION_SEED=<seed>` repeats one seed, `LAMINAR_SIMULATION_CASES=100000` is the long mode.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::publish;

use laminar_core::{Code, Error};
use laminar_storage::disk::SimulatedDisk;
use laminar_storage::store::{Verdict, check_on};
use laminar_storage::{BlockId, LogPosition, Opened, Store, StoreOptions, WalEntry};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const PATH: &str = "/data/db";

fn seeds(cases: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("LAMINAR_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LAMINAR_SIMULATION_CASES").unwrap_or(cases),
    }
}

/// What was written, and what must therefore be there.
struct Model {
    disk: SimulatedDisk,
    random: StdRng,
    options: StoreOptions,
    /// All records in order, also those of which nobody knows whether they were written.
    records: Vec<WalEntry>,
    /// Numbers of records before which a crash may cut: what is appended at once comes at once.
    borders: Vec<usize>,
    /// How many of them the log holds for sure after a crash.
    synced: usize,
    checkpoints: BTreeMap<u64, Checkpoint>,
    /// The newest checkpoint whose publication has returned.
    published: u64,
    next_epoch: u64,
    count: u64,
}

#[derive(Clone)]
struct Checkpoint {
    records: usize,
    blocks: Vec<(BlockId, Vec<u8>)>,
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let options = StoreOptions {
            segment_bytes_max: [500, 3000, 1 << 20][random.random_range(0..3)],
            retained_checkpoints: random.random_range(1..4),
        };
        Self {
            disk: SimulatedDisk::new(seed),
            random,
            options,
            records: Vec::new(),
            borders: vec![0],
            synced: 0,
            checkpoints: BTreeMap::new(),
            published: 0,
            next_epoch: 1,
            count: 0,
        }
    }

    fn try_open(&self) -> Result<Opened, Error> {
        Store::open(Path::new(PATH), Arc::new(self.disk.clone()), self.options)
    }

    /// Opens after a crash, perhaps with more crashes while it is being opened, and holds what is there against what must be.
    fn reopen(&mut self) -> Store {
        for _ in 0..self.random.random_range(0..3) {
            self.disk.stop_after(self.random.random_range(0..40));
            drop(self.try_open());
            self.disk.crash();
        }
        let opened = self.try_open().unwrap_or_else(|error| panic!("a crashed store opens: {error}"));
        for warning in &opened.warnings {
            assert!(warning.contains("was not finished"), "nothing is damaged: {warning}");
        }
        self.compare(&opened);
        opened.store
    }

    fn compare(&mut self, opened: &Opened) {
        let epoch = opened.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.epoch);
        assert!(epoch >= self.published, "the checkpoint of epoch {} is gone, {epoch} is there", self.published);
        self.checkpoints.retain(|known, _| *known <= epoch);
        let start = match &opened.checkpoint {
            None => 0,
            Some(found) => {
                let known = self.checkpoints.get(&epoch).expect("a checkpoint that was published");
                assert_eq!(found.body, body(known));
                for (id, bytes) in &known.blocks {
                    assert_eq!(opened.store.get_block(*id).unwrap().as_slice(), bytes.as_slice());
                }
                known.records
            }
        };
        let found = read(&opened.store, opened.checkpoint.as_ref().map(|checkpoint| checkpoint.log)).unwrap();
        let end = start + found.len();
        assert!(end >= self.synced, "{} records were synced, {end} are there", self.synced);
        assert_eq!(self.records.get(start..end), Some(&found[..]));
        assert!(self.borders.contains(&end), "a write is there in part");
        // The older checkpoints are as good, should this one be damaged later.
        for kept in opened.store.checkpoints().kept() {
            let known = &self.checkpoints[&kept.epoch];
            let found = read(&opened.store, Some(kept.log)).unwrap();
            assert_eq!(self.records[known.records..end], found, "from the checkpoint of epoch {}", kept.epoch);
            assert_eq!((kept.blocks, kept.log <= opened.store.end()), (known.blocks.len(), true));
        }
        let report = check_on(Arc::new(self.disk.clone()), Path::new(PATH)).unwrap();
        assert!(report.is_whole(), "{report}");
        self.records.truncate(end);
        self.borders.retain(|border| *border <= end);
        (self.synced, self.published, self.next_epoch) = (end, epoch, epoch + 1);
    }

    fn record(&mut self) -> WalEntry {
        self.count += 1;
        let (now, object) = (self.random.random_range(0..3), self.count);
        match self.random.random_range(0..6) {
            0 => WalEntry::End { now, object },
            _ => {
                let length = self.random.random_range(0..40_usize).pow(2);
                // Zeros look like what never came to the disk.
                let fill = ["x", "\0", "LWE1\u{1}"][self.random.random_range(0..3)];
                WalEntry::Statement {
                    now,
                    text: format!("{object} {}", fill.repeat(length / fill.len())),
                    context: String::new(),
                }
            }
        }
    }

    /// Does something; an error ends this life of the store.
    fn act(&mut self, store: &Store) -> Result<(), Error> {
        match self.random.random_range(0..10) {
            0..=4 => {
                let records: Vec<WalEntry> = (0..self.random.random_range(1..4)).map(|_| self.record()).collect();
                let appended = store.append(&records);
                if appended.as_ref().is_err_and(|error| error.code() == Code::DiskFull) {
                    return Ok(());
                }
                self.records.extend(records);
                self.borders.push(self.records.len());
                appended?;
            }
            5..=6 => {
                store.sync_to(store.end())?;
                self.synced = self.records.len();
            }
            7..=8 => self.publish(store)?,
            _ => {
                let room = self.disk.bytes() + self.random.random_range(0..3000);
                self.disk.limit_bytes(self.random.random_bool(0.5).then_some(room));
            }
        }
        Ok(())
    }

    fn publish(&mut self, store: &Store) -> Result<(), Error> {
        let mut blocks: Vec<(BlockId, Vec<u8>)> = Vec::new();
        for _ in 0..self.random.random_range(0..4) {
            // Often the same as before.
            let bytes = vec![self.random.random_range(0..6_u8); self.random.random_range(0..3_usize) * 700];
            match store.put_block(&bytes) {
                Ok(id) if !blocks.iter().any(|(known, _)| *known == id) => blocks.push((id, bytes)),
                Ok(_) => {}
                Err(error) if error.code() == Code::DiskFull => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if let Some(newest) = self.checkpoints.get(&self.published).filter(|_| self.random.random_bool(0.5)) {
            // Named again without being put again.
            let known: Vec<BlockId> = blocks.iter().map(|(id, _)| *id).collect();
            blocks.extend(newest.blocks.iter().filter(|(id, _)| !known.contains(id)).cloned());
        }
        let checkpoint = Checkpoint { records: self.records.len(), blocks };
        let ids: Vec<BlockId> = checkpoint.blocks.iter().map(|(id, _)| *id).collect();
        let (epoch, text) = (self.next_epoch, body(&checkpoint));
        self.checkpoints.insert(epoch, checkpoint);
        match publish(&store, epoch, store.end(), &ids, &text) {
            Ok(()) => {
                (self.published, self.synced, self.next_epoch) = (epoch, self.records.len(), epoch + 1);
                Ok(())
            }
            Err(error) if error.code() == Code::DiskFull => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Acts until the machine stops or the disk fails.
    fn live(&mut self, store: &Store) {
        match self.random.random_range(0..3) {
            0 => self.disk.fail_sync_after(self.random.random_range(0..12)),
            _ => self.disk.stop_after(self.random.random_range(0..150)),
        }
        for _ in 0..self.random.random_range(0..25) {
            if let Err(error) = self.act(store) {
                if !self.disk.has_stopped() {
                    assert_poisoned(store, &error);
                }
                break;
            }
        }
    }
}

/// After a sync that failed everything that writes fails, with the same message.
fn assert_poisoned(store: &Store, error: &Error) {
    assert!(error.message().contains("the device failed to write"), "{error}");
    let later = [
        store.append(&[WalEntry::End { now: 0, object: 0 }]).unwrap_err(),
        store.sync_to(store.end()).unwrap_err(),
        store.put_block(b"block").unwrap_err(),
        publish(store, u64::MAX, store.end(), &[], b"{}").unwrap_err(),
    ];
    for later in later {
        assert_eq!(&later, error);
    }
}

fn body(checkpoint: &Checkpoint) -> Vec<u8> {
    format!("{{\"records\":{},\n\"body\":[]}}", checkpoint.records).into_bytes()
}

fn read(store: &Store, from: Option<LogPosition>) -> Result<Vec<WalEntry>, Error> {
    let mut last = from;
    let record = |next: Result<(LogPosition, WalEntry), Error>| {
        let (position, record) = next?;
        assert!(last < Some(position), "positions grow");
        last = Some(position);
        Ok(record)
    };
    store.read_log(from)?.map(record).collect()
}

#[test]
fn nothing_acknowledged_is_lost_whatever_the_disk_does() {
    for seed in seeds(1_000) {
        let run = std::panic::catch_unwind(|| {
            let mut model = Model::new(seed);
            for _ in 0..5 {
                let store = model.reopen();
                model.live(&store);
                drop(store);
                model.disk.limit_bytes(None);
                model.disk.crash();
            }
            model.reopen();
        });
        if let Err(panic) = run {
            eprintln!("LAMINAR_SIMULATION_SEED={seed} repeats it");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Bits are flipped in a store that was closed: each is found and told with its file, and what is read is what was written.
#[test]
fn a_flipped_bit_anywhere_is_found_and_named() {
    for seed in seeds(300) {
        let mut model = Model::new(seed);
        let store = model.try_open().unwrap().store;
        for _ in 0..model.random.random_range(1..25) {
            model.act(&store).unwrap();
        }
        drop(store);
        let files: Vec<_> = model.disk.files().into_iter().filter(|file| !file.ends_with("LOCK")).collect();
        let file = files[model.random.random_range(0..files.len())].clone();
        let bytes = laminar_storage::disk::Disk::read(&model.disk, &file).unwrap().len();
        model.disk.limit_bytes(None);
        model.disk.flip_bit(&file, model.random.random_range(0..bytes * 8)).unwrap();
        assert_found(&mut model, &file, seed);
    }
}

fn assert_found(model: &mut Model, file: &Path, seed: u64) {
    let named = |text: &str| text.contains(&*file.to_string_lossy());
    match check_on(Arc::new(model.disk.clone()), Path::new(PATH)) {
        Err(error) => assert!(named(error.message()), "seed {seed}: {error}"),
        Ok(report) => {
            // What a full disk kept from being named is not looked into.
            let left = |verdict: &Verdict| matches!(verdict, Verdict::LeftOver { .. });
            let is_left = report.files.iter().any(|known| known.path == file && left(&known.verdict));
            let is_told = report.damaged().any(|known| known.path == file);
            // Without its only checkpoint the log lacks its beginning; nothing else is told.
            let others = report.damaged().filter(|known| known.path != file).all(|known| known.bytes == 0);
            assert!((is_left || is_told) && others, "seed {seed}: {} is damaged\n{report}", file.display());
        }
    }
    let opened = match model.try_open() {
        Err(error) => return assert!(named(&error.to_string()), "seed {seed}: {error}"),
        Ok(opened) => opened,
    };
    let epoch = opened.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.epoch);
    if epoch != model.published {
        assert!(opened.warnings.iter().any(|warning| named(warning)), "seed {seed}: {:?}", opened.warnings);
    }
    let start = model.checkpoints.get(&epoch).map_or(0, |known| known.records);
    match read(&opened.store, opened.checkpoint.as_ref().map(|checkpoint| checkpoint.log)) {
        Ok(found) => assert_eq!(found, model.records[start..], "seed {seed}"),
        Err(error) => assert!(named(error.message()), "seed {seed}: {error}"),
    }
    for (id, bytes) in model.checkpoints.get(&epoch).iter().flat_map(|known| &known.blocks) {
        match opened.store.get_block(*id) {
            Ok(found) => assert_eq!(found.as_slice(), bytes.as_slice(), "seed {seed}"),
            Err(error) => assert!(named(error.message()), "seed {seed}: {error}"),
        }
    }
}
