//! Puts an empty engine into the state of a checkpoint: the statements of all objects are said again, then the state is given to what they made.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::thread;

use laminar_connectors::{Position, SinkToken};
use laminar_core::alloc::StateScope;
use laminar_core::dag::{NodeImage, NodeImages};
use laminar_core::operator::SentGroups;
use laminar_core::panics::caught;
use laminar_core::time::Watermark;
use laminar_core::time::watermark::{Holds, Promise};
use laminar_core::{Code, Error, NodeId, Result, StepId};
use laminar_storage::EncodedRows;

use super::Engine;
use super::capture::{SIDES, comparable};
use super::instances::required;
use super::readers::ReaderState;
use super::recorded::RecordedSink;
use super::sinks::SinkState;
use crate::catalog::{ObjectId, Side};
use crate::stored::{
    BlockReader, CheckpointBody, StoredGroups, StoredNode, StoredObject, StoredPart, StoredReader, StoredReaderState, StoredSide,
    StoredSink, StoredSinkState, from_hex,
};

impl Engine {
    /// What is known of all sinks before the statements are said.
    pub(crate) fn know_sinks(&mut self, objects: &[StoredObject]) -> Result<()> {
        for object in objects {
            if let Some(StoredSink { state, token, rows }) = &object.sink {
                let (state, is_complete) = match state {
                    StoredSinkState::Writing => (SinkState::Writing, false),
                    StoredSinkState::Finished => (SinkState::Finished, false),
                    StoredSinkState::Complete => (SinkState::Finished, true),
                    StoredSinkState::Failed(text) => (SinkState::Failed(failed_before(text)), true),
                };
                let token = SinkToken::from_stored(&from_hex(token)?);
                self.recorded.sinks.insert(ObjectId(object.context.id), RecordedSink { state, token, rows: *rows, is_complete });
            }
        }
        Ok(())
    }

    /// Before the statement of `object` is said: what it reads gets the readers that it had.
    pub(crate) fn prepare_reads(&mut self, object: &StoredObject) {
        for (source, reader) in &object.reads {
            let id = ObjectId(*source);
            let made = self.instances.nodes(id).len();
            // The newest reader is the one that a query gets; another one is made if this is not the one.
            if *reader >= made
                && let Some(source) = self.instances.source_mut(id)
            {
                source.reader = None;
            }
        }
    }

    /// Gives what the statements made the state of the checkpoint.
    pub(crate) fn restore(&mut self, body: &CheckpointBody, blocks: BlockReader<'_>) -> Result<()> {
        let mut nodes: BTreeMap<NodeId, &StoredNode> = BTreeMap::new();
        for object in &body.objects {
            self.nodes_of(object, &mut nodes)?;
        }
        self.restore_nodes(&nodes, body, blocks)?;
        self.note_keys()?;
        for object in &body.objects {
            self.restore_sides(object, blocks)?;
            for reader in &object.readers {
                self.restore_reader(ObjectId(object.context.id), reader)?;
            }
        }
        self.checkpointed = StepId(body.step);
        self.journal.script.clone_from(&body.script);
        Ok(())
    }

    /// Gives nodes the states that `nodes` says, one after the other, while the state of the next one is read. What it does not name stays as it is: readers of
    /// sources that nothing reads from.
    fn restore_nodes(
        &mut self,
        nodes: &BTreeMap<NodeId, &StoredNode>,
        body: &CheckpointBody,
        blocks: BlockReader<'_>,
    ) -> Result<()> {
        let fresh = self.reactor.image()?;
        let (gives, takes) = sync_channel(0);
        let read = move || {
            let _scope = StateScope::enter();
            for fresh in fresh.nodes {
                let images = caught(|| node_images(fresh, nodes, body.workers, blocks));
                if gives.send(images).is_err() {
                    return;
                }
            }
        };
        thread::scope(|scope| {
            let reading = thread::Builder::new().name("laminar-recovery".to_owned()).spawn_scoped(scope, read);
            reading.map_err(|error| Error::new(Code::Io, format!("no thread can be made: {error}")))?;
            self.reactor.restore_nodes(StepId(body.step), body.workers, takes)
        })
    }

