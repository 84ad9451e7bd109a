//! Decides what the bytes at a place of a segment are. Pure: bytes in, verdict out.
//!
//! A record's checksum begins with its place, so bytes are a record only where they were written: not in a payload that holds the
//! bytes of another log, and not after a write that went astray. It also tells how far the log was synced when it was written. A crash
//! can leave any part of what was not synced, also later sectors without earlier ones; so whole records after a broken one show that
//! it is damaged, not torn, only if one of them knows it as synced.

use std::ops::Range;

use super::LogPosition;
use super::entry::MARK;

/// Bytes before a payload: length and checksum.
pub(crate) const FRAME_BYTES: usize = 8;
/// Bytes that a payload may have. Also what a length must be below to be believed.
pub(super) const PAYLOAD_BYTES_MAX: usize = 1 << 30;
/// Where a payload tells how many bytes of the segment before it were not known to be synced when it was written.
pub(super) const UNSYNCED: Range<usize> = MARK.len()..MARK.len() + 4;
/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;
/// The polynomial of CRC-32C, its bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// What is at a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A whole record.
    Record {
        /// Its payload.
        payload: &'a [u8],
        /// Where the next one begins.
        next: usize,
    },
    /// The end of the segment.
    End,
    /// An incomplete record, and nothing after it.
    Torn(String),
    /// A record that is not what was written; `last` if no record follows.
    Damaged {
        /// What does not fit.
        reason: String,
        /// Whether nothing that is whole comes after it.
        last: bool,
    },
}

/// Completes the record that `bytes` holds: length, checksum, and how much of the log before it is not known to be synced.
pub(super) fn seal(bytes: &mut [u8], place: LogPosition, synced: LogPosition) {
    let synced = if synced.segment == place.segment { synced.offset } else { 0 };
    let unsynced = u32::try_from(place.offset.saturating_sub(synced)).unwrap_or(u32::MAX);
    let (head, payload) = bytes.split_at_mut(FRAME_BYTES);
    payload[UNSYNCED].copy_from_slice(&unsynced.to_le_bytes());
    head[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    head[4..].copy_from_slice(&checksum(place, payload).to_le_bytes());
}

/// CRC-32C of the place (segment `u32`, offset `u64`) and the payload.
fn checksum(place: LogPosition, payload: &[u8]) -> u32 {
    let place = crc32c::crc32c_append(crc32c::crc32c(&place.segment.to_le_bytes()), &place.offset.to_le_bytes());
    crc32c::crc32c_append(place, payload)
}

/// What is at `offset` of the bytes of a segment.
pub(super) fn frame_at(segment: u32, bytes: &[u8], offset: usize) -> Frame<'_> {
    let rest = &bytes[offset..];
    if rest.is_empty() {
        return Frame::End;
    }
    if rest.iter().all(|byte| *byte == 0) {
        // The file grew, but the bytes never came.
        return Frame::Torn(format!("{} zero bytes", rest.len()));
    }
    let Some((length, stored)) = head(rest) else {
        return Frame::Torn(format!("{} of {FRAME_BYTES} bytes of a record's head", rest.len()));
    };
    let place = LogPosition::new(segment, offset);
    match rest[FRAME_BYTES..].get(..length).filter(|_| length > 0) {
        Some(payload) if checksum(place, payload) == stored => Frame::Record { payload, next: offset + FRAME_BYTES + length },
        Some(payload) => {
            let reason = format!("checksum {stored:08x} is stored, {:08x} is right for the bytes", checksum(place, payload));
            wrong(place, rest, FRAME_BYTES + length, reason)
        }
        None => incomplete(place, rest, length),
    }
}

