//! Thrift's compact protocol, as far as the footer of a Parquet file needs it.
//!
//! The reader takes what writers have really written: a number in any width, a truth value as a number, an empty list
//! without a type. What it is not asked for it skips.

/// Structures within each other that are skipped at most.
const DEPTH_MAX: usize = 64;

/// Why bytes are not what they should be.
pub(super) type Fault = String;

/// What a field or an element of a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind(u8);

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// Reads from the start of `bytes`.
#[derive(Debug, Clone)]
pub(super) struct ThriftReader<'a> {
    bytes: &'a [u8],
}

impl<'a> ThriftReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Calls `each` with every field of a structure; it takes the value or skips it.
    pub(super) fn fields(&mut self, mut each: impl FnMut(&mut Self, i16, Kind) -> Result<(), Fault>) -> Result<(), Fault> {
        let mut id = 0_i16;
        loop {
            let head = self.byte()?;
            if head & 0x0f == 0 {
                return Ok(());
            }
            id = match head >> 4 {
                0 => i16::try_from(self.zigzag()?).map_err(|_| wrong())?,
                step => id.checked_add(i16::from(step)).ok_or_else(wrong)?,
            };
            each(self, id, Kind(head & 0x0f))?;
        }
    }

    /// Calls `each` for every element of a list.
    pub(super) fn list(&mut self, kind: Kind, mut each: impl FnMut(&mut Self, Kind) -> Result<(), Fault>) -> Result<(), Fault> {
        if kind.0 != LIST && kind.0 != SET {
            return Err(wrong());
        }
        let (count, kind) = self.list_head()?;
        for _ in 0..count {
            each(self, kind)?;
        }
        Ok(())
    }

    /// A structure's fields are read next.
    pub(super) fn expect_struct(kind: Kind) -> Result<(), Fault> {
        if kind.0 == STRUCT { Ok(()) } else { Err(wrong()) }
    }

    /// A whole number of any width.
    pub(super) fn integer(&mut self, kind: Kind) -> Result<i64, Fault> {
        match kind.0 {
            BYTE => Ok(i64::from(self.byte()? as i8)),
            I16 | I32 | I64 => self.zigzag(),
            _ => Err(wrong()),
        }
    }

    /// A whole number that fits `i32`.
    pub(super) fn small(&mut self, kind: Kind) -> Result<i32, Fault> {
        i32::try_from(self.integer(kind)?).map_err(|_| wrong())
    }

    /// A truth value.
    pub(super) fn truth(&mut self, kind: Kind) -> Result<bool, Fault> {
        match kind.0 {
            TRUE => Ok(true),
            FALSE => Ok(false),
            _ => Ok(self.integer(kind)? != 0),
        }
    }

    pub(super) fn binary(&mut self, kind: Kind) -> Result<&'a [u8], Fault> {
        if kind.0 != BINARY {
            return Err(wrong());
        }
        let bytes = self.count()?;
        self.take(bytes)
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self, kind: Kind) -> Result<(), Fault> {
        self.skip_at(kind, 0)
    }

    fn skip_at(&mut self, kind: Kind, depth: usize) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(wrong());
        }
        match kind.0 {
            TRUE | FALSE => Ok(()),
            BYTE => self.take(1).map(|_| ()),
            I16 | I32 | I64 => self.varint().map(|_| ()),
            DOUBLE => self.take(8).map(|_| ()),
            UUID => self.take(16).map(|_| ()),
            BINARY => self.binary(kind).map(|_| ()),
            LIST | SET => {
                let (count, kind) = self.list_head()?;
                (0..count).try_for_each(|_| self.skip_element(kind, depth + 1))
            }
            MAP => self.skip_map(depth),
            STRUCT => self.fields(|reader, _, kind| reader.skip_at(kind, depth + 1)),
            _ => Err(wrong()),
        }
    }

    /// A truth value in a list takes a byte; as a field it takes none.
    fn skip_element(&mut self, kind: Kind, depth: usize) -> Result<(), Fault> {
        match kind.0 {
            TRUE | FALSE => self.take(1).map(|_| ()),
            _ => self.skip_at(kind, depth),
        }
    }

    fn skip_map(&mut self, depth: usize) -> Result<(), Fault> {
        let count = self.count()?;
        if count == 0 {
            return Ok(());
        }
        let kinds = self.byte()?;
        (0..count).try_for_each(|_| {
            self.skip_element(Kind(kinds >> 4), depth + 1)?;
            self.skip_element(Kind(kinds & 0x0f), depth + 1)
        })
    }

    fn list_head(&mut self) -> Result<(usize, Kind), Fault> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.count()?,
            count => usize::from(count),
        };
        // Every element has at least one byte, so a count beyond that is a lie.
        if count > self.bytes.len() {
            return Err(short());
        }
        Ok((count, Kind(head & 0x0f)))
    }

    fn count(&mut self) -> Result<usize, Fault> {
        usize::try_from(self.varint()?).map_err(|_| wrong())
    }

    fn zigzag(&mut self) -> Result<i64, Fault> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(wrong())
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (head, rest) = self.bytes.split_at_checked(count).ok_or_else(short)?;
        self.bytes = rest;
        Ok(head)
    }
}

