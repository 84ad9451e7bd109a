//! Passes on to streams and targets what was rejected outside of steps, by connectors that read and sinks that write, and the end when
//! nothing more can come. What operators reject flows on within their step ([`SideOutputs`](super::SideOutputs)).

use laminar_core::dag::{ChangeKind, EdgeProperties, Node, NodeKind, NodeStatus, SourceSpec};
use laminar_core::reactor::RejectedRowsHandler;
use laminar_core::{ChangeBatch, NodeId, Result};

use super::side_outputs::SideName;
use super::{Done, Engine};
use crate::catalog::Body;

impl Engine {
    /// Passes on what was rejected outside of steps since the last call, so that it takes part in the next one, and ends what has
    /// ended. True if that moved something, so that another step has work.
    pub(crate) fn forward_rejected(&mut self) -> Result<bool> {
        self.collect_unwritten()?;
        let due = self.side_outputs.take_due()?;
        let mut moved = !due.is_empty();
        for (node, rows) in due {
            if let Err(error) = self.reactor.push(node, rows.clone()) {
                self.side_outputs.refused(node, &rows, error)?;
            }
        }
        for object in self.side_outputs.subscribed() {
            if self.has_ended(&object) {
                moved |= self.end_subscribers(&object)?;
            }
        }
        Ok(moved)
    }

    fn end_subscribers(&mut self, object: &str) -> Result<bool> {
        let mut ended = self.side_outputs.end_streams(object);
        if let Some(target) = self.side_outputs.end_target(object)
            && self.catalog.get(&target.object).is_some_and(|object| matches!(object.body, Body::LateSink { .. }))
        {
            ended.push(target.node);
        }
        for node in &ended {
            self.reactor.end(*node)?;
        }
        Ok(!ended.is_empty())
    }

    /// Whether nothing more will come out of `object`, nor be rejected by it.
    fn has_ended(&self, object: &str) -> bool {
        let Some(object) = self.catalog.get(object) else { return false };
        let is_ended = |node: NodeId| self.reactor.graph().status(node).is_ok_and(|status| status == NodeStatus::Ended);
        match &object.body {
            // All readers of a source read the same rows, and one of them tells.
            Body::Source(_) => match self.side_outputs.reporter(&object.name) {
                Some(reporter) => is_ended(reporter),
                None => !object.nodes.is_empty() && object.nodes.iter().all(|node| is_ended(*node)),
            },
            Body::Table { source, .. } => is_ended(*source),
            _ => object.nodes.last().is_some_and(|node| is_ended(*node)),
        }
    }

    /// Ends the tables and sinks into which others write late rows, each after all that write into it.
    pub(super) fn end_targets(&mut self) -> Result<()> {
        let mut open = self.target_nodes();
        while let Some(place) =
            open.iter().position(|(object, _)| self.writers(object).iter().all(|writer| self.has_ended(writer)))
        {
            let (_, node) = open.remove(place);
            if self.reactor.graph().status(node)? == NodeStatus::Running {
                self.reactor.end(node)?;
            }
            self.settle_all()?;
        }
        // A writer that failed or is held up does not keep a table open.
        for (object, node) in open {
            if self.catalog.get(&object).is_some_and(|object| matches!(object.body, Body::Table { .. })) {
                self.reactor.end(node)?;
            }
        }
        self.settle_all()
    }

    /// The tables and sinks that late rows of others can be pushed into, with the node for it.
    fn target_nodes(&self) -> Vec<(String, NodeId)> {
        let node = |object: &crate::catalog::Object| match &object.body {
            Body::Table { source, .. } if !self.writers(&object.name).is_empty() => Some(*source),
            Body::LateSink { intake: Some(intake), .. } => Some(intake.node),
            _ => None,
        };
        self.catalog.iter().filter_map(|object| Some((object.name.clone(), node(object)?))).collect()
    }

    fn writers(&self, target: &str) -> Vec<String> {
        let writes = |object: &&crate::catalog::Object| object.late_to.as_deref() == Some(target);
        self.catalog.iter().filter(writes).map(|object| object.name.clone()).collect()
    }

    /// Whether `node` gets its rows from others in this engine, which must end before it.
    pub(super) fn is_fed(&self, node: NodeId) -> bool {
        self.side_outputs.is_stream(node) || self.target_nodes().iter().any(|(_, target)| *target == node)
    }

    /// The objects of which no more is to be read for now: a subscription that waits for its reader holds them back.
    pub(super) fn held_back(&self) -> Vec<String> {
        self.blockers().into_iter().flat_map(|blocker| blocker.holds).collect()
    }

    /// Gives what an object rejected a node that has not begun, if it has none: a reader that comes now gets all that is kept.
    pub(crate) fn ensure_side(&mut self, name: &SideName) -> Result<()> {
        let Some(object) = self.catalog.get(&name.object) else { return Ok(()) };
        let Some(schema) = self.side_outputs.schema(name) else { return Ok(()) };
        if self.side_outputs.has_fresh_stream(name) {
            return Ok(());
        }
        if matches!(object.body, Body::Source(_)) && object.nodes.is_empty() {
            self.ensure_reader(&name.object)?;
        }
        let id = self.next_node();
        let output = EdgeProperties::new(schema, ChangeKind::Append);
        let kind = NodeKind::Source(SourceSpec::TIMELESS);
        self.attach_nodes(vec![Node { id, name: name.to_string(), kind, inputs: Vec::new(), output }])?;
        self.side_outputs.add_stream(name, id);
        self.note(Done::SideStream(name.clone(), id))
    }

    /// Says that a query, sink or subscription reads from `node` now. If what an object rejected flows there, the rows that are kept come first.
    pub(crate) fn want(&mut self, node: NodeId) -> Result<()> {
        for rows in self.start(node)? {
            self.reactor.push(node, ChangeBatch::append(rows))?;
        }
        Ok(())
    }

    /// The same without the rows that are kept.
    pub(crate) fn want_from_now(&mut self, node: NodeId) -> Result<()> {
        self.start(node).map(|_| ())
    }

    fn start(&mut self, node: NodeId) -> Result<Vec<arrow_array::RecordBatch>> {
        self.want_reader(node)?;
        let Some(name) = self.side_outputs.fresh_stream_at(node) else { return Ok(Vec::new()) };
        self.forward_rejected()?;
        self.want_rows_of(&name.object)?;
        let kept = self.side_outputs.start_stream(&name, node);
        self.note(Done::SideStreamBegun(node))?;
        Ok(kept)
    }

    /// Nobody would see what is wrong with a source's rows if nobody read them.
    fn want_rows_of(&mut self, source: &str) -> Result<()> {
        let Some(object) = self.catalog.get(source) else { return Ok(()) };
        let Body::Source(body) = &object.body else { return Ok(()) };
        let is_wanted = |node: &NodeId| self.readers.of_node(*node).is_some_and(|reader| reader.is_wanted());
        match body.reader.filter(|_| !object.nodes.iter().any(is_wanted)) {
            Some(reader) => self.want_reader(reader),
            None => Ok(()),
        }
    }

    fn want_reader(&mut self, node: NodeId) -> Result<()> {
        if self.readers.want(node) { self.note(Done::Wanted(node)) } else { Ok(()) }
    }

    /// Takes out streams from which nobody reads any more.
    pub(crate) fn drop_unread_streams(&mut self) -> Result<()> {
        let unread = self.side_outputs.forget_unread(&self.reactor);
        self.reactor.detach(&unread)
    }
}
