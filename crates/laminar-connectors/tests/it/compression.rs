//! Compressed files: known by their first bytes whatever their name says, read or refused by name.

use std::io::Write;

use crate::harness::{Place, schema};

const TEXT: &str = "id,name\n1,Ada\n2,Bob\n";

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// Whether rows come or a message, with declared columns and without.
fn check(name: &str, bytes: &[u8], options: &[(&str, &str)], expected: &str) {
    let place = Place::new();
    place.write(name, bytes);
    for columns in ["", "id:int, name:text"] {
        let declared = (!columns.is_empty()).then(|| schema(columns));
        let shown = match place.read(name, declared, options) {
            Ok(read) => read.shown(&place).replace('\n', "; "),
            Err(error) => place.plain(&error.to_string()),
        };
        assert!(shown.starts_with(expected), "{name} with columns '{columns}': {shown}");
    }
}

#[test]
fn gzip_and_zstd_are_read_under_any_name() {
    let rows = "1 | Ada; 2 | Bob";
    let half = TEXT.len() / 2;
    let skippable = b"\x53\x2A\x4D\x18\x04\0\0\0\x01\x02\x03\x04";
    let cases: Vec<Vec<u8>> = vec![
        TEXT.into(),
        gzip(TEXT),
        zstd(TEXT),
        [gzip(&TEXT[..half]), gzip(&TEXT[half..])].concat(),
        [zstd(&TEXT[..half]), zstd(&TEXT[half..])].concat(),
        [gzip(TEXT), gzip("")].concat(),
        [gzip(TEXT), vec![0; 1000]].concat(),
        [gzip(&TEXT[..half]), vec![0; 700], gzip(&TEXT[half..])].concat(),
        [skippable.to_vec(), zstd(TEXT)].concat(),
        [zstd(&TEXT[..half]), skippable.to_vec(), zstd(&TEXT[half..]), skippable.to_vec()].concat(),
        gzip(&format!("\u{feff}{TEXT}")),
        zstd(TEXT.trim_end()),
    ];
    for bytes in &cases {
        for name in ["a.csv", "a.csv.gz", "a.csv.zst", "a.csv.bz2"] {
            check(name, bytes, &[], rows);
        }
        check("a.dat", bytes, &[("format", "csv")], rows);
    }
}

