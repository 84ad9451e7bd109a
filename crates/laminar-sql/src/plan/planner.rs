//! Drives a query through the planner's stages.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, Result as DataFusionResult};
use datafusion::config::ConfigOptions;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan, TableSource};
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::optimizer::Optimizer;
use datafusion::optimizer::{Analyzer, AnalyzerRule, OptimizerRule, common_subexpr_eliminate};
use datafusion::prelude::SessionConfig;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{self, Query, Statement};
use laminar_core::dag::{EmitWhen, WindowEmission};
use laminar_core::{Error, Result};

use super::catalog::{Catalog, RelationSource};
use super::emission::{Emission, Purpose, never_closes, never_final, nothing_is_late};
use super::errors::{Failed, from_datafusion, from_datafusion_in};
use super::function_syntax::as_calls;
use super::names::{Names, ResolveTable, Series};
use super::nodes::WindowAggregate;
use super::query_config::QueryConfig;
use super::rules::{
    GroupedByWindow, assign_windows, check_constant_arguments, expand_set_operations, fill_windows, first_of_each,
    group_by_window, group_keys_once, joins_by_time, keep_late_columns, reads_clock, recursions, refuse_ambiguous_orders,
    refuse_lookup_tables_alone, refuse_lossy_terms, refuse_unstreamable, with_fences, with_null_safe_joins,
};
use super::scalar_clauses::refuse_clauses_of_scalars;
use super::shapes;
use super::subqueries;
use super::wildcard::{with_all_columns, without_columns};
use crate::deep::with_deep_stack;
use crate::expr::read_clock;
use crate::functions::{limit_values, register, register_shapes, with_moving_frames, with_signed_ranks};
use crate::parse::StreamQuery;
use crate::semantics::{AverageRule, CastRule, CoercionRule, OperatorPlanner, exact_syntax, physical_rules};

/// What was planned otherwise once, the earliest first: state that was written so is read by plans that are made so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum PlanVersion {
    /// row_number(), rank(), dense_rank() and ntile() are unsigned; all below, too.
    UnsignedRanks,
    /// A node numbers the first rows of each partition that another one finds.
    SeparateRowNumbers,
    /// As now.
    #[default]
    Current,
}

/// Plans queries. Holds the functions and settings; knows nothing of any catalog.
pub struct Planner {
    version: PlanVersion,
    state: SessionState,
    /// Makes joins of IN and EXISTS.
    membership: Optimizer,
    streaming: Optimizer,
    /// The same for queries that depend on the time: an expression with it stays where it is, since no column can hold it.
    by_clock: Optimizer,
}

/// What a query is planned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Rows that change: what is not built incrementally stays in the plan, and is refused by name.
    Changes,
    /// A view that an ad-hoc query names.
    View,
    /// The result of an ad-hoc query, which may have two columns of one name.
    Result,
}

/// A continuous query that is ready to be lowered.
#[derive(Debug, Clone)]
pub struct ContinuousPlan {
    /// The optimised plan.
    pub logical: LogicalPlan,
    /// When results are shown.
    pub emission: Emission,
    /// What is made of it.
    pub purpose: Purpose,
    /// How it is lowered.
    pub version: PlanVersion,
}

impl Default for Planner {
    fn default() -> Self {
        Self::new()
    }
}

impl Planner {
    /// A planner with all functions.
    pub fn new() -> Self {
        Self::of_version(PlanVersion::Current)
    }

    /// A planner that plans as this version did: for statements whose state was written so.
    pub fn of_version(version: PlanVersion) -> Self {
        let mut config = SessionConfig::new().with_target_partitions(1).with_information_schema(false);
        config.options_mut().sql_parser.map_string_types_to_utf8view = false;
        config.options_mut().sql_parser.collect_spans = true;
        // TIMESTAMPTZ is an instant, kept in UTC; without this DataFusion takes it for a TIMESTAMP.
        config.options_mut().execution.time_zone = Some("+00:00".to_owned());
        config.options_mut().optimizer.skip_failed_rules = false;
        // It takes an expression for the key below that has its name, and keeps the first groups by that.
        config.options_mut().optimizer.enable_topk_aggregation = false;
        // A plan knows of some CASE that they are never NULL, and what runs it does not: DataFusion would take that for an error.
        config.options_mut().execution.skip_physical_aggregate_schema_check = true;
        let mut state = SessionStateBuilder::new()
            .with_default_features()
            .with_config(config)
            .with_analyzer_rules(analyzer_rules())
            .with_optimizer_rules(with_null_safe_joins(with_fences(Optimizer::new().rules)))
            .with_physical_optimizer_rules(physical_rules())
            .build();
        // It answers for operators that no other planner of expressions does, so there is nothing to be refused.
        let _ = datafusion::execution::FunctionRegistry::register_expr_planner(&mut state, Arc::new(OperatorPlanner));
        register(&mut state);
        register_shapes(&mut state);
        with_moving_frames(&mut state);
        if version > PlanVersion::UnsignedRanks {
            with_signed_ranks(&mut state);
        }
        limit_values(&mut state);
        let membership = Optimizer::with_rules(vec![Arc::new(DecorrelatePredicateSubquery::new())]);
        let mut by_clock = streaming_rules();
        by_clock.retain(|rule| rule.name() != common_subexpr_eliminate::CommonSubexprEliminate::new().name());
        let (streaming, by_clock) = (Optimizer::with_rules(streaming_rules()), Optimizer::with_rules(by_clock));
        Self { version, state, membership, streaming, by_clock }
    }

