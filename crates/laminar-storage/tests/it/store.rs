//! A store in a directory: what is kept, who may open it, what is refused, and what it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::publish;

use laminar_core::{Code, Error};
use laminar_storage::disk::{Disk, IoUringDisk, RealDisk, SimulatedDisk};
use laminar_storage::store::{Verdict, check};
use laminar_storage::{BlockId, LogPosition, Opened, Store, StoreOptions, WalEntry};

/// The machine's disk: which one, the name that the module is included under decides. A system that refuses rings has one only.
fn disk() -> Arc<dyn Disk> {
    let rings = if module_path!().ends_with("with_rings") { IoUringDisk::new().ok() } else { None };
    rings.map_or_else(|| Arc::new(RealDisk) as Arc<dyn Disk>, |disk| Arc::new(disk))
}

fn open(path: &Path) -> Result<Opened, Error> {
    Store::open(path, disk(), StoreOptions::STANDARD)
}

fn end(object: u64) -> WalEntry {
    WalEntry::End { now: 5, object }
}

fn log(store: &Store, from: Option<LogPosition>) -> Vec<WalEntry> {
    store.read_log(from).unwrap().map(|record| record.unwrap().1).collect()
}

/// Appends a record and publishes a checkpoint after it, with one block of its own and one that all have.
fn checkpoint(store: &Store, epoch: u64) -> BlockId {
    let own = store.put_block(format!("block of {epoch}").as_bytes()).unwrap();
    let shared = store.put_block(b"block of all").unwrap();
    let position = store.append(&[end(epoch)]).unwrap();
    publish(store, epoch, position, &[own, shared], format!("{{\"epoch\":{epoch}}}").as_bytes()).unwrap();
    own
}

fn files(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(path.join(&directory)).unwrap() {
            let name = directory.join(entry.unwrap().file_name());
            if path.join(&name).is_dir() { directories.push(name) } else { found.push(name.display().to_string()) }
        }
    }
    found.sort();
    found
}

#[test]
fn what_was_appended_and_published_is_there_when_the_directory_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/directory");
    let opened = open(&path).unwrap();
    assert_eq!((opened.checkpoint, opened.warnings.len()), (None, 0));
    let store = opened.store;
    assert_eq!((store.synced(), store.checkpoints().kept()), (store.end(), vec![]));
    let statement = WalEntry::Statement { now: 1, text: "CREATE TABLE t (n INT)".into(), context: "{}".into() };
    let first = store.append(&[statement.clone(), end(1)]).unwrap();
    let block = store.put_block(&[7; 1000]).unwrap();
    assert_eq!(block, store.put_block(&[7; 1000]).unwrap());
    publish(&store, 17, first, &[block], b"{\"says\": \"the database\"}").unwrap();
    let last = store.append(&[end(2)]).unwrap();
    store.sync_to(last).unwrap();
    drop(store);

    let Opened { store, checkpoint, warnings } = open(&path).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    let checkpoint = checkpoint.unwrap();
    assert_eq!((checkpoint.epoch, checkpoint.log, &checkpoint.body[..]), (17, first, &b"{\"says\": \"the database\"}"[..]));
    assert_eq!(store.get_block(block).unwrap().as_slice(), [7; 1000]);
    assert_eq!(log(&store, Some(checkpoint.log)), [end(2)]);
    assert_eq!(log(&store, None), [statement, end(1), end(2)], "one checkpoint alone replaces nothing");
    let kept = store.checkpoints().kept();
    assert_eq!((kept[0].epoch, kept[0].blocks, kept[0].log, kept[0].bytes > 1016), (17, 1, first, true));
    assert!(check(&path).unwrap().is_whole());
}

