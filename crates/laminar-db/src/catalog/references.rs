//! Which objects a query names.

use laminar_sql::batch::relations_in;
use laminar_sql::parse::{StreamQuery, changes_of_name};

use super::{Catalog, Definition, Object, ObjectId, ObjectKind, SideId, SideName, ViewDefinition};

impl Catalog {
    /// The names that a query can read from, but for those of rejected rows.
    pub(crate) fn readable_names(&self) -> Vec<String> {
        let is_readable =
            |object: &&Object| !matches!(object.kind(), ObjectKind::Sink | ObjectKind::Subscription | ObjectKind::Index);
        self.iter().filter(is_readable).map(|object| object.name.clone()).collect()
    }
}

/// The objects that `query` names in FROM, of those that exist, each once: itself or its changes.
pub(crate) fn objects_in(query: &StreamQuery, catalog: &Catalog) -> Vec<ObjectId> {
    let mut objects = Vec::new();
    for name in relations_in(query) {
        let id = catalog.id_of(&name).or_else(|| catalog.id_of(changes_of_name(&name)?));
        objects.extend(id.filter(|id| !objects.contains(id)));
    }
    objects
}

/// Whether `query` itself reads the changes of an object as rows.
pub(crate) fn reads_changes(query: &StreamQuery, catalog: &Catalog) -> bool {
    let is_there = |name: &str| catalog.id_of(name).is_some();
    relations_in(query).iter().any(|name| !is_there(name) && changes_of_name(name).is_some_and(is_there))
}

/// The same with the objects whose rejected rows it names.
pub(crate) fn inputs_in(query: &StreamQuery, catalog: &Catalog) -> Vec<ObjectId> {
    let mut inputs = objects_in(query, catalog);
    for side in direct_sides(query, catalog) {
        if !inputs.contains(&side.object) {
            inputs.push(side.object);
        }
    }
    inputs
}

/// What `query` names of the rows that objects rejected, itself or in a view.
pub(crate) fn sides_in(query: &StreamQuery, catalog: &Catalog) -> Vec<SideId> {
    let mut sides = direct_sides(query, catalog);
    for id in objects_in(query, catalog) {
        if let Some(Definition::View(ViewDefinition { query, .. })) = catalog.object(id).map(|object| &object.definition) {
            sides.extend(sides_in(query, catalog));
        }
    }
    sides
}

fn direct_sides(query: &StreamQuery, catalog: &Catalog) -> Vec<SideId> {
    let names = relations_in(query).into_iter().filter(|name| catalog.id_of(name).is_none());
    let of_object = |side: SideName| Some(SideId { object: catalog.id_of(&side.object)?, side: side.side });
    names.filter_map(|name| SideName::parse(&name).and_then(of_object)).collect()
}
