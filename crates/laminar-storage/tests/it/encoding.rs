//! Batches and images come back as they were, and damaged bytes do not come back at all.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::Schema;
use laminar_core::state::StateImage;
use laminar_core::{ChangeBatch, Code};
use laminar_storage::encoding::{decode_changes, decode_image, encode_changes, encode_image};

use crate::rows::{assert_same, batch, changes};

#[test]
fn changes_come_back_as_they_were() {
    let without_columns = RecordBatchOptions::new().with_row_count(Some(7));
    let without_columns = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &without_columns).unwrap();
    let cases = [
        ChangeBatch::append(batch(1, 100)),
        ChangeBatch::append(batch(1, 0)),
        changes(2, 100),
        changes(2, 100).slice(17, 5),
        changes(3, 10).with_arrivals((0..10).collect::<Vec<i64>>().into()),
        ChangeBatch::append(batch(4, 3)).with_arrivals(vec![i64::MIN, 0, i64::MAX].into()),
        ChangeBatch::append(without_columns.clone()),
        ChangeBatch::retract(without_columns),
    ];
    for case in cases {
        assert_same(&decode_changes(&encode_changes(&case).unwrap()).unwrap(), &case);
    }
}

#[test]
fn a_slice_of_views_takes_the_space_of_what_it_shows() {
    let all = ChangeBatch::append(batch(1, 10_000));
    let bytes = encode_changes(&all.slice(0, 10)).unwrap().len();
    assert!(bytes < 4096, "{bytes}");
}

#[test]
fn images_come_back_as_they_were() {
    let mut image = StateImage::default();
    image.push("groups", batch(1, 50));
    image.push("sessions", batch(2, 0));
    image.push("groups", batch(3, 1));
    for tables in 0..=3 {
        let image = StateImage { tables: image.tables[..tables].to_vec() };
        let back = decode_image(&encode_image(&image).unwrap().into()).unwrap();
        let pairs =
            |image: &StateImage| image.tables.iter().map(|t| (t.name.clone(), t.rows().unwrap().clone())).collect::<Vec<_>>();
        assert_eq!(pairs(&back), pairs(&image));
    }
}

#[test]
fn damaged_cut_or_foreign_bytes_are_an_error() {
    let mut image = StateImage::default();
    image.push("groups", batch(1, 5));
    let (changes, image) = (encode_changes(&changes(1, 5)).unwrap(), encode_image(&image).unwrap());
    assert!(decode_changes(&image).is_err() && decode_image(&changes.clone().into()).is_err());
    for length in 0..changes.len() {
        assert!(decode_changes(&changes[..length]).is_err(), "cut to {length}");
    }
    for bit in 0..changes.len() * 8 {
        let mut damaged = changes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(decode_changes(&damaged).is_err(), "bit {bit}");
    }
    for bit in 0..image.len() * 8 {
        let mut damaged = image.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(decode_image(&damaged.into()).is_err(), "bit {bit}");
    }
}

#[test]
fn a_newer_version_is_refused_by_its_number() {
    let mut bytes = encode_changes(&changes(1, 5)).unwrap();
    bytes[5] = 2;
    let error = decode_changes(&bytes).unwrap_err();
    assert_eq!(error.code(), Code::NotSupported);
    assert!(error.message().contains("version 2"), "{error}");
}

/// Written by the first build that had version 1; every later build must read it.
#[test]
fn the_first_version_is_still_read() {
    let bytes = include_bytes!("fixtures/changes_v1.bin");
    let changes = decode_changes(bytes).unwrap();
    assert_eq!((changes.len(), changes.rows().num_columns(), changes.weight(0), changes.weight(3)), (6, 2, -2, 1));
}
