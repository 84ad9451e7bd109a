//! What nodes keep of the rows that have come, whether that is bounded, and by what: `EXPLAIN STATE`.
//!
//! Each kind of node says it of itself ([`NodeSpec::keeps`](super::node::NodeSpec::keeps)), given how many rows its inputs have; this file
//! walks over the graph, and knows roughly how many bytes a row takes.

use std::collections::BTreeMap;

use arrow_schema::{DataType, Schema};

use super::edge::EdgeProperties;
use super::explain::list;
use super::node::Node;
use crate::NodeId;
use crate::expr::ExprRef;
use crate::expr::aggregate::AggregateCall;

/// How many there can be of something: of the rows that have come on an edge and have not been taken back, or of what an operator keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// Not more than this allows: `1 row`, `the rows of table users`, `windows that are open: 1 m`.
    Bounded(String),
    /// One more for each of these that comes: `rows of trades`, `distinct (user_id)`.
    Grows(String),
}

/// Something that a node keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What is kept, with its columns.
    pub what: String,
    /// How many of these there can be.
    pub extent: Extent,
    /// What would bound it, and where to write it; only where it grows.
    pub remedy: Option<String>,
    /// Bytes that one of them takes, estimated from the types of its columns: texts and lists as if they were short.
    pub bytes_each: usize,
}

/// What a node keeps, and how many rows come out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeKeeps {
    /// All that it keeps beside a few numbers.
    pub kept: Vec<Kept>,
    /// How many rows its output has, those taken back not counted.
    pub output: Extent,
}

/// An input of a node, as [`keeps`] asks about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeptInput<'a> {
    pub(super) edge: &'a EdgeProperties,
    pub(super) extent: &'a Extent,
}

/// What each of `nodes` keeps. They stand after their inputs; of an input that is not among them it is taken that it grows.
pub fn keeps<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> BTreeMap<NodeId, NodeKeeps> {
    let mut known: BTreeMap<NodeId, (&Node, NodeKeeps)> = BTreeMap::new();
    let unknown = Extent::Grows("rows of its input".to_owned());
    for node in nodes {
        let input = |id: &NodeId| {
            let (input, keeps) = known.get(id)?;
            Some(KeptInput { edge: &input.output, extent: &keeps.output })
        };
        let inputs: Option<Vec<KeptInput<'_>>> = node.inputs.iter().map(input).collect();
        let keeps = match inputs {
            Some(inputs) if node.kind.takes(inputs.len()) => node.kind.spec().keeps(node, &inputs),
            _ => NodeKeeps::nothing(unknown.clone()),
        };
        known.insert(node.id, (node, keeps));
    }
    known.into_iter().map(|(id, (_, keeps))| (id, keeps)).collect()
}

impl NodeKeeps {
    /// The node forgets each row when it has passed it on.
    pub(super) fn nothing(output: Extent) -> Self {
        Self { kept: Vec::new(), output }
    }

    /// It keeps this alone.
    pub(super) fn only(kept: Kept, output: Extent) -> Self {
        Self { kept: vec![kept], output }
    }
}

impl Kept {
    /// Something of which there are so many; `remedy` is said only where it grows.
    pub(super) fn new(what: impl Into<String>, extent: &Extent, bytes_each: usize, remedy: &str) -> Self {
        let grows = matches!(extent, Extent::Grows(_)) && !remedy.is_empty();
        Self { what: what.into(), extent: extent.clone(), remedy: grows.then(|| remedy.to_owned()), bytes_each }
    }

    /// Whether there can be ever more of it.
    pub fn grows(&self) -> bool {
        matches!(self.extent, Extent::Grows(_))
    }
}

impl Extent {
    /// One for each value of `keys` among rows of this extent.
    pub(super) fn groups(&self, keys: &str) -> Extent {
        match self {
            _ if keys.is_empty() => Extent::Bounded("1 row".to_owned()),
            Extent::Grows(_) => Extent::Grows(format!("distinct ({keys})")),
            bounded => bounded.clone(),
        }
    }

    /// Rows that come out of both, as pairs or one after the other.
    pub(super) fn and(&self, other: &Extent, both: &str) -> Extent {
        match (self, other) {
            (Extent::Bounded(one), Extent::Bounded(other)) if one == other => self.clone(),
            (Extent::Bounded(one), Extent::Bounded(other)) => Extent::Bounded(format!("{one}; {other}")),
            (Extent::Grows(one), Extent::Grows(other)) if one != other => Extent::Grows(both.to_owned()),
            (Extent::Grows(_), _) => self.clone(),
            (_, Extent::Grows(_)) => other.clone(),
        }
    }
}

