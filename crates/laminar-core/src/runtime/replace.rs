//! A query in the place of another one: between two steps the end of a query gets its rows from other nodes, and with the next step what that
//! changes.

use super::GraphHost;
use super::order::topological;
use super::worker_pool::InlinePool;
use crate::changelog::consolidate_all;
use crate::graph::{Node, NodeKind};
use crate::{ChangeBatch, Code, Error, NodeId, Port, Result};

impl GraphHost {
    /// Lets `output`, the end of a query, go on with what feeds `computed`, the end of another one, whose rows are there. In the next step the
    /// readers of `output` see what both differ by. `computed` and the nodes `gone` are taken out: nothing else may read from them. Between two
    /// steps; if something fails, nothing has changed.
    pub(super) fn replace_query(&mut self, output: NodeId, computed: NodeId, gone: &[NodeId]) -> Result<()> {
        let difference = self.difference(output, computed)?;
        let gone: Vec<NodeId> = gone.iter().copied().chain([computed]).collect();
        let inputs = self.node(computed)?.node.inputs.clone();
        match self.workers.len() {
            1 => {
                self.check_detach_behind(output, &inputs, &gone)?;
                self.workers[0].set_inputs(output, inputs)?;
                self.detach(&gone)?;
            }
            // How rows are spread depends on where they come from, for all that reads them.
            _ => self.rebuild_without(output, &inputs, &gone)?,
        }
        let outputs = self.node(output)?.node.clone();
        difference.into_iter().try_for_each(|changes| self.place(0, &outputs, Port::LEFT, &changes))
    }

    /// Whether something waits for one of `nodes` that the next step would bring: what they keep does not hold all that has come.
    pub fn waits_for_step<'a>(&self, nodes: impl IntoIterator<Item = &'a NodeId>) -> bool {
        let pending: Vec<NodeId> = self.workers.iter().flat_map(|worker| worker.pending_ids()).collect();
        nodes.into_iter().any(|node| pending.contains(node))
    }

    /// What has to change in what `output` keeps for it to be what `computed` keeps.
    fn difference(&self, output: NodeId, computed: NodeId) -> Result<Option<ChangeBatch>> {
        let (before, after) = (self.stored_rows(output)?, self.stored_rows(computed)?);
        let schema = match &self.node(output)?.node.kind {
            NodeKind::Output(spec) => spec.schema.clone(),
            _ => return Err(Error::internal(format!("{output} is not the end of a query"))),
        };
        let after = after.into_iter().map(|changes| changes.with_schema(&schema)).collect::<Result<Vec<_>>>()?;
        let both: Vec<ChangeBatch> = before.iter().map(ChangeBatch::negated).chain(after).collect();
        let difference = consolidate_all(&schema, &both)?;
        Ok((!difference.is_empty()).then_some(difference))
    }

    /// Why `gone` could not be taken out once `output` reads from `inputs`.
    fn check_detach_behind(&self, output: NodeId, inputs: &[NodeId], gone: &[NodeId]) -> Result<()> {
        let reads = |node: &Node| if node.id == output { inputs.to_vec() } else { node.inputs.clone() };
        for node in self.nodes().filter(|node| !gone.contains(&node.id)) {
            if let Some(input) = reads(node).into_iter().find(|input| gone.contains(input)) {
                let text = format!("'{}' reads from {input}", node.name);
                return Err(Error::new(Code::ObjectInUse, text));
            }
        }
        Ok(())
    }

    /// The same graph on the same workers, in which `output` reads from `inputs` and the nodes `gone` are not.
    fn rebuild_without(&mut self, output: NodeId, inputs: &[NodeId], gone: &[NodeId]) -> Result<()> {
        self.check_detach_behind(output, inputs, gone)?;
        let mut nodes = self.planned_nodes();
        nodes.retain(|node| !gone.contains(&node.id));
        for node in nodes.iter_mut().filter(|node| node.id == output) {
            node.inputs = inputs.to_vec();
        }
        let nodes = in_order(nodes)?;
        let (workers, deal_rows_min) = (self.workers.len(), self.workers[0].position.deal_rows_min);
        let pool = std::mem::replace(&mut self.pool, Box::new(InlinePool::default()));
        let mut rebuilt = Self::new(workers, deal_rows_min, self.workers[0].checked, pool);
        let taken_over = rebuilt.take_over(self, nodes);
        match taken_over {
            Ok(()) => *self = rebuilt,
            Err(_) => std::mem::swap(&mut self.pool, &mut rebuilt.pool),
        }
        taken_over
    }
}

/// `nodes`, each after its inputs.
fn in_order(nodes: Vec<Node>) -> Result<Vec<Node>> {
    let index_of = |id: &NodeId| nodes.iter().position(|node| node.id == *id);
    let inputs = |index: usize| nodes[index].inputs.iter().filter_map(index_of).collect();
    let order = topological(nodes.len(), inputs)?;
    Ok(order.into_iter().map(|index| nodes[index].clone()).collect())
}
