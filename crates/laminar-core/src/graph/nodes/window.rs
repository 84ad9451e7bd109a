//! Groups by tumbling, hopping or cumulating window and key.

use std::ops::RangeInclusive;

use arrow_schema::SchemaRef;

use super::can_be_sent;
use crate::expr::ExprRef;
use crate::expr::aggregate::AggregateCall;
use crate::graph::derive::{by_keys, windowed};
use crate::graph::distribute::{Placement, grouped};
use crate::graph::edge::{EdgeProperties, TimeColumn};
use crate::graph::explain::{emission, groups, lateness, time_name};
use crate::graph::kept::{KeptInput, NodeKeeps, kept_groups, open_windows, with_window};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_groups, expect_watermark};
use crate::time::windows::{WindowKind, WindowShape};
use crate::{Code, Error, Result};

/// `GROUP BY window, keys`. Output columns: `window_start`, `window_end`, keys, aggregates.
#[derive(Debug, Clone)]
pub struct WindowSpec {
    /// Which windows; not sessions.
    pub shape: WindowShape,
    /// The time column of the input.
    pub time: usize,
    /// How far that column may stay behind the input's watermark, in nanoseconds.
    pub time_lag: i64,
    /// Group keys over the input.
    pub keys: Vec<ExprRef>,
    /// What is computed for each window and group.
    pub aggregates: Vec<AggregateCall>,
    /// When results are shown.
    pub emission: WindowEmission,
    /// How long after its end a window still takes rows, in nanoseconds.
    pub lateness: i64,
}

/// When a window's result is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowEmission {
    /// After every step that changed it: −1 old, +1 new.
    Changes,
    /// When the watermark passes the end; again, −1 old +1 new, when a row within the lateness changes it.
    OnWatermark,
    /// Once, when the watermark passes end + lateness.
    OnClose,
}

impl WindowSpec {
    /// Whether a window's results are shown once: it takes no more rows after that.
    pub fn shows_once(&self) -> bool {
        match self.emission {
            WindowEmission::Changes => false,
            WindowEmission::OnWatermark => self.lateness == 0,
            WindowEmission::OnClose => true,
        }
    }
}

impl NodeSpec for WindowSpec {
    fn name(&self) -> &'static str {
        "window"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    /// One row for each window and key. Windows that are still open end after the promised watermark (which a window operator
    /// holds back by the time column's lag) minus the lateness.
    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let start_lag = self.lateness.saturating_add(self.shape.max_length_nanos());
        let [start, end] =
            [TimeColumn::new(0, start_lag), TimeColumn::new(1, self.lateness).in_order()].map(TimeColumn::complete);
        // Cumulating windows that close one after the other have one start.
        let start = if matches!(self.shape.kind, WindowKind::Cumulating { .. }) { start } else { start.in_order() };
        let times = vec![start, end];
        let (shown, keys) = ((self.emission, self.lateness), self.keys.len());
        windowed(inputs[0], schema, shown, by_keys(2, keys), keys, times)
    }

    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        grouped(&inputs[0], &self.keys, 2)
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        expect_watermark(inputs[0], self.time, self.time_lag, self.emission)?;
        if self.lateness < 0 {
            return Err(Error::new(Code::InvalidWindow, "the lateness of a window cannot be negative"));
        }
        let time = inputs[0].schema.field(self.time).data_type();
        expect_groups(schema, &[time, time], &self.keys, &self.aggregates)
    }

    fn explain(&self, _: &Node, inputs: &[&SchemaRef]) -> String {
        format!(
            "Window {} over {} {} {}{}",
            self.shape,
            time_name(inputs, self.time),
            groups(&self.keys, &self.aggregates),
            emission(self.emission),
            lateness(self.lateness)
        )
    }

    /// A window is forgotten when the watermark has passed its end and the lateness. Over rows without watermark none ever is.
    fn keeps(&self, _: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        let input = &inputs[0];
        let output = input.extent.groups(&with_window(&self.keys));
        let [open, rows] = open_windows(input, self.time, &self.keys, |lag| {
            format!("the windows that are open: {}{}", self.shape, lateness(self.lateness.saturating_add(lag)))
        });
        let retracts = !input.edge.changes.is_append();
        NodeKeeps { kept: kept_groups(&self.keys, &self.aggregates, (&open, &rows), retracts, ""), output }
    }

    fn has_partial_aggregation(&self, input: &EdgeProperties) -> bool {
        self.shows_once() && can_be_sent(&self.aggregates, input)
    }
}