/// A record whose bytes, `bytes` of them, are there but not those that were written: is it a torn write?
fn wrong(place: LogPosition, rest: &[u8], bytes: usize, reason: String) -> Frame<'_> {
    let follows = follows(place, rest);
    let record = &rest[..bytes];
    // A sector of zeros but for the one bit that explains it is as well one that never came.
    let is_torn =
        || has_unwritten_sector(place, record) && wrong_bit(place, rest).is_none_or(|at| is_unwritten(place, record, at));
    if follows != Follows::Synced && is_torn() {
        return Frame::Torn(format!("sectors of zeros in a record; {reason}"));
    }
    Frame::Damaged { reason, last: follows == Follows::Nothing }
}

/// A record that is longer than what is left (or claims to be empty, which no record is): is it a torn write?
fn incomplete(place: LogPosition, rest: &[u8], length: usize) -> Frame<'_> {
    let is_possible = (1..=PAYLOAD_BYTES_MAX).contains(&length);
    let reason = if is_possible {
        format!("{} of {length} bytes of a record", rest.len() - FRAME_BYTES)
    } else {
        format!("no record has the length {length}")
    };
    match follows(place, rest) {
        // All of the record is there; only its length was changed.
        Follows::Nothing
            if (fits_to_the_end(place, rest) || wrong_bit(place, rest).is_some()) && !is_unwritten(place, rest, 0) =>
        {
            Frame::Damaged { reason, last: false }
        }
        Follows::Nothing if is_possible => Frame::Torn(reason),
        Follows::Unsynced(next) => wrong(place, rest, next, format!("{reason}, yet records follow")),
        Follows::Synced => Frame::Damaged { reason: format!("{reason}, yet records follow"), last: false },
        Follows::Nothing => wrong(place, rest, rest.len(), reason),
    }
}

/// Whether the checksum is right for all bytes up to the end, whatever the length says.
fn fits_to_the_end(place: LogPosition, rest: &[u8]) -> bool {
    let payload = &rest[FRAME_BYTES..];
    !payload.is_empty() && head(rest).is_some_and(|(_, stored)| checksum(place, payload) == stored)
}

/// Length and checksum at the start of `bytes`.
fn head(bytes: &[u8]) -> Option<(usize, u32)> {
    let number = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    Some((number(0)? as usize, number(4)?))
}

/// What comes after a record that is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follows {
    /// No whole record.
    Nothing,
    /// Whole records, of which none knows the broken one as synced: a crash can leave them. The first begins so many bytes after it.
    Unsynced(usize),
    /// A record that was written when the broken one was synced.
    Synced,
}

/// Looks for whole records after the one at `place`, where `rest` begins.
fn follows(place: LogPosition, rest: &[u8]) -> Follows {
    let mut found = Follows::Nothing;
    let marks = rest.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    for start in marks.filter_map(|(at, _)| at.checked_sub(FRAME_BYTES)).filter(|start| *start > 0) {
        let payload = head(&rest[start..])
            .and_then(|(length, stored)| rest[start + FRAME_BYTES..].get(..length).map(|payload| (payload, stored)));
        let at = LogPosition { offset: place.offset + start as u64, ..place };
        let Some((payload, _)) = payload.filter(|(payload, stored)| checksum(at, payload) == *stored) else { continue };
        let unsynced = payload.get(UNSYNCED).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
        if at.offset.saturating_sub(unsynced.into()) > place.offset {
            return Follows::Synced;
        }
        if found == Follows::Nothing {
            found = Follows::Unsynced(start);
        }
    }
    found
}

/// Whether a sector of the file holds nothing but zeros where the record at `place` has its bytes. A crash leaves that if the file's
/// length reached the disk before all of its sectors.
fn has_unwritten_sector(place: LogPosition, record: &[u8]) -> bool {
    let first = SECTOR_BYTES - place.offset as usize % SECTOR_BYTES;
    std::iter::once(0).chain((first..record.len()).step_by(SECTOR_BYTES)).any(|at| is_unwritten(place, record, at))
}

