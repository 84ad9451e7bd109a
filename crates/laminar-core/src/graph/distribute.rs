//! Decides how a graph is spread over several workers: where the rows of each edge are, and where they have to move.
//!
//! Rows move only where an operator needs them elsewhere: filters and projections work on whatever share of the rows a worker
//! has, groups need their rows together, joins both sides of a key. Pure: it looks at nodes and says what must be done.

use super::edge::{ChangeKind, EdgeProperties, Partitioning};
use super::exchange::Exchange;
use super::node::{Node, NodeKind};
use super::nodes::{ComputeSpec, JoinSpec, OutputSpec};
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

/// Spreads `nodes`, which stand in the order of their numbers and may read from nodes that `known` knows, which are spread already.
pub fn distribute(nodes: Vec<Node>, known: &dyn Fn(NodeId) -> Option<EdgeProperties>) -> Vec<Distributed> {
    let mut spread: Vec<Distributed> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let inputs: Vec<EdgeProperties> = node.inputs.iter().filter_map(|id| edge(*id, &spread, known)).collect();
        let (exchanges, partitioning) = place(&node, &inputs);
        debug_assert_eq!(exchanges.len(), node.inputs.len(), "a port each");
        let moves = exchanges.iter().any(Option::is_some);
        let aggregates_partially = moves && inputs.first().is_some_and(|input| node.kind.has_partial_aggregation(input));
        let state = state_place(&node.kind, &inputs, &partitioning);
        let output = EdgeProperties { partitioning, ..node.output.clone() };
        spread.push(Distributed { node: Node { output, ..node }, exchanges, aggregates_partially, state });
    }
    spread
}

fn edge(id: NodeId, spread: &[Distributed], known: &dyn Fn(NodeId) -> Option<EdgeProperties>) -> Option<EdgeProperties> {
    let ours = spread.iter().find(|distributed| distributed.node.id == id);
    ours.map(|distributed| distributed.node.output.clone()).or_else(|| known(id))
}

type Placed = (Vec<Option<Exchange>>, Partitioning);

/// How rows move into `node`, and where its output is.
fn place(node: &Node, inputs: &[EdgeProperties]) -> Placed {
    match (&node.kind, inputs) {
        // Tables are small, and people's changes to them must keep their order.
        (NodeKind::Source(spec), _) if spec.is_table() => (vec![], Partitioning::Single),
        (NodeKind::Source(_), _) => (vec![], Partitioning::Any),
        (NodeKind::Compute(spec), [input]) => (vec![None], through(input, spec)),
        (NodeKind::AssignWindow(_), [input]) => (vec![None], input.partitioning.clone()),
        // Each worker lets go of what it holds in its own time: a retraction must not be let go before its row.
        (NodeKind::Emit(_), [input]) => changed(input),
        (NodeKind::Union, inputs) => union(inputs),
        (NodeKind::Aggregate(spec), [input]) => grouped(input, &spec.keys, 0),
        (NodeKind::Window(spec), [input]) => grouped(input, &spec.keys, 2),
        (NodeKind::Session(spec), [input]) => grouped(input, &spec.keys[..spec.partition.min(spec.keys.len())], 2),
        (NodeKind::Join(spec), [left, right]) => joined(spec, left, right),
        (NodeKind::Output(spec), [input]) => output(spec, input),
        // Validation refuses what comes here.
        (_, inputs) => (vec![None; inputs.len()], Partitioning::Any),
    }
}

/// Partitioning follows the columns that a projection repeats.
fn through(input: &EdgeProperties, spec: &ComputeSpec) -> Partitioning {
    match (&spec.projection, &input.partitioning) {
        (Some(projection), Partitioning::Hash(columns)) => repeated(columns, projection, 0),
        (_, partitioning) => partitioning.clone(),
    }
}

/// `Hash` over the places at which `exprs` repeat `columns`, counted from `first`; `Any` if they do not repeat all.
fn repeated(columns: &[usize], exprs: &[ExprRef], first: usize) -> Partitioning {
    let place = |column: &usize| exprs.iter().position(|expr| expr.as_column() == Some(*column));
    let places = columns.iter().map(|column| Some(first + place(column)?)).collect::<Option<Vec<_>>>();
    places.map_or(Partitioning::Any, Partitioning::Hash)
}

fn union(inputs: &[EdgeProperties]) -> Placed {
    let same = inputs.windows(2).all(|pair| pair[0].partitioning == pair[1].partitioning);
    if let (true, Some(first)) = (same, inputs.first()) {
        return (vec![None; inputs.len()], first.partitioning.clone());
    }
    let deal = |input: &EdgeProperties| (input.partitioning == Partitioning::Single).then_some(Exchange::Deal);
    (inputs.iter().map(deal).collect(), Partitioning::Any)
}

