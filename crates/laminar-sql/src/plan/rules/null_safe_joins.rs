//! `IS NOT DISTINCT FROM` is no key of a join while DataFusion's rules move conditions.
//!
//! A join has one flag for all of its keys: whether NULL equals NULL. The rules that make keys of conditions, and those that put joins
//! together, mix both kinds under one of them: `a = (SELECT max(b) … WHERE k = outer.k)` would find NULL equal to NULL. So such keys are
//! conditions first, and become keys when everything else has its place.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{NullEquality, Result};
use datafusion::logical_expr::utils::{can_hash, conjunction, find_valid_equijoin_key_pair, split_conjunction_owned};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Join, LogicalPlan, Operator, binary_expr};
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// The rules, none of which sees a join where NULL equals NULL.
pub(crate) fn with_null_safe_joins(rules: Vec<Rule>) -> Vec<Rule> {
    let extraction = ExtractEquijoinPredicate::new();
    let plain = |rule: Rule| if rule.name() == extraction.name() { Arc::new(PlainKeys) as Rule } else { rule };
    let mut all: Vec<Rule> = vec![Arc::new(Conditions)];
    all.extend(rules.into_iter().map(plain));
    all.push(Arc::new(NullSafeKeys));
    all
}

/// Makes conditions of keys for which NULL equals NULL.
#[derive(Debug)]
struct Conditions;

impl OptimizerRule for Conditions {
    fn name(&self) -> &str {
        "null_safe_conditions"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Join(join) = plan else { return Ok(Transformed::no(plan)) };
        if join.null_equality != NullEquality::NullEqualsNull {
            return Ok(Transformed::no(LogicalPlan::Join(join)));
        }
        let Join { on, filter, .. } = join;
        let pairs = on.into_iter().map(|(left, right)| binary_expr(left, Operator::IsNotDistinctFrom, right));
        let filter = conjunction(pairs.chain(filter));
        let null_equality = NullEquality::NullEqualsNothing;
        Ok(Transformed::yes(LogicalPlan::Join(Join { on: Vec::new(), filter, null_equality, ..join })))
    }
}

/// DataFusion's rule that makes keys of conditions, without the other kind of equality.
#[derive(Debug)]
struct PlainKeys;

impl OptimizerRule for PlainKeys {
    fn name(&self) -> &str {
        "extract_equijoin_predicate"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if !matches!(&plan, LogicalPlan::Join(join) if join.filter.is_some()) {
            return Ok(Transformed::no(plan));
        }
        let keyed = ExtractEquijoinPredicate::new().rewrite(plan.clone(), config)?;
        let is_plain = matches!(&keyed.data, LogicalPlan::Join(join) if join.null_equality == NullEquality::NullEqualsNothing);
        Ok(if is_plain { keyed } else { Transformed::no(plan) })
    }
}

/// Makes keys of `IS NOT DISTINCT FROM`. Keys that the join has already stay plain: they must not be NULL.
#[derive(Debug)]
struct NullSafeKeys;

impl OptimizerRule for NullSafeKeys {
    fn name(&self) -> &str {
        "null_safe_keys"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Join(join) = plan else { return Ok(Transformed::no(plan)) };
        let Some(filter) = join.filter.clone().filter(|_| !join.null_aware) else {
            return Ok(Transformed::no(LogicalPlan::Join(join)));
        };
        let (mut keys, mut conditions) = (Vec::new(), Vec::new());
        for condition in split_conjunction_owned(filter) {
            match null_safe_key(&condition, &join)? {
                Some(key) => keys.push(key),
                None => conditions.push(condition),
            }
        }
        if keys.is_empty() {
            return Ok(Transformed::no(LogicalPlan::Join(join)));
        }
        for (left, right) in &join.on {
            if left.nullable(join.left.schema())? && right.nullable(join.right.schema())? {
                conditions.push(left.clone().is_not_null());
            }
        }
        let on = join.on.into_iter().chain(keys).collect();
        let (filter, null_equality) = (conjunction(conditions), NullEquality::NullEqualsNull);
        Ok(Transformed::yes(LogicalPlan::Join(Join { on, filter, null_equality, ..join })))
    }
}

/// The two sides of a condition that can be a key.
fn null_safe_key(condition: &Expr, join: &Join) -> Result<Option<(Expr, Expr)>> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::IsNotDistinctFrom, right }) = condition else { return Ok(None) };
    let (left_schema, right_schema) = (join.left.schema(), join.right.schema());
    let Some((left, right)) = find_valid_equijoin_key_pair(left, right, left_schema, right_schema)? else { return Ok(None) };
    let fit = can_hash(&left.get_type(left_schema)?) && can_hash(&right.get_type(right_schema)?);
    Ok(fit.then_some((left, right)))
}
