//! The only place that turns a kind of node into an operator.

use super::Operator;
use super::append_top_n::AppendTopN;
use super::asof_join::AsofJoin;
use super::assign_window::AssignWindow;
use super::changes::Changes;
use super::compute::Compute;
use super::constant::Constant;
use super::egress::Egress;
use super::emit::Emit;
use super::group_aggregate::GroupAggregate;
use super::index::Index;
use super::ingress::Ingress;
use super::join::JoinOperator;
use super::limit::Limit;
use super::over::Over;
use super::recursion::Recursion;
use super::session_window::SessionOperator;
use super::temporal_filter::TemporalFilter;
use super::top_n::TopN;
use super::union::Union;
use super::unnest::Unnest;
use super::window::WindowOperator;
use crate::graph::{EdgeProperties, Node, NodeKind};
use crate::{Code, Error, Result};

/// The operator of `node`, whose inputs are `inputs` by port.
pub fn build(node: &Node, inputs: &[&EdgeProperties]) -> Result<Box<dyn Operator>> {
    let output = node.output.schema.clone();
    Ok(match (&node.kind, inputs) {
        (NodeKind::Source(spec), []) => Box::new(Ingress::new(spec, &node.output)?),
        (NodeKind::Constant(spec), []) => Box::new(Constant::new(spec)),
        (NodeKind::Compute(spec), [_]) => Box::new(Compute::new(spec, output)),
        (NodeKind::TemporalFilter(spec), [input]) => Box::new(TemporalFilter::new(spec, input, output)),
        (NodeKind::Union, _) => Box::new(Union::new(output)),
        (NodeKind::Unnest(spec), [_]) => Box::new(Unnest::new(spec, output)),
        (NodeKind::Aggregate(spec), [input]) => Box::new(GroupAggregate::new(spec, input, output)?),
        (NodeKind::AssignWindow(spec), [input]) => Box::new(AssignWindow::new(spec, input, output)?),
        (NodeKind::Window(spec), [input]) => Box::new(WindowOperator::new(spec, input, output)?),
        (NodeKind::Session(spec), [input]) => Box::new(SessionOperator::new(spec, input, output)?),
        (NodeKind::Join(spec), [left, right]) => Box::new(JoinOperator::new(spec, left, right, output)?),
        (NodeKind::AsofJoin(spec), [left, right]) => Box::new(AsofJoin::new(spec, left, right, output)?),
        (NodeKind::Limit(spec), [_]) => Box::new(Limit::new(spec)),
        (NodeKind::TopN(spec), [input]) if AppendTopN::serves(spec, input) => Box::new(AppendTopN::new(spec, input, output)?),
        (NodeKind::TopN(spec), [input]) => Box::new(TopN::new(spec, input, output)?),
        (NodeKind::Over(spec), [input]) => Box::new(Over::new(spec, input, output)?),
        (NodeKind::Recursion(spec), inputs) => Box::new(Recursion::new(spec, inputs, output)?),
        (NodeKind::Emit(spec), [input]) => Box::new(Emit::new(spec, input, output)),
        (NodeKind::Changes(_), [input]) => Box::new(Changes::new(input, output)),
        (NodeKind::Index(spec), [input]) => Box::new(Index::new(spec, input)),
        (NodeKind::Output(spec), [input]) => Box::new(Egress::new(spec, input)?),
        (kind, _) => return Err(not_built(kind)),
    })
}

fn not_built(kind: &NodeKind) -> Error {
    let text = format!("{kind:?}");
    let name = text.split(['(', ' ']).next().unwrap_or_default().to_owned();
    Error::new(Code::NotSupported, format!("operator {name} is not supported")).with_hint("rewrite the query without it")
}
