//! Takes a checkpoint of everything between two steps: what is needed to go on from here, as data that is shared with what runs.
//!
//! It is taken under the engine's lock and written without it ([`Captured::write`]).

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use laminar_connectors::Trouble;
use laminar_core::dag::{GraphImage, Node, NodeImage, NodeImages, NodeKind, explain_node};
use laminar_core::operator::SentGroups;
use laminar_core::time::Watermark;
use laminar_core::time::watermark::Holds;
use laminar_core::{Code, Error, NodeId, Result, StepId};
use laminar_storage::{BlockId, LogPosition, Store};

use super::Engine;
use super::journal::context_of;
use super::readers::ReaderState;
use super::sinks::SinkHandle;
use crate::catalog::{Object, ObjectId, Side, SideId};
use crate::history::HistoryImage;
use crate::stored::{
    BlockWriter, CheckpointBody, FORMAT, StoredGroups, StoredHistory, StoredNode, StoredObject, StoredPart, StoredPromise,
    StoredReader, StoredReaderState, StoredSide, StoredSideStream, StoredSink, StoredSubscription, TableBlocks, to_hex,
};

/// A checkpoint that is not written yet.
pub(crate) struct Captured {
    pub(crate) epoch: u64,
    /// What stands in the log behind this is not in it.
    pub(crate) log: LogPosition,
    /// The lowest watermark of the sources that have one and have not ended.
    pub(crate) watermark: Option<i64>,
    graph: GraphImage,
    taken_at: i64,
    next_object: u64,
    objects: Vec<CapturedObject>,
    script: Vec<String>,
}

struct CapturedObject {
    definition: Object,
    /// With what each does, as text.
    nodes: Vec<(NodeId, String)>,
    reads: Vec<(u64, usize)>,
    readers: Vec<StoredReader>,
    sink: Option<CapturedSink>,
    history: Option<HistoryImage>,
    subscription: Option<StoredSubscription>,
    late: ((u64, u64), Vec<RecordBatch>),
    errors: ((u64, u64), Vec<RecordBatch>),
    reporter: Option<usize>,
    side_streams: Vec<(Side, bool, NodeId, String)>,
}

/// A sink, and what the checkpoint says of it once it is prepared.
struct CapturedSink {
    handle: SinkHandle,
    prepared: Option<StoredSink>,
}

/// How often what sinks reject while a checkpoint is taken is followed: what rejected rows bring to sinks may be rejected in turn.
const SINK_ROUNDS: usize = 3;

/// The name of a side in a manifest.
pub(super) const SIDES: [(Side, &str); 2] = [(Side::Late, "late"), (Side::Errors, "errors")];

impl Engine {
    /// Takes a checkpoint, if nothing waits: `None` while a subscription holds back rows that sources have delivered already, or a sink cannot be written. All sources must be here.
    pub(crate) fn capture(&mut self, epoch: u64) -> Result<Option<Captured>> {
        self.take_all_in()?;
        let mut rounds = 0;
        while !self.sinks_are_idle() && rounds < SINK_ROUNDS {
            // What they reject is stepped over, too.
            self.write_sinks();
            self.settle_all()?;
            rounds += 1;
        }
        // What was passed on may have been logged.
        let Some(log) = self.journal.end() else { return Ok(None) };
        let is_quiet = self.reactor.is_settled() && self.sinks_are_idle();
        if !is_quiet || self.readers.some_ahead() || self.waiting_sink().is_some() {
            return Ok(None);
        }
        let graph = self.reactor.checkpoint()?;
        let mut objects = Vec::new();
        for id in self.in_order_of_needs() {
            objects.push(self.captured(id)?);
        }
        let (taken_at, next_object) = (self.clock.now(), self.catalog.next_id().0);
        let (watermark, script) = (self.lowest_watermark(), self.journal.script.clone());
        Ok(Some(Captured { epoch, log, watermark, graph, taken_at, next_object, objects, script }))
    }

    /// Brings in what sources have delivered, and runs all steps that are to be run.
    pub(crate) fn take_all_in(&mut self) -> Result<()> {
        self.pass_on_what_was_read()?;
        self.settle_all()
    }

    fn lowest_watermark(&self) -> Option<i64> {
        let graph = self.reactor.graph();
        let has_watermark = |node: &&Node| matches!(&node.kind, NodeKind::Source(source) if source.watermark.is_some());
        let watermarks = graph.nodes().filter(has_watermark).filter_map(|source| graph.watermark(source.id).ok());
        watermarks.filter(|watermark| *watermark != Watermark::START && !watermark.is_end()).map(|watermark| watermark.0).min()
    }

