//! Whatever is broken in a file, exactly the broken rows are rejected, however the file is cut into batches.

use std::fmt::Write;

use laminar_connectors::formats::RECORD_BYTES_MAX;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::harness::{Place, schema};

const COLUMNS: &str = "id:int!, name:text, price:float, at:ts";

/// How many random files; more by `LAMINAR_TEST_CASES`.
fn cases() -> u64 {
    std::env::var("LAMINAR_TEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

/// A file, the rows that must come out of it, and the lines that must not.
struct File {
    text: Vec<u8>,
    good: Vec<String>,
    bad: Vec<usize>,
}

fn random_name(random: &mut StdRng) -> &'static str {
    const NAMES: &[&str] = &["x", "O'Hara", "a,b", "say \"hi\"", "\u{e9}\u{1F600}", "", "two\nlines", "{\"a\":1}"];
    NAMES[random.random_range(0..NAMES.len())]
}

fn row(id: usize, name: &str, random: &mut StdRng) -> (i64, String, String) {
    let price = random.random_range(0..1000) as f64 / 4.0;
    let second = random.random_range(0..60);
    let shown = if name.is_empty() { "" } else { name };
    (id as i64, format!("{price:?}"), format!("{id} | {shown} | {price:?} | 2013-01-01T05:15:{second:02}"))
}

fn csv(random: &mut StdRng) -> File {
    let mut file = File { text: b"id,name,price,at\n".to_vec(), good: Vec::new(), bad: Vec::new() };
    let mut line = 2;
    for id in 0..random.random_range(0..200) {
        let name = random_name(random);
        let (id, price, shown) = row(id, name, random);
        let second = &shown[shown.len() - 2..];
        let at = format!("2013-01-01 05:15:{second}");
        if random.random_bool(0.2) {
            file.text.extend_from_slice(&broken_csv(id, &price, &at, random));
            file.bad.push(line);
            line += 1;
        } else {
            let quoted = format!("\"{}\"", name.replace('"', "\"\""));
            writeln!(&mut Text(&mut file.text), "{id},{quoted},{price},{at}").unwrap();
            line += 1 + name.matches('\n').count();
            file.good.push(shown);
        }
    }
    if random.random_bool(0.3) {
        file.text.pop();
    }
    file
}

/// One line that cannot be read, with its end.
fn broken_csv(id: i64, price: &str, at: &str, random: &mut StdRng) -> Vec<u8> {
    let text = match random.random_range(0..9) {
        0 => format!("x{id},a,{price},{at}"),
        1 => format!("{id},a,{price}"),
        2 => format!("{id},a,{price},{at},more"),
        3 => format!(",a,{price},{at}"),
        4 => format!("{id},a,{price},2013-99-01 00:00:00"),
        5 => format!("{id},\"a,{price},{at}"),
        6 => format!("{id},\"a\"b,{price},{at}"),
        7 => format!("99999999999999999999,a,{price},{at}"),
        _ => return [b"1,\xff\xfe,", price.as_bytes(), b",", at.as_bytes(), b"\n"].concat(),
    };
    format!("{text}\n").into_bytes()
}

fn ndjson(random: &mut StdRng) -> File {
    let mut file = File { text: Vec::new(), good: Vec::new(), bad: Vec::new() };
    for line in 0..random.random_range(0..200) {
        let name = random_name(random);
        let (id, price, shown) = row(line, name, random);
        let at = format!("2013-01-01T05:15:{}Z", &shown[shown.len() - 2..]);
        let text = serde_json::to_string(name).unwrap();
        let good = format!("{{\"id\":{id},\"name\":{text},\"price\":{price},\"at\":\"{at}\"}}");
        if random.random_bool(0.2) {
            file.text.extend_from_slice(&broken_json(&good, id, random));
            file.bad.push(line + 1);
        } else {
            file.text.extend_from_slice(good.as_bytes());
            file.good.push(shown);
        }
        file.text.push(b'\n');
    }
    file
}

fn broken_json(good: &str, id: i64, random: &mut StdRng) -> Vec<u8> {
    match random.random_range(0..8) {
        0 => good.as_bytes()[..good.len() - 1 - random.random_range(0..good.len() / 2)].to_vec(),
        1 => format!("{good}{good}").into_bytes(),
        2 => format!("[{good}]").into_bytes(),
        3 => good.replace(&format!("\"id\":{id}"), "\"id\":\"x\"").into_bytes(),
        4 => good.replace(&format!("\"id\":{id}"), "\"id\":0.5").into_bytes(),
        5 => good.replace(&format!("\"id\":{id}"), "\"id\":null").into_bytes(),
        6 => good.replace("05:15", "25:15").into_bytes(),
        _ => [good.as_bytes(), b"\xff"].concat(),
    }
}

/// Lets `write!` write bytes.
struct Text<'a>(&'a mut Vec<u8>);

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

