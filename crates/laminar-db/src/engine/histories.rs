//! Histories of objects: made with the first subscription (or by `WITH (history = …)`), and who holds back whom.

use laminar_core::dag::OutletId;
use laminar_core::{ChangeBatch, Code, Error, NodeId, Result, StepId};

use super::undo::Done;
use super::{Engine, SubscriptionTarget};
use crate::SubscribeOptions;
use crate::catalog::ObjectId;
use crate::history::{History, Reading};
use crate::settings::Retention;

/// A history and where it is attached.
pub(crate) struct AttachedHistory {
    pub(super) node: NodeId,
    outlet: OutletId,
    history: History,
    /// What it is called for people: the object, or `query`.
    name: String,
    /// The objects from which its rows come.
    inputs: Vec<ObjectId>,
}

impl std::fmt::Display for AttachedHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "history of {} at {} with {} readers", self.name, self.node, self.history.readers())
    }
}

impl AttachedHistory {
    pub(super) fn history(&self) -> &History {
        &self.history
    }

    pub(super) fn rename(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        self.history.rename(name);
    }
}

/// A subscription that holds back what feeds its object, since it is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocker {
    /// The object, or `query`.
    pub(crate) name: String,
    /// Steps that wait for it.
    pub(crate) steps: u64,
    /// All objects that it holds back.
    pub(crate) holds: Vec<ObjectId>,
}

impl Blocker {
    /// The error of a push into `object` that it holds back.
    pub(crate) fn error(&self, object: &str) -> Error {
        let Self { name, steps, .. } = self;
        let text = format!("'{object}' is held back by a subscription to '{name}': {steps} steps wait to be read");
        Error::new(Code::Backpressure, text)
            .with_detail("nothing was taken in; all views are current with what was taken in before")
            .with_hint(
                "read the subscription or drop it; or subscribe with slow_reader fail or drop_oldest, which hold nothing back",
            )
    }
}

impl Engine {
    /// A reader of the changes at `target`.
    pub(crate) fn read_changes(
        &mut self,
        target: &SubscriptionTarget,
        name: &str,
        options: &SubscribeOptions,
    ) -> Result<Reading> {
        let history = self.history_at(target.node, name, vec![target.object], Retention::default())?;
        let wants_rows = options.as_of_step.is_none() && options.snapshot.unwrap_or(target.stored);
        self.read_target(target, wants_rows)?;
        let reader = match options.as_of_step {
            Some(step) => history.read_after(options, step, self.reactor.graph().last_step())?,
            None => {
                let snapshot = if wants_rows && !target.is_side() { self.snapshot_at(target.node)? } else { None };
                let snapshot = snapshot.map(|rows| (self.reactor.graph().last_step(), rows));
                history.read_from_now(options, snapshot)
            }
        };
        self.note(Done::Subscribed(history.clone(), reader))?;
        Ok(Reading { node: target.node, history, reader, own_nodes: Vec::new() })
    }

    /// A reader of the changes at the root of a query that runs for it alone.
    pub(crate) fn read_query(
        &mut self,
        root: NodeId,
        own_nodes: Vec<NodeId>,
        inputs: Vec<ObjectId>,
        options: &SubscribeOptions,
    ) -> Result<Reading> {
        let name = format!("a query over {}", self.catalog.names_of(&inputs).join(", "));
        let history = self.history_at(root, &name, inputs, Retention::default())?;
        let reader = history.read_from_now(options, None);
        self.note(Done::Subscribed(history.clone(), reader))?;
        Ok(Reading { node: root, history, reader, own_nodes })
    }

    /// Keeps the history of an object from now on, whether or not it has readers.
    pub(crate) fn keep_history(&mut self, node: NodeId, (id, name): (ObjectId, &str), retention: Retention) -> Result<()> {
        self.history_at(node, name, vec![id], retention).map(|_| ())
    }

