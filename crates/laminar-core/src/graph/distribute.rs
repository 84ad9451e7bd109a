//! Decides how a graph is spread over several workers: where the rows of each edge are, and where they have to move.
//!
//! Rows move only where an operator needs them elsewhere: filters and projections work on whatever share of the rows a worker
//! has, groups need their rows together, joins both sides of a key. Pure: it looks at nodes and says what must be done.

use super::edge::{ChangeKind, EdgeProperties, Partitioning};
use super::exchange::Exchange;
use super::node::Node;
use crate::NodeId;
use crate::changelog::RowKeys;
use crate::expr::{Column, ExprRef};

/// A node whose output says where its rows are, and by port how rows have to move on their way into it.
#[derive(Debug, Clone)]
pub struct Distributed {
    /// The node; `output.partitioning` is true for several workers.
    pub node: Node,
    /// `None`: rows are where they are needed.
    pub exchanges: Vec<Option<Exchange>>,
    /// Whether rows are aggregated before they move, where that pays.
    pub aggregates_partially: bool,
    /// Where what the node keeps of its rows is.
    pub state: StatePlace,
}

/// Which worker keeps which part of a node's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatePlace {
    /// The first one keeps everything.
    First,
    /// Each row is on the worker to which an exchange by these brings it: of a group's keys, of a join's keys, or columns.
    ByKeys(Vec<usize>),
    /// Any row can be anywhere.
    Anywhere,
}

impl Distributed {
    /// One worker does everything.
    pub fn alone(node: Node) -> Self {
        Self { exchanges: vec![None; node.inputs.len()], node, aggregates_partially: false, state: StatePlace::First }
    }
}

/// How rows move into a node, and where its output and its state are.
pub(super) struct Placement {
    /// By port; `None`: rows are where they are needed.
    pub exchanges: Vec<Option<Exchange>>,
    /// How its output is spread.
    pub partitioning: Partitioning,
    /// Where what it keeps of its rows is.
    pub state: StatePlace,
}

impl Placement {
    /// State is spread as the output is.
    pub(super) fn new(exchanges: Vec<Option<Exchange>>, partitioning: Partitioning) -> Self {
        Self::keyed_from(0, exchanges, partitioning)
    }

    /// State is spread as the output is, in which the keys of the state stand from column `first` on.
    fn keyed_from(first: usize, exchanges: Vec<Option<Exchange>>, partitioning: Partitioning) -> Self {
        let state = match &partitioning {
            Partitioning::Single => StatePlace::First,
            Partitioning::Any => StatePlace::Anywhere,
            Partitioning::Hash(columns) => StatePlace::ByKeys(columns.iter().map(|column| column - first).collect()),
        };
        Self { exchanges, partitioning, state }
    }
}

/// Spreads `nodes`, each after its inputs, which may also read from nodes that `known` knows, which are spread already.
pub fn distribute(nodes: Vec<Node>, known: &dyn Fn(NodeId) -> Option<EdgeProperties>) -> Vec<Distributed> {
    let mut spread: Vec<Distributed> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let inputs: Vec<EdgeProperties> = node.inputs.iter().filter_map(|id| edge(*id, &spread, known)).collect();
        let Placement { exchanges, partitioning, state } = place(&node, &inputs);
        debug_assert_eq!(exchanges.len(), node.inputs.len(), "a port each");
        let moves = exchanges.iter().any(Option::is_some);
        let aggregates_partially = moves && inputs.first().is_some_and(|input| node.kind.has_partial_aggregation(input));
        let output = EdgeProperties { partitioning, ..node.output.clone() };
        spread.push(Distributed { node: Node { output, ..node }, exchanges, aggregates_partially, state });
    }
    spread
}

fn edge(id: NodeId, spread: &[Distributed], known: &dyn Fn(NodeId) -> Option<EdgeProperties>) -> Option<EdgeProperties> {
    let ours = spread.iter().find(|distributed| distributed.node.id == id);
    ours.map(|distributed| distributed.node.output.clone()).or_else(|| known(id))
}