    /// Tables know again which of their rows has which key.
    fn note_keys(&self) -> Result<()> {
        let tables = self.instances.iter().filter_map(|(id, _)| self.instances.table(id));
        for table in tables.filter(|table| !table.rules.uniques.is_empty()) {
            let rows = self.reactor.graph().contents(table.output).unwrap_or_default();
            rows.iter().try_for_each(|rows| table.rules.uniques.note_again(rows))?;
        }
        Ok(())
    }

    /// What readers of changes have not seen yet, behind the step of the checkpoint.
    pub(crate) fn restore_history(&mut self, body: &CheckpointBody, blocks: BlockReader<'_>) -> Result<()> {
        self.histories_begin_after(self.reactor.graph().last_step());
        self.restore_histories(&body.objects, blocks)
    }

    /// The nodes that run for `object` now, each with what the checkpoint says of it.
    pub(super) fn nodes_of<'a>(&self, object: &'a StoredObject, nodes: &mut BTreeMap<NodeId, &'a StoredNode>) -> Result<()> {
        let id = ObjectId(object.context.id);
        let own = self.kept_nodes(id);
        let streams: Vec<NodeId> = self.kept_streams(id).into_iter().map(|(_, _, node)| node).collect();
        let now = own.iter().chain(&streams);
        let stored = object.nodes.iter().chain(object.side_streams.iter().map(|stream| &stream.node));
        let (now, stored): (Vec<_>, Vec<_>) = (now.copied().collect(), stored.collect());
        if now.len() != stored.len() {
            return Err(other_plan(object, &format!("{} operators", stored.len()), &format!("{} operators", now.len())));
        }
        for (node, stored) in now.into_iter().zip(stored) {
            let plan = self.plan_of(node);
            if comparable(&plan) != comparable(&stored.plan) {
                return Err(other_plan(object, &stored.plan, &plan));
            }
            nodes.insert(node, stored);
        }
        Ok(())
    }

    fn restore_sides(&mut self, object: &StoredObject, blocks: BlockReader<'_>) -> Result<()> {
        let id = ObjectId(object.context.id);
        for (side, StoredSide { rows, taken, blocks: stored }) in [(Side::Late, &object.late), (Side::Errors, &object.errors)] {
            let kept = stored.iter().map(|block| blocks.rows(block)).collect::<Result<Vec<_>>>()?;
            self.side_outputs.restore(id, side, (*rows, *taken), &kept)?;
        }
        let reporter = object.reporter.and_then(|place| self.kept_nodes(id).get(place).copied());
        self.side_outputs.set_reporter(id, reporter);
        for ((side, _, node), stream) in self.kept_streams(id).into_iter().zip(&object.side_streams) {
            if !SIDES.contains(&(side, stream.side.as_str())) {
                return Err(other_plan(object, &format!("a reader of rows in {}", stream.side), "a reader of the other side"));
            }
            if stream.ended {
                self.side_outputs.end_stream(node);
            }
        }
        Ok(())
    }

    fn restore_reader(&mut self, id: ObjectId, stored: &StoredReader) -> Result<()> {
        let Some(node) = self.kept_nodes(id).get(stored.node).copied() else {
            return Err(Error::internal(format!("{id} has no reader {}", stored.node)));
        };
        let position = Position::from_stored(&from_hex(&stored.position)?);
        self.readers.restore(node, &position, stored);
        Ok(())
    }
}

/// Why a sink writes nothing: it had failed before the database was closed.
fn failed_before(text: &str) -> Error {
    Error::new(Code::Io, text)
        .with_detail("it failed before the database was closed, and rows are missing in its output")
        .with_hint("DROP SINK, then create it again: a sink over a stored object begins with the object's rows")
}

fn other_plan(object: &StoredObject, then: &str, now: &str) -> Error {
    let text = format!("the state of '{}' belongs to another plan than this build makes of its statement", object.name);
    Error::new(Code::NotSupported, text)
        .with_detail(format!("it was: {then}; it is: {now}"))
        .with_hint("open the directory with the version of LaminarDB that wrote it")
}

