//! Files as other writers make them, put together byte by byte.

use std::fs::File;
use std::io::Write;

use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use expect_test::{Expect, expect};
use laminar_core::Result;

use super::thrift::ThriftWriter;
use super::{ParquetReader, parquet_schema};
use crate::formats::type_name::type_name;

const BOOLEAN: i32 = 0;
const INT32: i32 = 1;
const INT64: i32 = 2;
const INT96: i32 = 3;
const BYTES: i32 = 6;
const FIXED: i32 = 7;

const REQUIRED: Option<i32> = Some(0);
const OPTIONAL: Option<i32> = Some(1);
const REPEATED: Option<i32> = Some(2);

/// One element of a schema; a group has children and no physical type.
#[derive(Clone, Default)]
struct Element {
    name: &'static str,
    physical: Option<i32>,
    length: Option<i32>,
    repetition: Option<i32>,
    children: Option<i32>,
    converted: Option<i32>,
    scale: Option<i32>,
    precision: Option<i32>,
    /// The number of a logical type without members.
    logical: Option<i16>,
}

fn leaf(name: &'static str, physical: i32) -> Element {
    Element { name, physical: Some(physical), repetition: REQUIRED, ..Element::default() }
}

fn fixed(name: &'static str, length: i32) -> Element {
    Element { length: Some(length), ..leaf(name, FIXED) }
}

fn group(name: &'static str, repetition: Option<i32>, children: i32) -> Element {
    Element { name, repetition, children: Some(children), ..Element::default() }
}

impl Element {
    fn converted(mut self, number: i32) -> Self {
        self.converted = Some(number);
        self
    }

    fn logical(mut self, number: i16) -> Self {
        self.logical = Some(number);
        self
    }

    fn decimal(mut self, precision: i32, scale: Option<i32>) -> Self {
        (self.precision, self.scale) = (Some(precision), scale);
        self.converted(5)
    }

    fn write(&self, writer: &mut ThriftWriter) {
        let mut small = |id, value: Option<i32>| value.into_iter().for_each(|value| writer.small(id, value));
        small(1, self.physical);
        small(2, self.length);
        small(3, self.repetition);
        writer.binary(4, self.name.as_bytes());
        let mut small = |id, value: Option<i32>| value.into_iter().for_each(|value| writer.small(id, value));
        small(5, self.children);
        small(6, self.converted);
        small(7, self.scale);
        small(8, self.precision);
        if let Some(number) = self.logical {
            writer.structure(10, |writer| writer.structure(number, |_| {}));
        }
    }
}

/// One column of the only row group: values as they stand in a page, all of them required.
#[derive(Clone, Default)]
struct Chunk {
    values: i32,
    bytes: Vec<u8>,
    codec: i32,
    encoding: i32,
    is_encrypted: bool,
    is_elsewhere: bool,
    /// Pages without values after it.
    empty_pages: usize,
    /// Bytes by which the chunk is longer than the footer says.
    forgotten: i64,
}

/// A file.
#[derive(Default)]
struct Raw {
    elements: Vec<Element>,
    chunks: Vec<Chunk>,
    rows: i64,
    total: Option<i64>,
    created_by: &'static str,
}

impl Raw {
    fn of(elements: Vec<Element>, chunks: Vec<Chunk>) -> Self {
        let rows = chunks.first().map_or(0, |chunk| i64::from(chunk.values));
        Self { elements, chunks, rows, ..Self::default() }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut file = b"PAR1".to_vec();
        let spans: Vec<(i64, i64)> = self.chunks.iter().map(|chunk| write_pages(chunk, &mut file)).collect();
        let footer = self.footer(&spans);
        file.extend_from_slice(&footer);
        file.extend_from_slice(&(footer.len() as u32).to_le_bytes());
        file.extend_from_slice(b"PAR1");
        file
    }

    fn footer(&self, spans: &[(i64, i64)]) -> Vec<u8> {
        let depth_first = &self.elements;
        // The root has those children that no group before them takes.
        let within: i32 = depth_first.iter().filter_map(|element| element.children).sum();
        let root = group("root", None, depth_first.len() as i32 - within);
        let elements: Vec<&Element> = std::iter::once(&root).chain(depth_first).collect();
        let leaves: Vec<&Element> = depth_first.iter().filter(|element| element.physical.is_some()).collect();
        let chunks: Vec<_> = self.chunks.iter().zip(spans).zip(leaves).collect();
        let mut writer = ThriftWriter::default();
        writer.small(1, 1);
        writer.structures(2, &elements, |writer, element| element.write(writer));
        writer.long(3, self.total.unwrap_or(self.rows));
        let groups: &[()] = if chunks.is_empty() { &[] } else { &[()] };
        writer.structures(4, groups, |writer, ()| {
            writer.structures(1, &chunks, |writer, ((chunk, span), leaf)| write_chunk(writer, chunk, **span, leaf));
            writer.long(2, 100);
            writer.long(3, self.rows);
        });
        writer.binary(6, self.created_by.as_bytes());
        writer.finish()
    }
}

