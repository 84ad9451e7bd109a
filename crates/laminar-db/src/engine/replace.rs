//! Another query for an object that runs. The new one is computed beside the old one, and takes its place between two steps: what reads the object
//! keeps its state and sees what both differ by.

use laminar_core::dag::{Node, NodeKind, NodeStatus, ReplacedQuery};
use laminar_core::{Code, Error, NodeId, Result};
use laminar_sql::parse::StreamQuery;
use laminar_sql::plan::Purpose;

use super::attach::Attached;
use super::instances::required;
use super::{Done, Engine, Instance, Parts, SinkState};
use crate::catalog::{Catalog, Definition, Object, ObjectId, sides_in};
use crate::settings::Retention;

/// A query that is computed, and takes the place of another one if the statement succeeds.
pub(super) struct ComputedQuery {
    object: ObjectId,
    /// Its nodes but for the last, in the order of its plan.
    nodes: Vec<NodeId>,
    /// The last: where its rows come out until then.
    output: NodeId,
}

impl Engine {
    /// Why `query`, of which `lowered` becomes, cannot take the place of the one that runs for `old`, under what reads it; `None`: it can.
    pub(crate) fn why_not_in_place(&self, old: &Object, query: &StreamQuery, lowered: &Attached) -> Result<Option<String>> {
        let (node, graph) = (self.output_of(old.id)?, self.reactor.graph());
        let shown = required(graph.properties(node), old.id)?;
        let status = graph.status(node)?;
        let goes_on = |input: &NodeId| graph.status(*input).is_ok_and(|status| status != NodeStatus::Ended);
        let reason = if let Some(reason) = self.why_not_beside(old, query, lowered) {
            Some(reason)
        } else if let NodeStatus::Failed(error) = status {
            Some(format!("it has failed: {}", error.message()))
        } else if let Some(reason) = shown.why_not_replaced_by(&lowered.fragment.properties) {
            Some(reason)
        } else if status == NodeStatus::Ended && lowered.fragment.reads.iter().any(goes_on) {
            Some("it has ended, since all that it reads has, and would go on".to_owned())
        } else if let Some(reader) = self.closes_by_times_of(node) {
            Some(format!("'{reader}' has closed windows by the times of its rows"))
        } else {
            self.completed_sink(old.id).map(|sink| format!("the sink '{sink}' has completed its output"))
        };
        Ok(reason)
    }

    /// Why what runs for `old` cannot be made anew, with all that reads from it, if it is to run `query`, of which `lowered` becomes.
    pub(crate) fn why_not_made_anew(&self, old: &Object, query: &StreamQuery, lowered: &Attached) -> Option<String> {
        let node = self.output_of(old.id).ok()?;
        if let Some(reason) = self.why_not_beside(old, query, lowered) {
            return Some(reason);
        }
        if self.histories.iter().any(|attached| attached.node == node) {
            return Some("its changes are followed, or kept for who comes".to_owned());
        }
        let mut readers = self.reactor.graph().nodes().filter(|reader| reader.inputs.contains(&node));
        let unnamed = |reader: &Node| self.side_outputs.owner(reader.id).is_none_or(|owner| self.catalog.object(owner).is_none());
        readers.any(unnamed).then(|| "a query without a name reads it".to_owned())
    }

    /// Why `query`, of which `lowered` becomes, cannot be computed beside what runs for `old`.
    fn why_not_beside(&self, old: &Object, query: &StreamQuery, lowered: &Attached) -> Option<String> {
        if !old.is_stored() {
            return Some("a stream keeps no rows that the new ones could be compared with".to_owned());
        }
        if old.late_to.is_some() || query.late_to.is_some() {
            return Some("its late rows go into another object".to_owned());
        }
        if let Some(input) = self.forgetful_input(query, &lowered.depends_on) {
            return Some(format!("'{input}' keeps no rows from which it could be computed"));
        }
        let late = self.late_columns(&lowered.fragment.nodes);
        let others = late.as_ref().is_some_and(|late| !self.side_outputs.takes_late(old.id, late));
        others.then(|| "its late rows would have other columns".to_owned())
    }

    /// What `query`, whose inputs are these, reads and what does not keep its rows.
    pub(super) fn forgetful_input(&self, query: &StreamQuery, inputs: &[ObjectId]) -> Option<String> {
        if let Some(side) = sides_in(query, &self.catalog).first() {
            return Some(self.catalog.side_name(*side));
        }
        let forgetful = inputs.iter().find(|input| !self.catalog.keeps_rows(**input));
        forgetful.map(|input| self.catalog.name_of(*input).to_owned())
    }

    /// What of `inputs` does not give a query that is made now the rows that have come, and what it had computed from them is gone.
    pub(crate) fn gone_input(&self, inputs: &[ObjectId]) -> Option<&str> {
        let is_gone = |id: &ObjectId| match self.catalog.object(*id).map(|object| &object.definition) {
            Some(Definition::Source(source)) => !source.keeps_rows() && !source.replayable,
            Some(Definition::Query { stored, .. }) => !stored,
            _ => false,
        };
        self.catalog.with_inlined(inputs).into_iter().find(is_gone).map(|id| self.catalog.name_of(id))
    }

