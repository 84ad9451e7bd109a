//! Every source goes on from a position exactly where another reader stood, whatever it reads and however it is cut.

use std::io::Write;

use laminar_connectors::{Options, Position, Registry, Source, SourcePoll, SourceRequest};
use laminar_core::Result;
use laminar_core::dag::ChangeKind;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::harness::{Place, pairs, rows_of, schema};
use crate::round_trips::numbers;

/// How many random readings of each kind; more by `LAMINAR_TEST_CASES`.
pub(crate) fn cases() -> u64 {
    std::env::var("LAMINAR_TEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(30)
}

/// What readers gave, one after the other.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) rows: Vec<String>,
    pub(crate) bad: Vec<String>,
    pub(crate) failed: Option<String>,
}

impl Given {
    /// The same, one file after the other: followed files are read in turn.
    fn by_file(mut self) -> Self {
        self.rows.sort_by_key(|row| row.split(':').next().map(str::to_owned));
        self.bad.sort_by_key(|bad| bad.split(':').next().map(str::to_owned));
        self
    }

    /// Polls once; false at the end, or where nothing is there now.
    pub(crate) fn poll(&mut self, source: &mut dyn Source, rows_max: usize) -> bool {
        match source.poll(rows_max) {
            Ok(SourcePoll::Rows { changes, bad }) => {
                let partition = changes.partition();
                self.rows.extend(rows_of(changes.rows()).into_iter().map(|row| format!("{partition}: {row}")));
                self.bad.extend(bad.into_iter().map(|bad| format!("{}: {} <- {}", bad.position, bad.reason, bad.raw)));
                true
            }
            Ok(SourcePoll::Pending(_) | SourcePoll::End) => false,
            Err(error) => {
                self.failed = Some(error.to_string());
                false
            }
        }
    }
}

/// Reads everything by readers that each begin where the one before stood.
fn by_turns(random: &mut StdRng, open: &dyn Fn() -> Box<dyn Source>, told: &str) -> Given {
    let (mut source, mut given) = (open(), Given::default());
    assert!(source.can_seek());
    loop {
        if random.random_bool(0.3) {
            let position = Position::from_stored(source.position().as_stored());
            source = open();
            source.seek(&position).unwrap_or_else(|error| panic!("{error}\n{told}"));
            assert_eq!(source.position(), position, "a reader stands where it was put\n{told}");
        }
        let rows_max = [1, 2, 5, 40, 10_000][random.random_range(0..5)];
        if !given.poll(&mut *source, rows_max) {
            return given;
        }
    }
}

/// The same, read at once and by turns.
fn check(told: &str, open: &dyn Fn() -> Box<dyn Source>) {
    let mut whole = Given::default();
    let mut source = open();
    while whole.poll(&mut *source, usize::MAX) {}
    let whole = whole.by_file();
    for seed in 0..cases() {
        let told = format!("LAMINAR_TEST_SEED={seed} {told}");
        let given = by_turns(&mut StdRng::seed_from_u64(seed), open, &told).by_file();
        assert_eq!(given, whole, "{told}");
    }
    assert!(whole.rows.len() > 20, "{told}: {whole:?}");
}

pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text).unwrap();
    gzip.finish().unwrap()
}

/// The text in two members or frames.
fn packed(text: &[u8], compression: &str) -> Vec<u8> {
    let (first, second) = text.split_at(text.len() / 2);
    match compression {
        "gzip" => [gzip(first), gzip(second)].concat(),
        "zstd" => [zstd::encode_all(first, 1).unwrap(), zstd::encode_all(second, 1).unwrap()].concat(),
        _ => text.to_vec(),
    }
}

/// Checks a text, alone and as one of three, whatever its compression, followed or not.
fn check_text(name: &str, text: &[u8], columns: &str, options: &[(&str, &str)]) {
    for compression in ["none", "gzip", "zstd"] {
        for follow in ["false", "true"] {
            let place = Place::new();
            let (stem, ending) = name.split_once('.').unwrap();
            for number in 1..=3 {
                place.write(&format!("d/{stem}-{number}.{ending}"), packed(text, compression));
            }
            let options = [options, &[("follow", follow)]].concat();
            for path in [format!("d/{stem}-1.{ending}"), format!("d/*.{ending}")] {
                let open = || place.source(&path, Some(schema(columns)), &options).unwrap();
                check(&format!("{path} {compression} {options:?}"), &open);
            }
        }
    }
}