#[test]
fn other_compressions_and_archives_are_refused_by_name_whatever_the_file_is_called() {
    let cases: &[(&[u8], &str)] = &[
        (b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4F\x02\0!\x01", "is compressed with xz"),
        (b"BZh91AY&SY\x19\x31\x65\x3d\0\0\0", "is compressed with bzip2"),
        (b"BZh9\x17\x72\x45\x38\x50\x90\0\0\0\0", "is compressed with bzip2"),
        (b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0", "is compressed with LZMA"),
        (b"LZIP\x01\x0c", "is compressed with lzip"),
        (b"\x04\x22\x4d\x18\x64\x40\xa7", "is compressed with LZ4"),
        (b"\x02\x21\x4c\x18\x10\0\0\0", "is compressed with LZ4"),
        (b"\xff\x06\0\0sNaPpY\x01", "is compressed with Snappy"),
        (b"\x89LZO\0\r\n\x1a\n\x10\x40", "is compressed with LZO"),
        (b"\x1f\x9d\x90\x69\xc8", "is compressed with compress"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "is a 7z archive"),
        (b"Rar!\x1a\x07\x01\0", "is a RAR archive"),
        (b"PK\x03\x04\x14\0", "is a zip archive"),
        (b"PK\x05\x06\0\0\0\0", "is an empty zip archive"),
        (b"PAR1\x15\x04\x15\x10", "is a Parquet file"),
        (b"ARROW1\0\0\xff\xff", "is an Arrow file"),
        (b"Obj\x01\x04\x14avro.codec", "is an Avro file"),
        (b"SQLite format 3\0\x10\0", "is an SQLite database"),
    ];
    for (bytes, expected) in cases {
        for name in ["a.csv", "a.csv.gz", "a.csv.xz", "a.ndjson"] {
            check(name, bytes, &[], &format!("LDB-3002: '{name}' {expected}"));
        }
        check("a", bytes, &[("format", "csv")], &format!("LDB-3002: 'a' {expected}"));
    }
}

#[test]
fn what_is_inside_a_compressed_file_is_recognised_too() {
    let tar = {
        let mut block = vec![0; 1024];
        block[..5].copy_from_slice(b"a.csv");
        block[257..262].copy_from_slice(b"ustar");
        block
    };
    let mut gzip_tar = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip_tar.write_all(&tar).unwrap();
    let mut gzip_utf16 = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip_utf16.write_all(&utf16(TEXT)).unwrap();
    check("a.csv", &utf16(TEXT), &[], "LDB-3002: 'a.csv' is UTF-16 text");
    check("a.csv.gz", &gzip_utf16.finish().unwrap(), &[], "LDB-3002: 'a.csv.gz' is UTF-16 text");
    check("a.csv.zst", &zstd::encode_all(&utf16(TEXT)[..], 1).unwrap(), &[], "LDB-3002: 'a.csv.zst' is UTF-16 text");
    check("a.csv", &tar, &[], "LDB-3002: 'a.csv' is a tar archive");
    check("a.csv.gz", &gzip_tar.finish().unwrap(), &[], "LDB-3002: 'a.csv.gz' is a tar archive");
}

#[test]
fn a_compression_that_the_file_does_not_have_is_refused() {
    let cases = [
        (gzip(TEXT), "none", "is compressed with gzip, but compression is 'none'"),
        (gzip(TEXT), "zstd", "is compressed with gzip, but compression is 'zstd'"),
        (zstd(TEXT), "gzip", "is compressed with zstd, but compression is 'gzip'"),
        (TEXT.into(), "gzip", "is not compressed, but compression is 'gzip'"),
    ];
    for (bytes, compression, expected) in cases {
        check("a.csv", &bytes, &[("compression", compression)], &format!("LDB-3002: 'a.csv' {expected}"));
    }
    check("a.csv", &gzip(TEXT), &[("compression", "gzip")], "1 | Ada; 2 | Bob");
    check("a.csv", TEXT.as_bytes(), &[("compression", "none")], "1 | Ada; 2 | Bob");
}

#[test]
fn a_text_that_begins_as_a_compressed_file_might_stays_a_text() {
    for name in ["BZh9", "PK", "PAR1", "Rar", "LZIP", "7z", "Obj", "P*M", "ARROW1"] {
        let place = Place::new();
        place.write("a.csv", format!("{name},b\n1,2\n"));
        assert_eq!(place.read("a.csv", None, &[]).unwrap().rows, ["1 | 2"], "{name}");
    }
}

#[test]
fn what_follows_the_end_of_compressed_data_is_not_thrown_away() {
    let cases = [
        ([gzip(TEXT), b"3,Cy\n".to_vec()].concat(), "after the end of its gzip data it goes on with something else"),
        ([zstd(TEXT), b"3,Cy\n".to_vec()].concat(), "Unknown frame descriptor"),
        (gzip(TEXT)[..30].to_vec(), "incomplete deflate stream"),
        (gzip(TEXT)[..gzip(TEXT).len() - 3].to_vec(), "unexpected end of file"),
        (zstd(TEXT)[..20].to_vec(), "unexpected end of file"),
    ];
    for (bytes, expected) in cases {
        let place = Place::new();
        place.write("a.csv", &bytes);
        let error = place.read("a.csv", Some(schema("id:int, name:text")), &[]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn parquet_that_is_compressed_as_a_whole_is_refused_by_name() {
    let place = Place::new();
    place.write("a.parquet.gz", gzip("PAR1 and so on PAR1"));
    place.write("b.parquet", zstd("PAR1 and so on PAR1"));
    for (name, compression) in [("a.parquet.gz", "gzip"), ("b.parquet", "zstd")] {
        let error = place.plain(&place.read(name, None, &[]).unwrap_err().to_string());
        assert!(error.starts_with(&format!("LDB-3002: '{name}' is compressed with {compression}")), "{error}");
    }
}