fn write_pages(chunk: &Chunk, file: &mut Vec<u8>) -> (i64, i64) {
    let start = file.len();
    write_page(chunk, chunk.values, &chunk.bytes, file);
    (0..chunk.empty_pages).for_each(|_| write_page(chunk, 0, &[], file));
    (start as i64, (file.len() - start) as i64 - chunk.forgotten)
}

fn write_page(chunk: &Chunk, values: i32, bytes: &[u8], file: &mut Vec<u8>) {
    let mut header = ThriftWriter::default();
    header.small(1, 0);
    header.small(2, bytes.len() as i32);
    header.small(3, bytes.len() as i32);
    header.structure(5, |header| {
        header.small(1, values);
        header.small(2, chunk.encoding);
        header.small(3, 3);
        header.small(4, 3);
    });
    file.extend_from_slice(&header.finish());
    file.extend_from_slice(bytes);
}

fn write_chunk(writer: &mut ThriftWriter, chunk: &Chunk, (start, bytes): (i64, i64), leaf: &Element) {
    if chunk.is_elsewhere {
        writer.binary(1, b"part-1.parquet");
    }
    writer.long(2, start);
    if chunk.is_encrypted {
        return writer.structure(8, |writer| writer.structure(1, |_| {}));
    }
    writer.structure(3, |writer| {
        writer.small(1, leaf.physical.unwrap_or(BYTES));
        writer.smalls(2, &[chunk.encoding, 3]);
        writer.structures::<()>(3, &[], |_, ()| {});
        writer.small(4, chunk.codec);
        writer.long(5, i64::from(chunk.values));
        writer.long(6, bytes);
        writer.long(7, bytes);
        writer.long(9, start);
    });
}

fn longs(values: &[i64]) -> Chunk {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Chunk { values: values.len() as i32, bytes, ..Chunk::default() }
}

fn texts(values: &[&[u8]]) -> Chunk {
    let bytes = values.iter().flat_map(|value| [&(value.len() as u32).to_le_bytes()[..], value].concat()).collect();
    Chunk { values: values.len() as i32, bytes, ..Chunk::default() }
}

fn pieces<const N: usize>(values: &[[u8; N]]) -> Chunk {
    Chunk { values: values.len() as i32, bytes: values.concat(), ..Chunk::default() }
}

/// Nanoseconds of a day and days from 1970, as INT96.
fn time(nanos: i64, day: i32) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&nanos.to_le_bytes());
    bytes[8..].copy_from_slice(&(day + 2_440_588).to_le_bytes());
    bytes
}

fn interval(months: u32, days: u32, millis: u32) -> [u8; 12] {
    let mut bytes = [0; 12];
    [months, days, millis].iter().zip(bytes.chunks_mut(4)).for_each(|(part, bytes)| bytes.copy_from_slice(&part.to_le_bytes()));
    bytes
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// The rows, `a | b`, and the bad ones, `! row: reason <- picture`.
fn read(bytes: &[u8]) -> Result<String> {
    let schema = parquet_schema(file_of(bytes), "'a.parquet'")?;
    let mut reader = ParquetReader::new(file_of(bytes), "'a.parquet'", schema, 1000)?;
    let mut lines = Vec::new();
    loop {
        match reader.next_batch() {
            Ok(Some((rows, bad))) => {
                lines.extend(rows_of(&rows));
                lines.extend(bad.iter().map(|bad| format!("! {}: {} <- {}", bad.row + 1, bad.reason, bad.picture)));
            }
            Ok(None) => return Ok(lines.join("\n")),
            Err(error) => {
                lines.push(error.to_string());
                return Ok(lines.join("\n"));
            }
        }
    }
}

fn rows_of(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::new().with_null("NULL");
    let columns: Vec<_> = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" | "))
        .collect()
}

/// What a file gives: its rows, or the refusal.
fn check(raw: &Raw, expected: Expect) {
    expected.assert_eq(&read(&raw.bytes()).unwrap_or_else(|error| error.to_string()));
}

