//! From the plan to the graph: one match, one file for each kind of node. Below this room no SQL exists.

mod aggregate;
mod asof;
mod compute;
mod constant;
mod grouping_sets;
mod join;
mod key_columns;
mod limit;
mod lookup;
mod output;
mod over;
mod recursion;
mod scan;
mod temporal_filter;
mod time_bound;
mod top_n;
mod union;
mod unnest;
mod window;

use arrow_schema::SchemaRef;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan};
use laminar_core::dag::{EdgeProperties, Node, NodeKind, derive};
use laminar_core::{Code, Error, NodeId, Result};

use crate::deep::with_deep_stack;
use crate::plan::nodes::{AsofJoin, AssignWindow, LookupJoin, Recursion, Rounds, WindowAggregate};
use crate::plan::{ContinuousPlan, Emission, PlanVersion};

pub use output::lower;

/// The nodes that a query adds to a graph.
#[derive(Debug, Clone)]
pub struct Fragment {
    /// The nodes in the order of their numbers; the last one is the object's output.
    pub nodes: Vec<Node>,
    /// The node whose changes are the object.
    pub root: NodeId,
    /// What holds for those changes.
    pub properties: EdgeProperties,
    /// The nodes of other objects from which the query reads.
    pub reads: Vec<NodeId>,
}

/// A node that stands, and what holds for what it emits.
#[derive(Debug, Clone)]
struct Lowered {
    node: NodeId,
    edge: EdgeProperties,
}

/// A graph in the making.
struct Lowering {
    name: String,
    next: NodeId,
    nodes: Vec<Node>,
    /// Nodes of other objects.
    reads: Vec<Lowered>,
    /// The recursions whose terms are being lowered.
    rounds: Vec<recursion::OpenRounds>,
    emission: Emission,
    version: PlanVersion,
}

impl Lowering {
    fn new(name: &str, first: NodeId, plan: &ContinuousPlan) -> Self {
        Self {
            name: name.to_owned(),
            next: first,
            nodes: Vec::new(),
            reads: Vec::new(),
            rounds: Vec::new(),
            emission: plan.emission,
            version: plan.version,
        }
    }

    /// Adds a node behind `inputs`, whose columns are `schema`. What else holds for its rows, the graph says.
    fn add(&mut self, kind: NodeKind, inputs: &[&Lowered], schema: SchemaRef) -> Lowered {
        let edges: Vec<&EdgeProperties> = inputs.iter().map(|input| &input.edge).collect();
        let edge = derive(&kind, &edges, schema);
        self.add_known(kind, inputs, edge)
    }

    /// Adds a node of whose rows more is known than the graph can tell.
    fn add_known(&mut self, kind: NodeKind, inputs: &[&Lowered], edge: EdgeProperties) -> Lowered {
        let id = self.next_id();
        let name = self.name.clone();
        self.nodes.push(Node { id, name, kind, inputs: inputs.iter().map(|input| input.node).collect(), output: edge.clone() });
        Lowered { node: id, edge }
    }

    /// A number that no node has.
    fn next_id(&mut self) -> NodeId {
        let id = self.next;
        self.next = NodeId(id.0 + 1);
        id
    }

    fn plan(&mut self, plan: &LogicalPlan) -> Result<Lowered> {
        with_deep_stack(|| self.node_of(plan))
    }

    fn node_of(&mut self, plan: &LogicalPlan) -> Result<Lowered> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::SubqueryAlias(alias) => self.plan(&alias.input),
            LogicalPlan::Projection(projection) => self.projection(projection),
            LogicalPlan::Filter(filter) => self.filter(filter),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Unnest(unnest) => self.unnest(unnest),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Window(window) => self.window(window),
            // Readers of a view see its changes, which have no order.
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.plan(&sort.input),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Extension(extension) => self.extension(extension),
            LogicalPlan::EmptyRelation(empty) => self.empty(empty),
            LogicalPlan::Values(values) => self.values(values),
            other => Err(Error::new(Code::NotSupported, format!("{} in a continuous query is not built yet", kind_of(other)))),
        }
    }

    fn extension(&mut self, extension: &Extension) -> Result<Lowered> {
        let any = extension.node.as_any();
        if let Some(window) = any.downcast_ref::<WindowAggregate>() {
            self.window_aggregate(window)
        } else if let Some(assign) = any.downcast_ref::<AssignWindow>() {
            self.assign_window(assign)
        } else if let Some(join) = any.downcast_ref::<AsofJoin>() {
            self.asof_join(join)
        } else if let Some(join) = any.downcast_ref::<LookupJoin>() {
            self.lookup_join(join)
        } else if let Some(recursion) = any.downcast_ref::<Recursion>() {
            self.recursion(recursion)
        } else if let Some(rounds) = any.downcast_ref::<Rounds>() {
            self.rounds(rounds)
        } else {
            Err(Error::internal(format!("unknown plan node {}", extension.node.name())))
        }
    }
}

/// The first word of a plan node's picture, as `EXPLAIN PLAN` shows it.
fn kind_of(plan: &LogicalPlan) -> String {
    let text = plan.display().to_string();
    text.split([':', ' ']).next().unwrap_or_default().to_owned()
}

/// The schema of an edge that carries the rows of `plan`.
fn edge_schema(plan: &datafusion::common::DFSchema) -> SchemaRef {
    // Metadata of files and of functions is of no meaning below this room, and would make equal schemas differ.
    let fields: Vec<_> =
        plan.as_arrow().fields().iter().map(|field| field.as_ref().clone().with_metadata(Default::default())).collect();
    std::sync::Arc::new(arrow_schema::Schema::new(fields))
}

/// The column that `expr` repeats, perhaps under another name.
fn repeated_column(expr: &Expr, schema: &datafusion::common::DFSchema) -> Option<usize> {
    match expr.clone().unalias() {
        Expr::Column(column) => schema.maybe_index_of_column(&column),
        _ => None,
    }
}