/// Rows with all that CSV allows, and some that cannot be read.
fn csv(rows: usize) -> String {
    let row = |row: usize| match row % 7 {
        0 => format!("{row},\"two\nlines, {row}\"\n"),
        1 => format!("{row},x\r\n"),
        2 => format!("x{row},bad\n"),
        3 => format!("{row},\"\u{e9}\"\"\"\n"),
        4 => "\n".to_owned() + &format!("{row},\n"),
        5 => format!("{row}\n"),
        _ => format!("{row},\"{}\"\r", "long ".repeat(row)),
    };
    (0..rows).map(row).collect()
}

fn json(row: usize) -> String {
    match row % 5 {
        0 => format!("{{\"a\":{row},\"b\":\"\u{e9}{}\"}}", "x".repeat(row * 3)),
        1 => format!("{{\"a\":\"x\",\"b\":{row}}}"),
        _ => format!("{{\"b\":{{\"c\":[{row}]}},\"a\":{row}}}"),
    }
}

#[test]
fn csv_is_read_on_in_every_dialect() {
    let columns = "a:int, b:text";
    check_text("a.csv", format!("a,b\n{}", csv(60)).as_bytes(), columns, &[]);
    check_text("a.csv", format!("\u{feff}b,a\n{}", csv(60)).as_bytes(), "b:int, a:text", &[("batch_rows", "3")]);
    check_text("a.csv", csv(60).as_bytes(), columns, &[("header", "false")]);
    let commented = format!("a \"title\nx\n{}", csv(60).replace("5\n", "5\n# no row\n"));
    check_text("a.csv", commented.as_bytes(), columns, &[("header", "false"), ("skip", "2"), ("comment", "#")]);
    check_text("a.csv", commented.replacen("x\n", "a,b\n", 1).as_bytes(), columns, &[("skip", "1"), ("comment", "#")]);
}

#[test]
fn text_of_other_encodings_is_read_on() {
    let text = format!("a,b\n{}", csv(60));
    let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
    check_text("a.csv", &latin, "a:int, b:text", &[("encoding", "latin1")]);
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check_text("a.csv", &wide, "a:int, b:text", &[("encoding", "utf-16le")]);
}

#[test]
fn json_is_read_on_wherever_its_objects_stand() {
    let columns = "a:int, b:text";
    let all: Vec<String> = (0..60).map(json).collect();
    check_text("a.ndjson", (all.join("\n") + "\n").as_bytes(), columns, &[]);
    check_text("a.ndjson", all.join("\r").as_bytes(), columns, &[]);
    check_text("a.json", format!("[{}]\n", all.join(",\n ")).as_bytes(), columns, &[("format", "json")]);
    let documents: String = all.iter().map(|one| one.replace("\",", "\",\n") + "\n").collect();
    check_text("a.json", documents.as_bytes(), columns, &[("format", "json")]);
    let rooted: String =
        all.chunks(7).map(|part| format!("{{\"n\":1,\"r\":{{\"rows\":[{}]}},\"m\":2}}\n", part.join(","))).collect();
    check_text("a.json", rooted.as_bytes(), columns, &[("root", "r.rows")]);
}

#[test]
fn parquet_is_read_on_across_row_groups_and_bad_rows() {
    for (columns, batch_rows) in [("n:int", "8192"), ("n:int", "7"), ("n:text", "100"), ("n:small!", "64")] {
        for follow in ["false", "true"] {
            let place = Place::new();
            for name in ["d/a.parquet", "d/b.parquet"] {
                let batches: Vec<_> = [1000, 33_000, 10].iter().map(|rows| numbers(*rows)).collect();
                place.sink(name, &batches, ChangeKind::Append, &[("row_group_bytes", "1 KiB")]).unwrap();
            }
            for path in ["d/a.parquet", "d"] {
                let options = [("follow", follow), ("batch_rows", batch_rows)];
                let open = || place.source(path, Some(schema(columns)), &options).unwrap();
                let told = format!("{path} {columns} {options:?}");
                let mut whole = Given::default();
                let mut source = open();
                while whole.poll(&mut *source, usize::MAX) {}
                let mut random = StdRng::seed_from_u64(7);
                let (mut source, mut given) = (open(), Given::default());
                // Of so many rows, each hundredth reading or so is by another reader.
                while given.poll(&mut *source, [3, 500, 10_000][random.random_range(0..3)]) {
                    if random.random_bool(0.05) {
                        let position = source.position();
                        source = open();
                        source.seek(&position).unwrap();
                        assert_eq!(source.position(), position, "{told}");
                    }
                }
                assert!(given == whole, "{told}: {} rows, {} bad", given.rows.len(), given.bad.len());
            }
        }
    }
}

