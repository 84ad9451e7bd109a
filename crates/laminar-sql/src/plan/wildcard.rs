//! `SELECT * FROM one relation`, planned in time by the number of its columns.
//!
//! While it looks for UNNEST, DataFusion compares each selected expression with every other one by its text: seconds for some thousand
//! columns. So the query is planned with one constant in place of the star, and the columns are put in afterwards.

use datafusion::common::{DataFusionError, internal_datafusion_err};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Query, Select, SelectItem, SetExpr, TableFactor, Value, WildcardAdditionalOptions,
};

/// The query with a constant in place of its star; `None`: it is not that simple.
pub(super) fn without_columns(query: &Query) -> Option<Query> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let bare =
        query.order_by.is_none() && query.limit_clause.is_none() && query.fetch.is_none() && query.pipe_operators.is_empty();
    if !bare || !is_all_of_one_relation(select) {
        return None;
    }
    let mut select = select.clone();
    select.projection = vec![SelectItem::UnnamedExpr(Expr::value(Value::Null))];
    Some(Query { body: Box::new(SetExpr::Select(select)), ..query.clone() })
}

fn is_all_of_one_relation(select: &Select) -> bool {
    let [SelectItem::Wildcard(star)] = select.projection.as_slice() else { return false };
    let [from] = select.from.as_slice() else { return false };
    let relation = matches!(from.relation, TableFactor::Table { .. } | TableFactor::Derived { .. });
    let plain = WildcardAdditionalOptions { wildcard_token: star.wildcard_token.clone(), ..Default::default() };
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, with) if keys.is_empty() && with.is_empty());
    let more =
        grouped || select.distinct.is_some() || select.having.is_some() || select.qualify.is_some() || select.exclude.is_some();
    relation && from.joins.is_empty() && *star == plain && !more
}

/// The plan with all columns of its relation in place of the constant.
pub(super) fn with_all_columns(plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let LogicalPlan::Projection(constant) = plan else {
        return Err(internal_datafusion_err!("the plan of a star does not end in a projection"));
    };
    let columns = constant.input.schema().fields().len();
    LogicalPlanBuilder::from(constant.input).select(0..columns)?.build()
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn only_a_star_over_one_relation_is_put_in_afterwards() {
        let cases = [
            ("SELECT * FROM s", true),
            ("SELECT * FROM s AS t WHERE a > 1", true),
            ("WITH c AS (SELECT 1 AS a) SELECT * FROM c", true),
            ("SELECT * FROM (SELECT a FROM s) AS t", true),
            ("SELECT *, a FROM s", false),
            ("SELECT s.* FROM s", false),
            ("SELECT * FROM s, t", false),
            ("SELECT * FROM s JOIN t USING (a)", false),
            ("SELECT DISTINCT * FROM s", false),
            ("SELECT * FROM s ORDER BY a", false),
            ("SELECT * FROM s LIMIT 1", false),
            ("SELECT * FROM s GROUP BY a", false),
            ("SELECT * FROM s UNION ALL SELECT * FROM t", false),
            ("SELECT a FROM s", false),
        ];
        for (text, simple) in cases {
            let query =
                Parser::new(&PostgreSqlDialect {}).try_with_sql(text).and_then(|mut parser| parser.parse_query()).unwrap();
            assert_eq!(without_columns(&query).is_some(), simple, "{text}");
        }
    }
}