/// The columns that a file with these elements has.
fn check_columns(elements: Vec<Element>, expected: Expect) {
    let bytes = Raw::of(elements, Vec::new()).bytes();
    let schema = parquet_schema(file_of(&bytes), "'a.parquet'");
    let columns = schema.map(|schema| {
        let column = |field: &std::sync::Arc<arrow_schema::Field>| format!("{} {}", field.name(), type_name(field.data_type()));
        schema.fields().iter().map(column).collect::<Vec<_>>().join(", ")
    });
    expected.assert_eq(&columns.unwrap_or_else(|error| error.to_string()));
}

#[test]
fn annotations_of_both_generations_give_the_usual_types() {
    check_columns(
        vec![
            leaf("enum", BYTES).converted(4),
            leaf("enum2", BYTES).logical(4),
            leaf("json", BYTES).converted(19),
            leaf("bson", BYTES).logical(13),
            leaf("bytes", BYTES),
            fixed("uuid", 16).logical(14),
            fixed("half", 2).logical(15),
            fixed("interval", 12).converted(21),
            fixed("five", 5),
            leaf("time96", INT96),
            leaf("u16", INT32).converted(12),
            leaf("u64", INT64).converted(14),
            leaf("day", INT32).converted(6),
            leaf("ms", INT32).converted(7),
            leaf("us", INT64).converted(10),
        ],
        expect![[
            r#"enum VARCHAR, enum2 VARCHAR, json VARCHAR, bson BYTEA, bytes BYTEA, uuid VARCHAR, half REAL, interval INTERVAL, five BYTEA, time96 TIMESTAMP, u16 SMALLINT UNSIGNED, u64 BIGINT UNSIGNED, day DATE, ms TIME, us TIMESTAMPTZ"#
        ]],
    );
}

#[test]
fn annotations_that_old_and_foreign_writers_got_wrong_are_forgiven() {
    let mut bare = leaf("bare", INT64);
    bare.repetition = None;
    check_columns(
        vec![
            bare,
            leaf("null24", INT32).converted(24),
            leaf("unknown", INT64).converted(77),
            leaf("future", INT64).logical(99),
            fixed("interval", 12).converted(21).logical(11),
            leaf("dec", INT32).decimal(9, None),
            leaf("both", BYTES).converted(0).logical(13),
        ],
        expect![[
            r#"bare BIGINT, null24 VARCHAR, unknown BIGINT, future BIGINT, interval INTERVAL, dec DECIMAL(9,0), both BYTEA"#
        ]],
    );
}