/// What the checkpoint says of the node that is `fresh` now.
fn node_images(
    fresh: NodeImages,
    nodes: &BTreeMap<NodeId, &StoredNode>,
    workers: usize,
    blocks: BlockReader<'_>,
) -> Result<NodeImages> {
    let id = fresh.id;
    let Some(node) = nodes.get(&id) else {
        let untouched = fresh.workers.into_iter().next();
        return Ok(NodeImages { id, intake: None, workers: untouched.into_iter().cycle().take(workers).collect() });
    };
    if node.workers.len() != workers {
        let text = format!("a checkpoint of {workers} workers has a node on {}", node.workers.len());
        return Err(Error::new(Code::BadData, text));
    }
    let read = |part: &StoredPart| node_image(part, blocks);
    Ok(NodeImages {
        id,
        intake: node.intake.as_ref().map(read).transpose()?,
        workers: node.workers.iter().map(read).collect::<Result<_>>()?,
    })
}

fn node_image(part: &StoredPart, blocks: BlockReader<'_>) -> Result<NodeImage> {
    let holds = match part.promise.holds.as_str() {
        "end" => Holds::End,
        "time" => Holds::Time,
        _ => Holds::Nothing,
    };
    let groups = |sent: &StoredGroups| Ok(SentGroups { rows: blocks.rows(&sent.block)?, keys: sent.keys.clone() });
    Ok(NodeImage {
        absent: part.absent,
        watermark: Watermark(part.watermark),
        promise: Promise { watermark: Watermark(part.promise.watermark), holds },
        wake_at: part.wake_at,
        failure: part.failure.as_ref().map(|text| Error::new(Code::Closed, text.clone())),
        state: part.state.as_ref().map(|state| blocks.state(state)).transpose()?,
        on_the_way: part.on_the_way.iter().map(groups).collect::<Result<_>>()?,
    })
}

impl super::Readers {
    /// Lets the reader at `node` go on from where it stood. One that cannot has failed; the others go on.
    fn restore(&mut self, node: NodeId, position: &Position, stored: &StoredReader) {
        let Some(reader) = self.iter_mut().find(|reader| reader.node == node) else { return };
        (reader.rows, reader.bad) = (stored.rows, stored.bad);
        match stored.state {
            StoredReaderState::Fresh => {}
            StoredReaderState::Ended => reader.go_on(ReaderState::Ended, position),
            StoredReaderState::Reading => reader.go_on(ReaderState::Reading, position),
        }
    }
}

/// What the log says that came in.
impl Engine {
    /// Rows come into an object again.
    pub(crate) fn replay_rows(&mut self, id: ObjectId, rows: &EncodedRows, position: &[u8]) -> Result<()> {
        let node = self.replayed_node(id)?;
        let properties = self.reactor.graph().properties(node).ok_or_else(|| Error::internal(format!("{id} has no columns")))?;
        let changes = rows.decode(&properties.schema)?;
        if let Some(reader) = self.readers.iter_mut().find(|reader| reader.node == node).filter(|_| !position.is_empty()) {
            reader.rows += changes.len() as u64;
            reader.go_on(ReaderState::Reading, &Position::from_stored(position));
        }
        if let Some(table) = self.instances.table(id) {
            table.rules.uniques.note_again(&changes)?;
        }
        self.reactor.push(node, changes)?;
        self.settle_for(node)
    }

    /// Nothing more comes into an object.
    pub(crate) fn replay_end(&mut self, id: ObjectId) -> Result<()> {
        let node = self.replayed_node(id)?;
        if let Some(reader) = self.readers.iter_mut().find(|reader| reader.node == node) {
            reader.state = ReaderState::Ended;
        }
        if self.instances.table(id).is_none() {
            self.reactor.end(node)?;
        }
        self.settle_for(node)
    }

    /// No row of an object before `watermark` comes any more.
    pub(crate) fn replay_watermark(&mut self, id: ObjectId, watermark: Watermark) -> Result<()> {
        let node = self.replayed_node(id)?;
        self.reactor.advance(node, watermark)?;
        self.settle_for(node)
    }

    /// Where rows of an object come in that are logged.
    fn replayed_node(&mut self, id: ObjectId) -> Result<NodeId> {
        if let Some(table) = self.instances.table(id) {
            return Ok(table.source);
        }
        if let Some(lookup) = self.instances.lookup(id) {
            return Ok(lookup.source);
        }
        // The one that reads already takes the rest too: of a pipe there is no other.
        if self.instances.source(id).is_none_or(|source| source.reader.is_none()) {
            self.ensure_reader(id)?;
        }
        required(self.instances.source(id).and_then(|source| source.reader), id).map(|reader| reader.node)
    }
}
