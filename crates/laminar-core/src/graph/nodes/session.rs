//! Groups by session and key.

use std::ops::RangeInclusive;

use arrow_schema::SchemaRef;

use super::WindowEmission;
use crate::expr::ExprRef;
use crate::expr::aggregate::AggregateCall;
use crate::graph::derive::{by_keys, windowed};
use crate::graph::distribute::{Placement, grouped};
use crate::graph::edge::{EdgeProperties, TimeColumn};
use crate::graph::explain::{emission, groups, interval, lateness, list, time_name};
use crate::graph::kept::{Kept, KeptInput, NodeKeeps, ORDERED_ROW_BYTES, kept_groups, open_windows, row_bytes, with_window};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_groups, expect_watermark};
use crate::{Code, Error, Result};

/// `GROUP BY session, keys`. Output columns as for [`WindowSpec`](crate::graph::WindowSpec).
#[derive(Debug, Clone)]
pub struct SessionSpec {
    /// Rows of a key at most this far apart belong together, in nanoseconds.
    pub gap: i64,
    /// The time column of the input.
    pub time: usize,
    /// How far that column may stay behind the input's watermark, in nanoseconds.
    pub time_lag: i64,
    /// Group keys over the input.
    pub keys: Vec<ExprRef>,
    /// How many of them, from the first on, keep sessions apart; the others make groups within a session.
    pub partition: usize,
    /// What is computed for each session.
    pub aggregates: Vec<AggregateCall>,
    /// When results are shown.
    pub emission: WindowEmission,
    /// How long after its end a session still takes rows, in nanoseconds.
    pub lateness: i64,
}

impl NodeSpec for SessionSpec {
    fn name(&self) -> &'static str {
        "session"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    /// As for windows, but a session may have begun any time ago.
    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let (shown, times) = ((self.emission, self.lateness), vec![TimeColumn::new(1, self.lateness).complete().in_order()]);
        windowed(inputs[0], schema, shown, by_keys(2, self.partition), self.keys.len(), times)
    }

    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        grouped(&inputs[0], &self.keys[..self.partition.min(self.keys.len())], 2)
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        expect_watermark(inputs[0], self.time, self.time_lag, self.emission)?;
        if self.lateness < 0 || self.gap <= 0 {
            let text = "the gap of a session must be greater than zero, its lateness not negative";
            return Err(Error::new(Code::InvalidWindow, text));
        }
        if self.partition > self.keys.len() {
            return Err(Error::internal("sessions are kept apart by more keys than they have"));
        }
        let time = inputs[0].schema.field(self.time).data_type();
        expect_groups(schema, &[time, time], &self.keys, &self.aggregates)
    }

    fn explain(&self, _: &Node, inputs: &[&SchemaRef]) -> String {
        format!(
            "Session gap {} over {}{} {} {}{}",
            interval(self.gap),
            time_name(inputs, self.time),
            apart(self.partition, &self.keys),
            groups(&self.keys, &self.aggregates),
            emission(self.emission),
            lateness(self.lateness)
        )
    }

    fn keeps(&self, _: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        let input = &inputs[0];
        let output = input.extent.groups(&with_window(&self.keys));
        let [open, rows] = open_windows(input, self.time, &self.keys, |lag| {
            format!("the sessions that are open: gap {}{}", interval(self.gap), lateness(self.lateness.saturating_add(lag)))
        });
        let retracts = !input.edge.changes.is_append();
        let mut kept = kept_groups(&self.keys, &self.aggregates, (&open, &rows), retracts, "");
        if retracts {
            // To take a row back, the rows of its session must be known.
            kept.push(Kept::new("the rows of open sessions", &rows, ORDERED_ROW_BYTES + row_bytes(&input.edge.schema), ""));
        }
        NodeKeeps { kept, output }
    }
}

/// By what sessions are kept apart, unless by all keys.
fn apart(partition: usize, keys: &[ExprRef]) -> String {
    if partition >= keys.len() { String::new() } else { format!(" partition by ({})", list(&keys[..partition])) }
}
