//! The objects of a database by name, and what depends on what.

mod object;
mod planning;
mod snapshot;
mod table_rules;

pub(crate) use object::{Body, Object, ObjectKind, Once, SourceBody, kind_name};
pub(crate) use planning::{PlannerCatalog, inputs_in, objects_in, sides_in};
pub(crate) use snapshot::{Snapshot, expanded};
pub(crate) use table_rules::{Check, ColumnDefault, DefaultValue, Generated, TableRules, nullable, repeated};

use std::collections::BTreeMap;

use laminar_core::{Code, Error, Result};
use laminar_sql::diagnostic::nearest;
use laminar_sql::parse::Name;

use crate::engine::Side;

/// All objects.
#[derive(Default)]
pub(crate) struct Catalog {
    objects: BTreeMap<String, Object>,
}

impl Catalog {
    pub(crate) fn get(&self, name: &str) -> Option<&Object> {
        self.objects.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Object> {
        self.objects.get_mut(name)
    }

    pub(crate) fn insert(&mut self, object: Object) {
        self.objects.insert(object.name.clone(), object);
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<Object> {
        self.objects.remove(name)
    }

    /// All objects by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }

    /// The object called `name`, or an error that names the nearest one.
    pub(crate) fn require(&self, name: &Name) -> Result<&Object> {
        self.get(&name.text).ok_or_else(|| self.unknown(&name.text).at(name.span))
    }

    /// The error for a name that nothing has.
    pub(crate) fn unknown(&self, name: &str) -> Error {
        let error = Error::new(Code::UnknownObject, format!("there is no source, table, stream, view or sink '{name}'"));
        // Rows that were rejected have names too, which are not worth listing.
        let sides: Vec<String> = if name.contains('$') { self.side_names() } else { Vec::new() };
        match nearest(name, self.objects.keys().chain(&sides).map(String::as_str)) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None if self.objects.is_empty() => error.with_hint("nothing exists yet: begin with CREATE SOURCE or CREATE TABLE"),
            None => error.with_hint(format!("there are: {}", self.names().join(", "))),
        }
    }

    fn side_names(&self) -> Vec<String> {
        let of = |object: &String| Side::ALL.map(|side| format!("{object}{}", side.suffix()));
        self.objects.keys().flat_map(of).collect()
    }

    /// The objects that read from `name` or write their late rows into it, by name.
    pub(crate) fn dependants(&self, name: &str) -> Vec<String> {
        let reads = |object: &&Object| object.depends_on.iter().any(|on| on == name) || object.late_to.as_deref() == Some(name);
        self.iter().filter(reads).map(|object| object.name.clone()).collect()
    }

    /// `names` and everything that they read from, directly or through others.
    pub(crate) fn with_inputs(&self, names: &[String]) -> Vec<String> {
        closure(names, |name| self.inputs(name))
    }

    /// The same, with everything whose late rows reach them.
    pub(crate) fn with_feeders(&self, names: &[String]) -> Vec<String> {
        let writers = |name: &str| {
            let writes = self.iter().filter(|object| object.late_to.as_deref() == Some(name));
            writes.map(|object| object.name.clone()).collect::<Vec<_>>()
        };
        closure(names, |name| [self.inputs(name), writers(name)].concat())
    }

    /// `names`, and what stands in the views among them, which are put in wherever they are named.
    pub(crate) fn with_inlined(&self, names: &[String]) -> Vec<String> {
        closure(names, |name| match self.get(name).map(|object| &object.body) {
            Some(Body::View { .. }) => self.inputs(name),
            _ => Vec::new(),
        })
    }

    fn inputs(&self, name: &str) -> Vec<String> {
        self.get(name).map(|object| object.depends_on.clone()).unwrap_or_default()
    }
}

/// `names` and all that `next` leads to.
fn closure(names: &[String], next: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open: Vec<String> = names.to_vec();
    while let Some(name) = open.pop() {
        if !found.contains(&name) {
            open.extend(next(&name));
            found.push(name);
        }
    }
    found
}