#[test]
fn a_log_that_was_cut_off_between_two_records_before_its_checkpoint_is_damaged_and_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let store = open(&path).unwrap().store;
    let first = store.append(&[end(1)]).unwrap();
    let last = store.append(&[end(2)]).unwrap();
    store.sync_to(last).unwrap();
    publish(&store, 1, last, &[], b"{}").unwrap();
    drop(store);
    assert!(check(&path).unwrap().is_whole());

    let segment = files(&path).into_iter().find(|file| file.starts_with("wal/")).unwrap();
    fs::OpenOptions::new().write(true).open(path.join(segment)).unwrap().set_len(first.offset).unwrap();
    let report = check(&path).unwrap();
    let damaged: Vec<_> = report.damaged().map(|file| file.verdict.clone()).collect();
    let [Verdict::Damaged { offset, reason, .. }] = damaged.as_slice() else { panic!("{report}") };
    assert_eq!(*offset, first.offset, "{report}");
    assert!(reason.ends_with(&format!("the newest checkpoint follows at byte {}", last.offset)), "{report}");
    let error = open(&path).unwrap_err();
    assert_eq!(error.code(), Code::BadData, "{error}");
    assert!(error.message().contains("wal-0000000001.log' cannot be used at byte"), "{error}");
}

#[test]
fn a_directory_is_open_once_and_the_error_says_where() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path()).unwrap();
    let clone = first.store.clone();
    drop(first);
    let error = open(directory.path()).unwrap_err();
    assert_eq!(error.code(), Code::ObjectInUse);
    let holder = format!("is open already: it is held by process {} on ", std::process::id());
    assert!(error.message().contains(&holder), "{error}");
    drop(clone);
    open(directory.path()).unwrap();
}

#[test]
fn directories_of_another_kind_or_of_a_newer_format_are_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(path.join("a.csv"), "1").unwrap();
    let error = open(path).unwrap_err();
    assert_eq!(error.code(), Code::InvalidOption);
    assert!(error.message().ends_with("is not the directory of a database: it holds 'a.csv' and no file FORMAT"), "{error}");
    assert_eq!(files(path), ["a.csv"]);
    let error = open(&path.join("a.csv")).unwrap_err();
    assert_eq!(error.code(), Code::Io, "{error}");

    let path = &path.join("db");
    open(path).unwrap();
    fs::write(path.join("FORMAT"), "LaminarDB database, format 2\n").unwrap();
    let error = open(path).unwrap_err();
    assert_eq!(error.code(), Code::NotSupported);
    assert!(error.message().ends_with("is a database of format 2; this build reads up to 1"), "{error}");
    fs::write(path.join("FORMAT"), "LaminarDB database, format 02\n").unwrap();
    assert_eq!(open(path).unwrap_err().code(), Code::BadData);
    fs::write(path.join("FORMAT"), "LaminarDB database, format 1\n").unwrap();
    let store = open(path).unwrap().store;
    store.append(&[end(1)]).unwrap();
    drop(store);
    fs::remove_file(path.join("FORMAT")).unwrap();
    let error = open(path).unwrap_err();
    assert!(error.message().ends_with("FORMAT' is missing, although the directory holds a database"), "{error}");
    let options = StoreOptions { retained_checkpoints: 0, ..StoreOptions::STANDARD };
    assert_eq!(Store::open(path, disk(), options).unwrap_err().code(), Code::InvalidOption);
}

#[test]
fn old_checkpoints_go_with_their_blocks_and_their_part_of_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let options = StoreOptions { segment_bytes_max: 1, ..StoreOptions::STANDARD };
    let store = Store::open(path, disk(), options).unwrap().store;
    let blocks: Vec<BlockId> = (1..=4).map(|epoch| checkpoint(&store, epoch)).collect();
    let unnamed = store.put_block(b"of the next checkpoint").unwrap();
    let again = store.put_block(b"block of 3").unwrap();
    assert_eq!(store.checkpoints().kept().iter().map(|kept| kept.epoch).collect::<Vec<_>>(), [3, 4]);
    assert!(store.get_block(blocks[0]).is_err() && store.get_block(blocks[1]).is_err());
    let position = store.append(&[end(5)]).unwrap();
    publish(&store, 5, position, &[blocks[3]], b"{}").unwrap();
    publish(&store, 6, position, &[unnamed, again], b"{}").unwrap();
    assert_eq!(store.get_block(again).unwrap().as_slice(), b"block of 3", "it was put again before its last checkpoint went");
    let block = |id: BlockId| format!("blocks/{}/{id}", &id.to_string()[..2]);
    let mut expected = vec![
        "FORMAT".to_owned(),
        "LOCK".to_owned(),
        "checkpoints/0000000005/MANIFEST".to_owned(),
        "checkpoints/0000000006/MANIFEST".to_owned(),
        block(blocks[3]),
        block(unnamed),
        block(again),
        "wal/wal-0000000005.log".to_owned(),
    ];
    expected.sort();
    assert_eq!(files(path), expected);
    assert_eq!(log(&store, None), [end(5)], "what is there can be read");
    let error = store.read_log(Some(LogPosition { segment: 2, offset: 16 })).err().unwrap();
    assert!(error.message().contains("wal-0000000002.log' cannot be used"), "{error}");
}

