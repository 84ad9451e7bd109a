//! Rows from outside: where a graph begins.

use std::ops::RangeInclusive;

use arrow_schema::SchemaRef;

use crate::Result;
use crate::graph::distribute::Placement;
use crate::graph::edge::{ChangeKind, EdgeProperties, Partitioning, TimeColumn};
use crate::graph::explain::{column_name, column_names, interval};
use crate::graph::kept::{Extent, KEYED_ROW_BYTES, Kept, KeptInput, NodeKeeps, row_bytes};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_column, expect_time};
use crate::time::watermark::{Partitions, WatermarkPer, WatermarkRule, WatermarkSpec};

/// Rows from outside.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// How watermarks come about; `None`: the source has no event time.
    pub watermark: Option<WatermarkSpec>,
    /// Wall-clock silence after which the source counts as idle, in nanoseconds; `None`: never.
    pub idle_timeout: Option<i64>,
}

impl SourceSpec {
    /// A table: it has no event time and is always idle, so that no reader waits for its end.
    pub const TABLE: SourceSpec = SourceSpec { watermark: None, idle_timeout: Some(0) };
    /// Rows without event time, whose end is waited for.
    pub const TIMELESS: SourceSpec = SourceSpec { watermark: None, idle_timeout: None };

    /// True for [`TABLE`](Self::TABLE).
    pub fn is_table(&self) -> bool {
        self.watermark.is_none() && self.idle_timeout == Some(0)
    }
}

impl NodeSpec for SourceSpec {
    fn name(&self) -> &'static str {
        "source"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        0..=0
    }

    fn derive(&self, _: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let time_columns = self.watermark.iter().map(|watermark| TimeColumn::new(watermark.column, 0)).collect();
        EdgeProperties { time_columns, is_stream: !self.is_table(), ..EdgeProperties::new(schema, ChangeKind::Append) }
    }

    /// Tables are small, and people's changes to them must keep their order.
    fn distribute(&self, _: &[EdgeProperties]) -> Placement {
        Placement::new(vec![], if self.is_table() { Partitioning::Single } else { Partitioning::Any })
    }

    fn validate(&self, _: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        self.watermark.iter().try_for_each(|watermark| {
            if let WatermarkPer::Key { columns, .. } = &watermark.per {
                columns.iter().try_for_each(|column| expect_column(schema, *column))?;
            }
            expect_time(schema, watermark.column)
        })
    }

    fn explain(&self, node: &Node, _: &[&SchemaRef]) -> String {
        let watermark = self.watermark.as_ref().map(|watermark| {
            format!(" watermark {}{}", rule(watermark, &node.output.schema), per(watermark, &node.output.schema))
        });
        let idle = match self.idle_timeout {
            _ if self.is_table() => " table".to_owned(),
            Some(nanos) => format!(" idle after {}", interval(nanos)),
            None => String::new(),
        };
        format!("Source {}{}{idle}", node.name, watermark.unwrap_or_default())
    }

    fn keeps(&self, node: &Node, _: &[KeptInput<'_>]) -> NodeKeeps {
        if self.is_table() {
            return NodeKeeps::nothing(Extent::Bounded(format!("the rows of table {}", node.name)));
        }
        let output = Extent::Grows(format!("rows of {}", node.name));
        let Some(WatermarkSpec { per: WatermarkPer::Key { columns, keys_max }, .. }) = &self.watermark else {
            return NodeKeeps::nothing(output);
        };
        let what = format!("a watermark for each ({})", column_names(&node.output.schema, columns));
        let extent = Extent::Bounded(format!("max_keys: {keys_max}"));
        NodeKeeps::only(Kept::new(what, &extent, KEYED_ROW_BYTES + row_bytes(&node.output.schema), ""), output)
    }

    /// A source that was idle may come back with old rows.
    fn follows_watermark(&self) -> bool {
        self.idle_timeout.is_none()
    }
}

fn rule(watermark: &WatermarkSpec, schema: &SchemaRef) -> String {
    let time = column_name(schema, watermark.column);
    match &watermark.rule {
        WatermarkRule::BoundedOutOfOrderness { delay } => format!("{time} - {}", interval(*delay)),
        WatermarkRule::Ascending => format!("{time} ascending"),
        WatermarkRule::Periodic { delay, every } => format!("{time} - {} every {}", interval(*delay), interval(*every)),
        WatermarkRule::Punctuated { marker } => format!("{time} where {}", marker.display()),
        WatermarkRule::ProcessingTime { delay } => format!("{time} = arrival - {}", interval(*delay)),
    }
}

fn per(watermark: &WatermarkSpec, schema: &SchemaRef) -> String {
    match &watermark.per {
        WatermarkPer::Source => String::new(),
        WatermarkPer::Key { columns, .. } => format!(" per {}", column_names(schema, columns)),
        WatermarkPer::Partition(Partitions::Together(_)) => " per partition".to_owned(),
        WatermarkPer::Partition(Partitions::InTurn(partitions)) => format!(" of the last of {partitions} partitions"),
    }
}
