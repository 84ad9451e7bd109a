//! What is defined: the objects of a database, their names and what depends on what. Nothing here runs, and nothing here knows what does.
//!
//! A catalog changes by [`Catalog::apply`] alone. A clone is a snapshot: it shares all definitions with the catalog that it was taken of, and
//! stays as it is when that one changes.

mod change;
mod id;
mod object;
mod references;
mod side;
mod text_lengths;

use std::collections::BTreeMap;
use std::sync::Arc;

use laminar_core::{Code, Error, Result};
use laminar_sql::diagnostic::nearest;
use laminar_sql::parse::Name;

pub(crate) use change::CatalogChange;
pub(crate) use id::{CatalogVersion, ObjectId};
pub(crate) use object::{
    Alignment, CheckText, ColumnText, Definition, LookupDefinition, Object, ObjectKind, SourceDefinition, TableDefinition,
    UniqueText, ViewDefinition, kind_in_words, kind_name,
};
pub(crate) use references::{inputs_in, objects_in, reads_changes, sides_in};
pub(crate) use side::{Side, SideId, SideName};
pub(crate) use text_lengths::TextLengths;

/// All objects.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Catalog {
    contents: Arc<Contents>,
}

#[derive(Debug, Clone, PartialEq)]
struct Contents {
    version: CatalogVersion,
    /// Greater than all that were ever given.
    next_id: ObjectId,
    objects: BTreeMap<ObjectId, Arc<Object>>,
    names: BTreeMap<String, ObjectId>,
}

impl Default for Contents {
    fn default() -> Self {
        let version = CatalogVersion::default();
        Self { version, next_id: ObjectId::FIRST, objects: BTreeMap::new(), names: BTreeMap::new() }
    }
}

impl Catalog {
    pub(crate) fn version(&self) -> CatalogVersion {
        self.contents.version
    }

    /// The id of the object that is created next.
    pub(crate) fn next_id(&self) -> ObjectId {
        self.contents.next_id
    }

    /// Says which id the object gets that is created next: the one that it had, when its statement is said again.
    pub(crate) fn set_next_id(&mut self, id: ObjectId) {
        Arc::make_mut(&mut self.contents).next_id = id;
    }

    /// The id of the object called `name`.
    pub(crate) fn id_of(&self, name: &str) -> Option<ObjectId> {
        self.contents.names.get(name).copied()
    }

