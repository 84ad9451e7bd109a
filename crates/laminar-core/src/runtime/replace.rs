//! A query in the place of another one: between two steps the end of a query gets its rows from other nodes, and with the next step what that
//! changes.

use std::collections::BTreeMap;

use super::GraphHost;
use super::order::topological;
use super::worker_pool::InlinePool;
use crate::changelog::consolidate_all;
use crate::graph::{Node, NodeKind};
use crate::{ChangeBatch, Code, Error, NodeId, Port, Result};

/// The end of a query that goes on with what feeds the end of another one, which has the same columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplacedQuery {
    /// The node that stays.
    pub output: NodeId,
    /// The node whose place it takes.
    pub computed: NodeId,
}

impl GraphHost {
    /// Lets the ends of queries go on with what feeds others, whose rows are there. In the next step the readers of each see what both differ by. What
    /// was computed is taken out, and so are the nodes `gone`: nothing else may read from them. Between two steps; if something fails, nothing
    /// has changed.
    pub(super) fn replace_queries(&mut self, replaced: &[ReplacedQuery], gone: &[NodeId]) -> Result<()> {
        let differences = replaced.iter().map(|query| self.difference(query)).collect::<Result<Vec<_>>>()?;
        let gone: Vec<NodeId> = gone.iter().copied().chain(replaced.iter().map(|query| query.computed)).collect();
        let mut inputs: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for query in replaced {
            inputs.insert(query.output, self.node(query.computed)?.node.inputs.clone());
        }
        self.reconnect(&inputs, &gone)?;
        for (query, difference) in replaced.iter().zip(differences) {
            let output = self.node(query.output)?.node.clone();
            difference.into_iter().try_for_each(|changes| self.place(0, &output, Port::LEFT, &changes))?;
        }
        Ok(())
    }

    /// Lets nodes read from others, which have given out the same until now, from the next step on, and takes out the nodes `gone`. Between two
    /// steps; if something fails, nothing has changed.
    pub(super) fn reconnect(&mut self, inputs: &BTreeMap<NodeId, Vec<NodeId>>, gone: &[NodeId]) -> Result<()> {
        self.check_detach_behind(inputs, gone)?;
        match self.workers.len() {
            _ if inputs.is_empty() => self.detach(gone),
            1 => {
                for (node, inputs) in inputs {
                    self.workers[0].set_inputs(*node, inputs.clone())?;
                }
                self.detach(gone)
            }
            // How rows are spread depends on where they come from, for all that reads them.
            _ => self.rebuild_without(inputs, gone),
        }
    }

    /// Whether something waits for one of `nodes` that the next step would bring: what they keep does not hold all that has come.
    pub fn waits_for_step<'a>(&self, nodes: impl IntoIterator<Item = &'a NodeId>) -> bool {
        let pending: Vec<NodeId> = self.workers.iter().flat_map(|worker| worker.pending_ids()).collect();
        nodes.into_iter().any(|node| pending.contains(node))
    }

    /// What has to change in what the end of a query keeps for it to be what was computed.
    fn difference(&self, query: &ReplacedQuery) -> Result<Option<ChangeBatch>> {
        let ReplacedQuery { output, computed } = *query;
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

    /// Why `gone` could not be taken out once nodes have these inputs.
    fn check_detach_behind(&self, inputs: &BTreeMap<NodeId, Vec<NodeId>>, gone: &[NodeId]) -> Result<()> {
        for node in self.nodes().filter(|node| !gone.contains(&node.id)) {
            let reads = inputs.get(&node.id).unwrap_or(&node.inputs);
            if let Some(input) = reads.iter().find(|input| gone.contains(input)) {
                let text = format!("'{}' reads from {input}", node.name);
                return Err(Error::new(Code::ObjectInUse, text));
            }
        }
        Ok(())
    }

    /// The same graph on the same workers, in which nodes have these inputs, and the nodes `gone` are not.
    fn rebuild_without(&mut self, inputs: &BTreeMap<NodeId, Vec<NodeId>>, gone: &[NodeId]) -> Result<()> {
        let mut nodes = self.planned_nodes();
        nodes.retain(|node| !gone.contains(&node.id));
        for node in &mut nodes {
            if let Some(inputs) = inputs.get(&node.id) {
                node.inputs.clone_from(inputs);
            }
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