/// Whether the sector in which the record has its byte `at` holds nothing but zeros of it.
fn is_unwritten(place: LogPosition, record: &[u8], at: usize) -> bool {
    let before = place.offset as usize % SECTOR_BYTES;
    let sector = (before + at) / SECTOR_BYTES * SECTOR_BYTES;
    let (start, end) = (sector.saturating_sub(before), (sector + SECTOR_BYTES - before).min(record.len()));
    record[start..end].iter().all(|byte| *byte == 0)
}

/// The byte of which one bit is wrong, if the record is right but for that. A torn write does not look so, unless the bit was alone in its sector, but for once in four
/// billion a bit.
fn wrong_bit(place: LogPosition, rest: &[u8]) -> Option<usize> {
    let (length, stored) = head(rest)?;
    let payload = &rest[FRAME_BYTES..];
    let with_length = |length: usize| payload.get(..length).map(|payload| checksum(place, payload) ^ stored);
    let in_length = (0..u32::BITS).find(|bit| with_length(length ^ (1 << bit)) == Some(0));
    in_length.map(|bit| bit as usize / 8).or_else(|| {
        let wrong = with_length(length)?;
        let in_checksum = (wrong.count_ones() == 1).then(|| 4 + wrong.trailing_zeros() as usize / 8);
        in_checksum.or_else(|| Some(FRAME_BYTES + bit_that_changes(length, wrong)?))
    })
}

