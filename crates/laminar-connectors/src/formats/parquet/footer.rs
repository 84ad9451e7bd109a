//! Reads the footer of a Parquet file: its columns, its row groups, and what of it cannot be read.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use arrow_schema::{Fields, SchemaRef};
use laminar_core::{Code, Error, Result};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::columns::{Columns, FIXED_BYTES, Int96, Leaf, Meaning};
use super::failure::unpanicked;
use super::layout::plain_schema;
use super::thrift::{Fault, Kind, ThriftReader, ThriftWriter};

/// What a Parquet file begins and ends with.
pub(super) const MAGIC: &[u8; 4] = b"PAR1";
/// The same if its footer is encrypted.
pub(super) const MAGIC_ENCRYPTED: &[u8; 4] = b"PARE";
/// Magic, footer length, magic: no file is shorter.
pub(super) const FILE_BYTES_MIN: u64 = 12;
/// Footer length and magic.
const TAIL_BYTES: u64 = 8;
/// Bytes by which a column chunk may be longer than old writers say: they forgot the header of its dictionary.
const FORGOTTEN_HEADER_BYTES: i64 = 100;
/// Encodings that the decoder knows.
const ENCODINGS: [i32; 9] = [0, 2, 3, 4, 5, 6, 7, 8, 9];
/// The key under which Arrow's writers keep what Parquet has no type for.
const ARROW_SCHEMA: &[u8] = b"ARROW:schema";

/// The footer of a file.
#[derive(Debug)]
pub(super) struct Footer {
    pub(super) metadata: Arc<ParquetMetaData>,
    /// One for each column chunk of a row group.
    pub(super) leaves: Vec<Leaf>,
    /// The columns as the decoder would give them, INT96 as times.
    pub(super) shape: Fields,
    /// The columns in plain types.
    pub(super) schema: SchemaRef,
    /// Whether column chunks may be followed by other bytes.
    pub(super) is_padded: bool,
}

impl Footer {
    /// Reads the footer of `file`; `name` is what messages call it.
    pub(super) fn read(file: &mut File, name: &str) -> Result<Self> {
        let bytes = check_ends(file, name)?;
        let text = footer_bytes(file, bytes, name)?;
        let damaged = |reason: Fault| Error::new(Code::BadData, format!("the footer of {name} is damaged")).with_detail(reason);
        let contents = Contents::read(&text, bytes as i64).map_err(damaged)?;
        let leaves = contents.leaves();
        let decoded = |int96: Int96| {
            let mended = contents.write(int96);
            unpanicked(|| ParquetMetaDataReader::decode_metadata(&mended)).map_err(|_| unknown_form(name))
        };
        let metadata = decoded(Int96::AsBytes)?;
        let has_int96 = leaves.iter().any(|leaf| leaf.meaning == Meaning::Int96);
        let shape = match has_int96 {
            true => {
                decoded(Int96::AsTimes).and_then(|metadata| unpanicked(|| shape_of(&metadata)).map_err(|_| unknown_form(name)))?
            }
            false => unpanicked(|| shape_of(&metadata)).map_err(|_| unknown_form(name))?,
        };
        let schema = Arc::new(plain_schema(&shape, &leaves));
        let is_padded = forgets_header(contents.created_by.as_deref());
        Ok(Self { metadata: Arc::new(metadata), leaves, shape, schema, is_padded })
    }

    /// The leaves of the columns at `roots`.
    pub(super) fn leaves_of(&self, roots: &[usize]) -> Vec<usize> {
        let columns = self.metadata.file_metadata().schema_descr();
        (0..self.leaves.len()).filter(|leaf| roots.binary_search(&columns.get_column_root_idx(*leaf)).is_ok()).collect()
    }

    /// Refuses columns that cannot be read.
    pub(super) fn check(&self, leaves: &[usize], name: &str) -> Result<()> {
        let found = leaves.iter().find_map(|leaf| Some((*leaf, self.leaves[*leaf].problem.as_ref()?)));
        let Some((leaf, problem)) = found else { return Ok(()) };
        let error = not_supported(format!("column '{}' of {name} {problem}", self.leaves[leaf].path));
        Err(match self.leaves.iter().any(|leaf| leaf.problem.is_none()) {
            true => error.with_hint("declare the other columns to read these: CREATE SOURCE name (a BIGINT, …) FROM …"),
            false => error,
        })
    }
}

