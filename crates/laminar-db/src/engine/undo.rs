//! What a statement has done so far, so that one that fails leaves nothing behind.
//!
//! A statement that creates something runs in [`Engine::all_or_nothing`]. Whatever it puts into the graph, the catalog, the readers or the
//! side outputs it notes here, and if it fails all of it is taken back, the last first.

use laminar_core::dag::OutletId;
use laminar_core::{Code, Error, NodeId, Result};

use super::Engine;
use super::side_outputs::SideName;
use crate::catalog::{Body, Once};
use crate::subscription::{History, ReaderId};

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
    /// An object was given a name.
    Named(String),
    /// A source was given a reader at this node; before, its readers were at `before`.
    Reads { source: String, node: NodeId, before: Option<NodeId> },
    /// The reader of a table was made.
    Loads(NodeId),
    /// The reader at a node is wanted from now on.
    Wanted(NodeId),
    /// A side output of an object was declared that had none.
    Sides(String),
    /// A stream of a side output was made at this node.
    SideStream(SideName, NodeId),
    /// A stream of a side output was begun.
    SideStreamBegun(NodeId),
    /// The late rows of an object were given a target.
    Target(String),
    /// A sink for late rows was given its columns.
    Intake(String),
    /// The files of an object were noted.
    Files(String),
}

/// What is noted while a statement runs.
#[derive(Default)]
pub(crate) struct Undo {
    /// `None`: nothing is noted, since nothing can be taken back.
    done: Option<Vec<Done>>,
    /// For tests: the statement fails when it has done so many things.
    fails_at: Option<usize>,
}

impl Engine {
    /// Runs a statement that leaves nothing behind if it fails.
    pub(crate) fn all_or_nothing<T>(&mut self, statement: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.undo.done = Some(Vec::new());
        let result = statement(self);
        let done = self.undo.done.take().unwrap_or_default();
        if result.is_err() {
            self.take_back(done)?;
        }
        result
    }

    /// Runs what only wants to know: it leaves nothing behind in any case.
    pub(crate) fn and_nothing_more<T>(&mut self, look: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.undo.done = Some(Vec::new());
        let result = look(self);
        let done = self.undo.done.take().unwrap_or_default();
        self.take_back(done)?;
        result
    }

    /// For tests: the next statements fail when they have done so many things; `None`: they do not.
    pub(crate) fn fail_statements_at(&mut self, things: Option<usize>) {
        self.undo.fails_at = things;
    }

    /// Notes what was done.
    pub(crate) fn note(&mut self, done: Done) -> Result<()> {
        let Some(noted) = &mut self.undo.done else { return Ok(()) };
        noted.push(done);
        match self.undo.fails_at {
            Some(at) if noted.len() == at => Err(Error::new(Code::Io, "the failure that a test asked for")),
            _ => Ok(()),
        }
    }

    fn take_back(&mut self, done: Vec<Done>) -> Result<()> {
        done.into_iter().rev().try_for_each(|done| self.undo_one(done))
    }

    fn undo_one(&mut self, done: Done) -> Result<()> {
        match done {
            Done::Attached(nodes) => self.reactor.detach(&nodes)?,
            Done::Listens(outlet) => {
                self.reactor.graph_mut().detach_outlet(outlet);
            }
            Done::History(node) => self.drop_history(node),
            Done::Subscribed(history, reader) => {
                history.remove(reader);
            }
            Done::Named(name) => {
                self.catalog.remove(&name);
            }
            Done::Reads { source, node, before } => self.undo_reader(&source, node, before),
            Done::Loads(node) => self.readers.remove(&[node]),
            Done::Wanted(node) => self.readers.unwant(node),
            Done::Sides(object) => self.side_outputs.forget(&object),
            Done::SideStream(name, node) => self.side_outputs.remove_stream(&name, node),
            Done::SideStreamBegun(node) => self.side_outputs.make_fresh(node),
            Done::Target(object) => self.side_outputs.forget_target(&object),
            Done::Intake(sink) => {
                if let Some(object) = self.catalog.get_mut(&sink)
                    && let Body::LateSink { intake, .. } = &mut object.body
                {
                    *intake = None;
                    object.nodes.pop();
                }
            }
            Done::Files(name) => self.files.forget(&name),
        }
        Ok(())
    }

    /// Takes the reader of a source away; one that can be opened only once is given back.
    fn undo_reader(&mut self, source: &str, node: NodeId, before: Option<NodeId>) {
        let opened = self.readers.take(node);
        let Some(object) = self.catalog.get_mut(source) else { return };
        object.nodes.retain(|own| *own != node);
        if let Body::Source(body) = &mut object.body {
            body.reader = before;
            if let (Once::Given, Some(opened)) = (&body.once, opened) {
                body.once = Once::Opened(opened);
            }
        }
    }
}
