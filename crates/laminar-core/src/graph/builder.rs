//! Makes graphs by hand: for Rust users and for tests. What holds on each edge is derived.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::derive::derive;
use super::edge::{ChangeKind, EdgeProperties};
use super::node::{Node, NodeKind};
use super::nodes::{
    AggregateSpec, AsofJoinSpec, AssignSpec, ComputeSpec, EmitSpec, EmitWhen, JoinSpec, OutputSpec, OverSpec, SessionSpec,
    SourceSpec, TemporalFilterSpec, TopNSpec, WindowSpec,
};
use super::validate::validate;
use crate::expr::ExprRef;
use crate::expr::aggregate::AggregateCall;
use crate::{Code, Error, NodeId, Result};

/// Collects nodes. Each method adds one and returns its number; [`finish`](Self::finish) looks for mistakes.
///
/// # Panics
/// The methods panic if an input is a number that the builder has not given out or been told of.
#[derive(Debug, Clone, Default)]
pub struct DagBuilder {
    next: u32,
    nodes: Vec<Node>,
    existing: Vec<(NodeId, EdgeProperties)>,
}

impl DagBuilder {
    /// A new graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nodes that are to be attached to a graph whose numbers below `first` are taken.
    pub fn starting_at(first: NodeId) -> Self {
        Self { next: first.0, ..Self::default() }
    }

    /// Makes a node of the running graph known, so that new ones can read from it.
    pub fn existing(&mut self, id: NodeId, output: EdgeProperties) -> NodeId {
        self.existing.push((id, output));
        self.next = self.next.max(id.0 + 1);
        id
    }

    /// Rows from outside that are only ever inserted.
    pub fn source(&mut self, name: &str, schema: SchemaRef, spec: SourceSpec) -> NodeId {
        self.derived(name, NodeKind::Source(spec), vec![], schema)
    }

    /// Rows from outside with any weights.
    pub fn changing_source(&mut self, name: &str, schema: SchemaRef, spec: SourceSpec) -> NodeId {
        let id = self.source(name, schema, spec);
        if let Some(node) = self.nodes.last_mut() {
            node.output.changes = ChangeKind::Retract;
        }
        id
    }

    /// Rows for which `filter` is true.
    pub fn filter(&mut self, name: &str, input: NodeId, filter: ExprRef) -> NodeId {
        let schema = self.schema(input);
        self.derived(name, NodeKind::Compute(ComputeSpec { filter: Some(filter), projection: None }), vec![input], schema)
    }

    /// Other columns, by name.
    pub fn project(&mut self, name: &str, input: NodeId, columns: Vec<(&str, ExprRef)>) -> NodeId {
        self.compute(name, input, None, columns)
    }

    /// Rows for which `filter` is true, with other columns.
    pub fn compute(&mut self, name: &str, input: NodeId, filter: Option<ExprRef>, columns: Vec<(&str, ExprRef)>) -> NodeId {
        let schema = Arc::new(Schema::new(fields(&columns)));
        let projection = Some(columns.into_iter().map(|(_, expr)| expr).collect());
        self.derived(name, NodeKind::Compute(ComputeSpec { filter, projection }), vec![input], schema)
    }

    /// All rows of all inputs; columns have the names of the first.
    pub fn union(&mut self, name: &str, inputs: &[NodeId]) -> NodeId {
        let schemas: Vec<SchemaRef> = inputs.iter().map(|input| self.schema(*input)).collect();
        let nullable = |column: usize| schemas.iter().any(|schema| schema.fields().get(column).is_none_or(|f| f.is_nullable()));
        let fields = schemas.first().map_or(vec![], |first| {
            let fields = first.fields().iter().enumerate();
            fields.map(|(column, field)| field.as_ref().clone().with_nullable(nullable(column))).collect()
        });
        self.derived(name, NodeKind::Union, inputs.to_vec(), Arc::new(Schema::new(fields)))
    }