pub(super) fn not_supported(what: String) -> Error {
    Error::new(Code::NotSupported, format!("not supported: {what}"))
}

fn unknown_form(name: &str) -> Error {
    not_supported(format!("the columns of {name} are described in a form that is not known"))
        .with_hint("write it again with another program")
}

/// The columns as the decoder would give them, with what Arrow's writers have noted beside them where that fits.
fn shape_of(metadata: &ParquetMetaData) -> parquet::errors::Result<Fields> {
    let file = metadata.file_metadata();
    if let Some(noted) = file.key_value_metadata()
        && let Ok(schema) = parquet_to_arrow_schema(file.schema_descr(), Some(noted))
    {
        return Ok(schema.fields);
    }
    // Columns without a type of their own are then what their bytes are.
    Ok(parquet_to_arrow_schema(file.schema_descr(), None)?.fields)
}

/// Tells a file that is not Parquet from one that is cut off, and gives its length.
fn check_ends(file: &mut File, name: &str) -> Result<u64> {
    let unreadable = |error: std::io::Error| Error::from(error).within(format_args!("reading {name}"));
    let bytes = file.metadata().map_err(unreadable)?.len();
    let (mut first, mut last) = ([0; 4], [0; 4]);
    if bytes == 0 {
        return Err(Error::new(Code::BadData, format!("{name} is empty"))
            .with_hint("a Parquet file without rows still has a header and a footer; write or copy it again"));
    }
    if bytes >= 4 {
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_exact(&mut first)).map_err(unreadable)?;
        file.seek(SeekFrom::End(-4)).and_then(|_| file.read_exact(&mut last)).map_err(unreadable)?;
    }
    if &last == MAGIC_ENCRYPTED {
        return Err(not_supported(format!("{name} is an encrypted Parquet file")));
    }
    if &first != MAGIC {
        return Err(Error::new(Code::BadData, format!("{name} is not a Parquet file"))
            .with_hint("set format = 'csv' or 'ndjson' if it is text"));
    }
    if &last != MAGIC || bytes < FILE_BYTES_MIN {
        return Err(Error::new(Code::BadData, format!("{name} is cut off: it has no Parquet footer"))
            .with_detail(format!("it ends after {bytes} bytes"))
            .with_hint("it is still being written, or was copied in part; copy it again"));
    }
    Ok(bytes)
}

fn footer_bytes(file: &mut File, file_bytes: u64, name: &str) -> Result<Vec<u8>> {
    let unreadable = |error: std::io::Error| Error::from(error).within(format_args!("reading {name}"));
    let mut length = [0; 4];
    file.seek(SeekFrom::End(-(TAIL_BYTES as i64))).and_then(|_| file.read_exact(&mut length)).map_err(unreadable)?;
    let length = u64::from(u32::from_le_bytes(length));
    if length > file_bytes - FILE_BYTES_MIN {
        return Err(Error::new(Code::BadData, format!("the footer of {name} is damaged"))
            .with_detail(format!("it says that it has {length} bytes, and the file has {file_bytes}")));
    }
    let mut footer = vec![0; length as usize];
    let start = SeekFrom::End(-((TAIL_BYTES + length) as i64));
    file.seek(start).and_then(|_| file.read_exact(&mut footer)).map_err(unreadable)?;
    Ok(footer)
}

/// What of a footer is needed to read rows.
#[derive(Debug)]
struct Contents {
    columns: Columns,
    groups: Vec<Group>,
    created_by: Option<String>,
    arrow_schema: Option<Vec<u8>>,
}

/// A row group.
#[derive(Debug, Default)]
struct Group {
    rows: i64,
    chunks: Vec<Chunk>,
}

/// One column of a row group.
#[derive(Debug, Default)]
struct Chunk {
    encodings: Vec<i32>,
    codec: i32,
    values: i64,
    bytes: i64,
    compressed_bytes: i64,
    data: i64,
    dictionary: Option<i64>,
    /// Bytes of its texts without their lengths, where the writer says it.
    text_bytes: Option<i64>,
    is_elsewhere: bool,
    is_encrypted: bool,
    is_described: bool,
}