/// Groups whose keys are the output's columns from `first` on. Rows that are together by some of the keys are together by all.
fn grouped(input: &EdgeProperties, keys: &[ExprRef], first: usize) -> Placed {
    if keys.is_empty() {
        return (vec![gathered(input)], Partitioning::Single);
    }
    if let Partitioning::Hash(columns) = &input.partitioning
        && let placed @ Partitioning::Hash(_) = repeated(columns, keys, first)
    {
        return (vec![None], placed);
    }
    (vec![Some(Exchange::Hash(keys.to_vec()))], Partitioning::Hash((first..first + keys.len()).collect()))
}

fn gathered(input: &EdgeProperties) -> Option<Exchange> {
    (input.partitioning != Partitioning::Single).then_some(Exchange::Gather)
}

/// Both sides are spread by the same keys in the same order, so that rows that match are on one worker.
fn joined(spec: &JoinSpec, left: &EdgeProperties, right: &EdgeProperties) -> Placed {
    if spec.left_keys.is_empty() {
        return (vec![gathered(left), gathered(right)], Partitioning::Single);
    }
    let (ours, theirs) = (keys_of(left, &spec.left_keys), keys_of(right, &spec.right_keys));
    let order = join_order(spec, left, right);
    let moved = |found: Option<Vec<usize>>, keys: &[ExprRef]| {
        (found.as_ref() != Some(&order)).then(|| Exchange::Hash(order.iter().map(|key| keys[*key].clone()).collect()))
    };
    let columns: Option<Vec<usize>> = order.iter().map(|key| spec.left_keys[*key].as_column()).collect();
    let exchanges = vec![moved(ours, &spec.left_keys), moved(theirs, &spec.right_keys)];
    (exchanges, columns.map_or(Partitioning::Any, Partitioning::Hash))
}

/// The keys by which a join's rows are spread. A side that is spread by some of them stays where it is, and the other one comes to it.
fn join_order(spec: &JoinSpec, left: &EdgeProperties, right: &EdgeProperties) -> Vec<usize> {
    let kept = keys_of(left, &spec.left_keys).or_else(|| keys_of(right, &spec.right_keys));
    kept.unwrap_or_else(|| (0..spec.left_keys.len()).collect())
}

/// Which of `keys` spread the input, in the order of its partitioning; `None` if it is spread otherwise.
fn keys_of(input: &EdgeProperties, keys: &[ExprRef]) -> Option<Vec<usize>> {
    let Partitioning::Hash(columns) = &input.partitioning else { return None };
    columns.iter().map(|column| keys.iter().position(|key| key.as_column() == Some(*column))).collect()
}

/// Where the state of a node is whose output is spread like this.
fn state_place(kind: &NodeKind, inputs: &[EdgeProperties], partitioning: &Partitioning) -> StatePlace {
    let (columns, first) = match (kind, inputs, partitioning) {
        (_, _, Partitioning::Single) => return StatePlace::First,
        // What a join puts out need not have the keys by which its rows are spread.
        (NodeKind::Join(spec), [left, right], _) => return StatePlace::ByKeys(join_order(spec, left, right)),
        (_, _, Partitioning::Any) => return StatePlace::Anywhere,
        (NodeKind::Window(_) | NodeKind::Session(_), _, Partitioning::Hash(columns)) => (columns, 2),
        (_, _, Partitioning::Hash(columns)) => (columns, 0),
    };
    StatePlace::ByKeys(columns.iter().map(|column| column - first).collect())
}

fn output(spec: &OutputSpec, input: &EdgeProperties) -> Placed {
    match &spec.primary_key {
        Some(key) => together(key.clone(), input),
        None => changed(input),
    }
}

/// Rows that are only inserted can stay anywhere. A retraction must come to where its row is.
fn changed(input: &EdgeProperties) -> Placed {
    match &input.changes {
        ChangeKind::Upsert(key) => together(key.clone(), input),
        ChangeKind::Retract => together((0..input.schema.fields().len()).collect(), input),
        ChangeKind::Append => (vec![None], input.partitioning.clone()),
    }
}

/// Rows with equal values in the columns `together` come to one worker.
fn together(together: Vec<usize>, input: &EdgeProperties) -> Placed {
    let stays = match &input.partitioning {
        Partitioning::Single => true,
        Partitioning::Hash(columns) => columns.iter().all(|column| together.contains(column)),
        Partitioning::Any => false,
    };
    if stays {
        return (vec![None], input.partitioning.clone());
    }
    let types: Vec<_> = together.iter().map(|column| input.schema.field(*column).data_type().clone()).collect();
    if together.is_empty() || RowKeys::new(&types).is_err() {
        return (vec![Some(Exchange::Gather)], Partitioning::Single);
    }
    let keys = together.iter().map(|column| Column::new(&input.schema, *column)).collect();
    (vec![Some(Exchange::Hash(keys))], Partitioning::Hash(together))
}
