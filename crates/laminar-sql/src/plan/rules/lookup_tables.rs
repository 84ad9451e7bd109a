//! Lookup tables stand behind JOIN … FOR SYSTEM_TIME AS OF PROCTIME() alone, and are asked for rows by their whole key.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use laminar_core::dag::ChangeKind;

use super::joins_by_time::refused;
use crate::plan::catalog::{Relation, RelationKind, RelationSource};
use crate::plan::nodes::LookupJoin;

/// What an error of the planner begins with about a lookup table, whose name follows, that is read and not looked up.
pub(crate) const LOOKUP_TABLE_ALONE: &str = "a lookup table alone: ";

/// The lookup table that `plan` reads, under whatever name.
pub(crate) fn lookup_table_of(plan: &LogicalPlan) -> Option<&Relation> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => lookup_table_of(&alias.input),
        LogicalPlan::TableScan(scan) => RelationSource::of(&scan.source).filter(|relation| relation.kind == RelationKind::Lookup),
        _ => None,
    }
}

/// Fails if a lookup table is read in another way than by a lookup join.
pub(crate) fn refuse_lookup_tables_alone(plan: LogicalPlan) -> Result<LogicalPlan> {
    check(&plan).map(|()| plan)
}

fn check(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| match node {
        LogicalPlan::Extension(extension) => match extension.node.as_any().downcast_ref::<LookupJoin>() {
            Some(LookupJoin { join }) if lookup_table_of(&join.right).is_some() => {
                check(&join.left)?;
                Ok(TreeNodeRecursion::Jump)
            }
            _ => Ok(TreeNodeRecursion::Continue),
        },
        scan @ LogicalPlan::TableScan(_) => match lookup_table_of(scan) {
            Some(table) => Err(DataFusionError::Plan(format!("{LOOKUP_TABLE_ALONE}{}", table.name))),
            None => Ok(TreeNodeRecursion::Continue),
        },
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    Ok(())
}

/// The equalities of ON in the order of the key of `table`; those that are of no key go to `others`. `condition` is the whole of ON.
pub(super) fn by_key(
    table: &Relation,
    mut on: Vec<(Expr, Expr)>,
    others: &mut Vec<Expr>,
    condition: &Expr,
) -> Result<Vec<(Expr, Expr)>> {
    let ChangeKind::Upsert(key) = &table.properties.changes else { return Ok(on) };
    let mut by_key = Vec::with_capacity(key.len());
    for column in key {
        let name = table.properties.schema.field(*column).name();
        let is_key = |(_, right): &(Expr, Expr)| matches!(right, Expr::Column(column) if column.name == *name);
        let is_cast = |(_, right): &(Expr, Expr)| right.column_refs().iter().any(|column| column.name == *name);
        match (on.iter().position(is_key), on.iter().find(|pair| is_cast(pair))) {
            (Some(at), _) => by_key.push(on.remove(at)),
            (None, Some((left, _))) => {
                let data_type = table.properties.schema.field(*column).data_type();
                let text = format!(
                    "the key '{name}' of lookup table '{}' is asked for as it is, and {left} is of another type",
                    table.name
                );
                return Err(refused(
                    &text,
                    left,
                    &format!("convert the left side to the type of '{name}', {data_type}: ON CAST(… AS …) = {name}"),
                ));
            }
            (None, None) => {
                let text =
                    format!("lookup table '{}' is asked by its whole key, and ON has no equality for '{name}'", table.name);
                return Err(refused(&text, condition, &format!("write ON l.… = {}.{name}", table.name)));
            }
        }
    }
    let equality = |(left, right)| Expr::BinaryExpr(BinaryExpr::new(Box::new(left), Operator::Eq, Box::new(right)));
    others.extend(on.into_iter().map(equality));
    Ok(by_key)
}