    /// DataFusion's state: functions, settings.
    pub(crate) fn state(&self) -> &SessionState {
        &self.state
    }

    /// Settings of DataFusion.
    pub(crate) fn options(&self) -> &Arc<ConfigOptions> {
        self.state.config_options()
    }

    /// The plan of a continuous query over `catalog`. `text` is the statement's text, for positions.
    pub fn plan_continuous(
        &self,
        query: &StreamQuery,
        purpose: Purpose,
        text: &str,
        catalog: &dyn Catalog,
    ) -> Result<ContinuousPlan> {
        let plan = self.plan_view(query, text, catalog)?;
        let config = QueryConfig::new(&self.state);
        let explain = |error: DataFusionError| from_datafusion_in(&error, &self.failed(&query.query, text, catalog.names()));
        let plan = read_clock(plan)
            .and_then(|plan| expand_set_operations(plan.data))
            .and_then(|plan| self.membership.optimize(plan, &config, |_, _| {}))
            .and_then(recursions)
            .map_err(explain)?;
        refuse_unstreamable(&plan)?;
        let GroupedByWindow { plan, has_open_set } = group_by_window(plan).map_err(explain)?;
        let plan = first_of_each(plan).map_err(explain)?;
        let emission = Emission::of(query, purpose, is_windowed(&plan))?;
        if has_open_set && emission.window != WindowEmission::Changes {
            return Err(never_closes(query));
        }
        let by_clock = reads_clock(&plan)?;
        if by_clock && emission.root == Some(EmitWhen::AtEnd) {
            return Err(never_final(query));
        }
        let plan = match &query.late_to {
            Some(target) => {
                let kept = keep_late_columns(plan).map_err(explain)?;
                if kept.transformed { kept.data } else { return Err(nothing_is_late("LATE DATA TO", target.span)) }
            }
            None => plan,
        };
        let optimizer = if by_clock { &self.by_clock } else { &self.streaming };
        let logical = optimizer.optimize(plan, &config, |_, _| {}).map_err(explain)?;
        Ok(ContinuousPlan { logical, emission, purpose, version: self.version })
    }

    /// The plan of a query with names and types resolved and windows as nodes, not yet optimised: what a `CREATE VIEW` keeps.
    pub fn plan_view(&self, query: &StreamQuery, text: &str, catalog: &dyn Catalog) -> Result<LogicalPlan> {
        let tables = |name: &str| {
            let relation = catalog.relation(name)?;
            Some(Arc::new(RelationSource(relation)) as Arc<dyn TableSource>)
        };
        self.analyze(&query.query, text, &tables, &catalog.names(), Reading::Changes)
    }

    /// Names, types and windows of `query` over any tables.
    pub(crate) fn analyze(
        &self,
        query: &Query,
        text: &str,
        tables: &ResolveTable<'_>,
        known: &[String],
        reading: Reading,
    ) -> Result<LogicalPlan, Error> {
        with_deep_stack(|| self.analyze_here(query, text, tables, known, reading))
    }

