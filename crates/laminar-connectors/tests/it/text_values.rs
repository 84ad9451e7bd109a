//! What becomes of a value's text: no digit, no leading zero and no part of a time is lost without a word.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use expect_test::{Expect, expect};
use laminar_connectors::formats::type_name::type_name;

use crate::harness::Place;

/// The values that a column of `data_type` makes of `texts`, one a line; bad ones with their reason.
fn check(data_type: DataType, texts: &[&str], options: &[(&str, &str)], expected: Expect) {
    let place = Place::new();
    place.write("a.csv", format!("v\n{}\n", texts.join("\n")));
    let schema = Arc::new(Schema::new(vec![Field::new("v", data_type, true)]));
    expected.assert_eq(&place.read("a.csv", Some(schema), options).unwrap().shown(&place));
}

/// The type that is found for a column, and its values.
fn check_inferred(name: &str, content: &str, options: &[(&str, &str)], expected: Expect) {
    let place = Place::new();
    place.write(name, content);
    let source = place.source(name, None, options).unwrap();
    let columns: Vec<_> =
        source.schema().fields().iter().map(|field| format!("{} {}", field.name(), type_name(field.data_type()))).collect();
    let read = place.read(name, None, options).unwrap();
    expected.assert_eq(&format!("{}\n{}", columns.join(", "), read.shown(&place)));
}

