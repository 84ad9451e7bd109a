//! The operator for GROUP BY without windows: after every step its integrated output is the model's result.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{Field, Schema};
use laminar_core::dag::{AggregateSpec, ChangeKind, EdgeProperties, Partitioning};
use laminar_core::expr::Column;
use laminar_core::operator::group_aggregate::GroupAggregate;
use laminar_core::{ChangeBatch, Port};
use rand::RngExt;
use rand::rngs::StdRng;

use super::history::{Contents, Domain, Row, batch, cut, schema, step};
use super::model::{Tested, all, texts};
use crate::harness::Harness;
use crate::random::{cases, for_each_case};

type Key = Vec<Option<String>>;

#[test]
fn oracle_group_aggregate_equals_its_model_after_every_step() {
    let functions = all();
    for_each_case(cases(), |random| run(&functions, random));
}

fn run(functions: &[Tested], random: &mut StdRng) {
    let domain = Domain::random(random);
    let keys: &[usize] = [&[][..], &[0], &[1], &[0, 1]][random.random_range(0..4)];
    // A few functions a case, sometimes none (that is DISTINCT), so that every combination comes up.
    let functions: Vec<&Tested> = functions.iter().filter(|_| random.random_bool(0.15)).collect();
    let functions = if keys.is_empty() && functions.is_empty() { return } else { functions };
    let new = || operator(keys, &functions, domain);
    let (mut harness, mut contents, mut shown) = (Harness::new(new()), Contents::default(), Shown::default());
    for _ in 0..random.random_range(1..5) {
        let batches = cut(step(domain, &mut contents, random), random);
        let emitted = harness.step(batches.iter().map(|changes| (Port::LEFT, batch(changes))).collect()).unwrap();
        assert_eq!(harness.rejected_rows(), 0, "nothing is rejected");
        shown.integrate(&emitted, keys.len());
        shown.check(&functions, &contents, keys);
        if random.random_bool(0.4) {
            harness.copy_ahead(random.random_range(0..5)).unwrap();
        }
        if random.random_bool(0.2) {
            harness.replace_by_image(new()).unwrap();
        }
    }
}

fn operator(keys: &[usize], functions: &[&Tested], domain: Domain) -> GroupAggregate {
    let keys: Vec<_> = keys.iter().map(|key| Column::new(&schema(), *key)).collect();
    let aggregates: Vec<_> = functions.iter().map(|tested| tested.call.clone()).collect();
    let key_fields = keys.iter().map(|key| Field::new(key.display(), key.data_type().clone(), true));
    let result_fields = aggregates.iter().map(|call| Field::new(&call.name, call.function.return_type().clone(), true));
    let output = Arc::new(Schema::new(key_fields.chain(result_fields).collect::<Vec<_>>()));
    let changes = if domain.retracts { ChangeKind::Retract } else { ChangeKind::Append };
    let input = EdgeProperties { partitioning: Partitioning::Single, ..EdgeProperties::new(schema(), changes) };
    GroupAggregate::new(&AggregateSpec { keys, aggregates }, &input, output).unwrap()
}

/// The rows that a reader of the operator's output holds.
#[derive(Default)]
struct Shown(BTreeMap<Key, Key>);

impl Shown {
    fn integrate(&mut self, emitted: &[ChangeBatch], keys: usize) {
        for batch in emitted {
            let columns: Vec<_> = batch.rows().columns().iter().map(texts).collect();
            for row in 0..batch.len() {
                let mut key: Key = columns.iter().map(|column| column[row].clone()).collect();
                let results = key.split_off(keys);
                match batch.weight(row) {
                    1 => assert_eq!(self.0.insert(key, results), None, "a row is shown only once its old one is gone"),
                    -1 => assert_eq!(self.0.remove(&key), Some(results), "the old row is retracted as it was shown"),
                    other => panic!("weight {other}"),
                }
            }
        }
    }

    fn check(&self, functions: &[&Tested], contents: &Contents, keys: &[usize]) {
        let mut expected: BTreeMap<Key, Vec<(&Row, i64)>> = BTreeMap::new();
        if keys.is_empty() {
            expected.insert(vec![], vec![]);
        }
        for (row, weight) in &contents.0 {
            let both = [row.key.map(|key| key.to_string()), row.text_key.clone()];
            let key = keys.iter().map(|column| both[*column].clone()).collect();
            expected.entry(key).or_default().push((row, *weight));
        }
        assert_eq!(self.0.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "groups");
        for (key, rows) in &expected {
            for (tested, value) in functions.iter().zip(&self.0[key]) {
                let (model, name) = (tested.expected(rows), &tested.call.name);
                assert!(model.is(value.as_deref()), "{name}: {value:?} instead of {model:?} for {rows:#?}");
            }
        }
    }
}