    /// Groups without windows.
    pub fn aggregate(&mut self, name: &str, input: NodeId, keys: Vec<(&str, ExprRef)>, aggregates: Vec<AggregateCall>) -> NodeId {
        let schema = Arc::new(Schema::new([fields(&keys), results(&aggregates)].concat()));
        let keys = keys.into_iter().map(|(_, key)| key).collect();
        self.derived(name, NodeKind::Aggregate(AggregateSpec { keys, aggregates }), vec![input], schema)
    }

    /// Adds `window_start` and `window_end`.
    pub fn assign_window(&mut self, name: &str, input: NodeId, spec: AssignSpec) -> NodeId {
        let schema = self.schema(input);
        let before = schema.fields().iter().map(|field| field.as_ref().clone());
        let fields: Vec<Field> = before.chain(window_fields(&schema, spec.time)).collect();
        self.derived(name, NodeKind::AssignWindow(spec), vec![input], Arc::new(Schema::new(fields)))
    }

    /// Groups by window and key; the keys' columns are called `keys`, in the order of the spec's.
    pub fn window(&mut self, name: &str, input: NodeId, keys: &[&str], spec: WindowSpec) -> NodeId {
        let schema = self.windowed(input, spec.time, keys, &spec.keys, &spec.aggregates);
        self.derived(name, NodeKind::Window(spec), vec![input], schema)
    }

    /// Groups by session and key; the keys' columns are called `keys`, in the order of the spec's.
    pub fn session(&mut self, name: &str, input: NodeId, keys: &[&str], spec: SessionSpec) -> NodeId {
        let schema = self.windowed(input, spec.time, keys, &spec.keys, &spec.aggregates);
        self.derived(name, NodeKind::Session(spec), vec![input], schema)
    }

    /// Pairs of rows (left columns, then right ones), or rows of one side.
    pub fn join(&mut self, name: &str, left: NodeId, right: NodeId, spec: JoinSpec) -> NodeId {
        let schema = spec.join_type.output_schema(&self.schema(left), &self.schema(right));
        self.derived(name, NodeKind::Join(spec), vec![left, right], Arc::new(schema))
    }

    /// Each left row beside the right row that is nearest in time.
    pub fn asof_join(&mut self, name: &str, left: NodeId, right: NodeId, spec: AsofJoinSpec) -> NodeId {
        let schema = spec.join_type.output_schema(&self.schema(left), &self.schema(right));
        self.derived(name, NodeKind::AsofJoin(spec), vec![left, right], Arc::new(schema))
    }

    /// The first rows of each partition.
    pub fn top_n(&mut self, name: &str, input: NodeId, spec: TopNSpec) -> NodeId {
        let before = self.schema(input);
        let number = spec.row_number.iter().map(|name| Arc::new(Field::new(name, DataType::Int64, false)));
        let schema = Arc::new(Schema::new(before.fields().iter().cloned().chain(number).collect::<Vec<_>>()));
        self.derived(name, NodeKind::TopN(spec), vec![input], schema)
    }

    /// Adds columns that are computed from the rows around each row.
    pub fn over(&mut self, name: &str, input: NodeId, spec: OverSpec) -> NodeId {
        let before = self.schema(input);
        let results = spec.calls.iter().map(|call| Arc::new(Field::new(&call.name, call.data_type.clone(), true)));
        let schema = Arc::new(Schema::new(before.fields().iter().cloned().chain(results).collect::<Vec<_>>()));
        self.derived(name, NodeKind::Over(spec), vec![input], schema)
    }

    /// The rows for which conditions about the wall clock hold.
    pub fn temporal_filter(&mut self, name: &str, input: NodeId, spec: TemporalFilterSpec) -> NodeId {
        let schema = self.schema(input);
        self.derived(name, NodeKind::TemporalFilter(spec), vec![input], schema)
    }

    /// Holds changes back.
    pub fn emit(&mut self, name: &str, input: NodeId, when: EmitWhen) -> NodeId {
        let schema = self.schema(input);
        self.derived(name, NodeKind::Emit(EmitSpec { when }), vec![input], schema)
    }

