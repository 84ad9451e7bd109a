//! The log under truncation at every length, flipped bits, segments and restarts.

use std::fs;
use std::path::{Path, PathBuf};

use laminar_core::ChangeBatch;
use laminar_storage::log::{
    EncodedRows, LogPosition, RepairReport, Wal, WalEntry, WalError, WalOptions, WalReadResult, WalReader, repair,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::rows::{batch, changes};

const ONE_SEGMENT: WalOptions = WalOptions::STANDARD;

fn records(count: u64) -> Vec<WalEntry> {
    records_of(count, changes)
}

/// Records of a few hundred bytes, for tests that look at every byte.
fn small_records(count: u64) -> Vec<WalEntry> {
    records_of(count, |seed, rows| ChangeBatch::append(batch(seed, rows).project(&[0]).unwrap()))
}

fn records_of(count: u64, changes: impl Fn(u64, usize) -> ChangeBatch) -> Vec<WalEntry> {
    let record = |number: u64| {
        let now = number as i64 * 1000;
        match number % 5 {
            1 => WalEntry::Statement { now, text: format!("CREATE TABLE t{number} (n BIGINT)"), context: "{}".into() },
            3 => WalEntry::End { now, object: number },
            4 => WalEntry::Commit { now, object: number, watermark: now - 1 },
            _ => {
                let rows = EncodedRows::of(&changes(number, 1 + number as usize % 4)).unwrap();
                WalEntry::Rows { now, object: number, rows, position: vec![1; number as usize % 3] }
            }
        }
    };
    (0..count).map(record).collect()
}

/// Writes the records one by one; returns where each begins (or the one before ends), and the end.
fn write(directory: &Path, options: WalOptions, records: &[WalEntry]) -> Vec<LogPosition> {
    let wal = Wal::open(directory, options).unwrap();
    let start = wal.end();
    let ends = records.iter().map(|record| wal.append(std::slice::from_ref(record)).unwrap());
    let positions: Vec<LogPosition> = [start].into_iter().chain(ends).collect();
    wal.sync().unwrap();
    assert_eq!(wal.synced(), wal.end());
    positions
}

/// The records that can be read, and the error that ends them.
fn read(directory: &Path) -> (Vec<WalEntry>, Option<WalError>) {
    let mut records = Vec::new();
    let reader = match WalReader::open(directory) {
        Ok(reader) => reader,
        Err(error) => return (records, Some(error)),
    };
    for record in reader {
        match record {
            Ok(record) => records.push(record),
            Err(error) => return (records, Some(error)),
        }
    }
    (records, None)
}

fn segment_file(directory: &Path, segment: u32) -> PathBuf {
    directory.join(format!("wal-{segment:010}.log"))
}

#[test]
fn what_was_appended_is_read_again_across_restarts_and_segments() {
    for segment_bytes_max in [1, 5000, 1 << 30] {
        let directory = tempfile::tempdir().unwrap();
        let all = records(40);
        for part in all.chunks(7) {
            write(directory.path(), WalOptions { segment_bytes_max }, part);
        }
        let (found, error) = read(directory.path());
        assert!(error.is_none(), "{error:?}");
        assert_eq!(&found, &all);
        let segments = fs::read_dir(directory.path()).unwrap().count();
        let expected = match segment_bytes_max {
            1 => 40..41,
            5000 => 3..30,
            _ => 1..2,
        };
        assert!(expected.contains(&segments), "{segments} segments of {segment_bytes_max} bytes");
    }
}

#[test]
fn every_truncation_is_told_and_repaired_without_losing_a_whole_record() {
    let directory = tempfile::tempdir().unwrap();
    let all = small_records(4);
    let positions = write(directory.path(), ONE_SEGMENT, &all);
    let file = segment_file(directory.path(), 1);
    let whole = fs::read(&file).unwrap();
    for length in 0..=whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        let kept = positions[1..].iter().filter(|end| end.offset <= length as u64).count();
        let at_border = positions.iter().any(|position| position.offset == length as u64);
        let (found, error) = read(directory.path());
        assert_eq!(&found, &all[..kept]);
        match error {
            None => assert!(at_border, "the cut at {length} was not noticed"),
            Some(WalError::TornWrite { .. }) => assert!(!at_border),
            Some(other) => panic!("cut at {length}: {other}"),
        }
        assert_eq!(Wal::open(directory.path(), ONE_SEGMENT).is_ok(), at_border, "a torn log is not opened for writing");
        let report = repair(directory.path()).unwrap();
        assert_eq!((report.records, report.reason.is_none()), (kept as u64, at_border));
        let again = write(directory.path(), ONE_SEGMENT, &all[kept..]);
        assert_eq!(again.last(), positions.last());
        assert_eq!(read(directory.path()).0, all, "after a repair at {length} the log goes on as if nothing had happened");
        fs::remove_file(&file).unwrap();
    }
}

/// A bit of every byte is flipped, and found; repairing then either refuses or loses at most the last record, which it reports.
#[test]
fn a_flipped_bit_is_found_wherever_it_is_and_never_costs_a_whole_record() {
    let directory = tempfile::tempdir().unwrap();
    let all = small_records(4);
    write(directory.path(), ONE_SEGMENT, &all);
    let file = segment_file(directory.path(), 1);
    let whole = fs::read(&file).unwrap();
    let mut random = StdRng::seed_from_u64(5);
    for byte in 0..whole.len() {
        let bit = byte * 8 + random.random_range(0..8);
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, &bytes).unwrap();
        let (found, error) = read(directory.path());
        assert!(error.is_some(), "bit {bit} was not found");
        assert_eq!(&found, &all[..found.len()]);
        match repair(directory.path()) {
            Ok(report) => {
                assert!(report.reason.is_some() && report.records == 3, "bit {bit}: {report:?}");
                assert_eq!(&read(directory.path()).0, &all[..3]);
            }
            Err(_) => assert_eq!(fs::read(&file).unwrap(), bytes, "a refused repair changes nothing"),
        }
    }
}

