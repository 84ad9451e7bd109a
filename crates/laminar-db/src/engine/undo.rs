//! Statements that create something are done whole or leave nothing behind.
//!
//! Such a statement runs in [`Engine::all_or_nothing`]. It puts what is to run into the graph, the readers, the side outputs and the instances,
//! noting each thing here, and says how the catalog is to change. If all went well the catalog changes, at last and at once; if not,
//! what was noted is taken back, the last first, and the catalog does not change.

use laminar_core::dag::OutletId;
use laminar_core::{Code, Error, NodeId, Result};

use super::replace::ComputedQuery;
use super::{Engine, Instance, Parts, SourceReader};
use crate::catalog::{CatalogChange, ObjectId, SideId};
use crate::history::{History, ReaderId};

/// One thing that was done, and can be undone.
pub(crate) enum Done {
    /// Nodes were put into the graph.
    Attached(Vec<NodeId>),
    /// An outlet was put at a node.
    Listens(OutletId),
    /// A history was made for a node.
    History(NodeId),
    /// A history was given a reader.
    Subscribed(History, ReaderId),
    /// A history was given a reader with a name.
    Named(History, ObjectId),
    /// An object was given its instance.
    Runs(ObjectId),
    /// An object runs another query; before, it had this instance.
    RunsAnew(ObjectId, Box<Instance>),
    /// A source was given this reader; before, it had `before`.
    Reads { source: ObjectId, reader: SourceReader, before: Option<SourceReader> },
    /// The reader of a table was made.
    Loads(NodeId),
    /// The reader at a node is wanted from now on.
    Wanted(NodeId),
    /// Side outputs of an object were declared that had none.
    Sides(ObjectId),
    /// A stream of a side output was made at this node.
    SideStream(SideId, NodeId),
    /// A stream of a side output was begun.
    SideStreamBegun(NodeId),
    /// A sink for late rows was given its columns.
    Intake(ObjectId),
}

/// What is noted while a statement runs.
#[derive(Default)]
pub(crate) struct Undo {
    /// `None`: nothing is noted, since nothing can be taken back.
    done: Option<Vec<Done>>,
    /// How the catalog changes if the statement succeeds.
    changes: Vec<CatalogChange>,
    /// Objects in whose place others stand if the statement succeeds.
    replaced: Vec<ObjectId>,
    /// Queries that take the place of others if the statement succeeds.
    in_place: Vec<ComputedQuery>,
    /// Nodes that nothing reads any more if the statement succeeds.
    outdated: Vec<NodeId>,
    /// For tests: the statement fails when it has done so many things.
    fails_at: Option<usize>,
}

impl Engine {
    /// Runs a statement that leaves nothing behind if it fails.
    pub(crate) fn all_or_nothing<T>(&mut self, statement: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.undo.done = Some(Vec::new());
        self.journal.stage();
        let result = statement(self).and_then(|value| self.commit_staged().map(|()| value));
        self.journal.forget_staged();
        self.undo.changes.clear();
        let (done, replaced) = (self.undo.done.take().unwrap_or_default(), std::mem::take(&mut self.undo.replaced));
        let (in_place, outdated) = (std::mem::take(&mut self.undo.in_place), std::mem::take(&mut self.undo.outdated));
        match &result {
            Ok(_) => {
                replaced.into_iter().try_for_each(|id| self.end_instance(id))?;
                if !in_place.is_empty() || !outdated.is_empty() {
                    self.put_in_place(in_place, outdated)?;
                }
            }
            Err(_) => self.take_back(done)?,
        }
        result
    }

    /// Runs what only wants to know: it leaves nothing behind in any case.
    pub(crate) fn and_nothing_more<T>(&mut self, look: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.undo.done = Some(Vec::new());
        let result = look(self);
        self.undo.changes.clear();
        self.undo.in_place.clear();
        self.undo.outdated.clear();
        let done = self.undo.done.take().unwrap_or_default();
        self.take_back(done)?;
        result
    }

    /// Changes the catalog, and before it the log: the one place where a statement takes effect.
    pub(crate) fn commit(&mut self, changes: &[CatalogChange]) -> Result<()> {
        let mut next = self.catalog.clone();
        next.apply(changes)?;
        self.log_changes(changes)?;
        self.catalog = next;
        #[cfg(test)]
        self.committed.push(changes.to_vec());
        Ok(())
    }

