//! The outer values that a sub-query is computed for, each combination once.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result, TableReference};
use datafusion::logical_expr::{Aggregate, BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, Operator};

/// Distinct values of some outer columns, as a relation under a name of its own.
#[derive(Debug, Clone)]
pub(super) struct Domain {
    /// The relation.
    pub(super) plan: LogicalPlan,
    /// The outer columns.
    pub(super) outer: Vec<Column>,
    name: TableReference,
}

impl Domain {
    /// The values that `outer` have in `input`.
    pub(super) fn new(input: &LogicalPlan, outer: Vec<Column>, name: String) -> Result<Self> {
        let name = TableReference::bare(name);
        let plan = renamed(input, &outer, &name)?.distinct()?.alias(name.clone())?.build()?;
        Ok(Self { plan, outer, name })
    }

    /// The rows of `input` themselves, with all of their columns.
    pub(super) fn of_rows(input: &LogicalPlan, name: String) -> Result<Self> {
        let outer = input.schema().columns();
        let name = TableReference::bare(name);
        let plan = renamed(input, &outer, &name)?.alias(name.clone())?.build()?;
        Ok(Self { plan, outer, name })
    }

    /// How many columns it has.
    pub(super) fn width(&self) -> usize {
        self.outer.len()
    }

    /// Its columns.
    pub(super) fn columns(&self) -> Vec<Expr> {
        self.columns_of(&self.name)
    }

    /// Its columns under the name of another relation.
    pub(super) fn columns_of(&self, name: &TableReference) -> Vec<Expr> {
        (0..self.width()).map(|index| Expr::Column(Column::new(Some(name.clone()), column_name(&self.name, index)))).collect()
    }

    /// `exprs` as the domain's columns.
    pub(super) fn named(&self, exprs: Vec<Expr>) -> Vec<Expr> {
        self.named_as(exprs, &self.name)
    }

    /// `exprs` as columns of a domain called `name`.
    pub(super) fn named_as(&self, exprs: Vec<Expr>, name: &TableReference) -> Vec<Expr> {
        let exprs = exprs.into_iter().enumerate();
        exprs.map(|(index, expr)| expr.alias_qualified(Some(name.clone()), column_name(&self.name, index))).collect()
    }

    /// `expr` with the domain's columns instead of the outer ones, under the same name.
    pub(super) fn bind(&self, expr: Expr) -> Result<Expr> {
        if !expr.contains_outer() {
            return Ok(expr);
        }
        let (relation, name) = match &expr {
            Expr::OuterReferenceColumn(_, column) => (column.relation.clone(), column.name.clone()),
            other => other.qualified_name(),
        };
        Ok(self.bind_unnamed(expr)?.unalias().alias_qualified(relation, name))
    }

    /// The same without a name, where names do not matter.
    pub(super) fn bind_unnamed(&self, expr: Expr) -> Result<Expr> {
        let bound = expr.transform(|part| match &part {
            Expr::OuterReferenceColumn(_, column) => Ok(match self.outer.iter().position(|outer| outer == column) {
                Some(index) => {
                    Transformed::yes(Expr::Column(Column::new(Some(self.name.clone()), column_name(&self.name, index))))
                }
                None => Transformed::no(part),
            }),
            _ => Ok(Transformed::no(part)),
        })?;
        Ok(bound.data)
    }
}

fn renamed(input: &LogicalPlan, columns: &[Column], domain: &TableReference) -> Result<LogicalPlanBuilder> {
    let columns = columns.iter().enumerate();
    let exprs = columns.map(|(index, column)| Expr::Column(column.clone()).alias(column_name(domain, index)));
    LogicalPlanBuilder::from(input.clone()).project(exprs.collect::<Vec<_>>())
}

fn column_name(domain: &TableReference, index: usize) -> String {
    // A name that no column of a query and of another domain has: beside others, columns are not always told apart by their relation.
    format!("{}_{index}", domain.table())
}

/// The columns of a schema.
pub(super) fn columns_in(schema: &DFSchema) -> Vec<Expr> {
    schema.columns().into_iter().map(Expr::Column).collect()
}

/// The columns of a schema that expressions above can name: not that by which an aggregate tells its grouping sets apart, which is gone
/// when GROUPING is a column.
pub(super) fn shown_columns(schema: &DFSchema) -> Vec<Expr> {
    let columns = schema.columns().into_iter();
    columns.filter(|column| !is_set_number(column.relation.as_ref(), &column.name)).map(Expr::Column).collect()
}

/// Whether a column is that by which an aggregate tells its grouping sets apart.
pub(super) fn is_set_number(relation: Option<&TableReference>, name: &str) -> bool {
    relation.is_none() && name == Aggregate::INTERNAL_GROUPING_ID
}

/// `left IS NOT DISTINCT FROM right` for each pair.
pub(super) fn same(left: Vec<Expr>, right: Vec<Expr>) -> Vec<Expr> {
    let pair = |(left, right)| {
        Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op: Operator::IsNotDistinctFrom, right: Box::new(right) })
    };
    left.into_iter().zip(right).map(pair).collect()
}