    /// Whether it is likely that no checkpoint can be taken now: a subscription holds rows back, or a sink cannot be written.
    pub(crate) fn holds_back_checkpoints(&self) -> bool {
        self.waiting_sink().is_some() || !self.blockers().is_empty()
    }

    /// What is in a checkpoint whose last step is `step` will not be read again, nor stored as long as it does not change.
    pub(crate) fn acknowledge_checkpoint(&mut self, step: StepId) {
        self.checkpointed = step;
        self.reactor.checkpoint_is_stored();
        self.readers.acknowledge();
    }

    /// The checkpoint of this epoch has not come about.
    pub(crate) fn abort_epoch(&mut self, epoch: u64) {
        self.instances.iter().filter_map(|(_, instance)| instance.sink()).for_each(|(handle, _)| handle.abort(epoch));
    }

    /// All objects, each after those that it needs.
    fn in_order_of_needs(&self) -> Vec<ObjectId> {
        let mut ids: Vec<ObjectId> = self.catalog.iter().map(|object| object.id).collect();
        ids.sort_unstable();
        let mut order: Vec<ObjectId> = Vec::with_capacity(ids.len());
        while order.len() < ids.len() {
            let is_ready = |id: &ObjectId| {
                !order.contains(id)
                    && self.catalog.object(*id).is_some_and(|object| object.needs().all(|needed| order.contains(&needed)))
            };
            match ids.iter().copied().find(is_ready) {
                Some(next) => order.push(next),
                None => break,
            }
        }
        order
    }

    fn captured(&mut self, id: ObjectId) -> Result<CapturedObject> {
        let definition = super::instances::required(self.catalog.object(id), id)?.clone();
        let nodes = self.kept_nodes(id);
        let readers = nodes.iter().enumerate().filter_map(|(index, node)| self.stored_reader(index, *node)).collect();
        let place = |node: NodeId| nodes.iter().position(|own| *own == node);
        let sink = self.instances.get(id).and_then(|instance| instance.sink()).map(|(handle, _)| {
            handle.cut();
            CapturedSink { handle: handle.clone(), prepared: None }
        });
        let side = |side| {
            let id = SideId { object: id, side };
            let rows = self.side_outputs.table(id).map(|(_, rows)| rows).unwrap_or_default();
            (self.side_outputs.came_and_taken(id), rows)
        };
        Ok(CapturedObject {
            reads: self.reads_of(id, &nodes),
            readers,
            sink,
            history: self.history_image(id),
            subscription: self.stored_subscription(id),
            late: side(Side::Late),
            errors: side(Side::Errors),
            reporter: self.side_outputs.reporter(id).and_then(place),
            side_streams: self
                .kept_streams(id)
                .into_iter()
                .map(|(side, ended, node)| (side, ended, node, self.plan_of(node)))
                .collect(),
            nodes: nodes.iter().map(|node| (*node, self.plan_of(*node))).collect(),
            definition,
        })
    }

    /// The nodes of an object that come back: of a source, the readers that named objects read.
    pub(super) fn kept_nodes(&self, id: ObjectId) -> Vec<NodeId> {
        let nodes = self.instances.nodes(id);
        if self.instances.source(id).is_none() {
            return nodes.to_vec();
        }
        let mut kept: Vec<NodeId> = nodes.iter().copied().filter(|node| self.is_read_by_others(id, *node)).collect();
        // Where rows come in stands before the node at which they replace each other.
        let inputs = |node: &NodeId| self.reactor.graph().nodes().find(|own| own.id == *node).map(|own| own.inputs.clone());
        let before: Vec<NodeId> = kept.iter().filter_map(inputs).flatten().filter(|input| nodes.contains(input)).collect();
        kept.extend(before);
        kept.sort_unstable();
        kept.dedup();
        kept
    }

    /// The streams of rejected rows that named objects read: the side, whether it has ended, the node.
    pub(super) fn kept_streams(&self, id: ObjectId) -> Vec<(Side, bool, NodeId)> {
        let streams = self.side_outputs.streams_in_order(id);
        streams.into_iter().filter(|(_, _, node)| self.is_read_by_others(ObjectId::UNNAMED, *node)).collect()
    }

    /// Whether a node of an object of the catalog other than `id`, or its sink, reads from `node`.
    fn is_read_by_others(&self, id: ObjectId, node: NodeId) -> bool {
        let nodes = self.reactor.graph().nodes().filter(|reader| reader.inputs.contains(&node));
        nodes.map(|reader| reader.id).any(|reader| self.side_outputs.owner(reader).is_some_and(|owner| owner != id))
            || self
                .instances
                .iter()
                .filter_map(|(_, instance)| instance.sink())
                .any(|(_, outlet)| self.reactor.graph().outlet_node(outlet) == Some(node))
    }