#[test]
fn a_checkpoint_that_cannot_be_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap().store;
    checkpoint(&store, 4);
    let start = LogPosition { segment: 1, offset: 16 };
    let unknown = BlockId::of(b"never put");
    for (epoch, position, blocks, body, expected) in [
        (4, store.end(), vec![], "{}", "a checkpoint of epoch 4 after that of epoch 4"),
        (5, start, vec![], "{}", "a checkpoint at segment 1, byte 16 of the log after one at"),
        (5, store.end(), vec![unknown], "{}", "which was not put"),
        (5, store.end(), vec![], "{\"a\":}", "is not JSON"),
        (5, LogPosition { segment: 9, offset: 16 }, vec![], "{}", "the log ends before it"),
    ] {
        let error = publish(&store, epoch, position, &blocks, body.as_bytes()).unwrap_err();
        assert!(error.message().contains(expected), "{error}");
    }
    assert_eq!(store.checkpoints().kept().len(), 1);
    checkpoint(&store, 5);
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_is_taken_with_the_whole_log_after_it() {
    for (damage, reason) in [("manifest", "its checksum is not that of its text"), ("block", "is missing")] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let store = open(path).unwrap().store;
        checkpoint(&store, 1);
        let block = checkpoint(&store, 2);
        store.append(&[end(9)]).unwrap();
        drop(store);
        let manifest = path.join("checkpoints/0000000002/MANIFEST");
        if damage == "manifest" {
            let text = fs::read_to_string(&manifest).unwrap().replace("\"epoch\":2", "\"epoch\":3");
            fs::write(&manifest, text).unwrap();
        } else {
            fs::remove_file(path.join(format!("blocks/{}/{block}", &block.to_string()[..2]))).unwrap();
        }
        let opened = open(path).unwrap();
        let checkpoint_found = opened.checkpoint.unwrap();
        assert_eq!((checkpoint_found.epoch, &checkpoint_found.body[..]), (1, &b"{\"epoch\":1}"[..]));
        assert!(
            opened.warnings[0].contains(&*manifest.to_string_lossy()) && opened.warnings[0].contains(reason),
            "{:?}",
            opened.warnings
        );
        assert_eq!(opened.warnings[1], "the checkpoint of epoch 1 is used, with the log from there on");
        assert_eq!(log(&opened.store, Some(checkpoint_found.log)), [end(2), end(9)]);
        // The next one takes its place, and the directory is sound again.
        checkpoint(&opened.store, 2);
        drop(opened.store);
        let opened = open(path).unwrap();
        assert_eq!((opened.checkpoint.unwrap().epoch, opened.warnings.len()), (2, 0));
        assert!(check(path).unwrap().is_whole(), "{}", check(path).unwrap());
    }
}

#[test]
fn a_store_whose_only_way_back_is_gone_does_not_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let options = StoreOptions { segment_bytes_max: 1, ..StoreOptions::STANDARD };
    let store = Store::open(path, disk(), options).unwrap().store;
    for epoch in 1..=3 {
        checkpoint(&store, epoch);
    }
    drop(store);
    for epoch in [2, 3] {
        fs::write(path.join(format!("checkpoints/000000000{epoch}/MANIFEST")), "{}").unwrap();
    }
    let error = open(path).unwrap_err();
    assert_eq!((error.code(), error.hint()), (Code::BadData, Some("restore the directory from a copy")));
    assert!(error.message().contains("it is needed from segment 1, byte 16 on"), "{error}");
    assert!(error.detail().unwrap().contains("checkpoints/0000000003/MANIFEST' cannot be used: it is cut short"), "{error}");
}