    /// The end of a query whose changes pass by.
    pub fn output(&mut self, name: &str, input: NodeId) -> NodeId {
        let schema = self.schema(input);
        let spec = OutputSpec { stored: false, pushed: false, primary_key: None, schema: schema.clone() };
        self.derived(name, NodeKind::Output(spec), vec![input], schema)
    }

    /// The end of a query whose current rows are kept.
    pub fn view(&mut self, name: &str, input: NodeId) -> NodeId {
        let schema = self.schema(input);
        let spec = OutputSpec { stored: true, pushed: false, primary_key: None, schema: schema.clone() };
        self.derived(name, NodeKind::Output(spec), vec![input], schema)
    }

    /// Rows that people push and replace by key: a source and its stored end, of which the number is returned together
    /// with the source's.
    pub fn table(&mut self, name: &str, schema: SchemaRef, primary_key: Option<Vec<usize>>) -> (NodeId, NodeId) {
        let source = self.changing_source(name, schema.clone(), SourceSpec::TABLE);
        let spec = OutputSpec { stored: true, pushed: true, primary_key, schema: schema.clone() };
        (source, self.derived(name, NodeKind::Output(spec), vec![source], schema))
    }

    /// A node with everything said about it.
    pub fn add(&mut self, name: &str, kind: NodeKind, inputs: Vec<NodeId>, output: EdgeProperties) -> NodeId {
        let id = NodeId(self.next);
        self.next += 1;
        self.nodes.push(Node { id, name: name.to_owned(), kind, inputs, output });
        id
    }

    /// The nodes, if they are without mistakes.
    pub fn finish(self) -> Result<Vec<Node>> {
        validate(&self.nodes, &|id| self.existing.iter().find(|(known, _)| *known == id).map(|(_, output)| output))?;
        match self.nodes.is_empty() {
            true => Err(Error::new(Code::InvalidQuery, "a graph needs at least one node")),
            false => Ok(self.nodes),
        }
    }

    /// What holds for the output of `id`.
    pub fn properties(&self, id: NodeId) -> &EdgeProperties {
        let ours = self.nodes.iter().find(|node| node.id == id).map(|node| &node.output);
        let theirs = || self.existing.iter().find(|(known, _)| *known == id).map(|(_, output)| output);
        match ours.or_else(theirs) {
            Some(output) => output,
            None => panic!("{id} is not a number that this builder knows"),
        }
    }

    fn schema(&self, id: NodeId) -> SchemaRef {
        self.properties(id).schema.clone()
    }

    fn derived(&mut self, name: &str, kind: NodeKind, inputs: Vec<NodeId>, schema: SchemaRef) -> NodeId {
        let edges: Vec<&EdgeProperties> = inputs.iter().map(|input| self.properties(*input)).collect();
        let output = derive(&kind, &edges, schema);
        self.add(name, kind, inputs, output)
    }

    fn windowed(&self, input: NodeId, time: usize, names: &[&str], keys: &[ExprRef], aggregates: &[AggregateCall]) -> SchemaRef {
        assert_eq!(names.len(), keys.len(), "one name for each key");
        let keys: Vec<(&str, ExprRef)> = names.iter().copied().zip(keys.iter().cloned()).collect();
        let windows = window_fields(&self.schema(input), time);
        Arc::new(Schema::new([windows.to_vec(), fields(&keys), results(aggregates)].concat()))
    }
}

fn fields(columns: &[(&str, ExprRef)]) -> Vec<Field> {
    columns.iter().map(|(name, expr)| Field::new(*name, expr.data_type().clone(), expr.nullable())).collect()
}

fn results(aggregates: &[AggregateCall]) -> Vec<Field> {
    aggregates.iter().map(|call| Field::new(&call.name, call.function.return_type().clone(), true)).collect()
}

/// `window_start` and `window_end`, of the time column's type; a missing column is found by validation.
fn window_fields(schema: &SchemaRef, time: usize) -> [Field; 2] {
    let time = schema.fields().get(time).map_or(DataType::Null, |field| field.data_type().clone());
    [Field::new("window_start", time.clone(), false), Field::new("window_end", time, false)]
}
