//! What runs for each object: the one place that knows its nodes, its way out, its files and what was opened for it.
//!
//! What an object rejected, its readers and its histories have places of their own, since steps and rounds go over all of them; they say by its
//! id whose they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use laminar_connectors::Source;
use laminar_core::dag::{OutletId, SourceSpec};
use laminar_core::{Error, NodeId, Result};

use super::files::Files;
use super::late_target::SinkIntake;
use super::lookups::LookupInstance;
use super::sinks::SinkHandle;
use super::table_rules::TableRules;
use crate::catalog::{ObjectId, TextLengths};
use crate::history::History;

/// The instances of all objects.
#[derive(Default)]
pub(crate) struct Instances {
    objects: BTreeMap<ObjectId, Instance>,
    /// The lookup tables among them, since they are looked at after each step.
    lookups: Vec<ObjectId>,
}

/// What runs for an object.
pub(crate) struct Instance {
    /// Its nodes, in ascending order.
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) files: Files,
    pub(crate) parts: Parts,
}

/// What runs, by the kind of object.
pub(crate) enum Parts {
    Source(SourceInstance),
    Table(TableInstance),
    Lookup(LookupInstance),
    /// The node at which the changes of a stream or materialized view come out.
    Query(NodeId),
    View,
    Sink {
        outlet: OutletId,
        handle: SinkHandle,
    },
    /// A sink for late rows; `None`: no query writes into it yet.
    LateSink(Option<SinkIntake>),
    /// A subscription with a name: where it reads.
    Subscription {
        node: NodeId,
        history: History,
    },
    Index,
}

pub(crate) struct SourceInstance {
    pub(crate) spec: SourceSpec,
    /// Whether programs push its rows.
    pub(crate) is_pushed: bool,
    /// How long its texts may be.
    pub(crate) lengths: TextLengths,
    /// What views created now attach to; it exists once a query reads from the source.
    pub(crate) reader: Option<SourceReader>,
    /// Of a source that can be read only once: what CREATE SOURCE opened, until a query reads from it.
    pub(crate) opened: Option<Box<dyn Source>>,
}

/// The ends of a source's part of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SourceReader {
    /// Where its rows come in.
    pub(crate) node: NodeId,
    /// Where readers see them: of a source with a primary key, the node at which rows replace each other; else the same.
    pub(crate) output: NodeId,
}

/// A table: rows are pushed in at `source` and seen at `output`.
pub(crate) struct TableInstance {
    pub(crate) source: NodeId,
    pub(crate) output: NodeId,
    pub(crate) rules: Arc<TableRules>,
    /// `APPEND ONLY`.
    pub(crate) is_append: bool,
}

impl Instances {
    pub(crate) fn get(&self, id: ObjectId) -> Option<&Instance> {
        self.objects.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: ObjectId) -> Option<&mut Instance> {
        self.objects.get_mut(&id)
    }

    pub(super) fn insert(&mut self, id: ObjectId, instance: Instance) {
        if matches!(instance.parts, Parts::Lookup(_)) {
            self.lookups.push(id);
        }
        self.objects.insert(id, instance);
    }

    pub(super) fn remove(&mut self, id: ObjectId) -> Option<Instance> {
        self.lookups.retain(|lookup| *lookup != id);
        self.objects.remove(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ObjectId, &Instance)> {
        self.objects.iter().map(|(id, instance)| (*id, instance))
    }

    /// The parts of the object `id`, if it is a source.
    pub(crate) fn source(&self, id: ObjectId) -> Option<&SourceInstance> {
        match &self.get(id)?.parts {
            Parts::Source(source) => Some(source),
            _ => None,
        }
    }

    pub(super) fn source_mut(&mut self, id: ObjectId) -> Option<&mut SourceInstance> {
        match &mut self.get_mut(id)?.parts {
            Parts::Source(source) => Some(source),
            _ => None,
        }
    }

    /// The parts of the object `id`, if it is a table.
    pub(crate) fn table(&self, id: ObjectId) -> Option<&TableInstance> {
        match &self.get(id)?.parts {
            Parts::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The lookup tables.
    pub(crate) fn lookups(&self) -> &[ObjectId] {
        &self.lookups
    }

    /// The parts of the object `id`, if it is a lookup table.
    pub(crate) fn lookup(&self, id: ObjectId) -> Option<&LookupInstance> {
        match &self.get(id)?.parts {
            Parts::Lookup(lookup) => Some(lookup),
            _ => None,
        }
    }

    pub(super) fn lookup_mut(&mut self, id: ObjectId) -> Option<&mut LookupInstance> {
        match &mut self.get_mut(id)?.parts {
            Parts::Lookup(lookup) => Some(lookup),
            _ => None,
        }
    }

    /// The node at which the changes of an object come out.
    pub(crate) fn output(&self, id: ObjectId) -> Option<NodeId> {
        self.get(id)?.output()
    }

    /// The nodes of an object.
    pub(crate) fn nodes(&self, id: ObjectId) -> &[NodeId] {
        self.get(id).map_or(&[], |instance| &instance.nodes)
    }
}

impl Instance {
    pub(crate) fn new(nodes: Vec<NodeId>, parts: Parts) -> Self {
        Self { nodes, files: Files::None, parts }
    }

    #[must_use]
    pub(crate) fn with_files(self, files: Files) -> Self {
        Self { files, ..self }
    }

    /// The node at which its changes come out.
    pub(crate) fn output(&self) -> Option<NodeId> {
        match &self.parts {
            Parts::Source(source) => source.reader.map(|reader| reader.output),
            Parts::Table(table) => Some(table.output),
            Parts::Query(root) => Some(*root),
            Parts::Lookup(_)
            | Parts::View
            | Parts::Sink { .. }
            | Parts::LateSink(_)
            | Parts::Subscription { .. }
            | Parts::Index => None,
        }
    }

    /// The way out that it is, if it has been opened.
    pub(crate) fn sink(&self) -> Option<(&SinkHandle, OutletId)> {
        match &self.parts {
            Parts::Sink { handle, outlet } => Some((handle, *outlet)),
            Parts::LateSink(intake) => intake.as_ref().map(|intake| (&intake.handle, intake.outlet)),
            _ => None,
        }
    }
}

/// What was found of an object that must be there.
pub(super) fn required<T>(found: Option<T>, id: ObjectId) -> Result<T> {
    found.ok_or_else(|| Error::internal(format!("{id} lacks its definition or its instance")))
}
