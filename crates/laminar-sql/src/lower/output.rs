//! The end of a query: what holds its changes back, and the output that readers know by name.

use laminar_core::dag::{EmitSpec, NodeKind, OutputSpec};
use laminar_core::{NodeId, Result};

use super::{Fragment, Lowering, edge_schema};
use crate::plan::{ContinuousPlan, Purpose};

/// The nodes of the object `name`, numbered from `first`.
pub fn lower(plan: &ContinuousPlan, name: &str, first: NodeId) -> Result<Fragment> {
    let mut lowering = Lowering::new(name, first, plan);
    let below = lowering.plan(&plan.logical)?;
    let held = match plan.emission.root {
        Some(when) => {
            let schema = below.edge.schema.clone();
            lowering.add(NodeKind::Emit(EmitSpec { when }), &[&below], schema)
        }
        None => below,
    };
    let schema = edge_schema(plan.logical.schema());
    let spec = OutputSpec { stored: plan.purpose == Purpose::View, pushed: false, primary_key: None, schema: schema.clone() };
    let root = lowering.add(NodeKind::Output(spec), &[&held], schema);
    Ok(Fragment {
        root: root.node,
        properties: root.edge,
        nodes: lowering.nodes,
        reads: lowering.reads.iter().map(|read| read.node).collect(),
    })
}
