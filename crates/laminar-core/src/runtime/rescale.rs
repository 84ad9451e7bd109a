//! Images of a whole graph, and a graph that goes on in the place of another, as with another number of workers: what each of them has is dealt anew.

use super::GraphHost;
use super::exchange::split_groups;
use super::host::is_source;
use super::image::{GraphImage, NodeImages, NodeParts, Purpose};
use super::worker_graph::SourceInput;
use super::worker_pool::WorkerPool;
use crate::changelog::split_by_key;
use crate::graph::{Node, Partitioning};
use crate::operator::SentGroups;
use crate::state::CopiedAhead;
use crate::{ChangeBatch, Error, NodeId, Port, Result, StepId};

impl GraphHost {
    /// Copies up to `rows` rows on each worker of what the next image will need.
    pub(super) fn copy_ahead(&mut self, rows: usize) -> Result<CopiedAhead> {
        let mut all = CopiedAhead::default();
        for worker in &mut self.workers {
            let CopiedAhead { copied, left } = worker.copy_ahead(rows)?;
            all = CopiedAhead { copied: all.copied + copied, left: all.left + left };
        }
        Ok(all)
    }

    /// The state of all nodes on all workers.
    pub(super) fn image(&mut self, purpose: Purpose) -> Result<GraphImage> {
        let ids: Vec<NodeId> = self.workers[0].ids().collect();
        let nodes = ids.into_iter().map(|id| self.image_of(id, purpose)).collect::<Result<_>>()?;
        Ok(GraphImage { step: self.step, workers: self.workers.len(), nodes })
    }

    fn image_of(&mut self, id: NodeId, purpose: Purpose) -> Result<NodeImages> {
        let intake = self.intake.as_mut().filter(|intake| intake.has(id));
        let intake = intake.map(|intake| intake.image_of(id, purpose)).transpose()?;
        let workers = self.workers.iter_mut().map(|worker| worker.image_of(id, purpose)).collect::<Result<_>>()?;
        Ok(NodeImages { id, intake, workers })
    }

    /// The last checkpoint is stored.
    pub(super) fn checkpoint_is_stored(&mut self) {
        self.workers.iter_mut().for_each(|worker| worker.checkpoint_is_stored());
        if let Some(intake) = &mut self.intake {
            intake.checkpoint_is_stored();
        }
    }

    /// Puts freshly attached nodes into the state after `step` on so many workers, however many there are now. All nodes come, by ascending id; each is asked
    /// for when the one before it has its state.
    pub(super) fn restore(
        &mut self,
        step: StepId,
        workers: usize,
        nodes: impl IntoIterator<Item = Result<NodeImages>>,
    ) -> Result<()> {
        self.workers.iter_mut().for_each(|worker| worker.begin_restore(step));
        if let Some(intake) = &mut self.intake {
            intake.begin_restore(step);
        }
        let mut moved = workers != self.workers.len();
        let (ids, mut nodes): (Vec<NodeId>, _) = (self.workers[0].ids().collect(), nodes.into_iter());
        for id in ids {
            let node = nodes.next().ok_or_else(of_another_graph)??;
            if node.id != id || node.workers.len() != workers {
                return Err(of_another_graph());
            }
            moved |= self.restore_images(&node)?;
        }
        if nodes.next().is_some() {
            return Err(of_another_graph());
        }
        self.step = step;
        if moved {
            self.workers.iter_mut().for_each(|worker| worker.wake_all());
        }
        Ok(())
    }

    /// Gives a node its state. True if its readers have to look again at what it promises.
    fn restore_images(&mut self, node: &NodeImages) -> Result<bool> {
        if !is_source(&self.node(node.id)?.node) {
            return self.restore_node(&node.parts()).map(|()| false);
        }
        let taking = node.source();
        // The workers may not have seen yet what a source promised, as they waited for an outlet.
        let moved = taking.promise != node.parts().promise;
        self.restore_source(&taking).map(|()| moved)
    }

    /// Goes on as if `step` had been the last one: for a caller who computed something beside what it takes up again. Between two steps.
    pub fn count_steps_from(&mut self, step: StepId) {
        self.step = step;
    }

    /// A source is where rows are taken in; where that is in front of the workers, these have what it promised.
    fn restore_source(&mut self, taking: &NodeParts<'_>) -> Result<()> {
        let Some(intake) = &mut self.intake else { return self.workers[0].restore_node(taking) };
        intake.restore_node(taking)?;
        let relayed = taking.relayed();
        self.workers.iter_mut().try_for_each(|worker| worker.restore_node(&relayed))
    }

    fn restore_node(&mut self, parts: &NodeParts<'_>) -> Result<()> {
        self.workers.iter_mut().try_for_each(|worker| worker.restore_node(parts))?;
        parts.on_the_way.iter().try_for_each(|groups| self.forward_groups(parts.id, groups))
    }

    /// Hands groups that were on their way to the workers of their keys.
    fn forward_groups(&mut self, node: NodeId, groups: &SentGroups) -> Result<()> {
        let (position, exchange) = (self.workers[0].position, self.node(node)?.exchanges.iter().flatten().next().cloned());
        let parts = match exchange {
            Some(exchange) => split_groups(&exchange, groups.clone(), position)?,
            None => vec![(0, ChangeBatch::append(groups.rows.clone()))],
        };
        parts.into_iter().try_for_each(|(worker, part)| self.workers[worker].receive_groups(node, part))
    }