    /// The history at a node; made if there is none.
    pub(super) fn history_at(
        &mut self,
        node: NodeId,
        name: &str,
        inputs: Vec<ObjectId>,
        retention: Retention,
    ) -> Result<History> {
        if let Some(found) = self.histories.iter().find(|attached| attached.node == node) {
            return Ok(found.history.clone());
        }
        let step = self.reactor.graph().last_step();
        let history = History::new(name, step, retention, self.settings.subscription_memory);
        let outlet = self.reactor.subscribe(node, history.outlet(), false)?;
        self.histories.push(AttachedHistory { node, outlet, history: history.clone(), name: name.to_owned(), inputs });
        self.note(Done::History(node))?;
        Ok(history)
    }

    /// The rows that an object stores now at its node, as the first changes of a reader; `None`: there are none.
    pub(super) fn snapshot_at(&self, node: NodeId) -> Result<Option<ChangeBatch>> {
        let contents = self.reactor.graph().stored_rows(node)?;
        let first = contents.first().map(ChangeBatch::schema);
        first.map(|schema| ChangeBatch::concat(&schema, &contents)).transpose()
    }

    /// Takes a reader away, and with the last one the history and the nodes that existed for it alone.
    pub(crate) fn end_reading(&mut self, reading: &Reading) -> Result<()> {
        if reading.history.remove(reading.reader) {
            self.drop_history(reading.node);
        }
        self.detach_nodes(&reading.own_nodes)?;
        self.drop_unread_streams()
    }

    /// The changes of steps up to `step` are not kept: they belong to a checkpoint.
    pub(super) fn histories_begin_after(&self, step: StepId) {
        self.histories.iter().for_each(|attached| attached.history.begin_after(step));
    }

    /// Takes a history away from its node.
    pub(super) fn drop_history(&mut self, node: NodeId) {
        for attached in self.histories.extract_if(.., |attached| attached.node == node) {
            self.reactor.graph_mut().detach_outlet(attached.outlet);
        }
    }

    /// Forgets the histories of nodes that are taken out; their readers are told by the graph.
    pub(crate) fn forget_histories(&mut self, nodes: &[NodeId]) {
        self.histories.retain(|attached| !nodes.contains(&attached.node));
    }

    /// The subscriptions that hold something back now.
    pub(crate) fn blockers(&self) -> Vec<Blocker> {
        let blocker = |attached: &AttachedHistory| {
            let steps = attached.history.held_back_by()?;
            Some(Blocker { name: attached.name.clone(), steps, holds: self.catalog.with_feeders(&attached.inputs) })
        };
        self.histories.iter().filter_map(blocker).collect()
    }

    /// The subscription that holds back pushes into an object, if there is one.
    pub(crate) fn blocker_of(&self, id: ObjectId) -> Option<Blocker> {
        self.blockers().into_iter().find(|blocker| blocker.holds.contains(&id))
    }

    /// The first of the objects with these names that is held back, and the subscription that does it. Mostly there is none, and no name is looked up.
    pub(crate) fn blocked_among<'a>(&self, names: &[&'a str]) -> Option<(&'a str, Blocker)> {
        if self.histories.is_empty() {
            return None;
        }
        let blockers = self.blockers();
        let blocker_of = |name: &str| {
            let id = self.catalog.id_of(name)?;
            blockers.iter().find(|blocker| blocker.holds.contains(&id)).cloned()
        };
        if blockers.is_empty() { None } else { names.iter().find_map(|name| Some((*name, blocker_of(name)?))) }
    }

    /// The histories that hold something: whose, how many steps, and how many bytes.
    pub(crate) fn history_usage(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        let usage = self.histories.iter().map(|attached| (attached.name.as_str(), attached.history.usage()));
        usage.filter(|(_, (steps, _))| *steps > 0).map(|(name, (steps, bytes))| (name, steps, bytes))
    }

    /// Bytes of changes that wait for readers or are kept for them.
    pub(crate) fn history_bytes(&self) -> usize {
        self.histories.iter().map(|attached| attached.history.usage().1).sum()
    }
}
