//! Prints a graph for people: `EXPLAIN GRAPH`. The text is stable, so that tests can hold it as a snapshot.

use std::fmt::Write;

use arrow_schema::SchemaRef;
use hashbrown::HashSet;

use super::distribute::Distributed;
use super::edge::{ChangeKind, EdgeProperties, Partitioning};
use super::node::Node;
use super::nodes::WindowEmission;
use crate::NodeId;
use crate::expr::aggregate::AggregateCall;
use crate::expr::{ExprRef, SortKey};
use crate::time::Length;

/// One line for each node, readers above what they read from, indented by depth. A node with several readers is printed
/// in full once and then by its number; inputs outside `nodes` are marked as existing.
pub fn explain(nodes: &[Node]) -> String {
    print_graph(nodes, &|_, _| None)
}

/// What a node does, in one line; `inputs` are the columns of its inputs.
pub fn explain_node(node: &Node, inputs: &[&SchemaRef]) -> String {
    node.kind.spec().explain(node, inputs)
}

/// The same for a graph that several workers share: between a node and its input stands how rows move between workers.
pub fn explain_distributed(distributed: &[Distributed]) -> String {
    let nodes: Vec<Node> = distributed.iter().map(|distributed| distributed.node.clone()).collect();
    let exchange = |id: NodeId, port: usize| {
        let found = distributed.iter().find(|distributed| distributed.node.id == id)?;
        let exchange = found.exchanges.get(port)?.as_ref()?;
        Some(format!("Exchange {exchange}{}", if found.aggregates_partially { ", as groups where that pays" } else { "" }))
    };
    print_graph(&nodes, &exchange)
}

fn print_graph(nodes: &[Node], exchange: &dyn Fn(NodeId, usize) -> Option<String>) -> String {
    let mut printer = Printer { nodes, exchange, printed: HashSet::default(), text: String::new() };
    let read: HashSet<NodeId, foldhash::fast::FixedState> = nodes.iter().flat_map(|node| node.inputs.iter().copied()).collect();
    for node in nodes.iter().filter(|node| !read.contains(&node.id)) {
        printer.print(node.id, 0);
    }
    printer.text
}

struct Printer<'a> {
    nodes: &'a [Node],
    /// How rows move between workers into a port of a node.
    exchange: &'a dyn Fn(NodeId, usize) -> Option<String>,
    printed: HashSet<NodeId, foldhash::fast::FixedState>,
    text: String,
}

impl Printer<'_> {
    fn print(&mut self, id: NodeId, depth: usize) {
        let line = match self.nodes.iter().find(|node| node.id == id) {
            None => format!("{id} (existing)"),
            Some(_) if !self.printed.insert(id) => format!("{id} (above)"),
            Some(node) => return self.print_node(node, depth),
        };
        self.line(depth, &line);
    }

    fn print_node(&mut self, node: &Node, depth: usize) {
        let inputs: Vec<&SchemaRef> = node.inputs.iter().filter_map(|id| self.schema(*id)).collect();
        let line = format!("{} {} [{}]", node.id, explain_node(node, &inputs), edge(&node.output));
        self.line(depth, &line);
        for (port, input) in node.inputs.iter().enumerate() {
            let moved = (self.exchange)(node.id, port);
            if let Some(exchange) = &moved {
                self.line(depth + 1, exchange);
            }
            self.print(*input, depth + 1 + usize::from(moved.is_some()));
        }
    }

    fn schema(&self, id: NodeId) -> Option<&SchemaRef> {
        self.nodes.iter().find(|node| node.id == id).map(|node| &node.output.schema)
    }

    fn line(&mut self, depth: usize, line: &str) {
        let _ = writeln!(self.text, "{:indent$}{line}", "", indent = depth * 2);
    }
}

/// What holds on an edge: changes, partitioning, time columns.
fn edge(edge: &EdgeProperties) -> String {
    let changes = match &edge.changes {
        ChangeKind::Append => "append".to_owned(),
        ChangeKind::Upsert(key) => format!("upsert ({})", column_names(&edge.schema, key)),
        ChangeKind::Retract => "retract".to_owned(),
    };
    let partitioning = match &edge.partitioning {
        Partitioning::Any => String::new(),
        Partitioning::Hash(columns) => format!("; by ({})", column_names(&edge.schema, columns)),
        Partitioning::Single => "; single".to_owned(),
    };
    let time = |time: &super::TimeColumn| match time.lag {
        0 => column_name(&edge.schema, time.column),
        lag => format!("{} - {}", column_name(&edge.schema, time.column), interval(lag)),
    };
    let times: Vec<String> = edge.time_columns.iter().map(time).collect();
    let times = if times.is_empty() { String::new() } else { format!("; time {}", times.join(", ")) };
    format!("{changes}{partitioning}{times}")
}

/// A time column of the first input, by number if that lies outside what is printed.
pub(super) fn time_name(inputs: &[&SchemaRef], column: usize) -> String {
    inputs.first().map_or_else(|| format!("#{column}"), |schema| column_name(schema, column))
}

pub(super) fn groups(keys: &[ExprRef], aggregates: &[AggregateCall]) -> String {
    let calls: Vec<String> = aggregates.iter().map(call).collect();
    format!("by ({}) compute ({})", list(keys), calls.join(", "))
}

fn call(call: &AggregateCall) -> String {
    let filter = call.filter.as_ref().map(|filter| format!(" where {}", filter.display()));
    format!("{}({}){} as {}", call.function.name(), list(&call.args), filter.unwrap_or_default(), call.name)
}

pub(super) fn list(exprs: &[ExprRef]) -> String {
    exprs.iter().map(|expr| expr.display()).collect::<Vec<_>>().join(", ")
}

pub(super) fn column_name(schema: &SchemaRef, column: usize) -> String {
    schema.fields().get(column).map_or_else(|| format!("#{column}"), |field| field.name().clone())
}

pub(super) fn column_names(schema: &SchemaRef, columns: &[usize]) -> String {
    columns.iter().map(|column| column_name(schema, *column)).collect::<Vec<_>>().join(", ")
}

/// `ts desc, id`, with what is not usual about NULLs.
pub(super) fn sorting(schema: &SchemaRef, order: &[SortKey]) -> String {
    let key = |key: &SortKey| {
        let direction = if key.direction.descending { " desc" } else { "" };
        let nulls = match (key.direction.descending, key.direction.nulls_first) {
            (true, false) => " nulls last",
            (false, true) => " nulls first",
            _ => "",
        };
        format!("{}{direction}{nulls}", column_name(schema, key.column))
    };
    order.iter().map(key).collect::<Vec<_>>().join(", ")
}

pub(super) fn emission(emission: WindowEmission) -> &'static str {
    match emission {
        WindowEmission::Changes => "emit changes",
        WindowEmission::OnWatermark => "emit on watermark",
        WindowEmission::OnClose => "emit on close",
    }
}

pub(super) fn lateness(nanos: i64) -> String {
    if nanos == 0 { String::new() } else { format!(" lateness {}", interval(nanos)) }
}

pub(super) fn interval(nanos: i64) -> Length {
    Length::Nanos(nanos)
}
