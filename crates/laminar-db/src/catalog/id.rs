//! Numbers of objects and of states of the catalog.

/// The number of an object: given once in a database's life, so that it means the same object after a rename, and none after a drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectId(pub(crate) u64);

impl ObjectId {
    /// Queries without a name, which are in no catalog.
    pub(crate) const UNNAMED: ObjectId = ObjectId(0);
    /// The first object's.
    pub(super) const FIRST: ObjectId = ObjectId(1);

    pub(super) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "object {}", self.0)
    }
}

/// A state of the catalog: how many changes were committed before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct CatalogVersion(pub(crate) u64);

impl std::fmt::Display for CatalogVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
