//! What holds for any bytes: a decoder always moves forward, and reads the same however the bytes are cut.
//!
//! The fuzz targets of `fuzz/` run these functions over whatever they come upon, the tests below over random bytes of fixed seeds.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use laminar_connectors::formats::cell::CellOptions;
use laminar_connectors::formats::csv::{CsvDecoder, Dialect};
use laminar_connectors::formats::json::JsonLayout;
use laminar_connectors::formats::ndjson::NdjsonDecoder;
use laminar_connectors::formats::{Decoder, Taken};
use laminar_core::Result;

/// Reads the bytes as separated values; the first one chooses the dialect.
pub(crate) fn csv(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let dialect = Dialect {
        header: choice & 1 != 0,
        delimiter: if choice & 2 != 0 { b'\t' } else { b',' },
        quote: (choice & 4 == 0).then_some(b'"'),
        nulls: if choice & 8 != 0 { vec!["NA".to_owned()] } else { Vec::new() },
        skip: usize::from(choice & 64 != 0),
        comment: (choice & 128 != 0).then(|| "-2".to_owned()),
    };
    let decoder = || CsvDecoder::new(schema(&[]), dialect.clone(), options(*choice), "the input");
    same_however_cut(bytes, decoder);
}

/// Reads the bytes as JSON; the first one chooses where objects may stand, and the unit of numbers that are times.
pub(crate) fn ndjson(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)));
    let fields = vec![Field::new("x", DataType::Int32, true), Field::new("y", list.clone(), true)];
    let nested = [Field::new("f", list, true), Field::new("g", DataType::Struct(fields.into()), true)];
    let layout = match choice >> 6 {
        0 | 1 => JsonLayout::Lines,
        2 => JsonLayout::Any { root: Vec::new() },
        _ => JsonLayout::Any { root: vec!["f".to_owned()] },
    };
    same_however_cut(bytes, || NdjsonDecoder::with_layout(schema(&nested), options(*choice), layout.clone(), "the input"));
}

fn schema(more: &[Field]) -> SchemaRef {
    let fields = [
        Field::new("a", DataType::Int64, false),
        Field::new("b", DataType::Utf8, true),
        Field::new("c", DataType::Float64, true),
        Field::new("d", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
        Field::new("e", DataType::Decimal128(10, 2), true),
    ];
    Arc::new(Schema::new([&fields[..], more].concat()))
}

fn options(choice: u8) -> CellOptions {
    CellOptions { epoch_unit: (choice & 16 != 0).then_some(TimeUnit::Millisecond), exact: choice & 32 != 0 }
}

/// What a decoder made of the bytes.
#[derive(Debug, PartialEq)]
struct Read {
    rows: RecordBatch,
    /// Where records were that cannot be read, and why.
    bad: Vec<(usize, String)>,
    lines: usize,
}

fn same_however_cut<D: Decoder>(bytes: &[u8], decoder: impl Fn() -> Result<D>) {
    let read = |piece| read(decoder().expect("the columns can be read"), bytes, piece);
    let whole = read(bytes.len().max(1));
    for piece in [1, 7] {
        assert_eq!(read(piece), whole, "in pieces of {piece} bytes");
    }
}

/// Shows the bytes piece by piece, as a file is read.
fn read(mut decoder: impl Decoder, bytes: &[u8], piece: usize) -> Result<Read> {
    let (mut at, mut shown, mut lines, mut bad) = (0, 0, 0, Vec::new());
    while at < bytes.len() {
        if at == shown {
            shown = (shown + piece).min(bytes.len());
        }
        let last = shown == bytes.len();
        let extent = match decoder.take(&bytes[at..shown], last)? {
            Taken::Incomplete => {
                assert!(!last, "the record at {at} never ends");
                shown = (shown + piece).min(bytes.len());
                continue;
            }
            Taken::Row(extent) | Taken::Skipped(extent) => extent,
            Taken::Bad(extent, reason) => {
                bad.push((at, reason));
                extent
            }
        };
        assert!((1..=shown - at).contains(&extent.bytes), "the record at {at} has {} bytes of {}", extent.bytes, shown - at);
        (at, lines) = (at + extent.bytes, lines + extent.lines);
    }
    Ok(Read { rows: decoder.finish()?, bad, lines })
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    /// Up to 40 of the pieces in any order; sometimes a byte that is none of them.
    fn check(pieces: &[&[u8]], body: fn(&[u8])) {
        let rounds = std::env::var("LAMINAR_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3_000);
        for seed in 0..rounds {
            let mut random = StdRng::seed_from_u64(seed);
            let mut bytes = vec![random.random()];
            for _ in 0..random.random_range(0..40) {
                match random.random_range(0..20) {
                    0 => bytes.push(random.random()),
                    _ => bytes.extend_from_slice(pieces[random.random_range(0..pieces.len())]),
                }
            }
            // Whatever fails is told with the bytes, so that it can become a test of its own.
            if let Err(panic) = std::panic::catch_unwind(|| body(&bytes)) {
                #[expect(clippy::print_stderr, reason = "a failing test may speak")]
                {
                    eprintln!("seed {seed}: {:?}", bytes.escape_ascii().to_string());
                }
                std::panic::resume_unwind(panic);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_as_csv_the_same_however_they_are_cut() {
        let pieces: &[&[u8]] = &[
            b",",
            b",",
            b",",
            b"\t",
            b"\n",
            b"\r\n",
            b"\r",
            b"\"",
            b"\"\"",
            b"1",
            b"-2.5",
            b"NA",
            b"x",
            b" ",
            b"\xff",
            b"\xEF\xBB\xBF",
            b"2026-01-01 00:00:00",
            b"a,b,c,d,e\n",
            b"1,b,2.5,2026-01-01T00:00:00Z,3.25\n",
            b"1\tb\t\t\t\n",
            b"1e400",
            b"\0",
            "\u{e9}".as_bytes(),
        ];
        check(pieces, super::csv);
    }

    #[test]
    fn any_bytes_are_read_as_json_lines_the_same_however_they_are_cut() {
        let pieces: &[&[u8]] = &[
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b"\n",
            b"\r\n",
            b"\"a\":",
            b"\"b\":",
            b"\"d\":",
            b"\"e\":",
            b"\"f\":",
            b"\"g\":{\"y\":",
            b"1",
            b"-2.5",
            b"1e400",
            b"null",
            b"true",
            b"\"x\"",
            b"\"\\ud800\"",
            b"\\",
            b"\"",
            b" ",
            b"\xff",
            b"\xEF\xBB\xBF",
            b"[1,null]",
            b"\0",
            b"{\"a\":1,\"b\":\"x\",\"d\":\"2026-01-01T00:00:00Z\"}\n",
            b"{\"a\":2,\"d\":5,\"f\":[1,2],\"g\":{\"x\":1}}\n",
        ];
        check(pieces, super::ndjson);
    }
}