    fn analyze_here(
        &self,
        query: &Query,
        text: &str,
        tables: &ResolveTable<'_>,
        known: &[String],
        reading: Reading,
    ) -> Result<LogicalPlan, Error> {
        let series = if reading == Reading::Changes { Series::Unpacked } else { Series::Streamed };
        let names = Names::new(&self.state, tables, series);
        let query = &mut query.clone();
        refuse_clauses_of_scalars(query, &self.state, text)?;
        // A result shows names, a view is read by them.
        if reading != Reading::Result {
            shapes::name_casts(query);
        }
        shapes::order_by_casts(query);
        exact_syntax(query, text)?;
        as_calls(query, text)?;
        shapes::let_values_meet(query, &names);
        let planned = self.planned(query, &names, reading);
        let plan = planned.map_err(|error| from_datafusion_in(&error, &self.failed(query, text, known.to_vec())))?;
        check_constant_arguments(&plan, &self.state, query, text)?;
        Ok(plan)
    }

    /// An expression without names, not yet analyzed.
    pub(crate) fn plan_constant(&self, expr: ast::Expr) -> Result<Expr> {
        let names = Names::new(&self.state, &|_| None, Series::Streamed);
        SqlToRel::new_with_options(&names, parser_options())
            .sql_to_expr(expr, &DFSchema::empty(), &mut PlannerContext::new())
            .map_err(from_datafusion)
    }

    fn planned(&self, query: &Query, names: &Names<'_>, reading: Reading) -> DataFusionResult<LogicalPlan> {
        let mut query = query.clone();
        shapes::rewrite(&mut query, names)?;
        if reading == Reading::Result {
            shapes::number_repeated_names(&mut query, names)?;
        }
        let plan =
            |query| SqlToRel::new_with_options(names, parser_options()).sql_statement_to_plan(Statement::Query(Box::new(query)));
        let plan = match without_columns(&query) {
            Some(bare) => with_all_columns(plan(bare)?)?,
            None => plan(query)?,
        };
        refuse_ambiguous_orders(&plan)?;
        refuse_lossy_terms(&plan)?;
        let plan = group_keys_once(plan)?;
        let analyzed = |plan| {
            self.state
                .analyzer()
                .execute_and_check(plan, self.options(), |_, _| {})
                .and_then(assign_windows)
                .and_then(|plan| fill_windows(plan, &self.state))
                .and_then(joins_by_time)
                .and_then(refuse_lookup_tables_alone)
        };
        analyzed(match reading {
            Reading::Changes => subqueries::flatten_to_joins(plan)?,
            Reading::View | Reading::Result => subqueries::flatten(plan)?,
        })
    }

    fn failed<'a>(&self, query: &'a Query, text: &'a str, relations: Vec<String>) -> Failed<'a> {
        let scalar = self.state.scalar_functions().keys();
        let functions = scalar.chain(self.state.aggregate_functions().keys()).chain(self.state.window_functions().keys());
        Failed { query, text, relations, functions: functions.cloned().collect() }
    }
}

pub(super) fn parser_options() -> ParserOptions {
    ParserOptions::new().with_collect_spans(true).with_map_string_types_to_utf8view(false).with_parse_float_as_decimal(true)
}

/// DataFusion's rules, with PostgreSQL's meaning of expressions before and after its coercion of types.
fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let datafusions = Analyzer::new().rules;
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::new(AverageRule), Arc::new(CoercionRule)];
    rules.extend(datafusions);
    rules.push(Arc::new(CastRule));
    rules
}

/// Rules that keep a plan's meaning for Z-sets. Left out: those that split DISTINCT aggregates in two, that use statistics of a
/// table at rest, that need a limit, and that put an empty relation, which nothing feeds, in place of `WHERE false`.
fn streaming_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    use datafusion::optimizer as o;
    with_null_safe_joins(with_fences(vec![
        Arc::new(o::optimize_unions::OptimizeUnions::new()),
        Arc::new(o::simplify_expressions::SimplifyExpressions::new()),
        Arc::new(o::replace_distinct_aggregate::ReplaceDistinctWithAggregate::new()),
        Arc::new(o::eliminate_outer_join::EliminateOuterJoin::new()),
        Arc::new(o::extract_equijoin_predicate::ExtractEquijoinPredicate::new()),
        Arc::new(o::eliminate_cross_join::EliminateCrossJoin::new()),
        Arc::new(o::push_down_filter::PushDownFilter::new()),
        Arc::new(common_subexpr_eliminate::CommonSubexprEliminate::new()),
        Arc::new(o::optimize_projections::OptimizeProjections::new()),
    ]))
}

/// Whether the plan groups by a window anywhere.
fn is_windowed(plan: &LogicalPlan) -> bool {
    let mut found = false;
    let visited = plan.apply(|node| {
        let LogicalPlan::Extension(extension) = node else { return Ok(TreeNodeRecursion::Continue) };
        found |= extension.node.as_any().is::<WindowAggregate>();
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found && visited.is_ok()
}
