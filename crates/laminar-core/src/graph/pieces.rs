//! Whether the rows with which a query begins can come to its nodes in many steps.

use std::collections::BTreeSet;

use super::node::Node;
use crate::NodeId;
use crate::expr::ExprRef;

/// Whether many steps make about as much work as one that brings all rows, reject the same rows, and give the same in the end. `nodes` stand each after its
/// inputs; what they read from others only comes.
pub fn takes_pieces(nodes: &[Node]) -> bool {
    // The nodes whose rows may be taken back before the last piece: half a sum, a left row whose partner has not come yet.
    let mut provisional: BTreeSet<NodeId> = BTreeSet::new();
    nodes.iter().all(|node| {
        let spec = node.kind.spec();
        let comes = node.inputs.iter().any(|input| provisional.contains(input));
        if comes || spec.gives_provisional_rows() {
            provisional.insert(node.id);
        }
        spec.takes_pieces(comes)
    })
}

/// Whether these only repeat columns: no row fails in them.
pub(super) fn are_columns<'a>(exprs: impl IntoIterator<Item = &'a ExprRef>) -> bool {
    exprs.into_iter().all(|expr| expr.as_column().is_some())
}