impl Contents {
    fn read(footer: &[u8], file_bytes: i64) -> Result<Self, Fault> {
        let (mut columns, mut groups, mut created_by, mut arrow_schema) = (None, Vec::new(), None, None);
        ThriftReader::new(footer).fields(|reader, id, kind| {
            match id {
                2 => columns = Some(Columns::read(reader, kind)?),
                4 => reader.list(kind, |reader, kind| {
                    groups.push(read_group(reader, kind)?);
                    Ok(())
                })?,
                5 => reader.list(kind, |reader, kind| read_note(reader, kind, &mut arrow_schema))?,
                6 => created_by = Some(String::from_utf8_lossy(reader.binary(kind)?).into_owned()),
                _ => reader.skip(kind)?,
            }
            Ok(())
        })?;
        let columns = columns.ok_or("it names no columns")?;
        let mut contents = Self { columns, groups, created_by, arrow_schema };
        contents.check(file_bytes)?;
        Ok(contents)
    }

    /// Every row group has a chunk for each leaf, and every chunk lies in the file.
    fn check(&mut self, file_bytes: i64) -> Result<(), Fault> {
        let leaves = self.columns.leaves().len();
        let forgotten = if forgets_header(self.created_by.as_deref()) { FORGOTTEN_HEADER_BYTES } else { 0 };
        for group in &mut self.groups {
            if group.chunks.len() != leaves {
                return Err(format!("a row group has {} columns, and the file has {leaves}", group.chunks.len()));
            }
            if group.rows < 0 || group.chunks.iter().any(|chunk| chunk.values < 0) {
                return Err("a row group has less than no rows".to_owned());
            }
            for chunk in &mut group.chunks {
                chunk.check(file_bytes, forgotten)?;
            }
        }
        Ok(())
    }

    fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = self.columns.leaves();
        for group in &self.groups {
            for (leaf, chunk) in leaves.iter_mut().zip(&group.chunks) {
                if leaf.problem.is_none() {
                    leaf.problem = chunk.problem();
                }
            }
        }
        leaves
    }

    /// The footer again, as the decoder takes it. What row groups say about their rows counts: two writers are known whose
    /// total is 0.
    fn write(&self, int96: Int96) -> Vec<u8> {
        let leaves = self.columns.leaves();
        let mut writer = ThriftWriter::default();
        writer.small(1, 1);
        self.columns.write(&mut writer, 2, int96);
        writer.long(3, self.groups.iter().fold(0, |rows, group| rows.saturating_add(group.rows)));
        writer.structures(4, &self.groups, |writer, group| {
            let chunks: Vec<_> = leaves.iter().zip(&group.chunks).collect();
            writer.structures(1, &chunks, |writer, (leaf, chunk)| chunk.write(writer, leaf));
            writer.long(2, group.chunks.iter().fold(0, |bytes, chunk| bytes.saturating_add(chunk.bytes)));
            writer.long(3, group.rows);
        });
        if let Some(schema) = &self.arrow_schema {
            writer.structures(5, &[schema], |writer, schema| {
                writer.binary(1, ARROW_SCHEMA);
                writer.binary(2, schema);
            });
        }
        writer.finish()
    }
}

/// Whether the file comes from parquet-mr before 1.2.9, which did not count the header of a dictionary (PARQUET-816).
fn forgets_header(created_by: Option<&str>) -> bool {
    let Some(version) = created_by.and_then(|text| text.strip_prefix("parquet-mr version ")) else { return false };
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next()) < (1, 2, 9)
}

fn read_note(reader: &mut ThriftReader<'_>, kind: Kind, arrow_schema: &mut Option<Vec<u8>>) -> Result<(), Fault> {
    ThriftReader::expect_struct(kind)?;
    let (mut key, mut value) = (&[][..], None);
    reader.fields(|reader, id, kind| {
        match id {
            1 => key = reader.binary(kind)?,
            2 => value = Some(reader.binary(kind)?),
            _ => reader.skip(kind)?,
        }
        Ok(())
    })?;
    if key == ARROW_SCHEMA {
        *arrow_schema = value.map(<[u8]>::to_vec);
    }
    Ok(())
}

fn read_group(reader: &mut ThriftReader<'_>, kind: Kind) -> Result<Group, Fault> {
    ThriftReader::expect_struct(kind)?;
    let mut group = Group::default();
    reader.fields(|reader, id, kind| match id {
        1 => reader.list(kind, |reader, kind| {
            group.chunks.push(read_chunk(reader, kind)?);
            Ok(())
        }),
        3 => {
            group.rows = reader.integer(kind)?;
            Ok(())
        }
        _ => reader.skip(kind),
    })?;
    Ok(group)
}

