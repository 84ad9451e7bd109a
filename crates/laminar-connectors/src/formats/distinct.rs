//! Names that must differ: keys of a JSON object, columns of a change with those that tell what it does.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};

/// The names, of which a later one that is there already gets a number: `id`, `id_2`.
pub fn distinct_names<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let mut taken: BTreeSet<String> = names.clone().map(str::to_owned).collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut distinct = Vec::with_capacity(taken.len());
    for name in names {
        let free = if seen.insert(name) { name.to_owned() } else { numbered(name, &taken) };
        taken.insert(free.clone());
        distinct.push(free);
    }
    distinct
}

fn numbered(name: &str, taken: &BTreeSet<String>) -> String {
    let mut candidates = (2_usize..).map(|number| format!("{name}_{number}"));
    candidates.find(|candidate| !taken.contains(candidate)).unwrap_or_default()
}

/// The schema with [`distinct_names`]; the same one if its names differ.
pub fn distinct_schema(schema: &SchemaRef) -> SchemaRef {
    let names = schema.fields().iter().map(|field| field.name().as_str());
    if equal_name(names.clone()).is_none() {
        return schema.clone();
    }
    let renamed = schema.fields().iter().zip(distinct_names(names));
    let fields: Vec<_> = renamed.map(|(field, name)| field.as_ref().clone().with_name(name)).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The first name that is there twice.
pub fn equal_name<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    names.find(|name| !seen.insert(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_equal_name_gets_a_number_that_is_free() {
        let cases: [(&[&str], &[&str]); 4] = [
            (&["a", "b"], &["a", "b"]),
            (&["a", "a", "a"], &["a", "a_2", "a_3"]),
            (&["a", "a", "a_2"], &["a", "a_3", "a_2"]),
            (&["A", "a", ""], &["A", "a", ""]),
        ];
        for (names, distinct) in cases {
            assert_eq!(distinct_names(names.iter().copied()), distinct, "{names:?}");
        }
    }
}
