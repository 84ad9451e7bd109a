//! The end of a query: what holds its changes back, and the output that readers know by name.

use laminar_core::dag::{ChangeKind, EdgeProperties, EmitSpec, EmitWhen, NodeKind, OutputSpec};
use laminar_core::{NodeId, Result};

use super::{Fragment, Lowered, Lowering, edge_schema};
use crate::plan::{ContinuousPlan, Purpose};

/// The nodes of the object `name`, numbered from `first`.
pub fn lower(plan: &ContinuousPlan, name: &str, first: NodeId) -> Result<Fragment> {
    let mut lowering = Lowering::new(name, first, plan);
    let below = lowering.plan(&plan.logical)?;
    let held = match plan.emission.root {
        Some(when) => {
            let edge = held_edge(&below, when);
            lowering.add(NodeKind::Emit(EmitSpec { when }), &[&below], edge)
        }
        None => below,
    };
    let schema = edge_schema(plan.logical.schema());
    let edge = EdgeProperties { schema: schema.clone(), ..held.edge.clone() };
    let spec = OutputSpec { stored: plan.purpose == Purpose::View, pushed: false, primary_key: None, schema };
    let root = lowering.add(NodeKind::Output(spec), &[&held], edge);
    Ok(Fragment { root: root.node, properties: root.edge, nodes: lowering.nodes, reads: lowering.reads })
}

/// What is let go once, at the end of time, is never taken back. Times of rows that are held back follow no watermark.
fn held_edge(below: &Lowered, when: EmitWhen) -> EdgeProperties {
    let mut edge = below.edge.clone();
    edge.time_columns.clear();
    if when == EmitWhen::AtEnd {
        edge.changes = ChangeKind::Append;
    }
    edge
}
