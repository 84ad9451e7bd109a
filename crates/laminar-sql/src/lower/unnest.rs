//! UNNEST: a row for each element.

use datafusion::common::NullHandling;
use datafusion::logical_expr::Unnest;
use laminar_core::Result;
use laminar_core::dag::{MissingElements, NodeKind, UnnestColumn, UnnestSpec};

use super::{Lowered, Lowering, edge_schema};

impl Lowering {
    pub(super) fn unnest(&mut self, unnest: &Unnest) -> Result<Lowered> {
        let below = self.plan(&unnest.input)?;
        let missing = match unnest.options.null_handling {
            NullHandling::Drop => MissingElements::Dropped,
            NullHandling::Preserve => MissingElements::NullKept,
            NullHandling::PreserveAndExpandEmpty => MissingElements::AllKept,
        };
        let spec = UnnestSpec { columns: columns_of(unnest), missing };
        Ok(self.add(NodeKind::Unnest(spec), &[&below], edge_schema(&unnest.schema)))
    }
}

/// Several columns can come of one column of the input: they stand beside each other.
fn columns_of(unnest: &Unnest) -> Vec<UnnestColumn> {
    let inputs = &unnest.dependency_indices;
    let made = |(at, column): (usize, &usize)| {
        let number = inputs[..at].iter().rev().take_while(|before| *before == column).count();
        let mut lists = unnest.list_type_columns.iter().filter(|(list, _)| list == column);
        match lists.nth(number) {
            Some((_, list)) => UnnestColumn::Elements { column: *column, depth: list.depth },
            None if unnest.struct_type_columns.contains(column) => UnnestColumn::Field { column: *column, field: number },
            None => UnnestColumn::Repeated(*column),
        }
    };
    inputs.iter().enumerate().map(made).collect()
}