#[test]
fn a_full_disk_fails_a_write_with_its_code_and_the_store_goes_on() {
    let disk = SimulatedDisk::new(1);
    let options = StoreOptions { segment_bytes_max: 300, ..StoreOptions::STANDARD };
    let store = Store::open("/db".as_ref(), Arc::new(disk.clone()), options).unwrap().store;
    let statement = |number| WalEntry::Statement { now: 0, text: format!("{number}").repeat(60), context: String::new() };
    let mut expected = Vec::new();
    for (number, room) in (0..50).enumerate() {
        let before = store.end();
        disk.limit_bytes(Some(disk.bytes() + room));
        let error = store.append(&[statement(number), end(1)]).unwrap_err();
        assert_eq!((error.code(), error.hint()), (Code::DiskFull, Some("make room on the disk, and do it again")));
        // There may have been room for the header of a new segment.
        assert!(store.end() == before || store.end() == LogPosition { segment: before.segment + 1, offset: 16 });
        assert_eq!(store.put_block(&[1; 100]).unwrap_err().code(), Code::DiskFull);
        assert_eq!(publish(&store, 1, before, &[], b"{}").unwrap_err().code(), Code::DiskFull);
        disk.limit_bytes(None);
        let position = store.append(&[statement(number)]).unwrap();
        store.sync_to(position).unwrap();
        expected.push(statement(number));
    }
    assert_eq!(log(&store, None), expected);
    let block = store.put_block(&[1; 100]).unwrap();
    publish(&store, 1, store.end(), &[block], b"{}").unwrap();
    drop(store);
    disk.crash();
    let opened = Store::open("/db".as_ref(), Arc::new(disk), options).unwrap();
    assert_eq!((opened.checkpoint.unwrap().epoch, log(&opened.store, None)), (1, expected));
}

#[test]
fn a_torn_end_is_cut_off_with_a_warning_and_a_damaged_last_record_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let store = open(path).unwrap().store;
    let first = store.append(&[end(1)]).unwrap();
    store.append(&[end(2)]).unwrap();
    drop(store);
    let file = path.join("wal/wal-0000000001.log");
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&file, &damaged).unwrap();
    let error = open(path).unwrap_err();
    assert!(error.message().contains(&format!("wal-0000000001.log' is damaged at byte {}", first.offset)), "{error}");
    assert!(error.hint().unwrap().contains(&format!("cut the file to {} bytes", first.offset)), "{error}");
    assert_eq!(fs::read(&file).unwrap(), damaged, "nothing is changed");

    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let report = check(path).unwrap();
    assert!(
        report.files.iter().any(|file| matches!(file.verdict, Verdict::TornEnd { offset, .. } if offset == first.offset)),
        "{report}"
    );
    let opened = open(path).unwrap();
    assert!(
        opened.warnings[0].contains("wal-0000000001.log' was not finished (24 of 25 bytes of a record): 32 bytes were cut off"),
        "{:?}",
        opened.warnings
    );
    assert_eq!(log(&opened.store, None), [end(1)]);
    assert_eq!(opened.store.end(), first);
}

#[test]
fn a_check_tells_of_every_file_what_it_is_and_what_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    assert_eq!(check(path).unwrap_err().code(), Code::UnknownObject);
    let store = open(path).unwrap().store;
    let block = checkpoint(&store, 1);
    store.put_block(b"left over").unwrap();
    store.append(&[end(2)]).unwrap();
    // Also while it is open.
    assert!(check(path).unwrap().is_whole());
    drop(store);
    let file = path.join(format!("blocks/{}/{block}", &block.to_string()[..2]));
    let mut bytes = fs::read(&file).unwrap();
    bytes[20] ^= 4;
    fs::write(&file, bytes).unwrap();
    fs::create_dir(path.join("checkpoints/0000000002")).unwrap();
    let report = check(path).unwrap();
    let text = report.to_string().replace(&*path.to_string_lossy(), "DIR");
    let lines: Vec<&str> = text.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert!(lines.contains(&"ok         DIR/FORMAT") && lines.contains(&"ok         DIR/wal/wal-0000000001.log"), "{text}");
    assert!(lines.contains(&"left over  DIR/checkpoints/0000000002"), "{text}");
    let damaged = format!(
        "DAMAGED    DIR/blocks/{}/{block}: a block of checkpoint 1, 26 bytes; at byte 16: its bytes have",
        &block.to_string()[..2]
    );
    assert!(text.contains(&damaged) && text.contains("lost: what this block holds, in checkpoint 1"), "{text}");
    assert_eq!(report.damaged().count(), 1);
}
