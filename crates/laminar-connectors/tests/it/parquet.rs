//! Parquet files under declared columns: what fits, what is refused, and where.

use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use expect_test::{Expect, expect};
use laminar_core::ChangeBatch;
use laminar_core::dag::ChangeKind;

use crate::harness::{Place, schema};

/// Four rows, of which each column has one that other types do not hold.
fn write(place: &Place) {
    let columns: [(&str, ArrayRef); 5] = [
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 40_000]))),
        ("m", Arc::new(Decimal128Array::from(vec![150, 200, 300, 400]).with_precision_and_scale(10, 2).unwrap())),
        ("f", Arc::new(Float64Array::from(vec![1.0, 2.5, 3.0, 4.0]))),
        ("at", Arc::new(TimestampNanosecondArray::from(vec![0, 0, 1, 0]))),
        ("t", Arc::new(StringArray::from(vec!["2024-01-01", "7", "x", "8"]))),
    ];
    let rows = ChangeBatch::append(RecordBatch::try_from_iter(columns).unwrap());
    place.sink("a.parquet", &[rows], ChangeKind::Append, &[]).unwrap();
}

fn check(columns: &str, options: &[(&str, &str)], expected: Expect) {
    let place = Place::new();
    write(&place);
    let shown = match place.read("a.parquet", Some(schema(columns)), options) {
        Ok(read) => read.shown(&place),
        Err(error) => place.plain(&error.to_string()),
    };
    expected.assert_eq(&shown);
}

#[test]
fn decimals_and_floating_point_in_whole_number_columns_are_whole_or_refused() {
    check(
        "id:int, m:int, f:int",
        &[],
        expect![[r#"
        3 | 3 | 3
        40000 | 4 | 4
        ! a.parquet: row 1: column 'm': 1.50 does not fit BIGINT <- {id: 1, m: 1.50, f: 1.0}
        ! a.parquet: row 2: column 'f': 2.5 does not fit BIGINT <- {id: 2, m: 2.00, f: 2.5}"#]],
    );
}

#[test]
fn numbers_times_and_texts_are_exact_or_refused() {
    check(
        "id:small, at:tsms, t:text",
        &[],
        expect![[r#"
        1 | 1970-01-01T00:00:00 | 2024-01-01
        2 | 1970-01-01T00:00:00 | 7
        ! a.parquet: row 3: column 'at': 1970-01-01 00:00:00.000000001 does not fit TIMESTAMP <- {id: 3, at: 1970-01-01 00:00:00.000000001, t: x}
        ! a.parquet: row 4: column 'id': 40000 does not fit SMALLINT <- {id: 40000, at: 1970-01-01 00:00:00, t: 8}"#]],
    );
    check(
        "t:int",
        &[],
        expect![[r#"
        7
        8
        ! a.parquet: row 1: column 't': '2024-01-01' is not a BIGINT <- {t: 2024-01-01}
        ! a.parquet: row 3: column 't': 'x' is not a BIGINT <- {t: x}"#]],
    );
}

#[test]
fn a_source_told_to_fail_names_the_row() {
    check(
        "m:int",
        &[("on_bad_row", "fail")],
        expect![[
            r#"LDB-3002: a.parquet: row 1: column 'm': 1.50 does not fit BIGINT; hint: with on_bad_row = 'skip' such rows are rejected and readable in <source>$errors"#
        ]],
    );
}

#[test]
fn what_needs_a_guess_is_refused_when_the_source_is_created() {
    check(
        "id:ts",
        &[],
        expect![[
            r#"LDB-1007: column 'id' of 'a.parquet' is BIGINT, which cannot become TIMESTAMP; hint: declare it BIGINT and convert it in a query, where the unit can be said"#
        ]],
    );
    check(
        "id:bytes",
        &[],
        expect![[r#"LDB-1007: column 'id' of 'a.parquet' is BIGINT, which cannot become BYTEA; hint: declare it BIGINT"#]],
    );
    check(
        "id:list",
        &[],
        expect![[r#"LDB-1007: column 'id' of 'a.parquet' is BIGINT, which cannot become BIGINT[]; hint: declare it BIGINT"#]],
    );
}
