//! What every lookup does, whatever it asks: it has the rows that a source over the same has, by their keys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow_select::take::take_record_batch;
use expect_test::expect;
use laminar_connectors::lookup::{Answer, Asked, Lookup, LookupRequest};
use laminar_connectors::retry::RetryingLookup;
use laminar_connectors::{Options, Registry};
use laminar_core::dag::ChangeKind;
use laminar_core::{ChangeBatch, Code, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::harness::{Place, pairs, rows_of, schema};
use crate::resume::cases;

/// What a statement over the file `path` says.
fn request(place: &Place, path: &str, (columns, key): (Option<&str>, &[&str]), options: &[(&str, &str)]) -> LookupRequest {
    let mut options = pairs(options);
    options.push(("path".to_owned(), place.path(path).to_str().unwrap().to_owned()));
    LookupRequest {
        name: "t".to_owned(),
        schema: columns.map(schema),
        schema_was_found: false,
        key: key.iter().map(|name| name.to_string()).collect(),
        options: Options::new(options),
    }
}

fn open(place: &Place, path: &str, key: &[&str]) -> Result<Box<dyn Lookup>> {
    Registry::with_builtin().get("file")?.open_lookup(request(place, path, (None, key), &[]))
}

/// Asks for random keys of `rows`, of which the outside has the first `there`, in batches of random sizes, and holds the answers against the
/// last row of each key.
fn conforms(lookup: &mut dyn Lookup, rows: &RecordBatch, there: usize, key: &[&str]) {
    let keys_of = |rows: &RecordBatch| {
        let columns: Vec<usize> = key.iter().map(|name| rows.schema().index_of(name).unwrap()).collect();
        rows.project(&columns).unwrap()
    };
    let shown = rows_of(rows);
    let last: BTreeMap<String, usize> = rows_of(&keys_of(&rows.slice(0, there))).into_iter().zip(0..).collect();
    for seed in 0..cases() {
        let random = &mut StdRng::seed_from_u64(seed);
        let picked = (0..random.random_range(0..40)).map(|_| random.random_range(0..rows.num_rows() as u32));
        let asked = keys_of(&take_record_batch(rows, &UInt32Array::from_iter_values(picked)).unwrap());
        let Answer { rows: answered, bad } = lookup.look_up(&asked).unwrap();
        assert_eq!((answered.schema(), bad), (lookup.schema(), Vec::new()), "seed {seed}");
        let asked = rows_of(&asked);
        let expected: BTreeSet<&String> = asked.iter().filter_map(|key| Some(&shown[*last.get(key)?])).collect();
        assert_eq!(rows_of(&answered).iter().collect::<BTreeSet<_>>(), expected, "seed {seed}");
    }
    assert!(!lookup.describe().is_empty());
}

/// Rows of few keys, and at the end some of keys that no other row has.
fn keyed_rows(there: i64, others: i64) -> RecordBatch {
    let number = |row: i64| if row < there { row % 7 } else { row };
    let numbers: ArrayRef = Arc::new((0..there + others).map(number).collect::<Int64Array>());
    let texts: ArrayRef = Arc::new((0..there + others).map(|row| Some(format!("t{}", row % 5))).collect::<StringArray>());
    let values: ArrayRef = Arc::new((0..there + others).collect::<Int64Array>());
    RecordBatch::try_from_iter_with_nullable([("k", numbers, true), ("t", texts, true), ("v", values, true)]).unwrap()
}

#[test]
fn each_format_has_the_last_row_of_each_key() {
    let (there, rows) = (500, keyed_rows(500, 50));
    for file in ["a.csv", "a.ndjson", "a.parquet", "a.csv.gz"] {
        let place = Place::new();
        place.sink(file, &[ChangeBatch::append(rows.slice(0, there))], ChangeKind::Append, &[]).unwrap();
        for key in [&["k"][..], &["t"], &["t", "k"]] {
            conforms(&mut *open(&place, file, key).unwrap(), &rows, there, key);
        }
    }
}

/// What a file of users answers to the ids 1 to 4.
fn answer(lookup: &mut dyn Lookup) -> String {
    let ids = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4])) as _)]).unwrap();
    match lookup.look_up(&ids) {
        Ok(Answer { rows, bad }) => {
            let mut lines = rows_of(&rows);
            lines.extend(bad.into_iter().map(|bad| format!("bad: {} <- {}", bad.reason, bad.raw)));
            lines.join("\n")
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_last_row_of_a_key_counts_bad_rows_are_told_once_and_a_file_that_changed_is_read_again() {
    let place = Place::new();
    place.write("u.csv", "id,name\n1,ada\n2,bob\nx,cyd\n1,eve\n,nobody\n");
    let columns = Some("id:int, name:text");
    let mut lookup =
        Registry::with_builtin().get("file").unwrap().open_lookup(request(&place, "u.csv", (columns, &["id"]), &[])).unwrap();
    expect!["u.csv: not read yet"].assert_eq(&place.plain(&lookup.describe()));
    expect![[r#"
        1 | eve
        2 | bob
        bad: column 'id': 'x' is not a BIGINT <- x,cyd
        bad: 'id' is NULL, which no key is <- +1 | NULL | nobody"#]]
    .assert_eq(&answer(&mut *lookup));
    expect![[r#"
        1 | eve
        2 | bob"#]]
    .assert_eq(&answer(&mut *lookup));
    expect!["u.csv: 2 rows"].assert_eq(&place.plain(&lookup.describe()));
    place.write("u.csv", "id,name\n3,a longer name than before, to be sure\n");
    place.write("u.csv", "id,name\n3,cyd\n4,dan\n");
    expect![[r#"
        3 | cyd
        4 | dan"#]]
    .assert_eq(&answer(&mut *lookup));
    std::fs::remove_file(place.path("u.csv")).unwrap();
    expect!["LDB-3001: 'u.csv': there is no such file"].assert_eq(&place.plain(&answer(&mut *lookup)));
}

#[test]
fn what_is_away_is_asked_again_after_pauses_that_grow() {
    let place = Place::new();
    place.write("u.csv", "id,name\n1,ada\n");
    let request = request(&place, "u.csv", (None, &["id"]), &[("retry_pause_max", "400 ms"), ("retry", "1 s")]);
    let (_, mut lookup) = Registry::with_builtin().open_lookup("file", request).unwrap();
    let keys = || RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1])) as _)]).unwrap();
    let away = |lookup: &mut RetryingLookup| match lookup.look_up(&keys()) {
        Ok(Asked::Away(pause)) => Some(pause),
        Ok(Asked::Answer(answer)) => {
            assert_eq!(rows_of(&answer.rows), ["1 | ada"]);
            None
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(away(&mut lookup), None);
    std::fs::rename(place.path("u.csv"), place.path("gone")).unwrap();
    assert_eq!([(); 3].map(|()| away(&mut lookup)), [100, 200, 400].map(|pause| Some(Duration::from_millis(pause))));
    assert_eq!(lookup.trouble().unwrap().attempts, 3);
    std::fs::rename(place.path("gone"), place.path("u.csv")).unwrap();
    assert_eq!((away(&mut lookup), lookup.trouble()), (None, None));
    // In the end it is given up.
    std::fs::remove_file(place.path("u.csv")).unwrap();
    let failed = (0..10).find_map(|_| lookup.look_up(&keys()).err()).unwrap();
    let detail = failed.detail().unwrap_or_default();
    assert!(failed.code() == Code::Io && detail.starts_with("it was tried again 4 times within "), "{failed}: {detail}");
}

#[test]
fn what_cannot_be_asked_by_key_is_refused() {
    let place = Place::new();
    place.write("u.csv", "id,name\n1,ada\n");
    let refused = |connector: &str, key: &[&str], options: &[(&str, &str)]| {
        let error = Registry::with_builtin()
            .get(connector)
            .unwrap()
            .open_lookup(request(&place, "u.csv", (None, key), options))
            .err()
            .unwrap();
        error.message().to_owned()
    };
    let refusals = [
        refused("file", &["ident"], &[]),
        refused("file", &["id"], &[("follow", "true")]),
        refused("generator", &["id"], &[]),
        refused("memory", &["id"], &[]),
    ];
    let expected = [
        "there is no column 'ident' for the key",
        "a lookup table does not follow its files: it reads them again when they have changed",
        "the connector 'generator' cannot be asked for rows by key",
        "the connector 'memory' cannot be asked for rows by key",
    ];
    assert_eq!(refusals, expected);
}
