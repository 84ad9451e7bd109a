//! A copy of a store is whole, or it is no store: wherever the machine stops while it is made.

use std::path::Path;
use std::sync::Arc;

use crate::publish;

use laminar_storage::disk::SimulatedDisk;
use laminar_storage::store::{check_on, restore_on};
use laminar_storage::{Store, StoreOptions, WalEntry};

const OPTIONS: StoreOptions = StoreOptions { segment_bytes_max: 400, retained_checkpoints: 2 };
const FROM: &str = "/data/db";
const TO: &str = "/data/copy";

fn record(n: i64) -> WalEntry {
    WalEntry::Statement { now: n, text: format!("statement {n}"), context: "{}".to_owned() }
}

/// A store with a checkpoint in the middle of its log, and some of the log behind it.
fn store(disk: &SimulatedDisk) -> Store {
    let store = Store::open(Path::new(FROM), Arc::new(disk.clone()), OPTIONS).unwrap().store;
    for n in 0..30 {
        let end = store.append(&[record(n)]).unwrap();
        if n % 10 == 5 {
            let block = store.put_block(format!("what {n} makes").as_bytes()).unwrap();
            publish(&store, n as u64 + 1, end, &[block], b"{}").unwrap();
        }
    }
    store
}

/// What stands in the log of the store at `path` behind its checkpoint.
fn behind_the_checkpoint(disk: &SimulatedDisk, path: &str) -> Vec<WalEntry> {
    let opened = Store::open(Path::new(path), Arc::new(disk.clone()), OPTIONS).unwrap();
    assert!(opened.warnings.is_empty(), "{:?}", opened.warnings);
    let from = opened.checkpoint.map(|checkpoint| checkpoint.log);
    assert!(from.is_some(), "the checkpoint is in the copy");
    opened.store.read_log(from).unwrap().map(|record| record.unwrap().1).collect()
}

#[test]
fn a_copy_that_was_stopped_anywhere_is_whole_or_no_store() {
    let expected: Vec<WalEntry> = (26..30).map(record).collect();
    let (mut stopped, mut calls) = (0, 0);
    loop {
        let disk = SimulatedDisk::new(calls);
        let original = store(&disk);
        disk.stop_after(calls);
        let made = original.back_up(Path::new(TO));
        let was_stopped = disk.has_stopped();
        drop(original);
        disk.crash();
        match check_on(Arc::new(disk.clone()), Path::new(TO)) {
            Ok(report) if report.is_whole() => {
                assert_eq!(behind_the_checkpoint(&disk, TO), expected, "stopped after {calls} calls")
            }
            found => {
                assert!(was_stopped && made.is_err(), "stopped after {calls} calls: {found:?}");
                stopped += 1;
            }
        }
        if !was_stopped {
            break;
        }
        calls += 1;
    }
    assert!(stopped > 10, "{stopped} copies were stopped of {calls}");
}

#[test]
fn a_copy_of_a_copy_holds_the_same() {
    let disk = SimulatedDisk::new(1);
    let original = store(&disk);
    original.back_up(Path::new(TO)).unwrap();
    original.append(&[record(99)]).unwrap();
    let copied = restore_on(Arc::new(disk.clone()), Path::new(TO), Path::new("/data/again")).unwrap();
    assert_eq!(copied.epoch, Some(26));
    assert_eq!(behind_the_checkpoint(&disk, TO), behind_the_checkpoint(&disk, "/data/again"));
}