    /// Says how the catalog changes if the statement succeeds.
    pub(crate) fn stage(&mut self, change: CatalogChange) {
        self.undo.changes.push(change);
    }

    /// Says that an object goes if the statement succeeds, since another one takes its place. Fails if something reads from its nodes.
    pub(crate) fn stage_end(&mut self, id: ObjectId) -> Result<()> {
        self.reactor.graph().check_detach(&self.nodes_with_sides(id))?;
        self.undo.changes.push(CatalogChange::Drop(id));
        self.undo.replaced.push(id);
        Ok(())
    }

    /// Says that a query takes the place of another one if the statement succeeds.
    pub(super) fn stage_in_place(&mut self, computed: ComputedQuery) {
        self.undo.in_place.push(computed);
    }

    /// Says that nothing reads these nodes any more if the statement succeeds.
    pub(super) fn stage_outdated(&mut self, nodes: &[NodeId]) {
        self.undo.outdated.extend_from_slice(nodes);
    }

    fn commit_staged(&mut self) -> Result<()> {
        let changes = std::mem::take(&mut self.undo.changes);
        if changes.is_empty() {
            return Ok(());
        }
        self.fail_if_asked(1)?;
        self.commit(&changes)
    }

    /// For tests: the next statements fail when they have done so many things; `None`: they do not.
    pub(crate) fn fail_statements_at(&mut self, things: Option<usize>) {
        self.undo.fails_at = things;
    }

    /// Notes what was done.
    pub(crate) fn note(&mut self, done: Done) -> Result<()> {
        let Some(noted) = &mut self.undo.done else { return Ok(()) };
        noted.push(done);
        self.fail_if_asked(0)
    }

    /// Fails if a test wants the statement to fail after what is noted and so `many` things.
    fn fail_if_asked(&self, many: usize) -> Result<()> {
        let things = self.undo.done.as_ref().map(|noted| noted.len() + many);
        match self.undo.fails_at {
            Some(at) if things == Some(at) => Err(Error::new(Code::Io, "the failure that a test asked for")),
            _ => Ok(()),
        }
    }

    fn take_back(&mut self, done: Vec<Done>) -> Result<()> {
        done.into_iter().rev().try_for_each(|done| self.undo_one(done))
    }

    fn undo_one(&mut self, done: Done) -> Result<()> {
        match done {
            Done::Attached(nodes) => self.detach_nodes(&nodes)?,
            Done::Listens(outlet) => {
                self.reactor.graph_mut().detach_outlet(outlet);
            }
            Done::History(node) => self.drop_history(node),
            Done::Subscribed(history, reader) => {
                history.remove(reader);
            }
            Done::Named(history, id) => {
                history.remove_named(id);
            }
            Done::Runs(id) => {
                self.instances.remove(id);
            }
            Done::RunsAnew(id, before) => self.instances.insert(id, *before),
            Done::Reads { source, reader, before } => self.undo_reader(source, reader, before),
            Done::Loads(node) => self.readers.remove(&[node]),
            Done::Wanted(node) => self.readers.unwant(node),
            Done::Sides(object) => self.side_outputs.forget(object),
            Done::SideStream(side, node) => self.side_outputs.remove_stream(side, node),
            Done::SideStreamBegun(node) => self.side_outputs.make_fresh(node),
            Done::Intake(sink) => {
                if let Some(Instance { parts: Parts::LateSink(intake), nodes, .. }) = self.instances.get_mut(sink) {
                    *intake = None;
                    nodes.pop();
                }
            }
        }
        Ok(())
    }

    /// Takes the reader of a source away; one that can be opened only once is given back.
    fn undo_reader(&mut self, source: ObjectId, reader: SourceReader, before: Option<SourceReader>) {
        let read = self.readers.take(reader.node);
        let is_read_once = self.is_read_once(source);
        let Some(Instance { parts: Parts::Source(parts), nodes, .. }) = self.instances.get_mut(source) else { return };
        nodes.retain(|own| ![reader.node, reader.output].contains(own));
        parts.reader = before;
        if is_read_once {
            parts.opened = read;
        }
    }
}
