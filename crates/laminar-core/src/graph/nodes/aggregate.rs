//! Groups without windows.

use std::ops::RangeInclusive;

use arrow_schema::SchemaRef;

use crate::Result;
use crate::expr::ExprRef;
use crate::expr::aggregate::AggregateCall;
use crate::graph::derive::{by_keys, time_at};
use crate::graph::distribute::{Placement, grouped};
use crate::graph::edge::{ChangeKind, EdgeProperties, TimeColumn};
use crate::graph::explain::{groups, list};
use crate::graph::kept::{Extent, KeptInput, NodeKeeps, kept_groups};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::pieces::are_columns;
use crate::graph::validate::expect_groups;

/// `GROUP BY keys`. Output columns: keys, then aggregates. Without keys there is always exactly one row.
#[derive(Debug, Clone)]
pub struct AggregateSpec {
    /// Group keys over the input.
    pub keys: Vec<ExprRef>,
    /// What is computed for each group.
    pub aggregates: Vec<AggregateCall>,
}

/// What bounds groups.
const GROUPS_REMEDY: &str =
    "GROUP BY a window of event time too, as TUMBLE(ts, INTERVAL '1' MINUTE): the source needs a WATERMARK for it";

impl AggregateSpec {
    /// The first key that is a time behind which the rows of `input` are complete, and its place among the keys.
    pub(crate) fn complete_time(&self, input: &EdgeProperties) -> Option<TimeColumn> {
        self.keys.iter().enumerate().filter_map(|(at, key)| time_at(input, key, at)).find(|time| time.complete)
    }
}

impl NodeSpec for AggregateSpec {
    fn name(&self) -> &'static str {
        "aggregate"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let keys = self.keys.len();
        let time_columns = self.keys.iter().enumerate().filter_map(|(at, key)| time_at(inputs[0], key, at)).collect();
        let changes = ChangeKind::Upsert((0..keys).collect());
        EdgeProperties { partitioning: by_keys(0, keys), time_columns, ..EdgeProperties::out_of(inputs, schema, changes) }
    }

    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        grouped(&inputs[0], &self.keys, 0)
    }

    fn takes_pieces(&self, provisional: bool) -> bool {
        let call = |call: &AggregateCall| {
            !call.function.recomputes() && (!provisional || are_columns(call.args.iter().chain(&call.filter)))
        };
        self.aggregates.iter().all(call) && (!provisional || are_columns(&self.keys))
    }

    fn gives_provisional_rows(&self) -> bool {
        true
    }

    fn validate(&self, _: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        expect_groups(schema, &[], &self.keys, &self.aggregates)
    }

    fn explain(&self, _: &Node, _: &[&SchemaRef]) -> String {
        format!("Aggregate {}", groups(&self.keys, &self.aggregates))
    }

    fn keeps(&self, _: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        let input = &inputs[0];
        let groups = input.extent.groups(&list(&self.keys));
        let retracts = !input.edge.changes.is_append();
        let open =
            self.complete_time(input.edge).map(|_| Extent::Bounded("windows that are open, closed by the watermark".to_owned()));
        let (rows, kept) = (open.as_ref().unwrap_or(input.extent), open.as_ref().unwrap_or(&groups));
        let kept = kept_groups(&self.keys, &self.aggregates, (kept, rows), retracts, GROUPS_REMEDY);
        NodeKeeps { kept, output: groups }
    }

    fn has_partial_aggregation(&self, input: &EdgeProperties) -> bool {
        can_be_sent(&self.aggregates, input)
    }

    /// A group changes whatever time its rows are of.
    fn follows_watermark(&self) -> bool {
        false
    }
}

/// Whether these aggregates can be worked out in two phases over rows of `input`: nothing is taken back, and a group is no more
/// to send than a few rows.
pub fn can_be_sent(calls: &[AggregateCall], input: &EdgeProperties) -> bool {
    let is_small = |call: &AggregateCall| call.function.accumulator(false).is_ok_and(|accumulator| accumulator.is_small());
    input.changes.is_append() && calls.iter().all(is_small)
}