fn short() -> Fault {
    "it ends too early".to_owned()
}

fn wrong() -> Fault {
    "a field has another type than it should have".to_owned()
}

/// Writes one structure; the fields come in ascending order.
#[derive(Debug, Default)]
pub(super) struct ThriftWriter {
    bytes: Vec<u8>,
    last: i16,
}

impl ThriftWriter {
    pub(super) fn byte(&mut self, id: i16, value: i8) {
        self.head(id, BYTE);
        self.bytes.push(value as u8);
    }

    pub(super) fn small(&mut self, id: i16, value: i32) {
        self.head(id, I32);
        self.zigzag(i64::from(value));
    }

    pub(super) fn long(&mut self, id: i16, value: i64) {
        self.head(id, I64);
        self.zigzag(value);
    }

    pub(super) fn truth(&mut self, id: i16, value: bool) {
        self.head(id, if value { TRUE } else { FALSE });
    }

    pub(super) fn binary(&mut self, id: i16, value: &[u8]) {
        self.head(id, BINARY);
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    /// A structure within.
    pub(super) fn structure(&mut self, id: i16, write: impl FnOnce(&mut Self)) {
        self.head(id, STRUCT);
        self.within(write);
    }

    /// A list of structures.
    pub(super) fn structures<T>(&mut self, id: i16, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.list_head(id, items.len(), STRUCT);
        items.iter().for_each(|item| self.within(|writer| write(writer, item)));
    }

    /// A list of small numbers.
    pub(super) fn smalls(&mut self, id: i16, items: &[i32]) {
        self.list_head(id, items.len(), I32);
        items.iter().for_each(|item| self.zigzag(i64::from(*item)));
    }

    /// What was written, with the end of the outermost structure.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }

    fn within(&mut self, write: impl FnOnce(&mut Self)) {
        let outer = std::mem::take(&mut self.last);
        write(self);
        self.bytes.push(0);
        self.last = outer;
    }

    fn head(&mut self, id: i16, kind: u8) {
        match id - self.last {
            step @ 1..=15 => self.bytes.push((step as u8) << 4 | kind),
            _ => {
                self.bytes.push(kind);
                self.zigzag(i64::from(id));
            }
        }
        self.last = id;
    }

    fn list_head(&mut self, id: i16, count: usize, kind: u8) {
        self.head(id, LIST);
        if count < 15 {
            return self.bytes.push((count as u8) << 4 | kind);
        }
        self.bytes.push(0xf0 | kind);
        self.varint(count as u64);
    }

    fn zigzag(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)) as u64);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Vec<u8> {
        let mut writer = ThriftWriter::default();
        writer.small(1, -3);
        writer.long(2, i64::MIN);
        writer.truth(3, true);
        writer.binary(30, b"name");
        writer.structure(31, |inner| inner.small(1, 7));
        writer.structures(32, &[1, 2], |inner, value| inner.small(2, *value));
        writer.smalls(33, &(0..20).collect::<Vec<_>>());
        writer.truth(34, false);
        writer.finish()
    }

    #[test]
    fn what_was_written_is_read_again() {
        let bytes = written();
        let mut read = Vec::new();
        let fields = |reader: &mut ThriftReader<'_>, id: i16, kind: Kind| -> Result<(), Fault> {
            read.push(match id {
                1 | 2 => reader.integer(kind)?.to_string(),
                3 | 34 => reader.truth(kind)?.to_string(),
                30 => String::from_utf8_lossy(reader.binary(kind)?).into_owned(),
                _ => {
                    reader.skip(kind)?;
                    format!("{id} skipped")
                }
            });
            Ok(())
        };
        ThriftReader::new(&bytes).fields(fields).unwrap();
        assert_eq!(read.join(" "), "-3 -9223372036854775808 true name 31 skipped 32 skipped 33 skipped false");
    }

    #[test]
    fn bytes_that_end_too_early_or_say_nonsense_are_refused_wherever_that_is() {
        let bytes = written();
        let skip = |bytes: &[u8]| ThriftReader::new(bytes).fields(|reader, _, kind| reader.skip(kind));
        assert_eq!(skip(&bytes), Ok(()));
        for end in 0..bytes.len() {
            assert!(skip(&bytes[..end]).is_err(), "{end} bytes");
        }
        let deep = [vec![0x1c; 100], vec![0; 101]].concat();
        assert!(skip(&deep).is_err());
        assert!(skip(&[0x1e, 0]).is_err());
        assert!(skip(&[0x19, 0xfc, 0xff, 0xff, 0x7f, 0]).is_err(), "a list longer than the bytes that are left");
    }
}