    /// Which reader of which source an object with these nodes reads.
    fn reads_of(&self, id: ObjectId, nodes: &[NodeId]) -> Vec<(u64, usize)> {
        let graph = self.reactor.graph();
        let inputs = graph.nodes().filter(|node| nodes.contains(&node.id)).flat_map(|node| node.inputs.iter().copied());
        let sink = self.instances.get(id).and_then(|instance| instance.sink());
        let mut reads: Vec<(u64, usize)> = inputs
            .chain(sink.and_then(|(_, outlet)| graph.outlet_node(outlet)))
            .filter_map(|input| {
                let source = self.side_outputs.owner(input).filter(|owner| self.instances.source(*owner).is_some())?;
                let reader = self.kept_nodes(source).iter().position(|node| *node == input)?;
                Some((source.0, reader))
            })
            .collect();
        reads.sort_unstable();
        reads.dedup();
        reads
    }

    fn stored_reader(&mut self, index: usize, node: NodeId) -> Option<StoredReader> {
        let reader = self.readers.iter_mut().find(|reader| reader.node == node)?;
        let state = match &reader.state {
            ReaderState::Fresh => StoredReaderState::Fresh,
            // One that failed is tried again from where it stood.
            ReaderState::Reading | ReaderState::Failed(_) => StoredReaderState::Reading,
            ReaderState::Ended => StoredReaderState::Ended,
        };
        let position = reader.checkpointed_position()?;
        let (place, rows, bad) = (reader.describe_position(), reader.rows, reader.bad);
        Some(StoredReader { node: index, position: to_hex(position.as_stored()), place, state, rows, bad })
    }

    /// What a node does, as text: the same for the same plan.
    pub(super) fn plan_of(&self, id: NodeId) -> String {
        let graph = self.reactor.graph();
        let Some(node) = graph.nodes().find(|node| node.id == id) else { return String::new() };
        let inputs: Vec<_> = node.inputs.iter().filter_map(|input| graph.properties(*input)).map(|edge| &edge.schema).collect();
        let columns = node.output.schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type()));
        format!("{} -> {}", explain_node(node, &inputs), columns.collect::<Vec<_>>().join(", "))
    }
}

/// Why there can be no checkpoint now.
pub(crate) fn held_back_by_sink(name: &str, trouble: &Trouble) -> Error {
    let text = format!("no checkpoint can be made while rows wait for sink '{name}': {}", trouble.error.message());
    Error::new(Code::Backpressure, text).with_hint("the sink is tried again by itself, and so is the checkpoint; or DROP SINK")
}

/// Names that the optimiser makes up. The numbers behind them were counted through all queries of a process once.
const MADE_UP: [&str; 4] = ["__common_expr_", "__correlated_sq_", "__scalar_sq_", "__datafusion_extracted_"];

/// A plan as it is compared with another one of the same statement.
pub(super) fn comparable(plan: &str) -> String {
    MADE_UP.iter().fold(without_partitions(plan), |plan, name| numbered_anew(&plan, name))
}

/// The text, in which the numbers behind `name` are those of their first places.
fn numbered_anew(text: &str, name: &str) -> String {
    let mut parts = text.split(name);
    let first = parts.next().unwrap_or_default().to_owned();
    let mut numbers = Vec::new();
    parts.fold(first, |text, part| {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = &part[..part.len() - rest.len()];
        let place = numbers.iter().position(|known| *known == number).unwrap_or_else(|| {
            numbers.push(number);
            numbers.len() - 1
        });
        format!("{text}{name}{}{rest}", place + 1)
    })
}