    /// The object called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&Object> {
        self.object(self.id_of(name)?)
    }

    /// The object with this id.
    pub(crate) fn object(&self, id: ObjectId) -> Option<&Object> {
        self.contents.objects.get(&id).map(Arc::as_ref)
    }

    /// All objects by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Object> {
        self.contents.names.values().filter_map(|id| self.object(*id))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.contents.names.keys().cloned().collect()
    }

    /// The name of an object; for one that is gone, or queries without a name, `query`.
    pub(crate) fn name_of(&self, id: ObjectId) -> &str {
        self.object(id).map_or(UNNAMED, |object| &object.name)
    }

    /// The names of objects, in the same order.
    pub(crate) fn names_of(&self, ids: &[ObjectId]) -> Vec<&str> {
        ids.iter().map(|id| self.name_of(*id)).collect()
    }

    /// The object called `name`, or an error that names the nearest one.
    pub(crate) fn require(&self, name: &Name) -> Result<&Object> {
        self.get(&name.text).ok_or_else(|| self.unknown(&name.text).at(name.span))
    }

    /// The same for a name that stands in no statement.
    pub(crate) fn named(&self, name: &str) -> Result<&Object> {
        self.get(name).ok_or_else(|| self.unknown(name))
    }

    /// The rows that an object rejected, if `name` is the name of such rows.
    pub(crate) fn side(&self, name: &str) -> Option<SideId> {
        let SideName { object, side } = SideName::parse(name)?;
        let unnamed = || (object == UNNAMED).then_some(ObjectId::UNNAMED);
        Some(SideId { object: self.id_of(&object).or_else(unnamed)?, side })
    }

    /// What rows that an object rejected are called.
    pub(crate) fn side_name(&self, side: SideId) -> String {
        format!("{}{}", self.name_of(side.object), side.side.suffix())
    }

    /// The error for a name that nothing has.
    pub(crate) fn unknown(&self, name: &str) -> Error {
        let error = Error::new(Code::UnknownObject, format!("there is no source, table, stream, view or sink '{name}'"));
        let names = &self.contents.names;
        // Rows that were rejected have names too, which are not worth listing.
        let sides: Vec<String> = if name.contains('$') { self.side_names() } else { Vec::new() };
        match nearest(name, names.keys().chain(&sides).map(String::as_str)) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None if names.is_empty() => error.with_hint("nothing exists yet: begin with CREATE SOURCE or CREATE TABLE"),
            None => error.with_hint(format!("there are: {}", self.names().join(", "))),
        }
    }

    fn side_names(&self) -> Vec<String> {
        let of = |object: &String| Side::ALL.map(|side| format!("{object}{}", side.suffix()));
        self.contents.names.keys().flat_map(of).collect()
    }

    /// The objects that read from an object or write their late rows into it, by name.
    pub(crate) fn dependants(&self, id: ObjectId) -> Vec<ObjectId> {
        self.iter().filter(|object| object.needs().any(|needed| needed == id)).map(|object| object.id).collect()
    }

    /// An object and all that needs it, directly or through others, each before what it needs.
    pub(crate) fn with_dependants(&self, id: ObjectId) -> Vec<ObjectId> {
        let mut order = Vec::new();
        self.add_with_dependants(id, &mut order);
        order
    }

    fn add_with_dependants(&self, id: ObjectId, order: &mut Vec<ObjectId>) {
        if !order.contains(&id) {
            self.dependants(id).into_iter().for_each(|dependant| self.add_with_dependants(dependant, order));
            order.push(id);
        }
    }

    /// The objects whose late rows go into an object, by name.
    pub(crate) fn late_writers(&self, id: ObjectId) -> impl Iterator<Item = ObjectId> {
        self.iter().filter(move |object| object.late_to == Some(id)).map(|object| object.id)
    }

    /// `objects` and everything that they read from, directly or through others.
    pub(crate) fn with_inputs(&self, objects: &[ObjectId]) -> Vec<ObjectId> {
        closure(objects, |id| self.inputs(id))
    }

    /// The same, with everything whose late rows reach them.
    pub(crate) fn with_feeders(&self, objects: &[ObjectId]) -> Vec<ObjectId> {
        closure(objects, |id| self.inputs(id).into_iter().chain(self.late_writers(id)).collect())
    }

    /// `objects`, and what stands in the views among them, which are put in wherever they are named.
    pub(crate) fn with_inlined(&self, objects: &[ObjectId]) -> Vec<ObjectId> {
        closure(objects, |id| match self.object(id).map(|object| &object.definition) {
            Some(Definition::View(_)) => self.inputs(id),
            _ => Vec::new(),
        })
    }

    /// Whether a query that is made now sees all rows of an object: of a view that is put in, of those that it reads.
    pub(crate) fn keeps_rows(&self, id: ObjectId) -> bool {
        match self.object(id) {
            Some(view) if view.kind() == ObjectKind::View => view.depends_on.iter().all(|input| self.keeps_rows(*input)),
            object => object.is_some_and(Object::is_stored),
        }
    }

    fn inputs(&self, id: ObjectId) -> Vec<ObjectId> {
        self.object(id).map(|object| object.depends_on.clone()).unwrap_or_default()
    }
}

/// What queries without a name are called.
const UNNAMED: &str = "query";

/// `objects` and all that `next` leads to.
fn closure(objects: &[ObjectId], next: impl Fn(ObjectId) -> Vec<ObjectId>) -> Vec<ObjectId> {
    let mut found: Vec<ObjectId> = Vec::new();
    let mut open: Vec<ObjectId> = objects.to_vec();
    while let Some(id) = open.pop() {
        if !found.contains(&id) {
            open.extend(next(id));
            found.push(id);
        }
    }
    found
}