#[test]
fn random_damage_to_random_logs_is_found() {
    let mut random = StdRng::seed_from_u64(11);
    let runs = std::env::var("LAMINAR_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200);
    for _ in 0..runs {
        let directory = tempfile::tempdir().unwrap();
        let all = records(random.random_range(1..12));
        write(directory.path(), WalOptions { segment_bytes_max: random.random_range(1..6000) }, &all);
        let segments = fs::read_dir(directory.path()).unwrap().count() as u32;
        let file = segment_file(directory.path(), random.random_range(1..=segments));
        let mut bytes = fs::read(&file).unwrap();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= random.random_range(1..=255_u8);
        }
        let changed = bytes != fs::read(&file).unwrap();
        fs::write(&file, &bytes).unwrap();
        let (found, error) = read(directory.path());
        assert_eq!(error.is_some(), changed);
        assert_eq!(&found, &all[..found.len()]);
    }
}

#[test]
fn damage_before_whole_records_is_not_cut_away() {
    let directory = tempfile::tempdir().unwrap();
    let positions = write(directory.path(), ONE_SEGMENT, &records(5));
    let file = segment_file(directory.path(), 1);
    let mut bytes = fs::read(&file).unwrap();
    bytes[positions[1].offset as usize + 30] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let error = repair(directory.path()).unwrap_err();
    assert!(matches!(&error, WalError::ChecksumMismatch { position, .. } if *position == positions[1]), "{error}");
    let error = laminar_core::Error::from(error);
    assert!(error.hint().unwrap().contains("restore"), "{error}");
}

#[test]
fn a_torn_segment_that_is_not_the_last_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), WalOptions { segment_bytes_max: 1 }, &records(3));
    let file = segment_file(directory.path(), 2);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(read(directory.path()), (found, Some(WalError::ChecksumMismatch { .. })) if found.len() == 1));
    assert!(repair(directory.path()).is_err());
    fs::remove_file(&file).unwrap();
    assert!(matches!(read(directory.path()).1, Some(WalError::Unusable { .. })), "a missing segment is noticed");
}

#[test]
fn a_reader_can_start_at_a_record_and_the_front_can_be_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let options = WalOptions { segment_bytes_max: 3000 };
    let all = records(20);
    let positions = write(directory.path(), options, &all);
    for (index, position) in positions.iter().enumerate() {
        let found: Vec<WalEntry> = WalReader::open_at(directory.path(), *position).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(&found, &all[index..]);
    }
    let keep = positions[12];
    Wal::open(directory.path(), options).unwrap().forget_before(keep).unwrap();
    let (found, error) = read(directory.path());
    assert!(error.is_none() && found.len() >= 8 && found.len() < 20, "{} {error:?}", found.len());
    assert_eq!(&found, &all[20 - found.len()..]);
    assert!(matches!(WalReader::open_at(directory.path(), positions[0]), Err(WalError::Unusable { .. })));
}

#[test]
fn reading_tells_the_end_from_a_torn_write_as_values() {
    let directory = tempfile::tempdir().unwrap();
    let end = *write(directory.path(), ONE_SEGMENT, &records(2)).last().unwrap();
    let mut reader = WalReader::open(directory.path()).unwrap();
    assert!(matches!(reader.read_next(), Ok(WalReadResult::Entry(_))));
    assert!(matches!(reader.read_next(), Ok(WalReadResult::Entry(_))));
    assert!(matches!(reader.read_next(), Ok(WalReadResult::End)));
    let file = segment_file(directory.path(), 1);
    let mut bytes = fs::read(&file).unwrap();
    bytes.extend_from_slice(&[0; 100]);
    fs::write(&file, bytes).unwrap();
    let mut reader = WalReader::open(directory.path()).unwrap();
    (0..2).for_each(|_| drop(reader.read_next().unwrap()));
    assert!(matches!(reader.read_next(), Ok(WalReadResult::TornWrite { position, .. }) if position == end));
    let report = repair(directory.path()).unwrap();
    assert_eq!(report, RepairReport { records: 2, end, bytes_cut: 100, reason: Some("100 zero bytes".into()) });
}

#[test]
fn records_of_one_write_are_read_together_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let all = small_records(7);
    let wal = Wal::open(directory.path(), ONE_SEGMENT).unwrap();
    let first = wal.append(&all[..2]).unwrap();
    let second = wal.append(&all[2..]).unwrap();
    drop(wal);
    let file = segment_file(directory.path(), 1);
    let whole = fs::read(&file).unwrap();
    assert_eq!(read(directory.path()).0, all);
    for length in first.offset..second.offset {
        fs::write(&file, &whole[..length as usize]).unwrap();
        let (found, error) = read(directory.path());
        assert_eq!(found, all[..2], "cut at {length}");
        match error {
            None => assert_eq!(length, first.offset),
            Some(WalError::TornWrite { position, .. }) => assert_eq!(position, first, "cut at {length}"),
            Some(other) => panic!("cut at {length}: {other}"),
        }
        assert_eq!(repair(directory.path()).unwrap().end, first);
        assert_eq!(fs::read(&file).unwrap(), whole[..first.offset as usize]);
    }
}
