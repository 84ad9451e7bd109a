//! Passes on to streams and targets what was rejected outside of steps, by connectors that read and sinks that write, and the end when
//! nothing more can come. What operators reject flows on within their step ([`SideOutputs`](super::SideOutputs)).

use laminar_core::dag::{ChangeKind, EdgeProperties, Node, NodeKind, NodeStatus, SourceSpec};
use laminar_core::reactor::RejectedRowsHandler;
use laminar_core::{ChangeBatch, NodeId, Result};

use super::instances::Parts;
use super::{Done, Engine};
use crate::catalog::{ObjectId, SideId};

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
            if self.has_ended(object) {
                moved |= self.end_subscribers(object)?;
            }
        }
        Ok(moved)
    }

    fn end_subscribers(&mut self, object: ObjectId) -> Result<bool> {
        let mut ended = self.side_outputs.end_streams(object);
        if let Some(target) = self.side_outputs.end_target(object)
            && self.instances.get(target.object).is_some_and(|instance| matches!(instance.parts, Parts::LateSink(_)))
        {
            ended.push(target.node);
        }
        for node in &ended {
            self.reactor.end(*node)?;
        }
        Ok(!ended.is_empty())
    }

    /// Whether nothing more will come out of `object`, nor be rejected by it.
    fn has_ended(&self, object: ObjectId) -> bool {
        let Some(instance) = self.instances.get(object) else { return false };
        let is_ended = |node: NodeId| self.reactor.graph().status(node).is_ok_and(|status| status == NodeStatus::Ended);
        match &instance.parts {
            // All readers of a source read the same rows, and one of them tells.
            Parts::Source(_) => match self.side_outputs.reporter(object) {
                Some(reporter) => is_ended(reporter),
                None => !instance.nodes.is_empty() && instance.nodes.iter().all(|node| is_ended(*node)),
            },
            Parts::Table(table) => is_ended(table.source),
            Parts::Lookup(lookup) => is_ended(lookup.source),
            _ => instance.nodes.last().is_some_and(|node| is_ended(*node)),
        }
    }

    /// Ends the tables and sinks into which others write late rows, each after all that write into it.
    pub(super) fn end_targets(&mut self) -> Result<()> {
        let mut open = self.target_nodes();
        while let Some(place) =
            open.iter().position(|(object, _)| self.catalog.late_writers(*object).all(|writer| self.has_ended(writer)))
        {
            let (_, node) = open.remove(place);
            if self.reactor.graph().status(node)? == NodeStatus::Running {
                self.reactor.end(node)?;
            }
            self.settle_all()?;
        }
        // A writer that failed or is held up does not keep a table open.
        for (object, node) in open {
            if self.instances.table(object).is_some() {
                self.reactor.end(node)?;
            }
        }
        self.settle_all()
    }

    /// The tables and sinks that late rows of others can be pushed into, with the node for it.
    fn target_nodes(&self) -> Vec<(ObjectId, NodeId)> {
        let node = |id: ObjectId| match &self.instances.get(id)?.parts {
            Parts::Table(table) => self.catalog.late_writers(id).next().map(|_| table.source),
            Parts::LateSink(intake) => intake.as_ref().map(|intake| intake.node),
            _ => None,
        };
        self.catalog.iter().filter_map(|object| Some((object.id, node(object.id)?))).collect()
    }

    /// Whether `node` gets its rows from others in this engine, which must end before it.
    pub(super) fn is_fed(&self, node: NodeId) -> bool {
        self.side_outputs.is_stream(node) || self.target_nodes().iter().any(|(_, target)| *target == node)
    }

    /// The objects of which no more is to be read for now: a subscription that waits for its reader holds them back.
    pub(super) fn held_back(&self) -> Vec<ObjectId> {
        self.blockers().into_iter().flat_map(|blocker| blocker.holds).collect()
    }

    /// Gives what an object rejected a node that has not begun, if it has none: a reader that comes now gets all that is kept.
    pub(crate) fn ensure_side(&mut self, side: SideId) -> Result<()> {
        let Some(instance) = self.instances.get(side.object) else { return Ok(()) };
        let Some(schema) = self.side_outputs.schema(side) else { return Ok(()) };
        if self.side_outputs.has_fresh_stream(side) {
            return Ok(());
        }
        if matches!(instance.parts, Parts::Source(_)) && instance.nodes.is_empty() {
            self.ensure_reader(side.object)?;
        }
        let id = self.next_node();
        let output = EdgeProperties::new(schema, ChangeKind::Append);
        let kind = NodeKind::Source(SourceSpec::TIMELESS);
        let name = self.catalog.side_name(side);
        self.attach_nodes(ObjectId::UNNAMED, vec![Node { id, name, kind, inputs: Vec::new(), output }])?;
        self.side_outputs.add_stream(side, id);
        self.note(Done::SideStream(side, id))
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
        let Some(side) = self.side_outputs.fresh_stream_at(node) else { return Ok(Vec::new()) };
        self.forward_rejected()?;
        self.want_rows_of(side.object)?;
        let kept = self.side_outputs.start_stream(side, node);
        self.note(Done::SideStreamBegun(node))?;
        Ok(kept)
    }

    /// Nobody would see what is wrong with a source's rows if nobody read them.
    fn want_rows_of(&mut self, source: ObjectId) -> Result<()> {
        let Some(parts) = self.instances.source(source) else { return Ok(()) };
        let is_wanted = |node: &NodeId| self.readers.of_node(*node).is_some_and(|reader| reader.is_wanted());
        match parts.reader.filter(|_| !self.instances.nodes(source).iter().any(is_wanted)) {
            Some(reader) => self.want_reader(reader.output),
            None => Ok(()),
        }
    }

    /// Says that something reads from `node`, if it is where the rows of a source come out.
    fn want_reader(&mut self, output: NodeId) -> Result<()> {
        let reader = self.side_outputs.owner(output).and_then(|id| self.instances.source(id)).and_then(|source| source.reader);
        let node = reader.filter(|reader| reader.output == output).map_or(output, |reader| reader.node);
        if self.readers.want(node) { self.note(Done::Wanted(node)) } else { Ok(()) }
    }

    /// Takes out streams from which nobody reads any more.
    pub(crate) fn drop_unread_streams(&mut self) -> Result<()> {
        let unread = self.side_outputs.forget_unread(&self.reactor);
        self.detach_nodes(&unread)
    }
}
