//! Changes of the catalog as values: what a statement commits, a log can write, and a replay applies.

use std::sync::Arc;

use laminar_core::{Error, Result};

use super::{Catalog, Contents, Object, ObjectId};

/// One change. All that a statement makes are committed together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CatalogChange {
    /// An object that was not there.
    Create(Object),
    /// Another definition of an object: its id stays.
    Alter(Object),
    /// The same by a statement that gives it another query, even if it is the same text.
    Replace(Object),
    /// An object goes, and its id is never given again.
    Drop(ObjectId),
}

impl Catalog {
    /// Makes all of `changes`, or none if one of them does not follow from what is there. This is the only way in which a catalog changes.
    pub(crate) fn apply(&mut self, changes: &[CatalogChange]) -> Result<()> {
        let mut next = Contents::clone(&self.contents);
        for change in changes {
            match change {
                CatalogChange::Create(object) => next.create(object)?,
                CatalogChange::Alter(object) | CatalogChange::Replace(object) => next.alter(object)?,
                CatalogChange::Drop(id) => next.drop(*id)?,
            }
        }
        next.check_needs()?;
        next.version.0 += 1;
        self.contents = Arc::new(next);
        Ok(())
    }
}

impl Contents {
    fn create(&mut self, object: &Object) -> Result<()> {
        if object.id < self.next_id {
            return Err(Error::internal(format!("{} was given before", object.id)));
        }
        self.next_id = object.id.next();
        self.put(object)
    }

    fn alter(&mut self, object: &Object) -> Result<()> {
        self.drop(object.id)?;
        self.put(object)
    }

    fn drop(&mut self, id: ObjectId) -> Result<()> {
        let object = self.objects.remove(&id).ok_or_else(|| Error::internal(format!("there is no {id}")))?;
        self.names.remove(&object.name);
        Ok(())
    }

    fn put(&mut self, object: &Object) -> Result<()> {
        if self.names.insert(object.name.clone(), object.id).is_some() {
            return Err(Error::internal(format!("two objects are called '{}'", object.name)));
        }
        self.objects.insert(object.id, Arc::new(object.clone()));
        Ok(())
    }

    /// Whether everything that an object needs is there.
    fn check_needs(&self) -> Result<()> {
        let lacks = |object: &Arc<Object>| object.needs().find(|id| !self.objects.contains_key(id));
        match self.objects.values().find_map(|object| Some((object, lacks(object)?))) {
            Some((object, lacking)) => Err(Error::internal(format!("'{}' needs {lacking}, which is not there", object.name))),
            None => Ok(()),
        }
    }
}
