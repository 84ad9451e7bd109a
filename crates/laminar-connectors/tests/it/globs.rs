//! Several files: braces and stars in paths, and columns that stand in the path.

use laminar_connectors::formats::type_name::type_name;

use crate::harness::{Place, schema};

/// Files with one column `a`, each with the value that is given.
fn place_with(files: &[(&str, i64)]) -> Place {
    let place = Place::new();
    for (name, value) in files {
        place.write(name, format!("a\n{value}\n"));
    }
    place
}

#[test]
fn braces_and_double_stars_mean_each_file_once() {
    let place = place_with(&[("2023/a.csv", 1), ("2024/a.csv", 2), ("2024/05/b.csv", 3), ("2025/c.csv", 4), ("{x}.csv", 5)]);
    let cases: &[(&str, &[&str])] = &[
        ("{2023,2024}/*.csv", &["1", "2"]),
        ("202{3,5}/{a,c}.csv", &["1", "4"]),
        ("{2024,20{24,25}}/*.csv", &["2", "4"]),
        ("**/*.csv", &["1", "3", "2", "4", "5"]),
        ("2024/**/*.csv", &["3", "2"]),
        ("202[34]/{a,z}.csv", &["1", "2"]),
        ("{x}.csv", &["5"]),
        ("{2023/a,2025/c}.csv", &["1", "4"]),
    ];
    for (path, expected) in cases {
        assert_eq!(place.read(path, None, &[]).unwrap().rows, *expected, "{path}");
    }
    for path in ["{y,z}.csv", "2024/{05,06}"] {
        let error = place.plain(&place.read(path, None, &[]).unwrap_err().to_string());
        assert!(error.starts_with(&format!("LDB-3001: no file matches '{path}'")), "{error}");
    }
}

#[test]
fn a_compressed_file_in_a_directory_is_not_passed_over() {
    let place = place_with(&[("d/a.csv", 1)]);
    place.write("d/b.csv.bz2", b"BZh91AY&SY\x19\x31\x65\x3d");
    let error = place.plain(&place.read("d", None, &[]).unwrap_err().to_string());
    assert!(error.starts_with("LDB-3002: 'd/b.csv.bz2' is compressed with bzip2"), "{error}");
}

/// The columns and rows of `path`, or the message.
fn check(place: &Place, path: &str, columns: &str, options: &[(&str, &str)], expected: &str) {
    let declared = (!columns.is_empty()).then(|| schema(columns));
    let shown = match place.source(path, declared, options) {
        Ok(mut source) => {
            let fields = source.schema();
            let names: Vec<_> =
                fields.fields().iter().map(|field| format!("{} {}", field.name(), type_name(field.data_type()))).collect();
            match crate::harness::read_all(&mut *source) {
                Ok(read) => format!("{}: {}", names.join(", "), read.shown(place).replace('\n', "; ")),
                Err(error) => place.plain(&error.to_string()),
            }
        }
        Err(error) => place.plain(&error.to_string()),
    };
    assert_eq!(shown, expected, "{path} {columns} {options:?}");
}

#[test]
fn directories_called_key_value_are_columns() {
    let place =
        place_with(&[("t/year=2023/month=12/x.csv", 1), ("t/year=2024/month=05/x.csv", 2), ("t/year=2024/month=05/y.csv", 3)]);
    let all = "a BIGINT, year BIGINT, month BIGINT: 1 | 2023 | 12; 2 | 2024 | 5; 3 | 2024 | 5";
    for path in ["t", "t/*/*/*.csv", "t/**/*.csv", "t/year={2023,2024}/*/*"] {
        check(&place, path, "", &[], all);
        check(&place, path, "", &[("hive_partitioning", "true")], all);
    }
    check(&place, "t", "", &[("hive_partitioning", "false")], "a BIGINT: 1; 2; 3");
    check(&place, "t/year=2024/month=05/x.csv", "", &[], "a BIGINT, year BIGINT, month BIGINT: 2 | 2024 | 5");
    check(&place, "t/year=2024/month=05", "", &[], "a BIGINT, year BIGINT, month BIGINT: 2 | 2024 | 5; 3 | 2024 | 5");
}