fn place(node: &Node, inputs: &[EdgeProperties]) -> Placement {
    if node.kind.takes(inputs.len()) {
        return node.kind.spec().distribute(inputs);
    }
    // Validation refuses what comes here.
    Placement::new(vec![None; inputs.len()], Partitioning::Any)
}

/// `Hash` over the places at which `exprs` repeat `columns`, counted from `first`; `Any` if they do not repeat all.
pub(super) fn repeated(columns: &[usize], exprs: &[ExprRef], first: usize) -> Partitioning {
    let place = |column: &usize| exprs.iter().position(|expr| expr.as_column() == Some(*column));
    let places = columns.iter().map(|column| Some(first + place(column)?)).collect::<Option<Vec<_>>>();
    places.map_or(Partitioning::Any, Partitioning::Hash)
}

/// Groups whose keys are the output's columns from `first` on. Rows that are together by some of the keys are together by all.
pub(super) fn grouped(input: &EdgeProperties, keys: &[ExprRef], first: usize) -> Placement {
    if keys.is_empty() {
        return Placement::new(vec![gathered(input)], Partitioning::Single);
    }
    if let Partitioning::Hash(columns) = &input.partitioning
        && let placed @ Partitioning::Hash(_) = repeated(columns, keys, first)
    {
        return Placement::keyed_from(first, vec![None], placed);
    }
    let partitioning = Partitioning::Hash((first..first + keys.len()).collect());
    Placement::keyed_from(first, vec![Some(Exchange::Hash(keys.to_vec()))], partitioning)
}

/// Rows that pass on or are taken back as they are, together by the columns `keys`. Rows that are together by some of them stay.
pub(super) fn partitioned(input: &EdgeProperties, keys: &[usize]) -> Placement {
    if keys.is_empty() {
        return Placement::new(vec![gathered(input)], Partitioning::Single);
    }
    let (exchange, columns) = match &input.partitioning {
        Partitioning::Hash(columns) if columns.iter().all(|column| keys.contains(column)) => (None, columns.clone()),
        _ => {
            let exprs = keys.iter().map(|column| Column::new(&input.schema, *column)).collect();
            (Some(Exchange::Hash(exprs)), keys.to_vec())
        }
    };
    let by = columns.iter().filter_map(|column| keys.iter().position(|key| key == column)).collect();
    Placement { exchanges: vec![exchange], partitioning: Partitioning::Hash(columns), state: StatePlace::ByKeys(by) }
}

/// All rows come to the first worker, unless they are there already.
pub(super) fn gathered(input: &EdgeProperties) -> Option<Exchange> {
    (input.partitioning != Partitioning::Single).then_some(Exchange::Gather)
}

/// Rows that are only inserted can stay anywhere. A retraction must come to where its row is.
pub(super) fn changed(input: &EdgeProperties) -> Placement {
    match &input.changes {
        ChangeKind::Upsert(key) => together(key.clone(), input),
        ChangeKind::Retract => together((0..input.schema.fields().len()).collect(), input),
        ChangeKind::Append => Placement::new(vec![None], input.partitioning.clone()),
    }
}

/// Rows with equal values in the columns `together` come to one worker.
pub(super) fn together(together: Vec<usize>, input: &EdgeProperties) -> Placement {
    let stays = match &input.partitioning {
        Partitioning::Single => true,
        Partitioning::Hash(columns) => columns.iter().all(|column| together.contains(column)),
        Partitioning::Any => false,
    };
    if stays {
        return Placement::new(vec![None], input.partitioning.clone());
    }
    let types: Vec<_> = together.iter().map(|column| input.schema.field(*column).data_type().clone()).collect();
    if together.is_empty() || RowKeys::new(&types).is_err() {
        return Placement::new(vec![Some(Exchange::Gather)], Partitioning::Single);
    }
    let keys = together.iter().map(|column| Column::new(&input.schema, *column)).collect();
    Placement::new(vec![Some(Exchange::Hash(keys))], Partitioning::Hash(together))
}
