//! Columns by which rows are put together and ordered. Those that are computed stand behind the columns of the input.

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, ExprSchemable, SortExpr};
use laminar_core::Result;
use laminar_core::dag::{ComputeSpec, NodeKind};
use laminar_core::expr::{Column, SortDirection, SortKey};

use super::{Lowered, Lowering, repeated_column};
use crate::expr::scalar;
use crate::plan::errors::from_datafusion;

/// The keys over rows of one schema.
pub(super) struct KeyColumns<'a> {
    schema: &'a DFSchema,
    computed: Vec<Expr>,
}

impl<'a> KeyColumns<'a> {
    pub(super) fn new(schema: &'a DFSchema) -> Self {
        Self { schema, computed: Vec::new() }
    }

    /// The column that has the values of `expr`.
    pub(super) fn column(&mut self, expr: &Expr) -> usize {
        let expr = expr.clone().unalias();
        let place = repeated_column(&expr, self.schema);
        place.unwrap_or_else(|| {
            let known = self.computed.iter().position(|computed| *computed == expr);
            let index = known.unwrap_or_else(|| {
                self.computed.push(expr);
                self.computed.len() - 1
            });
            self.schema.fields().len() + index
        })
    }

    pub(super) fn sort_key(&mut self, sort: &SortExpr) -> SortKey {
        let direction = SortDirection { descending: !sort.asc, nulls_first: sort.nulls_first };
        SortKey { column: self.column(&sort.expr), direction }
    }

    /// Whether there are columns that the input does not have.
    pub(super) fn are_computed(&self) -> bool {
        !self.computed.is_empty()
    }
}

impl Lowering {
    /// Adds the computed keys to the rows of `below`.
    pub(super) fn with_keys(&mut self, below: Lowered, keys: &KeyColumns<'_>) -> Result<Lowered> {
        if !keys.are_computed() {
            return Ok(below);
        }
        let mut fields: Vec<Arc<Field>> = below.edge.schema.fields().iter().cloned().collect();
        let mut projection = Column::all(&below.edge.schema);
        for (index, expr) in keys.computed.iter().enumerate() {
            let data_type = expr.get_type(keys.schema).map_err(from_datafusion)?;
            fields.push(Arc::new(Field::new(format!("key {}", index + 1), data_type, true)));
            projection.push(scalar(expr, keys.schema)?);
        }
        let compute = ComputeSpec { filter: None, projection: Some(projection) };
        Ok(self.add(NodeKind::Compute(compute), &[&below], Arc::new(Schema::new(fields))))
    }

    /// The columns `columns` of `below`, under the names of `schema`.
    pub(super) fn picked(&mut self, below: Lowered, columns: &[usize], schema: SchemaRef) -> Lowered {
        let is_all = columns.iter().copied().eq(0..below.edge.schema.fields().len());
        if is_all && schema == below.edge.schema {
            return below;
        }
        let projection = columns.iter().map(|column| Column::new(&below.edge.schema, *column)).collect();
        self.add(NodeKind::Compute(ComputeSpec { filter: None, projection: Some(projection) }), &[&below], schema)
    }
}
