//! Plans and runs an ad-hoc SELECT.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use chrono::DateTime;
use datafusion::datasource::{MemTable, ViewTable, provider_as_source};
use datafusion::logical_expr::{LogicalPlan, TableSource};
use datafusion::physical_plan::collect;
use datafusion::sql::sqlparser::ast::{ObjectNamePart, visit_relations};
use laminar_core::{Error, Result};

use super::computed_arguments::compute_arguments_below;
use super::exact_sums::exact_sums;
use crate::parse::StreamQuery;
use crate::plan::Planner;
use crate::plan::errors::from_datafusion;

/// Something that an ad-hoc query can read.
pub enum RestingRelation {
    /// Rows as of one step.
    Rows(SchemaRef, Vec<RecordBatch>),
    /// A view: its query is put in.
    View(StreamQuery, String),
}

/// All that ad-hoc queries can read, as of one step.
pub trait RestingTables {
    /// The relation called `name`.
    fn relation(&self, name: &str) -> Result<Option<RestingRelation>>;

    /// All names, for "did you mean".
    fn names(&self) -> Vec<String>;
}

impl Planner {
    /// The rows of `query` over `tables`; `text` is the statement's text, for positions, and `now` the wall-clock time in
    /// nanoseconds, which is `now()` for the whole query.
    pub async fn select(
        &self,
        query: &StreamQuery,
        text: &str,
        tables: &dyn RestingTables,
        now: i64,
    ) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let plan = self.resting_plan(query, text, tables)?;
        self.run(plan, now).await
    }

    /// The rows of an analyzed plan.
    pub(super) async fn run(&self, plan: LogicalPlan, now: i64) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let plan = exact_sums(plan).and_then(compute_arguments_below).map_err(from_datafusion)?;
        let state = &mut self.state().clone();
        state.execution_props_mut().query_execution_start_time = Some(DateTime::from_timestamp_nanos(now));
        let optimized = state.optimize(&plan).map_err(from_datafusion)?;
        let physical = state.query_planner().create_physical_plan(&optimized, state).await.map_err(from_datafusion)?;
        let schema = physical.schema();
        let rows = collect(physical, state.task_ctx()).await.map_err(from_datafusion)?;
        Ok((schema, rows))
    }

    fn resting_plan(&self, query: &StreamQuery, text: &str, tables: &dyn RestingTables) -> Result<LogicalPlan> {
        // The closure that DataFusion calls cannot return our error, so it is kept aside.
        let trouble: RefCell<Option<Error>> = RefCell::new(None);
        let resolve = |name: &str| match self.resting_source(name, tables) {
            Ok(source) => source,
            Err(error) => {
                trouble.borrow_mut().get_or_insert(error);
                None
            }
        };
        let plan = self.analyze(&query.query, text, &resolve, &tables.names());
        match trouble.into_inner() {
            Some(error) => Err(error),
            None => plan.and_then(|plan| super::windows::expand(plan).map_err(from_datafusion)),
        }
    }

    fn resting_source(&self, name: &str, tables: &dyn RestingTables) -> Result<Option<Arc<dyn TableSource>>> {
        Ok(match tables.relation(name)? {
            None => None,
            Some(RestingRelation::Rows(schema, rows)) => {
                let table = MemTable::try_new(schema, vec![rows]).map_err(from_datafusion)?;
                Some(provider_as_source(Arc::new(table)))
            }
            Some(RestingRelation::View(query, text)) => {
                let plan = self.resting_plan(&query, &text, tables).map_err(|error| error.within(format!("view '{name}'")))?;
                Some(provider_as_source(Arc::new(ViewTable::new(plan, None))))
            }
        })
    }
}

/// The names in FROM of `query`, each once; names of its own CTEs may be among them.
pub fn relations_in(query: &StreamQuery) -> Vec<String> {
    let mut names = Vec::new();
    let _ = visit_relations(&query.query, |relation| {
        if let Some(ObjectNamePart::Identifier(ident)) = relation.0.last() {
            let name = if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        ControlFlow::<()>::Continue(())
    });
    names
}
