//! What holds for any bytes on disk: reading them never panics, and what can be read comes back as it was.
//!
//! The fuzz targets of `fuzz/` run these functions over whatever they come upon, the tests below over random bytes of fixed seeds.

use std::path::Path;
use std::sync::Arc;

use laminar_core::ChangeBatch;
use laminar_core::state::StateImage;
use laminar_storage::encoding::{decode_changes, decode_image, encode_changes, encode_image};
use laminar_storage::log::{EncodedRows, WalReadResult, WalReader, repair};

/// Reads the bytes as changes and as a state image; then rows made of them, written down and damaged in one byte.
///
/// Behind a checksum that is right Arrow's reader trusts the schema, so wrong bytes with a right checksum are not tried.
pub(crate) fn encoding(bytes: &[u8]) {
    decode(bytes);
    let [low, high, change, rest @ ..] = bytes else { return };
    let changes = rows(rest);
    let mut image = StateImage::default();
    image.push("rows", changes.rows().clone());
    for written in [encode_changes(&changes), encode_image(&image)] {
        let mut written = written.expect("rows can be written");
        let place = usize::from(u16::from_le_bytes([*low, *high])) % written.len();
        written[place] ^= change;
        assert_eq!(decode(&written), *change == 0, "byte {place} is damaged by {change:#x}");
    }
}

/// Whether the bytes are one or the other; what can be read can be written and read again.
fn decode(bytes: &[u8]) -> bool {
    let (changes, image) = (decode_changes(bytes), decode_image(&bytes.into()));
    if let Ok(changes) = &changes {
        let again = decode_changes(&encode_changes(changes).expect("what was read can be written")).expect("and read again");
        assert_eq!((again.rows(), again.weights()), (changes.rows(), changes.weights()));
    }
    if let Ok(image) = &image {
        let again = decode_image(&encode_image(image).expect("what was read can be written").into()).expect("and read again");
        assert_eq!(again.tables.len(), image.tables.len());
    }
    changes.is_ok() || image.is_ok()
}

/// One column of the bytes, with weights.
fn rows(bytes: &[u8]) -> ChangeBatch {
    let column = arrow_array::UInt8Array::from(bytes.to_vec());
    let rows = arrow_array::RecordBatch::try_from_iter([("n", Arc::new(column) as arrow_array::ArrayRef)]).expect("one column");
    ChangeBatch::new(rows, bytes.iter().map(|byte| i64::from(*byte) - 128).collect::<Vec<_>>())
}

/// Reads a log made of the bytes, repairs it and reads it again: then everything whole is there and nothing else.
pub(crate) fn log(bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("a directory for temporary files");
    write_segments(directory.path(), bytes);
    let before = records(directory.path());
    let Ok(report) = repair(directory.path()) else { return };
    assert_eq!(records(directory.path()), Some(report.records), "a repaired log is read to its end");
    if let Some(before) = before {
        assert_eq!((report.records, report.reason.is_none()), (before, true), "a whole log is left alone");
    }
    let again = repair(directory.path()).expect("a repaired log can be repaired");
    assert_eq!((again.records, again.bytes_cut), (report.records, 0));
}

/// The number of records, if the log ends between two.
fn records(directory: &Path) -> Option<u64> {
    let mut reader = WalReader::open(directory).ok()?;
    let mut records = 0;
    loop {
        match reader.read_next().ok()? {
            WalReadResult::Entry(_) => records += 1,
            WalReadResult::End => return Some(records),
            WalReadResult::TornWrite { .. } | WalReadResult::ChecksumMismatch { .. } => return None,
        }
    }
}

/// Takes the bytes as orders: what comes next, how many bytes of it, and these.
fn write_segments(directory: &Path, mut bytes: &[u8]) {
    let mut segments = vec![segment_header(1)];
    while let [order, length, rest @ ..] = bytes {
        let (piece, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        bytes = rest;
        let number = segments.len() as u32;
        let last = segments.last_mut().expect("the first segment");
        match order % 8 {
            // Any bytes.
            0 => last.extend_from_slice(piece),
            // A record with the right checksum and any payload, with and without the mark of records.
            1 => put(number, last, piece),
            2 => put(number, last, &[b"LWE1\0\0\0\0", piece].concat()),
            // A record: rows of an object.
            3 => put(number, last, &rows_record(piece)),
            // A record: the end of an object, alone or with what comes next.
            4 if length % 2 == 0 => put(number, last, &[b"LWE1\0\0\0\0\x03", &[0; 16][..]].concat()),
            4 => put(number, last, &[b"LWE1\xff\0\0\0\x83", &[0; 16][..]].concat()),
            // Damage.
            5 => {
                let place = piece.first().map_or(0, |place| usize::from(*place)) % last.len().max(1);
                if let Some(byte) = last.get_mut(place) {
                    *byte ^= piece.get(1).copied().unwrap_or(1);
                }
            }
            6 => last.truncate(last.len().saturating_sub(piece.len())),
            _ => segments.push(segment_header(number + 1)),
        }
    }
    for (index, segment) in segments.iter().enumerate() {
        std::fs::write(directory.join(format!("wal-{:010}.log", index + 1)), segment).expect("the file can be written");
    }
}

fn segment_header(number: u32) -> Vec<u8> {
    let number = number.to_le_bytes();
    [b"LAMIWAL1", &crc32c::crc32c(&number).to_le_bytes()[..], &number].concat()
}

/// Appends a record that is right for its place.
fn put(segment: u32, bytes: &mut Vec<u8>, payload: &[u8]) {
    let place = crc32c::crc32c_append(crc32c::crc32c(&segment.to_le_bytes()), &(bytes.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c_append(place, payload).to_le_bytes());
    bytes.extend_from_slice(payload);
}

fn rows_record(bytes: &[u8]) -> Vec<u8> {
    let rows = EncodedRows::of(&rows(bytes)).expect("rows can be written");
    [b"LWE1\0\0\0\0\x02", &[0; 16][..], &0_u32.to_le_bytes(), rows.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    fn rounds(usual: u64) -> u64 {
        std::env::var("LAMINAR_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usual)
    }

    #[test]
    fn any_bytes_are_read_as_changes_and_images_without_a_panic() {
        for seed in 0..rounds(3_000) {
            let mut random = StdRng::seed_from_u64(seed);
            // Half of the damage is in the header and what follows it.
            let high = if random.random() { 0 } else { random.random_range(0..4) };
            let mut bytes = vec![random.random(), high, random.random::<u8>() & random.random::<u8>()];
            bytes.extend((0..random.random_range(0..20)).map(|_| random.random::<u8>()));
            super::encoding(&bytes);
        }
    }

    #[test]
    fn any_log_can_be_read_and_what_can_be_repaired_is_whole_afterwards() {
        for seed in 0..rounds(1_000) {
            let mut random = StdRng::seed_from_u64(seed);
            let mut bytes = Vec::new();
            for _ in 0..random.random_range(0..12) {
                let length: u8 = random.random_range(0..40);
                bytes.extend_from_slice(&[random.random(), length]);
                bytes.extend((0..length).map(|_| random.random::<u8>() & random.random::<u8>()));
            }
            super::log(&bytes);
        }
    }
}
