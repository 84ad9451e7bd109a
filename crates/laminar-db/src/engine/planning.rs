//! The catalog as the planner of continuous queries sees it.

use std::sync::Arc;

use laminar_core::dag::{ChangeKind, EdgeProperties};
use laminar_core::{Code, Error, NodeId, Result};
use laminar_sql::batch::{refuse_too_many_views, within_view};
use laminar_sql::parse::{StreamQuery, changes_of_name};
use laminar_sql::plan::{self, Planner, Relation, RelationKind};

use super::{Engine, Instances, SideOutputs};
use crate::catalog::{Catalog, Definition, ObjectKind, SideId, ViewDefinition};
use crate::history::schema_with_operations;

/// Relations for continuous queries. Views are planned when they are asked for.
pub(crate) struct PlannerCatalog<'a> {
    catalog: &'a Catalog,
    instances: &'a Instances,
    side_outputs: &'a SideOutputs,
    planner: &'a Planner,
    /// What went wrong while planning a view: DataFusion's callback cannot say it.
    trouble: std::cell::RefCell<Option<Error>>,
    /// How many views have been put in.
    inlined: std::cell::Cell<usize>,
    /// Whether a view is put in with its query, or stands for itself: who only wants to know the columns above need not plan what is below.
    with_queries: bool,
}

impl<'a> PlannerCatalog<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self {
            catalog: &engine.catalog,
            instances: &engine.instances,
            side_outputs: &engine.side_outputs,
            planner: &engine.planner,
            trouble: std::cell::RefCell::default(),
            inlined: std::cell::Cell::default(),
            with_queries: true,
        }
    }

    /// Relations for a query of which only the columns are wanted, over a catalog that is to be.
    pub(crate) fn of_columns(engine: &'a Engine, catalog: &'a Catalog) -> Self {
        Self { with_queries: false, catalog, ..Self::new(engine) }
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
    fn side_output(&self, side: SideId) -> Option<Relation> {
        let (node, schema) = (self.side_outputs.newest_stream(side)?, self.side_outputs.schema(side)?);
        let properties = EdgeProperties { changes: ChangeKind::Append, ..unknown(schema) };
        Some(Relation {
            name: self.catalog.side_name(side),
            kind: RelationKind::Stream,
            node,
            properties,
            changes_of: None,
            inlined: None,
        })
    }

    /// The changes of the object called `of`, as rows. A plain view does not run by itself, so it has no changes.
    fn changes(&self, name: &str, of: &str) -> Option<Relation> {
        let object = self.catalog.get(of)?;
        if let Definition::View(_) = &object.definition {
            let text = format!("CHANGES of the view '{of}', which does not run by itself: it is put in wherever it is named");
            let error = Error::new(Code::NotSupported, text);
            let hint = format!("CREATE MATERIALIZED VIEW or CREATE STREAM … AS SELECT * FROM {of} has changes of its own");
            self.trouble.borrow_mut().get_or_insert(error.with_hint(hint));
            return None;
        }
        if let Definition::Lookup(_) = &object.definition {
            let text = format!("CHANGES of the lookup table '{of}', whose rows stand elsewhere");
            let error = Error::new(Code::NotSupported, text);
            self.trouble
                .borrow_mut()
                .get_or_insert(error.with_hint("CHANGES of the view that looks it up tells what rows were given"));
            return None;
        }
        let (node, changes) = (self.instances.output(object.id)?, object.properties()?.clone());
        let properties = EdgeProperties::new(schema_with_operations(&changes.schema), ChangeKind::Append);
        let (kind, changes_of) = (RelationKind::Stream, Some(changes));
        Some(Relation { name: name.to_owned(), kind, node, properties, changes_of, inlined: None })
    }

    fn planned(&self, name: &str, query: &StreamQuery, text: &str) -> Option<Relation> {
        self.inlined.set(self.inlined.get() + 1);
        let few = refuse_too_many_views(name, self.inlined.get());
        match few.and_then(|()| self.planner.plan_view(query, text, self)) {
            Ok(logical) => {
                let schema = Arc::new(logical.schema().as_arrow().clone());
                let properties = unknown(schema);
                let kind = RelationKind::View;
                Some(Relation {
                    name: name.to_owned(),
                    kind,
                    node: NodeId(0),
                    properties,
                    changes_of: None,
                    inlined: Some(Arc::new(logical)),
                })
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
        if let Some(side) = self.catalog.side(name) {
            return self.side_output(side);
        }
        if let Some(of) = changes_of_name(name) {
            return self.changes(name, of);
        }
        let object = self.catalog.get(name)?;
        if let Definition::View(ViewDefinition { query, schema, inlined }) = &object.definition {
            if self.with_queries {
                return self.planned(name, query, &object.sql);
            }
            self.inlined.set(self.inlined.get() + inlined);
            let (kind, properties) = (RelationKind::View, unknown(schema.clone()));
            return Some(Relation { name: name.to_owned(), kind, node: NodeId(0), properties, changes_of: None, inlined: None });
        }
        let (node, properties) = match &object.definition {
            Definition::Lookup(lookup) => (self.instances.lookup(object.id)?.output, lookup.properties.clone()),
            _ => (self.instances.output(object.id)?, object.properties()?.clone()),
        };
        Some(Relation {
            name: name.to_owned(),
            kind: relation_kind(object.kind()),
            node,
            properties,
            changes_of: None,
            inlined: None,
        })
    }

    fn names(&self) -> Vec<String> {
        self.catalog.readable_names()
    }
}

fn relation_kind(kind: ObjectKind) -> RelationKind {
    match kind {
        ObjectKind::Source => RelationKind::Source,
        ObjectKind::Table => RelationKind::Table,
        ObjectKind::LookupTable => RelationKind::Lookup,
        ObjectKind::MaterializedView => RelationKind::MaterializedView,
        ObjectKind::Stream | ObjectKind::Sink | ObjectKind::Subscription | ObjectKind::Index => RelationKind::Stream,
        ObjectKind::View => RelationKind::View,
    }
}