#[test]
fn a_source_that_fails_at_a_bad_row_fails_there_for_every_reader() {
    let place = Place::new();
    place.write("a.csv", format!("a\n{}x\n7\n", (0..50).map(|row| format!("{row}\n")).collect::<String>()));
    place.sink("a.parquet", &[numbers(33_000)], ChangeKind::Append, &[]).unwrap();
    let strict = ("on_bad_row", "fail");
    check("a.csv", &|| place.source("a.csv", Some(schema("a:int")), &[strict]).unwrap());
    check("a.csv", &|| place.source("a.csv", Some(schema("a:int")), &[strict, ("follow", "true")]).unwrap());
    let mut source = place.source("a.parquet", Some(schema("n:small!")), &[strict]).unwrap();
    let mut given = Given::default();
    while given.poll(&mut *source, 1000) {}
    assert_eq!((given.rows.len(), given.failed.is_some()), (32_768, true));
    let mut again = place.source("a.parquet", Some(schema("n:small!")), &[strict]).unwrap();
    again.seek(&source.position()).unwrap();
    let mut rest = Given::default();
    assert!(!rest.poll(&mut *again, 1000));
    assert_eq!(rest.failed, given.failed);
}

#[test]
fn a_record_that_is_too_long_is_not_read_twice() {
    let long = "x".repeat(laminar_connectors::formats::RECORD_BYTES_MAX * 3 / 2);
    let place = Place::new();
    place.write("a.csv", format!("a\n1\n{long}\n2\n{long}\n3\n"));
    place.write("a.ndjson", format!("{{\"a\":1}}\n{long}\n{{\"a\":2}}\n{long}\n{{\"a\":3}}\n"));
    for name in ["a.csv", "a.ndjson"] {
        let open = || place.source(name, Some(schema("a:int")), &[]).unwrap();
        let (mut source, mut given) = (open(), Given::default());
        while given.poll(&mut *source, 1) {
            let position = source.position();
            source = open();
            source.seek(&position).unwrap();
        }
        assert_eq!(given.rows, ["0: 1", "0: 2", "0: 3"], "{name}");
        assert_eq!(given.bad.len(), 2, "{name}");
    }
}

fn made(connector: &str, columns: &str, options: &[(&str, &str)]) -> Result<Box<dyn Source>> {
    let options = Options::new(pairs(options));
    let request =
        SourceRequest { name: "s".to_owned(), schema: Some(schema(columns)), key: Vec::new(), options, schema_was_found: false };
    Registry::with_builtin().get(connector)?.open_source(request)
}

#[test]
fn what_is_made_goes_on_with_the_next_row() {
    let columns = "id:int, t:text, at:ts";
    check("generator", &|| made("generator", columns, &[("rows", "300"), ("seed", "3")]).unwrap());
    check("generator", &|| made("generator", columns, &[("rows", "300"), ("max_out_of_order", "1 second")]).unwrap());
    for table in ["person", "bid"] {
        for shuffled in ["1", "40"] {
            let options = [("table", table), ("events", "2000"), ("out_of_order", shuffled)];
            check("nexmark", &|| made("nexmark", "date_time:ts", &options).unwrap());
        }
    }
}

#[test]
fn event_times_go_on_from_the_start_that_an_earlier_reader_had() {
    let open = || made("generator", "id:int, at:ts", &[("rows", "5"), ("start", "now")]).unwrap();
    let (mut source, mut whole) = (open(), Given::default());
    whole.poll(&mut *source, 2);
    let mut again = open();
    again.seek(&source.position()).unwrap();
    let (mut rest, mut goes_on) = (Given::default(), Given::default());
    while rest.poll(&mut *again, 10) {}
    while goes_on.poll(&mut *source, 10) {}
    assert_eq!(rest, goes_on);
}

#[test]
fn queues_cannot_be_read_again() {
    let mut source = made("memory", "a:int", &[]).unwrap();
    assert!(!source.can_seek() && source.position().is_empty());
    source.seek(&Position::default()).unwrap();
    assert!(source.seek(&Position::new(1, b"")).unwrap_err().message().contains("cannot be read again"));
}
