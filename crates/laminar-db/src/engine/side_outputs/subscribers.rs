//! Who follows what was rejected: the streams and the target of each object, and what is due to them.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_connectors::BadRow;
use laminar_core::reactor::Reactor;
use laminar_core::{ChangeBatch, NodeId, Result};

use super::collected::{ObjectSideOutputs, SideOutputs};
use super::stream::SideStream;
use super::target::LateTarget;
use crate::catalog::{ObjectId, Side, SideId};

impl SideOutputs {
    /// The columns of these rows, if there is such an object.
    pub(crate) fn schema(&self, side: SideId) -> Option<SchemaRef> {
        self.objects.get(&side.object).map(|of_object| of_object.schema(side.side))
    }

    /// The node that readers who come now attach to.
    pub(crate) fn newest_stream(&self, side: SideId) -> Option<NodeId> {
        let streams = &self.objects.get(&side.object)?.streams;
        streams.iter().rev().find(|stream| stream.side == side.side).map(|stream| stream.node)
    }

    /// Whether that node has not begun, so that a reader misses nothing.
    pub(crate) fn has_fresh_stream(&self, side: SideId) -> bool {
        let newest = self.newest_stream(side);
        self.streams().any(|stream| Some(stream.node) == newest && stream.is_fresh())
    }

    pub(crate) fn add_stream(&mut self, side: SideId, node: NodeId) {
        self.object(side.object).streams.push(SideStream::new(node, side.side));
    }

    /// Takes a stream away that nothing reads from.
    pub(crate) fn remove_stream(&mut self, side: SideId, node: NodeId) {
        self.object(side.object).streams.retain(|stream| stream.node != node);
    }

    /// Takes back that the stream at `node` has begun.
    pub(crate) fn make_fresh(&mut self, node: NodeId) {
        let streams = self.objects.values_mut().flat_map(|side| &mut side.streams);
        streams.filter(|stream| stream.node == node).for_each(SideStream::make_fresh);
    }

    /// Whose rows flow through `node`, if it has not begun.
    pub(crate) fn fresh_stream_at(&self, node: NodeId) -> Option<SideId> {
        self.objects.iter().find_map(|(object, of_object)| {
            let stream = of_object.streams.iter().find(|stream| stream.node == node && stream.is_fresh())?;
            Some(SideId { object: *object, side: stream.side })
        })
    }

    /// Begins to pass on through `node`; gives the rows that are kept, which come first.
    pub(crate) fn start_stream(&mut self, side: SideId, node: NodeId) -> Vec<RecordBatch> {
        let of_object = self.object(side.object);
        of_object.streams.iter_mut().filter(|stream| stream.node == node).for_each(SideStream::start);
        of_object.rows(side.side).batches()
    }

    /// The nodes through which rows of `object` flow, or could.
    pub(crate) fn streams_of(&self, object: ObjectId) -> Vec<NodeId> {
        self.objects.get(&object).map(|side| side.streams.iter().map(|stream| stream.node).collect()).unwrap_or_default()
    }

    /// The same of one side.
    pub(crate) fn streams_on(&self, side: SideId) -> Vec<NodeId> {
        let streams = self.objects.get(&side.object).into_iter().flat_map(|of_object| &of_object.streams);
        streams.filter(|stream| stream.side == side.side).map(|stream| stream.node).collect()
    }

    /// All streams of `object`: the side, whether it has ended, the node; in the order in which they were made.
    pub(crate) fn streams_in_order(&self, object: ObjectId) -> Vec<(Side, bool, NodeId)> {
        let streams = self.objects.get(&object).into_iter().flat_map(|of_object| &of_object.streams);
        let mut streams: Vec<_> = streams.map(|stream| (stream.side, stream.has_ended(), stream.node)).collect();
        streams.sort_unstable_by_key(|(_, _, node)| *node);
        streams
    }

    /// Says that nothing more comes through the stream at `node`.
    pub(crate) fn end_stream(&mut self, node: NodeId) {
        let streams = self.objects.values_mut().flat_map(|side| &mut side.streams);
        streams.filter(|stream| stream.node == node).for_each(SideStream::end);
    }

    /// Forgets streams that have begun and from which nobody reads any more; gives their nodes.
    pub(crate) fn forget_unread(&mut self, reactor: &Reactor) -> Vec<NodeId> {
        let is_unread = |stream: &mut SideStream| !stream.is_fresh() && !reactor.graph().is_read(stream.node);
        self.objects.values_mut().flat_map(|side| side.streams.extract_if(.., is_unread)).map(|stream| stream.node).collect()
    }