/// What a table of groups keeps: a row for each group, and the values of those aggregates that cannot do with less. `groups` are how many
/// groups there are, `rows` how many rows are in them.
pub(super) fn kept_groups(
    keys: &[ExprRef],
    aggregates: &[AggregateCall],
    (groups, rows): (&Extent, &Extent),
    retracts: bool,
    remedy: &str,
) -> Vec<Kept> {
    let is_small = |call: &&AggregateCall| call.function.accumulator(retracts).is_ok_and(|accumulator| accumulator.is_small());
    let (small, large): (Vec<&AggregateCall>, Vec<&AggregateCall>) = aggregates.iter().partition(is_small);
    let keys_bytes: usize = keys.iter().map(|key| type_bytes(key.data_type())).sum();
    let results: usize = small.iter().map(|call| STATE_BYTES + type_bytes(call.function.return_type())).sum();
    let what = if keys.is_empty() { "one group".to_owned() } else { format!("a group for each ({})", list(keys)) };
    let table = Kept::new(what, groups, GROUP_BYTES + keys_bytes + results, remedy);
    let values = large.into_iter().map(|call| {
        let bytes: usize = call.args.iter().map(|arg| type_bytes(arg.data_type())).sum();
        let what = format!("the values of {}({})", call.function.name(), list(&call.args));
        Kept::new(what, rows, VALUE_BYTES + bytes, VALUES_REMEDY)
    });
    std::iter::once(table).chain(values).collect()
}

/// How many groups of open windows there are, and how many rows are in them. `open` says which windows are open, given how far the column
/// `time` is behind the watermark. Over rows without watermark none ever closes.
pub(super) fn open_windows(
    input: &KeptInput<'_>,
    time: usize,
    keys: &[ExprRef],
    open: impl FnOnce(i64) -> String,
) -> [Extent; 2] {
    let Some(column) = input.edge.time_column(time) else {
        return [input.extent.groups(&with_window(keys)), input.extent.clone()];
    };
    let name = input.edge.schema.field(time).name();
    let extent = Extent::Bounded(format!("{}, closed by the watermark of {name}", open(column.lag)));
    [extent.clone(), extent]
}

/// The keys of windowed groups.
pub(super) fn with_window(keys: &[ExprRef]) -> String {
    if keys.is_empty() { "window".to_owned() } else { format!("window, {}", list(keys)) }
}

const VALUES_REMEDY: &str = "GROUP BY a window of time, or use an aggregate that needs no single values: count, sum, avg";

/// Bytes of a row with these columns, kept as a row.
pub(super) fn row_bytes(schema: &Schema) -> usize {
    schema.fields().iter().map(|field| type_bytes(field.data_type())).sum()
}

/// What stands beside each row that is found by a key, as in a join: hash, place, weight and the place of the next.
pub(super) const KEYED_ROW_BYTES: usize = 40;
/// What stands beside each row in an order, as in a top-n: its place in the tree.
pub(super) const ORDERED_ROW_BYTES: usize = 40;
/// What stands beside each row that is stored to be read.
pub(super) const STORED_ROW_BYTES: usize = 16;
/// What stands beside a group: hash, weight, and the room that a table keeps free.
const GROUP_BYTES: usize = 48;
/// What an aggregate keeps of a group beside something like its result.
const STATE_BYTES: usize = 8;
/// What stands beside a single value of an aggregate.
const VALUE_BYTES: usize = 32;
/// A text or list of which nothing is known.
const TEXT_BYTES: usize = 16;

fn type_bytes(data_type: &DataType) -> usize {
    match data_type {
        DataType::Null => 0,
        DataType::Boolean => 1,
        DataType::Utf8 | DataType::Binary => 4 + TEXT_BYTES,
        DataType::LargeUtf8 | DataType::LargeBinary => 8 + TEXT_BYTES,
        DataType::Utf8View | DataType::BinaryView => 16 + TEXT_BYTES,
        DataType::Struct(fields) => fields.iter().map(|field| type_bytes(field.data_type())).sum(),
        DataType::FixedSizeList(item, length) => type_bytes(item.data_type()) * usize::try_from(*length).unwrap_or(0),
        DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => 4 * (1 + type_bytes(item.data_type())),
        other => other.primitive_width().unwrap_or(TEXT_BYTES),
    }
}
