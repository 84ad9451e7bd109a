//! The objects of a database by name, and what depends on what.

mod object;
mod planning;

pub(crate) use object::{Body, Object, ObjectKind, SourceBody, kind_name};
pub(crate) use planning::{Inlining, Resting, objects_in};

use std::collections::BTreeMap;

use laminar_core::{Code, Error, Result};
use laminar_sql::diagnostic::nearest;
use laminar_sql::parse::Name;

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
        match nearest(name, self.objects.keys().map(String::as_str)) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None if self.objects.is_empty() => error.with_hint("nothing exists yet: begin with CREATE SOURCE or CREATE TABLE"),
            None => error.with_hint(format!("there are: {}", self.names().join(", "))),
        }
    }

    /// The objects that read from `name` directly, by name.
    pub(crate) fn dependants(&self, name: &str) -> Vec<String> {
        let reads = |object: &&Object| object.depends_on.iter().any(|on| on == name);
        self.iter().filter(reads).map(|object| object.name.clone()).collect()
    }

    /// `name` and everything that it reads from, directly or through others.
    pub(crate) fn with_inputs(&self, names: &[String]) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut open: Vec<String> = names.to_vec();
        while let Some(name) = open.pop() {
            if found.contains(&name) {
                continue;
            }
            if let Some(object) = self.get(&name) {
                open.extend(object.depends_on.iter().cloned());
            }
            found.push(name);
        }
        found
    }
}