    /// Whether `node` is one of all streams.
    pub(crate) fn is_stream(&self, node: NodeId) -> bool {
        self.streams().any(|stream| stream.node == node)
    }

    fn streams(&self) -> impl Iterator<Item = &SideStream> {
        self.objects.values().flat_map(|side| &side.streams)
    }

    /// The streams and targets of all objects, as text.
    pub(crate) fn internals(&self) -> String {
        let of = |(object, side): (&ObjectId, &ObjectSideOutputs)| {
            let target = side.target.as_ref().map(|target| target.object);
            format!("{object}: {:?} {target:?}", side.streams)
        };
        self.objects.iter().map(of).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn set_target(&mut self, object: ObjectId, target: LateTarget) {
        self.object(object).target = Some(target);
    }

    /// The targets of all objects.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &LateTarget> {
        self.objects.values().filter_map(|side| side.target.as_ref())
    }

    /// The objects that somebody follows.
    pub(crate) fn subscribed(&self) -> Vec<ObjectId> {
        let followed = self.objects.iter().filter(|(_, side)| side.is_subscribed());
        followed.map(|(object, _)| *object).collect()
    }

    /// The first reader of source `object` that had something to tell.
    pub(crate) fn reporter(&self, object: ObjectId) -> Option<NodeId> {
        self.objects.get(&object)?.reporter
    }

    /// Says which reader of source `object` tells.
    pub(crate) fn set_reporter(&mut self, object: ObjectId, reporter: Option<NodeId>) {
        self.object(object).reporter = reporter;
    }

    /// Takes out what streams and targets have not got yet: rows for these nodes.
    pub(crate) fn take_due(&mut self) -> Result<Vec<(NodeId, ChangeBatch)>> {
        let (mut due, mut misfits) = (Vec::new(), Vec::new());
        for side in self.objects.values_mut().filter(|side| side.is_subscribed()) {
            side.take_for_streams(&mut due);
            side.take_for_target(&mut due, &mut misfits)?;
        }
        if misfits.is_empty() {
            return Ok(due);
        }
        for (target, rows) in misfits {
            self.add_bad_rows(target, &rows)?;
        }
        // The targets may be followed themselves.
        due.append(&mut self.take_due()?);
        Ok(due)
    }

    /// Ends the flowing streams of `object`; gives their nodes.
    pub(crate) fn end_streams(&mut self, object: ObjectId) -> Vec<NodeId> {
        let flowing = self.object(object).streams.iter_mut().filter(|stream| stream.is_flowing());
        flowing
            .map(|stream| {
                stream.end();
                stream.node
            })
            .collect()
    }

    /// Notes that `object` has ended; gives its target if all that write into it have, and it was not known before.
    pub(crate) fn end_target(&mut self, object: ObjectId) -> Option<LateTarget> {
        let target = self.object(object).target.as_mut().filter(|target| !target.ended)?;
        target.ended = true;
        let target = target.clone();
        let writers_ended = self.targets().filter(|other| other.object == target.object).all(|other| other.ended);
        writers_ended.then_some(target)
    }
}

impl ObjectSideOutputs {
    fn take_for_streams(&mut self, due: &mut Vec<(NodeId, ChangeBatch)>) {
        let late = std::mem::take(&mut self.fresh.late);
        let errors = std::mem::take(&mut self.fresh.errors);
        for stream in self.streams.iter().filter(|stream| stream.is_flowing()) {
            let rows = if stream.side == Side::Late { &late } else { &errors };
            due.extend(rows.iter().map(|rows| (stream.node, ChangeBatch::append(rows.clone()))));
        }
    }

    /// `misfits` are late rows that the table or sink with that id cannot hold.
    fn take_for_target(
        &mut self,
        due: &mut Vec<(NodeId, ChangeBatch)>,
        misfits: &mut Vec<(ObjectId, Vec<BadRow>)>,
    ) -> Result<()> {
        let fresh = std::mem::take(&mut self.fresh.for_target);
        let Some(target) = &mut self.target else { return Ok(()) };
        for late in &fresh {
            let arranged = target.arrange(late)?;
            target.rows += arranged.rows.num_rows() as u64;
            due.push((target.node, ChangeBatch::append(arranged.rows)));
            if !arranged.misfits.is_empty() {
                misfits.push((target.object, arranged.misfits));
            }
        }
        Ok(())
    }

    fn is_subscribed(&self) -> bool {
        self.target.is_some() || self.streams.iter().any(SideStream::is_flowing)
    }
}
