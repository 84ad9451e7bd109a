//! What optimiser rules are told of a query.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::common::alias::AliasGenerator;
use datafusion::config::ConfigOptions;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::optimizer::OptimizerConfig;

/// The planner's settings, for one query: the names that rules make up are counted from 1, so that a query has the same plan whatever was planned before. The state that a
/// directory holds is found again by its plan.
pub(super) struct QueryConfig<'a> {
    state: &'a SessionState,
    aliases: Arc<AliasGenerator>,
}

impl<'a> QueryConfig<'a> {
    pub(super) fn new(state: &'a SessionState) -> Self {
        Self { state, aliases: Arc::new(AliasGenerator::new()) }
    }
}

impl OptimizerConfig for QueryConfig<'_> {
    fn query_execution_start_time(&self) -> Option<DateTime<Utc>> {
        self.state.query_execution_start_time()
    }

    fn alias_generator(&self) -> &Arc<AliasGenerator> {
        &self.aliases
    }

    fn options(&self) -> Arc<ConfigOptions> {
        self.state.options()
    }

    fn function_registry(&self) -> Option<&dyn FunctionRegistry> {
        self.state.function_registry()
    }
}