#[test]
fn declared_columns_come_from_the_path_with_their_own_type_and_order() {
    let place = place_with(&[("t/year=2023/month=12/x.csv", 1), ("t/year=2024/month=05/x.csv", 2)]);
    check(&place, "t", "month:text, a:int", &[], "month VARCHAR, a BIGINT: 12 | 1; 05 | 2");
    check(&place, "t", "Year:small, a:int", &[], "Year SMALLINT, a BIGINT: 2023 | 1; 2024 | 2");
    check(&place, "t", "a:int", &[], "a BIGINT: 1; 2");
    check(
        &place,
        "t",
        "a:int, year:date",
        &[],
        "LDB-3002: the path of 't/year=2023/month=12/x.csv' does not tell its columns: column 'year': '2023' is not a DATE; \
         hint: declare the column with a type that fits, or set hive_partitioning = 'false'",
    );
    check(
        &place,
        "t",
        "year:int",
        &[],
        "LDB-1006: all declared columns stand in the paths, and none in the files; hint: declare a column of the files too",
    );
}

#[test]
fn values_of_the_path_have_the_narrowest_type_and_are_decoded() {
    let place = place_with(&[
        ("t/d=2024-01-31/z=01234/k=x%2Fy%20z/n=1/x.csv", 1),
        ("t/d=2024-02-29/z=99999/k=__HIVE_DEFAULT_PARTITION__/n=__HIVE_DEFAULT_PARTITION__/x.csv", 2),
    ]);
    check(
        &place,
        "t",
        "",
        &[],
        "a BIGINT, d DATE, z VARCHAR, k VARCHAR, n BIGINT: 1 | 2024-01-31 | 01234 | x/y z | 1; 2 | 2024-02-29 | 99999 | NULL | NULL",
    );
    check(
        &place,
        "t",
        "a:int, n:int!",
        &[],
        "LDB-3002: the path of 't/d=2024-02-29/z=99999/k=__HIVE_DEFAULT_PARTITION__/n=__HIVE_DEFAULT_PARTITION__/x.csv' does not \
         tell its columns: column 'n': NULL, but the column is NOT NULL; hint: declare the column with a type that fits, or set \
         hive_partitioning = 'false'",
    );
}

#[test]
fn paths_of_several_shapes_have_no_columns_unless_they_are_asked_for() {
    let place = place_with(&[("t/year=2023/x.csv", 1), ("t/month=05/x.csv", 2)]);
    check(&place, "t", "", &[], "a BIGINT: 2; 1");
    check(
        &place,
        "t",
        "",
        &[("hive_partitioning", "true")],
        "LDB-1006: the paths of 't/month=05/x.csv' and 't/year=2023/x.csv' have different keys; hint: hive_partitioning = 'true' needs the same keys in every path",
    );
    let plain = place_with(&[("t/x.csv", 1)]);
    check(
        &plain,
        "t",
        "",
        &[("hive_partitioning", "true")],
        "LDB-1006: the path of 't/x.csv' has no directory called key=value; hint: hive_partitioning = 'true' needs the same keys in every path",
    );
}

#[test]
fn a_column_of_the_file_comes_before_one_of_the_path_unless_the_path_is_asked_for() {
    let place = Place::new();
    place.write("t/year=2023/x.csv", "a,year\n1,1999\n");
    place.write("t/year=2024/x.csv", "a,year\n2,1998\n");
    for columns in ["", "a:int, year:int"] {
        check(&place, "t", columns, &[], "a BIGINT, year BIGINT: 1 | 1999; 2 | 1998");
        check(&place, "t", columns, &[("hive_partitioning", "true")], "a BIGINT, year BIGINT: 1 | 2023; 2 | 2024");
    }
}

#[test]
fn parquet_and_json_have_columns_of_the_path_too() {
    let place = Place::new();
    place.write("j/k=x/a.ndjson", "{\"a\":1}\nbad\n{\"a\":2}\n");
    check(
        &place,
        "j",
        "",
        &[],
        "a BIGINT, k VARCHAR: 1 | x; 2 | x; ! j/k=x/a.ndjson:2: not a JSON object: a line must start with '{' <- bad",
    );
    let batch = crate::round_trips::numbers(2);
    place.sink("p/k=7/a.parquet", std::slice::from_ref(&batch), laminar_core::dag::ChangeKind::Append, &[]).unwrap();
    let read = place.read("p", Some(schema("k:int, n:int")), &[]).unwrap();
    assert!(read.rows.len() == 2 && read.rows.iter().all(|row| row.starts_with("7 | ")), "{:?}", read.rows);
}