    /// Goes on with so many workers that `pool` runs; `deal_rows_min` as for [`new`](Self::new). Between two steps. Nodes keep their
    /// ids, outlets and counters, and what waits for the next step goes on waiting. All nodes take part in that step. If something
    /// fails, nothing has changed.
    pub fn rescale(&mut self, workers: usize, deal_rows_min: usize, pool: Box<dyn WorkerPool>) -> Result<()> {
        let Some(first) = self.workers.first() else {
            return Err(Error::internal("the number of workers changes between two steps, and one is running"));
        };
        let mut fresh = Self::new(workers, deal_rows_min, first.checked, pool);
        fresh.take_over(self, self.planned_nodes())?;
        *self = fresh;
        Ok(())
    }

    /// Goes on in the place of another graph that has these nodes, and perhaps others, which go. Nothing has changed in it if this fails.
    pub(super) fn take_over(&mut self, other: &mut GraphHost, nodes: Vec<Node>) -> Result<()> {
        let ids: Vec<NodeId> = nodes.iter().map(|node| node.id).collect();
        self.attach(nodes)?;
        let GraphImage { step, workers, nodes } = other.image(Purpose::Restore)?.of(&ids);
        self.restore(step, workers, nodes.into_iter().map(Ok))?;
        self.workers.iter_mut().for_each(|worker| worker.wake_all());
        self.take_waiting(other, &ids)?;
        self.take_counters(other, &ids)?;
        self.take_outlets(other);
        Ok(())
    }

    /// The nodes as they were attached, each after its inputs.
    pub(super) fn planned_nodes(&self) -> Vec<Node> {
        let planned = |node: &Node| {
            let mut node = node.clone();
            if let Some(partitioning) = self.planned.get(&node.id) {
                node.output.partitioning = partitioning.clone();
            }
            node
        };
        self.nodes().map(planned).collect()
    }

    /// Takes over what waits in another graph for the nodes `ids`.
    fn take_waiting(&mut self, other: &GraphHost, ids: &[NodeId]) -> Result<()> {
        let sources = other.intake.as_ref().unwrap_or(&other.workers[0]);
        for state in sources.states.iter().filter(|state| is_source(&state.node) && ids.contains(&state.node.id)) {
            for (_, changes) in state.waiting() {
                self.sources().feed(state.node.id, SourceInput::Changes(changes.clone()))?;
            }
            if state.input_watermark > state.watermark {
                self.sources().feed(state.node.id, SourceInput::Watermark(state.input_watermark))?;
            }
        }
        for (worker, graph) in other.workers.iter().enumerate() {
            for state in graph.states.iter().filter(|state| !is_source(&state.node) && ids.contains(&state.node.id)) {
                state.waiting().try_for_each(|(port, changes)| self.place(worker, &state.node, *port, changes))?;
            }
        }
        Ok(())
    }

    /// Puts changes that waited for a node at worker `at` to where its input would have brought them.
    pub(super) fn place(&mut self, at: usize, node: &Node, port: Port, changes: &ChangeBatch) -> Result<()> {
        let (workers, id, changes) = (self.workers.len(), node.id, changes.clone());
        let exchanged = self.node(id)?.exchanges.get(port.index()).is_some_and(Option::is_some);
        let spread = node.inputs.get(port.index()).and_then(|input| self.properties(*input)).map(|edge| &edge.partitioning);
        match spread {
            Some(Partitioning::Hash(columns)) if workers > 1 && !exchanged => {
                let keys: Vec<_> = columns.iter().map(|column| changes.column(*column).clone()).collect();
                let mut parts = split_by_key(changes, &keys, workers)?.into_iter();
                parts.try_for_each(|(worker, part)| self.workers[worker].take(id, port, part))
            }
            Some(Partitioning::Any) if !exchanged => self.workers[at.min(workers - 1)].take(id, port, changes),
            _ => self.workers[0].take(id, port, changes),
        }
    }

    /// Takes over the counters of the nodes `ids` of another graph.
    fn take_counters(&mut self, other: &mut GraphHost, ids: &[NodeId]) -> Result<()> {
        for id in ids.iter().copied() {
            let counted = other.metrics(id)?;
            let graph = match &mut self.intake {
                Some(intake) if intake.index(id).is_ok() => intake,
                _ => &mut *self.workers[0],
            };
            let index = graph.index(id)?;
            let metrics = &mut graph.states[index].metrics;
            let watermark = metrics.watermark;
            *metrics = super::NodeMetrics { watermark, state_bytes: 0, ..counted };
        }
        Ok(())
    }

    /// Takes over who listens to another graph, and what it rejected.
    fn take_outlets(&mut self, other: &mut GraphHost) {
        self.workers[0].rejected = other.take_rejected();
        self.outlets = std::mem::take(&mut other.outlets);
        (self.outlets_made, self.order.now) = (other.outlets_made, other.order.now);
        self.find_tapped();
    }
}

fn of_another_graph() -> Error {
    Error::internal("the image is of another graph")
}