#[test]
fn blanks_around_a_number_do_not_change_what_it_is() {
    check_inferred(
        "a.csv",
        "a, n, code, d, b\n1, 9007199254740993, 007, 2024-01-01, true\n2, 12345678901234567, 010, 2024-01-02, FALSE \n",
        &[],
        expect![[r#"
            a BIGINT, n BIGINT, code VARCHAR, d DATE, b BOOLEAN
            1 | 9007199254740993 |  007 | 2024-01-01 | true
            2 | 12345678901234567 |  010 | 2024-01-02 | false"#]],
    );
}

#[test]
fn numbers_that_a_double_does_not_hold_stay_text() {
    check_inferred(
        "a.csv",
        "x\n12345678901234567.25\n9007199254740993\n1.5\n",
        &[],
        expect![[r#"
        x VARCHAR
        12345678901234567.25
        9007199254740993
        1.5"#]],
    );
    check_inferred(
        "a.ndjson",
        "{\"x\":9007199254740993}\n{\"x\":1.5}\n",
        &[],
        expect![[r#"
        x VARCHAR
        9007199254740993
        1.5"#]],
    );
    check_inferred(
        "a.ndjson",
        "{\"x\":{\"y\":[9007199254740993,0.5]}}\n",
        &[],
        expect![[r#"
        x STRUCT
        {y: [9007199254740993, 0.5]}"#]],
    );
    check_inferred(
        "a.csv",
        "x\n0.30000000000000004\n9007199254740992\n",
        &[],
        expect![[r#"
        x DOUBLE
        0.30000000000000004
        9007199254740992.0"#]],
    );
}

#[test]
fn a_later_value_that_the_type_found_would_change_is_rejected() {
    let options = [("schema_sample_rows", "1")];
    check_inferred(
        "a.csv",
        "n\n1\n007\n+5\n8\n",
        &options,
        expect![[r#"
        n BIGINT
        1
        8
        ! a.csv:3: column 'n': '007' would lose its leading zero or sign as a BIGINT (a type found in the first rows; declare the columns to choose it) <- 007
        ! a.csv:4: column 'n': '+5' would lose its leading zero or sign as a BIGINT (a type found in the first rows; declare the columns to choose it) <- +5"#]],
    );
    check_inferred(
        "a.csv",
        "x\n1.5\n9007199254740993\n02\n2\n",
        &options,
        expect![[r#"
        x DOUBLE
        1.5
        2.0
        ! a.csv:3: column 'x': '9007199254740993' would lose some of its digits as a DOUBLE (a type found in the first rows; declare the columns to choose it) <- 9007199254740993
        ! a.csv:4: column 'x': '02' would lose its leading zero or sign as a DOUBLE (a type found in the first rows; declare the columns to choose it) <- 02"#]],
    );
    check_inferred(
        "a.csv",
        "d\n2024-01-01\n2024-01-02 10:00:00\n2024-01-03\n",
        &options,
        expect![[r#"
        d DATE
        2024-01-01
        2024-01-03
        ! a.csv:3: column 'd': '2024-01-02 10:00:00' is not a DATE (a type found in the first rows; declare the columns to choose it) <- 2024-01-02 10:00:00"#]],
    );
    check_inferred(
        "a.csv",
        "t\n2024-01-01 10:00:00\n9999-12-31\n",
        &options,
        expect![[r#"
        t TIMESTAMP
        2024-01-01T10:00:00
        ! a.csv:3: column 't': '9999-12-31' is out of range for TIMESTAMP (it holds the years 1678 to 2261; TIMESTAMP(6) holds more) (a type found in the first rows; declare the columns to choose it) <- 9999-12-31"#]],
    );
    check_inferred(
        "a.ndjson",
        "{\"n\":1,\"o\":{\"x\":0.5}}\n{\"n\":\"007\"}\n{\"o\":{\"x\":9007199254740993}}\n",
        &options,
        expect![[r#"
            n BIGINT, o STRUCT
            1 | {x: 0.5}
            ! a.ndjson:2: column 'n': '007' would lose its leading zero or sign as a BIGINT (a type found in the first rows; declare the columns to choose it) <- {"n":"007"}
            ! a.ndjson:3: column 'o': field 'x': 9007199254740993 would lose some of its digits as a DOUBLE (a type found in the first rows; declare the columns to choose it) <- {"o":{"x":9007199254740993}}"#]],
    );
}

#[test]
fn a_declared_type_takes_what_its_cast_would_take() {
    check(
        DataType::Int64,
        &["007", "+5", "1e3", "11.0", "1.5"],
        &[],
        expect![[r#"
        7
        5
        1000
        11
        ! a.csv:6: column 'v': '1.5' is not a BIGINT <- 1.5"#]],
    );
    check(
        DataType::Float64,
        &["9007199254740993", "1e400", "1e-400", "0.0"],
        &[],
        expect![[r#"
        9007199254740992.0
        0.0
        ! a.csv:3: column 'v': '1e400' is out of range for DOUBLE <- 1e400
        ! a.csv:4: column 'v': '1e-400' is out of range for DOUBLE <- 1e-400"#]],
    );
    check(
        DataType::Float32,
        &["16777217", "1e39", "1e-60"],
        &[],
        expect![[r#"
        16777216.0
        ! a.csv:3: column 'v': '1e39' is out of range for REAL <- 1e39
        ! a.csv:4: column 'v': '1e-60' is out of range for REAL <- 1e-60"#]],
    );
    check(
        DataType::Date32,
        &["2024-01-02 10:00:00", "2024-01-02 23:30:00-05:00", "2024-02-30"],
        &[],
        expect![[r#"
        2024-01-02
        2024-01-02
        ! a.csv:4: column 'v': '2024-02-30' is not a DATE <- 2024-02-30"#]],
    );
}

#[test]
fn surplus_digits_are_rounded_and_never_cut() {
    let texts = ["2024-01-01 00:00:00.9996", "2024-01-01 00:00:00.0005", "1999-12-31 23:59:59.9995", "2024-01-01 05:15"];
    check(
        DataType::Timestamp(TimeUnit::Millisecond, None),
        &texts,
        &[],
        expect![[r#"
        2024-01-01T00:00:01
        2024-01-01T00:00:00.001
        1999-12-31T23:59:59.999
        2024-01-01T05:15:00"#]],
    );
    check(
        DataType::Timestamp(TimeUnit::Second, None),
        &texts,
        &[],
        expect![[r#"
        2024-01-01T00:00:01
        2024-01-01T00:00:00
        2000-01-01T00:00:00
        2024-01-01T05:15:00"#]],
    );
    check(
        DataType::Timestamp(TimeUnit::Nanosecond, None),
        &["2024-01-01 00:00:00.1234567895", "2024-01-01 05:15Z", "2024-01-01 05:15+02:00"],
        &[],
        expect![[r#"
            2024-01-01T00:00:00.123456790
            2024-01-01T05:15:00
            2024-01-01T03:15:00"#]],
    );
    check(
        DataType::Time64(TimeUnit::Microsecond),
        &["05:15", "05:15:00.0000005", "23:59:59.9999999"],
        &[],
        expect![[r#"
        05:15:00
        05:15:00.000001
        ! a.csv:4: column 'v': '23:59:59.9999999' is out of range for TIME <- 23:59:59.9999999"#]],
    );
    check(
        DataType::Time32(TimeUnit::Second),
        &["05:15:00.5", "5:15 PM", "25:00"],
        &[],
        expect![[r#"
        05:15:01
        17:15:00
        ! a.csv:4: column 'v': '25:00' is not a TIME <- 25:00"#]],
    );
    let long = "0.12500000000000000000000000000000000000000000000001";
    check(
        DataType::Decimal128(10, 2),
        &["1.005", "-1.005", long, "123456789.1", "x"],
        &[],
        expect![[r#"
        1.01
        -1.01
        0.13
        ! a.csv:5: column 'v': '123456789.1' is out of range for DECIMAL(10,2) <- 123456789.1
        ! a.csv:6: column 'v': 'x' is not a DECIMAL(10,2) <- x"#]],
    );
}

#[test]
fn a_time_that_the_type_does_not_hold_is_out_of_range() {
    let texts = ["9999-12-31", "0001-01-01 00:00:00", "2262-04-12", "2024-13-01", "tomorrow"];
    check(
        DataType::Timestamp(TimeUnit::Nanosecond, None),
        &texts,
        &[],
        expect![[r#"
        ! a.csv:2: column 'v': '9999-12-31' is out of range for TIMESTAMP (it holds the years 1678 to 2261; TIMESTAMP(6) holds more) <- 9999-12-31
        ! a.csv:3: column 'v': '0001-01-01 00:00:00' is out of range for TIMESTAMP (it holds the years 1678 to 2261; TIMESTAMP(6) holds more) <- 0001-01-01 00:00:00
        ! a.csv:4: column 'v': '2262-04-12' is out of range for TIMESTAMP (it holds the years 1678 to 2261; TIMESTAMP(6) holds more) <- 2262-04-12
        ! a.csv:5: column 'v': '2024-13-01' is not a TIMESTAMP <- 2024-13-01
        ! a.csv:6: column 'v': 'tomorrow' is not a TIMESTAMP <- tomorrow"#]],
    );
    check(
        DataType::Timestamp(TimeUnit::Microsecond, None),
        &texts,
        &[],
        expect![[r#"
        9999-12-31T00:00:00
        0001-01-01T00:00:00
        2262-04-12T00:00:00
        ! a.csv:5: column 'v': '2024-13-01' is not a TIMESTAMP <- 2024-13-01
        ! a.csv:6: column 'v': 'tomorrow' is not a TIMESTAMP <- tomorrow"#]],
    );
}

#[test]
fn epoch_numbers_keep_their_fraction_and_say_when_they_do_not_fit() {
    let texts = ["1357017300.25", "1357017300", "99999999999999", "1e3", "x"];
    check(
        DataType::Timestamp(TimeUnit::Nanosecond, None),
        &texts,
        &[("epoch_unit", "s")],
        expect![[r#"
        2013-01-01T05:15:00.250
        2013-01-01T05:15:00
        1970-01-01T00:16:40
        ! a.csv:4: column 'v': '99999999999999' is out of range for TIMESTAMP (it holds the years 1678 to 2261; TIMESTAMP(6) holds more) <- 99999999999999
        ! a.csv:6: column 'v': 'x' is not a TIMESTAMP <- x"#]],
    );
}
