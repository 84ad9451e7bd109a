//! Prints a graph for people: `EXPLAIN GRAPH`. The text is stable, so that tests can hold it as a snapshot.

use std::fmt::Write;

use arrow_schema::SchemaRef;
use hashbrown::HashSet;

use super::distribute::Distributed;
use super::edge::{ChangeKind, EdgeProperties, Partitioning};
use super::node::{Node, NodeKind};
use super::nodes::{EmitWhen, OutputSpec, SourceSpec, WindowEmission};
use crate::NodeId;
use crate::expr::ExprRef;
use crate::expr::aggregate::AggregateCall;
use crate::time::Length;
use crate::time::watermark::{WatermarkRule, WatermarkSpec};

/// One line for each node, readers above what they read from, indented by depth. A node with several readers is printed
/// in full once and then by its number; inputs outside `nodes` are marked as existing.
pub fn explain(nodes: &[Node]) -> String {
    print_graph(nodes, &|_, _| None)
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
        let line = format!("{} {} [{}]", node.id, what(node, &inputs), edge(&node.output));
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

/// What a node does, with its name where it has a meaning for people.
fn what(node: &Node, inputs: &[&SchemaRef]) -> String {
    // The input may lie outside what is printed; then columns are shown by number.
    let time_name = |column: usize| inputs.first().map_or_else(|| format!("#{column}"), |schema| name(schema, column));
    match &node.kind {
        NodeKind::Source(spec) => format!("Source {}{}", node.name, source(spec, &node.output.schema)),
        NodeKind::Compute(spec) => {
            let filter = spec.filter.as_ref().map(|filter| format!(" where {}", filter.display()));
            let project = spec.projection.as_ref().map(|columns| format!(" ({})", named(columns, &node.output.schema)));
            format!("Compute{}{}", project.unwrap_or_default(), filter.unwrap_or_default())
        }
        NodeKind::Union => "Union".to_owned(),
        NodeKind::Aggregate(spec) => format!("Aggregate {}", groups(&spec.keys, &spec.aggregates)),
        NodeKind::AssignWindow(spec) => format!("AssignWindow {} over {}", spec.shape, time_name(spec.time)),
        NodeKind::Window(spec) => format!(
            "Window {} over {} {} {}{}",
            spec.shape,
            time_name(spec.time),
            groups(&spec.keys, &spec.aggregates),
            emission(spec.emission),
            lateness(spec.lateness)
        ),
        NodeKind::Session(spec) => format!(
            "Session gap {} over {}{} {} {}{}",
            interval(spec.gap),
            time_name(spec.time),
            apart(spec.partition, &spec.keys),
            groups(&spec.keys, &spec.aggregates),
            emission(spec.emission),
            lateness(spec.lateness)
        ),
        NodeKind::Join(spec) => {
            let pairs = spec.left_keys.iter().zip(&spec.right_keys);
            let on: Vec<String> = pairs.map(|(left, right)| format!("{} = {}", left.display(), right.display())).collect();
            let on = if on.is_empty() { "every pair".to_owned() } else { format!("on {}", on.join(" and ")) };
            let residual = spec.residual.as_ref().map(|residual| format!(" where {}", residual.display()));
            format!("Join {on}{}", residual.unwrap_or_default())
        }
        NodeKind::Emit(spec) => match spec.when {
            EmitWhen::Every(nanos) => format!("Emit every {}", interval(nanos)),
            EmitWhen::AtEnd => "Emit at the end".to_owned(),
        },
        NodeKind::Output(spec) => format!("Output {}{}", node.name, output(spec)),
    }
}

/// What holds on an edge: changes, partitioning, time columns.
fn edge(edge: &EdgeProperties) -> String {
    let changes = match &edge.changes {
        ChangeKind::Append => "append".to_owned(),
        ChangeKind::Upsert(key) => format!("upsert ({})", names(&edge.schema, key)),
        ChangeKind::Retract => "retract".to_owned(),
    };
    let partitioning = match &edge.partitioning {
        Partitioning::Any => String::new(),
        Partitioning::Hash(columns) => format!("; by ({})", names(&edge.schema, columns)),
        Partitioning::Single => "; single".to_owned(),
    };
    let time = |time: &super::TimeColumn| match time.lag {
        0 => name(&edge.schema, time.column),
        lag => format!("{} - {}", name(&edge.schema, time.column), interval(lag)),
    };
    let times: Vec<String> = edge.time_columns.iter().map(time).collect();
    let times = if times.is_empty() { String::new() } else { format!("; time {}", times.join(", ")) };
    format!("{changes}{partitioning}{times}")
}

fn source(spec: &SourceSpec, schema: &SchemaRef) -> String {
    let watermark = spec.watermark.as_ref().map(|watermark| format!(" watermark {}", rule(watermark, schema)));
    let idle = match spec.idle_timeout {
        _ if spec.is_table() => " table".to_owned(),
        Some(nanos) => format!(" idle after {}", interval(nanos)),
        None => String::new(),
    };
    format!("{}{idle}", watermark.unwrap_or_default())
}

fn rule(watermark: &WatermarkSpec, schema: &SchemaRef) -> String {
    let time = name(schema, watermark.column);
    match &watermark.rule {
        WatermarkRule::BoundedOutOfOrderness { delay } => format!("{time} - {}", interval(*delay)),
        WatermarkRule::Ascending => format!("{time} ascending"),
        WatermarkRule::Periodic { delay, every } => format!("{time} - {} every {}", interval(*delay), interval(*every)),
        WatermarkRule::Punctuated { marker } => format!("{time} where {}", marker.display()),
        WatermarkRule::ProcessingTime { delay } => format!("{time} = arrival - {}", interval(*delay)),
    }
}

fn output(spec: &OutputSpec) -> String {
    let key = spec.primary_key.as_ref().map(|key| format!(" key ({})", names(&spec.schema, key)));
    format!("{}{}", if spec.stored { " stored" } else { "" }, key.unwrap_or_default())
}

/// By what sessions are kept apart, unless by all keys.
fn apart(partition: usize, keys: &[ExprRef]) -> String {
    if partition >= keys.len() { String::new() } else { format!(" partition by ({})", list(&keys[..partition])) }
}

fn groups(keys: &[ExprRef], aggregates: &[AggregateCall]) -> String {
    let calls: Vec<String> = aggregates.iter().map(call).collect();
    format!("by ({}) compute ({})", list(keys), calls.join(", "))
}

fn call(call: &AggregateCall) -> String {
    let filter = call.filter.as_ref().map(|filter| format!(" where {}", filter.display()));
    format!("{}({}){} as {}", call.function.name(), list(&call.args), filter.unwrap_or_default(), call.name)
}

fn list(exprs: &[ExprRef]) -> String {
    exprs.iter().map(|expr| expr.display()).collect::<Vec<_>>().join(", ")
}

/// Expressions with the names of the columns that they become, where they differ.
fn named(exprs: &[ExprRef], schema: &SchemaRef) -> String {
    let one = |(expr, field): (&ExprRef, &arrow_schema::FieldRef)| {
        let text = expr.display();
        if &text == field.name() { text } else { format!("{text} as {}", field.name()) }
    };
    exprs.iter().zip(schema.fields()).map(one).collect::<Vec<_>>().join(", ")
}

fn name(schema: &SchemaRef, column: usize) -> String {
    schema.fields().get(column).map_or_else(|| format!("#{column}"), |field| field.name().clone())
}

fn names(schema: &SchemaRef, columns: &[usize]) -> String {
    columns.iter().map(|column| name(schema, *column)).collect::<Vec<_>>().join(", ")
}

fn emission(emission: WindowEmission) -> &'static str {
    match emission {
        WindowEmission::Changes => "emit changes",
        WindowEmission::OnWatermark => "emit on watermark",
        WindowEmission::OnClose => "emit on close",
    }
}

fn lateness(nanos: i64) -> String {
    if nanos == 0 { String::new() } else { format!(" lateness {}", interval(nanos)) }
}

fn interval(nanos: i64) -> Length {
    Length::Nanos(nanos)
}