fn read_chunk(reader: &mut ThriftReader<'_>, kind: Kind) -> Result<Chunk, Fault> {
    ThriftReader::expect_struct(kind)?;
    let mut chunk = Chunk::default();
    reader.fields(|reader, id, kind| {
        match id {
            1 => chunk.is_elsewhere = !reader.binary(kind)?.is_empty(),
            3 => chunk.read_description(reader, kind)?,
            8 | 9 => {
                chunk.is_encrypted = true;
                reader.skip(kind)?;
            }
            _ => reader.skip(kind)?,
        }
        Ok(())
    })?;
    Ok(chunk)
}

impl Chunk {
    fn read_description(&mut self, reader: &mut ThriftReader<'_>, kind: Kind) -> Result<(), Fault> {
        ThriftReader::expect_struct(kind)?;
        self.is_described = true;
        reader.fields(|reader, id, kind| {
            match id {
                2 => reader.list(kind, |reader, kind| {
                    self.encodings.push(reader.small(kind)?);
                    Ok(())
                })?,
                4 => self.codec = reader.small(kind)?,
                5 => self.values = reader.integer(kind)?,
                6 => self.bytes = reader.integer(kind)?,
                7 => self.compressed_bytes = reader.integer(kind)?,
                9 => self.data = reader.integer(kind)?,
                11 => self.dictionary = Some(reader.integer(kind)?),
                16 => {
                    ThriftReader::expect_struct(kind)?;
                    reader.fields(|reader, id, kind| {
                        match id {
                            1 => self.text_bytes = Some(reader.integer(kind)?),
                            _ => reader.skip(kind)?,
                        }
                        Ok(())
                    })?;
                }
                _ => reader.skip(kind)?,
            }
            Ok(())
        })
    }

    fn check(&mut self, file_bytes: i64, forgotten: i64) -> Result<(), Fault> {
        if !self.is_described && !self.is_encrypted {
            return Err("a column of a row group is not described".to_owned());
        }
        if self.problem().is_some() {
            return Ok(());
        }
        // Some writers write 0 for "no dictionary".
        self.dictionary = self.dictionary.filter(|dictionary| *dictionary > 0 && *dictionary < self.data);
        let start = self.dictionary.unwrap_or(self.data);
        let end = start.checked_add(self.compressed_bytes).unwrap_or(i64::MAX);
        if start < 0 || self.compressed_bytes < 0 || end > file_bytes {
            return Err(format!("a column of a row group ends at byte {end}, and the file has {file_bytes}"));
        }
        self.compressed_bytes += forgotten.min(file_bytes - end);
        self.bytes = self.bytes.max(0);
        Ok(())
    }

    fn problem(&self) -> Option<String> {
        if self.is_encrypted {
            return Some("is encrypted".to_owned());
        }
        if self.is_elsewhere {
            return Some("stands in another file".to_owned());
        }
        if let Some(encoding) = self.encodings.iter().find(|encoding| !ENCODINGS.contains(encoding)) {
            return Some(format!("has the encoding number {encoding}, which is not known"));
        }
        match self.codec {
            0..=2 | 4..=7 => None,
            3 => Some("is compressed with LZO".to_owned()),
            codec => Some(format!("is compressed with codec number {codec}, which is not known")),
        }
    }

    fn write(&self, writer: &mut ThriftWriter, leaf: &Leaf) {
        let is_sound = self.problem().is_none();
        // INT96 is read as the twelve bytes that it is.
        let physical = if leaf.physical == 3 { FIXED_BYTES } else { leaf.physical.clamp(0, FIXED_BYTES) };
        writer.long(2, 0);
        writer.structure(3, |writer| {
            writer.small(1, physical);
            writer.smalls(2, if is_sound { &self.encodings } else { &[] });
            writer.small(4, if is_sound { self.codec } else { 0 });
            writer.long(5, self.values);
            writer.long(6, self.bytes);
            writer.long(7, if is_sound { self.compressed_bytes } else { 0 });
            writer.long(9, if is_sound { self.data } else { 0 });
            if let Some(dictionary) = self.dictionary.filter(|_| is_sound) {
                writer.long(11, dictionary);
            }
            if let Some(bytes) = self.text_bytes {
                writer.structure(16, |writer| writer.long(1, bytes));
            }
        });
    }
}
