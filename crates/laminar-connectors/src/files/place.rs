//! Where the reading of a file stands, and how it is found out that it still is the same file.
//!
//! A file is known by what it holds, not by what the system calls it: a copy of it, or the same one after a restart, can be
//! read on. Of a text the last bytes that were read are compared, of a Parquet file its end.

use std::path::Path;

use laminar_core::{Code, Error, Result};

use crate::fields::{FieldReader, FieldWriter};

/// Bytes that are compared at most.
pub(super) const SAMPLE_BYTES: usize = 1024;

/// How far the text of a file has been read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) bytes: u64,
    pub(super) lines: u64,
}

/// Some bytes, by which a file is known again.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) bytes: usize,
    sum: u32,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FilePlace {
    Text(TextPlace),
    Parquet(ParquetPlace),
}

/// A place in a text.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct TextPlace {
    pub(super) progress: Progress,
    /// What stands before it.
    pub(super) before: Sample,
    /// Whether a record begins there for a reader that knows no more than the file's start. Otherwise what comes before has to be
    /// decoded again: within an array, within a record that is too long.
    pub(super) is_between_records: bool,
}

/// A place in a Parquet file.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct ParquetPlace {
    /// The row with which the batch begins that is being handed out.
    pub(super) row: u64,
    /// How many good rows of it have been handed out.
    pub(super) given: usize,
    /// Bad rows before this one have been told.
    pub(super) told: u64,
    /// Bytes of the file, and its end.
    pub(super) file_bytes: u64,
    pub(super) end: Sample,
}

impl Sample {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len(), sum: crc32c::crc32c(bytes) }
    }

    pub(super) fn write(self, fields: &mut FieldWriter) {
        fields.number(self.bytes as u64).number(u64::from(self.sum));
    }

    pub(super) fn read(fields: &mut FieldReader<'_>) -> Result<Self> {
        let (bytes, sum) = (fields.number()?, fields.number()?);
        match (usize::try_from(bytes), u32::try_from(sum)) {
            (Ok(bytes), Ok(sum)) if bytes <= SAMPLE_BYTES => Ok(Self { bytes, sum }),
            _ => Err(fields.damaged()),
        }
    }
}

impl FilePlace {
    pub(super) fn write(&self, fields: &mut FieldWriter) {
        match self {
            FilePlace::Text(place) => {
                fields.number(0).number(place.progress.bytes).number(place.progress.lines).flag(place.is_between_records);
                place.before.write(fields);
            }
            FilePlace::Parquet(place) => {
                fields.number(1).number(place.row).number(place.given as u64).number(place.told).number(place.file_bytes);
                place.end.write(fields);
            }
        }
    }

    pub(super) fn read(fields: &mut FieldReader<'_>) -> Result<Self> {
        match fields.number()? {
            0 => Ok(FilePlace::Text(TextPlace {
                progress: Progress { bytes: fields.number()?, lines: fields.number()? },
                is_between_records: fields.flag()?,
                before: Sample::read(fields)?,
            })),
            1 => Ok(FilePlace::Parquet(ParquetPlace {
                row: fields.number()?,
                given: fields.number()? as usize,
                told: fields.number()?,
                file_bytes: fields.number()?,
                end: Sample::read(fields)?,
            })),
            _ => Err(fields.damaged()),
        }
    }

    /// Whether nothing has been read before it.
    pub(super) fn is_start(&self) -> bool {
        match self {
            FilePlace::Text(place) => place.progress.bytes == 0,
            FilePlace::Parquet(place) => (place.row, place.given) == (0, 0),
        }
    }

    /// As people read it: `line 17`.
    fn described(&self) -> String {
        match self {
            FilePlace::Text(place) => format!("line {}", place.progress.lines),
            FilePlace::Parquet(place) => format!("row {}", place.row + place.given as u64),
        }
    }
}

/// Why reading cannot go on in a file that is gone.
pub(super) fn gone(path: &Path, place: Option<&FilePlace>) -> Error {
    let so_far = match place {
        Some(place) => format!("it was read up to {}", place.described()),
        None => "it was among those that were still to be read".to_owned(),
    };
    // It may come back, unlike what was in it.
    Error::new(Code::Io, format!("'{}' is gone, and {so_far}", path.display())).with_hint(PUT_BACK)
}

/// Why reading cannot go on in a file that is shorter than what was read of it.
pub(super) fn shorter(path: &str, place: &FilePlace) -> Error {
    cannot_go_on(format!("'{path}' is shorter than it was: it was read up to {}", place.described()))
}

/// Why reading cannot go on in a file that is another one.
pub(super) fn replaced(path: &str, place: &FilePlace) -> Error {
    let what = match place {
        FilePlace::Text(_) => "what stands before that is not what was read",
        FilePlace::Parquet(_) => "its length or its footer differs",
    };
    cannot_go_on(format!("'{path}' is not the file that was read up to {}", place.described())).with_detail(what)
}

fn cannot_go_on(message: String) -> Error {
    Error::new(Code::BadData, message).with_hint(PUT_BACK)
}

const PUT_BACK: &str = "put the file back as it was, or DROP and CREATE the object to read from the start";
