//! The catalog as the planner of continuous queries sees it.

use std::sync::Arc;

use laminar_core::dag::{ChangeKind, EdgeProperties};
use laminar_core::{Error, NodeId, Result};
use laminar_sql::batch::{refuse_too_many_views, relations_in, within_view};
use laminar_sql::parse::StreamQuery;
use laminar_sql::plan::{self, Planner, Relation, RelationKind};

use super::Catalog;
use super::object::{Body, Object, ObjectKind};
use crate::engine::{SideName, SideOutputs};

/// Relations for continuous queries. Views are planned when they are asked for.
pub(crate) struct PlannerCatalog<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) side_outputs: &'a SideOutputs,
    pub(crate) planner: &'a Planner,
    /// What went wrong while planning a view: DataFusion's callback cannot say it.
    pub(crate) trouble: std::cell::RefCell<Option<Error>>,
    /// How many views have been put in.
    inlined: std::cell::Cell<usize>,
    /// Whether a view is put in with its query, or stands for itself: who only wants to know the columns above need not plan what is below.
    with_queries: bool,
}

impl<'a> PlannerCatalog<'a> {
    pub(crate) fn new(catalog: &'a Catalog, side_outputs: &'a SideOutputs, planner: &'a Planner) -> Self {
        Self {
            catalog,
            side_outputs,
            planner,
            trouble: std::cell::RefCell::default(),
            inlined: std::cell::Cell::default(),
            with_queries: true,
        }
    }

    /// Relations for a query of which only the columns are wanted.
    pub(crate) fn of_columns(catalog: &'a Catalog, side_outputs: &'a SideOutputs, planner: &'a Planner) -> Self {
        Self { with_queries: false, ..Self::new(catalog, side_outputs, planner) }
    }

    /// How many views have been put in, or would be.
    pub(crate) fn inlined(&self) -> usize {
        self.inlined.get()
    }

    /// `planned`, or what went wrong in a view below it.
    pub(crate) fn checked<T>(self, planned: Result<T>) -> Result<T> {
        match self.trouble.into_inner() {
            Some(error) => Err(error),
            None => planned,
        }
    }

    /// What an object rejected, as a stream.
    fn side_output(&self, side: &SideName) -> Option<Relation> {
        let (node, schema) = (self.side_outputs.newest_stream(side)?, self.side_outputs.schema(side)?);
        let properties = EdgeProperties { changes: ChangeKind::Append, ..unknown(schema) };
        Some(Relation { name: side.to_string(), kind: RelationKind::Stream, node, properties, inlined: None })
    }

    fn planned(&self, name: &str, query: &StreamQuery, text: &str) -> Option<Relation> {
        self.inlined.set(self.inlined.get() + 1);
        let few = refuse_too_many_views(name, self.inlined.get());
        match few.and_then(|()| self.planner.plan_view(query, text, self)) {
            Ok(logical) => {
                let schema = Arc::new(logical.schema().as_arrow().clone());
                let properties = unknown(schema);
                let kind = RelationKind::View;
                Some(Relation { name: name.to_owned(), kind, node: NodeId(0), properties, inlined: Some(Arc::new(logical)) })
            }
            Err(error) => {
                self.trouble.borrow_mut().get_or_insert(within_view(error, name));
                None
            }
        }
    }
}

fn unknown(schema: arrow_schema::SchemaRef) -> EdgeProperties {
    EdgeProperties::new(schema, ChangeKind::Retract)
}

impl plan::Catalog for PlannerCatalog<'_> {
    fn relation(&self, name: &str) -> Option<Relation> {
        if let Some(side) = SideName::parse(name) {
            return self.side_output(&side);
        }
        let object = self.catalog.get(name)?;
        if let Body::View { query, schema, inlined } = &object.body {
            if self.with_queries {
                return self.planned(name, query, &object.sql);
            }
            self.inlined.set(self.inlined.get() + inlined);
            let (kind, properties) = (RelationKind::View, unknown(schema.clone()));
            return Some(Relation { name: name.to_owned(), kind, node: NodeId(0), properties, inlined: None });
        }
        let (node, properties) = (object.output()?, object.properties()?.clone());
        Some(Relation { name: name.to_owned(), kind: relation_kind(object), node, properties, inlined: None })
    }

    fn names(&self) -> Vec<String> {
        readable_names(self.catalog)
    }
}

fn relation_kind(object: &Object) -> RelationKind {
    match &object.body {
        Body::Source(_) => RelationKind::Source,
        Body::Table { .. } => RelationKind::Table,
        Body::Query { stored: true, .. } => RelationKind::MaterializedView,
        Body::Query { stored: false, .. } | Body::Sink { .. } | Body::LateSink { .. } => RelationKind::Stream,
        Body::View { .. } => RelationKind::View,
    }
}

pub(super) fn readable_names(catalog: &Catalog) -> Vec<String> {
    catalog.iter().filter(|object| object.kind() != ObjectKind::Sink).map(|object| object.name.clone()).collect()
}

/// The objects that `query` names in FROM, of those that exist.
pub(crate) fn objects_in(query: &StreamQuery, catalog: &Catalog) -> Vec<String> {
    relations_in(query).into_iter().filter(|name| catalog.get(name).is_some()).collect()
}

/// The same with the objects whose rejected rows it names.
pub(crate) fn inputs_in(query: &StreamQuery, catalog: &Catalog) -> Vec<String> {
    let mut inputs = objects_in(query, catalog);
    for side in direct_sides(query, catalog) {
        if !inputs.contains(&side.object) {
            inputs.push(side.object);
        }
    }
    inputs
}

/// What `query` names of the rows that objects rejected, itself or in a view.
pub(crate) fn sides_in(query: &StreamQuery, catalog: &Catalog) -> Vec<SideName> {
    let mut sides = direct_sides(query, catalog);
    for name in objects_in(query, catalog) {
        if let Some(Body::View { query, .. }) = catalog.get(&name).map(|object| &object.body) {
            sides.extend(sides_in(query, catalog));
        }
    }
    sides
}

fn direct_sides(query: &StreamQuery, catalog: &Catalog) -> Vec<SideName> {
    let names = relations_in(query).into_iter().filter(|name| catalog.get(name).is_none());
    names.filter_map(|name| SideName::parse(&name)).filter(|side| catalog.get(&side.object).is_some()).collect()
}