#[test]
fn groups_are_what_is_in_them_and_those_without_columns_are_left_out() {
    let key_value = |children| group("key_value", REPEATED, children);
    check_columns(
        vec![
            group("empty", OPTIONAL, 1),
            group("emptier", OPTIONAL, 0),
            leaf("a", INT64),
            group("map", OPTIONAL, 1).converted(1),
            key_value(2),
            leaf("key", INT32),
            leaf("value", INT64),
            group("repeated_map", REPEATED, 1).converted(1),
            key_value(2),
            leaf("key", INT32),
            leaf("value", INT64),
            group("three", OPTIONAL, 1).converted(1),
            key_value(3),
            leaf("key", INT32),
            leaf("value", INT64),
            leaf("more", INT64),
            group("list", OPTIONAL, 1).converted(3),
            group("list", REPEATED, 1),
            leaf("element", INT64),
            group("flat_list", OPTIONAL, 2).converted(3),
            leaf("x", INT64),
            leaf("y", INT64),
            group("keys", OPTIONAL, 1).converted(1),
            key_value(2),
            leaf("key", INT32),
            group("value", OPTIONAL, 0),
        ],
        expect![[r#"a BIGINT, map MAP, repeated_map STRUCT[], three STRUCT, list BIGINT[], flat_list STRUCT, keys INTEGER[]"#]],
    );
}

#[test]
fn neighbours_with_one_name_are_told_apart_by_their_number() {
    check_columns(
        vec![leaf("a", INT64), leaf("a", BYTES), leaf("b", INT64), leaf("", INT64), leaf("a", INT32), leaf("a_2", INT32)],
        expect![[r#"a BIGINT, a_2 BYTEA, b BIGINT, column_4 BIGINT, a_5 INTEGER, a_2_6 INTEGER"#]],
    );
}

#[test]
fn columns_of_one_name_keep_their_values() {
    let raw = Raw::of(vec![leaf("a", INT64), leaf("a", INT64), leaf("b", INT64)], vec![longs(&[1]), longs(&[2]), longs(&[3])]);
    check(&raw, expect!["1 | 2 | 3"]);
}

#[test]
fn an_empty_group_between_columns_moves_none() {
    let raw = Raw::of(vec![leaf("a", INT64), group("g", OPTIONAL, 0), leaf("b", INT64)], vec![longs(&[1, 2]), longs(&[3, 4])]);
    check(
        &raw,
        expect![[r#"
        1 | 3
        2 | 4"#]],
    );
}

#[test]
fn row_groups_tell_how_many_rows_there_are() {
    let raw = Raw { total: Some(0), ..Raw::of(vec![leaf("a", INT64)], vec![longs(&[1, 2])]) };
    check(
        &raw,
        expect![[r#"
        1
        2"#]],
    );
    let raw = Raw { rows: 3, ..Raw::of(vec![leaf("a", INT64)], vec![longs(&[1, 2])]) };
    check(
        &raw,
        expect![[r#"
        1
        2
        LDB-3002: 'a.parquet' is damaged after row 2 (column 'a': its bytes are not what the file says they are)"#]],
    );
}

#[test]
fn times_of_twelve_bytes_hold_all_years() {
    let times =
        [time(0, 19_723), time(1_000, -719_162), time(86_399_000_000_000, 2_932_896), time(1, 0), time(0, i32::MAX - 2_440_588)];
    let raw = Raw::of(vec![leaf("at", INT96)], vec![pieces(&times)]);
    check(
        &raw,
        expect![[r#"
        2024-01-01T00:00:00
        0001-01-01T00:00:00.000001
        9999-12-31T23:59:59
        ! 4: column 'at': 1970-01-01 00:00:00.000000001 does not fit TIMESTAMP with 6 digits after the second <- {at: 1970-01-01 00:00:00.000000001}
        ! 5: column 'at': the time 185331720297600000000000 ns from 1970 does not fit TIMESTAMP with 6 digits after the second <- {at: the time 185331720297600000000000 ns from 1970}"#]],
    );
}

#[test]
fn times_of_twelve_bytes_with_nanoseconds_keep_them() {
    let raw = Raw::of(vec![leaf("at", INT96)], vec![pieces(&[time(1, 0), time(999, 19_723)])]);
    check(
        &raw,
        expect![[r#"
        1970-01-01T00:00:00.000000001
        2024-01-01T00:00:00.000000999"#]],
    );
}

#[test]
fn intervals_keep_their_months() {
    let intervals = [interval(14, 3, 5000), interval(12, 0, 0), interval(0, 0, u32::MAX), interval(u32::MAX, 0, 0)];
    let raw = Raw::of(vec![fixed("i", 12).converted(21)], vec![pieces(&intervals)]);
    check(
        &raw,
        expect![[r#"
        14 mons 3 days 5.000000000 secs
        12 mons
        1193 hours 2 mins 47.295000000 secs
        ! 4: column 'i': 4294967295 months 0 days does not fit INTERVAL <- {i: 4294967295 months 0 days does not fit INTERVAL}"#]],
    );
}

#[test]
fn uuids_and_enums_are_their_usual_text() {
    let uuid: [u8; 16] = std::array::from_fn(|index| (index * 17) as u8);
    let raw = Raw::of(
        vec![fixed("u", 16).logical(14), leaf("e", BYTES).converted(4), leaf("b", BYTES)],
        vec![pieces(&[uuid]), texts(&[b"RED"]), texts(&[b"\xff"])],
    );
    check(&raw, expect!["00112233-4455-6677-8899-aabbccddeeff | RED | ff"]);
}

#[test]
fn a_text_that_is_not_utf_8_costs_its_own_row() {
    let raw = Raw::of(
        vec![leaf("id", INT64), leaf("t", BYTES).converted(0)],
        vec![longs(&[1, 2, 3, 4]), texts(&[b"a", b"\xffx", "\u{e9}".as_bytes(), b"\xc3"])],
    );
    check(
        &raw,
        expect![[r#"
        1 | a
        3 | é
        ! 2: column 't': not valid UTF-8 <- {id: 2, t: �x}
        ! 4: column 't': not valid UTF-8 <- {id: 4, t: �}"#]],
    );
}

#[test]
fn empty_pages_and_forgotten_headers_cost_nothing() {
    let chunk = Chunk { empty_pages: 2, ..longs(&[1, 2]) };
    check(
        &Raw::of(vec![leaf("a", INT64)], vec![chunk]),
        expect![[r#"
        1
        2"#]],
    );
    let chunk = Chunk { forgotten: 9, ..longs(&[1, 2]) };
    let old = Raw { created_by: "parquet-mr version 1.2.8 (build x)", ..Raw::of(vec![leaf("a", INT64)], vec![chunk.clone()]) };
    check(
        &old,
        expect![[r#"
        1
        2"#]],
    );
    let new = Raw { created_by: "parquet-mr version 1.10.0 (build x)", ..Raw::of(vec![leaf("a", INT64)], vec![chunk]) };
    check(&new, expect!["LDB-3002: 'a.parquet' is damaged after row 0 (column 'a': it ends before its values do)"]);
}

#[test]
fn what_is_not_built_in_is_refused_by_name_when_the_file_is_opened() {
    let refused = |element: Element, chunk: Chunk| read(&Raw::of(vec![element], vec![chunk]).bytes()).unwrap_err().to_string();
    let a = || leaf("a", INT64);
    let all = [
        refused(a(), Chunk { codec: 3, ..longs(&[1]) }),
        refused(a(), Chunk { codec: 42, ..longs(&[1]) }),
        refused(a(), Chunk { encoding: 42, ..longs(&[1]) }),
        refused(a(), Chunk { is_encrypted: true, ..longs(&[1]) }),
        refused(a(), Chunk { is_elsewhere: true, ..longs(&[1]) }),
        refused(fixed("d", 33).decimal(77, Some(2)), pieces(&[[0; 33]])),
        refused(leaf("d", INT32).decimal(10, Some(2)), longs(&[1])),
        refused(leaf("b", BOOLEAN).converted(0), longs(&[1])),
        refused(leaf("p", 8), longs(&[1])),
    ];
    expect![[r#"
        LDB-1010: not supported: column 'a' of 'a.parquet' is compressed with LZO
        LDB-1010: not supported: column 'a' of 'a.parquet' is compressed with codec number 42, which is not known
        LDB-1010: not supported: column 'a' of 'a.parquet' has the encoding number 42, which is not known
        LDB-1010: not supported: column 'a' of 'a.parquet' is encrypted
        LDB-1010: not supported: column 'a' of 'a.parquet' stands in another file
        LDB-1010: not supported: column 'd' of 'a.parquet' is DECIMAL(77,2); 76 digits are the most
        LDB-1010: not supported: column 'd' of 'a.parquet' is DECIMAL(10,2) in a form that the format does not have
        LDB-1010: not supported: column 'b' of 'a.parquet' says that text is written as BOOLEAN, which the format does not have
        LDB-1010: not supported: column 'p' of 'a.parquet' has the physical type number 8, which is not known"#]]
    .assert_eq(&all.join("\n"));
}

#[test]
fn columns_beside_one_that_is_not_built_in_can_be_read() {
    let raw = Raw::of(vec![leaf("a", INT64), leaf("b", INT64)], vec![longs(&[1]), Chunk { is_encrypted: true, ..longs(&[2]) }]);
    check(
        &raw,
        expect![
            "LDB-1010: not supported: column 'b' of 'a.parquet' is encrypted; hint: declare the other columns to read these: CREATE SOURCE name (a BIGINT, …) FROM …"
        ],
    );
    let schema = parquet_schema(file_of(&raw.bytes()), "'a.parquet'").unwrap().project(&[0]).unwrap();
    let mut reader = ParquetReader::new(file_of(&raw.bytes()), "'a.parquet'", schema.into(), 10).unwrap();
    assert_eq!(rows_of(&reader.next_batch().unwrap().unwrap().0), ["1"]);
}

#[test]
fn a_damage_costs_no_row_before_it_and_names_its_column() {
    let raw = Raw::of(vec![leaf("a", INT64), leaf("t", BYTES)], vec![longs(&[1, 2, 3]), texts(&[b"x", b"y", b"z"])]);
    let mut bytes = raw.bytes();
    let z = bytes.windows(5).position(|bytes| bytes == b"\x01\0\0\0z").unwrap();
    bytes[z] = 200;
    expect![[r#"
        1 | 78
        2 | 79
        LDB-3002: 'a.parquet' is damaged after row 2 (column 't': it ends before its values do)"#]]
    .assert_eq(&read(&bytes).unwrap());
}

#[test]
fn a_footer_that_is_cut_or_changed_anywhere_is_an_error_or_gives_rows_and_never_a_panic() {
    let raw = Raw::of(vec![leaf("a", INT64), leaf("t", BYTES).converted(0)], vec![longs(&[1, 2]), texts(&[b"x", b"y"])]);
    let whole = raw.bytes();
    for index in 4..whole.len() - 4 {
        for change in [1, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[index] ^= change;
            if let Err(error) = read(&bytes) {
                assert!(!error.to_string().contains("LDB-9"), "byte {index} changed by {change}: {error}");
            }
        }
    }
}
