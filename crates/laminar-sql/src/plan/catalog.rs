//! What the planner must know of the objects that a query names.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use datafusion::logical_expr::{LogicalPlan, TableSource, TableType};
use laminar_core::NodeId;
use laminar_core::dag::EdgeProperties;

/// What kind of object a relation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// Rows from outside.
    Source,
    /// Rows that are inserted and kept.
    Table,
    /// Rows that stand elsewhere, as far as they have been asked for by key. Behind its columns are [`LOOKUP_COLUMNS`] more.
    Lookup,
    /// A change stream that is not stored.
    Stream,
    /// A query that is put in wherever it is named.
    View,
    /// A stored query.
    MaterializedView,
}

/// What is known of each key of a lookup table beside its row: whether there is one (BOOLEAN), and when it was asked for (wall-clock nanoseconds).
pub const LOOKUP_COLUMNS: [&str; 2] = ["$found", "$asked_at"];

impl RelationKind {
    /// The kind as SQL calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            RelationKind::Source => "source",
            RelationKind::Table => "table",
            RelationKind::Lookup => "lookup table",
            RelationKind::Stream => "stream",
            RelationKind::View => "view",
            RelationKind::MaterializedView => "materialized view",
        }
    }

    /// Whether its current rows can be read at any time.
    pub const fn is_stored(self) -> bool {
        matches!(self, RelationKind::Table | RelationKind::MaterializedView)
    }
}

/// A named object that a query can read.
#[derive(Debug, Clone)]
pub struct Relation {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: RelationKind,
    /// The node that emits its rows; of no meaning for views.
    pub node: NodeId,
    /// What holds for those rows.
    pub properties: EdgeProperties,
    /// If its rows are the changes that `node` emits, told as rows: what holds for these changes.
    pub changes_of: Option<EdgeProperties>,
    /// The query of a view.
    pub inlined: Option<Arc<LogicalPlan>>,
}

/// Finds relations by name.
pub trait Catalog {
    /// The relation called `name`, if there is one.
    fn relation(&self, name: &str) -> Option<Relation>;

    /// All names, for "did you mean".
    fn names(&self) -> Vec<String>;
}

/// A relation as DataFusion's planner sees it.
#[derive(Debug)]
pub(crate) struct RelationSource(pub(crate) Relation);

impl TableSource for RelationSource {
    fn schema(&self) -> SchemaRef {
        let schema = &self.0.properties.schema;
        match self.0.kind {
            RelationKind::Lookup => {
                Arc::new(Schema::new(schema.fields()[..schema.fields().len() - LOOKUP_COLUMNS.len()].to_vec()))
            }
            _ => schema.clone(),
        }
    }

    fn table_type(&self) -> TableType {
        if self.0.inlined.is_some() { TableType::View } else { TableType::Base }
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        self.0.inlined.as_deref().map(Cow::Borrowed)
    }
}

impl RelationSource {
    /// The relation behind a scan of a streaming plan.
    pub(crate) fn of(source: &Arc<dyn TableSource>) -> Option<&Relation> {
        (source.as_ref() as &dyn Any).downcast_ref::<RelationSource>().map(|source| &source.0)
    }
}
