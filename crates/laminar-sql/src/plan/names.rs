//! Resolves the names in a query: relations from the catalog, functions and options from DataFusion's session state.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_schema::{DataType, SchemaRef};
use datafusion::catalog::TableFunctionArgs;
use datafusion::common::{Column, DataFusionError, Result, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning, TypePlanner,
};
use datafusion::logical_expr::{AggregateUDF, Expr, HigherOrderUDF, LogicalPlanBuilder, ScalarUDF, TableSource, WindowUDF};
use datafusion::sql::sqlparser::ast::TableFactor;

use super::rules::with_true_keys;

/// Looks a relation up by its name.
pub(crate) type ResolveTable<'a> = dyn Fn(&str) -> Option<Arc<dyn TableSource>> + 'a;

/// The names that one query can use.
pub(crate) struct Names<'a> {
    pub(crate) state: &'a SessionState,
    pub(crate) tables: &'a ResolveTable<'a>,
    pub(crate) series: Series,
    relations: [Arc<dyn RelationPlanner>; 1],
}

impl<'a> Names<'a> {
    pub(crate) fn new(state: &'a SessionState, tables: &'a ResolveTable<'a>, series: Series) -> Self {
        Self { state, tables, series, relations: [Arc::new(RelationsWithTrueKeys::default())] }
    }
}

/// Relations of FROM say of themselves only what holds, since keys are added to a GROUP BY over them that are determined by those that are written.
#[derive(Debug, Default)]
struct RelationsWithTrueKeys {
    /// The next relation is one that is being planned: DataFusion does it.
    is_planning: AtomicBool,
}

impl RelationPlanner for RelationsWithTrueKeys {
    fn plan_relation(&self, relation: TableFactor, context: &mut dyn RelationPlannerContext) -> Result<RelationPlanning> {
        if self.is_planning.swap(false, Ordering::Relaxed) {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        self.is_planning.store(true, Ordering::Relaxed);
        let planned = context.plan(relation)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(with_true_keys(planned)?.data, None))))
    }
}

/// How `generate_series(…)` in FROM gives its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Series {
    /// One after the other, as many as there may be.
    Streamed,
    /// As the elements of an array: as a part of a plan, of which nothing has to be read.
    Unpacked,
}

impl ContextProvider for Names<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let table = name.table();
        (self.tables)(table).ok_or_else(|| DataFusionError::Plan(format!("{UNKNOWN_TABLE}{table}")))
    }

    fn get_table_function_source(&self, name: &str, args: Vec<Expr>) -> Result<Arc<dyn TableSource>> {
        if self.series == Series::Unpacked
            && matches!(name, "generate_series" | "range")
            && let Some(function) = self.state.scalar_functions().get(name)
        {
            return unpacked(function.call(args));
        }
        let functions: &HashMap<_, _> = self.state.table_functions();
        let function = functions.get(name).ok_or_else(|| DataFusionError::Plan(format!("{UNKNOWN_TABLE_FUNCTION}{name}")))?;
        Ok(provider_as_source(function.create_table_provider_with_args(TableFunctionArgs::new(&args, self.state))?))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relations
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        None
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}

/// The elements of an array as rows.
fn unpacked(array: Expr) -> Result<Arc<dyn TableSource>> {
    // As DataFusion's function calls it.
    let name = "value";
    let array = LogicalPlanBuilder::empty(true).project([array.alias(name)])?;
    let rows = array.unnest_column(Column::from_name(name))?.build()?;
    Ok(provider_as_source(Arc::new(ViewTable::new(rows, None))))
}

/// How [`Names`] tells `plan/errors.rs` that a relation is missing: DataFusion has no variant for it.
pub(crate) const UNKNOWN_TABLE: &str = "laminar: unknown table ";
/// The same for a table function.
pub(crate) const UNKNOWN_TABLE_FUNCTION: &str = "laminar: unknown function in FROM ";