/// A plan without the number of partitions that there were when a source was opened: files come and go.
fn without_partitions(plan: &str) -> String {
    const BEFORE: &str = " of the last of ";
    let mut parts = plan.split(BEFORE);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + BEFORE + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

impl Captured {
    /// Makes what sinks have written up to the checkpoint last. They are written again as soon as it does. Fails if rows wait for one.
    pub(crate) fn prepare_sinks(&mut self) -> Result<()> {
        for object in &mut self.objects {
            let Some(sink) = &mut object.sink else { continue };
            let prepared = sink.handle.prepare(self.epoch);
            sink.prepared = Some(prepared.map_err(|trouble| held_back_by_sink(&object.definition.name, &trouble))?);
        }
        Ok(())
    }

    /// The sinks that have an epoch in it.
    pub(crate) fn sinks(&self) -> Vec<SinkHandle> {
        self.objects.iter().filter_map(|object| Some(object.sink.as_ref()?.handle.clone())).collect()
    }

    /// Writes everything into blocks that the last checkpoint does not have; gives what the manifest says, and what it names.
    pub(crate) fn write(self, store: &Store, last: &TableBlocks) -> Result<(CheckpointBody, Vec<BlockId>, TableBlocks)> {
        let mut blocks = BlockWriter::new(store, last);
        let (workers, step) = (self.graph.workers, self.graph.step.0);
        let mut nodes: ImagesOfNodes = self.graph.nodes.into_iter().map(|node| (node.id, node)).collect();
        let objects = self.objects.into_iter().map(|object| object.write(&mut nodes, &mut blocks)).collect::<Result<_>>()?;
        let body = CheckpointBody {
            format: FORMAT,
            step,
            taken_at: self.taken_at,
            workers,
            next_object: self.next_object,
            objects,
            script: self.script,
        };
        let (blocks, tables) = blocks.finish();
        Ok((body, blocks, tables))
    }
}

impl CapturedObject {
    fn write(self, images: &mut ImagesOfNodes, blocks: &mut BlockWriter<'_>) -> Result<StoredObject> {
        let mut side = |((rows, taken), batches): ((u64, u64), Vec<RecordBatch>)| -> Result<StoredSide> {
            Ok(StoredSide { rows, taken, blocks: batches.iter().map(|rows| blocks.rows(rows)).collect::<Result<_>>()? })
        };
        let (late, errors) = (side(self.late)?, side(self.errors)?);
        let mut stored = |node, plan, blocks: &mut BlockWriter<'_>| stored_node(images.remove(&node), plan, blocks);
        let nodes = self.nodes.into_iter().map(|(node, plan)| stored(node, plan, blocks)).collect::<Result<_>>()?;
        let name_of = |side: Side| SIDES.iter().find(|(known, _)| *known == side).map_or("", |(_, name)| name).to_owned();
        let side_streams = self.side_streams.into_iter().map(|(side, ended, node, plan)| {
            Ok(StoredSideStream { side: name_of(side), ended, node: stored(node, plan, blocks)? })
        });
        Ok(StoredObject {
            side_streams: side_streams.collect::<Result<_>>()?,
            context: context_of(&self.definition)?,
            name: self.definition.name,
            sql: self.definition.sql,
            nodes,
            reads: self.reads,
            readers: self.readers,
            sink: self.sink.and_then(|sink| sink.prepared),
            history: self.history.map(|image| StoredHistory::write(&image, blocks)).transpose()?,
            subscription: self.subscription,
            late,
            errors,
            reporter: self.reporter,
        })
    }
}

/// The images of all nodes, until they are written.
type ImagesOfNodes = BTreeMap<NodeId, NodeImages>;

fn stored_node(images: Option<NodeImages>, plan: String, blocks: &mut BlockWriter<'_>) -> Result<StoredNode> {
    let (intake, workers) = images.map(|images| (images.intake, images.workers)).unwrap_or_default();
    let intake = intake.map(|image| stored_part(image, blocks)).transpose()?;
    Ok(StoredNode { plan, intake, workers: workers.into_iter().map(|image| stored_part(image, blocks)).collect::<Result<_>>()? })
}

fn stored_part(image: NodeImage, blocks: &mut BlockWriter<'_>) -> Result<StoredPart> {
    let groups = |SentGroups { rows, keys }: SentGroups, blocks: &mut BlockWriter<'_>| {
        Ok(StoredGroups { block: blocks.rows(&rows)?, keys })
    };
    let holds = match image.promise.holds {
        Holds::Nothing => "nothing",
        Holds::End => "end",
        Holds::Time => "time",
    };
    Ok(StoredPart {
        absent: image.absent,
        watermark: image.watermark.0,
        promise: StoredPromise { watermark: image.promise.watermark.0, holds: holds.to_owned() },
        wake_at: image.wake_at,
        failure: image.failure.map(|error| error.message().to_owned()),
        state: image.state.map(|state| blocks.state(state)).transpose()?,
        on_the_way: image.on_the_way.into_iter().map(|sent| groups(sent, blocks)).collect::<Result<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_that_differ_in_made_up_numbers_alone_are_the_same() {
        let plan = |a: u8, b: u8| {
            format!("Compute (a@1 as __common_expr_{a}, __common_expr_{b}@2 + __common_expr_{a}@0) of the last of 3")
        };
        assert_eq!(comparable(&plan(3, 12)), comparable(&plan(1, 2)));
        assert_eq!(comparable(&plan(2, 1)), comparable(&plan(1, 2)));
        assert_ne!(comparable(&plan(1, 1)), comparable(&plan(1, 2)));
    }
}
