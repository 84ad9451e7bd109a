//! Which rows a statement changes, and what becomes of them: the queries of UPDATE, DELETE, ON CONFLICT DO UPDATE and RETURNING.

use std::collections::HashSet;
use std::ops::ControlFlow;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use datafusion::sql::sqlparser::ast::{Expr, ObjectNamePart, Query, Visitor};
use laminar_core::{Code, Error, Result};

use super::insert::assign;
use super::{InsertTarget, SnapshotTables};
use crate::ast_walk::walk;
use crate::parse::{StreamQuery, names};
use crate::plan::Planner;

/// The rows that a statement changes.
pub struct ChangedRows {
    /// The number of each, in the order in which they were found.
    pub numbers: Vec<usize>,
    /// The new values, one for each number, a column for each of the target's.
    pub values: Vec<ArrayRef>,
}

impl Planner {
    /// The rows that `query` finds, each once, with new values for the columns of `target`, at their types. Arguments as for
    /// [`insert_rows`](Self::insert_rows).
    pub async fn changed_rows(
        &self,
        query: &StreamQuery,
        text: &str,
        tables: &dyn SnapshotTables,
        target: &InsertTarget,
        now: i64,
        bytes_max: usize,
    ) -> Result<ChangedRows> {
        self.refuse_many_rows_as_one(&query.query)?;
        let (schema, batches) = self.select(query, text, tables, now, bytes_max).await?;
        let found = arrow_select::concat::concat_batches(&schema, &batches)?;
        let number_of_row = found.column(0).as_primitive::<Int64Type>().values();
        let mut seen = HashSet::with_capacity(number_of_row.len());
        let firsts: Vec<u32> =
            (0..found.num_rows()).filter(|row| seen.insert(number_of_row[*row])).map(|row| row as u32).collect();
        let numbers = firsts.iter().map(|row| number_of_row[*row as usize] as usize).collect();
        let firsts = UInt32Array::from(firsts);
        let values = found.columns()[1..].iter().zip(&target.columns).map(|(values, column)| {
            let values =
                if firsts.len() == values.len() { values.clone() } else { arrow_select::take::take(values, &firsts, None)? };
            assign(&values, column)
        });
        Ok(ChangedRows { numbers, values: values.collect::<Result<_>>()? })
    }

    /// What `RETURNING` answers.
    pub async fn returned_rows(
        &self,
        query: &StreamQuery,
        text: &str,
        tables: &dyn SnapshotTables,
        now: i64,
        bytes_max: usize,
    ) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        self.refuse_many_rows_as_one(&query.query)?;
        self.select(query, text, tables, now, bytes_max).await
    }

    /// Refuses what would make one row of many where each row is changed by itself.
    pub(super) fn refuse_many_rows_as_one(&self, query: &Query) -> Result<()> {
        match walk(query, &mut OuterCalls { planner: self, depth: 0 }) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }
}

/// Looks at the calls of a query, not at those of its sub-queries.
struct OuterCalls<'a> {
    planner: &'a Planner,
    depth: usize,
}

impl Visitor for OuterCalls<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<Error> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        let Expr::Function(call) = expr else { return ControlFlow::Continue(()) };
        let Some(ObjectNamePart::Identifier(ident)) = call.name.0.last() else { return ControlFlow::Continue(()) };
        let name = names::of_ident(ident);
        let kind = match () {
            () if self.depth != 1 => return ControlFlow::Continue(()),
            () if call.over.is_some() => "window",
            () if self.planner.state().aggregate_functions().contains_key(&name) => "aggregate",
            () => return ControlFlow::Continue(()),
        };
        let error = Error::new(Code::InvalidQuery, format!("{kind} function '{name}' where each row is changed by itself"));
        ControlFlow::Break(error.with_hint(format!("compute it in a sub-query: (SELECT {name}(…) FROM …)")))
    }
}
