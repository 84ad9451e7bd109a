//! VALUES in which a column has cells of several types, as far as they meet in PostgreSQL and not in DataFusion, which settles the types of VALUES before
//! our rules come: DOUBLE beside DECIMAL is DOUBLE, and would be cut to 15 digits behind the point; a text in quotes beside a date, a time or a boolean is
//! one, and would be refused.

use std::ops::ControlFlow;

use arrow_schema::DataType as Arrow;
use datafusion::common::DFSchema;
use datafusion::logical_expr::ExprSchemable;
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, Query, SetExpr, TimezoneInfo, UnaryOperator, Value, Values, VisitorMut,
};

use crate::ast_walk::walk_mut;
use crate::plan::names::Names;
use crate::plan::planner::parser_options;

/// Casts the columns of all VALUES in a query where that is needed.
pub(in crate::plan) fn let_values_meet(query: &mut Query, names: &Names<'_>) {
    let _ = walk_mut(query, &mut Meeting { names });
}

struct Meeting<'a> {
    names: &'a Names<'a>,
}

impl VisitorMut for Meeting<'_> {
    type Break = ();

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.within(&mut query.body);
        ControlFlow::Continue(())
    }
}

impl Meeting<'_> {
    fn within(&self, body: &mut SetExpr) {
        match body {
            SetExpr::Values(values) => self.values(values),
            SetExpr::SetOperation { left, right, .. } => {
                self.within(left);
                self.within(right);
            }
            _ => {}
        }
    }

    fn values(&self, values: &mut Values) {
        let width = values.rows.first().map_or(0, |row| row.content.len());
        for column in 0..width {
            let cells = || values.rows.iter().filter_map(|row| row.content.get(column));
            // Most lists are of one kind of constants, and nothing needs to be planned.
            let may_be_numbers = cells().any(may_be_double) && cells().any(may_be_decimal);
            let has_texts = cells().any(is_text) && cells().any(has_own_type);
            let target = match (may_be_numbers, has_texts) {
                (false, false) => None,
                (_, true) => self.only_type_of(cells().filter(|cell| !is_text(cell))),
                _ => self.is_double(cells()).then_some(DataType::Double(ExactNumberInfo::None)),
            };
            let Some(target) = target else { continue };
            let all = values.rows.iter_mut().filter_map(|row| row.content.get_mut(column));
            all.filter(|cell| !has_texts || is_text(cell)).for_each(|cell| cast_to(cell, &target));
        }
    }

    /// Whether there are numbers of both kinds.
    fn is_double<'c>(&self, cells: impl Iterator<Item = &'c Expr>) -> bool {
        let types: Vec<Arrow> = cells.filter_map(|cell| self.type_of(cell)).collect();
        types.iter().any(Arrow::is_floating) && types.iter().any(Arrow::is_decimal)
    }

    /// The type that all of these have, if it is one that a text in quotes can be and DataFusion does not know of.
    fn only_type_of<'c>(&self, cells: impl Iterator<Item = &'c Expr>) -> Option<DataType> {
        let types = cells.map(|cell| self.type_of(cell)).collect::<Option<Vec<_>>>()?;
        let mut types = types.into_iter().filter(|data_type| !data_type.is_null());
        let first = types.next()?;
        match types.all(|other| other == first).then_some(first)? {
            Arrow::Date32 => Some(DataType::Date),
            Arrow::Boolean => Some(DataType::Boolean),
            Arrow::Time64(_) => Some(DataType::Time(None, TimezoneInfo::None)),
            Arrow::Timestamp(_, None) => Some(DataType::Timestamp(None, TimezoneInfo::None)),
            Arrow::Timestamp(_, Some(_)) => Some(DataType::Timestamp(None, TimezoneInfo::Tz)),
            _ => None,
        }
    }

    fn type_of(&self, cell: &Expr) -> Option<Arrow> {
        let planner = SqlToRel::new_with_options(self.names, parser_options());
        let planned = planner.sql_to_expr(cell.clone(), &DFSchema::empty(), &mut PlannerContext::new()).ok()?;
        planned.get_type(&DFSchema::empty()).ok()
    }
}

/// The text of a number.
fn number(cell: &Expr) -> Option<&str> {
    match cell {
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } | Expr::Nested(expr) => number(expr),
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn may_be_double(cell: &Expr) -> bool {
    number(cell).map_or(!matches!(cell, Expr::Value(_)), |text| text.contains(['e', 'E']))
}

fn may_be_decimal(cell: &Expr) -> bool {
    number(cell).map_or(!matches!(cell, Expr::Value(_)), |text| text.contains('.') && !text.contains(['e', 'E']))
}

fn is_text(cell: &Expr) -> bool {
    matches!(cell, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
}

fn has_own_type(cell: &Expr) -> bool {
    match cell {
        Expr::Value(value) => matches!(value.value, Value::Boolean(_)),
        cell => number(cell).is_none(),
    }
}

fn cast_to(cell: &mut Expr, target: &DataType) {
    let expr = Box::new(cell.clone());
    *cell = Expr::Cast { kind: CastKind::Cast, expr, data_type: target.clone(), array: false, format: None };
}
