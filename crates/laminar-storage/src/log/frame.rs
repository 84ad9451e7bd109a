//! Decides what the bytes at a place of a segment are. Pure: bytes in, verdict out.

use super::entry::MARK;

/// Bytes before a payload: length and checksum.
pub(super) const FRAME_BYTES: usize = 8;
/// Bytes that a payload may have. Also what a length must be below to be believed.
pub(super) const PAYLOAD_BYTES_MAX: usize = 1 << 30;

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

/// Puts length and checksum before the payload that `bytes` holds from `start + FRAME_BYTES` on.
pub(super) fn seal(bytes: &mut [u8], start: usize) {
    let (head, payload) = bytes[start..].split_at_mut(FRAME_BYTES);
    head[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    head[4..].copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
}

/// What is at `offset` of a segment's bytes.
pub(super) fn frame_at(bytes: &[u8], offset: usize) -> Frame<'_> {
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
    let payload = &rest[FRAME_BYTES..];
    if let Some(payload) = payload.get(..length).filter(|_| length > 0) {
        let computed = crc32c::crc32c(payload);
        if computed == stored {
            return Frame::Record { payload, next: offset + FRAME_BYTES + length };
        }
        let reason = format!("checksum {stored:08x} is stored, {computed:08x} is right for the bytes");
        return Frame::Damaged { reason, last: !record_after(rest) };
    }
    incomplete(rest, length, stored)
}

/// A record that is longer than what is left (or claims to be empty, which no record is): is it a torn write?
fn incomplete(rest: &[u8], length: usize, stored: u32) -> Frame<'_> {
    let payload = &rest[FRAME_BYTES..];
    if record_after(rest) {
        return Frame::Damaged { reason: format!("length {length} does not fit, yet records follow"), last: false };
    }
    if !payload.is_empty() && crc32c::crc32c(payload) == stored {
        // All of the last record is there; only its length was changed.
        let reason = format!("length {length} is stored, {} is right for the checksum", payload.len());
        return Frame::Damaged { reason, last: false };
    }
    if length == 0 || length > PAYLOAD_BYTES_MAX {
        return Frame::Damaged { reason: format!("no record has the length {length}"), last: true };
    }
    Frame::Torn(format!("{} of {length} bytes of a record", payload.len()))
}

/// Length and checksum at the start of `bytes`.
fn head(bytes: &[u8]) -> Option<(usize, u32)> {
    let number = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    Some((number(0)? as usize, number(4)?))
}

/// Whether a whole record begins anywhere after the first byte.
fn record_after(bytes: &[u8]) -> bool {
    let marks = bytes.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    marks.filter_map(|(at, _)| at.checked_sub(FRAME_BYTES)).filter(|start| *start > 0).any(|start| {
        let payload = head(&bytes[start..])
            .and_then(|(length, stored)| bytes[start + FRAME_BYTES..].get(..length).map(|payload| (payload, stored)));
        payload.is_some_and(|(payload, stored)| crc32c::crc32c(payload) == stored)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(payload: &str) -> Vec<u8> {
        let mut bytes = vec![0; FRAME_BYTES];
        bytes.extend_from_slice(&MARK);
        bytes.extend_from_slice(payload.as_bytes());
        seal(&mut bytes, 0);
        bytes
    }

    fn kind(bytes: &[u8]) -> &'static str {
        match frame_at(bytes, 0) {
            Frame::Record { .. } => "record",
            Frame::End => "end",
            Frame::Torn(_) => "torn",
            Frame::Damaged { last: true, .. } => "damaged at the end",
            Frame::Damaged { last: false, .. } => "damaged",
        }
    }

    #[test]
    fn an_incomplete_end_is_torn_and_changed_bytes_are_damage() {
        let (one, two) = (record("first"), record("second"));
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
            ("zeros, then a record", [vec![0; 16], one.clone()].concat(), "damaged"),
            ("payload changed", change(&both, 13, b'X'), "damaged"),
            ("last payload changed", change(&one, 13, b'X'), "damaged at the end"),
            ("length too long before a record", change(&both, 1, 9), "damaged"),
            ("length of the last too long", change(&one, 1, 9), "damaged"),
            ("length of the last zero", change(&one, 0, 0), "damaged"),
            ("length too short", change(&both, 0, 4), "damaged"),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(kind(&bytes), expected, "{name}");
        }
    }
}