/// Which of `bytes` bytes has the bit that changes their checksum by `difference` when it is flipped, if one has. The checksum is linear: a bit changes it by
/// the same, whatever the others are; each byte behind it moves that on by one step.
fn bit_that_changes(bytes: usize, difference: u32) -> Option<usize> {
    let step = |crc: u32| (0..8).fold(crc, |crc, _| if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 });
    let table: Vec<u32> = (0..256).map(step).collect();
    let mut changes: [u32; 8] = std::array::from_fn(|bit| table[1 << bit]);
    (0..bytes).rev().find(|_| {
        let found = changes.contains(&difference);
        changes = changes.map(|crc| (crc >> 8) ^ table[(crc & 0xff) as usize]);
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record that knows all before it as synced.
    fn record(offset: usize, payload: &[u8]) -> Vec<u8> {
        record_synced(offset, payload, offset)
    }

    fn record_synced(offset: usize, payload: &[u8], synced: usize) -> Vec<u8> {
        let mut bytes = [&[0; FRAME_BYTES], &MARK[..], &[0; 4], payload].concat();
        seal(&mut bytes, LogPosition::new(1, offset), LogPosition::new(1, synced));
        bytes
    }

    fn kind(bytes: &[u8]) -> &'static str {
        match frame_at(1, bytes, 0) {
            Frame::Record { .. } => "record",
            Frame::End => "end",
            Frame::Torn(_) => "torn",
            Frame::Damaged { last: true, .. } => "damaged at the end",
            Frame::Damaged { last: false, .. } => "damaged",
        }
    }

    /// The record at `offset`, of which the sector with its byte `at` never came, and one behind it, if there is to be one.
    fn torn(offset: usize, payload: &[u8], at: usize, follows: bool) -> &'static str {
        let mut bytes = vec![7; offset];
        bytes.extend(record_synced(offset, payload, offset));
        let end = bytes.len();
        let sector = (offset + at) / SECTOR_BYTES * SECTOR_BYTES;
        bytes[sector.max(offset)..(sector + SECTOR_BYTES).min(end)].fill(0);
        if follows {
            bytes.extend(record_synced(end, b"next", offset));
        }
        match frame_at(1, &bytes, offset) {
            Frame::Torn(_) => "torn",
            Frame::Damaged { .. } => "damaged",
            _ => "whole",
        }
    }

    #[test]
    fn a_sector_that_never_came_is_torn_even_if_one_bit_alone_was_in_it() {
        // The length alone, 128 bytes, stands at the end of a sector.
        let payload = [9; 128 - 8];
        assert_eq!(torn(508, &payload, 0, true), "torn");
        assert_eq!(torn(508, &payload, 0, false), "torn");
        assert_eq!(torn(507, &payload, 0, true), "torn");
        // A payload that ends with zeros and a bit in a sector of its own.
        let mut payload = vec![9; 282];
        payload.resize(694, 0);
        payload[600] = 1;
        assert_eq!(torn(214, &payload, 616, true), "torn");
        assert_eq!(torn(214, &payload, 616, false), "torn");
    }

    #[test]
    fn an_incomplete_end_is_torn_and_changed_bytes_are_damage() {
        let one = record(0, b"first");
        let two = record(one.len(), b"second");
        let both = [one.clone(), two].concat();
        let change = |bytes: &[u8], at: usize, to: u8| {
            let mut bytes = bytes.to_vec();
            bytes[at] = to;
            bytes
        };
        let cases = [
            ("", vec![], "end"),
            ("whole", one.clone(), "record"),
            ("no head", one[..5].to_vec(), "torn"),
            ("half a payload", one[..12].to_vec(), "torn"),
            ("zeros", vec![0; 40], "torn"),
            ("zeros, then a record", [vec![0; 16], record(16, b"first")].concat(), "damaged"),
            ("payload changed", change(&both, 17, b'X'), "damaged"),
            ("last payload changed", change(&one, 17, b'X'), "damaged at the end"),
            ("length too long before a record", change(&both, 1, 9), "damaged"),
            ("length of the last too long", change(&one, 1, 9), "damaged"),
            ("length of the last zero", change(&one, 0, 0), "damaged"),
            ("length too short", change(&both, 0, 4), "damaged"),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(kind(&bytes), expected, "{name}");
        }
    }

    #[test]
    fn a_record_is_one_only_where_it_was_written() {
        let inner = record(FRAME_BYTES + UNSYNCED.end, b"inner");
        let stolen = record(3, b"of another place");
        let mut torn = record(0, &[inner, stolen, vec![7; 50]].concat());
        assert_eq!(kind(&torn), "record");
        torn.truncate(torn.len() - 1);
        assert_eq!(kind(&torn), "damaged", "a record at its own place within another is believed");
        let mut torn = record(0, &[record(3, b"of another place"), vec![7; 50]].concat());
        torn.truncate(torn.len() - 1);
        assert_eq!(kind(&torn), "torn");
        assert_eq!(kind(&record(1, b"moved")), "damaged at the end");
    }

    #[test]
    fn sectors_of_zeros_are_torn_and_one_flipped_bit_is_damage() {
        // A payload that has sectors of zeros of its own.
        let whole = record(0, &[vec![7; 700], vec![0; 1500], vec![9; 700]].concat());
        let mut torn = whole.clone();
        torn[2048..2560].fill(0);
        torn[600..].fill(0);
        assert_eq!(kind(&torn), "torn");
        for bit in (0..whole.len() * 8).step_by(101).chain(0..FRAME_BYTES * 8) {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(kind(&damaged).starts_with("damaged"), "bit {bit} is {}", kind(&damaged));
        }
    }

    #[test]
    fn records_after_a_hole_show_damage_only_if_they_know_it_as_synced() {
        let first = record(0, &[7; 2000]);
        for (synced, expected) in [(0, "torn"), (first.len(), "damaged")] {
            let second = record_synced(first.len(), &[8; 100], synced);
            for hole in [0..512, 512..1024, 1536..first.len()] {
                let mut bytes = [first.clone(), second.clone()].concat();
                bytes[hole.clone()].fill(0);
                assert_eq!(kind(&bytes), expected, "{hole:?} after a sync to {synced}");
            }
            let mut bytes = [first.clone(), second].concat();
            bytes[700] ^= 1;
            assert_eq!(kind(&bytes), "damaged", "one bit is no hole");
        }
    }
}
