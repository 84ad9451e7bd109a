//! Accumulators behind a group table: updates, merges, images and numbers that are used anew.

use std::collections::BTreeMap;

use arrow_schema::DataType;
use laminar_core::operator::aggregate::{AggregateCall, CallInputs, GroupTable};
use laminar_core::state::StateImage;
use laminar_core::{ChangeBatch, Weights};
use rand::RngExt;
use rand::rngs::StdRng;

use super::history::{Contents, Domain, Row, batch, cut, step};
use super::model::{Tested, all, texts};
use crate::random::{cases, for_each_case};

#[test]
fn oracle_every_function_equals_its_model_in_any_split() {
    let functions = all();
    let calls: Vec<AggregateCall> = functions.iter().map(|tested| tested.call.clone()).collect();
    for_each_case(cases(), |random| run(&functions, &calls, random));
}

fn run(functions: &[Tested], calls: &[AggregateCall], random: &mut StdRng) {
    let domain = Domain::random(random);
    let new = || GroupTable::new(&[DataType::Int64], calls, domain.retracts).unwrap();
    let (mut table, mut contents) = (new(), Contents::default());
    for _ in 0..random.random_range(1..7) {
        let mut other = new();
        for changes in cut(step(domain, &mut contents, random), random) {
            let into = if random.random_bool(0.3) { &mut other } else { &mut table };
            add(into, calls, &batch(&changes));
        }
        let groups: Vec<u32> = other.groups().collect();
        table.merge_from(&other, &groups).unwrap();
        check(&mut table, functions, &contents);
        release_empty(&mut table);
        if random.random_bool(0.5) {
            table.copy_ahead(random.random_range(0..4)).unwrap();
        }
        if random.random_bool(0.3) {
            let mut image = StateImage::default();
            table.add_to_image(&mut image, "groups").unwrap();
            table = new();
            table.restore(&GroupTable::image_in(&image, "groups").unwrap()).unwrap();
            check(&mut table, functions, &contents);
        }
    }
}

fn add(table: &mut GroupTable, calls: &[AggregateCall], changes: &ChangeBatch) {
    let groups = table.assign(&changes.rows().columns()[..1], changes.len()).unwrap();
    let inputs = CallInputs::evaluate(calls, changes.rows()).unwrap();
    if groups.len() % 3 == 1 {
        // The same rows in another order.
        let order: Vec<u32> = (0..groups.len() as u32).rev().collect();
        let groups: Vec<u32> = order.iter().map(|row| groups[*row as usize]).collect();
        let order = order.into();
        let weights: Weights = changes.weights().take(&order);
        table.update(&inputs.take(&order).unwrap(), &weights, &groups).unwrap();
    } else {
        table.update(&inputs, changes.weights(), &groups).unwrap();
    }
}

fn release_empty(table: &mut GroupTable) {
    let empty: Vec<u32> = table.groups().filter(|group| table.weight(*group) == 0).collect();
    table.release(&empty);
}

fn check(table: &mut GroupTable, functions: &[Tested], contents: &Contents) {
    let mut expected: BTreeMap<Option<i64>, Vec<(&Row, i64)>> = BTreeMap::new();
    contents.0.iter().for_each(|(row, weight)| expected.entry(row.key).or_default().push((row, *weight)));
    let groups: Vec<u32> = table.groups().filter(|group| table.weight(*group) != 0).collect();
    assert_eq!(groups.len(), expected.len(), "groups with rows");
    let (keys, mut faults) = (table.keys(&groups).unwrap(), Vec::new());
    let results = table.results(&groups, &mut faults).unwrap();
    assert_eq!(faults, [], "no faults");
    let keys: Vec<Option<i64>> = texts(&keys[0]).into_iter().map(|key| key.map(|key| key.parse().unwrap())).collect();
    for (tested, column) in functions.iter().zip(&results) {
        assert_eq!(column.data_type(), tested.call.function.return_type(), "{}", tested.call.name);
        for (key, value) in keys.iter().zip(texts(column)) {
            let rows = &expected[key];
            let model = tested.expected(rows);
            assert!(model.is(value.as_deref()), "{}: {value:?} instead of {model:?} for {rows:#?}", tested.call.name);
        }
    }
}