fn check(name: &str, make: fn(&mut StdRng) -> File) {
    for seed in 0..cases() {
        let mut random = StdRng::seed_from_u64(seed);
        let file = make(&mut random);
        let place = Place::new();
        place.write(name, &file.text);
        for batch_rows in ["1", "7", "8192"] {
            let read = place.read(name, Some(schema(COLUMNS)), &[("batch_rows", batch_rows)]).unwrap();
            let lines: Vec<usize> =
                read.bad.iter().map(|bad| bad.position.rsplit(':').next().unwrap().parse().unwrap()).collect();
            assert_eq!(lines, file.bad, "seed {seed}, batch_rows {batch_rows}: {}", String::from_utf8_lossy(&file.text));
            assert_eq!(read.rows, file.good, "seed {seed}, batch_rows {batch_rows}");
        }
    }
}

#[test]
fn exactly_the_broken_csv_rows_are_rejected() {
    check("a.csv", csv);
}

#[test]
fn exactly_the_broken_json_lines_are_rejected() {
    check("a.ndjson", ndjson);
}

#[test]
fn random_bytes_never_panic_and_nothing_vanishes() {
    const PIECES: &[&[u8]] =
        &[b",", b"\n", b"\"", b"1", b"x", b"\r", b"\xff", b"{\"id\":", b"}", b"[", b"\\", b"\"a\"", b"\xEF\xBB\xBF", b" "];
    for seed in 0..cases() * 4 {
        let mut random = StdRng::seed_from_u64(seed);
        let bytes: Vec<u8> =
            (0..random.random_range(0..60)).flat_map(|_| PIECES[random.random_range(0..PIECES.len())].to_vec()).collect();
        let place = Place::new();
        for name in ["a.csv", "a.ndjson"] {
            place.write(name, &bytes);
            let options = if name == "a.csv" { &[("header", "false")][..] } else { &[] };
            let one = place.read(name, Some(schema("a:int, b:text")), options).map(|read| (read.rows, read.bad));
            let all = [options, &[("batch_rows", "1")]].concat();
            let other = place.read(name, Some(schema("a:int, b:text")), &all).map(|read| (read.rows, read.bad));
            assert_eq!(one, other, "seed {seed}: {}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn a_record_that_is_too_long_costs_only_itself_and_lines_are_still_counted() {
    let long = "x".repeat(RECORD_BYTES_MAX + RECORD_BYTES_MAX / 2);
    let place = Place::new();
    place.write("a.ndjson", format!("{long},1\n{{\"id\":1}}\nbad\n"));
    place.write("a.csv", format!("id\n{long}\n1\nbad\n"));
    place.write("b.csv", format!("id\n\"{long}\n1\nbad\n"));
    place.write("c.csv", format!("id,b\n{long},{long},{long}"));
    for name in ["a.ndjson", "a.csv", "b.csv"] {
        let read = place.read(name, Some(schema("id:int")), &[]).unwrap();
        let first = if name == "a.ndjson" { 1 } else { 2 };
        assert_eq!(read.rows, ["1"], "{name}");
        let positions: Vec<_> = read.bad.iter().map(|bad| place.plain(&bad.position)).collect();
        assert_eq!(positions, [format!("{name}:{first}"), format!("{name}:{}", first + 2)]);
    }
    assert_eq!(place.read("c.csv", Some(schema("id:int")), &[]).unwrap().bad.len(), 1);
}

#[test]
fn damaged_parquet_files_are_errors_and_never_crash() {
    let place = Place::new();
    place.sink("a.parquet", &[crate::round_trips::numbers(5000)], laminar_core::dag::ChangeKind::Append, &[]).unwrap();
    let whole = std::fs::read(place.path("a.parquet")).unwrap();
    for seed in 0..cases() * 4 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut bytes = whole.clone();
        for _ in 0..random.random_range(1..20) {
            let place = random.random_range(4..bytes.len() - 4);
            bytes[place] = random.random();
        }
        place.write("b.parquet", &bytes);
        // Reading may succeed with other values, since pages carry no checksums here; it must not crash.
        let _outcome = place.read("b.parquet", Some(schema("n:int")), &[]);
    }
}