    /// The name of what reads from `node`, near or far, and closes windows or forgets rows as the watermark says, if `node` has times that follow one.
    fn closes_by_times_of(&self, node: NodeId) -> Option<&str> {
        let graph = self.reactor.graph();
        if graph.properties(node)?.time_columns.is_empty() {
            return None;
        }
        let mut above = vec![node];
        // Each stands after its inputs.
        for reader in graph.nodes() {
            if reader.inputs.iter().any(|input| above.contains(input)) {
                if closes_by_time(reader) {
                    return Some(&reader.name);
                }
                above.push(reader.id);
            }
        }
        None
    }

    /// The name of a sink that gets what comes out of an object, directly or through others, and takes nothing more.
    fn completed_sink(&self, id: ObjectId) -> Option<&str> {
        let is_complete = |id: &ObjectId| {
            let sink = self.instances.get(*id).and_then(|instance| instance.sink());
            sink.is_some_and(|(handle, _)| handle.status().state == SinkState::Finished)
        };
        self.catalog.with_dependants(id).into_iter().find(is_complete).map(|id| self.catalog.name_of(id))
    }

    /// Computes `query` beside the one that runs for `object`, whose place it takes if the statement succeeds.
    pub(crate) fn attach_in_place(&mut self, object: ObjectId, query: &StreamQuery, text: &str) -> Result<Attached> {
        let (attached, mut nodes) = self.attach_beside(object, query, text)?;
        let output = attached.fragment.root;
        nodes.retain(|node| *node != output);
        self.stage_in_place(ComputedQuery { object, nodes, output });
        Ok(attached)
    }

    /// Computes `query` in the place of the one that runs for `object`, of which nothing is left if the statement succeeds: all that reads it must be
    /// put in place or made anew after it.
    pub(crate) fn attach_anew(
        &mut self,
        object: ObjectId,
        query: &StreamQuery,
        text: &str,
        history: Option<Retention>,
    ) -> Result<Attached> {
        let (attached, nodes) = self.attach_beside(object, query, text)?;
        let root = attached.fragment.root;
        if let Some(history) = history {
            let name = self.catalog.name_of(object).to_owned();
            self.keep_history(root, (object, &name), history)?;
        }
        let instance = required(self.instances.get_mut(object), object)?;
        let before = std::mem::replace(instance, Instance::new(nodes, Parts::Query(root)));
        self.stage_outdated(&before.nodes);
        self.note(Done::RunsAnew(object, Box::new(before)))?;
        Ok(attached)
    }

    /// Computes a query beside the one that runs for `object`; with its nodes, in the order of its plan.
    fn attach_beside(&mut self, object: ObjectId, query: &StreamQuery, text: &str) -> Result<(Attached, Vec<NodeId>)> {
        let name = self.catalog.name_of(object).to_owned();
        let attached = self.attach_query((object, &name), query, text, Purpose::View)?;
        let output = attached.fragment.root;
        let nodes: Vec<NodeId> = attached.fragment.nodes.iter().map(|node| node.id).collect();
        if let NodeStatus::Failed(error) = self.reactor.graph().status(output)? {
            return Err(error.within(format!("the new query of '{name}'")));
        }
        if self.reactor.graph().waits_for_step(nodes.iter().chain(self.instances.nodes(object))) {
            let text =
                format!("the new query of '{name}' cannot be computed now: a subscription that is behind holds its inputs back");
            return Err(Error::new(Code::Backpressure, text).with_hint("SHOW JOBS names it; try again when it has read"));
        }
        Ok((attached, nodes))
    }

    /// Lets what was computed take the place of the queries that ran until now, all in one step. Nothing else reads the nodes `gone`.
    pub(super) fn put_in_place(&mut self, computed: Vec<ComputedQuery>, mut gone: Vec<NodeId>) -> Result<()> {
        self.forget_histories(&gone);
        let mut replaced = Vec::with_capacity(computed.len());
        for ComputedQuery { object, nodes, output: computed } in computed {
            let instance = required(self.instances.get_mut(object), object)?;
            let Parts::Query(output) = instance.parts else { return Err(Error::internal(format!("{object} has no query"))) };
            gone.extend(instance.nodes.iter().copied().filter(|node| *node != output));
            instance.nodes = nodes.into_iter().chain([output]).collect();
            replaced.push(ReplacedQuery { output, computed });
        }
        self.reactor.replace_queries(&replaced, &gone)?;
        gone.extend(replaced.iter().map(|query| query.computed));
        self.side_outputs.disown(&gone);
        self.drop_unread_streams()?;
        self.settle()
    }

    /// Does something over a catalog that is to be.
    pub(crate) fn over_catalog<T>(&mut self, catalog: Catalog, look: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before = std::mem::replace(&mut self.catalog, catalog);
        let result = look(self);
        self.catalog = before;
        result
    }
}

fn closes_by_time(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Window(_) | NodeKind::Session(_) | NodeKind::AssignWindow(_) | NodeKind::Emit(_) => true,
        NodeKind::Join(join) => join.time_bound.is_some(),
        NodeKind::AsofJoin(join) => join.times.is_some(),
        _ => false,
    }
}
