//! Plans and runs an ad-hoc SELECT.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use chrono::DateTime;
use datafusion::common::DataFusionError;
use datafusion::datasource::{MemTable, ViewTable, provider_as_source};
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{LogicalPlan, TableSource};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::sql::sqlparser::ast::ObjectNamePart;
use futures::StreamExt;
use laminar_core::limits::VIEWS_INLINED_MAX;
use laminar_core::{Code, Error, Result};

use super::computed_arguments::compute_arguments_below;
use super::exact_sums::exact_sums;
use super::exclusions::exclude;
use super::memory::QueryMemory;
use super::named_keys::named_keys;
use super::texts_by_order::texts_by_order;
use crate::ast_walk::walk_relations;
use crate::parse::{StreamQuery, names};
use crate::plan::errors::from_datafusion;
use crate::plan::{Planner, Reading, display_names, expand_set_operations, first_of_each, refuse_lookups};

/// Something that an ad-hoc query can read.
pub enum SnapshotRelation {
    /// Rows as of one step.
    Rows(SchemaRef, Vec<RecordBatch>),
    /// A view: its query is put in.
    View(StreamQuery, String),
}

/// All that ad-hoc queries can read, as of one step.
pub trait SnapshotTables {
    /// The relation called `name`.
    fn relation(&self, name: &str) -> Result<Option<SnapshotRelation>>;

    /// All names, for "did you mean".
    fn names(&self) -> Vec<String>;
}

impl Planner {
    /// The rows of `query` over `tables`; `text` is the statement's text, for positions, and `now` the wall-clock time in
    /// nanoseconds, which is `now()` for the whole query. Fails if the query needs more than `bytes_max` of memory.
    pub async fn select(
        &self,
        query: &StreamQuery,
        text: &str,
        tables: &dyn SnapshotTables,
        now: i64,
        bytes_max: usize,
    ) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let plan = self.snapshot_plan(query, text, tables, &Cell::new(0), Reading::Result)?;
        let plan = exact_sums(plan)
            .and_then(exclude)
            .and_then(texts_by_order)
            .and_then(compute_arguments_below)
            .map_err(from_datafusion)?;
        let memory = QueryMemory::new(bytes_max);
        let runtime = memory.runtime().map_err(from_datafusion)?;
        let mut state = SessionStateBuilder::new_from_existing(self.state().clone()).with_runtime_env(runtime).build();
        state.execution_props_mut().query_execution_start_time = Some(DateTime::from_timestamp_nanos(now));
        let optimized = state.optimize(&plan).and_then(named_keys).map_err(from_datafusion)?;
        let physical = state.query_planner().create_physical_plan(&optimized, &state).await.map_err(from_datafusion)?;
        let answer = collect(physical, state.task_ctx(), &memory).await;
        let (schema, rows) = answer.map_err(|error| memory.explain(from_datafusion(error)))?;
        let shown = display_names(&schema);
        let renamed = |batch: RecordBatch| Ok(RecordBatch::try_new(Arc::clone(&shown), batch.columns().to_vec())?);
        let rows = if Arc::ptr_eq(&shown, &schema) { rows } else { rows.into_iter().map(renamed).collect::<Result<_>>()? };
        Ok((shown, rows))
    }

    fn snapshot_plan(
        &self,
        query: &StreamQuery,
        text: &str,
        tables: &dyn SnapshotTables,
        inlined: &Cell<usize>,
        reading: Reading,
    ) -> Result<LogicalPlan> {
        // The closure that DataFusion calls cannot return our error, so it is kept aside.
        let trouble: RefCell<Option<Error>> = RefCell::new(None);
        let resolve = |name: &str| match self.snapshot_source(name, tables, inlined) {
            Ok(source) => source,
            Err(error) => {
                trouble.borrow_mut().get_or_insert(error);
                None
            }
        };
        let plan = self.analyze(&query.query, text, &resolve, &tables.names(), reading);
        match trouble.into_inner() {
            Some(error) => Err(error),
            None => plan.and_then(|plan| {
                super::windows::expand(plan)
                    .and_then(refuse_lookups)
                    .and_then(super::asof_joins::expand)
                    .and_then(expand_set_operations)
                    .and_then(first_of_each)
                    .map_err(from_datafusion)
            }),
        }
    }

    fn snapshot_source(
        &self,
        name: &str,
        tables: &dyn SnapshotTables,
        inlined: &Cell<usize>,
    ) -> Result<Option<Arc<dyn TableSource>>> {
        Ok(match tables.relation(name)? {
            None => None,
            Some(SnapshotRelation::Rows(schema, rows)) => {
                let table = MemTable::try_new(schema, vec![rows]).map_err(from_datafusion)?;
                Some(provider_as_source(Arc::new(table)))
            }
            Some(SnapshotRelation::View(query, text)) => {
                inlined.set(inlined.get() + 1);
                refuse_too_many_views(name, inlined.get())?;
                let plan = self.snapshot_plan(&query, &text, tables, inlined, Reading::View);
                let plan = plan.map_err(|error| within_view(error, name))?;
                Some(provider_as_source(Arc::new(ViewTable::new(plan, None))))
            }
        })
    }
}

/// Runs a plan. What comes out is counted as what its operators hold is.
async fn collect(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    memory: &QueryMemory,
) -> Result<(SchemaRef, Vec<RecordBatch>), DataFusionError> {
    let mut answer = memory.answer(plan.schema());
    let mut stream = execute_stream(plan, context)?;
    while let Some(batch) = stream.next().await {
        answer.push(batch?)?;
    }
    Ok(answer.finish())
}

/// Fails if the query of `name` is view number `inlined` that is put in for one query, and these are too many: each view that names two
/// others doubles them.
pub fn refuse_too_many_views(name: &str, inlined: usize) -> Result<()> {
    if inlined <= VIEWS_INLINED_MAX {
        return Ok(());
    }
    let text = format!("more than {VIEWS_INLINED_MAX} views would be put in for one query, the last one '{name}'");
    Err(Error::new(Code::LimitReached, text)
        .with_detail("a view is put in wherever it is named, and so are the views that it names")
        .with_hint("make one of the lower views a MATERIALIZED VIEW: it is kept current once, for all that read from it"))
}

/// The error of a view's query, with the view's name; one that is about all of them stays as it is.
pub fn within_view(error: Error, name: &str) -> Error {
    if error.code() == Code::LimitReached { error } else { error.within(format!("view '{name}'")) }
}

/// The names in FROM of `query`, each once; names of its own CTEs may be among them.
pub fn relations_in(query: &StreamQuery) -> Vec<String> {
    let mut names = Vec::new();
    let _ = walk_relations(&query.query, |relation| {
        if let Some(ObjectNamePart::Identifier(ident)) = relation.0.last() {
            let name = names::of_ident(ident);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        ControlFlow::<()>::Continue(())
    });
    names
}
