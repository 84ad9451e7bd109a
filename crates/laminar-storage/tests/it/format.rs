//! The bytes of format 1: as `docs/03-files-on-disk.md` shows them, and as the first build wrote them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::publish;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use laminar_core::ChangeBatch;
use laminar_storage::disk::{Disk, RealDisk, SimulatedDisk};
use laminar_storage::pipeline_checkpoint::PipelineCheckpoint;
use laminar_storage::store::check;
use laminar_storage::{BlockId, EncodedRows, Store, StoreOptions, WalEntry};

const BLOCK: &[u8] = b"what an operator keeps";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn rows() -> ChangeBatch {
    let columns: [(&str, ArrayRef); 2] =
        [("n", Arc::new(Int64Array::from(vec![Some(1), None]))), ("s", Arc::new(StringArray::from(vec!["a", "bc"])))];
    ChangeBatch::new(
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap(),
        vec![1, -1],
    )
}

fn records() -> [WalEntry; 3] {
    let text = "CREATE TABLE t (n BIGINT, s VARCHAR)".to_owned();
    [
        WalEntry::Statement { now: 1_700_000_000_000_000_000, text, context: "{}".into() },
        WalEntry::Rows {
            now: 1_700_000_001_000_000_000,
            object: 1,
            rows: EncodedRows::of(&rows()).unwrap(),
            position: vec![1, 42],
        },
        WalEntry::End { now: 1_700_000_002_000_000_000, object: 1 },
    ]
}

/// A small store: a statement and rows, a checkpoint with one block, and an end after it.
fn example() -> SimulatedDisk {
    let disk = SimulatedDisk::new(0);
    let store = Store::open("/db".as_ref(), Arc::new(disk.clone()), StoreOptions::STANDARD).unwrap().store;
    let [statement, rows, end] = records();
    let position = store.append(&[statement, rows]).unwrap();
    let block = store.put_block(BLOCK).unwrap();
    publish(&store, 17, position, &[block], b"{\"objects\": [\"t\"]}").unwrap();
    let position = store.append(&[end]).unwrap();
    store.sync_to(position).unwrap();
    disk
}

fn dump(disk: &SimulatedDisk) -> String {
    let mut text = String::new();
    for path in disk.files().iter().filter(|path| !path.ends_with("LOCK")) {
        let bytes = disk.read(path).unwrap();
        let shown = path.strip_prefix("/db").unwrap().display();
        writeln!(text, "{shown}, {} bytes", bytes.len()).unwrap();
        if path.extension().is_none() && std::str::from_utf8(&bytes).is_ok_and(|text| !text.contains('\0')) {
            text.extend(String::from_utf8(bytes).unwrap().lines().map(|line| format!("  {line}\n")));
            continue;
        }
        for (index, line) in bytes.chunks(16).enumerate() {
            let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            let shown: String = line.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect();
            writeln!(text, "  {:04x}  {:<47}  {shown}", index * 16, hex.join(" ")).unwrap();
        }
    }
    text
}

#[test]
fn the_page_about_files_shows_what_is_written() {
    let page = root().join("../../docs/03-files-on-disk.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once("<!-- dump of a small store -->\n```text\n").expect("the page has a dump");
    let (shown, after) = rest.split_once("```\n").expect("the dump ends");
    let found = dump(&example());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        write_fixture(&example());
        fs::write(&page, format!("{before}<!-- dump of a small store -->\n```text\n{found}```\n{after}")).unwrap();
    } else {
        assert_eq!(shown, found, "UPDATE_EXPECT=1 renews the page; files of the format that it showed must be read for ever");
    }
}

/// Written by the first build of format 1; every later build must read it.
#[test]
fn a_directory_of_format_1_is_read() {
    let directory = tempfile::tempdir().unwrap();
    copy(&root().join("tests/it/fixtures/store_v1"), directory.path());
    assert!(check(directory.path()).unwrap().is_whole());
    let opened = Store::open(directory.path(), Arc::new(RealDisk), StoreOptions::STANDARD).unwrap();
    assert_eq!(opened.warnings, Vec::<String>::new());
    let checkpoint = opened.checkpoint.unwrap();
    assert_eq!((checkpoint.epoch, &checkpoint.body[..]), (17, &b"{\"objects\": [\"t\"]}"[..]));
    let store = opened.store;
    assert_eq!(store.get_block(BlockId::of(BLOCK)).unwrap().as_slice(), BLOCK);
    let all: Vec<WalEntry> = store.read_log(None).unwrap().map(|record| record.unwrap().1).collect();
    let after: Vec<WalEntry> = store.read_log(Some(checkpoint.log)).unwrap().map(|record| record.unwrap().1).collect();
    let [statement, _, end] = records();
    assert_eq!((&all[0], &all[2], &after), (&statement, &end, &vec![end.clone()]));
    let WalEntry::Rows { object: 1, rows: found, position, .. } = &all[1] else { panic!("{:?}", all[1]) };
    let found = found.decode(&rows().schema()).unwrap();
    assert_eq!((found.rows(), found.weights(), &position[..]), (rows().rows(), rows().weights(), &[1, 42][..]));
    // It goes on in the same directory.
    let position = store.append(&[end]).unwrap();
    publish(&store, 18, position, &[BlockId::of(BLOCK)], b"{}").unwrap();
}

/// Once for a format: what was written then is never written again.
fn write_fixture(disk: &SimulatedDisk) {
    let fixture = root().join("tests/it/fixtures/store_v1");
    if fixture.exists() {
        return;
    }
    for path in disk.files().iter().filter(|path| !path.ends_with("LOCK")) {
        let to = fixture.join(path.strip_prefix("/db").unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, disk.read(path).unwrap()).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_watermark_and_the_lowest_one_of_a_checkpoint_are_written_as_they_were_first() {
    let disk = SimulatedDisk::new(0);
    let store = Store::open("/db".as_ref(), Arc::new(disk.clone()), StoreOptions::STANDARD).unwrap().store;
    let (now, watermark) = (1_700_000_000_000_000_000, 1_600_000_000_000_000_001);
    let end = store.append(&[WalEntry::Commit { now, object: 258, watermark }]).unwrap();
    let log = disk.read("/db/wal/wal-0000000001.log".as_ref()).unwrap();
    let payload = [&b"LWE1"[..], &[0; 4], &[4], &now.to_le_bytes(), &258_u64.to_le_bytes(), &watermark.to_le_bytes()].concat();
    // Magic, number and its checksum; length and checksum of the record.
    assert_eq!(log[24..], payload);
    let checkpoint = PipelineCheckpoint { epoch: 1, log: end, watermark: Some(watermark), body: b"{}".to_vec() };
    store.checkpoints().publish(&checkpoint, &[]).unwrap();
    let manifest = disk.read("/db/checkpoints/0000000001/MANIFEST".as_ref()).unwrap();
    assert!(String::from_utf8(manifest).unwrap().contains("\"watermark\":\"2020-09-13 12:26:40.000000001\","));
    drop(store);
    let opened = Store::open("/db".as_ref(), Arc::new(disk), StoreOptions::STANDARD).unwrap();
    assert_eq!((opened.checkpoint, opened.store.checkpoints().kept()[0].watermark), (Some(checkpoint), Some(watermark)));
}
