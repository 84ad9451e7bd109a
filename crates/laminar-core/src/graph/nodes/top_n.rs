//! The first rows of each partition in an order.

use std::ops::RangeInclusive;

use arrow_schema::{DataType, SchemaRef};

use crate::expr::SortKey;
use crate::graph::derive::together;
use crate::graph::distribute::{Placement, partitioned};
use crate::graph::edge::{ChangeKind, EdgeProperties};
use crate::graph::explain::{column_names, sorting};
use crate::graph::kept::{Extent, Kept, KeptInput, NodeKeeps, ORDERED_ROW_BYTES, row_bytes};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_order, expect_types, types};
use crate::{Error, Result};

/// `ORDER BY … LIMIT limit OFFSET offset` in each partition. Output columns: those of the input, then perhaps the number of the row. A row of
/// weight 3 is three rows. Rows with equal keys are ordered by all of their columns.
#[derive(Debug, Clone)]
pub struct TopNSpec {
    /// Rows with equal values in these columns are a partition (NULL = NULL); none: all rows are one.
    pub partition: Vec<usize>,
    /// What decides which rows are first.
    pub order: Vec<SortKey>,
    /// How many rows are left out before the first that is shown.
    pub offset: i64,
    /// How many rows are shown at most.
    pub limit: i64,
    /// Whether rows with the same keys as the last one are shown too.
    pub with_ties: bool,
    /// The name of a last column with the number of the row in its partition, from 1 as `row_number()` counts: rows that are left out before the
    /// first that is shown count. Not with ties.
    pub row_number: Option<String>,
}

impl NodeSpec for TopNSpec {
    fn name(&self) -> &'static str {
        "top-n"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let is_one = self.limit == 1 && !self.with_ties && self.row_number.is_none();
        let changes = if is_one { ChangeKind::Upsert(self.partition.clone()) } else { ChangeKind::Retract };
        together(inputs[0], schema, changes, &self.partition)
    }

    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        partitioned(&inputs[0], &self.partition)
    }

    /// With each row the numbers of all behind it change.
    fn takes_pieces(&self, _: bool) -> bool {
        self.row_number.is_none()
    }

    fn gives_provisional_rows(&self) -> bool {
        true
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        expect_order(&inputs[0].schema, &self.partition, &self.order)?;
        if self.offset < 0 || self.limit < 0 {
            return Err(Error::internal("a top-n of fewer than no rows"));
        }
        if self.with_ties && self.row_number.is_some() {
            return Err(Error::internal("a top-n with numbers and with ties"));
        }
        let number = self.row_number.is_some().then_some(&DataType::Int64);
        expect_types(schema, types(&inputs[0].schema).chain(number))
    }

    fn explain(&self, node: &Node, _: &[&SchemaRef]) -> String {
        let schema = &node.output.schema;
        let offset = if self.offset == 0 { String::new() } else { format!(" after {}", self.offset) };
        let ties = if self.with_ties { " with ties" } else { "" };
        let order =
            if self.order.is_empty() { String::new() } else { format!(" in the order of {}", sorting(schema, &self.order)) };
        let each = match self.partition.is_empty() {
            true => String::new(),
            false => format!(" for each ({})", column_names(schema, &self.partition)),
        };
        let number = self.row_number.as_ref().map_or(String::new(), |name| format!(" compute (row_number() as {name})"));
        format!("TopN {}{ties}{offset}{order}{each}{number}", self.limit)
    }

    /// All rows, since one that is shown may be taken back, and then the next one is shown. Where rows only come, those that are shown.
    fn keeps(&self, node: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        let input = &inputs[0];
        let partition = column_names(&node.output.schema, &self.partition);
        let first = |rows: i64| match (self.with_ties, self.partition.is_empty()) {
            (true, _) => input.extent.clone(),
            (false, true) => Extent::Bounded(format!("{rows} rows")),
            (false, false) => input.extent.groups(&partition),
        };
        let order = sorting(&node.output.schema, &self.order);
        let bytes = ORDERED_ROW_BYTES + row_bytes(&input.edge.schema);
        let rows = self.offset.saturating_add(self.limit);
        let kept = if input.edge.changes.is_append() {
            let each = if self.partition.is_empty() { String::new() } else { format!(" for each ({partition})") };
            let what = format!("the first {rows} rows{each} in the order of {order}");
            let rows_each = if self.partition.is_empty() { 1 } else { usize::try_from(rows).unwrap_or(1).max(1) };
            Kept::new(what, &first(rows), bytes.saturating_mul(rows_each), "")
        } else {
            let remedy = "GROUP BY below it, so that it keeps one row for each group: what LIMIT leaves out is kept too";
            Kept::new(format!("all rows in the order of {order}"), input.extent, bytes, remedy)
        };
        NodeKeeps::only(kept, first(self.limit))
    }
}
